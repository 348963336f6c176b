"""Connections that nobody uses are closed: silent ones in time, and the oldest of too many."""

import pytest

from rebate_monitor.api import doorkeeper
from rebate_monitor.api.doorkeeper import FIRST_REQUEST_SECONDS, Doorkeeper


class Line:
    """A connection as far as it is looked at: it can be closed, and may be noted as used."""

    def __init__(self) -> None:
        self.protocol = self
        self.transport = self
        self.is_closed = False

    def force_close(self) -> None:
        """Let no further request be served."""

    def abort(self) -> None:
        """Close at once."""
        self.is_closed = True


class Clock:
    """A clock that stands until it is moved."""

    now = 0.0

    def __call__(self) -> float:
        """Return the seconds."""
        return self.now


def keeper(clock: Clock) -> Doorkeeper:
    """Return a doorkeeper on a clock."""
    return Doorkeeper(clock)


def look(door: Doorkeeper, lines: list[Line]) -> list[bool]:
    """Let it look; return which connections are closed."""
    door.look(lines)  # type: ignore[arg-type]
    return [line.is_closed for line in lines]


def test_who_never_asks_is_closed_in_time() -> None:
    """Not before, and not who has ever asked."""
    clock = Clock()
    door, lines = keeper(clock), [Line(), Line()]
    look(door, lines)
    door.note_request(lines[1])  # type: ignore[arg-type]
    clock.now += FIRST_REQUEST_SECONDS - 1
    before = look(door, lines)
    clock.now += 1

    assert [False, False] == before
    assert [True, False] == look(door, lines)


def test_of_too_many_the_oldest_silent_ones_go(monkeypatch: pytest.MonkeyPatch) -> None:
    """Those that are used stay, however many."""
    monkeypatch.setattr(doorkeeper, "MOST_CONNECTIONS", 2)
    clock = Clock()
    door, old = keeper(clock), [Line(), Line()]
    look(door, old)
    door.note_request(old[0])  # type: ignore[arg-type]
    clock.now += 1

    assert [False, True, False] == look(door, [*old, Line()])


def test_who_has_left_is_forgotten() -> None:
    """A new connection starts anew."""
    clock = Clock()
    door, line = keeper(clock), Line()
    look(door, [line])
    clock.now += FIRST_REQUEST_SECONDS
    look(door, [])

    assert [False] == look(door, [line])
