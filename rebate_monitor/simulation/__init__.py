"""A made-up province that behaves like a real one, from a seed."""
