"""What is hidden stays hidden, also from somebody who knows totals, neighbours and the very rule.

The oracle tries everything: all other counts that would have been shown just alike.
"""

import itertools
from collections import Counter, defaultdict
from collections.abc import Hashable, Iterator, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rebate_monitor.circular.suppression import (
    MIN_CASES,
    Told,
    Took,
    hidden_rows,
    is_small,
    told_distribution,
)

Family = tuple[int, ...]


def seen_of(family: Family) -> Hashable:
    """Return all that a reader sees of groups whose total is told, unless it is small itself."""
    hidden = hidden_rows([(count,) for count in family])
    total = sum(family)
    shown = tuple(count for place, count in enumerate(family) if place not in hidden)
    return (None if is_small(total) else total, hidden, shown)


@pytest.mark.parametrize(
    ("groups", "most", "beyond"), [(1, 9, 9), (2, 12, 24), (3, 9, 18), (4, 5, 10)]
)
def test_no_small_group_is_given_away(groups: int, most: int, beyond: int) -> None:
    """For whatever is seen, every hidden group of one or two may also have another count."""
    alike: dict[Hashable, list[Family]] = defaultdict(list)
    for family in itertools.product(range(beyond + 1), repeat=groups):
        alike[seen_of(family)].append(family)

    given_away = [
        (family, place)
        for families in alike.values()
        for family in families
        if max(family) <= most
        for place, count in enumerate(family)
        if is_small(count) and len({other[place] for other in families}) == 1
    ]

    assert [] == given_away


@given(st.lists(st.integers(0, 8), max_size=8))
def test_no_small_group_is_shown(family: list[int]) -> None:
    """Groups of one or two are hidden, and what is hidden together is three or more, or all."""
    hidden = hidden_rows([(count,) for count in family])

    together = sum(family[place] for place in hidden)
    assert {place for place, count in enumerate(family) if is_small(count)} <= hidden
    assert not is_small(together) or is_small(sum(family))


@given(st.lists(st.sampled_from([0, 3, 4, 5, 60]), max_size=8))
def test_nothing_is_hidden_in_vain(family: list[int]) -> None:
    """Where no group is small, none is hidden."""
    assert frozenset() == hidden_rows([(count,) for count in family])


@pytest.mark.parametrize(
    ("family", "hidden"),
    [
        ([], set()),
        ([2], {0}),
        ([7, 2, 30, 9], {1, 3}),  # the last is given up with it, not the smallest
        ([7, 2, 1, 9], {1, 2}),  # two are enough for each other
        ([7, 2, 2, 9], {1, 2, 3}),  # unless the sum says that both have two
        ([7, 1, 3], {1, 2, 0}),  # or that the one has one
        ([7, 1, 0, 9], {1, 2, 3}),  # what has none hides among them
        ([1, 1, 0], {0, 1, 2}),
    ],
)
def test_examples(family: list[int], hidden: set[int]) -> None:
    """Some families worked by hand."""
    assert hidden == hidden_rows([(count,) for count in family])


Halves = tuple[tuple[int, ...], ...]


def seen_of_halves(pairs: Halves) -> Hashable:
    """Return all that is seen of groups, and of the one half of each, with all totals told."""
    groups = [sum(pair) for pair in pairs]
    hidden = hidden_rows([(count,) for count in groups])
    totals = tuple(map(sum, zip(*pairs, strict=True)))
    split = (
        range(len(pairs))
        if hidden_rows([(half,) for half in totals])
        else hidden_rows(pairs, hidden)
    )
    shown = tuple(n for place, n in enumerate(groups) if place not in hidden)
    halves = tuple(pair[0] for place, pair in enumerate(pairs) if place not in split)
    return sum(groups), hidden, shown, tuple(split), halves


@pytest.mark.parametrize(("groups", "most", "beyond"), [(2, 5, 8), (3, 3, 5)])
def test_no_half_of_a_group_is_given_away(groups: int, most: int, beyond: int) -> None:
    """Neither half of a group can be worked out where it is small, nor the group itself."""
    alike: dict[Hashable, list[Halves]] = defaultdict(list)
    pairs = list(itertools.product(range(beyond + 1), repeat=2))
    for told in itertools.product(pairs, repeat=groups):
        if sum(map(sum, told)) >= MIN_CASES:
            alike[seen_of_halves(told)].append(told)

    given_away = [
        (told[0], place)
        for told in alike.values()
        if any(max(map(max, one)) <= most for one in told)
        for place in range(groups)
        for number in (lambda p: p[0], lambda p: p[1], sum)
        if len(counts := {number(one[place]) for one in told}) == 1 and is_small(counts.pop())
    ]

    assert [] == given_away


Counts = dict[int, int]


def took(counts: Counts, late_from: int = 100) -> list[Took]:
    """Make a distribution of cases that are late from some workdays on."""
    return [
        Took(days, n, n if days < late_from else 0, n if days >= late_from else 0, 0)
        for days, n in sorted(counts.items())
        if n
    ]


def partitions(total: int, most_parts: int, largest: int) -> Iterator[tuple[int, ...]]:
    """Yield each way to write a number as a sum of so many parts at most."""
    if total == 0:
        yield ()
    elif most_parts:
        for part in range(min(total, largest), 0, -1):
            for rest in partitions(total - part, most_parts - 1, part):
                yield (part, *rest)


def seen_alike(counts: Counts, told: Told) -> Iterator[Counts]:
    """Yield every distribution that has the same mean and would be told in the same way."""
    assert told.tail is not None
    start, n = told.tail.workdays, told.tail.n
    excess = sum((days - start) * cases for days, cases in counts.items() if days >= start)
    below = {days: cases for days, cases in counts.items() if days < start}
    for parts in partitions(excess, n, excess):
        other = Counter({**below, start: n - len(parts)})
        other.update(start + part for part in parts)
        if told_distribution(took(dict(other))) == told:
            yield dict(other)


def given_away(counts: Counts, told: Told) -> list[int]:
    """Return the durations of one or two cases that can have no other number of cases."""
    rare = [days for days, n in counts.items() if is_small(n)]
    for other in seen_alike(counts, told):
        rare = [days for days in rare if other.get(days, 0) == counts[days]]
        if not rare:
            break
    return rare


def test_no_rare_duration_is_given_away() -> None:
    """Within the tail every count of one or two may also be another, although the mean is told."""
    found, tails = [], 0
    for told_counts in itertools.product(range(4), repeat=5):
        counts = {days: n for days, n in enumerate(told_counts) if n}
        told = told_distribution(took(counts))
        if told is not None and told.tail is not None:
            tails += 1
            found += [(counts, days) for days in given_away(counts, told)]

    assert tails > 500
    assert [] == found


TOOK = st.lists(st.tuples(*[st.integers(0, 6)] * 3), min_size=1, max_size=9)


@given(TOOK)
def test_what_is_told_of_a_distribution_is_all_of_it(parts: list[tuple[int, int, int]]) -> None:
    """Rows and tail add up to all cases, and no number of one or two is among them."""
    whole = [Took(days, sum(part), *part) for days, part in enumerate(parts) if sum(part)]

    told = told_distribution(whole)

    if told is not None and whole:
        rows = [*told.rows, *([told.tail] if told.tail else [])]
        assert [sum(c) for c in list(zip(*whole, strict=True))[1:]] == [
            sum(c) for c in list(zip(*rows, strict=True))[1:]
        ]
        assert not any(
            is_small(n) for row in rows for n in (row[1:] if told.has_parts else row[1:2])
        )


@pytest.mark.parametrize(
    ("counts", "late_from", "rows", "tail"),
    [
        ({0: 5, 1: 9}, 100, [0, 1], None),
        ({0: 5, 2: 9, 7: 1, 30: 2}, 5, [0, 2], (7, 3)),
        ({0: 5, 2: 9, 7: 2, 8: 1}, 5, [0], (2, 12)),  # the mean would tell who took 8
        ({0: 1, 1: 5, 2: 9}, 100, [], (0, 15)),
        ({0: 5, 1: 1}, 100, None, None),  # the mean itself tells it: nothing more is told
    ],
)
def test_examples_of_tails(
    counts: Counts, late_from: int, rows: Sequence[int] | None, tail: tuple[int, int] | None
) -> None:
    """Some distributions worked by hand."""
    told = told_distribution(took(counts, late_from))

    if rows is None:
        assert told is None
    else:
        assert told is not None
        assert rows == [row.workdays for row in told.rows]
        assert tail == (told.tail and told.tail[:2])


def test_parts_are_not_told_where_they_are_small_in_all() -> None:
    """That two cases in all were late is not told day by day."""
    told = told_distribution(took({0: 5, 3: 9, 5: 2, 6: 0}, late_from=5))

    assert told is not None
    assert not told.has_parts


def test_nothing_is_told_of_nothing() -> None:
    """An empty distribution has no rows."""
    assert Told((), None, has_parts=True) == told_distribution([])
