"""Faults, one at a time, under load, and a recount after each: `make chaos`."""
