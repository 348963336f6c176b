"""A period as a bureau looks at it (DOMAIN): groups against targets, ranked, and compared.

Figures of a group are those of `performance`; beside them stand the period before and the year
before, the rank among groups with enough cases, and what speed may hide: open cases by age, cases
that were withdrawn and filed again, and facts that contradict each other.
"""

from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from typing import NamedTuple

from rebate_monitor.domain.assessment import Verdict
from rebate_monitor.domain.case import Anomaly, fold
from rebate_monitor.domain.event import CaseEvent
from rebate_monitor.domain.performance import (
    Distributions,
    Grouped,
    Key,
    LeftOut,
    Mean,
    Performance,
    keys_of,
)
from rebate_monitor.domain.periods import (
    Days,
    Periods,
    month_name,
    month_of,
    month_shift,
    months_earlier,
)
from rebate_monitor.domain.policy import PolicyBook, Scope

MAX_EVENTS_TOLD = 100
"""How many of a case's last events are looked at for the source of an anomaly."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupEvaluation:
    """Figures of one group and scope, and how they compare.

    `workdays_sum` is what the mean divides; `refiled` are cases accepted in the period that name a
    case they were filed again from. `rank` is 1 for the lowest mean.
    """

    group: str | None
    scope: Scope
    performance: Performance
    workdays_sum: int
    left_out: LeftOut
    refiled: int = 0
    previous: Mean = field(default_factory=Mean)
    year_ago: Mean = field(default_factory=Mean)
    rank: int | None = None

    @property
    def mean(self) -> Mean:
        """The mean before it was divided."""
        return Mean(n=self.performance.n, workdays_sum=self.workdays_sum)


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluated:
    """What an evaluation is made of: the cases of three periods, and those that were refiled."""

    periods: Periods
    by: str
    this: Distributions
    previous: Distributions = field(default_factory=Distributions)
    year_ago: Distributions = field(default_factory=Distributions)
    refiled: Grouped[int] = field(default_factory=dict)

    def groups(self) -> Sequence[str | None]:
        """Return every group that has a case, in order."""
        refiled = {group for group, _ in self.refiled if group is not None}
        return groups_of(self.this.groups() | refiled, self.by, self.periods.this)

    def together(self) -> "Evaluated":
        """Return all groups as one, as if nothing had been grouped."""
        refiled: Counter[Key] = Counter()
        for (_, category_1_2), cases in self.refiled.items():
            refiled[None, category_1_2] += cases
        return replace(
            self,
            by="none",
            this=self.this.together(),
            previous=self.previous.together(),
            year_ago=self.year_ago.together(),
            refiled=refiled,
        )


def groups_of(found: Iterable[str], by: str, days: Days) -> Sequence[str | None]:
    """Return the groups of an answer in order; without grouping there is always the one.

    Open cases fall into the month of today, which need not be one of the period.
    """
    if by == "none":
        return [None]
    if by != "month":
        return sorted(found)
    first, last = month_name(days.first), month_name(days.last)
    return sorted(group for group in found if first <= group <= last)


def target_of(
    policies: PolicyBook, by: str, days: Days, group: str | None, scope: Scope
) -> float | None:
    """Return the target in force on the last day of the period, or of the month that is a group."""
    last = days.last
    if by == "month" and group is not None:
        last = min(last, month_of(date.fromisoformat(f"{group}-01")).last)
    return policies.on(last).target(scope)


def evaluate(told: Evaluated, policies: PolicyBook, min_cases: int) -> tuple[GroupEvaluation, ...]:
    """Evaluate each group in each scope; groups of fewer than `min_cases` cases have no rank."""
    groups = told.groups()
    ranks = {
        scope: ranked({group: told.this.mean(group, scope) for group in groups}, min_cases)
        for scope in Scope
    }
    return tuple(
        _evaluate_group(told, policies, group, scope, ranks[scope].get(group))
        for group in groups
        for scope in Scope
    )


def _evaluate_group(
    told: Evaluated, policies: PolicyBook, group: str | None, scope: Scope, rank: int | None
) -> GroupEvaluation:
    periods = told.periods
    target = target_of(policies, told.by, periods.this, group, scope)
    return GroupEvaluation(
        group=group,
        scope=scope,
        performance=told.this.performance(group, scope, target),
        workdays_sum=told.this.mean(group, scope).workdays_sum,
        left_out=told.this.sum_left_out(group, scope),
        refiled=sum(told.refiled.get(key, 0) for key in keys_of(group, scope)),
        previous=told.previous.mean(_counterpart(told, group, periods.previous), scope),
        year_ago=told.year_ago.mean(_counterpart(told, group, periods.year_ago), scope),
        rank=rank,
    )


def _counterpart(told: Evaluated, group: str | None, other: Days) -> str | None:
    """Return what a group is compared with: itself, or the month as far into the other period."""
    if told.by != "month" or group is None:
        return group
    shift = month_shift(told.periods.this, other)
    return month_name(months_earlier(date.fromisoformat(f"{group}-01"), shift))


def ranked(means: Mapping[str | None, Mean], min_cases: int) -> dict[str | None, int]:
    """Rank groups with enough cases by their exact means; equal means share the better rank."""
    exact = {group: mean.exact for group, mean in means.items() if mean.n >= min_cases}
    known = {group: mean for group, mean in exact.items() if mean is not None}
    ordered = sorted(known.values())
    return {group: bisect_left(ordered, mean) + 1 for group, mean in known.items()}


@dataclass(frozen=True, slots=True, kw_only=True)
class StoppedAfter:
    """How many normal cases of a period took `workdays`; those without a limit are unjudged."""

    workdays: int
    n: int
    in_time: int
    late: int
    unjudged: int


def stopped_after(told: Distributions) -> tuple[StoppedAfter, ...]:
    """Return the distribution of all groups together, by workdays."""
    sums: dict[int, list[int]] = defaultdict(lambda: [0, 0, 0])
    for parts in told.stopped.values():
        for part in parts:
            for place, count in enumerate((part.cases, part.judged, part.in_time)):
                sums[part.workdays][place] += count
    return tuple(
        StoppedAfter(
            workdays=days, n=n, in_time=in_time, late=judged - in_time, unjudged=n - judged
        )
        for days, (n, judged, in_time) in sorted(sums.items())
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenFor:
    """How many normal open cases have run `workdays` so far, by their verdicts."""

    workdays: int
    verdicts: Mapping[Verdict, int]


def open_for(counted: Iterable[tuple[int, Verdict, int]]) -> tuple[OpenFor, ...]:
    """Gather (workdays, verdict, cases) by workdays."""
    sums: dict[int, Counter[Verdict]] = defaultdict(Counter)
    for workdays, verdict, cases in counted:
        sums[workdays][verdict] += cases
    return tuple(OpenFor(workdays=days, verdicts=told) for days, told in sorted(sums.items()))


def anomaly_sources(
    case_id: str, events: Sequence[CaseEvent], policies: PolicyBook
) -> dict[Anomaly, str]:
    """Return the source of each anomaly of a case.

    That is the source of the event with which the case came to list it for good, its events told
    one by one in the order of the fold. A case of very many events has no sources told: each of
    them would be a fold of its own.
    """
    if len(events) > MAX_EVENTS_TOLD:
        return {}
    ordered = sorted(events, key=lambda event: event.fold_order)
    listed: frozenset[Anomaly] = frozenset()
    told: dict[Anomaly, str] = {}
    for place, event in enumerate(ordered):
        before, listed = listed, frozenset(fold(case_id, ordered[: place + 1], policies).anomalies)
        told |= dict.fromkeys(listed - before, event.source)
        told = {anomaly: source for anomaly, source in told.items() if anomaly in listed}
    return told


class Quality(NamedTuple):
    """How many cases list an anomaly that came from a source; None stands for all others."""

    anomaly: Anomaly
    source: str | None
    cases: int


def data_quality(
    found: Mapping[tuple[Anomaly, str | None], int], most_sources: int
) -> tuple[Quality, ...]:
    """List anomalies by kind, the largest sources first, and what is beyond them as one."""
    by_kind: dict[Anomaly, Counter[str | None]] = defaultdict(Counter)
    for (anomaly, source), cases in found.items():
        by_kind[anomaly][source] += cases
    return tuple(
        Quality(anomaly, source, cases)
        for anomaly in Anomaly
        for source, cases in _largest(by_kind[anomaly], most_sources)
    )


def _largest(sources: Mapping[str | None, int], most: int) -> list[tuple[str | None, int]]:
    named = [(source, cases) for source, cases in sources.items() if source is not None]
    named.sort(key=lambda told: (-told[1], told[0]))
    others = sources.get(None, 0) + sum(cases for _, cases in named[most:])
    return [*named[:most], *([(None, others)] if others else [])]


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluation:
    """All of an evaluation; ageing, distribution and quality are of all groups together."""

    groups: tuple[GroupEvaluation, ...]
    open_ageing: tuple[OpenFor, ...]
    distribution: tuple[StoppedAfter, ...]
    data_quality: tuple[Quality, ...]
