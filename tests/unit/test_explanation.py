"""A count taken apart by day: the days that were counted are the case's workdays."""

import string
from dataclasses import replace
from datetime import timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain_builders import (
    HUNAN,
    accepted,
    approved,
    assessed,
    countings,
    event_streams,
    instant,
    paid,
    policies,
    policy_with,
    published_calendar,
    rejected,
    resumed,
    stops,
    suspended,
    voucher_issued,
    withdrawn,
)
from rebate_monitor.calendar_sources import work_calendar
from rebate_monitor.catalogue import Language, catalogue
from rebate_monitor.domain.assessment import judge
from rebate_monitor.domain.case import Anomaly, fold
from rebate_monitor.domain.event import CaseEvent, Category, SuspensionReason
from rebate_monitor.domain.explanation import Because, ExplainedDay, explained_days
from rebate_monitor.domain.policy import (
    AfterExpiry,
    Counting,
    NonWorkdayStart,
    Policy,
    StartDay,
    StopAt,
)
from rebate_monitor.domain.rulebook import Rulebook
from rebate_monitor.explaining.explain import FOLDER, Explanation

VERIFICATION = SuspensionReason.VERIFICATION


def days_of(when: str, *events: CaseEvent, policy: Policy = HUNAN) -> tuple[ExplainedDay, ...]:
    """Explain a case at an instant."""
    case, assessment = assessed(*events, policy=policy)
    return explained_days(case, assessment, published_calendar(), instant(when))


def told(
    when: str, *events: CaseEvent, policy: Policy = HUNAN, language: Language = Language.ZH
) -> Explanation:
    """Explain a case in words."""
    rulebook = Rulebook(policies=policies(policy), calendar=published_calendar())
    return Explanation(
        case=rulebook.fold("c", events),
        rulebook=rulebook,
        now=instant(when),
        language=language,
        sensitive=True,
    )


def rules_of(when: str, *events: CaseEvent, policy: Policy = HUNAN) -> list[str]:
    """Return the names of the rules that an explanation tells."""
    return [sentence.rule for sentence in told(when, *events, policy=policy).rules]


def test_national_day_2025() -> None:
    """A suspended case around the holidays: each day has the one reason that decides it."""
    days = days_of(
        "2025-10-20",
        accepted("2025-09-26T10:00"),
        suspended("2025-09-29T10:00", VERIFICATION),
        resumed("2025-10-09T10:00"),
        voucher_issued("2025-10-11T10:00"),
    )

    assert [
        ("09-26", False, "start_day", None, 0),
        ("09-27", False, "weekend", None, 0),
        ("09-28", True, "makeup_workday", "国庆节", 1),
        ("09-29", True, "workday", None, 2),
        ("09-30", False, "suspended", None, 2),
        *((f"10-0{n}", False, "day_off", "国庆节", 2) for n in range(1, 6)),
        ("10-06", False, "day_off", "中秋节", 2),
        *((f"10-0{n}", False, "day_off", "国庆节", 2) for n in range(7, 9)),
        ("10-09", False, "suspended", None, 2),
        ("10-10", True, "workday", None, 3),
        ("10-11", True, "makeup_workday", "国庆节", 4),
    ] == [(f"{d.date:%m-%d}", d.counted, d.because, d.name, d.running_total) for d in days]
    assert "国务院办公厅关于2025年部分节假日安排的通知" == days[2].notice
    assert VERIFICATION is days[4].reason


def test_the_reason_is_that_of_the_suspension_that_pauses() -> None:
    """A supplement under which the clock runs on is not why it stands still later."""
    days = days_of(
        "2024-03-07T12:00",
        accepted("2024-03-04"),
        suspended("2024-03-04T10:00", SuspensionReason.SUPPLEMENT),
        suspended("2024-03-06", VERIFICATION),
    )

    assert [None, None, None, VERIFICATION] == [day.reason for day in days]
    assert [0, 1, 2, 2] == [day.running_total for day in days]


def test_an_unaccepted_case_has_no_days() -> None:
    """Without an acceptance there is nothing to count."""
    assert () == days_of("2024-03-08", voucher_issued("2024-03-04"))


@pytest.mark.parametrize(
    ("non_workday_start", "expected"),
    [
        (NonWorkdayStart.DAY_1, [("start_day", 0), ("weekend", 0), ("workday", 1)]),
        (NonWorkdayStart.DAY_0, [("start_day", 0), ("weekend", 0), ("start_day", 0)]),
    ],
)
def test_a_start_on_a_rest_day(
    non_workday_start: NonWorkdayStart, expected: list[tuple[str, int]]
) -> None:
    """The policy says whether the Monday after a Saturday is day 1 or stands for the start."""
    policy = policy_with(counting=Counting(non_workday_start=non_workday_start))
    days = days_of("2024-03-11T12:00", accepted("2024-03-09T10:00"), policy=policy)

    assert expected == [(str(day.because), day.running_total) for day in days]


def test_a_start_day_that_counts() -> None:
    """A policy may count the day of acceptance; it still says start_day."""
    policy = policy_with(counting=Counting(start_day=StartDay.INCLUDED))
    (day,) = days_of("2024-03-04T12:00", accepted("2024-03-04T10:00"), policy=policy)

    assert (True, Because.START_DAY, 1) == (day.counted, day.because, day.running_total)


def test_estimated_days_say_so() -> None:
    """A day of a year that nobody has published is an estimate."""
    assert days_of("2027-03-02", accepted("2027-03-01"))[-1].provisional


@given(event_streams(), countings, stops, st.integers(0, 60))
def test_the_days_add_up(
    events: list[CaseEvent], counting: Counting, stop_at: StopAt, later: int
) -> None:
    """Counted days are the workdays, suspended ones the paused workdays, and none is left out."""
    policy = policy_with(stop_at=stop_at, counting=counting)
    case = fold("c", events, policies(policy))
    rulebook = Rulebook(policies=policies(policy), calendar=published_calendar())
    assessment = rulebook.assess_case(case)
    now = max([instant("2024-06-01"), *(e.time for e in events)]) + timedelta(days=later)
    judged = judge(case, assessment, rulebook.calendar, now)
    days = explained_days(case, assessment, rulebook.calendar, now)

    assert sum(day.counted for day in days) == (judged.workdays or 0)
    assert sum(day.because is Because.SUSPENDED for day in days) == (judged.paused_workdays or 0)
    assert all((day.reason is None) == (day.because is not Because.SUSPENDED) for day in days)
    assert [day.date for day in days] == sorted({day.date for day in days})
    assert all(
        after.running_total - before.running_total == after.counted
        for before, after in pairwise(days)
    )


@given(event_streams(), countings, stops, st.sampled_from(Language))
def test_every_case_can_be_told(
    events: list[CaseEvent], counting: Counting, stop_at: StopAt, language: Language
) -> None:
    """Whatever happened, in both languages there are sentences without a hole."""
    policy = policy_with(stop_at=stop_at, counting=counting)
    explanation = told("2024-06-01", *events, policy=policy, language=language)
    texts = [sentence.text for sentence in explanation.rules]

    assert all(texts)
    assert not [text for text in texts if "{" in text or "None" in text]
    assert {f"anomaly.{a}" for a in explanation.case.anomalies} <= {
        sentence.rule for sentence in explanation.rules
    }


def test_a_stopped_case_in_words() -> None:
    """The rules stand in the order in which they decide."""
    assert [
        "start.excluded",
        "stop.voucher_issued",
        "stop.stopped",
        "suspension.ended",
        "days.counted",
        "total.paused",
        "limit.known",
        "due.running",
        "verdict.met",
        "mean.excluded",
    ] == rules_of(
        "2024-03-20",
        accepted("2024-03-04"),
        suspended("2024-03-05", VERIFICATION),
        resumed("2024-03-07"),
        voucher_issued("2024-03-08"),
    )


ON_MONDAY = accepted("2024-03-04")
ON_SATURDAY = accepted("2024-03-09")
LAPSED = accepted("2026-03-02")
NO_REFUND = approved("2024-03-05", cash_refund=False)
SATURDAY_IS_MONDAY = policy_with(counting=Counting(non_workday_start=NonWorkdayStart.DAY_0))
FIRST_DAY_COUNTS = policy_with(counting=Counting(start_day=StartDay.INCLUDED))
NOT_CARRIED_OVER = replace(HUNAN, after_expiry=AfterExpiry.NONE)
RULES: dict[str, tuple[tuple[CaseEvent, ...], Policy]] = {
    "limit.unknown": ((accepted("2024-03-04", category=None),), HUNAN),
    "limit.lapsed": ((LAPSED,), HUNAN),
    "limit.before_policies": ((accepted("2020-03-02"),), HUNAN),
    "limit.after_expiry": ((LAPSED,), NOT_CARRIED_OVER),
    "stop.no_refund": ((ON_MONDAY, NO_REFUND), HUNAN),
    "stop.paid_without_stop": ((ON_MONDAY, paid("2024-03-05")), HUNAN),
    "stop.rejected": ((ON_MONDAY, rejected("2024-03-05")), HUNAN),
    "stop.withdrawn": ((ON_MONDAY, withdrawn("2024-03-05")), HUNAN),
    "due.paused": ((ON_MONDAY, suspended("2024-03-05")), HUNAN),
    "suspension.lasting": ((ON_MONDAY, suspended("2024-03-05")), HUNAN),
    "days.provisional": ((accepted("2027-03-01"),), HUNAN),
    "mean.ended": ((ON_MONDAY, withdrawn("2024-03-05")), HUNAN),
    "mean.counts": ((ON_MONDAY, voucher_issued("2024-03-05")), HUNAN),
    "mean.will_count": ((ON_MONDAY,), HUNAN),
    "start.unaccepted": ((voucher_issued("2024-03-04"),), HUNAN),
    "start.rest_day_is_day_1": ((ON_SATURDAY,), HUNAN),
    "start.rest_day_is_day_0": ((ON_SATURDAY,), SATURDAY_IS_MONDAY),
    "start.included": ((ON_MONDAY,), FIRST_DAY_COUNTS),
}


@pytest.mark.parametrize("rule", RULES)
def test_each_rule_is_told_where_it_decides(rule: str) -> None:
    """What decides a case is among its sentences."""
    events, policy = RULES[rule]
    when = f"{max(event.time for event in events):%Y-%m-%dT%H:%M}"

    assert rule in rules_of(when, *events, policy=policy)


@pytest.mark.parametrize(
    ("language", "text"),
    [
        (Language.ZH, "受理时管理类别为一类，办理时限3个工作日。"),
        (Language.EN, "Category I at acceptance: the limit is 3 workdays."),
    ],
)
def test_words(language: Language, text: str) -> None:
    """A sentence reads as a person would write it."""
    explanation = told("2024-03-04", accepted("2024-03-04", category=Category.I), language=language)

    assert text in [sentence.text for sentence in explanation.rules]


def test_days_have_english_names() -> None:
    """Every name that notices and estimates use can be told in English."""
    explanation = told("2024-03-04", ON_MONDAY, language=Language.EN)
    notices = work_calendar().notices.values()
    named = {special.name for notice in notices for special in notice.days.values()}
    translated = {name: explanation.holiday(name) for name in named}

    assert "National Day" == translated["国庆节"]
    assert {} == {n: text for n, text in translated.items() if not text or not text.isascii()}


def test_languages_have_the_same_phrases() -> None:
    """A phrase that one language lacks, or that takes other values, cannot be added."""
    zh, en = (
        {
            key: {name for _, name, _, _ in string.Formatter().parse(phrase) if name}
            for key, phrase in catalogue(FOLDER, language).phrases.items()
            if not key.startswith("holiday.")
        }
        for language in Language
    )

    assert zh == en
    assert {f"anomaly.{anomaly}" for anomaly in Anomaly} <= set(zh)
    assert {f"because.{because}" for because in Because} <= set(zh)
    assert {f"reason.{reason}" for reason in (*SuspensionReason, "withheld")} <= set(zh)
