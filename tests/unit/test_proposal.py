"""A proposal is checked before it is tried: field, problem and rule are named."""

from datetime import date
from typing import Any

import pytest

from domain_builders import policies, published_calendar
from rebate_monitor.domain.event import Category
from rebate_monitor.domain.rulebook import Rulebook
from rebate_monitor.proposal import Proposal, ProposalError, proposed_rules

PRESENT = Rulebook(policies=policies(), calendar=published_calendar())
POLICY: dict[str, Any] = {
    "id": "hunan-2025",
    "title": "x",
    "effective_from": "2025-01-01",
    "limits": {"default": 2},
}


def test_a_policy_is_added_or_replaces_one() -> None:
    """A new id is added behind the others, a known one replaces it."""
    added = proposed_rules(PRESENT, Proposal(policies=[POLICY]))
    replaced = proposed_rules(PRESENT, Proposal(policies=[{**POLICY, "id": "hunan-2023-46"}]))

    assert ["hunan-2023-46", "hunan-2025"] == [p.id for p in added.policies.policies]
    assert [date(2025, 1, 1)] == [p.effective_from for p in replaced.policies.policies]


def test_a_calendar_replaces_its_year() -> None:
    """Another notice of a year takes the place of the whole year's, and of no other."""
    days = [
        {"name": "春节", "date": "2026-02-17", "isOffDay": True},
        {"name": "春节", "date": "2026-02-28", "isOffDay": False},
        {"name": "元旦", "date": "2025-12-31", "isOffDay": True},
    ]
    told = {"year": 2026, "papers": ["https://example.gov.cn/1"], "days": days}
    calendar = proposed_rules(PRESENT, Proposal(calendar=told)).calendar

    assert "https://example.gov.cn/1" == calendar.day(date(2026, 2, 17)).notice
    assert calendar.day(date(2026, 2, 28)).workday
    assert not calendar.day(date(2025, 12, 31)).workday
    assert calendar.day(date(2026, 10, 1)).workday
    assert not calendar.day(date(2025, 10, 1)).workday


def test_limits() -> None:
    """`default` stands for everybody, a numeral for its category."""
    (policy,) = proposed_rules(PRESENT, Proposal(limits={"default": 3, "I": 2})).policies.policies

    assert (2, 3) == (policy.limit(Category.I), policy.limit(Category.IV))


WORKED_FRIDAY = {"name": "x", "date": "2026-10-09", "isOffDay": False}
BAD: dict[str, tuple[Proposal, str]] = {
    "nothing": (Proposal(), "nothing is proposed"),
    "category": (Proposal(limits={"V": 3}), "'V' is unknown; must be one of default, I, II"),
    "limit": (Proposal(limits={"I": 0}), "I: must be from 1 to 366 workdays"),
    "policy": (Proposal(policies=[{"id": "x"}]), 'policy "x": limits: is missing; must be a table'),
    "overlap": (
        Proposal(policies=[{**POLICY, "effective_from": "2024-06-01"}]),
        'while "hunan-2023-46" is in force',
    ),
    "year": (Proposal(calendar={"year": 1900, "days": []}), "calendar: "),
    "other year": (
        Proposal(
            calendar={"year": 2026, "days": [{"name": "x", "date": "2027-01-01", "isOffDay": True}]}
        ),
        "2027-01-01 is neither in 2026 nor in December of 2025",
    ),
    "twice": (
        Proposal(
            calendar={
                "year": 2026,
                "days": [{"name": "x", "date": "2026-10-01", "isOffDay": True}] * 2,
            }
        ),
        "2026-10-01 is told twice",
    ),
    "weekday": (
        Proposal(
            calendar={
                "year": 2026,
                "days": [{"name": "x", "date": "2026-10-09", "isOffDay": False}],
            }
        ),
        "2026-10-09 is a weekday",
    ),
}


@pytest.mark.parametrize("name", BAD)
def test_what_cannot_be_tried_is_told(name: str) -> None:
    """A proposal that makes no sense is refused with the reason."""
    proposal, said = BAD[name]

    with pytest.raises(ProposalError, match=said):
        proposed_rules(PRESENT, proposal)
