"""What another notice makes of the calendar: the days that change, and what speaks against."""

from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from amended_years import (
    labour_day_2019_amended,
    labour_day_2019_first,
    spring_festival_2020_amended,
    spring_festival_2020_first,
)
from domain_builders import day, published_calendar, year_notice
from rebate_monitor.calendar_file import read_notices
from rebate_monitor.calendar_sources import published_notices
from rebate_monitor.domain.calendar_change import (
    FEWEST_WORKDAYS,
    MOST_WORKDAYS,
    DayChange,
    changed_days,
    objections,
    with_notice,
)
from rebate_monitor.domain.work_calendar import DayKind, SpecialDay, WorkCalendar, YearNotice

WEEKDAYS_OF_2030 = [
    on.isoformat()
    for on in (date(2030, 1, 1) + timedelta(days=n) for n in range(365))
    if on.weekday() < 5
]
UNTOLD_2030 = WorkCalendar([year_notice(2030, provisional=True)])


def told(changes: tuple[DayChange, ...]) -> dict[str, tuple[str, str, bool]]:
    """Return changes in few words: the kinds, and whether the day is moved."""
    return {
        change.after.date.isoformat(): (
            change.before.kind.value,
            change.after.kind.value,
            change.is_moved,
        )
        for change in changes
    }


def rules(before: WorkCalendar, notice: YearNotice) -> list[str]:
    """Return the rules that a notice goes against."""
    return [objection.rule.value for objection in objections(before, notice)]


class TestAmendedYears:
    @pytest.mark.parametrize("amended", [labour_day_2019_amended, spring_festival_2020_amended])
    def test_the_published_calendar_holds_the_amended_years(self, amended: object) -> None:
        """What the amendments said is what the published calendar has."""
        assert callable(amended)
        notice = amended()

        assert published_notices()[notice.year] == notice

    def test_labour_day_2019(self) -> None:
        """The amendment of March 2019 moves two weekdays and two Sundays, and names a Saturday."""
        first = with_notice(published_calendar(), [labour_day_2019_first()])

        changes = changed_days(first, with_notice(first, [labour_day_2019_amended()]))

        assert {
            "2019-04-28": ("weekend", "makeup_workday", True),
            "2019-05-02": ("workday", "day_off", True),
            "2019-05-03": ("workday", "day_off", True),
            "2019-05-04": ("weekend", "day_off", False),
            "2019-05-05": ("weekend", "makeup_workday", True),
        } == told(changes)

    def test_spring_festival_2020(self) -> None:
        """The extension of January 2020 moves a Friday and a make-up Saturday."""
        first = with_notice(published_calendar(), [spring_festival_2020_first()])

        changes = changed_days(first, published_calendar())

        assert {
            "2020-01-31": ("workday", "day_off", True),
            "2020-02-01": ("makeup_workday", "day_off", True),
            "2020-02-02": ("weekend", "day_off", False),
        } == told(changes)

    @pytest.mark.parametrize(
        ("first", "amended"),
        [
            (labour_day_2019_first(), labour_day_2019_amended()),
            (spring_festival_2020_first(), spring_festival_2020_amended()),
        ],
        ids=["2019", "2020"],
    )
    def test_nothing_speaks_against_an_amendment(
        self, first: YearNotice, amended: YearNotice
    ) -> None:
        """Neither real amendment needed to be forced."""
        assert [] == rules(with_notice(published_calendar(), [first]), amended)

    def test_going_back_to_a_shorter_notice_is_objected_to(self) -> None:
        """2019 as first published has four days fewer than as amended."""
        (objection,) = objections(published_calendar(), labour_day_2019_first())

        assert "fewer_days" == objection.rule
        assert (
            "2019: 21 weekdays off and make-up workdays, where the present notice has 25; "
            "a published year must not lose days"
        ) == objection.text


class TestOfficialFile:
    def test_laid_over_the_calendar_it_moves_no_day(self, shared: Path) -> None:
        """The official notices of 2023 to 2026 say of every day what the calendar says.

        They leave a weekend out that is not worked anyway: 30 and 31 December 2023.
        """
        official = read_notices((shared / "data" / "holidays_official.csv").read_bytes())

        changes = changed_days(published_calendar(), with_notice(published_calendar(), official))
        kinds = told(tuple(c for c in changes if c.before.kind != c.after.kind))

        assert [2023, 2024, 2025, 2026] == [notice.year for notice in official]
        assert {
            "2023-12-30": ("day_off", "weekend", False),
            "2023-12-31": ("day_off", "weekend", False),
        } == kinds

    def test_nothing_speaks_against_it(self, shared: Path) -> None:
        """A notice that leaves weekend days out, as that of 2024 does, loses nothing."""
        official = read_notices((shared / "data" / "holidays_official.csv").read_bytes())

        assert [] == [rule for notice in official for rule in rules(published_calendar(), notice)]


YEARS = (2030, 2031, 2032)


@st.composite
def notices(draw: st.DrawFn, year: int) -> YearNotice:
    """Draw a notice of a year that may name days of the December before."""
    offsets = draw(st.sets(st.integers(-31, 364), max_size=6))
    specials = st.builds(
        SpecialDay,
        kind=st.sampled_from([DayKind.DAY_OFF, DayKind.MAKEUP_WORKDAY]),
        name=st.sampled_from(["春节", "元旦"]),
        notice=st.sampled_from([None, "an amendment"]),
    )
    return YearNotice(
        year=year,
        days={date(year, 1, 1) + timedelta(days=n): draw(specials) for n in offsets},
        notice=draw(st.sampled_from([None, "one", "other"])),
        provisional=draw(st.booleans()),
    )


calendars = st.tuples(*(notices(year) for year in YEARS)).map(WorkCalendar)


class TestChangedDays:
    @given(calendars, calendars, st.sets(st.sampled_from(YEARS)))
    @settings(max_examples=60)
    def test_they_are_the_days_that_a_naive_comparison_finds(
        self, before: WorkCalendar, other: WorkCalendar, replaced: set[int]
    ) -> None:
        """Whatever years are replaced, the changes are those of comparing day by day."""
        after = with_notice(before, [other.notices[year] for year in replaced])
        pairs = zip(
            before.days(before.first, before.last), after.days(after.first, after.last), strict=True
        )

        naive = tuple(DayChange(before=one, after=two) for one, two in pairs if one != two)

        assert naive == changed_days(before, after)

    def test_the_same_notices_change_nothing(self) -> None:
        """A notice that says what was known changes no day."""
        after = with_notice(published_calendar(), published_notices().values())

        assert () == changed_days(published_calendar(), after)

    def test_another_name_is_a_change_that_moves_nothing(self) -> None:
        """A day that is only named otherwise is told, and moves no clock."""
        before = WorkCalendar([year_notice(2030, off=["2030-01-01"])])
        renamed = {day("2030-01-01"): SpecialDay(kind=DayKind.DAY_OFF, name="元旦")}

        (change,) = changed_days(
            before, with_notice(before, [replace(before.notices[2030], days=renamed)])
        )

        assert ("放假", "元旦", False) == (change.before.name, change.after.name, change.is_moved)

    def test_a_published_year_changes_every_day_of_the_estimate(self) -> None:
        """With its notice a year is no estimate any more, on plain days, too."""
        changes = changed_days(UNTOLD_2030, with_notice(UNTOLD_2030, [year_notice(2030)]))

        assert (365, {False}) == (len(changes), {change.is_moved for change in changes})

    def test_days_that_only_one_calendar_covers_are_left_out(self) -> None:
        """A year more tells nothing but what it changes of the December before."""
        before = WorkCalendar([year_notice(2030)])
        after = with_notice(before, [year_notice(2031, off=["2030-12-31", "2031-01-01"])])

        assert ["2030-12-31"] == list(told(changed_days(before, after)))
        assert ["2030-12-31"] == list(told(changed_days(after, before)))


class TestObjections:
    @pytest.mark.parametrize("year", range(2007, 2027))
    def test_nothing_speaks_against_a_published_year(self, year: int) -> None:
        """Every published year lies within the range, and loses nothing against itself."""
        assert [] == rules(published_calendar(), published_notices()[year])

    def test_a_wiped_year_is_objected_to(self) -> None:
        """A year that lost nearly all its days has fewer of them, and too many workdays."""
        wiped = year_notice(2026, off=["2026-01-01"])

        assert ["fewer_days", "workdays"] == rules(published_calendar(), wiped)

    def test_an_estimate_never_objects(self) -> None:
        """The estimate of a year may name more days than its notice turns out to."""
        estimated = with_notice(
            published_calendar(),
            [year_notice(2030, off=WEEKDAYS_OF_2030[:20], provisional=True)],
        )

        assert [] == rules(estimated, year_notice(2030, off=WEEKDAYS_OF_2030[:12]))

    def test_a_year_that_nobody_has_told_never_objects(self) -> None:
        """The first notice of a year has nothing to lose."""
        notice = year_notice(2031, off=WEEKDAYS_OF_2030[:1], worked=["2031-01-04"])

        assert ["workdays"] == rules(UNTOLD_2030, notice)

    def test_weekend_days_off_are_no_loss(self) -> None:
        """A notice that leaves out weekends which the present one names loses no day."""
        weekend = ["2030-01-05", "2030-01-06"]
        before = WorkCalendar([year_notice(2030, off=[*WEEKDAYS_OF_2030[:12], *weekend])])

        assert [] == rules(before, year_notice(2030, off=WEEKDAYS_OF_2030[:12]))

    def test_a_lost_makeup_workday_is_a_loss(self) -> None:
        """Make-up workdays count like days off."""
        off = WEEKDAYS_OF_2030[:13]
        before = WorkCalendar([year_notice(2030, off=off, worked=["2030-01-26"])])

        assert ["fewer_days"] == rules(before, year_notice(2030, off=off))

    @pytest.mark.parametrize(
        ("days_off", "expected"), [(4, ["workdays"]), (5, []), (21, []), (22, ["workdays"])]
    )
    def test_range_of_workdays(self, days_off: int, expected: list[str]) -> None:
        """2030 has 261 days from Monday to Friday; 240 to 256 workdays are within the range."""
        notice = year_notice(2030, off=WEEKDAYS_OF_2030[:days_off])

        assert expected == rules(UNTOLD_2030, notice)

    def test_what_is_said_of_the_workdays(self) -> None:
        """The objection names the year, the count and the range."""
        (objection,) = objections(UNTOLD_2030, year_notice(2030))

        assert "2030: 261 workdays; a year has from 240 to 256" == objection.text

    def test_the_next_years_notice_counts_for_december(self) -> None:
        """A December day that the next year's notice works makes one workday more."""
        next_year = year_notice(2031, worked=["2030-12-28"])
        before = WorkCalendar([year_notice(2030, provisional=True), next_year])

        assert ["workdays"] == rules(before, year_notice(2030, off=WEEKDAYS_OF_2030[:5]))

    def test_a_changed_december_is_no_objection(self) -> None:
        """A notice may say of the December before what that year's own did not."""
        notice = replace(
            published_notices()[2026],
            days={
                **published_notices()[2026].days,
                day("2025-12-31"): SpecialDay(kind=DayKind.DAY_OFF, name="元旦"),
            },
        )

        assert [] == rules(published_calendar(), notice)

    def test_the_range_has_slack_on_both_sides_of_the_published_years(self) -> None:
        """The published years 2007 to 2026 have 248 to 251 workdays."""
        count = published_calendar().workdays_between
        counts = {count(date(y - 1, 12, 31), date(y, 12, 31)) for y in range(2007, 2027)}

        assert (248, 251) == (min(counts), max(counts))
        assert FEWEST_WORKDAYS < min(counts)
        assert max(counts) < MOST_WORKDAYS


class TestWithNotice:
    def test_a_notice_takes_the_place_of_its_year_alone(self) -> None:
        """The year is what the notice says, every other one what it was."""
        calendar = with_notice(published_calendar(), [year_notice(2024, off=["2024-03-05"])])

        assert DayKind.DAY_OFF == calendar.kind(day("2024-03-05"))
        assert DayKind.WORKDAY == calendar.kind(day("2024-10-01"))
        assert DayKind.DAY_OFF == calendar.kind(day("2025-10-01"))

    @pytest.mark.parametrize("year", [2000, 2027, 2099])
    def test_every_year_of_the_calendar_can_be_told(self, year: int) -> None:
        """From the first year to the last a notice is taken without an error."""
        calendar = with_notice(published_calendar(), [year_notice(year)])

        assert not calendar.is_provisional(date(year, 1, 1), date(year, 12, 31))
        assert published_calendar().notices.keys() == calendar.notices.keys()

    def test_of_two_notices_for_a_year_the_last_counts(self) -> None:
        """Notices are given in order: the last one speaks."""
        earlier, later = year_notice(2030, title="earlier"), year_notice(2030, title="later")

        assert later == with_notice(UNTOLD_2030, [earlier, later]).notices[2030]

    def test_no_notice_leaves_the_calendar_as_it_is(self) -> None:
        """Nothing laid over a calendar is the calendar."""
        assert published_calendar().version == with_notice(published_calendar(), []).version


class TestOwnNoticeOfADay:
    def test_a_day_names_its_own_paper(self) -> None:
        """An amended day tells the amendment, its neighbours the paper of the year."""
        days = {
            day("2030-05-01"): SpecialDay(kind=DayKind.DAY_OFF, name="劳动节"),
            day("2030-05-02"): SpecialDay(kind=DayKind.DAY_OFF, name="劳动节", notice="amendment"),
        }
        calendar = WorkCalendar([YearNotice(year=2030, days=days, notice="first")])

        told = [on.notice for on in calendar.days(day("2030-05-01"), day("2030-05-03"))]

        assert ["first", "amendment", None] == told
