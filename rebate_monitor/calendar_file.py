"""Read one year's holiday notice from JSON of the shape that the public feed holiday-cn has."""

from collections.abc import Mapping
from datetime import date
from typing import Annotated

import msgspec

from rebate_monitor.domain.work_calendar import SATURDAY, DayKind, SpecialDay, YearNotice

DECEMBER = 12
Name = Annotated[str, msgspec.Meta(min_length=1, max_length=100)]


class CalendarFileError(ValueError):
    """A notice is not what it should be; the message names the field and the rule."""


class _Day(msgspec.Struct, rename="camel", forbid_unknown_fields=True):
    name: Name
    date: date
    is_off_day: bool


class _Notice(msgspec.Struct):
    year: Annotated[int, msgspec.Meta(ge=2000, le=2099)]
    days: Annotated[list[_Day], msgspec.Meta(min_length=1, max_length=400)]
    papers: list[Annotated[str, msgspec.Meta(max_length=1000)]] = []


def convert_notice(told: object) -> YearNotice:
    """Convert one year's notice that was decoded from JSON; raise CalendarFileError."""
    try:
        return _year_notice(msgspec.convert(told, _Notice))
    except msgspec.ValidationError as error:
        raise CalendarFileError(f"calendar: {error}") from error


def _year_notice(told: _Notice) -> YearNotice:
    days: dict[date, SpecialDay] = {}
    for day in told.days:
        _check(told.year, day, days)
        kind = DayKind.DAY_OFF if day.is_off_day else DayKind.MAKEUP_WORKDAY
        days[day.date] = SpecialDay(kind=kind, name=day.name)
    notice = told.papers[0] if told.papers else None
    return YearNotice(year=told.year, days=days, notice=notice)


def _check(year: int, day: _Day, before: Mapping[date, SpecialDay]) -> None:
    """Refuse what no notice says: another year's day, a day told twice, work on a plain workday."""
    is_december_before = day.date.year == year - 1 and day.date.month == DECEMBER
    if day.date.year != year and not is_december_before:
        raise CalendarFileError(
            f"calendar: days: {day.date} is neither in {year} nor in December of {year - 1}"
        )
    if day.date in before:
        raise CalendarFileError(f"calendar: days: {day.date} is told twice")
    if not day.is_off_day and day.date.weekday() < SATURDAY:
        raise CalendarFileError(
            f"calendar: days: {day.date} is a weekday; a make-up workday is a Saturday or Sunday"
        )
