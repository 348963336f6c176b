"""The performance of a scope over a period (DESIGN 5), exact from a distribution of cases."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from fractions import Fraction
from functools import reduce
from typing import TypeVar

from rebate_monitor.domain.policy import Scope

DECIMALS = 6
MEDIAN, P90 = Fraction(1, 2), Fraction(9, 10)


@dataclass(frozen=True, slots=True, kw_only=True)
class Stopped:
    """How many normal cases of a group took `workdays`, with what they weigh.

    `judged` are those with a limit, `in_time` those within it; `amount_cny` is their sum in CNY.
    """

    workdays: int
    cases: int
    judged: int
    in_time: int
    same_day: int
    amount_cny: Decimal = Decimal(0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Open:
    """How many normal open cases of a group have run `workdays` so far."""

    workdays: int
    cases: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Performance:
    """Figures of one group and scope; rates are 0 to 1, means workdays, None where n is 0."""

    n: int
    mean_workdays: float | None
    median: float | None
    p90: float | None
    in_time_rate: float | None
    same_day_rate: float | None
    amount_weighted_mean: float | None
    target_workdays: float | None
    meets_target: bool | None
    open_n: int
    open_mean_workdays: float | None
    mean_if_open_stopped_now: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class LeftOut:
    """Cases whose clock ended but that no mean counts."""

    excluded: int = 0
    rejected: int = 0
    withdrawn: int = 0

    def plus(self, other: "LeftOut") -> "LeftOut":
        """Return the sum of both."""
        return LeftOut(
            excluded=self.excluded + other.excluded,
            rejected=self.rejected + other.rejected,
            withdrawn=self.withdrawn + other.withdrawn,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Mean:
    """A mean in workdays before it is divided and rounded, so that means compare exactly."""

    n: int = 0
    workdays_sum: int = 0

    @property
    def exact(self) -> Fraction | None:
        """The mean as a fraction, None of nothing."""
        return Fraction(self.workdays_sum, self.n) if self.n else None

    @property
    def workdays(self) -> float | None:
        """The mean as figures show it."""
        return _ratio(self.workdays_sum, self.n)

    def change_on(self, before: "Mean") -> float | None:
        """Return by how much this mean is above another, None where either is of nothing."""
        mine, its = self.exact, before.exact
        return None if mine is None or its is None else rounded(mine - its)


def rounded(exact: Fraction) -> float:
    """Round an exact figure as all figures are; what rounds to nothing has no sign."""
    return round(float(exact), DECIMALS) + 0.0


Part = TypeVar("Part")
Key = tuple[str | None, bool]
Grouped = Mapping[Key, Part]
"""Something by (group, whether of category I or II)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Distributions:
    """The cases of a period: what all its figures are summed up from."""

    stopped: Grouped[Sequence[Stopped]] = field(default_factory=dict)
    still_open: Grouped[Sequence[Open]] = field(default_factory=dict)
    left_out: Grouped[LeftOut] = field(default_factory=dict)

    def performance(self, group: str | None, scope: Scope, target: float | None) -> Performance:
        """Sum up one group in one scope against a target in mean workdays."""
        return performance(
            self._stopped_of(group, scope),
            [part for key in keys_of(group, scope) for part in self.still_open.get(key, ())],
            target,
        )

    def mean(self, group: str | None, scope: Scope) -> Mean:
        """Return the mean of one group in one scope."""
        stopped = self._stopped_of(group, scope)
        return Mean(n=_count(stopped), workdays_sum=_total(stopped))

    def sum_left_out(self, group: str | None, scope: Scope) -> LeftOut:
        """Sum up what one group left out in one scope."""
        told = [self.left_out.get(key, LeftOut()) for key in keys_of(group, scope)]
        return reduce(LeftOut.plus, told)

    def groups(self) -> set[str]:
        """Return every group that has any case."""
        keys = {*self.stopped, *self.left_out, *self.still_open}
        return {group for group, _ in keys if group is not None}

    def plus(self, other: "Distributions") -> "Distributions":
        """Return both together; what one counts and the other takes away is gone."""
        return Distributions(
            stopped=_together(self.stopped, other.stopped, _net_stopped),
            still_open=_together(self.still_open, other.still_open, _net_open),
            left_out=_sum_each(self.left_out, other.left_out),
        )

    def together(self) -> "Distributions":
        """Return all groups as the one that has no name."""
        left_out: dict[Key, LeftOut] = {}
        for (_, category_1_2), told in self.left_out.items():
            key = (None, category_1_2)
            left_out[key] = left_out.get(key, LeftOut()).plus(told)
        return Distributions(
            stopped=_ungrouped(self.stopped),
            still_open=_ungrouped(self.still_open),
            left_out=left_out,
        )

    def _stopped_of(self, group: str | None, scope: Scope) -> list[Stopped]:
        return [part for key in keys_of(group, scope) for part in self.stopped.get(key, ())]


def keys_of(group: str | None, scope: Scope) -> list[Key]:
    """Return the keys of one group that a scope covers."""
    return [(group, True), (group, False)] if scope is Scope.ALL else [(group, True)]


def _ungrouped(grouped: Grouped[Sequence[Part]]) -> dict[Key, list[Part]]:
    parts: dict[Key, list[Part]] = {}
    for (_, category_1_2), told in grouped.items():
        parts.setdefault((None, category_1_2), []).extend(told)
    return parts


def _together(
    one: Grouped[Sequence[Part]],
    other: Grouped[Sequence[Part]],
    net: Callable[[Iterable[Part]], list[Part]],
) -> dict[Key, list[Part]]:
    netted = {key: net([*one.get(key, ()), *other.get(key, ())]) for key in {*one, *other}}
    return {key: parts for key, parts in netted.items() if parts}


def _net_stopped(parts: Iterable[Stopped]) -> list[Stopped]:
    """Sum up parts of equal workdays, and drop what adds up to nothing."""
    sums: dict[int, Stopped] = {}
    for part in parts:
        known = sums.get(part.workdays)
        sums[part.workdays] = part if known is None else _stopped_together(known, part)
    return [part for part in sums.values() if any(_measures(part))]


def _measures(part: Stopped) -> tuple[int | Decimal, ...]:
    return part.cases, part.judged, part.in_time, part.same_day, part.amount_cny


def _stopped_together(one: Stopped, other: Stopped) -> Stopped:
    return Stopped(
        workdays=one.workdays,
        cases=one.cases + other.cases,
        judged=one.judged + other.judged,
        in_time=one.in_time + other.in_time,
        same_day=one.same_day + other.same_day,
        amount_cny=one.amount_cny + other.amount_cny,
    )


def _net_open(parts: Iterable[Open]) -> list[Open]:
    counts: Counter[int] = Counter()
    for part in parts:
        counts[part.workdays] += part.cases
    return [Open(workdays=days, cases=cases) for days, cases in counts.items() if cases]


def _sum_each(one: Grouped[LeftOut], other: Grouped[LeftOut]) -> dict[Key, LeftOut]:
    nothing = LeftOut()
    sums = {key: one.get(key, nothing).plus(other.get(key, nothing)) for key in {*one, *other}}
    return {key: told for key, told in sums.items() if told != nothing}


def performance(
    stopped: Sequence[Stopped], still_open: Sequence[Open], target: float | None
) -> Performance:
    """Sum up a group; `meets_target` compares the exact mean, not the rounded one."""
    n, total = _count(stopped), _total(stopped)
    open_n, open_total = _count(still_open), _total(still_open)
    return Performance(
        n=n,
        mean_workdays=_ratio(total, n),
        median=_percentile(stopped, MEDIAN),
        p90=_percentile(stopped, P90),
        in_time_rate=_ratio(sum(s.in_time for s in stopped), sum(s.judged for s in stopped)),
        same_day_rate=_ratio(sum(s.same_day for s in stopped), n),
        amount_weighted_mean=_amount_weighted_mean(stopped),
        target_workdays=target,
        meets_target=None if target is None or not n else total <= Fraction(str(target)) * n,
        open_n=open_n,
        open_mean_workdays=_ratio(open_total, open_n),
        mean_if_open_stopped_now=_ratio(total + open_total, n + open_n),
    )


def _count(parts: Iterable[Stopped | Open]) -> int:
    return sum(part.cases for part in parts)


def _total(parts: Iterable[Stopped | Open]) -> int:
    return sum(part.cases * part.workdays for part in parts)


def _ratio(numerator: int, denominator: int) -> float | None:
    return round(numerator / denominator, DECIMALS) if denominator else None


def _amount_weighted_mean(stopped: Iterable[Stopped]) -> float | None:
    weights = [(part.workdays, part.amount_cny) for part in stopped]
    amount = sum((weight for _, weight in weights), Decimal(0))
    if not amount:
        return None
    return round(float(sum(days * weight for days, weight in weights) / amount), DECIMALS)


def _percentile(stopped: Iterable[Stopped], share: Fraction) -> float | None:
    """Return a percentile with linear interpolation, as SQL's `percentile_cont` does."""
    counted = sorted((part.workdays, part.cases) for part in stopped)
    n = sum(cases for _, cases in counted)
    if not n:
        return None
    place = share * (n - 1)
    low, high = _nth(counted, int(place)), _nth(counted, min(int(place) + 1, n - 1))
    return round(float(low + (place - int(place)) * (high - low)), DECIMALS)


def _nth(counted: Iterable[tuple[int, int]], place: int) -> int:
    seen = 0
    for workdays, cases in counted:
        seen += cases
        if place < seen:
            return workdays
    raise IndexError(place)
