"""Periods and what they are compared with, worked by hand; a test beside them asks the SQL view."""

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rebate_monitor.domain.periods import (
    Days,
    PeriodName,
    Periods,
    month_of,
    month_shift,
    months_earlier,
    named_month,
    named_periods,
    told_periods,
    whole_month,
)


def days(first: str, last: str) -> Days:
    return Days(first=date.fromisoformat(first), last=date.fromisoformat(last))


NAMED = {
    ("month", "2026-11-23"): [
        ("2026-11-01", "2026-11-23"),
        ("2026-10-01", "2026-10-23"),
        ("2025-11-01", "2025-11-23"),
    ],
    ("month", "2026-03-31"): [  # February has no 31st
        ("2026-03-01", "2026-03-31"),
        ("2026-02-01", "2026-02-28"),
        ("2025-03-01", "2025-03-31"),
    ],
    ("month", "2024-02-29"): [
        ("2024-02-01", "2024-02-29"),
        ("2024-01-01", "2024-01-29"),
        ("2023-02-01", "2023-02-28"),
    ],
    ("last_month", "2026-01-15"): [
        ("2025-12-01", "2025-12-31"),
        ("2025-11-01", "2025-11-30"),
        ("2024-12-01", "2024-12-31"),
    ],
    ("last_month", "2025-03-01"): [  # whole months, be they shorter or longer
        ("2025-02-01", "2025-02-28"),
        ("2025-01-01", "2025-01-31"),
        ("2024-02-01", "2024-02-29"),
    ],
    ("year", "2024-02-29"): [
        ("2024-01-01", "2024-02-29"),
        ("2023-01-01", "2023-02-28"),
        ("2023-01-01", "2023-02-28"),
    ],
    ("rolling_30d", "2026-11-23"): [
        ("2026-10-25", "2026-11-23"),
        ("2026-09-25", "2026-10-24"),
        ("2025-10-25", "2025-11-23"),
    ],
}


@pytest.mark.parametrize(("name", "today"), NAMED)
def test_named_periods(name: str, today: str) -> None:
    """Each period moves with today and is compared up to the same day."""
    told = named_periods(PeriodName(name), date.fromisoformat(today))

    this, previous, year_ago = (days(*bounds) for bounds in NAMED[name, today])
    expected = Periods(name=PeriodName(name), this=this, previous=previous, year_ago=year_ago)
    assert expected == told


def test_told_days() -> None:
    """Told days are compared with as many right before, and with the same dates a year earlier."""
    told = told_periods(days("2024-02-28", "2024-03-02"))

    assert (
        Periods(
            this=days("2024-02-28", "2024-03-02"),
            previous=days("2024-02-24", "2024-02-27"),
            year_ago=days("2023-02-28", "2023-03-02"),
        )
        == told
    )


def test_a_closed_month_is_compared_with_whole_months() -> None:
    """A month is compared as `last_month` compares it."""
    told = whole_month(month_of(date(2024, 3, 9)))

    assert (
        Periods(
            this=days("2024-03-01", "2024-03-31"),
            previous=days("2024-02-01", "2024-02-29"),
            year_ago=days("2023-03-01", "2023-03-31"),
        )
        == told
    )


@given(st.dates(date(2001, 1, 1), date(2098, 12, 31)), st.integers(0, 800))
def test_told_days_lie_right_before(first: date, more: int) -> None:
    """The stretch before has the same length and no day of its own in common."""
    this = Days(first=first, last=first + timedelta(days=more))
    previous = told_periods(this).previous

    assert this.first - timedelta(days=1) == previous.last
    assert this.last - this.first == previous.last - previous.first


@given(st.dates(date(2001, 1, 1), date(2098, 12, 31)), st.sampled_from(PeriodName))
def test_named_periods_do_not_overlap(today: date, name: PeriodName) -> None:
    """What a period is compared with lies before it, the year before it not later."""
    told = named_periods(name, today)

    assert told.previous.last < told.this.first <= told.this.last
    assert told.previous.first <= told.previous.last
    assert told.year_ago.last < told.this.first
    assert told.year_ago.first <= told.previous.first


@pytest.mark.parametrize(
    ("told", "month"),
    [
        (days("2026-10-01", "2026-10-31"), "2026-10"),
        (days("2024-02-01", "2024-02-29"), "2024-02"),
        (days("2024-02-01", "2024-02-28"), None),
        (days("2026-10-02", "2026-10-31"), None),
        (days("2026-10-01", "2026-11-30"), None),
    ],
)
def test_a_whole_month_has_a_name(told: Days, month: str | None) -> None:
    """Only all days of one calendar month are that month."""
    assert month == told.month


@given(st.dates(date(1000, 1, 1), date(9999, 12, 31)))
def test_a_month_is_found_by_its_name(day: date) -> None:
    """The name of a month leads to its days."""
    month = month_of(day)

    assert month == named_month(month.month or "")
    assert month.holds(day)
    assert not month.holds(None)
    assert not month.holds(month.first - timedelta(days=1))


@pytest.mark.parametrize(
    "told",
    ["", "2026", "2026-13", "2026-00", "2026-1", "2026-10-01", "0999-10", "２０２６-10", "x"],
)
def test_other_texts_are_no_month(told: str) -> None:
    """A month is four digits, a dash and two digits from 01 to 12."""
    with pytest.raises(ValueError, match="must be a month such as 2026-10"):
        named_month(told)


@given(st.dates(date(2001, 1, 31), date(2098, 12, 31)), st.integers(0, 30))
def test_months_earlier(day: date, months: int) -> None:
    """Going back month by month never leaves the month aimed at."""
    told = months_earlier(day, months)
    shift = month_shift(month_of(day), month_of(told))

    assert months == shift
    assert min(day.day, month_of(told).last.day) == told.day
