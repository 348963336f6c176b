"""What may not leave the office: figures of fewer than three cases, and what gives them away.

All here is arithmetic on counts and knows no case. A group of one or two cases is hidden. What a
total and the groups beside it would give away is hidden with it: the hidden groups together have
three cases or more, and neither from their sum nor from knowing this very rule does it follow which
of them has one case and which has two. `tests/unit/test_suppression.py` proves it by trying every
other province that would have been shown alike.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

MIN_CASES = 3
"""Figures are told of that many cases or of none."""
MIN_BESIDE = 5
"""What a group is hidden with has so many cases with it that both 1 and 2 stay possible."""

Counts = tuple[int, ...]


def is_small(cases: int) -> bool:
    """Say whether so many cases are too few to be told of."""
    return 0 < cases < MIN_CASES


def hidden_rows(rows: Sequence[Counts], forced: Iterable[int] = ()) -> frozenset[int]:
    """Return the places of the groups to hide, given each group's counts and known totals.

    A row has one count for each total that is known: the stopped cases of a city, say, or those of
    categories I and II and the others. Groups stand in a fixed order, of which the last are given
    up first: an order that followed from the counts would tell about them. `forced` are hidden
    anyway. Groups without a case are hidden where any is, and decide nothing: which of them are
    known differs between circulars, and two that hid different ones of the same counts would
    together tell them.
    """
    hidden = {*forced, *(place for place, row in enumerate(rows) if any(map(is_small, row)))}
    if not hidden:
        return frozenset()
    if any(is_small(sum(column)) for column in _columns(rows, range(len(rows)))):
        return frozenset(range(len(rows)))
    hidden |= {place for place, row in enumerate(rows) if 0 in row}
    if not all(map(_is_safe_alone, _columns(rows, hidden))):
        hidden = _with_others(rows, hidden)
    return frozenset(hidden)


def _columns(rows: Sequence[Counts], places: Iterable[int]) -> list[Counts]:
    """Return the counts that each total has of these groups, less groups without a case."""
    return list(zip(*(rows[place] for place in sorted(places) if any(rows[place])), strict=True))


def _is_safe_alone(column: Counts) -> bool:
    """Say whether hidden counts of 0, 1 and 2 keep their secret although their sum is known."""
    total = sum(column)
    return not total or (total >= MIN_CASES and total != (MIN_CASES - 1) * len(column))


def _with_others(rows: Sequence[Counts], hidden: set[int]) -> set[int]:
    """Give up one group after the other until the sum tells nothing."""
    for place in reversed(range(len(rows))):
        if place not in hidden:
            hidden = hidden | {place}
            if not any(0 < sum(column) < MIN_BESIDE for column in _columns(rows, hidden)):
                break
    return hidden


class Took(NamedTuple):
    """How many cases took `workdays`, and their parts: in time, late, without a limit."""

    workdays: int
    n: int
    in_time: int
    late: int
    unjudged: int


class Told(NamedTuple):
    """A distribution as it is told: row by row, then all that took `tail.workdays` or longer.

    Where `has_parts` is false, the parts are not told.
    """

    rows: tuple[Took, ...]
    tail: Took | None
    has_parts: bool


def told_distribution(took: Sequence[Took]) -> Told | None:
    """Hide the rare among the durations, or all where nothing can be told of them.

    The mean is known, so the sum of the workdays within the tail is, too: it must be at least two
    more than the tail's least, or it would tell who is in it.
    """
    has_parts = not any(is_small(sum(part)) for part in list(zip(*took, strict=True))[2:])
    if all(_is_told(row, has_parts=has_parts) for row in took):
        return Told(tuple(took), None, has_parts)
    return next(_tails(took, has_parts=has_parts), None)


def _tails(took: Sequence[Took], *, has_parts: bool) -> Iterator[Told]:
    """Yield what can be told with a tail, the shortest tail first."""
    for place in reversed(range(len(took))):
        rows, rest = took[:place], took[place:]
        tail = Took(rest[0].workdays, *_sums(row[1:] for row in rest))
        excess = sum((row.workdays - tail.workdays) * row.n for row in rest)
        told = (*rows, tail)
        if excess > 1 and all(_is_told(row, has_parts=has_parts) for row in told):
            yield Told(tuple(rows), tail, has_parts)


def _is_told(row: Took, *, has_parts: bool) -> bool:
    return not any(map(is_small, row[1:] if has_parts else row[1:2]))


def _sums(rows: Iterable[Counts]) -> Counts:
    return tuple(map(sum, zip(*rows, strict=True)))
