"""Foresight: what falls due, where the month's mean will end, what a holiday block does."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import date, timedelta
from fractions import Fraction

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from domain_builders import (
    HUNAN,
    MADE_UP_FIRST,
    MadeUpCalendar,
    accepted,
    assessed,
    countings,
    day,
    event_streams,
    made_up_calendars,
    policy_with,
    published_calendar,
    resumed,
    stops,
    suspended,
    year_notice,
)
from rebate_monitor.domain.assessment import Assessment, Verdict, judge
from rebate_monitor.domain.case import Case, Status
from rebate_monitor.domain.event import CaseEvent, Category, SuspensionReason
from rebate_monitor.domain.foresight import (
    FEWEST_CASES,
    WORKDAYS_AHEAD,
    Assumption,
    DueOn,
    Foreseen,
    HolidayEffect,
    Known,
    Month,
    MonthEnd,
    OpenCases,
    Pace,
    Queue,
    Stops,
    Sums,
    due_beyond,
    due_by_city,
    holiday_block,
    holiday_effect,
    month_end,
    month_ends,
    next_workdays,
    queue,
)
from rebate_monitor.domain.local_time import local_date, midnight
from rebate_monitor.domain.policy import Counting, PolicyBook, Scope, StopAt
from rebate_monitor.domain.tally import Cell, Deltas, Figure, Measures, contribution
from rebate_monitor.domain.work_calendar import WorkCalendar
from rebate_monitor.storage.case_rows import case_row
from rebate_monitor.storage.causes import TIME

CHANGSHA, ZHUZHOU = "430100", "430200"
CALENDAR = published_calendar()
PROPERTY = settings(deadline=None, max_examples=80)


def open_cases(case: Case, assessment: Assessment, cases: int = 1) -> OpenCases:
    """Lay an assessed open case out as it is read from the database, so many times."""
    told, counted = case.attributes, assessment.counted_workdays
    assert told is not None
    assert counted is not None
    return OpenCases(
        city=told.city,
        category=told.category,
        normal=assessment.normal,
        counted_workdays=counted,
        running_since=assessment.running_since,
        due_date=assessment.due_date,
        at_risk_on=local_date(assessment.at_risk_at) if assessment.at_risk_at else None,
        breach_on=local_date(assessment.breach_at) if assessment.breach_at else None,
        cases=cases,
    )


def told(*events: CaseEvent, cases: int = 1) -> OpenCases:
    """Tell of open cases with these events under the Hunan policy."""
    return open_cases(*assessed(*events), cases=cases)


def known(
    *cases: OpenCases, finished: dict[bool, Sums] | None = None, pace: Iterable[Stops] = ()
) -> Known:
    """Put together what a month's end is foreseen from."""
    return Known(open_cases=cases, finished=finished or {}, pace=Pace(pace))


# --- against every single case -----------------------------------------------------------------


@st.composite
def moments(draw: st.DrawFn) -> tuple[MadeUpCalendar, date]:
    """Draw a calendar and a day in it that has ten workdays ahead."""
    made_up = draw(made_up_calendars())
    today = MADE_UP_FIRST + timedelta(days=draw(st.integers(40, 1000)))
    assume(len(coming(today, made_up)) == WORKDAYS_AHEAD)
    return made_up, today


@st.composite
def backlogs(draw: st.DrawFn, today: date) -> list[OpenCases]:
    """Draw groups of open cases, running since today or earlier, due before or after today."""
    groups = []
    for _ in range(draw(st.integers(0, 5))):
        due = draw(st.none() | st.integers(-15, 30).map(lambda n: today + timedelta(days=n)))
        over = draw(st.integers(1, 9))
        running = draw(st.booleans())
        since = today - timedelta(days=draw(st.integers(0, 40)))
        groups.append(
            OpenCases(
                city=draw(st.sampled_from([CHANGSHA, ZHUZHOU, None])),
                category=draw(st.none() | st.sampled_from(Category)),
                normal=draw(st.booleans()),
                counted_workdays=draw(st.integers(0, 12)),
                running_since=since if running else None,
                due_date=due if running else None,
                at_risk_on=due - timedelta(days=over) if running and due else None,
                breach_on=due + timedelta(days=over) if running and due else None,
                cases=draw(st.integers(1, 4)),
            )
        )
    return groups


history = st.lists(
    st.builds(
        Stops,
        city=st.sampled_from([CHANGSHA, ZHUZHOU, None]),
        category_1_2=st.booleans(),
        workdays=st.integers(0, 25),
        cases=st.integers(1, FEWEST_CASES),
    ),
    max_size=8,
)


def single(groups: Iterable[OpenCases]) -> Iterator[OpenCases]:
    """Yield the single cases of groups."""
    for group in groups:
        yield from [replace(group, cases=1)] * group.cases


def days(first: date, last: date) -> Iterator[date]:
    """Yield each day from first to last."""
    while first <= last:
        yield first
        first += timedelta(days=1)


def last_of_month(today: date) -> date:
    """Return the last day of a day's month."""
    return max(d for d in days(today, today + timedelta(days=31)) if d.month == today.month)


def counted(case: OpenCases, on: date, made_up: MadeUpCalendar) -> int:
    """Count a case's workdays at the end of a day, one day after the other."""
    if case.running_since is None:
        return case.counted_workdays
    after = days(case.running_since + timedelta(days=1), on)
    return case.counted_workdays + sum(map(made_up.is_workday, after))


def coming(today: date, made_up: MadeUpCalendar) -> list[date]:
    """Return the next ten workdays, looking at one day after the other."""
    worked = [d for d in days(today, made_up.calendar.last) if made_up.is_workday(d)]
    return worked[:WORKDAYS_AHEAD]


def worked_by(due: date, made_up: MadeUpCalendar) -> date:
    """Return a due date, or the last workday before it."""
    while not made_up.is_workday(due):
        due -= timedelta(days=1)
    return due


def place(case: OpenCases, today: date, made_up: MadeUpCalendar) -> str | int:
    """Say where one case stands in the queue."""
    if case.running_since is None:
        return "suspended"
    if case.due_date is None or case.breach_on is None:
        return "without_due_date"
    if today >= case.breach_on:
        return "overdue"
    ahead = coming(today, made_up)
    due = worked_by(case.due_date, made_up)
    if due in ahead:
        return ahead.index(due)
    return "at_limit" if due < ahead[0] else "due_later"


class TestAgainstEverySingleCase:
    @given(st.data())
    @PROPERTY
    def test_queue(self, data: st.DataObject) -> None:
        """Each case is counted once, on the day on which it falls due or beside the days."""
        made_up, today = data.draw(moments())
        groups = data.draw(backlogs(today))
        places = [(place(case, today, made_up), case) for case in single(groups)]
        counts = Counter(where for where, _ in places)
        risky = Counter(
            where
            for where, case in places
            if case.at_risk_on is not None and case.at_risk_on <= today
        )

        actual = queue(groups, today, made_up.calendar)

        assert coming(today, made_up) == next_workdays(today, made_up.calendar)
        assert [counts[n] for n in range(WORKDAYS_AHEAD)] == list(actual.due)
        assert [risky[n] for n in range(WORKDAYS_AHEAD)] == list(actual.at_risk)
        for name in ("at_limit", "overdue", "due_later", "suspended", "without_due_date"):
            assert (name, counts[name]) == (name, getattr(actual, name))
        assert len(places) == actual.open

    @given(st.data(), history)
    @PROPERTY
    def test_month_end(self, data: st.DataObject, stopped: list[Stops]) -> None:
        """Every assumption comes to what it comes to case by case and day by day."""
        made_up, today = data.draw(moments())
        groups = data.draw(backlogs(today))
        finished = {True: Sums(3, 8), False: Sums(data.draw(st.integers(0, 9)), 11)}
        target = data.draw(st.sampled_from([None, 4.0, 3.3]))
        month = Month(today=today, calendar=made_up.calendar)

        for scope in Scope:
            actual = month_end(
                scope, known(*groups, finished=finished, pace=stopped), month, target
            )
            cases = [c for c in single(groups) if c.normal and scope.covers(c.category)]
            so_far = [finished[True]] + [finished[False]] * (scope is Scope.ALL)
            n = sum((Fraction(part.cases) for part in so_far), Fraction(0))
            workdays = sum((Fraction(part.workdays) for part in so_far), Fraction(0))
            by_assumption = {
                Assumption.STOPPED_NOW: [(Fraction(1), counted(c, today, made_up)) for c in cases],
                Assumption.ON_DUE_DATE: list(on_due_date(cases, today, made_up)),
                Assumption.USUAL_PACE: list(at_usual_pace(cases, stopped, today, made_up)),
            }

            assert (int(n), len(cases), target) == (actual.n, actual.open_n, actual.target_workdays)
            assert nearly(workdays / n if n else None) == actual.mean_workdays
            left = None if target is None else Fraction(str(target)) * n - workdays
            assert nearly(left) == actual.slack_workdays
            assert nearly(left / len(cases) if left is not None and cases else None) == (
                actual.slack_per_case
            )
            for assumption, still in by_assumption.items():
                more = sum((share for share, _ in still), Fraction(0))
                total = sum((share * took for share, took in still), workdays)
                check(actual.assumptions[assumption], n, more, total, len(cases), target)

    @given(st.lists(event_streams(), max_size=6), countings, stops, st.integers(0, 60))
    @PROPERTY
    def test_counts_and_days_are_those_of_the_cases(
        self, streams: list[list[CaseEvent]], counting: Counting, stop_at: StopAt, later: int
    ) -> None:
        """Rows of real open cases count, fall due and exceed their limit as the cases do."""
        policy = policy_with(counting=counting, stop_at=stop_at)
        today = date(2024, 2, 5) + timedelta(days=later)
        now = midnight(today)
        happened = [[event for event in events if event.time <= now] for events in streams]
        cases = [assessed(*events, policy=policy) for events in happened if events]
        rows = [(c, a, open_cases(c, a)) for c, a in cases if c.status.is_open]
        tallies: Deltas = {}
        for case, assessment in cases:
            for cell, measures in contribution(case_row(case, assessment, TIME, 1)):
                tallies[cell] = measures if cell not in tallies else tallies[cell].plus(measures)

        ahead = queue([row for _, _, row in rows], today, CALENDAR)
        by_city = due_by_city(tallies, today, lambda _rules: CALENDAR)

        assert len(rows) == ahead.open
        assert {n: cases for n, cases in enumerate(ahead.due) if cases} == {
            n: cases for (_, n), cases in by_city.items()
        }
        for case, assessment, row in rows:
            judged = judge(case, assessment, CALENDAR, now)
            through = CALENDAR.workdays_through(today)
            assert judged.workdays == row.workdays_when(through, CALENDAR)
            if case.status is Status.RUNNING:
                assert (judged.verdict is Verdict.BREACHED) == row.over_limit_on(today)
                assert (judged.verdict is Verdict.AT_RISK) == row.at_risk(today)

    @given(moments())
    @PROPERTY
    def test_holiday_block(self, moment: tuple[MadeUpCalendar, date]) -> None:
        """The block is the first run of three rest days or more that ends today or later."""
        made_up, today = moment
        runs = [run for run in rest_runs(made_up) if len(run) >= 3 and run[-1] >= today]

        actual = holiday_block(today, made_up.calendar)

        expected = (runs[0][0], runs[0][-1]) if runs else None
        assert expected == ((actual.first, actual.last) if actual else None)
        if actual:
            near = days(actual.first - timedelta(days=30), actual.last + timedelta(days=30))
            made = [d for d in near if made_up.specials.get(d) == "makeup_workday"]
            assert made == list(actual.makeup_workdays)
            assert "made up" == actual.name

    @given(st.data())
    @PROPERTY
    def test_holiday_effect(self, data: st.DataObject) -> None:
        """Cases are counted on the workdays around the block one by one."""
        made_up, today = data.draw(moments())
        groups = data.draw(backlogs(today))
        actual = holiday_effect(groups, today, made_up.calendar)
        if actual is None:
            return
        due = Counter(worked_by(c.due_date, made_up) for c in single(groups) if c.due_date)
        worked = [d for d in days(MADE_UP_FIRST, made_up.calendar.last) if made_up.is_workday(d)]
        before = [d for d in worked if d < actual.block.first][-2:]
        after = [d for d in worked if d > actual.block.last][:3]
        breaching = sum(c.breach_on == after[0] for c in single(groups))

        assert [DueOn(date=d, cases=due[d]) for d in before] == list(actual.due_before)
        assert [DueOn(date=d, cases=due[d]) for d in after] == list(actual.due_after)
        assert DueOn(date=after[0], cases=breaching) == actual.breaching


def nearly(expected: Fraction | None) -> object:
    """Accept the rounding to six decimals."""
    return None if expected is None else pytest.approx(float(expected), abs=6e-7)


def on_due_date(
    cases: Iterable[OpenCases], today: date, made_up: MadeUpCalendar
) -> Iterator[tuple[Fraction, int]]:
    """Stop each case on its due date, or today when that has passed."""
    for case in cases:
        if case.due_date is not None:
            end = max(today, case.due_date)
            if end <= last_of_month(today):
                yield Fraction(1), counted(case, end, made_up)


def at_usual_pace(
    cases: Iterable[OpenCases], stopped: Sequence[Stops], today: date, made_up: MadeUpCalendar
) -> Iterator[tuple[Fraction, int]]:
    """Let each case end as each case of the past did, on whichever day that comes to."""
    ahead = coming(today, made_up)[0]
    for case in cases:
        if case.running_since is None:
            continue
        kind = case.category in (Category.I, Category.II)
        begun = counted(case, ahead, made_up)
        like = [s for s in stopped if s.category_1_2 is kind and s.workdays >= begun]
        own = [s for s in like if s.city == case.city]
        taken = own if sum(s.cases for s in own) >= FEWEST_CASES else like
        known = sum(s.cases for s in taken)
        for past in taken:
            for on in days(ahead, last_of_month(today)):
                if made_up.is_workday(on) and counted(case, on, made_up) == past.workdays:
                    yield Fraction(past.cases, known), past.workdays


def check(  # noqa: PLR0917 - what an assumption is made of
    actual: Foreseen,
    n: Fraction,
    more: Fraction,
    workdays: Fraction,
    open_n: int,
    target: float | None,
) -> None:
    """Compare an assumption with its sums."""
    left = None if target is None else Fraction(str(target)) * (n + more) - workdays
    meets = None if left is None or not n + more else left >= 0

    assert nearly(n + more) == actual.n
    assert nearly(workdays / (n + more) if n + more else None) == actual.mean_workdays
    assert meets == actual.meets_target
    assert nearly(left) == actual.slack_workdays
    assert nearly(left / more if left is not None and more else None) == actual.slack_per_case
    assert nearly(open_n - more) == actual.left_open


def rest_runs(made_up: MadeUpCalendar) -> list[list[date]]:
    """Return the runs of rest days that lie between two workdays of the calendar."""
    runs: list[list[date]] = []
    run: list[date] = []
    for on in days(MADE_UP_FIRST, made_up.calendar.last):
        if not made_up.is_workday(on):
            run.append(on)
        elif run:
            runs.append(run)
            run = []
    return [run for run in runs if run[0] != MADE_UP_FIRST]


# --- worked examples ---------------------------------------------------------------------------

NOTHING = Queue(
    due=(0,) * 10, at_risk=(0,) * 10, at_limit=0, overdue=0, due_later=0, suspended=0,
    without_due_date=0,
)  # fmt: skip
WEDNESDAY = day("2026-09-30")
"""The last workday before National Day 2026; Saturday 10 October is worked for it."""


class TestQueue:
    def test_no_cases(self) -> None:
        """An empty province has an empty queue."""
        assert NOTHING == queue([], WEDNESDAY, CALENDAR)

    def test_before_national_day(self) -> None:
        """The next ten workdays leap over the holiday and take the make-up Saturday along."""
        expected = [
            "2026-09-30", "2026-10-08", "2026-10-09", "2026-10-10", "2026-10-12", "2026-10-13",
            "2026-10-14", "2026-10-15", "2026-10-16", "2026-10-19",
        ]  # fmt: skip

        assert [*map(day, expected)] == next_workdays(WEDNESDAY, CALENDAR)

    def test_cases_around_national_day(self) -> None:
        """Accepted on the days before the holiday, due before it, after it and on the Saturday."""
        cases = [
            told(accepted("2026-09-24T10:00"), cases=7),  # limit 4: 28, 29, 30 Sep, 8 Oct
            told(accepted("2026-09-24T10:00", Category.I), cases=5),  # limit 3: due today
            told(accepted("2026-09-22T10:00", Category.I), cases=3),  # was due on the 28th
            told(accepted("2026-09-30T10:00"), cases=2),  # 8, 9, 10, 12 Oct
            told(accepted("2026-09-30T10:00", Category.II), cases=11),  # 8, 9, 10 Oct
            told(accepted("2026-09-24T10:00"), suspended("2026-09-29T10:00"), cases=4),
            told(accepted("2023-10-25T10:00"), cases=6),  # before the first policy
        ]

        expected = replace(
            NOTHING,
            due=(5, 7, 0, 11, 2, 0, 0, 0, 0, 0),
            at_risk=(5, 7, 0, 0, 0, 0, 0, 0, 0, 0),
            overdue=3,
            suspended=4,
            without_due_date=6,
        )
        assert expected == queue(cases, WEDNESDAY, CALENDAR)
        assert sum(each.cases for each in cases) == expected.open

    def test_in_the_holiday_yesterdays_due_cases_are_at_their_limit(self) -> None:
        """On a rest day right after its due date a case is neither overdue nor due on a workday."""
        due = told(accepted("2026-09-24T10:00", Category.I))

        for on in ("2026-10-01", "2026-10-07"):
            assert replace(NOTHING, at_limit=1) == queue([due], day(on), CALENDAR)
        assert replace(NOTHING, overdue=1) == queue([due], day("2026-10-08"), CALENDAR)

    def test_on_a_rest_day_the_first_of_the_ten_is_the_next_workday(self) -> None:
        """On the third day of the holiday, place 0 is the day on which offices open again."""
        due = told(accepted("2026-09-24T10:00"))

        actual = queue([due], day("2026-10-03"), CALENDAR)

        assert day("2026-10-08") == next_workdays(day("2026-10-03"), CALENDAR)[0]
        assert (1, 1) == (actual.due[0], actual.at_risk[0])

    def test_a_clock_that_was_paused_on_its_due_date(self) -> None:
        """The due date lies weeks back, and the limit is exceeded on the next workday only."""
        paused = told(
            accepted("2026-09-01T10:00"),
            suspended("2026-09-07T10:00", SuspensionReason.OTHER),
            resumed("2026-09-30T09:00"),
        )

        assert day("2026-09-07") == paused.due_date
        assert replace(NOTHING, at_limit=1) == queue([paused], WEDNESDAY, CALENDAR)
        assert replace(NOTHING, overdue=1) == queue([paused], day("2026-10-08"), CALENDAR)

    def test_due_after_the_tenth_workday(self) -> None:
        """What is due later is counted beside the ten days, from the eleventh on."""
        tenth, eleventh = day("2026-10-19"), day("2026-10-20")
        case = told(accepted("2026-09-30T10:00"))
        later = [
            replace(case, due_date=on, at_risk_on=on, breach_on=on) for on in (tenth, eleventh)
        ]

        actual = queue(later, WEDNESDAY, CALENDAR)

        assert (1, 1, 2) == (actual.due[9], actual.due_later, actual.open)

    def test_the_calendar_ends(self) -> None:
        """Where the calendar ends there are fewer workdays ahead, at last none."""
        ends = WorkCalendar([year_notice(2026)])

        assert [day("2026-12-31")] == next_workdays(day("2026-12-31"), ends)
        assert [] == next_workdays(
            day("2026-12-27"),
            WorkCalendar(
                [year_notice(2026, off=["2026-12-28", "2026-12-29", "2026-12-30", "2026-12-31"])]
            ),
        )


class TestDueByCity:
    def test_cells(self) -> None:
        """Open cells with a due date ahead are counted by city; all others are not."""
        due, over = day("2026-10-08"), day("2026-09-30")
        cell = Cell(figure=Figure.OPEN, city=CHANGSHA, due_on=due, breach_on=day("2026-10-09"))
        cells: Deltas = {
            cell: Measures(cases=3),
            cell._replace(category="I"): Measures(cases=2),
            cell._replace(city=None, breach_on=None): Measures(cases=1),
            cell._replace(due_on=day("2026-10-20")): Measures(cases=5),
            cell._replace(due_on=day("2026-09-29"), breach_on=over): Measures(cases=7),
            cell._replace(due_on=day("2026-09-29")): Measures(cases=8),
            cell._replace(due_on=None): Measures(cases=9),
            Cell(figure=Figure.MISSED, city=CHANGSHA): Measures(cases=11),
        }

        assert {(CHANGSHA, 1): 5, ("", 1): 1} == due_by_city(
            cells, WEDNESDAY, lambda _rules: CALENDAR
        )


class TestDueBeyond:
    def test_cells(self) -> None:
        """Open cells due after the last day published by their own rules, by the day; no others."""
        estimated = WorkCalendar([year_notice(2026), year_notice(2027, provisional=True)])
        published = WorkCalendar([year_notice(2026), year_notice(2027)])
        beyond, later, last = day("2027-01-04"), day("2027-01-05"), day("2026-12-31")
        cell = Cell(figure=Figure.OPEN, city=CHANGSHA, due_on=beyond, rules=1)
        cells: Deltas = {
            cell: Measures(cases=3),
            cell._replace(city=ZHUZHOU): Measures(cases=2),
            cell._replace(due_on=later): Measures(cases=1),
            cell._replace(rules=2): Measures(cases=5),
            cell._replace(due_on=last): Measures(cases=7),
            cell._replace(due_on=None): Measures(cases=9),
            Cell(figure=Figure.MISSED, city=CHANGSHA): Measures(cases=11),
        }

        actual = due_beyond(cells, lambda rules: published if rules == 2 else estimated)

        assert {beyond: 5, later: 1} == actual


def steady(city: str | None = CHANGSHA, *, category_1_2: bool = False) -> list[Stops]:
    """Return a city's pace: of ten cases one takes 0 workdays, four 2, four 4 and one 10."""
    return [
        Stops(city=city, category_1_2=category_1_2, workdays=workdays, cases=10 * tenths)
        for workdays, tenths in ((0, 1), (2, 4), (4, 4), (10, 1))
    ]


class TestMonthEnd:
    month = Month(today=day("2026-09-25"), calendar=CALENDAR)
    """Friday of the Mid-Autumn holiday; 28, 29 and 30 September are the workdays that are left."""

    def foreseen(self, told: Known, target: float | None = 4.0) -> MonthEnd:
        """Foresee the end of September 2026 for all cases."""
        return month_end(Scope.ALL, told, self.month, target)

    def test_an_empty_month(self) -> None:
        """Without cases there are no means, nothing is met or missed, and no slack is used up."""
        actual = self.foreseen(known())

        nothing = Foreseen(
            n=0.0, mean_workdays=None, meets_target=None, slack_workdays=0.0, slack_per_case=None,
            left_open=0.0,
        )  # fmt: skip
        assert MonthEnd(
            scope=Scope.ALL, target_workdays=4.0, n=0, mean_workdays=None, slack_workdays=0.0,
            slack_per_case=None, open_n=0, assumptions=dict.fromkeys(Assumption, nothing),
        ) == actual  # fmt: skip

    def test_worked_example(self) -> None:
        """Ten cases finished in 35 workdays; four more are open over the holiday."""
        month = known(
            told(accepted("2026-09-23T10:00"), cases=2),  # count 1, due 30 September
            told(accepted("2026-09-24T10:00")),  # count 0, due 8 October
            told(accepted("2026-09-15T10:00")),  # count 8, over since the 22nd
            finished={False: Sums(10, 35)},
            pace=steady(),
        )

        actual = self.foreseen(month)

        assert (10, 3.5, 5.0, 1.25, 4) == (
            actual.n, actual.mean_workdays, actual.slack_workdays, actual.slack_per_case,
            actual.open_n,
        )  # fmt: skip
        # Now: 35 + 1 + 1 + 0 + 8 over 14 cases.
        assert Foreseen(
            n=14.0, mean_workdays=3.214286, meets_target=True, slack_workdays=11.0,
            slack_per_case=2.75, left_open=0.0,
        ) == actual.assumptions[Assumption.STOPPED_NOW]  # fmt: skip
        # On the due date: 35 + 4 + 4 + 8 over 13; the one due on 8 October is left.
        assert Foreseen(
            n=13.0, mean_workdays=3.923077, meets_target=True, slack_workdays=1.0,
            slack_per_case=0.333333, left_open=1.0,
        ) == actual.assumptions[Assumption.ON_DUE_DATE]  # fmt: skip
        # Usual pace. Two cases have run 2 on Monday: of 90 like them 40 take 2 and 40 take 4, which
        # is Wednesday. One has run 1: 40 of 90 take 2, and 4 would be 8 October. One has run 9: of
        # the city only 10 took so long, and of the province too, all of them 10: Tuesday.
        n = Fraction(10) + 2 * Fraction(80, 90) + Fraction(40, 90) + 1
        workdays = 35 + 2 * Fraction(40 * 2 + 40 * 4, 90) + Fraction(40 * 2, 90) + 10
        assert (
            Foreseen(
                n=round(float(n), 6),
                mean_workdays=round(float(workdays / n), 6),
                meets_target=workdays / n <= 4,
                slack_workdays=round(float(4 * n - workdays), 6),
                slack_per_case=round(float((4 * n - workdays) / (n - 10)), 6),
                left_open=round(float(14 - n), 6),
            )
            == actual.assumptions[Assumption.USUAL_PACE]
        )

    def test_excluded_cases_are_in_no_assumption(self) -> None:
        """What has left the official mean cannot move it."""
        excluded = told(
            accepted("2026-09-15T10:00"),
            suspended("2026-09-16T10:00", SuspensionReason.HOLD),
            resumed("2026-09-22T10:00"),
        )

        assert self.foreseen(known()) == self.foreseen(known(excluded))

    def test_suspended_cases_count_only_when_stopped_now(self) -> None:
        """A paused clock has no due date and no pace: nothing says when it goes on."""
        paused = told(accepted("2026-09-15T10:00"), suspended("2026-09-16T10:00"), cases=3)

        actual = self.foreseen(known(paused, pace=steady()))

        assert [(3.0, 1.0, 0.0), (0.0, None, 3.0), (0.0, None, 3.0)] == [
            (f.n, f.mean_workdays, f.left_open)
            for f in map(actual.assumptions.get, Assumption)
            if f
        ]

    def test_a_case_that_no_policy_judges_has_a_pace_only(self) -> None:
        """Without a due date it does not stop on it."""
        unjudged = replace(told(accepted("2026-09-24T10:00")), due_date=None, breach_on=None)

        actual = self.foreseen(known(unjudged, pace=steady()))

        assert [1.0, 0.0, 0.444444] == [actual.assumptions[a].n for a in Assumption]

    def test_longer_than_every_case_of_the_past(self) -> None:
        """Nothing says when a case stops that has taken longer than all others did."""
        old = told(accepted("2026-09-01T10:00"))

        actual = self.foreseen(known(old, pace=steady())).assumptions[Assumption.USUAL_PACE]

        assert (0.0, None, 1.0) == (actual.n, actual.mean_workdays, actual.left_open)

    @pytest.mark.parametrize(("own", "expected"), [(FEWEST_CASES, 1.0), (FEWEST_CASES - 1, 0.5)])
    def test_a_small_city_goes_by_the_province(self, own: int, expected: float) -> None:
        """A city's pace rests on thirty cases that took as long; fewer give way to the province."""
        case = told(accepted("2026-09-24T10:00"))
        pace = [
            Stops(city=CHANGSHA, category_1_2=False, workdays=2, cases=own),
            Stops(city=ZHUZHOU, category_1_2=False, workdays=9, cases=own),
        ]

        actual = self.foreseen(known(case, pace=pace))

        assert expected == actual.assumptions[Assumption.USUAL_PACE].n

    def test_categories_1_2_have_a_pace_of_their_own(self) -> None:
        """Their limit is shorter: how long the others take says nothing of them."""
        case = told(accepted("2026-09-24T10:00", Category.II))
        quick = [Stops(city=CHANGSHA, category_1_2=True, workdays=1, cases=FEWEST_CASES)]
        slow = [Stops(city=CHANGSHA, category_1_2=False, workdays=9, cases=9 * FEWEST_CASES)]

        actual = self.foreseen(known(case, pace=quick + slow))

        assert (1.0, 1.0) == (
            actual.assumptions[Assumption.USUAL_PACE].n,
            actual.assumptions[Assumption.USUAL_PACE].mean_workdays,
        )

    def test_scopes(self) -> None:
        """Categories I and II have a month end of their own, all cases the one of both."""
        month = known(
            told(accepted("2026-09-23T10:00", Category.I)),
            told(accepted("2026-09-23T10:00", None)),
            finished={True: Sums(2, 5), False: Sums(3, 12)},
        )

        everything, own = (month_end(scope, month, self.month, 3.0) for scope in Scope)

        assert [(5, 3.4, 2), (2, 2.5, 1)] == [
            (each.n, each.mean_workdays, each.open_n) for each in (everything, own)
        ]

    def test_without_a_target_there_is_no_slack(self) -> None:
        """Nothing is met, missed or left over where nothing is asked."""
        actual = self.foreseen(
            known(told(accepted("2026-09-23T10:00")), finished={False: Sums(3, 12)}), None
        )

        nothing = {(None, None, None)}
        assert (None, None) == (actual.slack_workdays, actual.slack_per_case)
        assert nothing == {
            (each.slack_workdays, each.slack_per_case, each.meets_target)
            for each in actual.assumptions.values()
        }

    @pytest.mark.parametrize(
        ("workdays", "meets", "left"), [(40, True, 0.0), (41, False, -1.0), (39, True, 1.0)]
    )
    def test_exactly_on_target(self, workdays: int, left: float, *, meets: bool) -> None:
        """A mean of exactly the target meets it; one workday more does not."""
        actual = self.foreseen(known(finished={False: Sums(10, workdays)}))

        assert {(meets, left)} == {
            (each.meets_target, each.slack_workdays) for each in actual.assumptions.values()
        }

    @pytest.mark.parametrize(
        ("today", "first", "last", "left", "pace_first"),
        [
            # The 14th and the 28th are worked.
            ("2026-02-13", "2026-02-01", "2026-02-28", 7, "2025-11-16"),
            ("2026-02-28", "2026-02-01", "2026-02-28", 1, "2025-12-01"),
            ("2026-12-31", "2026-12-01", "2026-12-31", 1, "2026-10-03"),
            # A Saturday: October is over.
            ("2026-10-31", "2026-10-01", "2026-10-31", 0, "2026-08-03"),
        ],
    )
    def test_month(self, today: str, first: str, last: str, left: int, pace_first: str) -> None:
        """A month has its days, workdays that are left to it, and 90 days that give the pace."""
        month = Month(today=day(today), calendar=CALENDAR)

        assert (day(first), day(last), left) == (month.first, month.last, month.workdays_left)
        assert (day(pace_first), 90) == (
            month.pace_first,
            len(list(days(month.pace_first, month.today))),
        )

    @pytest.mark.parametrize(
        ("today", "provisional"), [("2026-12-31", False), ("2027-01-04", True)]
    )
    def test_a_month_of_a_year_that_nobody_published(
        self, today: str, *, provisional: bool
    ) -> None:
        """What is foreseen of it rests on estimated days."""
        assert provisional == Month(today=day(today), calendar=CALENDAR).provisional

    def test_every_scope_is_judged_by_its_target_of_the_last_day(self) -> None:
        """A policy that begins within the month judges the month, and one that ends does not."""
        begins = replace(HUNAN, effective_from=day("2026-09-26"), effective_to=None)
        earlier = replace(HUNAN, id="earlier", targets={}, effective_to=day("2026-09-25"))

        ends = month_ends(known(), self.month, PolicyBook([earlier, begins]))

        assert [(Scope.ALL, 4), (Scope.CATEGORY_1_2, 3)] == [
            (end.scope, end.target_workdays) for end in ends
        ]

    def test_nothing_stops_at_any_pace_when_no_workday_is_left(self) -> None:
        """On a rest day at the end of a month only what is over already can be counted."""
        month = Month(today=day("2026-10-31"), calendar=CALENDAR)
        late, early = told(accepted("2026-10-20T10:00")), told(accepted("2026-10-30T10:00"))

        actual = month_end(Scope.ALL, known(late, early, pace=steady()), month, 4.0)

        assert [2.0, 1.0, 0.0] == [actual.assumptions[a].n for a in Assumption]


class TestHoliday:
    def test_national_day_2026(self) -> None:
        """Seven days off, make-up workdays on 20 September and 10 October."""
        cases = [
            told(accepted("2026-09-23T10:00", Category.I), cases=5),  # due 29 September
            told(accepted("2026-09-24T10:00", Category.I), cases=7),  # due 30 September
            told(accepted("2026-09-24T10:00"), cases=3),  # due 8 October
            told(accepted("2026-09-28T10:00", Category.I), cases=2),  # due 8 October
            told(accepted("2026-09-28T10:00"), cases=11),  # due 9 October
        ]

        actual = holiday_effect(cases, day("2026-09-28"), CALENDAR)

        assert actual is not None
        block = actual.block
        assert ("2026-10-01", "2026-10-07") == (str(block.first), str(block.last))
        assert ("国庆节", False) == (block.name, block.provisional)
        assert (day("2026-09-20"), day("2026-10-10")) == block.makeup_workdays
        assert (
            HolidayEffect(
                block=block,
                due_before=(
                    DueOn(date=day("2026-09-29"), cases=5),
                    DueOn(date=day("2026-09-30"), cases=7),
                ),
                due_after=(
                    DueOn(date=day("2026-10-08"), cases=5),
                    DueOn(date=day("2026-10-09"), cases=11),
                    DueOn(date=day("2026-10-10"), cases=0),
                ),
                breaching=DueOn(date=day("2026-10-08"), cases=7),
            )
            == actual
        )

    def test_make_up_workdays_of_another_holiday_are_not_its_own(self) -> None:
        """Mid-Autumn 2026 needs none; those of National Day lie days from it."""
        block = holiday_block(day("2026-09-24"), CALENDAR)

        assert block is not None
        assert ("中秋节", ()) == (block.name, block.makeup_workdays)

    def test_spring_festival_2027_is_an_estimate(self) -> None:
        """Nobody has published 2027: the block is told, and that it may change."""
        cases = [
            told(accepted("2027-02-01T10:00", Category.I), cases=4),  # 2, 3, 4 February
            told(accepted("2027-02-02T10:00"), cases=6),  # 3, 4, 11, 12 February
        ]

        actual = holiday_effect(cases, day("2027-02-02"), CALENDAR)

        assert actual is not None
        block = actual.block
        assert ("2027-02-05", "2027-02-10") == (str(block.first), str(block.last))
        assert ("农历除夕、春节", (), True) == (
            block.name,
            block.makeup_workdays,
            block.provisional,
        )
        assert [("2027-02-03", 0), ("2027-02-04", 4)] == [
            (str(on.date), on.cases) for on in actual.due_before
        ]
        assert [("2027-02-11", 0), ("2027-02-12", 6), ("2027-02-15", 0)] == [
            (str(on.date), on.cases) for on in actual.due_after
        ]
        assert DueOn(date=day("2027-02-11"), cases=4) == actual.breaching

    @pytest.mark.parametrize(
        ("today", "first"),
        [
            ("2026-09-24", "2026-09-25"),
            ("2026-09-25", "2026-09-25"),
            ("2026-09-27", "2026-09-25"),  # its last day
            ("2026-09-28", "2026-10-01"),
            ("2026-10-08", "2027-01-01"),
        ],
    )
    def test_under_way_or_next(self, today: str, first: str) -> None:
        """A block is told of until its last day is over, then the next one."""
        block = holiday_block(day(today), CALENDAR)

        assert block is not None
        assert day(first) == block.first

    def test_an_estimated_neighbour(self) -> None:
        """A block that a day of an unpublished year could lengthen is an estimate."""
        notices = [
            year_notice(2026, off=["2026-12-28", "2026-12-29", "2026-12-30", "2026-12-31"]),
            year_notice(2027, provisional=True),
        ]

        block = holiday_block(day("2026-12-20"), WorkCalendar(notices))

        assert block is not None
        assert (day("2026-12-26"), day("2026-12-31")) == (block.first, block.last)
        assert block.provisional

    def test_none_is_known(self) -> None:
        """A calendar without a block ahead, or one that ends within it, tells of none."""
        plain = WorkCalendar([year_notice(2026)])
        ends = WorkCalendar([year_notice(2026, off=["2026-12-30", "2026-12-31"])])

        assert holiday_effect([], day("2026-01-01"), plain) is None
        assert holiday_block(day("2026-12-20"), ends) is None
        assert holiday_block(day("2026-12-31"), ends) is None

    def test_the_calendar_ends_after_the_block(self) -> None:
        """Only the workdays that there are after the block are told."""
        off = ["2026-12-28", "2026-12-29"]

        actual = holiday_effect([], day("2026-12-20"), WorkCalendar([year_notice(2026, off=off)]))

        assert actual is not None
        assert [day("2026-12-30"), day("2026-12-31")] == [on.date for on in actual.due_after]
