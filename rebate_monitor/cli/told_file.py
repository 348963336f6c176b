"""A file that a command is told, or standard input, and all that is wrong with it at once."""

import sys
from collections.abc import Iterable
from pathlib import Path

import click

FILE = click.Path(exists=True, dir_okay=False, allow_dash=True, path_type=Path)
STANDARD_INPUT = Path("-")


def read_bytes(file: Path) -> bytes:
    """Read a file, or standard input for `-`."""
    try:
        return sys.stdin.buffer.read() if file == STANDARD_INPUT else file.read_bytes()
    except OSError as error:
        raise click.ClickException(f"{name_of(file)} cannot be read ({error.strerror})") from error


def name_of(file: Path) -> str:
    """Name a file as people call it."""
    return "standard input" if file == STANDARD_INPUT else str(file)


def refused(where: str, problems: Iterable[str]) -> click.ClickException:
    """Return the error that names every problem, a line for each."""
    told = list(problems)
    things = "1 thing is" if len(told) == 1 else f"{len(told)} things are"
    return click.ClickException(
        "\n  ".join((f"{where}: {things} wrong, nothing was written", *told))
    )
