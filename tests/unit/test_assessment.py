"""Judging a case: limits, instants, verdicts, stages, and the formula that rows are read by."""

from dataclasses import replace
from datetime import date, datetime, timedelta

import chinese_calendar
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain_builders import (
    HUNAN,
    MadeUpCalendar,
    accepted,
    approved,
    assessed,
    corrected,
    countings,
    day,
    event_streams,
    folded,
    instant,
    made_up_calendars,
    paid,
    policy_with,
    published_calendar,
    rejected,
    resumed,
    retracted,
    reviewed,
    stops,
    suspended,
    voucher_issued,
    withdrawn,
)
from rebate_monitor.domain.assessment import (
    Assessment,
    Judgement,
    Stage,
    Verdict,
    assess,
    judge,
    verdict_at,
)
from rebate_monitor.domain.case import Case, Status
from rebate_monitor.domain.clock import Span
from rebate_monitor.domain.course import course_of
from rebate_monitor.domain.event import (
    Approved,
    CaseEvent,
    Category,
    EventType,
    Suspended,
    SuspensionReason,
)
from rebate_monitor.domain.local_time import local_date, midnight
from rebate_monitor.domain.policy import (
    AfterExpiry,
    Counting,
    NonWorkdayStart,
    Policy,
    StartDay,
    StopAt,
)

MICROSECOND = timedelta(microseconds=1)
MONDAY, TUESDAY, WEDNESDAY, THURSDAY, FRIDAY = (f"2024-03-{n:02}T10:00" for n in range(4, 9))
NEXT_MONDAY = "2024-03-11T10:00"


def judged(when: str, *events: CaseEvent, policy: Policy = HUNAN) -> Judgement:
    """Judge a case at an instant."""
    case, assessment = assessed(*events, policy=policy)
    return judge(case, assessment, published_calendar(), instant(when))


def stages_of(*events: CaseEvent, policy: Policy = HUNAN) -> list[tuple[str, int]]:
    """Return the stages of a case as names and workdays."""
    _, assessment = assessed(*events, policy=policy)
    return [(s.case_stage, s.workdays) for s in assessment.stages]


class TestInstants:
    def test_running_case(self) -> None:
        """Accepted on Monday with a limit of 4: at risk from Thursday, due Friday, late Monday."""
        _, assessment = assessed(accepted(MONDAY))

        assert instant("2024-03-07") == assessment.at_risk_at
        assert day("2024-03-08") == assessment.due_date
        assert instant("2024-03-11") == assessment.breach_at
        assert instant("2024-03-11") == assessment.urgent_at
        assert assessment.settled_verdict is None

    @pytest.mark.parametrize(
        ("category", "limit", "due"),
        [
            (Category.I, 3, "2024-03-07"),
            (Category.II, 3, "2024-03-07"),
            (Category.III, 4, "2024-03-08"),
            (Category.IV, 4, "2024-03-08"),
            (None, 4, "2024-03-08"),
        ],
    )
    def test_limit_by_category(self, category: Category | None, limit: int, due: str) -> None:
        """Categories I and II have 3 workdays, all others and the unknown one 4."""
        _, assessment = assessed(accepted(MONDAY, category))

        assert (limit, day(due)) == (assessment.limit_workdays, assessment.due_date)

    def test_corrected_category_changes_the_limit(self) -> None:
        """The limit is that of the category as corrected, counted from acceptance."""
        _, assessment = assessed(accepted(MONDAY), corrected(THURSDAY, category="I"))

        assert (3, day("2024-03-07")) == (assessment.limit_workdays, assessment.due_date)

    @pytest.mark.parametrize(
        ("warn", "at_risk"),
        [
            (0, "2024-03-08"),
            (1, "2024-03-07"),
            (2, "2024-03-06"),
            (4, "2024-03-04"),
            (9, "2024-03-04"),
        ],
    )
    def test_warning_is_policy(self, warn: int, at_risk: str) -> None:
        """A case is at risk with the policy's workdays left, from its first workday at most."""
        _, assessment = assessed(accepted(MONDAY), policy=replace(HUNAN, warn_workdays_left=warn))

        assert instant(at_risk) == assessment.at_risk_at

    def test_resumed_case(self) -> None:
        """Paused from Wednesday to Monday: the three paused workdays move every instant."""
        _, assessment = assessed(accepted(MONDAY), suspended(WEDNESDAY), resumed(NEXT_MONDAY))

        assert instant("2024-03-12") == assessment.at_risk_at
        assert day("2024-03-13") == assessment.due_date
        assert instant("2024-03-14") == assessment.breach_at

    def test_suspended_case_has_none(self) -> None:
        """While the clock stands still there is no due date and no instant."""
        _, assessment = assessed(accepted(MONDAY), suspended(WEDNESDAY))

        instants = assessment.due_date, assessment.at_risk_at, assessment.breach_at
        assert (None, None, None) == instants
        assert assessment.urgent_at is None

    def test_case_suspended_over_its_limit_sorts_by_when_it_was_passed(self) -> None:
        """Urgency remembers when the limit was passed, though no instant exists any more."""
        _, assessment = assessed(accepted(MONDAY), suspended("2024-03-12T10:00"))

        instants = assessment.due_date, assessment.at_risk_at, assessment.breach_at
        assert (None, None, None) == instants
        assert instant("2024-03-11") == assessment.urgent_at

    def test_stopped_case_keeps_its_due_date(self) -> None:
        """When a stopped case was due can still be told; it is no longer urgent."""
        _, assessment = assessed(accepted(MONDAY), voucher_issued(TUESDAY))

        assert day("2024-03-08") == assessment.due_date
        assert assessment.urgent_at is None

    def test_case_stopped_while_suspended_is_due_after_the_pause(self) -> None:
        """The due date of a case stopped in a pause is counted on from its end."""
        _, assessment = assessed(accepted(MONDAY), suspended(TUESDAY), voucher_issued(THURSDAY))

        # Tuesday is 1; Wednesday and Thursday paused; Friday 2, Monday 3, Tuesday 4.
        assert day("2024-03-12") == assessment.due_date


class TestVerdicts:
    @pytest.mark.parametrize(
        ("now", "expected"),
        [
            (instant("2024-03-04T10:00"), Verdict.ON_TRACK),
            (instant("2024-03-07") - MICROSECOND, Verdict.ON_TRACK),
            (instant("2024-03-07"), Verdict.AT_RISK),
            (instant("2024-03-09") - MICROSECOND, Verdict.AT_RISK),
            (instant("2024-03-09"), Verdict.AT_RISK),
            (instant("2024-03-10T12:00"), Verdict.AT_RISK),
            (instant("2024-03-11") - MICROSECOND, Verdict.AT_RISK),
            (instant("2024-03-11"), Verdict.BREACHED),
            (instant("2024-04-01"), Verdict.BREACHED),
            (datetime.fromisoformat("2024-03-06T15:59:59.999999+00:00"), Verdict.ON_TRACK),
            (datetime.fromisoformat("2024-03-06T16:00:00+00:00"), Verdict.AT_RISK),
            (datetime.fromisoformat("2024-03-10T16:00:00+00:00"), Verdict.BREACHED),
        ],
        ids=lambda value: value.isoformat() if isinstance(value, datetime) else value,
    )
    def test_running_case(self, now: datetime, expected: Verdict) -> None:
        """Verdicts change at Shanghai midnights of workdays, to the microsecond."""
        _, assessment = assessed(accepted(MONDAY))

        assert expected == verdict_at(assessment, now)

    def test_every_rest_day_after_the_due_date_is_in_time(self) -> None:
        """Due on New Year's Eve 2024, a case is first late on the make-up Sunday nine days on."""
        _, assessment = assessed(accepted("2024-02-05T10:00"))

        assert Verdict.AT_RISK == verdict_at(assessment, instant("2024-02-18") - MICROSECOND)
        assert Verdict.BREACHED == verdict_at(assessment, instant("2024-02-18"))

    @pytest.mark.parametrize(
        ("stop", "verdict", "in_time"),
        [
            ("2024-03-04T23:59:59.999999", Verdict.MET, True),
            ("2024-03-08T23:59:59.999999", Verdict.MET, True),
            ("2024-03-10T23:59:59.999999", Verdict.MET, True),
            ("2024-03-11T00:00", Verdict.MISSED, False),
        ],
    )
    def test_stopped_case(self, stop: str, verdict: Verdict, *, in_time: bool) -> None:
        """Stopped at its limit a case has met it, one workday more has missed it."""
        _, assessment = assessed(accepted(MONDAY), voucher_issued(stop))

        assert (
            verdict == assessment.settled_verdict == verdict_at(assessment, instant("2030-01-01"))
        )
        assert in_time == assessment.in_time

    def test_suspended_in_time(self) -> None:
        """A case suspended within its limit is on track however long it waits."""
        assert Verdict.ON_TRACK == judged("2026-01-05", accepted(MONDAY), suspended(FRIDAY)).verdict

    def test_suspended_on_a_rest_day_after_the_due_date(self) -> None:
        """A suspension on the weekend after the due date still comes in time."""
        verdict = judged("2024-04-01", accepted(MONDAY), suspended("2024-03-10T10:00")).verdict

        assert Verdict.ON_TRACK == verdict

    def test_suspended_over_its_limit_stays_breached(self) -> None:
        """A suspension does not undo a breach."""
        verdict = judged("2024-04-01", accepted(MONDAY), suspended(NEXT_MONDAY)).verdict

        assert Verdict.BREACHED == verdict

    def test_resumed_over_its_limit_stays_breached(self) -> None:
        """A case late before its suspension is late after it, from the first instant."""
        events = accepted(MONDAY), suspended(NEXT_MONDAY), resumed("2024-03-20T10:00")

        assert Verdict.BREACHED == judged("2024-03-20T10:00", *events).verdict

    def test_excluded_case_gets_a_verdict(self) -> None:
        """Exclusion takes a case out of the means, not out of its limit."""
        events = accepted(MONDAY), suspended(TUESDAY, SuspensionReason.HOLD), resumed(WEDNESDAY)
        _, assessment = assessed(*events)

        assert not assessment.normal
        assert Verdict.BREACHED == verdict_at(assessment, instant("2024-04-01"))
        assert Verdict.MET == judged("2024-04-01", *events, voucher_issued(FRIDAY)).verdict

    @pytest.mark.parametrize(
        "events",
        [
            [],
            [reviewed(MONDAY)],
            [accepted(MONDAY), rejected(TUESDAY)],
            [accepted(MONDAY), withdrawn("2024-05-06T10:00")],
        ],
        ids=["nothing", "unaccepted", "rejected", "withdrawn"],
    )
    def test_not_applicable(self, events: list[CaseEvent]) -> None:
        """What was never accepted, or ended another way, has no verdict and no limit."""
        _, assessment = assessed(*events)

        assert Verdict.NOT_APPLICABLE == verdict_at(assessment, instant("2024-12-31"))
        assert not assessment.normal
        assert (None, None, None, None) == (
            assessment.limit_workdays,
            assessment.due_date,
            assessment.in_time,
            assessment.same_day,
        )

    def test_before_the_first_policy(self) -> None:
        """A case accepted before 2023-10-26 is counted, normal, and without verdict."""
        # The day before the policy is a Wednesday: Thursday 1, Friday 2.
        events = accepted("2023-10-25T10:00"), voucher_issued("2023-10-27T10:00")
        _, assessment = assessed(*events)

        assert (2, True, Verdict.NOT_APPLICABLE, None) == (
            assessment.counted_workdays,
            assessment.normal,
            assessment.settled_verdict,
            assessment.in_time,
        )

    def test_open_case_before_the_first_policy(self) -> None:
        """An open case without a policy runs, and is never late."""
        judgement = judged("2023-11-30", accepted("2023-10-25T10:00"))

        assert Verdict.NOT_APPLICABLE == judgement.verdict
        assert 26 == judgement.workdays  # 26, 27, 30, 31 October and the 22 of November

    def test_lapsed_policy_carries_over(self) -> None:
        """After its last day a policy goes on judging, and the case says so."""
        # 2 (Thursday), 3, 6, 7 and 8 January 2025: the first is the day after New Year.
        case, assessment = assessed(accepted("2025-01-01T10:00"))

        assert case.policy.lapsed
        assert (4, day("2025-01-07"), instant("2025-01-08")) == (
            assessment.limit_workdays,
            assessment.due_date,
            assessment.breach_at,
        )

    def test_lapsed_policy_without_carry_over(self) -> None:
        """A policy may end for good: then nothing is judged, and the days are still counted."""
        policy = replace(HUNAN, after_expiry=AfterExpiry.NONE)

        judgement = judged("2025-01-08T10:00", accepted("2025-01-01T10:00"), policy=policy)

        assert (Verdict.NOT_APPLICABLE, 5) == (judgement.verdict, judgement.workdays)

    def test_last_day_of_a_policy_without_carry_over(self) -> None:
        """A case accepted on a policy's last day is judged by it to the end."""
        policy = replace(HUNAN, after_expiry=AfterExpiry.NONE)

        judgement = judged("2025-02-05", accepted("2024-12-31T23:59"), policy=policy)

        assert Verdict.BREACHED == judgement.verdict

    @pytest.mark.parametrize(
        ("reason", "normal"),
        [
            (SuspensionReason.SUPPLEMENT, True),
            (SuspensionReason.OTHER, True),
            (SuspensionReason.VERIFICATION, False),
            (SuspensionReason.CORRESPONDENCE, False),
            (SuspensionReason.ONSITE, False),
            (SuspensionReason.HOLD, False),
        ],
    )
    def test_normal(self, reason: SuspensionReason, *, normal: bool) -> None:
        """Only an excluding reason takes a stopped case out of the means."""
        events = accepted(MONDAY), suspended(TUESDAY, reason), voucher_issued(WEDNESDAY)
        _, assessment = assessed(*events)

        assert normal == assessment.normal


class TestCounts:
    @pytest.mark.parametrize(
        ("stop", "same_day"),
        [
            ("2024-03-08T18:00", True),
            ("2024-03-10T18:00", True),
            ("2024-03-11T08:00", False),
        ],
    )
    def test_same_day(self, stop: str, *, same_day: bool) -> None:
        """Handled as it is filed: no workday passed since acceptance on Friday."""
        _, assessment = assessed(accepted(FRIDAY), voucher_issued(stop))

        assert same_day == assessment.same_day

    @pytest.mark.parametrize(
        "events",
        [[accepted(MONDAY)], [accepted(MONDAY), suspended(MONDAY)]],
        ids=["running", "suspended"],
    )
    def test_open_case_is_neither_in_time_nor_same_day(self, events: list[CaseEvent]) -> None:
        """Only a stopped case has kept its limit or was handled at once."""
        _, assessment = assessed(*events)

        assert (None, None) == (assessment.in_time, assessment.same_day)

    def test_immediate_handling_is_policy(self) -> None:
        """A policy may count the next workday as immediate."""
        policy = replace(HUNAN, rules=replace(HUNAN.rules, immediate_within_workdays=1))
        _, assessment = assessed(accepted(FRIDAY), voucher_issued(NEXT_MONDAY), policy=policy)

        assert assessment.same_day

    def test_stopped_case_counts_to_its_end(self) -> None:
        """However late it is looked at, a stopped case shows its final counts."""
        events = accepted(MONDAY), suspended(TUESDAY), resumed(THURSDAY), voucher_issued(FRIDAY)

        actual = judged("2026-01-05", *events)

        assert (2, 4, 2) == (actual.workdays, actual.gross_workdays, actual.paused_workdays)
        assert Verdict.MET == actual.verdict

    def test_running_case_counts_to_now(self) -> None:
        """An open case shows its counts as of now; a pause stays in the gross."""
        events = accepted(MONDAY), suspended(TUESDAY), resumed(THURSDAY)

        actual = judged("2024-03-11T00:00", *events)

        assert (3, 5, 2) == (actual.workdays, actual.gross_workdays, actual.paused_workdays)

    def test_suspended_case_counts_to_its_suspension(self) -> None:
        """A pause that lasts grows with the days."""
        actual = judged("2024-03-11T00:00", accepted(MONDAY), suspended(TUESDAY))

        assert (1, 5, 4) == (actual.workdays, actual.gross_workdays, actual.paused_workdays)

    def test_rejected_case_is_counted(self) -> None:
        """What a rejected case took can be told, though nothing judges it."""
        actual = judged("2024-04-01", accepted(MONDAY), rejected(THURSDAY))

        assert (3, 3) == (actual.workdays, actual.gross_workdays)

    def test_unaccepted_case_has_no_counts(self) -> None:
        """Before acceptance there is nothing to count."""
        actual = judged("2027-04-01", reviewed(MONDAY))

        assert Judgement(verdict=Verdict.NOT_APPLICABLE) == actual
        assert not actual.provisional

    def test_accepted_ahead_of_now(self) -> None:
        """A producer's clock a few minutes ahead over midnight leaves every count at 0."""
        counting = Counting(start_day=StartDay.INCLUDED)
        ahead = accepted("2024-03-09T00:03")  # a Saturday, told on Friday at 23:59

        actual = judged("2024-03-08T23:59", ahead, policy=policy_with(counting=counting))

        assert (0, 0, 0) == (actual.workdays, actual.gross_workdays, actual.paused_workdays)


class TestProvisional:
    @pytest.mark.parametrize(
        ("accepted_at", "due", "provisional"),
        [
            # 2027 is unpublished; 1 January is taken to be off, 4 January a workday.
            ("2026-12-22T10:00", "2026-12-28", False),
            ("2026-12-24T10:00", "2026-12-30", False),
            ("2026-12-25T10:00", "2026-12-31", True),  # the first late day is an estimate
            ("2026-12-29T10:00", "2027-01-05", True),
        ],
    )
    def test_running_case_in_late_december(
        self, accepted_at: str, due: str, *, provisional: bool
    ) -> None:
        """A case whose instants rest on days that nobody has published says so at once."""
        case, assessment = assessed(accepted(accepted_at))

        actual = judge(case, assessment, published_calendar(), instant(accepted_at))

        assert (day(due), provisional) == (assessment.due_date, actual.provisional)

    def test_stopped_before_the_estimate(self) -> None:
        """A case stopped in the published year touched no estimated day."""
        events = accepted("2026-12-29T10:00"), voucher_issued("2026-12-31T10:00")

        assert not judged("2027-06-01", *events).provisional

    def test_stopped_in_the_estimate(self) -> None:
        """A count that runs over estimated days is provisional, after the stop too."""
        events = accepted("2026-12-29T10:00"), voucher_issued("2027-01-04T10:00")

        assert judged("2027-06-01", *events).provisional

    @pytest.mark.parametrize(("now", "provisional"), [("2026-12-31", False), ("2027-01-04", True)])
    def test_suspended(self, now: str, *, provisional: bool) -> None:
        """A suspended case looks no further than the day it is judged on."""
        events = accepted("2026-12-29T10:00"), suspended("2026-12-30T10:00")

        assert provisional == judged(now, *events).provisional

    def test_before_the_first_notice(self) -> None:
        """A case of a year before the published calendar rests on estimates as well."""
        events = accepted("2003-03-03T10:00"), voucher_issued("2003-03-05T10:00")

        assert judged("2024-01-01", *events).provisional


class TestStages:
    def test_all_milestones(self) -> None:
        """Each stage is named after the milestone that ends it and counts running workdays."""
        actual = stages_of(
            accepted(MONDAY),
            reviewed(WEDNESDAY),
            approved(THURSDAY),
            voucher_issued(FRIDAY),
            paid("2024-03-12T10:00"),
        )

        assert [("review", 2), ("approval", 1), ("voucher", 1), ("treasury", 2)] == actual

    def test_missing_milestones(self) -> None:
        """A stage spans what lies between the milestones that there are."""
        assert [("voucher", 4)] == stages_of(accepted(MONDAY), voucher_issued(FRIDAY))

    def test_pause_is_left_out(self) -> None:
        """Paused workdays belong to no stage."""
        actual = stages_of(
            accepted(MONDAY),
            reviewed(WEDNESDAY),
            suspended(WEDNESDAY),
            resumed(NEXT_MONDAY),
            approved("2024-03-12T10:00"),
            voucher_issued("2024-03-13T10:00"),
        )

        assert [("review", 2), ("approval", 1), ("voucher", 1)] == actual

    def test_running_case(self) -> None:
        """An open case shows the stages that it has behind it."""
        assert [("review", 2)] == stages_of(accepted(MONDAY), reviewed(WEDNESDAY))

    def test_included_start_day_belongs_to_the_first_stage(self) -> None:
        """Where the day of acceptance counts, it is the first stage's."""
        policy = policy_with(counting=Counting(start_day=StartDay.INCLUDED))

        actual = stages_of(
            accepted(MONDAY), reviewed(MONDAY), voucher_issued(TUESDAY), policy=policy
        )

        assert [("review", 1), ("voucher", 1)] == actual

    def test_treasury_after_a_pause(self) -> None:
        """After the stop the stage counts plain workdays."""
        actual = stages_of(
            accepted(MONDAY), suspended(TUESDAY), voucher_issued(THURSDAY), paid(NEXT_MONDAY)
        )

        assert [("voucher", 1), ("treasury", 2)] == actual

    def test_stage_values(self) -> None:
        """A stage is a value."""
        _, assessment = assessed(accepted(MONDAY), reviewed(TUESDAY))

        assert (Stage(case_stage="review", workdays=1),) == assessment.stages

    def test_unaccepted_case_has_none(self) -> None:
        """Without acceptance there is nothing to measure from, and no clock."""
        case, assessment = assessed(reviewed(MONDAY))

        assert () == assessment.stages
        assert course_of(case) is None

    def test_running_spans(self) -> None:
        """The clock runs from acceptance to the suspension and on from the resumption."""
        case = folded(accepted(MONDAY), suspended(WEDNESDAY), resumed(NEXT_MONDAY))

        assert (
            Span(start=day("2024-03-04"), end=day("2024-03-06")),
            Span(start=day("2024-03-11")),
        ) == spans_of(case)


def spans_of(case: Case) -> tuple[Span, ...]:
    """Return the stretches in which the clock of an accepted case runs."""
    course = course_of(case)
    assert course is not None
    return course.running_spans


PROPERTY = settings(deadline=None, max_examples=150)
ENDS = (EventType.REJECTED, EventType.WITHDRAWN)
RANK = (
    "accepted", "corrected", "suspended", "resumed", "reviewed", "approved", "voucher_issued",
    "paid", "rejected", "withdrawn",
)  # fmt: skip


def in_order(events: list[CaseEvent]) -> list[CaseEvent]:
    """Put events in the order that DESIGN 3.6 describes."""
    return sorted(
        events,
        key=lambda e: (e.time, RANK.index(e.event_type.rsplit(".")[-1]), e.source, e.id),
    )


def naive_stop(before: list[CaseEvent], after: list[CaseEvent]) -> EventType:
    """Say which milestone stops the clock: the voucher, without cash approval, else payment."""
    approvals = [e for e in (*after, *before[::-1]) if e.event_type is EventType.APPROVED]
    without_cash = approvals and approvals[0].data == Approved(cash_refund=False)
    stop = EventType.APPROVED if without_cash else EventType.VOUCHER_ISSUED
    came = any(e.event_type is stop for e in (*before, *after))
    return stop if came else EventType.PAID


def naive_workdays(events: list[CaseEvent], today: date) -> int | None:
    """Walk the events of a case, none retracted, and then every calendar day (default policy)."""
    ordered = in_order(events)
    start = next((n for n, e in enumerate(ordered) if e.event_type is EventType.ACCEPTED), None)
    if start is None:
        return None
    before, after = ordered[:start], ordered[start + 1 :]
    stop = naive_stop(before, after)
    if any(e.event_type is stop for e in before) and all(e.event_type is not stop for e in after):
        return 0
    last, paused_on, pauses = today, None, []
    for e in after:
        on = local_date(e.time)
        match e.data:
            case Suspended(reason=reason) if reason is not SuspensionReason.SUPPLEMENT:
                paused_on = paused_on or on
            case _ if e.event_type is EventType.RESUMED and paused_on:
                pauses.append((paused_on, on))
                paused_on = None
        if e.event_type in (*ENDS, stop):
            last = min(last, on)
            break
    if paused_on:
        pauses.append((paused_on, date.max))
    first = local_date(ordered[start].time)
    return sum(
        bool(chinese_calendar.is_workday(on)) and not any(a < on <= b for a, b in pauses)
        for on in (first + timedelta(days=n) for n in range(1, (last - first).days + 1))
    )


days_after = st.integers(0, 70).map(lambda n: date(2024, 3, 18) + timedelta(days=n))


def assessed_stream(events: list[CaseEvent], policy: Policy) -> tuple[Case, Assessment]:
    """Assess a random case."""
    case = folded(*events, policy=policy)
    return case, assess(case, published_calendar())


class TestProperties:
    @given(event_streams(with_retractions=False), days_after)
    @PROPERTY
    def test_workdays_equal_a_naive_walk(self, events: list[CaseEvent], today: date) -> None:
        """Whatever happened to a case, its workdays are those of a walk over events and days."""
        case, assessment = assessed_stream(events, HUNAN)

        actual = judge(case, assessment, published_calendar(), midnight(today)).workdays

        assert naive_workdays(events, today) == actual

    @given(event_streams(), countings, stops, st.integers(0, 60))
    @PROPERTY
    def test_row_formula(
        self, events: list[CaseEvent], counting: Counting, stop_at: StopAt, days: int
    ) -> None:
        """The stored pair tells the count of every later day without the events."""
        policy = policy_with(stop_at=stop_at, counting=counting)
        case, assessment = assessed_stream(events, policy)
        clock, counted = assessment.clock, assessment.counted_workdays
        if clock is None or counted is None:
            assert case.status is Status.UNACCEPTED
            return
        last = max(local_date(e.time) for e in events if e.event_type is not EventType.RETRACTED)
        today = max(last, clock.accepted_on) + timedelta(days=days)
        since = assessment.running_since
        w = published_calendar().workdays_between

        by_formula = counted if since is None else max(0, counted + w(since, today))

        at_rest = local_date(case.ended_at) if case.ended_at else today
        assert clock.workdays_on(min(at_rest, today)) == by_formula
        assert (since is not None) == (case.status is Status.RUNNING)

    @given(made_up_calendars(), st.integers(0, 200), countings, st.integers(0, 60))
    @PROPERTY
    def test_row_formula_on_made_up_calendars(
        self, made_up: MadeUpCalendar, offset: int, counting: Counting, days: int
    ) -> None:
        """The formula holds from acceptance on, rest days before day 0 included."""
        calendar = made_up.calendar
        first = date(2030, 1, 1) + timedelta(days=offset)
        case, assessment = assessed(
            accepted(first.isoformat()),
            policy=replace(policy_with(counting=counting), effective_to=None),
            calendar=calendar,
        )
        today = first + timedelta(days=days)
        clock, counted, since = (
            assessment.clock,
            assessment.counted_workdays,
            assessment.running_since,
        )

        assert case.status is Status.RUNNING
        assert clock is not None
        assert counted is not None
        assert since is not None
        by_formula = max(0, counted + calendar.workdays_between(since, today))
        assert clock.workdays_on(today) == by_formula

    @given(event_streams(), days_after)
    @PROPERTY
    def test_verdict_of_an_open_case_follows_its_count(
        self, events: list[CaseEvent], today: date
    ) -> None:
        """A running case is late when over its limit, at risk with one workday left at most."""
        case, assessment = assessed_stream(events, HUNAN)
        if case.status is not Status.RUNNING:
            return
        clock, limit = assessment.clock, assessment.limit_workdays
        assert clock is not None
        assert limit is not None
        workdays = clock.workdays_on(today)

        expected = Verdict.ON_TRACK
        if workdays > limit:
            expected = Verdict.BREACHED
        elif workdays >= limit - 1:
            expected = Verdict.AT_RISK
        assert expected == verdict_at(assessment, midnight(today))

    @given(event_streams(), countings, stops)
    @PROPERTY
    def test_stages_add_up(
        self, events: list[CaseEvent], counting: Counting, stop_at: StopAt
    ) -> None:
        """Up to the stop the stages make up the workdays, and no stage is negative."""
        policy = policy_with(stop_at=stop_at, counting=counting)
        case, assessment = assessed_stream(events, policy)
        found = assessment.stages

        assert len(found) == len(case.milestones)
        assert all(stage.workdays >= 0 for stage in found)
        if case.status is Status.STOPPED:
            ended = case.ended_at
            last = max(n for n, m in enumerate(case.milestones) if m.at == ended)
            assert assessment.counted_workdays == sum(s.workdays for s in found[: last + 1])

    @given(event_streams(with_retractions=False), st.integers(0, 45 * 24), st.integers(0, 200))
    @PROPERTY
    def test_another_suspension_never_brings_the_due_date_nearer(
        self, events: list[CaseEvent], start: int, hours: int
    ) -> None:
        """To suspend a case once more can only postpone its due date or take it away."""
        linear = [e for e in events if e.event_type in (EventType.ACCEPTED, EventType.REVIEWED)]
        begin = instant("2024-02-01") + timedelta(hours=start)
        pause = [
            suspended(begin.replace(tzinfo=None).isoformat()),
            resumed((begin + timedelta(hours=hours)).replace(tzinfo=None).isoformat()),
        ]
        _, before = assessed_stream(linear, HUNAN)
        _, after = assessed_stream([*linear, *pause], HUNAN)

        assert (before.due_date is None) == (after.due_date is None)
        if before.due_date is not None and after.due_date is not None:
            assert before.due_date <= after.due_date

    @given(event_streams(), countings, days_after)
    @PROPERTY
    def test_judgement_is_consistent(
        self, events: list[CaseEvent], counting: Counting, today: date
    ) -> None:
        """Counts are never negative, and running and paused workdays make up the gross."""
        case, assessment = assessed_stream(events, policy_with(counting=counting))
        actual = judge(case, assessment, published_calendar(), midnight(today))

        if actual.workdays is None:
            assert (None, None) == (actual.gross_workdays, actual.paused_workdays)
            return
        assert actual.gross_workdays is not None
        assert actual.paused_workdays is not None
        assert actual.workdays >= 0
        assert actual.paused_workdays >= 0
        assert actual.gross_workdays == actual.workdays + actual.paused_workdays


def test_retraction_reopens_a_judged_case() -> None:
    """A voucher taken back leaves a case running, and late by its own clock."""
    voucher = voucher_issued(TUESDAY)

    actual = judged("2024-03-11", accepted(MONDAY), voucher, retracted(WEDNESDAY, voucher))

    assert (Verdict.BREACHED, 5) == (actual.verdict, actual.workdays)


def test_day_0_policy_moves_every_instant() -> None:
    """Accepted on a Saturday under day 0: Monday is 0, so Friday is due and Monday late."""
    policy = policy_with(counting=Counting(non_workday_start=NonWorkdayStart.DAY_0))
    _, assessment = assessed(accepted("2024-03-09T10:00"), policy=policy)

    assert (instant("2024-03-14"), day("2024-03-15"), instant("2024-03-18")) == (
        assessment.at_risk_at,
        assessment.due_date,
        assessment.breach_at,
    )


def test_a_warning_as_early_as_acceptance_waits_for_a_workday() -> None:
    """With a limit of 1 a case accepted on Saturday is at risk from Monday, its due date."""
    policy = replace(HUNAN, limits={}, default_limit=1)
    _, assessment = assessed(accepted("2024-03-09T10:00"), policy=policy)

    assert (instant("2024-03-11"), day("2024-03-11"), instant("2024-03-12")) == (
        assessment.at_risk_at,
        assessment.due_date,
        assessment.breach_at,
    )


def test_an_included_rest_day_is_a_due_date_of_its_own() -> None:
    """Where the start day counts, a limit of 1 is reached on Saturday and exceeded on Monday."""
    counting = Counting(start_day=StartDay.INCLUDED)
    policy = replace(policy_with(counting=counting), limits={}, default_limit=1)
    _, assessment = assessed(accepted("2024-03-09T10:00"), policy=policy)

    assert (day("2024-03-09"), instant("2024-03-11")) == (
        assessment.due_date,
        assessment.breach_at,
    )
