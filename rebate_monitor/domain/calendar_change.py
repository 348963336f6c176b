"""What another notice makes of the work calendar: the days that change, and what speaks against."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from enum import StrEnum

from rebate_monitor.domain.work_calendar import (
    SATURDAY,
    CalendarDay,
    DayKind,
    WorkCalendar,
    YearNotice,
)

FEWEST_WORKDAYS, MOST_WORKDAYS = 240, 256
"""How many workdays a year may have before somebody should look.

The published years 2007 to 2026 have 248 to 251. Eight fewer leave room for a law that adds
holidays (2008 added one, 2025 two), five more for a year whose holidays fall on weekends; a year
without any notice has 260 to 262.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class DayChange:
    """One day as it was and as it is now; something about it differs."""

    before: CalendarDay
    after: CalendarDay

    @property
    def is_moved(self) -> bool:
        """Whether it is worked differs: that alone moves clocks."""
        return self.before.workday != self.after.workday


class ObjectionRule(StrEnum):
    """What a notice goes against."""

    FEWER_DAYS = "fewer_days"
    WORKDAYS = "workdays"


@dataclass(frozen=True, slots=True, kw_only=True)
class Objection:
    """Why a notice is probably not what it should be; an operator may know better."""

    rule: ObjectionRule
    text: str


def with_notice(calendar: WorkCalendar, notices: Iterable[YearNotice]) -> WorkCalendar:
    """Return the calendar with these years' notices in place of its own.

    Of two notices for one year the last counts. Raises ValueError when a year between stays untold,
    which no year from 2000 to 2099 does in the service's calendar.
    """
    told = {notice.year: notice for notice in notices}
    return WorkCalendar({**calendar.notices, **told}.values())


def changed_days(before: WorkCalendar, after: WorkCalendar) -> tuple[DayChange, ...]:
    """Return the days whose kind, name, notice or provisional mark differ, in order.

    Days that only one of both calendars covers are left out. Only what the differing notices name
    is compared, and a whole year where it became published or an estimate.
    """
    first, last = max(before.first, after.first), min(before.last, after.last)
    days = sorted(day for day in _touched(before, after) if first <= day <= last)
    changes = (DayChange(before=before.day(day), after=after.day(day)) for day in days)
    return tuple(change for change in changes if change.before != change.after)


def _touched(before: WorkCalendar, after: WorkCalendar) -> set[date]:
    """Return every day that can differ."""
    years = before.notices.keys() | after.notices.keys()
    pairs = [(before.notices.get(year), after.notices.get(year)) for year in years]
    return {day for one, other in pairs if one != other for day in _days_of(one, other)}


def _days_of(one: YearNotice | None, other: YearNotice | None) -> Iterator[date]:
    told = [notice for notice in (one, other) if notice is not None]
    for notice in told:
        yield from notice.days
    if len({notice.provisional for notice in told}) > 1:
        yield from _days_of_year(told[0].year)


def _days_of_year(year: int) -> Iterator[date]:
    first, last = date(year, 1, 1), date(year, 12, 31)
    return (first + timedelta(days=n) for n in range((last - first).days + 1))


def objections(before: WorkCalendar, notice: YearNotice) -> tuple[Objection, ...]:
    """Return what speaks against laying a notice over a calendar; nothing, as a rule.

    A published year must not lose days: the public feed once wiped a year for some hours. That a
    notice changes the December before is no objection: five State Council notices did.
    """
    told = (_fewer_days(before.notices.get(notice.year), notice), _workdays(before, notice))
    return tuple(objection for objection in told if objection is not None)


def _fewer_days(present: YearNotice | None, notice: YearNotice) -> Objection | None:
    if present is None or present.provisional:  # estimates name other days
        return None
    now, told = _days_moved(present), _days_moved(notice)
    if told >= now:
        return None
    return Objection(
        rule=ObjectionRule.FEWER_DAYS,
        text=f"{notice.year}: {told} weekdays off and make-up workdays, where the present notice "
        f"has {now}; a published year must not lose days",
    )


def _days_moved(notice: YearNotice) -> int:
    """Count the weekdays off and the weekend days worked.

    Weekend days off do not count: one source names those beside a holiday, another does not.
    """
    return sum(
        (special.kind is DayKind.DAY_OFF) == (day.weekday() < SATURDAY)
        for day, special in notice.days.items()
    )


def _workdays(before: WorkCalendar, notice: YearNotice) -> Objection | None:
    """Count the year, with what the next year's notice says of its December."""
    following = before.notices.get(notice.year + 1)
    calendar = WorkCalendar([notice] if following is None else [notice, following])
    workdays = calendar.workdays_through(date(notice.year, 12, 31))
    if FEWEST_WORKDAYS <= workdays <= MOST_WORKDAYS:
        return None
    return Objection(
        rule=ObjectionRule.WORKDAYS,
        text=f"{notice.year}: {workdays} workdays; a year has from {FEWEST_WORKDAYS} to "
        f"{MOST_WORKDAYS}",
    )
