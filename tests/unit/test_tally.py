"""The running tallies: differences always add up to a full recount."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain_builders import (
    HUNAN,
    accepted,
    assessed,
    countings,
    day,
    event_streams,
    folded,
    instant,
    policy_with,
    published_calendar,
    resumed,
    stops,
    suspended,
    voucher_issued,
    withdrawn,
)
from rebate_monitor.domain.alert import AlertKind
from rebate_monitor.domain.assessment import Assessment, Verdict, assess, verdict_at
from rebate_monitor.domain.case import Case, Status
from rebate_monitor.domain.event import CaseEvent, Category, SuspensionReason
from rebate_monitor.domain.local_time import local_date, midnight
from rebate_monitor.domain.policy import Counting, PolicyBook, StopAt
from rebate_monitor.domain.rulebook import Rulebook
from rebate_monitor.domain.tally import (
    UNKNOWN_CATEGORY,
    Cell,
    Change,
    Deltas,
    Figure,
    Measures,
    alert_cell,
    change_of,
    contribution,
    difference,
    open_by_verdict,
    undone_breaches,
)

MONDAY, TUESDAY, FRIDAY, NEXT_MONDAY = (f"2024-03-{n}T10:00" for n in ("04", "05", "08", "11"))
CITY = "430100"


@dataclass(frozen=True, kw_only=True)
class Row:
    """The columns of a stored case that its cells are read off."""

    status: Status | None = None
    settled_verdict: Verdict | None = None
    normal: bool = False
    category: str | None = None
    city: str | None = None
    counted_workdays: int | None = None
    stopped_on: date | None = None
    at_risk_at: datetime | None = None
    due_date: date | None = None
    breach_at: datetime | None = None
    in_time: bool | None = None
    same_day: bool | None = None
    rules: int | None = None


def row(case: Case, assessment: Assessment) -> Row:
    """Lay an assessed case out as it is stored."""
    told = case.attributes
    stopped = case.ended_at if case.status is Status.STOPPED else None
    return Row(
        status=case.status,
        settled_verdict=assessment.settled_verdict,
        normal=assessment.normal,
        category=told.category if told else None,
        city=told.city if told else None,
        counted_workdays=assessment.counted_workdays,
        stopped_on=local_date(stopped) if stopped else None,
        at_risk_at=assessment.at_risk_at,
        due_date=assessment.due_date,
        breach_at=assessment.breach_at,
        in_time=assessment.in_time,
        same_day=assessment.same_day,
    )


def cells(*events: CaseEvent) -> Deltas:
    """Return what a case under the Hunan policy contributes."""
    return dict(contribution(row(*assessed(*events))))


class TestContribution:
    def test_running_case(self) -> None:
        """A running case is one open case with the days on which its verdict changes."""
        expected = Cell(
            figure=Figure.OPEN,
            category="III",
            city=CITY,
            at_risk_on=day("2024-03-07"),
            due_on=day("2024-03-08"),
            breach_on=day("2024-03-11"),
        )

        assert {expected: Measures(cases=1)} == cells(accepted(MONDAY))

    def test_suspended_case(self) -> None:
        """A suspended case is open with a settled verdict and no days."""
        expected = Cell(figure=Figure.OPEN, category="III", city=CITY, verdict=Verdict.ON_TRACK)

        assert {expected: Measures(cases=1)} == cells(accepted(MONDAY), suspended(TUESDAY))

    def test_case_met(self) -> None:
        """A normal case stopped in time adds to its day and to its number of workdays."""
        measures = Measures(cases=1, workdays_sum=4, judged=1, in_time=1)

        assert {
            Cell(figure=Figure.STOPPED, category="III", stopped_on=day("2024-03-08")): measures,
            Cell(figure=Figure.PROCESSED, category="III", workdays=4): measures,
        } == cells(accepted(MONDAY), voucher_issued(FRIDAY))

    def test_case_missed(self) -> None:
        """A case over its limit adds to the breaches of its city, and is not in time."""
        measures = Measures(cases=1, workdays_sum=5, judged=1)

        assert {
            Cell(figure=Figure.MISSED, category="III", city=CITY): Measures(cases=1),
            Cell(figure=Figure.STOPPED, category="III", stopped_on=day("2024-03-11")): measures,
            Cell(figure=Figure.PROCESSED, category="III", workdays=5): measures,
        } == cells(accepted(MONDAY), voucher_issued(NEXT_MONDAY))

    def test_excluded_case_missed(self) -> None:
        """An excluded case over its limit is a breach, but in none of the means."""
        actual = cells(
            accepted(MONDAY),
            suspended(NEXT_MONDAY, SuspensionReason.HOLD),
            voucher_issued("2024-03-20T10:00"),
        )

        assert {Cell(figure=Figure.MISSED, category="III", city=CITY): Measures(cases=1)} == actual

    def test_case_without_a_limit(self) -> None:
        """A case accepted before the first policy is counted, but not judged."""
        measures = Measures(cases=1, workdays_sum=0, same_day=1)

        actual = cells(accepted("2023-10-25T10:00"), voucher_issued("2023-10-25T18:00"))

        assert {
            Cell(figure=Figure.STOPPED, category="III", stopped_on=day("2023-10-25")): measures,
            Cell(figure=Figure.PROCESSED, category="III", workdays=0): measures,
        } == actual

    def test_unknown_category(self) -> None:
        """A case of unknown category is tallied as such."""
        (cell,) = cells(accepted(MONDAY, None))

        assert UNKNOWN_CATEGORY == cell.category

    @pytest.mark.parametrize(
        "events",
        [[], [voucher_issued(MONDAY)], [accepted(MONDAY), withdrawn(TUESDAY)]],
        ids=["nothing", "unaccepted", "withdrawn"],
    )
    def test_case_in_no_figure(self, events: list[CaseEvent]) -> None:
        """A case that is neither open nor stopped is in no tally."""
        assert {} == cells(*events)

    def test_row_never_written(self) -> None:
        """A row locked before its first event contributes nothing."""
        assert [] == list(contribution(Row()))

    def test_cell_fields(self) -> None:
        """The fields of a cell are told in one place, the figure first."""
        assert "figure" == Cell._fields[0]
        assert len(Cell._fields) == len(set(Cell._fields))


class TestDifference:
    def test_unchanged_case(self) -> None:
        """A case that stays as it was changes no tally."""
        same = row(*assessed(accepted(MONDAY)))

        assert {} == difference([same], [same])

    def test_case_stops(self) -> None:
        """A case that stops leaves its open cell and enters those of its stop."""
        before = row(*assessed(accepted(MONDAY)))
        after = row(*assessed(accepted(MONDAY), voucher_issued(FRIDAY)))

        actual = difference([before], [after])

        assert Counter({Figure.OPEN: -1, Figure.STOPPED: 1, Figure.PROCESSED: 1}) == Counter(
            {cell.figure: measures.cases for cell, measures in actual.items()}
        )

    def test_amended_count_moves_between_cells(self) -> None:
        """A stop told to have been earlier takes its old figures with it."""
        late = row(*assessed(accepted(MONDAY), voucher_issued(NEXT_MONDAY)))
        early = row(*assessed(accepted(MONDAY), voucher_issued(FRIDAY)))

        actual = difference([late], [early])

        assert -1 == actual[Cell(figure=Figure.MISSED, category="III", city=CITY)].cases
        assert (
            Measures(-1, -5, -1, 0, 0)
            == actual[Cell(figure=Figure.PROCESSED, category="III", workdays=5)]
        )
        assert (
            Measures(1, 4, 1, 1, 0)
            == actual[Cell(figure=Figure.PROCESSED, category="III", workdays=4)]
        )


def test_measures_are_added_and_taken_away() -> None:
    """Measures add up one by one, and with sign -1 are taken away."""
    one, other = Measures(9, 8, 7, 6, 5), Measures(1, 2, 3, 4, 5)

    assert Measures(10, 10, 10, 10, 10) == one.plus(other)
    assert Measures(8, 6, 4, 2, 0) == one.plus(other, -1)


def added(one: Deltas, other: Deltas) -> Deltas:
    """Add up tallies and drop the cells that come to nothing."""
    nothing = Measures()
    total = {
        cell: Measures(
            *(a + b for a, b in zip(one.get(cell, nothing), other.get(cell, nothing), strict=True))
        )
        for cell in one | other
    }
    return {cell: measures for cell, measures in total.items() if any(measures)}


def recount(rows: Iterable[Row]) -> Deltas:
    """Count all rows anew."""
    total: Deltas = {}
    for each in rows:
        total = added(total, dict(contribution(each)))
    return total


stream_rows = st.builds(
    lambda events, counting, stop_at: row(
        *assessed(*events, policy=policy_with(counting=counting, stop_at=stop_at))
    ),
    event_streams(),
    countings,
    stops,
)
days = st.dates(date(2024, 2, 1), date(2024, 2, 20))
instants = days.map(midnight)
any_rows = st.builds(
    Row,
    status=st.none() | st.sampled_from(Status),
    settled_verdict=st.none() | st.sampled_from(Verdict),
    normal=st.booleans(),
    category=st.none() | st.sampled_from([c.value for c in Category]),
    city=st.none() | st.sampled_from(["430100", "430200"]),
    counted_workdays=st.none() | st.integers(0, 6),
    stopped_on=st.none() | days,
    at_risk_at=st.none() | instants,
    due_date=st.none() | days,
    breach_at=st.none() | instants,
    in_time=st.none() | st.booleans(),
    same_day=st.none() | st.booleans(),
)
changes = st.lists(st.tuples(st.sampled_from("abcde"), stream_rows | any_rows), max_size=12)
PROPERTY = settings(deadline=None, max_examples=100)


class TestProperties:
    @given(changes)
    @PROPERTY
    def test_differences_add_up_to_a_recount(self, steps: list[tuple[str, Row]]) -> None:
        """However often cases change, one by one, the tallies equal a count of what is stored."""
        stored: dict[str, Row] = {}
        tallies: Deltas = {}
        for case_id, after in steps:
            before = [stored[case_id]] if case_id in stored else []
            tallies = added(tallies, difference(before, [after]))
            stored[case_id] = after

        assert recount(stored.values()) == tallies

    @given(st.lists(stream_rows | any_rows, max_size=8), st.lists(any_rows, max_size=8))
    @PROPERTY
    def test_batch_difference_is_the_difference_of_recounts(
        self, before: list[Row], after: list[Row]
    ) -> None:
        """A whole batch of changes at once comes to the same as counting before and after."""
        assert recount(after) == added(recount(before), difference(before, after))

    @given(st.lists(event_streams(), max_size=6), countings, stops, st.integers(0, 90))
    @PROPERTY
    def test_open_by_verdict_equals_the_verdicts_of_the_cases(
        self, streams: list[list[CaseEvent]], counting: Counting, stop_at: StopAt, later: int
    ) -> None:
        """On any day the tallied verdicts are those of the open cases, at every instant of it."""
        policy = policy_with(counting=counting, stop_at=stop_at)
        cases = [assessed(*events, policy=policy) for events in streams]
        today = date(2024, 2, 1) + timedelta(days=later)
        tallies = difference([], [row(*case) for case in cases])
        last = midnight(today + timedelta(days=1)) - timedelta(microseconds=1)

        actual = +open_by_verdict(tallies, today)

        for now in (midnight(today), last):
            assert actual == verdicts(cases, now)


def verdicts(
    cases: Iterable[tuple[Case, Assessment]], now: datetime
) -> Counter[tuple[str, str, Verdict]]:
    """Count the verdicts of open cases one by one."""
    return Counter(
        (case.attributes.category or UNKNOWN_CATEGORY, case.attributes.city, verdict_at(a, now))
        for case, a in cases
        if case.status.is_open and case.attributes is not None
    )


class TestOpenByVerdict:
    tallies = difference(
        [],
        [
            row(*assessed(accepted(MONDAY, Category.I))),
            row(*assessed(accepted(MONDAY))),
            row(*assessed(accepted(MONDAY), suspended(TUESDAY))),
            row(*assessed(accepted(MONDAY), suspended(NEXT_MONDAY))),
            row(*assessed(accepted(MONDAY), suspended(TUESDAY), resumed(FRIDAY))),
            row(*assessed(accepted(MONDAY), voucher_issued(TUESDAY))),
        ],
    )

    @pytest.mark.parametrize(
        ("on", "expected"),
        [
            ("2024-03-05", {("I", "on_track"): 1, ("III", "on_track"): 3, ("III", "breached"): 1}),
            (
                "2024-03-07",
                {
                    ("I", "at_risk"): 1,
                    ("III", "at_risk"): 1,
                    ("III", "on_track"): 2,
                    ("III", "breached"): 1,
                },
            ),
            (
                "2024-03-11",
                {("I", "breached"): 1, ("III", "breached"): 2, ("III", "on_track"): 2},
            ),
            (
                "2024-03-12",
                {
                    ("I", "breached"): 1,
                    ("III", "breached"): 2,
                    ("III", "on_track"): 1,
                    ("III", "at_risk"): 1,
                },
            ),
        ],
    )
    def test_by_day(self, on: str, expected: dict[tuple[str, str], int]) -> None:
        """Open cases move from verdict to verdict as the days pass, without being touched."""
        actual = open_by_verdict(self.tallies, day(on))

        assert {(c, CITY, v): n for (c, v), n in expected.items()} == dict(actual)

    def test_cells_without_place(self) -> None:
        """A cell without category and city is counted under the words for unknown."""
        cells_of_nobody: Deltas = {Cell(figure=Figure.OPEN): Measures(cases=2)}

        actual = open_by_verdict(cells_of_nobody, day("2024-03-05"))

        assert {(UNKNOWN_CATEGORY, "", Verdict.ON_TRACK): 2} == dict(actual)


def test_rulebook_folds_and_assesses() -> None:
    """The rulebook is the policies and the calendar laid over any case's events."""
    events = [accepted(MONDAY), suspended(TUESDAY)]
    book = Rulebook(policies=PolicyBook([HUNAN]), calendar=published_calendar())

    case, assessment = book.assess(events[0].case_id, events)

    expected = folded(*events)
    assert expected == case
    assert row(expected, assess(expected, published_calendar())) == row(case, assessment)


def test_an_undone_breach_is_counted_where_it_was() -> None:
    """A voucher in time, and a move to another category, take a breach back where it stood."""
    late = row(*assessed(accepted(MONDAY), voucher_issued("2024-03-14T10:00")))
    in_time = row(*assessed(accepted(MONDAY), voucher_issued(TUESDAY)))
    moved = replace(late, category="I")
    cell = Cell(figure=Figure.UNDONE, category="III", city=CITY)

    for after, expected in (
        (in_time, {cell: Measures(cases=1)}),
        (moved, {cell: Measures(cases=1)}),
        (late, {}),
    ):
        assert expected == undone_breaches([Change(before=late, after=after)], day("2024-03-20"))
    assert {} == undone_breaches([Change(before=in_time, after=late)], day("2024-03-20"))


def test_an_open_breach_is_undone_from_its_day_on() -> None:
    """Before its first day past the limit there is nothing to take back."""
    running = row(*assessed(accepted(MONDAY)))
    in_time = row(*assessed(accepted(MONDAY), voucher_issued(TUESDAY)))
    change = Change(before=running, after=in_time, cases=3)
    counts = [
        sum(m.cases for m in undone_breaches([change], day(on)).values())
        for on in ("2024-03-08", "2024-03-11")
    ]

    assert [0, 3] == counts


@given(st.lists(st.tuples(event_streams(), st.integers(0, 40)), min_size=1, max_size=5))
def test_breaches_ever_known_never_become_fewer(history: list[tuple[list[CaseEvent], int]]) -> None:
    """Whatever a case turns out to be, what stands and what was undone only grow."""
    stored, undone, before = (
        Row(),
        Counter[tuple[str, str | None]](),
        Counter[tuple[str, str | None]](),
    )
    today = local_date(instant("2024-02-01"))
    for events, days in history:
        today += timedelta(days=days)
        fresh = row(*assessed(*events))
        change = Change(before=stored, after=fresh)
        for cell, measures in undone_breaches([change], today).items():
            undone[cell.category or "", cell.city] += measures.cases
        stored = fresh
        ever = undone + standing_breaches(stored, today)

        assert before <= ever
        before = ever


def standing_breaches(stored: Row, today: date) -> Counter[tuple[str, str | None]]:
    """Count a stored case where it is a breach on a day, by the cells that figures are read off."""
    found: Counter[tuple[str, str | None]] = Counter()
    for cell, measures in contribution(stored):
        if cell.figure is Figure.MISSED:
            found[cell.category or "", cell.city] += measures.cases
    counted = open_by_verdict(dict(contribution(stored)), today)
    for (category, city, verdict), count in counted.items():
        if verdict is Verdict.BREACHED:
            found[category, city or None] += count
    return found


def test_open_alerts_are_counted_by_whether_somebody_took_them_on() -> None:
    """An acknowledgement moves an alert from one cell to the other."""
    cells_of = [
        alert_cell(AlertKind.BREACHED, CITY, acknowledged=acknowledged)
        for acknowledged in (False, True)
    ]

    assert ["unacknowledged", "acknowledged"] == [cell.outcome for cell in cells_of]
    assert {(Figure.ALERTS, AlertKind.BREACHED, CITY)} == {
        (cell.figure, cell.alert_kind, cell.city) for cell in cells_of
    }


def test_all_that_a_change_tallies() -> None:
    """The difference of the cells, and beside it what the change has undone."""
    late = row(*assessed(accepted(MONDAY), voucher_issued("2024-03-14T10:00")))
    in_time = row(*assessed(accepted(MONDAY), voucher_issued(TUESDAY)))
    change = Change(before=late, after=in_time, cases=2)

    many = difference([late, late], [in_time, in_time])
    expected = many | undone_breaches([change], day("2024-03-20"))
    assert expected == change_of([change], day("2024-03-20"))
    assert Figure.UNDONE in {cell.figure for cell in expected}
