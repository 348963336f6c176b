"""The versions of one year of the calendar or of one policy: what it said, since when, by whom.

Every state of all rules is kept with its moment; a version of one part begins where that part is
not what it was in the state before.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Generic, TypeVar

from rebate_monitor.domain.known_then import BroughtBy, KnownRules
from rebate_monitor.domain.policy import Policy
from rebate_monitor.domain.rulebook import Rulebook
from rebate_monitor.domain.work_calendar import YearNotice

Part = TypeVar("Part")


@dataclass(frozen=True, slots=True, kw_only=True)
class PartVersion(Generic[Part]):
    """One version: its number from 1 on, since when it is known, who brought it, and what it says.

    `rules` is the number of the state of all rules that it came with; `part` is None where a policy
    was withdrawn.
    """

    number: int
    rules: int
    known_since: datetime
    brought: BroughtBy
    part: Part | None


def policy_versions(known: Sequence[KnownRules], policy_id: str) -> tuple[PartVersion[Policy], ...]:
    """Return the versions of a policy, the first one first; nothing where it was never known."""

    def policy(rulebook: Rulebook) -> Policy | None:
        return next((p for p in rulebook.policies.policies if p.id == policy_id), None)

    return tuple(_versions(known, policy))


def calendar_versions(
    known: Sequence[KnownRules], year: int
) -> tuple[PartVersion[YearNotice], ...]:
    """Return the versions of a year of the calendar, the first one first."""
    return tuple(_versions(known, lambda rulebook: rulebook.calendar.notices.get(year)))


def _versions(
    known: Sequence[KnownRules], read: Callable[[Rulebook], Part | None]
) -> Iterator[PartVersion[Part]]:
    before: Part | None = None
    number = 0
    for rules in known:
        part = read(rules.rulebook)
        if part != before:
            number += 1
            yield PartVersion(
                number=number,
                rules=rules.number,
                known_since=rules.known_since,
                brought=rules.brought,
                part=part,
            )
        before = part
