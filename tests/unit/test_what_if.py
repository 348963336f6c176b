"""Other rules on the same cases: each case is compared with itself, and only that."""

from dataclasses import replace
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain_builders import (
    CASE_ID,
    HUNAN,
    accepted,
    event_streams,
    instant,
    policies,
    policy_with,
    published_calendar,
    resumed,
    suspended,
    voucher_issued,
)
from rebate_monitor.domain.assessment import judge
from rebate_monitor.domain.event import CaseEvent, Category, SuspensionReason
from rebate_monitor.domain.policy import Policy, Scope, StopAt, SuspensionEffect
from rebate_monitor.domain.rulebook import Rulebook
from rebate_monitor.domain.what_if import LATE, Comparison, Kind, Outcome, compare, with_limits
from rebate_monitor.domain.work_calendar import DayKind, SpecialDay, WorkCalendar

STRICTER = replace(HUNAN, default_limit=3, limits={})


def rulebook(policy: Policy = HUNAN, calendar: WorkCalendar | None = None) -> Rulebook:
    return Rulebook(policies=policies(policy), calendar=calendar or published_calendar())


def compared(
    *events: CaseEvent, proposed: Rulebook | None = None, now: str = "2024-03-20"
) -> Comparison:
    """Compare a case under the policy as it is and a stricter one, or another proposal."""
    rules = (rulebook(), proposed or rulebook(STRICTER))
    return compare(CASE_ID, events, instant(now), rules)


def test_a_shorter_limit_moves_the_due_date_and_makes_a_breach() -> None:
    """Four workdays are in time under a limit of 4 and late under one of 3."""
    told = compared(accepted("2024-03-04"), voucher_issued("2024-03-08"))

    assert (Kind.DUE_DATE, Kind.BREACH_MADE) == told.kinds
    assert (date(2024, 3, 8), date(2024, 3, 7)) == (told.before.due_date, told.after.due_date)
    assert (4, 3) == (told.before.limit_workdays, told.after.limit_workdays)


def test_a_longer_limit_unmakes_a_breach() -> None:
    """Six workdays are late under a limit of 4 and in time under one of 6."""
    longer = rulebook(replace(HUNAN, default_limit=6))
    told = compared(accepted("2024-03-04"), voucher_issued("2024-03-12"), proposed=longer)

    assert (Kind.DUE_DATE, Kind.BREACH_UNMADE) == told.kinds


def test_another_calendar_counts_otherwise() -> None:
    """A day off that is announced makes a stopped case a workday shorter."""
    notices = dict(published_calendar().notices)
    off = {date(2024, 3, 6): SpecialDay(kind=DayKind.DAY_OFF, name="x")}
    notices[2024] = replace(notices[2024], days=dict(notices[2024].days) | off)
    told = compared(
        accepted("2024-03-04"),
        voucher_issued("2024-03-07"),
        proposed=rulebook(calendar=WorkCalendar(notices.values())),
    )

    assert (Kind.DUE_DATE, Kind.WORKDAYS) == told.kinds
    assert (3, 2) == (told.before.workdays, told.after.workdays)


def test_another_effect_of_a_suspension_changes_who_counts() -> None:
    """When verification runs on, the case enters the mean with all its days."""
    reasons = {**HUNAN.rules.suspensions, SuspensionReason.VERIFICATION: SuspensionEffect.RUN}
    running = replace(HUNAN, rules=replace(HUNAN.rules, suspensions=reasons))
    told = compared(
        accepted("2024-03-04"),
        suspended("2024-03-05", SuspensionReason.VERIFICATION),
        resumed("2024-03-07"),
        voucher_issued("2024-03-08"),
        proposed=rulebook(running),
    )

    assert (Kind.DUE_DATE, Kind.WORKDAYS, Kind.NORMAL) == told.kinds


def test_an_unaccepted_case_is_never_changed() -> None:
    """Without an acceptance there is nothing to judge by any rules."""
    told = compared(voucher_issued("2024-03-08"))

    assert ((), None, None) == (told.kinds, told.category, told.city)


@given(event_streams(), st.integers(0, 60))
def test_the_same_rules_change_nothing(events: list[CaseEvent], days: int) -> None:
    """A proposal of what is in force comes out as no change, whatever the case."""
    when = f"2024-{days // 28 + 3:02}-{days % 28 + 1:02}"

    assert () == compared(*events, proposed=rulebook(), now=when).kinds


@given(st.lists(event_streams(), max_size=6), st.sampled_from(StopAt), st.integers(1, 9))
def test_an_outcome_counts_each_case(
    streams: list[list[CaseEvent]], stop_at: StopAt, limit: int
) -> None:
    """Counts and means are those of judging every case twice, one by one."""
    now = instant("2024-05-01")
    proposed = rulebook(replace(policy_with(stop_at=stop_at), default_limit=limit, limits={}))
    outcome = Outcome()
    for events in streams:
        outcome.add(compare(CASE_ID, events, now, (rulebook(), proposed)))

    late = [(is_late(rulebook(), events), is_late(proposed, events)) for events in streams]
    assert len(streams) == outcome.cases
    assert sum(after and not before for before, after in late) == outcome.kinds[Kind.BREACH_MADE]
    assert sum(before and not after for before, after in late) == outcome.kinds[Kind.BREACH_UNMADE]
    for book, told in ((rulebook(), outcome.before), (proposed, outcome.after)):
        workdays = normal_workdays(book, streams)
        figures = told(Scope.ALL, None)

        assert len(workdays) == figures.n
        assert (sum(workdays) / len(workdays) if workdays else None) == pytest.approx(
            figures.mean_workdays
        )


def is_late(book: Rulebook, events: list[CaseEvent]) -> bool:
    case, assessment = book.assess(CASE_ID, events)
    return judge(case, assessment, book.calendar, instant("2024-05-01")).verdict in LATE


def normal_workdays(book: Rulebook, streams: list[list[CaseEvent]]) -> list[int]:
    found = []
    for events in streams:
        _, assessment = book.assess(CASE_ID, events)
        if assessment.normal and assessment.status == "stopped":
            found.append(assessment.counted_workdays or 0)
    return found


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        ({None: 3}, {None: 3, Category.I: 3, Category.IV: 3}),
        ({Category.I: 2}, {None: 4, Category.I: 2, Category.II: 3, Category.IV: 4}),
        ({None: 5, Category.I: 2}, {None: 5, Category.I: 2, Category.II: 5}),
        ({}, {None: 4, Category.I: 3}),
    ],
)
def test_limits_are_laid_over_every_policy(
    told: dict[Category | None, int], expected: dict[Category | None, int]
) -> None:
    """A general limit is for everybody; a category's own is for that category."""
    (policy,) = with_limits(policies(), told).policies

    assert expected == {category: policy.limit(category) for category in expected}
