"""Who tries keys is held back, by address; who has the right one goes on."""

import pytest

from rebate_monitor.api import throttle
from rebate_monitor.api.throttle import MINUTE, MOST_REMEMBERED, WRONG_A_MINUTE, Throttle

HERE, THERE = "192.0.2.1", "192.0.2.2"


class Clock:
    """A clock that stands until it is moved."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        """Return the seconds."""
        return self.now


def tried(held: Throttle, address: str, times: int = WRONG_A_MINUTE) -> None:
    """Try wrong keys, each another."""
    for number in range(times):
        held.note_wrong(address, f"wrong-{number}".encode())


def test_few_wrong_keys_hold_nobody_back() -> None:
    """One less than too many is still looked up."""
    held = Throttle(Clock())
    tried(held, HERE, WRONG_A_MINUTE - 1)

    assert held.seconds_to_wait(HERE, b"another") == 0


def test_many_wrong_keys_hold_their_address_back_for_a_while() -> None:
    """Nobody else's, and no longer than till the oldest of them is a minute old."""
    clock = Clock()
    held = Throttle(clock)
    tried(held, HERE)
    waits = [held.seconds_to_wait(HERE, b"another")]
    clock.now += MINUTE - 1
    waits.append(held.seconds_to_wait(HERE, b"another"))
    clock.now += 1
    waits.append(held.seconds_to_wait(HERE, b"another"))

    assert [MINUTE, 1, 0] == waits
    assert held.seconds_to_wait(THERE, b"another") == 0


def test_a_right_key_goes_on_from_the_same_address() -> None:
    """Until it turns out wrong."""
    held = Throttle(Clock())
    held.note_right(b"right")
    tried(held, HERE)
    before = held.seconds_to_wait(HERE, b"right")
    held.note_wrong(HERE, b"right")

    assert (0, MINUTE) == (before, held.seconds_to_wait(HERE, b"right"))


@pytest.mark.parametrize(
    ("other", "is_same"),
    [("2001:db8::ffff", True), ("2001:db8:0:1::1", False), ("not an address", False)],
)
def test_of_ipv6_the_network_counts(other: str, *, is_same: bool) -> None:
    """Its lower half is chosen by the sender."""
    held = Throttle(Clock())
    tried(held, "2001:db8::1")

    assert is_same is (held.seconds_to_wait(other, b"x") > 0)


def test_what_is_remembered_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """The oldest address, and the oldest right key, are forgotten."""
    monkeypatch.setattr(throttle, "MOST_REMEMBERED", 2)
    held = Throttle(Clock())
    for address in (HERE, THERE, "192.0.2.3"):
        tried(held, address)
    for digest in (b"a", b"b", b"c"):
        held.note_right(digest)

    assert [0, MINUTE] == [held.seconds_to_wait(where, b"x") for where in (HERE, THERE)]
    assert [MINUTE, 0] == [held.seconds_to_wait(THERE, digest) for digest in (b"a", b"c")]
    assert MOST_REMEMBERED > 2
