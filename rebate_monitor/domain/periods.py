"""The periods that figures are about, and what each is compared with.

The definitions are those of the SQL view `reporting.period`: a test compares them day by day.
"""

import re
from calendar import monthrange
from dataclasses import dataclass
from datetime import date, timedelta
from enum import StrEnum
from typing import assert_never

ONE_DAY = timedelta(days=1)
ROLLING_DAYS = timedelta(days=30)
MONTHS_A_YEAR = 12
MONTH = re.compile(r"[1-9][0-9]{3}-(0[1-9]|1[0-2])")


class PeriodName(StrEnum):
    """Periods that move with today."""

    MONTH = "month"
    LAST_MONTH = "last_month"
    YEAR = "year"
    ROLLING_30D = "rolling_30d"


@dataclass(frozen=True, slots=True, kw_only=True)
class Days:
    """A stretch of days in Asia/Shanghai, both included."""

    first: date
    last: date

    @property
    def month(self) -> str | None:
        """The calendar month, such as 2026-10, that these days are from its first to its last."""
        return month_name(self.first) if self == month_of(self.first) else None

    def holds(self, day: date | None) -> bool:
        """Say whether a day is one of these."""
        return day is not None and self.first <= day <= self.last


@dataclass(frozen=True, slots=True, kw_only=True)
class Periods:
    """A period with what it is compared with; it has a name where it moves with today."""

    this: Days
    previous: Days
    year_ago: Days
    name: PeriodName | None = None


def month_name(day: date) -> str:
    """Name a day's month, such as 2026-10."""
    return day.isoformat()[:7]


def named_month(name: str) -> Days:
    """Return the days of a month such as 2026-10; raise ValueError for any other text."""
    if not MONTH.fullmatch(name):
        raise ValueError("must be a month such as 2026-10")
    return month_of(date.fromisoformat(f"{name}-01"))


def month_of(day: date) -> Days:
    """Return all days of a day's calendar month."""
    last = monthrange(day.year, day.month)[1]
    return Days(first=day.replace(day=1), last=day.replace(day=last))


def months_earlier(day: date, months: int) -> date:
    """Return the same day some months before, the last of the month where it has no such day."""
    number = day.year * MONTHS_A_YEAR + day.month - 1 - months
    year, month = divmod(number, MONTHS_A_YEAR)
    return date(year, month + 1, min(day.day, monthrange(year, month + 1)[1]))


def month_shift(this: Days, other: Days) -> int:
    """Return how many months the first month of another period lies before that of this one."""
    return (
        MONTHS_A_YEAR * (this.first.year - other.first.year) + this.first.month - other.first.month
    )


def named_periods(name: PeriodName, today: date) -> Periods:
    """Return a period as of a day: up to that day, and compared up to the same day."""
    match name:
        case PeriodName.MONTH:
            return _so_far(name, today.replace(day=1), today, months=1)
        case PeriodName.YEAR:
            return _so_far(name, today.replace(month=1, day=1), today, months=MONTHS_A_YEAR)
        case PeriodName.LAST_MONTH:
            return whole_month(month_of(today.replace(day=1) - ONE_DAY), name)
        case PeriodName.ROLLING_30D:
            return told_periods(Days(first=today - ROLLING_DAYS + ONE_DAY, last=today), name)
        case _:
            assert_never(name)


def whole_month(this: Days, name: PeriodName | None = None) -> Periods:
    """Compare a whole month with whole months, be they shorter or longer."""
    return Periods(
        this=this,
        previous=month_of(this.first - ONE_DAY),
        year_ago=month_of(months_earlier(this.first, MONTHS_A_YEAR)),
        name=name,
    )


def told_periods(this: Days, name: PeriodName | None = None) -> Periods:
    """Compare days with as many right before them, and with the same dates a year earlier."""
    length = this.last - this.first + ONE_DAY
    return Periods(
        this=this,
        previous=Days(first=this.first - length, last=this.first - ONE_DAY),
        year_ago=_months_earlier(this, MONTHS_A_YEAR),
        name=name,
    )


def _so_far(name: PeriodName, first: date, today: date, *, months: int) -> Periods:
    this = Days(first=first, last=today)
    return Periods(
        this=this,
        previous=_months_earlier(this, months),
        year_ago=_months_earlier(this, MONTHS_A_YEAR),
        name=name,
    )


def _months_earlier(days: Days, months: int) -> Days:
    return Days(first=months_earlier(days.first, months), last=months_earlier(days.last, months))
