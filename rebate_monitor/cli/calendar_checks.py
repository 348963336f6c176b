"""How far the work calendar is published, whose word it is, and where its sources differ."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from importlib import metadata

from rich.table import Table

from rebate_monitor.calendar_sources import estimated_notices, published_notices
from rebate_monitor.cli.calendar_tables import CalendarDifference, dated, workdays_of
from rebate_monitor.cli.doctor import NOTICE_MONTH, Finding, Level
from rebate_monitor.cli.plain_table import plain_table
from rebate_monitor.cli.rule_state import RuleState, since
from rebate_monitor.domain.calendar_change import with_notice
from rebate_monitor.domain.policy import OverlappingPoliciesError
from rebate_monitor.domain.rule_versions import calendar_versions
from rebate_monitor.domain.rulebook import Rulebook
from rebate_monitor.domain.work_calendar import SATURDAY, WorkCalendar, YearNotice

PACKAGE = "chinesecalendar"
MOST_DAYS_NAMED = 5


def package() -> str:
    """Name the package of published years with its version."""
    return f"{PACKAGE} {metadata.version(PACKAGE)}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Horizon:
    """How far the calendar is published on a day, and the open cases that are due beyond that."""

    today: date
    published_until: date
    beyond: Mapping[date, int]

    def findings(self) -> Iterator[Finding]:
        """Yield what is fine and what is not."""
        yield self._next_year()
        yield self._beyond()

    def _beyond(self) -> Finding:
        after = f"due after {self.published_until}"
        if not self.beyond:
            return Finding(level=Level.FINE, text=f"no open case falls {after}")
        count, days = sum(self.beyond.values()), sorted(self.beyond)
        told = [f"{self.beyond[day]:,} on {day}" for day in days[:MOST_DAYS_NAMED]]
        more = [f"{len(days) - len(told)} more days"] if len(days) > len(told) else []
        cases = "1 open case falls" if count == 1 else f"{count:,} open cases fall"
        text = f"{cases} {after}, on estimated days 估算: {', '.join([*told, *more])}"
        return Finding(level=Level.WRONG, text=text)

    def _next_year(self) -> Finding:
        following, until = self.today.year + 1, self.published_until
        if until.year >= following:
            return Finding(level=Level.FINE, text=f"published 已公布 until {until}")
        text = f"published 已公布 until {until}; {following} is missing"
        if self.today.month < NOTICE_MONTH and self.today <= until:
            text += ", its notice may still come"
            return Finding(level=Level.NOTE, text=text)
        text += ": `rebate-monitor calendar import FILE`"
        return Finding(level=Level.WRONG, text=text)


def source_of(state: RuleState, year: int) -> str:
    """Say which source speaks for a year, and for an imported one by whom and since when."""
    if year in state.version.imported_years:
        brought = [
            version
            for version in calendar_versions(state.known, year)
            if version.brought.because == "import"
        ]
        if not brought:
            return "imported 导入"
        return f"imported 导入 by {brought[-1].brought.by}, {since(brought[-1].known_since)}"
    if state.rulebook.calendar.notices[year].provisional:
        return "estimate 估算 (holidays): nobody has published it"
    return f"the package {PACKAGE}"


def source_table(state: RuleState, years: Sequence[int]) -> Table:
    """Return who speaks for each year."""
    table = plain_table("year 年", "source 来源", "workdays 工作日", "versions")
    for year in years:
        versions = calendar_versions(state.known, year)
        workdays = workdays_of(state.rulebook.calendar, year)
        table.add_row(str(year), source_of(state, year), str(workdays), str(len(versions)))
    return table


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """A year in force beside what the other sources say of it."""

    year: int
    calendar: WorkCalendar
    published: YearNotice | None
    statutory: YearNotice

    @property
    def difference(self) -> CalendarDifference | None:
        """The days worked by one source only, the package's on the left."""
        if self.published is None or self.calendar.notices[self.year].provisional:
            return None
        told = CalendarDifference.of(with_notice(self.calendar, [self.published]), self.calendar)
        return told if told.moved else None

    def findings(self) -> Iterator[Finding]:
        """Yield whether the sources agree."""
        if self.calendar.notices[self.year].provisional:
            text = f"{self.year}: an estimate, so there is nothing to compare"
            yield Finding(level=Level.NOTE, text=text)
            return
        yield self._with_package()
        worked = self._statutory_days_worked()
        if worked:
            text = f"{self.year}: worked, though a day off by `holidays`: {', '.join(worked)}"
            yield Finding(level=Level.NOTE, text=text)

    def _with_package(self) -> Finding:
        if self.published is None:
            text = f"{self.year}: {package()} does not know it, so there is nothing to compare"
            return Finding(level=Level.NOTE, text=text)
        if self.difference is None:
            text = f"{self.year}: every day is worked or not as {package()} has it"
            return Finding(level=Level.FINE, text=text)
        count = self.difference.moved
        days = "1 day is" if count == 1 else f"{count} days are"
        text = (
            f"{self.year}: {days} not as {package()} has it; before is the package, after in force"
        )
        return Finding(level=Level.NOTE, text=text)

    def _statutory_days_worked(self) -> list[str]:
        return [
            dated(day)
            for day in sorted(self.statutory.days)
            if day.weekday() < SATURDAY and self.calendar.kind(day).is_workday
        ]


def comparisons(state: RuleState, years: Sequence[int]) -> list[Comparison]:
    """Return each year in force beside the other sources."""
    published, statutory = published_notices(), estimated_notices()
    calendar = state.rulebook.calendar
    return [
        Comparison(
            year=year,
            calendar=calendar,
            published=published.get(year),
            statutory=statutory[year],
        )
        for year in years
    ]


def pending_findings(state: RuleState, own: Rulebook) -> Iterator[Finding]:
    """Say whether the package at hand has other years than are in force."""
    try:
        calendar = state.version.laid_over(own).rulebook.calendar
    except OverlappingPoliciesError:  # a matter of policies, told there
        return
    years = [
        year
        for year, notice in calendar.notices.items()
        if notice != state.rulebook.calendar.notices.get(year)
    ]
    if years:
        named = ", ".join(map(str, years))
        text = f"{named}: the package has another wording; `serve` brings it in when it starts"
        yield Finding(level=Level.NOTE, text=text)
