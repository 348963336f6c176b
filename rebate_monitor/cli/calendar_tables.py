"""Days, years and versions of the work calendar as the terminal shows them."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from itertools import groupby

from rich.table import Table

from rebate_monitor.cli.plain_table import MOST_ROWS, plain_table
from rebate_monitor.cli.rule_state import how, since
from rebate_monitor.domain.calendar_change import DayChange, changed_days, with_notice
from rebate_monitor.domain.rule_versions import PartVersion
from rebate_monitor.domain.work_calendar import CalendarDay, DayKind, WorkCalendar, YearNotice

WEEKDAYS = ("Mon 周一", "Tue 周二", "Wed 周三", "Thu 周四", "Fri 周五", "Sat 周六", "Sun 周日")
KINDS = {
    DayKind.WORKDAY: "workday 工作日",
    DayKind.WEEKEND: "weekend 周末",
    DayKind.DAY_OFF: "day off 放假",
    DayKind.MAKEUP_WORKDAY: "make-up 调休上班",
}
MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
ONE_DAY = timedelta(days=1)
MOST_DAYS_LISTED = 8
NAME = "name 节日"


def dated(day: date) -> str:
    """Write a date with its weekday."""
    return f"{day} {WEEKDAYS[day.weekday()]}"


@dataclass(slots=True)
class Papers:
    """Numbers the papers that days are told by, in the order in which they come up."""

    numbers: dict[str, int] = field(default_factory=dict)

    def number(self, paper: str | None) -> str:
        """Return the number of a paper; a plain day has none."""
        return str(self.numbers.setdefault(paper, len(self.numbers) + 1)) if paper else "-"

    def pair(self, before: str | None, after: str | None) -> str:
        """Return both numbers where they differ."""
        one, other = self.number(before), self.number(after)
        return one if one == other else f"{one} → {other}"

    def lines(self) -> Iterator[str]:
        """Yield each paper after its number."""
        for paper, number in self.numbers.items():
            yield f"notice 通知 {number}: {paper}"


@dataclass(frozen=True, slots=True, kw_only=True)
class CalendarDifference:
    """What differs between two calendars, and what of it is shown."""

    before: WorkCalendar
    after: WorkCalendar
    changes: Sequence[DayChange]

    @classmethod
    def of(cls, before: WorkCalendar, after: WorkCalendar) -> "CalendarDifference":
        """Compare two calendars."""
        return cls(before=before, after=after, changes=changed_days(before, after))

    @property
    def moved(self) -> int:
        """How many days move clocks."""
        return sum(change.is_moved for change in self.changes)

    @property
    def shown(self) -> list[DayChange]:
        """The days worth a row."""
        return [change for change in self.changes if _has_a_row(change)]

    def heading(self) -> Iterator[str]:
        """Yield what becomes of each year."""
        for year, told in groupby(self.changes, lambda change: change.after.date.year):
            yield from self._year(year, list(told))

    def _year(self, year: int, changes: list[DayChange]) -> Iterator[str]:
        turned = _turned(self.before.notices[year], self.after.notices[year])
        if turned:
            yield f"{year}: {turned}"
        differing = sum(_has_a_row(change) for change in changes)
        if differing:
            moved = sum(change.is_moved for change in changes)
            move = "moves" if moved == 1 else "move"
            before, after = (workdays_of(calendar, year) for calendar in (self.before, self.after))
            counted = f"{after}, as before" if before == after else f"{before} → {after}"
            yield (
                f"{year}: {_days(differing)} differ, {moved or 'none'} of them {move} clocks; "
                f"workdays 全年工作日 {counted}"
            )
        retold = sum(_is_retold(change) for change in changes)
        if retold:
            yield f"{year}: {_days(retold)} stay as they are, told by another notice"

    def table(self, papers: Papers) -> Table:
        """Return the days that differ, as many as a screen can take."""
        table = plain_table("", "date 日期", "before 原", "after 现", NAME, "notice")
        for column in table.columns:
            column.no_wrap = column.header != NAME
        for change in self.shown[:MOST_ROWS]:
            table.add_row(*_cells(change, papers))
        for change in filter(_is_retold, self.changes):
            papers.pair(change.before.notice, change.after.notice)
        return table

    def legend(self) -> Iterator[str]:
        """Yield what was left out, and what the mark means."""
        if len(self.shown) > MOST_ROWS:
            yield f"and {len(self.shown) - MOST_ROWS} more"
        if self.moved:
            yield "* moves clocks 影响计时"


def _has_a_row(change: DayChange) -> bool:
    """Say whether a day differs in more than its notice; of a year that turned, any special day."""
    before, after = change.before, change.after
    if (before.kind, before.name) != (after.kind, after.name):
        return True
    return before.provisional != after.provisional and after.name is not None


def _is_retold(change: DayChange) -> bool:
    """Say whether a special day only has another notice than before."""
    return change.after.name is not None and not _has_a_row(change)


def _turned(before: YearNotice, after: YearNotice) -> str | None:
    if before.provisional and not after.provisional:
        return "an estimate 估算 until now, published 已公布 from now on"
    if after.provisional and not before.provisional:
        return "published 已公布 until now, an estimate 估算 from now on"
    return None


def _days(count: int) -> str:
    return f"{count} day{'' if count == 1 else 's'}"


def _cells(change: DayChange, papers: Papers) -> Iterator[str]:
    before, after = change.before, change.after
    yield "*" if change.is_moved else ""
    yield dated(after.date)
    yield KINDS[before.kind]
    yield KINDS[after.kind]
    yield _names(before.name, after.name)
    yield papers.pair(before.notice, after.notice)


def _names(before: str | None, after: str | None) -> str:
    if before and after and before != after:
        return f"{before} → {after}"
    return after or before or ""


def workdays_of(calendar: WorkCalendar, year: int) -> int:
    """Count the workdays of a year."""
    return _counted(calendar, date(year, 1, 1), date(year, 12, 31))


def _counted(calendar: WorkCalendar, first: date, last: date) -> int:
    return sum(day.workday for day in calendar.days(first, last))


def holiday_table(calendar: WorkCalendar, year: int) -> Table:
    """Return the holidays of a year in order, each with days off and make-up workdays."""
    table = plain_table("holiday 节日", "days off 放假", "make-up workdays 调休上班")
    for name, days in _holidays(calendar, year):
        off = [day.date for day in days if not day.workday]
        worked = [_weekend_day(day.date, year) for day in days if day.workday]
        table.add_row(name, "\n".join(_runs(off, year)), "\n".join(worked))
    return table


def _holidays(calendar: WorkCalendar, year: int) -> list[tuple[str, list[CalendarDay]]]:
    """Return the holidays that a year's notice tells, and that the next one tells of December."""
    told = [day for day in _special(calendar, year + 1) if day.date.year == year]
    holidays = [*_by_name(_special(calendar, year)), *_by_name(told)]
    return sorted(holidays, key=lambda holiday: min((d.workday, d.date) for d in holiday[1]))


def _special(calendar: WorkCalendar, year: int) -> list[CalendarDay]:
    notice = calendar.notices.get(year)
    return [calendar.day(day) for day in sorted(notice.days)] if notice else []


def _by_name(days: Sequence[CalendarDay]) -> list[tuple[str, list[CalendarDay]]]:
    names = dict.fromkeys(day.name or "" for day in days)
    return [(name, [day for day in days if (day.name or "") == name]) for name in names]


def _runs(days: Sequence[date], year: int) -> Iterator[str]:
    """Yield stretches of days that follow one another."""
    for _, run in groupby(enumerate(days), lambda told: told[1].toordinal() - told[0]):
        stretch = [day for _, day in run]
        first, last = _short(stretch[0], year), _short(stretch[-1], year)
        yield first if len(stretch) == 1 else f"{first} to {last}, {len(stretch)} days"


def _short(day: date, year: int) -> str:
    return f"{day:%m-%d}" if day.year == year else f"{day}"


def _weekend_day(day: date, year: int) -> str:
    return f"{_short(day, year)} {WEEKDAYS[day.weekday()]}"


def month_table(calendar: WorkCalendar, year: int) -> Table:
    """Return the workdays of each month and of the year."""
    table = plain_table(*MONTHS, "year", title="workdays 工作日")
    firsts = [date(year, month, 1) for month in range(1, 13)]
    ends = [*(first - ONE_DAY for first in firsts[1:]), date(year, 12, 31)]
    counts = [_counted(calendar, *told) for told in zip(firsts, ends, strict=True)]
    table.add_row(*map(str, counts), str(sum(counts)))
    return table


def day_table(calendar: WorkCalendar, year: int) -> Table:
    """Return every day of a year, workdays numbered."""
    table = plain_table("date 日期", "kind", "name 节日", "workday number 第几个工作日")
    number = 0
    for day in calendar.days(date(year, 1, 1), date(year, 12, 31)):
        number += day.workday
        table.add_row(
            dated(day.date), KINDS[day.kind], day.name or "", str(number) if day.workday else ""
        )
    return table


def version_table(versions: Sequence[PartVersion[YearNotice]], calendar: WorkCalendar) -> Table:
    """Return the versions of a year, each with the days that it moved."""
    table = plain_table("version", "rules", "known since", "how, by whom", "days moved")
    table.columns[2].no_wrap = True
    before: YearNotice | None = None
    for version in versions:
        table.add_row(
            str(version.number),
            str(version.rules or "-"),
            since(version.known_since),
            how(version.brought),
            "\n".join(_moved(calendar, before, version.part)),
        )
        before = version.part
    return table


def _moved(
    calendar: WorkCalendar, before: YearNotice | None, after: YearNotice | None
) -> Iterator[str]:
    if before is None or after is None:
        return
    changes = changed_days(with_notice(calendar, [before]), with_notice(calendar, [after]))
    moved = [change.after for change in changes if change.is_moved]
    if not moved:
        yield "none: names or notices"
    for day in moved[:MOST_DAYS_LISTED]:
        yield f"{day.date:%m-%d} {'worked 上班' if day.workday else 'off 休息'}"
    if len(moved) > MOST_DAYS_LISTED:
        yield f"and {len(moved) - MOST_DAYS_LISTED} more"
