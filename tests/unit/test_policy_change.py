"""What differs between two wordings of a policy, and whether a case is judged by it."""

from dataclasses import fields, replace
from typing import Any

import pytest
from hypothesis import given

from domain_builders import HUNAN, day
from made_up_policies import made_up_policies
from rebate_monitor.domain.event import Category, SuspensionReason
from rebate_monitor.domain.policy import (
    DEFAULT_SUSPENSIONS,
    AfterExpiry,
    Counting,
    NonWorkdayStart,
    Policy,
    Rules,
    Scope,
    StartDay,
    StopAt,
    SuspensionEffect,
)
from rebate_monitor.domain.policy_change import PolicyChange, policy_difference


def change(field: str, before: str | None, after: str | None) -> PolicyChange:
    """Return a change."""
    return PolicyChange(field=field, before=before, after=after)


COUNTING = Counting(start_day=StartDay.INCLUDED, non_workday_start=NonWorkdayStart.DAY_0)
PAUSED = {**DEFAULT_SUSPENSIONS, SuspensionReason.SUPPLEMENT: SuspensionEffect.PAUSE}
CHANGES: dict[str, tuple[dict[str, Any], list[PolicyChange]]] = {
    "id": ({"id": "x"}, [change("id", "hunan-2023-46", "x")]),
    "title": ({"title": "通知"}, [change("title", "湘政办发〔2023〕46号", "通知")]),
    "title_en": ({"title_en": "Notice"}, [change("title_en", None, "Notice")]),
    "citation": ({"citation": "四日"}, [change("citation", None, "四日")]),
    "citation_en": ({"citation_en": "4 days"}, [change("citation_en", None, "4 days")]),
    "first day": (
        {"effective_from": day("2024-01-01")},
        [change("effective_from", "2023-10-26", "2024-01-01")],
    ),
    "last day": ({"effective_to": None}, [change("effective_to", "2024-12-31", None)]),
    "after expiry": (
        {"after_expiry": AfterExpiry.NONE},
        [change("after_expiry", "carry_over", "none")],
    ),
    "warning": ({"warn_workdays_left": 0}, [change("warn_workdays_left", "1", "0")]),
    "steps": (
        {"escalate_after_workdays": (1,)},
        [change("escalate_after_workdays", "[2, 4]", "[1]")],
    ),
    "limits": (
        {"limits": {Category.I: 2, Category.III: 5}},
        [
            change("limits.I", "3", "2"),
            change("limits.II", "3", None),
            change("limits.III", None, "5"),
        ],
    ),
    "general limit": ({"default_limit": 6}, [change("limits.default", "4", "6")]),
    "targets": (
        {"targets": {Scope.ALL: 4.5}},
        [change("targets.all", "4", "4.5"), change("targets.category_1_2", "3", None)],
    ),
    "same target": ({"targets": {Scope.ALL: 4.0, Scope.CATEGORY_1_2: 3.0}}, []),
    "stop": (
        {"rules": Rules(stop_at=StopAt.PAID)},
        [change("stop_at", "voucher_issued", "paid")],
    ),
    "immediate": (
        {"rules": Rules(immediate_within_workdays=1)},
        [change("immediate_within_workdays", "0", "1")],
    ),
    "counting": (
        {"rules": Rules(counting=COUNTING)},
        [
            change("counting.start_day", "excluded", "included"),
            change("counting.non_workday_start", "next_workday_is_day_1", "next_workday_is_day_0"),
        ],
    ),
    "suspensions": (
        {"rules": Rules(suspensions=PAUSED)},
        [change("suspensions.supplement", "run", "pause")],
    ),
}  # fmt: skip


@pytest.mark.parametrize(("other", "expected"), CHANGES.values(), ids=list(CHANGES))
def test_each_field(other: dict[str, Any], expected: list[PolicyChange]) -> None:
    """Every field that differs is told under its name in TOML, and none else."""
    assert tuple(expected) == policy_difference(HUNAN, replace(HUNAN, **other))


def test_no_field_is_forgotten() -> None:
    """Whatever a policy has is tried above, but its version, which follows from the rest."""
    tried = {name for other, _ in CHANGES.values() for name in other}

    assert {field.name for field in fields(Policy)} - {"version"} == tried


def test_a_new_policy_has_everything_to_tell() -> None:
    """Where there was none, all that the policy says is new; what it leaves out is not told."""
    told = policy_difference(None, HUNAN)

    assert {None} == {change.before for change in told}
    assert {"id": "hunan-2023-46", "limits.default": "4", "targets.all": "4"}.items() <= {
        change.field: change.after for change in told
    }.items()
    assert [] == [change.field for change in told if change.after is None]
    assert "citation" not in {change.field for change in told}


def test_a_withdrawn_policy_is_the_other_way_about() -> None:
    """What was there is gone."""
    new, gone = policy_difference(None, HUNAN), policy_difference(HUNAN, None)

    assert [(c.field, c.after, c.before) for c in new] == [
        (c.field, c.before, c.after) for c in gone
    ]


@pytest.mark.parametrize(
    ("field", "judges"),
    [
        ("title", False), ("title_en", False), ("citation", False), ("citation_en", False),
        ("targets.all", False), ("targets.category_1_2", False),
        ("id", True), ("limits.I", True), ("effective_to", True), ("warn_workdays_left", True),
    ],
)  # fmt: skip
def test_what_judges(field: str, *, judges: bool) -> None:
    """Words and means touch no case; all else does."""
    assert judges == change(field, None, "x").judges


@given(made_up_policies(), made_up_policies())
def test_judging_changes_are_those_of_the_version(before: Policy, after: Policy) -> None:
    """The version differs exactly where a field differs by which cases are judged."""
    for old, new in ((before, after), (before, replace(before, rules=after.rules))):
        told = policy_difference(old, new)

        assert (old.version != new.version) == any(change.judges for change in told)


@given(made_up_policies())
def test_nothing_differs_from_itself(policy: Policy) -> None:
    """The same wording has nothing to tell, and neither has no policy."""
    assert () == policy_difference(policy, replace(policy))
    assert () == policy_difference(None, None)
