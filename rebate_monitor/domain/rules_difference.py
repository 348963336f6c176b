"""What a change of the rules comes to before it is made: cases, due dates, breaches, means."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from fractions import Fraction
from typing import Protocol

from rebate_monitor.domain.assessment import Judged, Verdict, verdict_at
from rebate_monitor.domain.case import Status
from rebate_monitor.domain.event import Category
from rebate_monitor.domain.performance import Mean, rounded
from rebate_monitor.domain.periods import month_name
from rebate_monitor.domain.policy import Scope

LATE = (Verdict.BREACHED, Verdict.MISSED)


class Standing(Judged, Protocol):
    """A case as it stands, as far as a difference is read off it."""

    @property
    def status(self) -> Status: ...  # noqa: D102
    @property
    def normal(self) -> bool: ...  # noqa: D102
    @property
    def category(self) -> str | None: ...  # noqa: D102
    @property
    def stopped_on(self) -> date | None: ...  # noqa: D102
    @property
    def counted_workdays(self) -> int | None: ...  # noqa: D102


@dataclass(frozen=True, slots=True, kw_only=True)
class MonthDifference:
    """The official mean of a month and scope before and after; None where there is no case."""

    month: str
    scope: Scope
    n_before: int
    mean_before: float | None
    n_after: int
    mean_after: float | None


@dataclass(slots=True, kw_only=True)
class RulesDifference:
    """What other rules come to at a moment, added up case by case; one case can be in several.

    `due_dates_moved` also counts due dates that come or go. Late is breached or missed.
    """

    now: datetime
    cases: int = 0
    changed: int = 0
    due_dates_moved: int = 0
    breaches_made: int = 0
    breaches_unmade: int = 0
    normal_changed: int = 0
    _means: dict[tuple[str, Scope], Mean] = field(default_factory=dict)

    def look_at(self, cases: int) -> None:
        """Count cases that come out the same."""
        self.cases += cases

    def add(
        self, before: Standing, after: Standing, cases: int = 1, *, due_date_moved: bool
    ) -> None:
        """Count cases that stand alike and come out otherwise, but alike."""
        self.cases += cases
        was_late, is_late = (verdict_at(row, self.now) in LATE for row in (before, after))
        self.changed += cases
        self.due_dates_moved += cases * due_date_moved
        self.breaches_made += cases * (is_late and not was_late)
        self.breaches_unmade += cases * (was_late and not is_late)
        self.normal_changed += cases * (before.normal != after.normal)
        self._count(before, -cases)
        self._count(after, cases)

    def _count(self, row: Standing, cases: int) -> None:
        """Count normal stopped cases in or out of the means of their month."""
        if row.status is not Status.STOPPED or not row.normal or row.stopped_on is None:
            return
        category = Category(row.category) if row.category else None
        counted = Mean(n=cases, workdays_sum=cases * (row.counted_workdays or 0))
        for scope in Scope:
            if scope.covers(category):
                key = month_name(row.stopped_on), scope
                self._means[key] = _sum(self._means.get(key, Mean()), counted)

    @property
    def months(self) -> tuple[str, ...]:
        """The months whose means are touched, in order."""
        changed = {month for (month, _), mean in self._means.items() if mean != Mean()}
        return tuple(sorted(changed))

    def means(self, stored: Mapping[tuple[str, Scope], Mean]) -> tuple[MonthDifference, ...]:
        """Return each mean that changes, from what is stored of these months."""
        return tuple(
            _month(key, stored.get(key, Mean()), change)
            for key, change in sorted(self._means.items())
            if change != Mean()
        )


def _sum(one: Mean, other: Mean) -> Mean:
    return Mean(n=one.n + other.n, workdays_sum=one.workdays_sum + other.workdays_sum)


def _month(key: tuple[str, Scope], stored: Mean, change: Mean) -> MonthDifference:
    after = _sum(stored, change)
    return MonthDifference(
        month=key[0],
        scope=key[1],
        n_before=stored.n,
        mean_before=_mean(stored),
        n_after=after.n,
        mean_after=_mean(after),
    )


def _mean(told: Mean) -> float | None:
    return rounded(Fraction(told.workdays_sum, told.n)) if told.n else None
