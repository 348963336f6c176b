"""Both sides of every ratio, measured in one run."""
