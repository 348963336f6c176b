"""What was believed when: always what one would have folded at that moment from what was there."""

import itertools
from dataclasses import replace
from datetime import date, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from domain_builders import (
    CASE_ID,
    HUNAN,
    accepted,
    event_streams,
    instant,
    policies,
    published_calendar,
    resumed,
    retracted,
    suspended,
    voucher_issued,
)
from rebate_monitor.domain.assessment import Verdict, judge, verdict_at
from rebate_monitor.domain.case import Status
from rebate_monitor.domain.event import CaseEvent, SuspensionReason
from rebate_monitor.domain.known_then import (
    MOST_MOMENTS,
    Belief,
    KnownRules,
    Receipt,
    RulesPart,
    history,
    received_by,
    rules_at,
)
from rebate_monitor.domain.policy import Policy, PolicyBook
from rebate_monitor.domain.rulebook import Rulebook
from rebate_monitor.domain.work_calendar import DayKind, SpecialDay, WorkCalendar

LONG_AGO = instant("2000-01-01")


def rulebook(policy: Policy = HUNAN, calendar: WorkCalendar | None = None) -> Rulebook:
    return Rulebook(policies=policies(policy), calendar=calendar or published_calendar())


RULES = [KnownRules(known_since=LONG_AGO, rulebook=rulebook())]


def received(when: str, *events: CaseEvent) -> list[Receipt]:
    return [Receipt(received_at=instant(when), event=event) for event in events]


def at_once(event: CaseEvent) -> Receipt:
    return Receipt(received_at=event.time, event=event)


STRICTER = replace(HUNAN, default_limit=1, limits={})


def told(
    receipts: list[Receipt], now: str, rules: list[KnownRules] | None = None
) -> list[tuple[str, str, str]]:
    """Return each belief as its moment, its verdict and its cause."""
    beliefs = history(CASE_ID, receipts, rules or RULES, instant(now)).changes
    return [(f"{b.known_at:%m-%d}", str(b.verdict), cause(b)) for b in beliefs]


def cause(belief: Belief) -> str:
    if belief.events:
        return "+".join(event.event_type.removeprefix("rebate.") for event in belief.events)
    return "+".join(belief.turned) or "time"


def test_time_alone_changes_the_verdict() -> None:
    """A case that nobody touches is at risk, then breached, because time passed."""
    assert [
        ("03-04", "on_track", "case.accepted"),
        ("03-07", "at_risk", "time"),
        ("03-11", "breached", "time"),
    ] == told([at_once(accepted("2024-03-04T09:00"))], "2024-03-20")


def test_a_late_fact_changes_what_was_believed() -> None:
    """A voucher that is told too late: until then the case was believed to be breached."""
    receipts = [
        at_once(accepted("2024-03-04T09:00")),
        *received("2024-03-15T10:00", voucher_issued("2024-03-06T09:00")),
    ]

    assert [
        ("03-04", "on_track", "case.accepted"),
        ("03-07", "at_risk", "time"),
        ("03-11", "breached", "time"),
        ("03-15", "met", "case.voucher_issued"),
    ] == told(receipts, "2024-03-20")


def test_a_retraction_is_a_cause() -> None:
    """When an end is taken back the case is open again, and late."""
    stopped = voucher_issued("2024-03-06T09:00")
    receipts = [
        at_once(accepted("2024-03-04T09:00")),
        at_once(stopped),
        *received("2024-03-15T10:00", retracted("2024-03-15T10:00", stopped.id)),
    ]

    assert [
        ("03-04", "on_track", "case.accepted"),
        ("03-06", "met", "case.voucher_issued"),
        ("03-15", "breached", "event.retracted"),
    ] == told(receipts, "2024-03-20")


def test_leaving_the_mean_is_a_change() -> None:
    """A suspension that excludes changes what is believed, though not the verdict."""
    receipts = [
        at_once(accepted("2024-03-04T09:00")),
        at_once(suspended("2024-03-05T09:00", SuspensionReason.HOLD)),
    ]
    last = history(CASE_ID, receipts, RULES, instant("2024-03-20")).changes[-1]

    assert (Verdict.ON_TRACK, Status.SUSPENDED, False, 1) == (
        last.verdict,
        last.status,
        last.normal,
        last.workdays,
    )


def test_what_changes_nothing_is_not_told() -> None:
    """A repeated fact, or one that moves no verdict, is no change of belief."""
    receipts = [
        at_once(accepted("2024-03-04T09:00")),
        at_once(suspended("2024-03-05T09:00", SuspensionReason.SUPPLEMENT)),
    ]

    assert 1 == len(told(receipts, "2024-03-06T09:00"))


def test_a_new_policy_is_a_cause() -> None:
    """A limit that is corrected later changes the belief from then on, and names its version."""
    rules = [*RULES, KnownRules(known_since=instant("2024-03-15"), rulebook=rulebook(STRICTER))]
    receipts = [
        at_once(accepted("2024-03-04T09:00")),
        at_once(voucher_issued("2024-03-06T09:00")),
    ]
    beliefs = history(CASE_ID, receipts, rules, instant("2024-03-20")).changes

    assert [("03-04", "on_track", "case.accepted"), ("03-06", "met", "case.voucher_issued")] == (
        told(receipts, "2024-03-14", rules)
    )
    assert (instant("2024-03-15"), Verdict.MISSED, (RulesPart.POLICY,), STRICTER.version) == (
        beliefs[-1].known_at,
        beliefs[-1].verdict,
        beliefs[-1].turned,
        beliefs[-1].policy,
    )


def test_a_new_calendar_is_a_cause() -> None:
    """A day off that is announced after the fact changes the count of a stopped case."""
    amended = day_off(date(2024, 3, 6))
    rules = [
        *RULES,
        KnownRules(known_since=instant("2024-03-15"), rulebook=rulebook(calendar=amended)),
    ]
    receipts = [
        at_once(accepted("2024-03-04T09:00")),
        at_once(voucher_issued("2024-03-11T09:00")),
    ]
    beliefs = history(CASE_ID, receipts, rules, instant("2024-03-20")).changes

    assert [Verdict.MISSED, Verdict.MET] == [b.verdict for b in beliefs[-2:]]
    assert [(), (RulesPart.CALENDAR,)] == [b.turned for b in beliefs[-2:]]
    assert amended.version == beliefs[-1].calendar


def day_off(on: date) -> WorkCalendar:
    notices = dict(published_calendar().notices)
    announced = {on: SpecialDay(kind=DayKind.DAY_OFF, name="x")}
    notices[on.year] = replace(notices[on.year], days=dict(notices[on.year].days) | announced)
    return WorkCalendar(notices.values())


STOPPED_LATE = [
    at_once(accepted("2024-03-04T09:00")),
    at_once(voucher_issued("2024-03-11T09:00")),
]


def test_a_policy_and_a_calendar_that_come_together_are_both_causes() -> None:
    """A version of the rules with another policy and another calendar names both."""
    laxer = rulebook(replace(HUNAN, default_limit=9, limits={}), day_off(date(2024, 3, 6)))
    rules = [*RULES, KnownRules(known_since=instant("2024-03-15"), rulebook=laxer)]

    assert ("03-15", "met", "policy+calendar") == told(STOPPED_LATE, "2024-03-20", rules)[-1]


def test_a_policy_that_is_withdrawn_is_a_cause() -> None:
    """Where an older policy judges again, or none, the policy is what changed."""
    laxer = replace(HUNAN, id="laxer", effective_from=date(2024, 3, 1), default_limit=9, limits={})
    before = replace(HUNAN, effective_to=date(2024, 2, 29))
    both = Rulebook(policies=PolicyBook([before, laxer]), calendar=published_calendar())
    older = rulebook(before)
    none = replace(older, policies=PolicyBook([]))
    rules = [
        KnownRules(known_since=instant(since), rulebook=book, number=number)
        for number, (since, book) in enumerate(
            [("2000-01-01", both), ("2024-03-15", older), ("2024-03-16", none)], 1
        )
    ]
    beliefs = history(CASE_ID, STOPPED_LATE, rules, instant("2024-03-20")).changes

    assert [
        ("03-11", "met", "case.voucher_issued"),
        ("03-15", "missed", "policy"),
        ("03-16", "not_applicable", "policy"),
    ] == told(STOPPED_LATE, "2024-03-20", rules)[-3:]
    assert [(laxer.version, 1), (before.version, 2), (None, 3)] == [
        (belief.policy, belief.rules) for belief in beliefs[-3:]
    ]


def test_every_belief_names_the_rules_of_then() -> None:
    """A change by an event or by time says by which policy and calendar it was judged, too."""
    amended = day_off(date(2024, 3, 6))
    rules = [
        *RULES,
        KnownRules(known_since=instant("2024-03-05"), rulebook=rulebook(HUNAN, amended)),
    ]
    beliefs = history(CASE_ID, STOPPED_LATE, rules, instant("2024-03-20")).changes

    assert ["case.accepted", "time", "case.voucher_issued"] == [cause(b) for b in beliefs]
    assert [HUNAN.version] * 3 == [b.policy for b in beliefs]
    assert [published_calendar().version, amended.version, amended.version] == [
        b.calendar for b in beliefs
    ]


def test_rules_do_not_turn_for_a_case_that_is_not_accepted() -> None:
    """What judges a case follows from its acceptance: before it no policy does."""
    rules = [*RULES, KnownRules(known_since=instant("2024-03-15"), rulebook=rulebook(STRICTER))]
    receipts = [at_once(suspended("2024-03-05T09:00", SuspensionReason.HOLD))]
    beliefs = history(CASE_ID, receipts, rules, instant("2024-03-20")).changes

    assert [None] == [belief.policy for belief in beliefs]


def test_rules_that_come_with_an_event_are_not_its_cause() -> None:
    """An event at the very moment of other rules is what the change is put down to."""
    rules = [
        *RULES,
        KnownRules(known_since=instant("2024-03-11T09:00"), rulebook=rulebook(STRICTER)),
    ]

    assert ("03-11", "missed", "case.voucher_issued") == (
        told(STOPPED_LATE, "2024-03-20", rules)[-1]
    )


def test_a_long_history_may_begin_with_a_turn_of_the_rules() -> None:
    """The first moment that is looked at has its cause, though what was before is left out."""
    back_and_forth = [
        at_once((suspended, resumed)[n % 2](f"2024-03-{12 + n // 24:02}T{n % 24:02}:00"))
        for n in range(MOST_MOMENTS - 1)
    ]
    rules = [
        *RULES,
        KnownRules(known_since=instant("2024-03-11T10:00"), rulebook=rulebook(STRICTER)),
    ]
    receipts = [at_once(accepted("2024-03-11T09:00")), *back_and_forth]
    told_of = history(CASE_ID, receipts, rules, instant("2024-04-01"))

    assert (1, "policy") == (told_of.omitted, cause(told_of.changes[0]))


def test_an_import_is_known_from_the_day_it_came() -> None:
    """Years of history that arrive at once are believed from that moment, not before."""
    receipts = received(
        "2024-06-01", accepted("2024-03-04T09:00"), voucher_issued("2024-03-20T09:00")
    )

    assert [("06-01", "missed", "case.accepted+case.voucher_issued")] == (
        told(receipts, "2024-06-02")
    )


def test_a_clock_ahead_does_not_hide_what_it_received() -> None:
    """An event that a replica with a fast clock received counts as received now."""
    receipts = received("2024-03-04T09:00:05", accepted("2024-03-04T09:00"))

    assert [("03-04", "on_track", "case.accepted")] == told(receipts, "2024-03-04T09:00:01")


def test_a_case_of_very_many_events_is_told_from_its_end() -> None:
    """Each moment of new knowledge is a fold of its own, so only the last ones are looked at."""
    back_and_forth = [
        make(f"2024-03-{4 + n // 480:02}T{n // 20 % 24:02}:{n % 20 * 3:02}")
        for n in range(1, 300)
        for make in ((suspended, resumed)[n % 2],)
    ]
    receipts = [at_once(event) for event in (accepted("2024-03-04T00:00"), *back_and_forth)]
    told_of = history(CASE_ID, receipts, RULES, instant("2024-04-01"))
    last = told_of.changes[-1]

    assert 300 - MOST_MOMENTS == told_of.omitted
    assert expected(receipts, RULES, instant("2024-04-01")) == (
        last.verdict,
        last.status,
        last.normal,
        last.workdays,
    )


def test_the_first_rules_were_known_always() -> None:
    """Before anything was written down the service went by the first rules that it kept."""
    late = [KnownRules(known_since=instant("2024-06-01"), rulebook=rulebook())]

    assert late[0].rulebook is rules_at(late, LONG_AGO)


DELAYS = st.lists(st.integers(0, 40 * 24), min_size=20, max_size=20)


@given(event_streams(), DELAYS, st.integers(0, 100 * 24), st.integers(0, 60 * 24))
def test_a_belief_is_what_one_would_have_folded(
    events: list[CaseEvent], delays: list[int], probed: int, turned: int
) -> None:
    """At any moment the belief in force is a fold over what had arrived, by the rules of then."""
    receipts = [
        Receipt(received_at=event.time + timedelta(hours=delay), event=event)
        for event, delay in zip(events, delays * 10, strict=False)
    ]
    start = min((r.received_at for r in receipts), default=LONG_AGO)
    stricter = rulebook(replace(HUNAN, default_limit=2))
    turn = KnownRules(known_since=start + timedelta(hours=turned), rulebook=stricter)
    rules = [*RULES, turn]
    moment = start + timedelta(hours=probed)
    latest = max((r.received_at for r in receipts), default=moment)
    beliefs = [
        b
        for b in history(CASE_ID, receipts, rules, max(moment, latest) + timedelta(days=90)).changes
        if b.known_at <= moment
    ]

    assert bool(beliefs) == bool(receipts)
    assert [] == [b for a, b in itertools.pairwise(beliefs) if b.is_as(a)]
    if beliefs:
        assert expected(receipts, rules, moment) == (
            beliefs[-1].verdict,
            beliefs[-1].status,
            beliefs[-1].normal,
            beliefs[-1].workdays,
        )


def expected(
    receipts: list[Receipt], rules: list[KnownRules], moment: datetime
) -> tuple[Verdict, Status, bool, int | None]:
    """Fold what had arrived and judge it at that moment, with no history at all."""
    book = rules_at(rules, moment)
    case, assessment = book.assess(CASE_ID, received_by(receipts, moment))
    count = judge(case, assessment, book.calendar, moment).workdays
    stands_still = case.status is not Status.RUNNING
    return (
        verdict_at(assessment, moment),
        case.status,
        assessment.normal,
        count if stands_still else None,
    )
