"""What each version of the rules changed: a verdict can be traced to a notice or a policy."""

from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar

from rebate_monitor.domain.known_then import BroughtBy, KnownRules, RulesPart
from rebate_monitor.domain.policy import Policy
from rebate_monitor.domain.rule_versions import PartVersion, calendar_versions, policy_versions
from rebate_monitor.domain.rulebook import Rulebook
from rebate_monitor.domain.work_calendar import YearNotice

Name = TypeVar("Name", bound=Hashable)


@dataclass(frozen=True, slots=True, kw_only=True)
class RulesTurn:
    """A version of all rules against the one before it: what it changed, and who brought it.

    `policies` by their ids and `years` of the calendar have what is not as it was. The first
    version changed nothing.
    """

    number: int
    known_since: datetime
    brought: BroughtBy
    policies: Mapping[str, PartVersion[Policy]]
    years: Mapping[int, PartVersion[YearNotice]]


def turn_numbered(known: Sequence[KnownRules], number: int) -> RulesTurn | None:
    """Return what the version of a number changed; None where there is no such version."""
    place = next((place for place, rules in enumerate(known) if rules.number == number), None)
    return None if place is None else _turn(known, place)


def turn_behind(
    known: Sequence[KnownRules],
    part: RulesPart,
    *,
    version: str | None = None,
    through: int | None = None,
    after: datetime | None = None,
) -> RulesTurn | None:
    """Return the last version that changed the policies, or which days are worked.

    Of those up to the number `through`, known later than `after`; rather the last that brought the
    `version` of a policy or the calendar, where that is told and one did.
    """
    places = [
        place
        for place in range(1, len(known))
        if (through is None or known[place].number <= through)
        and (after is None or known[place].known_since > after)
        and _changes(known, place, part)
    ]
    brought = [place for place in places if version in _brought(known, place, part)]
    last = (brought or places)[-1:]
    return _turn(known, last[0]) if last else None


def _changes(known: Sequence[KnownRules], place: int, part: RulesPart) -> bool:
    before, after = (_versions(known[at].rulebook, part) for at in (place - 1, place))
    return before != after


def _brought(known: Sequence[KnownRules], place: int, part: RulesPart) -> set[str]:
    before, after = (_versions(known[at].rulebook, part) for at in (place - 1, place))
    return after - before


def _versions(rulebook: Rulebook, part: RulesPart) -> set[str]:
    if part is RulesPart.POLICY:
        return {policy.version for policy in rulebook.policies.policies}
    return {rulebook.calendar.version}


def _turn(known: Sequence[KnownRules], place: int) -> RulesTurn:
    rules, known_then = known[place], known[: place + 1]
    before = known[max(place - 1, 0)].rulebook
    policies = [_by_id(rulebook) for rulebook in (before, rules.rulebook)]
    notices = [rulebook.calendar.notices for rulebook in (before, rules.rulebook)]
    return RulesTurn(
        number=rules.number,
        known_since=rules.known_since,
        brought=rules.brought,
        policies={id_: policy_versions(known_then, id_)[-1] for id_ in _differing(*policies)},
        years={year: calendar_versions(known_then, year)[-1] for year in _differing(*notices)},
    )


def _by_id(rulebook: Rulebook) -> Mapping[str, Policy]:
    return {policy.id: policy for policy in rulebook.policies.policies}


def _differing(before: Mapping[Name, object], after: Mapping[Name, object]) -> Iterable[Name]:
    return [name for name in {**before, **after} if before.get(name) != after.get(name)]
