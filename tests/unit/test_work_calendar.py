"""The work calendar against the State Council notices, its sources and a naive count."""

import csv
from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import chinese_calendar
import holidays
import pytest
from holidays.countries.china import ChinaStaticHolidays
from hypothesis import given, settings
from hypothesis import strategies as st

from domain_builders import MadeUpCalendar, day, made_up_calendars, published_calendar, year_notice
from rebate_monitor.calendar_sources import (
    CHINESE_NAMES,
    estimated_notices,
    published_notices,
    work_calendar,
)
from rebate_monitor.domain.local_time import (
    NaiveInstantError,
    local_date,
    midnight,
)
from rebate_monitor.domain.work_calendar import (
    CalendarRangeError,
    DayKind,
    WorkCalendar,
    YearNotice,
)

OFFICIAL = Path(__file__).parents[3] / "shared" / "data" / "holidays_official.csv"
KINDS = {"off": DayKind.DAY_OFF, "makeup_workday": DayKind.MAKEUP_WORKDAY}
published_days = st.dates(date(2007, 1, 1), date(2026, 12, 31))


def official_days() -> list[tuple[date, DayKind, int]]:
    """Read every day that the notices of 2023 to 2026 name; none where the file is missing."""
    if not OFFICIAL.exists():
        return []
    with OFFICIAL.open(encoding="utf-8") as file:
        return [
            (day(row["date"]), KINDS[row["kind"]], int(row["year_notice"]))
            for row in csv.DictReader(file)
        ]


def every_day(first: date, last: date) -> Iterable[date]:
    """Walk the days from first to last, both included."""
    return (first + timedelta(days=n) for n in range((last - first).days + 1))


@pytest.mark.skipif(not OFFICIAL.exists(), reason="the official holiday list is not on this disk")
class TestOfficialNotices:
    @pytest.mark.parametrize(
        ("on", "kind", "notice_year"),
        [pytest.param(*row, id=f"notice-{row[2]}-{row[0]}-{row[1]}") for row in official_days()],
    )
    def test_each_named_day(self, on: date, kind: DayKind, notice_year: int) -> None:
        """A day that a State Council notice names is what the notice says, on its authority."""
        actual = published_calendar().day(on)

        assert kind == actual.kind
        assert f"国务院办公厅关于{notice_year}年部分节假日安排的通知" == actual.notice
        assert not actual.provisional

    def test_no_other_weekday_is_off_and_no_other_weekend_is_worked(self) -> None:
        """Between 2023 and 2026 the plain week holds on every day that no notice names."""
        named = {on for on, _, _ in official_days()}
        # The 2024 notice names the weekend of 30 and 31 December 2023; the list leaves it out.
        plain = [on for on in every_day(day("2023-01-01"), day("2026-12-31")) if on not in named]

        surprising = [
            on for on in plain if published_calendar().day(on).workday != (on.weekday() < 5)
        ]

        assert [] == surprising


@pytest.mark.parametrize(("year", "workdays"), [(2023, 249), (2024, 251), (2025, 248), (2026, 248)])
def test_workdays_per_year(year: int, workdays: int) -> None:
    """A year has as many workdays as the notices leave."""
    actual = published_calendar().workdays_between(date(year - 1, 12, 31), date(year, 12, 31))

    assert workdays == actual


def test_new_years_eve_of_2024_was_a_workday() -> None:
    """The lunar New Year's Eve 2024-02-09 was legally a workday."""
    assert DayKind.WORKDAY == published_calendar().kind(day("2024-02-09"))


@pytest.mark.parametrize(
    ("on", "kind", "notice_year"),
    [
        ("2006-12-30", DayKind.MAKEUP_WORKDAY, 2007),
        ("2006-12-31", DayKind.MAKEUP_WORKDAY, 2007),
        ("2007-12-29", DayKind.MAKEUP_WORKDAY, 2008),
        ("2007-12-31", DayKind.DAY_OFF, 2008),
        ("2011-12-31", DayKind.MAKEUP_WORKDAY, 2012),
        ("2018-12-29", DayKind.MAKEUP_WORKDAY, 2019),
        ("2018-12-31", DayKind.DAY_OFF, 2019),
        ("2022-12-31", DayKind.DAY_OFF, 2023),
        ("2023-12-31", DayKind.DAY_OFF, 2024),
    ],
)
def test_notice_naming_the_previous_december(on: str, kind: DayKind, notice_year: int) -> None:
    """A December day changed for New Year carries the next year's notice."""
    actual = published_calendar().day(day(on))

    assert kind == actual.kind
    assert actual.notice is not None
    assert str(notice_year) in actual.notice


@pytest.mark.parametrize("year", range(2004, 2027))
def test_chinesecalendar_agrees(year: int) -> None:
    """Every day of a published year is worked or not as chinesecalendar says."""
    differing = [
        on
        for on in every_day(date(year, 1, 1), date(year, 12, 31))
        if published_calendar().day(on).workday != chinese_calendar.is_workday(on)
    ]

    assert [] == differing


@pytest.mark.parametrize(
    "year", [y for y in sorted(ChinaStaticHolidays.special_public_holidays) if 2007 <= y <= 2026]
)
def test_holidays_agrees_where_it_claims_to_know(year: int) -> None:
    """A second library with its own reading of the notices finds the same workdays."""
    china = holidays.country_holidays("CN", years=[year - 1, year, year + 1])
    differing = [
        on
        for on in every_day(date(year, 1, 1), date(year, 12, 31))
        if published_calendar().day(on).workday != china.is_working_day(on)
    ]

    assert [] == differing


class TestSources:
    @pytest.mark.parametrize("year", [2000, 2003, 2027, 2099])
    def test_unpublished_years_are_provisional(self, year: int) -> None:
        """A year that nobody has published is an estimate and says so on every day."""
        actual = published_calendar().days(date(year, 1, 1), date(year, 12, 31))

        assert {(True, None)} == {(on.provisional, on.notice) for on in actual}

    @pytest.mark.parametrize("year", range(2004, 2027))
    def test_published_years_are_not_provisional(self, year: int) -> None:
        """A published year is no estimate."""
        first, last = date(year, 1, 1), date(year, 12, 31)

        assert not published_calendar().is_provisional(first, last)

    def test_published_until(self) -> None:
        """The published calendar ends with the last year that the State Council has told."""
        assert day("2026-12-31") == published_calendar().published_until

    @pytest.mark.parametrize(
        ("on", "name"),
        [
            ("2027-01-01", "元旦"),
            ("2027-02-08", "春节"),
            ("2027-05-03", "劳动节"),
            ("2027-10-01", "国庆节"),
        ],
    )
    def test_estimate_takes_statutory_holidays(self, on: str, name: str) -> None:
        """An estimated year has its statutory holidays, named in Chinese."""
        actual = published_calendar().day(day(on))

        assert DayKind.DAY_OFF == actual.kind
        assert name in (actual.name or "")

    def test_estimate_has_no_makeup_workdays(self) -> None:
        """Make-up workdays are the State Council's choice: an estimate invents none."""
        kinds = {
            special.kind
            for notice in estimated_notices().values()
            for special in notice.days.values()
        }

        assert {DayKind.DAY_OFF} == kinds

    def test_every_published_day_has_a_chinese_name(self) -> None:
        """No English name of the source is left over."""
        names = {
            special.name
            for notice in published_notices().values()
            for special in notice.days.values()
        }

        assert names <= set(CHINESE_NAMES.values())

    def test_published_notices_are_whole_years(self) -> None:
        """The published calendar speaks for 2004 to 2026 without a gap."""
        assert list(range(2004, 2027)) == list(published_notices())

    def test_imported_notice_stands_above_the_published_one(self) -> None:
        """What operations imported for a year replaces the published notice whole."""
        imported = year_notice(2024, off=["2024-02-09"], title="省政府通知")

        calendar = work_calendar([imported])

        assert (DayKind.DAY_OFF, "省政府通知") == (
            calendar.day(day("2024-02-09")).kind,
            calendar.day(day("2024-02-09")).notice,
        )
        assert DayKind.WORKDAY == calendar.kind(day("2024-02-12"))

    def test_imported_notice_publishes_its_year(self) -> None:
        """An imported notice ends the estimate of its year."""
        calendar = work_calendar([year_notice(2027, off=["2027-01-01"])])

        assert day("2027-12-31") == calendar.published_until
        assert not calendar.is_provisional(day("2027-01-01"), day("2027-12-31"))

    def test_imported_notice_changes_the_previous_december(self) -> None:
        """An imported notice may name days of the December before its year."""
        calendar = work_calendar([year_notice(2027, off=["2026-12-31"], title="2027年通知")])

        actual = calendar.day(day("2026-12-31"))

        assert (DayKind.DAY_OFF, "2027年通知", False) == (
            actual.kind,
            actual.notice,
            actual.provisional,
        )

    def test_imported_year_beyond_the_usual_range(self) -> None:
        """A notice for the year after the last one lengthens the calendar."""
        assert day("2100-12-31") == work_calendar([year_notice(2100)]).last


class TestNotices:
    def test_later_notice_stands_above_the_earlier(self) -> None:
        """On a day that two notices name, the later year's decides, in whatever order given."""
        earlier = year_notice(2030, worked=["2030-12-29"], title="2030")
        later = year_notice(2031, off=["2030-12-29"], title="2031")

        calendar = WorkCalendar([later, earlier])

        assert "2031" == calendar.day(day("2030-12-29")).notice
        assert not calendar.day(day("2030-12-29")).workday

    def test_plain_day_names_no_notice(self) -> None:
        """A day that no notice names is what the week says."""
        calendar = WorkCalendar([year_notice(2030)])

        friday, saturday = calendar.days(day("2030-03-01"), day("2030-03-02"))

        assert (DayKind.WORKDAY, None, None) == (friday.kind, friday.name, friday.notice)
        assert (DayKind.WEEKEND, None, None) == (saturday.kind, saturday.name, saturday.notice)

    def test_notices_by_year(self) -> None:
        """Which notice speaks for a year can be asked."""
        notice = year_notice(2030)

        assert {2030: notice} == dict(WorkCalendar([notice]).notices)

    @pytest.mark.parametrize("years", [[], [2030, 2032], [2030, 2031, 2033]])
    def test_gaps_in_years_are_refused(self, years: list[int]) -> None:
        """A calendar with an untold year between told ones would count wrongly: refused."""
        with pytest.raises(ValueError, match="one notice for every year"):
            WorkCalendar(map(year_notice, years))

    def test_nothing_published(self) -> None:
        """A calendar of estimates is published until the day before it begins."""
        calendar = WorkCalendar([year_notice(2030, provisional=True)])

        assert day("2029-12-31") == calendar.published_until

    def test_published_until_stops_at_the_first_estimate(self) -> None:
        """A year published out of turn does not hide the missing one before it."""
        estimated = {2029, 2031}
        notices = [year_notice(y, provisional=y in estimated) for y in range(2029, 2034)]

        assert day("2030-12-31") == WorkCalendar(notices).published_until

    @pytest.mark.parametrize(
        ("first", "last", "provisional"),
        [
            ("2030-01-01", "2030-12-31", False),
            ("2030-12-31", "2031-01-01", True),
            ("2031-12-31", "2032-01-01", True),
            ("2032-01-01", "2032-12-31", False),
            ("2030-06-01", "2032-06-01", True),
        ],
    )
    def test_stretch_is_provisional_when_any_day_is(
        self, first: str, last: str, *, provisional: bool
    ) -> None:
        """One estimated day makes a stretch provisional."""
        notices = [year_notice(y, provisional=y == 2031) for y in (2030, 2031, 2032)]

        actual = WorkCalendar(notices).is_provisional(day(first), day(last))

        assert provisional == actual


class TestRange:
    calendar = WorkCalendar([YearNotice(year=2030, days={}, notice=None)])

    @pytest.mark.parametrize("outside", ["2029-12-31", "2031-01-01", "1999-12-31"])
    def test_days_outside_are_refused(self, outside: str) -> None:
        """W of a day that the calendar does not cover is an error that names the day."""
        with pytest.raises(CalendarRangeError, match=f"{outside} is outside") as raised:
            self.calendar.workdays_through(day(outside))

        assert (day(outside), day("2030-01-01"), day("2030-12-31")) == (
            raised.value.day,
            raised.value.first,
            raised.value.last,
        )

    @pytest.mark.parametrize("outside", ["2029-12-31", "2031-01-01"])
    @pytest.mark.parametrize("is_start", [True, False])
    def test_counts_to_days_outside_are_refused(self, outside: str, *, is_start: bool) -> None:
        """Whichever end lies outside is the day that the error names."""
        inside = day("2030-06-03")
        ends = (day(outside), inside) if is_start else (inside, day(outside))

        with pytest.raises(CalendarRangeError, match=f"{outside} is outside"):
            self.calendar.workdays_between(*ends)

    def test_single_day_outside_is_refused(self) -> None:
        """A day outside has no kind, no name and no notice."""
        with pytest.raises(CalendarRangeError):
            self.calendar.day(day("2031-01-01"))

    def test_days_running_over_the_end_are_refused(self) -> None:
        """A listing never ends short without saying so."""
        with pytest.raises(CalendarRangeError):
            list(self.calendar.days(day("2030-12-30"), day("2031-01-02")))

    @pytest.mark.parametrize("number", [-1, 0, 262])
    def test_workday_numbers_outside_are_refused(self, number: int) -> None:
        """2030 has 261 days from Monday to Friday; there is no workday 0 and no 262nd."""
        with pytest.raises(CalendarRangeError, match="a day is outside"):
            self.calendar.workday_number(number)

    def test_last_workday(self) -> None:
        """The last workday of the range is still there."""
        assert day("2030-12-31") == self.calendar.workday_number(261)

    def test_no_workday_left(self) -> None:
        """Looking for a workday past the last one is an error, not a guess."""
        calendar = WorkCalendar([year_notice(2028)])  # ends on Sunday 2028-12-31

        with pytest.raises(CalendarRangeError):
            calendar.workday_on_or_after(day("2028-12-30"))


class TestAlgebra:
    @given(published_days, published_days, published_days)
    def test_w_is_additive(self, a: date, b: date, c: date) -> None:
        """From a to c is from a to b and on from b to c, in any order of the days."""
        between = published_calendar().workdays_between

        assert between(a, c) == between(a, b) + between(b, c)

    @given(published_days, st.integers(0, 400))
    def test_w_is_monotone(self, a: date, days: int) -> None:
        """A later day never has fewer workdays behind it, nor more than the days between."""
        later = min(a + timedelta(days=days), date(2026, 12, 31))

        actual = published_calendar().workdays_between(a, later)

        assert 0 <= actual <= (later - a).days

    @given(published_days)
    def test_nth_workday_is_the_inverse(self, on: date) -> None:
        """The workday numbered W(d) is the last workday up to d."""
        calendar = published_calendar()

        found = calendar.workday_number(calendar.workdays_through(on))

        assert calendar.day(found).workday
        assert found <= on
        assert (found == on) == calendar.day(on).workday
        assert calendar.workdays_through(on) == calendar.workdays_through(found)

    @given(made_up_calendars(), st.integers(0, 1095), st.integers(0, 1095))
    @settings(max_examples=60)
    def test_w_equals_a_naive_count(self, made_up: MadeUpCalendar, start: int, end: int) -> None:
        """On random calendars W is the count of worked days, day by day."""
        a, b = sorted((made_up.first + timedelta(days=n)) for n in (start, end))

        naive = sum(made_up.is_workday(on) for on in every_day(a + timedelta(days=1), b))

        assert naive == made_up.calendar.workdays_between(a, b)

    @given(made_up_calendars(), st.integers(0, 900))
    @settings(max_examples=60)
    def test_workday_on_or_after_equals_a_naive_search(
        self, made_up: MadeUpCalendar, start: int
    ) -> None:
        """The next workday is the first worked day met on a walk."""
        begin = naive = made_up.first + timedelta(days=start)
        while not made_up.is_workday(naive):
            naive += timedelta(days=1)

        assert naive == made_up.calendar.workday_on_or_after(begin)


class TestLocalDates:
    @pytest.mark.parametrize(
        ("text", "expected"),
        [
            ("2024-03-05T23:59:59.999999+08:00", "2024-03-05"),
            ("2024-03-06T00:00:00+08:00", "2024-03-06"),
            ("2024-03-05T15:59:59.999999+00:00", "2024-03-05"),
            ("2024-03-05T16:00:00+00:00", "2024-03-06"),
            ("2024-03-05T11:30:00-05:00", "2024-03-06"),
        ],
    )
    def test_date_of_an_instant(self, text: str, expected: str) -> None:
        """A day is half-open and belongs to Asia/Shanghai, whatever the offset of the sender."""
        assert day(expected) == local_date(datetime.fromisoformat(text))

    def test_instant_without_an_offset_is_refused(self) -> None:
        """A time without an offset has no date."""
        with pytest.raises(NaiveInstantError, match="2024-03-05T09:00:00 has no offset"):
            local_date(datetime(2024, 3, 5, 9))  # noqa: DTZ001 - the very thing refused

    @given(st.dates(date(2000, 1, 1), date(2099, 12, 31)))
    def test_midnight_is_the_first_instant_of_its_day(self, on: date) -> None:
        """00:00 belongs to the day that it opens, a microsecond before to the day before."""
        assert on == local_date(midnight(on))
        assert on - timedelta(days=1) == local_date(midnight(on) - timedelta(microseconds=1))


@pytest.mark.parametrize(
    ("instant", "expected"),
    [
        (datetime(1999, 12, 31, 15, 59, 59, tzinfo=UTC), "outside"),
        (datetime(1999, 12, 31, 16, 0, tzinfo=UTC), "inside"),
        (datetime(2099, 12, 31, 15, 59, 59, tzinfo=UTC), "inside"),
        (datetime(2099, 12, 31, 16, 0, tzinfo=UTC), "outside"),
        (datetime.max.replace(tzinfo=UTC), "outside"),
    ],
)
def test_a_calendar_covers_the_days_of_its_years(instant: datetime, expected: str) -> None:
    """By the date in Asia/Shanghai; what has no such date is not covered."""
    assert expected == ("inside" if work_calendar().covers(instant) else "outside")
