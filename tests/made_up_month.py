"""A made-up month for the tests of circulars: cases, and the facts that a database would give."""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from domain_builders import HUNAN, published_calendar
from rebate_monitor.circular.facts import STAGES, Facts, StageTime, Suspensions
from rebate_monitor.circular.grouping import CATEGORIES, REBATE_TYPES, groups, listed_cities
from rebate_monitor.domain.case import Status
from rebate_monitor.domain.evaluation import Evaluated, stopped_after
from rebate_monitor.domain.event import SuspensionReason
from rebate_monitor.domain.local_time import SHANGHAI
from rebate_monitor.domain.performance import Distributions, Key
from rebate_monitor.domain.periods import Days, Periods, month_name, month_of, whole_month
from rebate_monitor.domain.policy import PolicyBook
from rebate_monitor.domain.standing import GROUPS, Period, Standing, distributions_of
from rebate_monitor.places import Places, places

MONTH = month_of(date(2026, 10, 1))
NOW = datetime(2026, 11, 23, 10, 0, tzinfo=SHANGHAI)
CHANGSHA, ZHUZHOU = "14301000000", "14302000000"


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """A case with what a circular may count it among.

    Stages of an ended case last its workdays in all, and are of all milestones that it has.
    """

    standing: Standing
    stages: Sequence[str] = STAGES
    suspended_for: SuspensionReason | None = None
    lasts: bool = False


def made(workdays: int, ended_on: date = date(2026, 10, 20), **told: Any) -> Made:  # noqa: ANN401
    """Make up a normal case that took so many workdays; its limit is that of its category."""
    category = told.get("category", "III")
    limit = 3 if category in ("I", "II") else 4
    standing = Standing(
        status=Status.STOPPED,
        normal=True,
        office=CHANGSHA,
        city="430100",
        category="III",
        amount_cny=Decimal(1000),
        accepted_on=date(2026, 10, 1),
        ended_on=ended_on,
        counted_workdays=workdays,
        in_time=workdays <= limit,
        same_day=workdays == 0,
    )
    return Made(standing=replace(standing, **_with_city(told)))


def _with_city(told: dict[str, Any]) -> dict[str, Any]:
    office = told.get("office")
    return {**told, "city": f"{office[1:5]}00"} if office else told


def still_open(workdays: int, **told: Any) -> Made:  # noqa: ANN401
    """Make up a paused case that has taken so many workdays so far."""
    case = made(workdays, **told)
    standing = replace(
        case.standing, status=Status.SUSPENDED, ended_on=None, in_time=None, same_day=None
    )
    return replace(case, standing=standing, stages=())


def ended_as(status: Status, **told: Any) -> Made:  # noqa: ANN401
    """Make up a case that was rejected or withdrawn, or stopped without being normal."""
    standing = replace(made(5, **told).standing, status=status, normal=False)
    return Made(standing=standing, stages=())


@dataclass(frozen=True, slots=True, kw_only=True)
class Province:
    """All cases of a province, and the rules."""

    cases: Sequence[Made]
    policies: PolicyBook = field(default_factory=lambda: PolicyBook([HUNAN]))
    places: Places = field(default_factory=places)
    month: Days = MONTH
    now: datetime = NOW

    def facts(self) -> Facts:
        """Gather what the database would tell of the month."""
        none = self._evaluated("none")
        cities = self._evaluated("city")
        found = groups(cities, self.policies)
        return Facts(
            month=self.month,
            as_of=self.now,
            policy=self.policies.on(self.month.last),
            provisional=False,
            closed=None,
            whole=groups(none, self.policies)[0],
            cities=groups(cities, self.policies, listed_cities(found, self.places)),
            offices=groups(self._evaluated("office"), self.policies),
            categories=groups(self._evaluated("category"), self.policies, CATEGORIES),
            rebate_types=groups(self._evaluated("rebate_type"), self.policies, REBATE_TYPES),
            trend=groups(self._evaluated("month"), self.policies, [month_name(self.month.first)]),
            distribution=stopped_after(none.this),
            stages=self._stages(),
            suspensions=self._suspensions(),
        )

    def _evaluated(self, by: str) -> Evaluated:
        periods = whole_month(self.month)
        this = self._distributions(by, periods.this)
        return Evaluated(
            periods=periods,
            by=by,
            this=replace(this, still_open={}) if by == "month" else this,
            previous=Distributions(stopped=self._distributions(by, periods.previous).stopped),
            year_ago=Distributions(stopped=self._distributions(by, periods.year_ago).stopped),
            refiled=self._refiled(by, periods),
        )

    def _distributions(self, by: str, days: Days) -> Distributions:
        period = Period(first=days.first, last=days.last, by=by, today=self.now.date())
        signed = ((case.standing, 1) for case in self.cases)
        return distributions_of(signed, period, published_calendar())

    def _refiled(self, by: str, periods: Periods) -> dict[Key, int]:
        counts: Counter[Key] = Counter()
        for case in self.cases:
            if case.standing.is_refiled and periods.this.holds(case.standing.accepted_on):
                counts[self._group(by, case), case.standing.is_category_1_2] += 1
        return counts

    def _group(self, by: str, case: Made) -> str | None:
        group: Callable[[Standing], str | None] = (
            (lambda told: month_name(told.accepted_on or self.month.first))
            if by == "month"
            else GROUPS[by]
        )
        return group(case.standing)

    def _stages(self) -> tuple[StageTime, ...]:
        stopped = [case for case in self.cases if is_mean(case, self.month)]
        return tuple(
            StageTime(
                case_stage=stage,
                n=sum(stage in case.stages for case in stopped),
                workdays_sum=sum(
                    case.standing.counted_workdays or 0 for case in stopped if stage in case.stages
                ),
            )
            for stage in STAGES
        )

    def _suspensions(self) -> tuple[Suspensions, ...]:
        return tuple(
            _suspensions(reason, [case for case in self.cases if case.suspended_for is reason])
            for reason in SuspensionReason
        )


def _suspensions(reason: SuspensionReason, cases: Iterable[Made]) -> Suspensions:
    told = list(cases)
    lasting = sum(case.lasts for case in told)
    return Suspensions(
        reason=reason,
        n=len(told),
        lasting=lasting,
        workdays_sum=2 * len(told),
        cases=len(told),
        lasting_cases=lasting,
        ended_cases=len(told) - lasting,
    )


def is_mean(case: Made, days: Days) -> bool:
    """Say whether the official mean of a month counts a case."""
    told = case.standing
    return told.status is Status.STOPPED and told.normal and days.holds(told.ended_on)
