"""One file for each outside system that is notified."""
