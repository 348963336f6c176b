"""A clock in a file: whoever drives the soak moves it, every process of the service goes by it."""

import mmap
from datetime import UTC, datetime
from pathlib import Path
from typing import Self

BYTES = 8


class SharedClock:
    """Tells the instant that was last set, in UTC; processes share the memory of one file.

    An instant is one aligned number, so that nobody ever reads half of it.
    """

    def __init__(self, file: Path) -> None:
        with file.open("r+b") as opened:
            self._seconds = memoryview(mmap.mmap(opened.fileno(), BYTES)).cast("d")

    @classmethod
    def made(cls, file: Path, instant: datetime) -> Self:
        """Make the file; the clock stands at an instant."""
        file.write_bytes(bytes(BYTES))
        made = cls(file)
        made.set(instant)
        return made

    def __call__(self) -> datetime:
        """Return the instant."""
        return datetime.fromtimestamp(self._seconds[0], UTC)

    def set(self, instant: datetime) -> None:
        """Move the clock."""
        self._seconds[0] = instant.timestamp()
