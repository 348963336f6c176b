"""The clock against worked examples from the State Council notices and a naive daily loop."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import date, timedelta

import chinese_calendar
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from domain_builders import (
    EVERY_COUNTING,
    MadeUpCalendar,
    countings,
    day,
    made_up_calendars,
    published_calendar,
    year_notice,
)
from rebate_monitor.domain.clock import Clock, Span
from rebate_monitor.domain.policy import Counting, NonWorkdayStart, StartDay
from rebate_monitor.domain.work_calendar import CalendarRangeError, WorkCalendar

# The notices that the examples are worked out from: their page on www.gov.cn, or their number.
NOTICES = {
    2019: "guobanfa-mingdian-2018-15-as-amended",
    2020: "as-amended",
    2023: "content_5730844",
    2024: "content_6911528",
    2025: "content_6986383",
    2026: "content_7047091",
}


def clock(
    *spans: tuple[str, str | None],
    counting: Counting | None = None,
    calendar: WorkCalendar | None = None,
) -> Clock:
    """Set a clock going over spans given as ISO dates."""
    running = tuple(Span(start=day(a), end=day(b) if b else None) for a, b in spans)
    return Clock(calendar or published_calendar(), counting or Counting(), running)


def example(notice: int, occasion: str, *values: object) -> object:
    """Make one worked example; its test id names the notice that it was worked out from."""
    named = f"notice-{notice}-{NOTICES[notice]}" if notice in NOTICES else "plain-week"
    facts = "-".join("none" if v is None else str(v) for v in values)
    return pytest.param(*values, id=f"{named}: {occasion}: {facts}")


PLAIN = 0
WORKED_EXAMPLES = [
    # March 2024 has no holiday: 4 is a Monday, 8 a Friday, 11 the next Monday.
    example(PLAIN, "same day", "2024-03-04", "2024-03-04", 0),
    example(PLAIN, "next day", "2024-03-04", "2024-03-05", 1),
    example(PLAIN, "Monday to Friday", "2024-03-04", "2024-03-08", 4),
    example(PLAIN, "Monday to Saturday", "2024-03-04", "2024-03-09", 4),
    example(PLAIN, "Monday to Monday", "2024-03-04", "2024-03-11", 5),
    example(PLAIN, "Friday to Saturday", "2024-03-08", "2024-03-09", 0),
    example(PLAIN, "Friday to Monday", "2024-03-08", "2024-03-11", 1),
    example(PLAIN, "Saturday to Sunday", "2024-03-09", "2024-03-10", 0),
    example(PLAIN, "Saturday to Monday", "2024-03-09", "2024-03-11", 1),
    example(PLAIN, "Sunday to Monday", "2024-03-10", "2024-03-11", 1),
    example(PLAIN, "Saturday to Tuesday", "2024-03-09", "2024-03-12", 2),
    # Spring Festival 2023: off 21 to 27 January; Saturday 28 and Sunday 29 worked.
    example(2023, "Spring Festival, over it", "2023-01-20", "2023-01-27", 0),
    example(2023, "Spring Festival, make-up Saturday", "2023-01-20", "2023-01-28", 1),
    example(2023, "Spring Festival, make-up Sunday", "2023-01-20", "2023-01-29", 2),
    example(2023, "Spring Festival, Monday after", "2023-01-20", "2023-01-30", 3),
    example(2023, "Spring Festival, accepted in it", "2023-01-24", "2023-01-28", 1),
    # Spring Festival 2024: off 10 to 17 February; Sundays 4 and 18 worked, and Friday 9.
    example(2024, "Spring Festival, rest Saturday before", "2024-02-02", "2024-02-03", 0),
    example(2024, "Spring Festival, make-up Sunday before", "2024-02-02", "2024-02-04", 1),
    example(2024, "Spring Festival, Monday before", "2024-02-02", "2024-02-05", 2),
    example(2024, "accepted on make-up Sunday", "2024-02-04", "2024-02-05", 1),
    example(2024, "New Year's Eve is a workday", "2024-02-08", "2024-02-09", 1),
    example(2024, "Spring Festival, over it", "2024-02-09", "2024-02-17", 0),
    example(2024, "Spring Festival, make-up Sunday after", "2024-02-09", "2024-02-18", 1),
    example(2024, "New Year's Eve and make-up Sunday", "2024-02-08", "2024-02-18", 2),
    example(2024, "Spring Festival, Monday after", "2024-02-08", "2024-02-19", 3),
    example(2024, "Spring Festival, across", "2024-02-07", "2024-02-20", 5),
    example(2024, "accepted on a day off, stopped on one", "2024-02-10", "2024-02-17", 0),
    example(2024, "accepted on a day off", "2024-02-10", "2024-02-18", 1),
    # 2, 4 to 9, 18 to 23 and 26 to 29 February: 1 + 6 + 6 + 4.
    example(2024, "a whole February", "2024-02-01", "2024-02-29", 17),
    # Spring Festival 2025: off 28 January to 4 February; Sunday 26 and Saturday 8 worked.
    example(2025, "Spring Festival, make-up Sunday", "2025-01-24", "2025-01-26", 1),
    example(2025, "Spring Festival, Monday before", "2025-01-24", "2025-01-27", 2),
    example(2025, "Spring Festival, across", "2025-01-24", "2025-02-05", 3),
    example(2025, "both make-up days", "2025-01-24", "2025-02-08", 6),
    example(2025, "Spring Festival, first day after", "2025-01-27", "2025-02-05", 1),
    example(2025, "within the days off", "2025-01-28", "2025-02-04", 0),
    example(2025, "accepted on a day off", "2025-01-28", "2025-02-05", 1),
    example(2025, "make-up Saturday", "2025-02-07", "2025-02-08", 1),
    example(2025, "Sunday after make-up Saturday", "2025-02-07", "2025-02-09", 1),
    example(2025, "Monday after make-up Saturday", "2025-02-07", "2025-02-10", 2),
    # Spring Festival 2026: off 15 to 23 February; Saturdays 14 and 28 worked.
    example(2026, "make-up Saturday before", "2026-02-13", "2026-02-14", 1),
    example(2026, "Spring Festival, across", "2026-02-13", "2026-02-24", 2),
    example(2026, "accepted on make-up Saturday", "2026-02-14", "2026-02-24", 1),
    example(2026, "over the nine days", "2026-02-14", "2026-02-23", 0),
    example(2026, "to make-up Saturday", "2026-02-24", "2026-02-28", 4),
    example(2026, "Monday after make-up Saturday", "2026-02-24", "2026-03-02", 5),
    example(2026, "make-up Saturday to Sunday", "2026-02-27", "2026-03-01", 1),
    # National Day 2023: off 29 September to 6 October; Saturday 7 and Sunday 8 worked.
    example(2023, "National Day, make-up Saturday", "2023-09-28", "2023-10-07", 1),
    example(2023, "National Day, make-up Sunday", "2023-09-28", "2023-10-08", 2),
    example(2023, "National Day, Monday after", "2023-09-28", "2023-10-09", 3),
    example(2023, "National Day, over it", "2023-09-29", "2023-10-06", 0),
    example(2023, "National Day, last day off", "2023-10-06", "2023-10-09", 3),
    # 26, 27, 28 September, then seven days in a row from 7 to 13 October.
    example(2023, "National Day, across", "2023-09-25", "2023-10-13", 10),
    # National Day 2024: off 1 to 7 October; Sunday 29 September and Saturday 12 worked.
    example(2024, "National Day, make-up Sunday", "2024-09-27", "2024-09-29", 1),
    example(2024, "National Day, Monday before", "2024-09-27", "2024-09-30", 2),
    example(2024, "National Day, across", "2024-09-27", "2024-10-08", 3),
    example(2024, "National Day, first day after", "2024-09-30", "2024-10-08", 1),
    example(2024, "National Day, make-up Saturday", "2024-10-08", "2024-10-12", 4),
    example(2024, "Sunday after make-up Saturday", "2024-10-11", "2024-10-13", 1),
    example(2024, "Monday after make-up Saturday", "2024-10-11", "2024-10-14", 2),
    # National Day 2025: off 1 to 8 October; Sunday 28 September and Saturday 11 worked.
    example(2025, "National Day, make-up Sunday", "2025-09-26", "2025-09-28", 1),
    example(2025, "National Day, eve", "2025-09-26", "2025-09-30", 3),
    example(2025, "National Day, across", "2025-09-26", "2025-10-09", 4),
    example(2025, "National Day, both make-up days", "2025-09-26", "2025-10-11", 6),
    example(2025, "National Day, first day after", "2025-09-30", "2025-10-09", 1),
    example(2025, "Monday after make-up Saturday", "2025-10-10", "2025-10-13", 2),
    # National Day 2026: off 1 to 7 October; Sunday 20 September and Saturday 10 worked.
    example(2026, "National Day, across", "2026-09-30", "2026-10-08", 1),
    example(2026, "National Day, make-up Saturday", "2026-09-30", "2026-10-10", 3),
    example(2026, "National Day, early make-up Sunday", "2026-09-18", "2026-09-20", 1),
    # The short holidays: Tomb-sweeping, Labour Day, Dragon Boat, Mid-autumn.
    example(2023, "Tomb-sweeping on a Wednesday", "2023-04-04", "2023-04-06", 1),
    example(2024, "Tomb-sweeping, make-up Sunday", "2024-04-03", "2024-04-07", 1),
    example(2024, "Tomb-sweeping, Monday after", "2024-04-03", "2024-04-08", 2),
    example(2023, "Labour Day", "2023-04-28", "2023-05-04", 1),
    example(2023, "Labour Day, make-up Saturday", "2023-04-28", "2023-05-06", 3),
    example(2024, "Labour Day, make-up Sunday", "2024-04-26", "2024-04-28", 1),
    example(2024, "Labour Day", "2024-04-26", "2024-05-06", 4),
    example(2024, "Labour Day, make-up Saturday", "2024-05-10", "2024-05-11", 1),
    example(2025, "Labour Day", "2025-04-30", "2025-05-06", 1),
    example(2026, "Labour Day", "2026-04-30", "2026-05-06", 1),
    example(2026, "Labour Day, make-up Saturday", "2026-04-30", "2026-05-09", 4),
    example(2023, "Dragon Boat, make-up Sunday", "2023-06-21", "2023-06-25", 1),
    example(2024, "Dragon Boat", "2024-06-07", "2024-06-11", 1),
    example(2025, "Dragon Boat", "2025-05-30", "2025-06-03", 1),
    example(2026, "Dragon Boat", "2026-06-18", "2026-06-22", 1),
    example(2024, "Mid-autumn, make-up Saturday", "2024-09-13", "2024-09-14", 1),
    example(2024, "Mid-autumn", "2024-09-13", "2024-09-18", 2),
    example(2026, "Mid-autumn", "2026-09-24", "2026-09-28", 1),
    # Amended in mid-year: Labour Day 2019 (off 1 to 4 May, Sundays 28 April and 5 May worked) and
    # Spring Festival 2020 (lengthened to 2 February).
    example(2019, "Labour Day, make-up Sunday before", "2019-04-26", "2019-04-28", 1),
    example(2019, "Labour Day, make-up Sunday after", "2019-04-30", "2019-05-05", 1),
    example(2020, "Spring Festival, lengthened", "2020-01-23", "2020-02-02", 0),
    example(2020, "Spring Festival, first day after", "2020-01-23", "2020-02-03", 1),
    # Year ends.
    example(2019, "make-up Saturday in December", "2018-12-28", "2018-12-29", 1),
    example(2019, "New Year", "2018-12-28", "2019-01-02", 2),
    example(2023, "2022-12-31 is off", "2022-12-30", "2022-12-31", 0),
    example(2023, "New Year", "2022-12-30", "2023-01-03", 1),
    example(2023, "New Year, from Thursday", "2022-12-29", "2023-01-03", 2),
    example(2023, "New Year, accepted on 2022-12-31", "2022-12-31", "2023-01-03", 1),
    example(2024, "New Year", "2023-12-29", "2024-01-02", 1),
    example(2025, "New Year", "2024-12-31", "2025-01-02", 1),
    example(2025, "New Year, stopped on it", "2024-12-30", "2025-01-01", 1),
    example(2026, "New Year, over it", "2025-12-31", "2026-01-03", 0),
    example(2026, "New Year, make-up Sunday", "2025-12-31", "2026-01-04", 1),
    example(2026, "New Year, Monday after", "2025-12-31", "2026-01-05", 2),
    # Whole years.
    example(2023, "whole year", "2022-12-31", "2023-12-31", 249),
    example(2024, "whole year", "2023-12-31", "2024-12-31", 251),
    example(2025, "whole year", "2024-12-31", "2025-12-31", 248),
    example(2026, "whole year", "2025-12-31", "2026-12-31", 248),
]


@pytest.mark.parametrize(("accepted", "stopped", "workdays"), WORKED_EXAMPLES)
def test_workdays(accepted: str, stopped: str, workdays: int) -> None:
    """From one date to another the clock counts what the notice leaves of workdays."""
    actual = clock((accepted, None)).workdays_on(day(stopped))

    assert workdays == actual


@pytest.mark.parametrize(
    ("accepted", "stopped", "by_policy"),
    [
        # In the order of EVERY_COUNTING: excluded with day 1 and day 0, included with the same.
        example(PLAIN, "same day", "2024-03-04", "2024-03-04", (0, 0, 1, 1)),
        example(PLAIN, "Monday to Wednesday", "2024-03-04", "2024-03-06", (2, 2, 3, 3)),
        example(PLAIN, "Friday to Monday", "2024-03-08", "2024-03-11", (1, 1, 2, 2)),
        example(PLAIN, "Friday to Sunday", "2024-03-08", "2024-03-10", (0, 0, 1, 1)),
        # Accepted on a rest day. "Included adds 1" to the W-difference, by the letter.
        example(PLAIN, "Saturday to Sunday", "2024-03-09", "2024-03-10", (0, 0, 1, 0)),
        example(PLAIN, "Saturday to Monday", "2024-03-09", "2024-03-11", (1, 0, 2, 1)),
        example(PLAIN, "Saturday to Tuesday", "2024-03-09", "2024-03-12", (2, 1, 3, 2)),
        example(2024, "day off to make-up Sunday", "2024-02-10", "2024-02-18", (1, 0, 2, 1)),
        example(2024, "day off to Monday after", "2024-02-10", "2024-02-19", (2, 1, 3, 2)),
        example(2024, "make-up Sunday to Monday", "2024-02-04", "2024-02-05", (1, 1, 2, 2)),
        example(2023, "2022-12-31 to 2023-01-04", "2022-12-31", "2023-01-04", (2, 1, 3, 2)),
        example(2025, "day off to make-up Saturday", "2025-02-02", "2025-02-08", (4, 3, 5, 4)),
    ],
)
def test_counting_policies(accepted: str, stopped: str, by_policy: tuple[int, ...]) -> None:
    """The four readings of the start day count as DESIGN 3.2 words them."""
    actual = tuple(
        clock((accepted, None), counting=counting).workdays_on(day(stopped))
        for counting in EVERY_COUNTING
    )

    assert by_policy == actual


@pytest.mark.parametrize(
    ("accepted", "limit", "at_risk", "due", "breach"),
    [
        example(PLAIN, "Monday", "2024-03-04", 4, "2024-03-07", "2024-03-08", "2024-03-11"),
        example(PLAIN, "Monday", "2024-03-04", 3, "2024-03-06", "2024-03-07", "2024-03-08"),
        example(PLAIN, "Friday", "2024-03-08", 4, "2024-03-13", "2024-03-14", "2024-03-15"),
        example(PLAIN, "Saturday", "2024-03-09", 4, "2024-03-13", "2024-03-14", "2024-03-15"),
        example(
            PLAIN, "at risk at once", "2024-03-04", 1, "2024-03-04", "2024-03-05", "2024-03-06"
        ),
        # 9, 18, 19, 20 and 21 February.
        example(2024, "Spring Festival", "2024-02-08", 4, "2024-02-19", "2024-02-20", "2024-02-21"),
        example(2024, "Spring Festival", "2024-02-08", 3, "2024-02-18", "2024-02-19", "2024-02-20"),
        # Due on New Year's Eve: nine rest days follow, and the first late day is a Sunday.
        example(2024, "due on the Eve", "2024-02-05", 4, "2024-02-08", "2024-02-09", "2024-02-18"),
        # 26, 27 January, 5, 6 and 7 February.
        example(2025, "Spring Festival", "2025-01-24", 4, "2025-02-05", "2025-02-06", "2025-02-07"),
        # 14, 24, 25 and 26 February.
        example(2026, "Spring Festival", "2026-02-13", 3, "2026-02-24", "2026-02-25", "2026-02-26"),
        # 7, 8, 9 and 10 October.
        example(2023, "National Day", "2023-09-28", 3, "2023-10-08", "2023-10-09", "2023-10-10"),
        # 29, 30 September, 8, 9 and 10 October.
        example(2024, "National Day", "2024-09-27", 4, "2024-10-08", "2024-10-09", "2024-10-10"),
        # Due on a make-up Saturday.
        example(2025, "National Day", "2025-09-30", 3, "2025-10-10", "2025-10-11", "2025-10-13"),
        example(2023, "New Year", "2022-12-30", 4, "2023-01-05", "2023-01-06", "2023-01-09"),
        # 4 (a Sunday), 5, 6, 7 and 8 January.
        example(2026, "New Year", "2025-12-31", 4, "2026-01-06", "2026-01-07", "2026-01-08"),
        # 29 December (a Saturday), 2, 3 and 4 January.
        example(2019, "New Year", "2018-12-28", 3, "2019-01-02", "2019-01-03", "2019-01-04"),
    ],
)
def test_days_reached(accepted: str, limit: int, at_risk: str, due: str, breach: str) -> None:
    """A case is at risk with one workday left, due at its limit, late on the workday after."""
    running = clock((accepted, None))

    actual = [running.day_reaching(count) for count in (limit - 1, limit, limit + 1)]

    assert [day(at_risk), day(due), day(breach)] == actual


@pytest.mark.parametrize(
    ("accepted", "limit", "rest_day"),
    [
        example(PLAIN, "Saturday after a Friday", "2024-03-04", 4, "2024-03-09"),
        example(PLAIN, "Sunday after a Friday", "2024-03-04", 4, "2024-03-10"),
        example(2024, "last day of Spring Festival", "2024-02-05", 4, "2024-02-17"),
        example(2025, "last day of National Day", "2025-09-26", 3, "2025-10-08"),
        example(2023, "2022-12-31", "2022-12-26", 4, "2023-01-02"),
    ],
)
def test_rest_day_after_the_due_date_is_in_time(accepted: str, limit: int, rest_day: str) -> None:
    """Rest days right after the due date still count as the due date does."""
    actual = clock((accepted, None)).workdays_on(day(rest_day))

    assert limit == actual


class TestPauses:
    # Accepted Monday 4 March 2024, suspended Wednesday 6, resumed Monday 11.
    paused = clock(("2024-03-04", "2024-03-06"), ("2024-03-11", None))

    @pytest.mark.parametrize(
        ("on", "workdays", "gross"),
        [
            ("2024-03-04", 0, 0),
            ("2024-03-06", 2, 2),
            ("2024-03-08", 2, 4),
            ("2024-03-11", 2, 5),
            ("2024-03-12", 3, 6),
        ],
    )
    def test_pause_takes_the_difference_of_w(self, on: str, workdays: int, gross: int) -> None:
        """The day of suspension is run, the day of resumption is not."""
        assert (workdays, gross) == (
            self.paused.workdays_on(day(on)),
            self.paused.gross_on(day(on)),
        )

    def test_due_date_moves_by_the_paused_workdays(self) -> None:
        """Three paused workdays (7, 8, 11) move the due date from 8 to 13 March."""
        assert day("2024-03-13") == self.paused.day_reaching(4)

    def test_count_reached_before_the_pause_stays_reached(self) -> None:
        """A count reached before a suspension was reached on that day."""
        assert day("2024-03-06") == self.paused.day_reaching(2)

    def test_open_pause_is_never_passed(self) -> None:
        """A clock that stands still never gets to a higher count."""
        assert clock(("2024-03-04", "2024-03-06")).day_reaching(3) is None

    def test_pause_within_one_day_changes_nothing(self) -> None:
        """A suspension lifted on the same day costs no workday."""
        running = clock(("2024-03-04", "2024-03-06"), ("2024-03-06", None))

        assert (2, 3) == (
            running.workdays_on(day("2024-03-06")),
            running.workdays_on(day("2024-03-07")),
        )

    def test_pause_over_rest_days_changes_nothing(self) -> None:
        """A suspension from Friday to Sunday stops no workday."""
        running = clock(("2024-03-04", "2024-03-08"), ("2024-03-10", None))

        assert 5 == running.workdays_on(day("2024-03-11"))

    def test_pause_before_day_0(self) -> None:
        """Under day 0 a pause inside the rest days before it costs nothing: Tuesday is 1."""
        counting = Counting(non_workday_start=NonWorkdayStart.DAY_0)
        running = clock(("2024-03-09", "2024-03-09"), ("2024-03-10", None), counting=counting)

        assert (day("2024-03-12"), 1) == (
            running.day_reaching(1),
            running.workdays_on(day("2024-03-12")),
        )


class TestEdges:
    def test_before_acceptance_nothing_has_run(self) -> None:
        """A producer's clock may be ahead: the day before acceptance counts nothing at all."""
        for counting in EVERY_COUNTING:
            running = clock(("2024-03-09", None), counting=counting)

            assert (0, 0) == (
                running.workdays_on(day("2024-03-08")),
                running.gross_on(day("2024-03-08")),
            )

    @pytest.mark.parametrize("count", [0, -1, -5])
    def test_count_below_one_is_reached_at_once(self, count: int) -> None:
        """A warning earlier than the case falls on the day of acceptance, not before it."""
        assert day("2024-02-10") == clock(("2024-02-10", None)).day_reaching(count)

    def test_start_day_is_a_workday_of_its_own(self) -> None:
        """A count of 0 is there on the very day of acceptance."""
        assert day("2024-03-08") == clock(("2024-03-08", None)).day_reaching(0)

    def test_day_beyond_the_calendar_is_refused(self) -> None:
        """A due date beyond the calendar is an error, not a guess."""
        running = clock(("2030-12-31", None), calendar=WorkCalendar([year_notice(2030)]))

        with pytest.raises(CalendarRangeError):
            running.day_reaching(1)

    def test_acceptance_outside_the_calendar_is_refused(self) -> None:
        """A clock cannot start where the calendar ends."""
        with pytest.raises(CalendarRangeError, match="2031-01-01"):
            clock(("2031-01-01", None), calendar=WorkCalendar([year_notice(2030)]))


@dataclass(frozen=True)
class NaiveClock:
    """The oracle: walks every calendar day from acceptance and decides if it is counted."""

    is_workday: Callable[[date], bool]
    counting: Counting
    spans: tuple[Span, ...]

    def counts(self, last: date) -> dict[date, tuple[int, int]]:
        """Return (workdays, gross) at the end of each day from acceptance to last."""
        first = self.spans[0].start
        start = self._start(first)
        run = gross = 0
        seen: dict[date, tuple[int, int]] = {}
        for on in (first + timedelta(days=n) for n in range((last - first).days + 1)):
            if self._is_counted(on, start):
                gross += 1
                run += not self._is_paused(on)
            seen[on] = run, gross
        return seen

    def first_day_with(self, count: int, last: date) -> date | None:
        """Return the first day up to last on which the clock shows at least a count."""
        for on, (run, _) in self.counts(last).items():
            if run >= count:
                return on
        return None

    def _start(self, first: date) -> date:
        """Under day 0 a case accepted on a rest day starts on the next workday."""
        if self.counting.non_workday_start is NonWorkdayStart.DAY_0:
            while not self.is_workday(first):
                first += timedelta(days=1)
        return first

    def _is_counted(self, on: date, start: date) -> bool:
        if on == start:
            return self.counting.start_day is StartDay.INCLUDED
        return on > start and self.is_workday(on)

    def _is_paused(self, on: date) -> bool:
        """Say whether a day lies after a suspension, up to the day of its resumption."""
        pauses = [
            (before.end, after.start)
            for before, after in zip(self.spans, self.spans[1:], strict=False)
            if before.end is not None
        ]
        last = self.spans[-1].end
        if last is not None:
            pauses.append((last, date.max))
        return any(suspended < on <= resumed for suspended, resumed in pauses)


@st.composite
def spans(draw: st.DrawFn, first: date, days: int) -> tuple[Span, ...]:
    """Draw a case's running spans: acceptance, some pauses, perhaps one that still lasts."""
    at = first + timedelta(days=draw(st.integers(0, days)))
    drawn: list[Span] = []
    for run, pause in draw(st.lists(st.tuples(st.integers(0, 12), st.integers(0, 20)), max_size=4)):
        drawn.append(Span(start=at, end=at + timedelta(days=run)))
        at += timedelta(days=run + pause)
    lasts: bool = draw(st.booleans())
    if drawn and lasts:
        return tuple(drawn)
    return (*drawn, Span(start=at))


def is_published_workday(on: date) -> bool:
    """Ask the published list day by day."""
    return bool(chinese_calendar.is_workday(on))


published_spans = spans(date(2007, 1, 1), 7000)
made_up_spans = spans(date(2030, 1, 1), 300)
PROPERTY = settings(deadline=None, max_examples=150)


class TestOracle:
    @given(published_spans, countings, st.integers(0, 90))
    @PROPERTY
    def test_published_calendar(
        self, running: tuple[Span, ...], counting: Counting, days: int
    ) -> None:
        """On the real calendar the clock shows on every day what the naive walk shows."""
        checked = Clock(published_calendar(), counting, running)
        naive = NaiveClock(is_published_workday, counting, running)

        expected = naive.counts(running[0].start + timedelta(days=days))

        assert expected == readings(checked, expected)

    @given(made_up_calendars(), made_up_spans, countings, st.integers(0, 150))
    @PROPERTY
    def test_made_up_calendars(
        self, made_up: MadeUpCalendar, running: tuple[Span, ...], counting: Counting, days: int
    ) -> None:
        """On any calendar the clock shows on every day what the naive walk shows."""
        checked = Clock(made_up.calendar, counting, running)
        naive = NaiveClock(made_up.is_workday, counting, running)

        expected = naive.counts(running[0].start + timedelta(days=days))

        assert expected == readings(checked, expected)

    @given(made_up_calendars(), made_up_spans, countings, st.integers(-3, 25))
    @PROPERTY
    def test_day_reaching(
        self, made_up: MadeUpCalendar, running: tuple[Span, ...], counting: Counting, count: int
    ) -> None:
        """The day found is the first with at least that count in the naive walk."""
        naive = NaiveClock(made_up.is_workday, counting, running)
        expected = naive.first_day_with(count, date(2032, 12, 31))

        assert expected == Clock(made_up.calendar, counting, running).day_reaching(count)

    @given(published_spans, countings, st.integers(-1, 8))
    @PROPERTY
    def test_day_reaching_on_the_published_calendar(
        self, running: tuple[Span, ...], counting: Counting, count: int
    ) -> None:
        """Due, at-risk and late days of real years are those of the naive walk."""
        naive = NaiveClock(is_published_workday, counting, running)
        expected = naive.first_day_with(count, running[0].start + timedelta(days=200))

        assert expected == Clock(published_calendar(), counting, running).day_reaching(count)


def readings(checked: Clock, days: Iterable[date]) -> dict[date, tuple[int, int]]:
    """Read a clock on each of some days."""
    return {on: (checked.workdays_on(on), checked.gross_on(on)) for on in days}


class TestProperties:
    @given(made_up_calendars(), made_up_spans, countings, st.integers(0, 20))
    @PROPERTY
    def test_pause_never_brings_the_due_date_nearer(
        self, made_up: MadeUpCalendar, running: tuple[Span, ...], counting: Counting, limit: int
    ) -> None:
        """Against the same acceptance without pauses, a due date is the same, later or never."""
        unpaused = Clock(made_up.calendar, counting, (Span(start=running[0].start),))

        due = Clock(made_up.calendar, counting, running).day_reaching(limit)

        assert due is None or due >= (unpaused.day_reaching(limit) or date.max)

    @given(made_up_calendars(), made_up_spans, countings, st.integers(0, 200))
    @PROPERTY
    def test_workdays_and_paused_workdays_are_the_gross(
        self, made_up: MadeUpCalendar, running: tuple[Span, ...], counting: Counting, days: int
    ) -> None:
        """What is not run was paused: the W-differences of the pauses make up the rest."""
        checked = Clock(made_up.calendar, counting, running)
        today = running[0].start + timedelta(days=days)
        resumptions = [*(span.start for span in running[1:]), date.max]
        paused = sum(
            made_up.calendar.workdays_between(span.end, min(resumption, today))
            for span, resumption in zip(running, resumptions, strict=True)
            if span.end is not None and span.end <= today
        )

        late_start = counting.non_workday_start is NonWorkdayStart.DAY_0
        # Day 0 after a rest day is itself no counted day, whether it falls in a pause or not.
        assume(not late_start or made_up.is_workday(running[0].start))

        assert checked.gross_on(today) == checked.workdays_on(today) + paused

    @given(made_up_calendars(), made_up_spans, countings, st.integers(0, 200))
    @PROPERTY
    def test_clock_never_goes_back_and_gains_at_most_a_workday_a_day(
        self, made_up: MadeUpCalendar, running: tuple[Span, ...], counting: Counting, days: int
    ) -> None:
        """From one day to the next a clock gains one on a workday at most, never less than 0."""
        checked = Clock(made_up.calendar, counting, running)
        tomorrow = running[0].start + timedelta(days=days + 1)

        gained = checked.workdays_on(tomorrow) - checked.workdays_on(tomorrow - timedelta(days=1))

        assert 0 <= gained <= made_up.is_workday(tomorrow)
