"""Versions of one policy or one year, read off the states of all rules."""

from dataclasses import replace

from domain_builders import HUNAN, instant, policies, published_calendar, year_notice
from rebate_monitor.domain.known_then import BroughtBy, KnownRules
from rebate_monitor.domain.policy import PolicyBook
from rebate_monitor.domain.rule_versions import calendar_versions, policy_versions
from rebate_monitor.domain.rulebook import Rulebook
from rebate_monitor.domain.work_calendar import WorkCalendar

FIRST = Rulebook(policies=policies(), calendar=published_calendar())
STRICTER = replace(HUNAN, default_limit=3)
AMENDED = year_notice(2024, off=["2024-01-01"], title="an amendment")
CALENDAR = WorkCalendar({**published_calendar().notices, 2024: AMENDED}.values())
KNOWN = [
    KnownRules(known_since=instant("2024-01-01"), rulebook=FIRST, number=1),
    KnownRules(
        known_since=instant("2024-02-01"),
        rulebook=replace(FIRST, calendar=CALENDAR),
        number=2,
        brought=BroughtBy(because="import", by="王小明"),
    ),
    KnownRules(
        known_since=instant("2024-03-01"),
        rulebook=Rulebook(policies=policies(STRICTER), calendar=CALENDAR),
        number=3,
        brought=BroughtBy(because="apply", by="李红"),
    ),
    KnownRules(
        known_since=instant("2024-04-01"),
        rulebook=Rulebook(policies=PolicyBook([]), calendar=CALENDAR),
        number=4,
        brought=BroughtBy(because="withdraw", by="李红"),
    ),
]


def test_versions_of_a_policy() -> None:
    """Each wording with its moment and who brought it, and at last that there is none."""
    told = policy_versions(KNOWN, HUNAN.id)

    assert [(1, 1, HUNAN, "start"), (2, 3, STRICTER, "apply"), (3, 4, None, "withdraw")] == [
        (version.number, version.rules, version.part, version.brought.because) for version in told
    ]
    assert () == policy_versions(KNOWN, "unknown")


def test_versions_of_a_year() -> None:
    """A year that did not change has one version, another policy makes none."""
    told = calendar_versions(KNOWN, 2024)

    assert [(1, 1), (2, 2)] == [(version.number, version.rules) for version in told]
    assert (AMENDED, "王小明", instant("2024-02-01")) == (
        told[1].part,
        told[1].brought.by,
        told[1].known_since,
    )
    assert 1 == len(calendar_versions(KNOWN, 2023))
