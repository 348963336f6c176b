"""/calendar: a year at a glance, the notices that it goes by, and its versions."""

from calendar import Calendar
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from itertools import groupby

from aiohttp import web

from rebate_monitor.api.access import require
from rebate_monitor.api.calendar import year_versions
from rebate_monitor.api.parameters import a_number, allow_only, parameter
from rebate_monitor.api.service import SERVICE
from rebate_monitor.board.frame import page, visit
from rebate_monitor.domain.work_calendar import CalendarDay, DayKind, WorkCalendar
from rebate_monitor.storage.keys import Scope
from rebate_monitor.storage.recomputes import under_way

MONTHS = range(1, 13)
NAMED = (DayKind.DAY_OFF, DayKind.MAKEUP_WORKDAY)


async def get_calendar(request: web.Request) -> web.Response:
    """Answer the page of a year, this one unless told."""
    principal = await require(request, Scope.CASES_READ, by_office=True)
    allow_only(request, ["year"])
    service = request.app[SERVICE]
    known = service.rules.calendar
    years = a_number(known.first.year, known.last.year)
    year = parameter(request, "year", years) or service.today().year
    async with service.database.transaction(snapshot=True) as connection:
        calendar = (await service.rules.in_force(connection)).rulebook.calendar
        versions = await year_versions(connection, service, year)
        recompute = await under_way(connection)
    values = {
        "year": Year(year, calendar),
        "today": service.today(),
        "versions": versions.versions,
        "recompute": None if principal.bounds.offices else recompute,
        "published_until": calendar.published_until,
        "earlier": year - 1 if year > calendar.first.year else None,
        "later": year + 1 if year < calendar.last.year else None,
    }
    return page(visit(request, principal), "calendar.html.jinja", values)


@dataclass(frozen=True, slots=True, kw_only=True)
class Holiday:
    """What a notice says of one holiday: its days off, and the workdays that make up for them."""

    name: str
    days_off: Sequence[date]
    makeup_workdays: Sequence[date]
    notice: str | None


@dataclass(frozen=True, slots=True)
class Year:
    """A year of the work calendar."""

    number: int
    calendar: WorkCalendar

    @property
    def is_provisional(self) -> bool:
        """Whether nobody has published it."""
        return self.calendar.is_provisional(date(self.number, 1, 1), date(self.number, 12, 31))

    @property
    def workdays(self) -> int:
        """How many workdays it has."""
        return sum(self.workdays_of(month) for month in MONTHS)

    def workdays_of(self, month: int) -> int:
        """Return how many workdays a month has."""
        return sum(day.workday for week in self.weeks(month) for day in week if day)

    def weeks(self, month: int) -> list[list[CalendarDay | None]]:
        """Return the weeks of a month, Monday first; None for days of other months."""
        return [
            [self.calendar.day(date(self.number, month, day)) if day else None for day in week]
            for week in Calendar().monthdayscalendar(self.number, month)
        ]

    @property
    def holidays(self) -> list[Holiday]:
        """The holidays in the order of their first days off."""
        first, last = date(self.number, 1, 1), date(self.number, 12, 31)
        named = [day for day in self.calendar.days(first, last) if day.kind in NAMED and day.name]
        named.sort(key=lambda day: day.name or "")
        told = [
            _holiday(name or "", list(days))
            for name, days in groupby(named, key=lambda day: day.name)
        ]
        return sorted(told, key=lambda each: [*each.days_off, *each.makeup_workdays][0])


def _holiday(name: str, days: Sequence[CalendarDay]) -> Holiday:
    return Holiday(
        name=name,
        days_off=[day.date for day in days if day.kind is DayKind.DAY_OFF],
        makeup_workdays=[day.date for day in days if day.kind is DayKind.MAKEUP_WORKDAY],
        notice=days[0].notice,
    )
