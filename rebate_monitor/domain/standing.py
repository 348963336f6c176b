"""What figures are read off one case, and what many cases together add to the figures of a period.

SQL sums stored rows up in the same way; here it is done for cases as they were known at another
moment, and for those that have changed since.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from enum import StrEnum

from rebate_monitor.domain.assessment import Assessment
from rebate_monitor.domain.case import Case, Status
from rebate_monitor.domain.event import Category
from rebate_monitor.domain.local_time import local_date
from rebate_monitor.domain.performance import Distributions, Key, LeftOut, Open, Stopped
from rebate_monitor.domain.periods import Days, month_name
from rebate_monitor.domain.policy import Scope
from rebate_monitor.domain.tally import UNKNOWN_CATEGORY
from rebate_monitor.domain.work_calendar import WorkCalendar

NO_AMOUNT = Decimal(0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Period:
    """Which cases figures are of and how they are grouped; both days are included, Asia/Shanghai.

    `today` is the day of which open cases are.
    """

    first: date
    last: date
    by: str
    today: date

    @property
    def days(self) -> Days:
        """The days by themselves."""
        return Days(first=self.first, last=self.last)


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """As much of a case as its figures are read off; days are Asia/Shanghai, amounts CNY.

    `counted_workdays` is the final count, or that of `running_since` while the clock runs.
    """

    status: Status
    normal: bool = False
    category: str | None = None
    city: str | None = None
    office: str | None = None
    rebate_type: str | None = None
    amount_cny: Decimal | None = None
    accepted_on: date | None = None
    ended_on: date | None = None
    counted_workdays: int | None = None
    running_since: date | None = None
    in_time: bool | None = None
    same_day: bool | None = None
    is_refiled: bool = False

    @property
    def is_category_1_2(self) -> bool:
        """Whether the scope of categories I and II covers the case."""
        return Scope.CATEGORY_1_2.covers(Category(self.category) if self.category else None)


def standing_of(case: Case, assessment: Assessment) -> Standing:
    """Read a standing off an assessed case."""
    told = case.attributes
    return Standing(
        status=case.status,
        normal=assessment.normal,
        category=str(told.category) if told and told.category else None,
        city=told.city if told else None,
        office=told.office if told else None,
        rebate_type=str(told.rebate_type) if told and told.rebate_type else None,
        amount_cny=Decimal(told.amount_cny) if told and told.amount_cny else None,
        accepted_on=local_date(case.accepted_at) if case.accepted_at else None,
        ended_on=local_date(case.ended_at) if case.ended_at else None,
        counted_workdays=assessment.counted_workdays,
        running_since=assessment.running_since,
        in_time=assessment.in_time,
        same_day=assessment.same_day,
        is_refiled=told is not None and told.refiled_from is not None,
    )


class EndedAs(StrEnum):
    """How a case whose clock ended in a period counts there; only normal ones are in the mean."""

    NORMAL = "normal"
    EXCLUDED = "excluded"
    REJECTED = "rejected"
    WITHDRAWN = "withdrawn"


def ended_as(standing: Standing, days: Days) -> EndedAs | None:
    """Say how a case counts in a period, None where its clock did not end in it."""
    if not days.holds(standing.ended_on):
        return None
    if standing.status is Status.STOPPED:
        return EndedAs.NORMAL if standing.normal else EndedAs.EXCLUDED
    return EndedAs.REJECTED if standing.status is Status.REJECTED else EndedAs.WITHDRAWN


GROUPS: Mapping[str, Callable[[Standing], str | None]] = {
    "none": lambda _: None,
    "category": lambda standing: standing.category or UNKNOWN_CATEGORY,
    "city": lambda standing: standing.city,
    "office": lambda standing: standing.office,
    "rebate_type": lambda standing: standing.rebate_type or UNKNOWN_CATEGORY,
}
"""The group of a case by what is grouped, months aside: those follow from the day that counts."""


def open_workdays(
    counted: int, running_since: date | None, today: date, calendar: WorkCalendar
) -> int:
    """Return the workdays that an open clock has run by a day; a paused one stands still."""
    later = calendar.workdays_between(running_since, today) if running_since else 0
    return max(0, counted + later)


def distributions_of(
    signed: Iterable[tuple[Standing, int]], period: Period, calendar: WorkCalendar
) -> Distributions:
    """Sum cases up, each added (1) or taken away (-1)."""
    total = _Sums(period, calendar)
    for standing, sign in signed:
        total.add(standing, sign)
    return Distributions(
        stopped=total.stopped, still_open=total.still_open, left_out=total.left_out
    ).plus(Distributions())


class _Sums:
    def __init__(self, period: Period, calendar: WorkCalendar) -> None:
        self.period, self.calendar = period, calendar
        self.stopped: dict[Key, list[Stopped]] = {}
        self.still_open: dict[Key, list[Open]] = {}
        self.left_out: dict[Key, LeftOut] = {}

    def add(self, standing: Standing, sign: int) -> None:
        key = self._key(standing)
        ended = ended_as(standing, self.period.days)
        if ended is EndedAs.NORMAL:
            self.stopped.setdefault(key, []).append(_stopped(standing, sign))
        elif ended is not None:
            known = self.left_out.get(key, LeftOut())
            self.left_out[key] = known.plus(LeftOut(**{ended.value: sign}))
        elif standing.status.is_open and standing.normal:
            self.still_open.setdefault(key, []).append(self._open(standing, sign))

    def _key(self, standing: Standing) -> Key:
        """Return the group of a case; an open one falls into the month of today."""
        if self.period.by == "month":
            return month_name(standing.ended_on or self.period.today), standing.is_category_1_2
        return GROUPS[self.period.by](standing), standing.is_category_1_2

    def _open(self, standing: Standing, sign: int) -> Open:
        counted, since = standing.counted_workdays or 0, standing.running_since
        days = open_workdays(counted, since, self.period.today, self.calendar)
        return Open(workdays=days, cases=sign)


def _stopped(standing: Standing, sign: int) -> Stopped:
    return Stopped(
        workdays=standing.counted_workdays or 0,
        cases=sign,
        judged=sign * (standing.in_time is not None),
        in_time=sign * bool(standing.in_time),
        same_day=sign * bool(standing.same_day),
        amount_cny=sign * (standing.amount_cny or NO_AMOUNT),
    )
