"""The rules, pure: standard library only, nothing awaited, `now` always an argument."""
