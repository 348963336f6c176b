"""What was believed of a case, since when, and why it changed: a fold over what had arrived.

Nothing of it is stored twice. Every event keeps when it was received, every state of the rules
since when it was known; what was believed at a moment follows from what there was at that moment.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from itertools import groupby, pairwise
from operator import attrgetter

from rebate_monitor.domain.assessment import Assessment, Verdict, judge, verdict_at
from rebate_monitor.domain.case import Case, Status
from rebate_monitor.domain.event import CaseEvent
from rebate_monitor.domain.local_time import local_date
from rebate_monitor.domain.rulebook import Rulebook


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """An event with the moment at which the service received it."""

    received_at: datetime
    event: CaseEvent


@dataclass(frozen=True, slots=True, kw_only=True)
class BroughtBy:
    """Why a state of the rules came, and who brought it.

    `because` is `start` (the package or the configuration had other rules), `import` of a calendar,
    or `apply`, `retire` or `withdraw` of a policy; `by` is a key's or a person's name.
    """

    because: str
    by: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownRules:
    """A state of the rules, since when the service went by it, and who brought it."""

    known_since: datetime
    rulebook: Rulebook
    number: int = 0
    brought: BroughtBy = BroughtBy(because="start")


class RulesPart(StrEnum):
    """What of the rules can change a case."""

    POLICY = "policy"
    CALENDAR = "calendar"


@dataclass(frozen=True, slots=True, kw_only=True)
class Belief:
    """What was believed of a case from `known_at` on, by which rules, and what made it so.

    `workdays` is the count of a clock that stands still; a running one has none. `policy` and
    `calendar` are the versions that judged it, None where no policy did, `rules` is the number of
    the state of all rules. The cause is the `events` that arrived then, or the parts of the rules
    that `turned` with that state, or, when both are empty, the passing of time.
    """

    known_at: datetime
    verdict: Verdict
    status: Status
    normal: bool
    policy: str | None
    calendar: str
    rules: int
    workdays: int | None = None
    events: tuple[CaseEvent, ...] = ()
    turned: tuple[RulesPart, ...] = ()

    def is_as(self, other: "Belief") -> bool:
        """Say whether the other says the same of the case."""
        mine = (self.verdict, self.status, self.normal, self.workdays)
        return mine == (other.verdict, other.status, other.normal, other.workdays)


def received_by(receipts: Iterable[Receipt], moment: datetime) -> tuple[CaseEvent, ...]:
    """Return the events that had arrived by a moment."""
    return tuple(told.event for told in receipts if told.received_at <= moment)


def rules_at(known: Sequence[KnownRules], moment: datetime) -> Rulebook:
    """Return the rules that the service went by at a moment; the first ones before all of them."""
    return _state_at(known, moment).rulebook


def _state_at(known: Sequence[KnownRules], moment: datetime) -> KnownRules:
    begun = [rules for rules in known if rules.known_since <= moment]
    return (begun or known)[-1 if begun else 0]


MOST_MOMENTS = 200
"""How many moments of new knowledge a history looks back at: each folds the case anew."""


@dataclass(frozen=True, slots=True, kw_only=True)
class History:
    """How the belief about a case changed, the first told first.

    `omitted` moments of new knowledge lie before the first belief that is told.
    """

    changes: tuple[Belief, ...]
    omitted: int = 0


def history(
    case_id: str, receipts: Sequence[Receipt], known: Sequence[KnownRules], now: datetime
) -> History:
    """Return how the belief about a case changed up to `now`.

    `known` are the states of the rules in order of time, at least one. What was received by a clock
    ahead of `now` counts as received now.
    """
    arrivals = _arrivals(receipts, now)
    moments = _moments(arrivals, known, now)
    looked_at = moments[-MOST_MOMENTS:]
    changes: list[Belief] = []
    for belief in _beliefs(case_id, arrivals, known, [*looked_at, now]):
        if not changes or not belief.is_as(changes[-1]):
            changes.append(belief)
    return History(changes=tuple(changes), omitted=len(moments) - len(looked_at))


Arrivals = dict[datetime, tuple[CaseEvent, ...]]


def _moments(arrivals: Arrivals, known: Sequence[KnownRules], now: datetime) -> list[datetime]:
    """Return when something new became known: an event of the case, or other rules."""
    if not arrivals:
        return []
    first = min(arrivals)
    turns = {rules.known_since for rules in known if first < rules.known_since <= now}
    return sorted({*arrivals, *turns})


def _beliefs(
    case_id: str, arrivals: Arrivals, known: Sequence[KnownRules], moments: Sequence[datetime]
) -> Iterator[Belief]:
    rules = _state_at(known, moments[0] - datetime.resolution)
    for moment, until in pairwise(moments):
        before, rules = rules, _state_at(known, moment)
        told = [event for at, events in arrivals.items() if at <= moment for event in events]
        case, assessment = rules.rulebook.assess(case_id, told)
        arrived = arrivals.get(moment, ())
        turned = () if arrived else _turned(before.rulebook, rules.rulebook, case)
        yield _belief(case, assessment, rules, moment, events=arrived, turned=turned)
        for instant in _instants(assessment, moment, until):
            yield _belief(case, assessment, rules, instant)


def _arrivals(receipts: Iterable[Receipt], now: datetime) -> Arrivals:
    ordered = sorted(receipts, key=attrgetter("received_at"))
    return {
        moment: tuple(sorted((told.event for told in together), key=lambda e: e.fold_order))
        for moment, together in groupby(ordered, key=lambda told: min(told.received_at, now))
    }


def _turned(before: Rulebook, after: Rulebook, case: Case) -> tuple[RulesPart, ...]:
    """Name what of the rules is not what it was: the policy that judges the case, the calendar."""
    changed = {
        RulesPart.POLICY: _policy_of(case, before) != _policy_of(case, after),
        RulesPart.CALENDAR: before.calendar.version != after.calendar.version,
    }
    return tuple(part for part, is_another in changed.items() if is_another)


def _policy_of(case: Case, rules: Rulebook) -> str | None:
    """Return the version of the policy by which the rules judge a case."""
    if case.accepted_at is None:
        return None
    policy = rules.policies.on(local_date(case.accepted_at)).policy
    return policy.version if policy else None


def _instants(assessment: Assessment, after: datetime, until: datetime) -> list[datetime]:
    """Return when time alone changes the verdict, between two moments of knowledge."""
    told = (assessment.at_risk_at, assessment.breach_at)
    return [at for at in told if at is not None and after < at <= until]


def _belief(  # noqa: PLR0913 - all that a belief is made of
    case: Case,
    assessment: Assessment,
    rules: KnownRules,
    at: datetime,
    *,
    events: tuple[CaseEvent, ...] = (),
    turned: tuple[RulesPart, ...] = (),
) -> Belief:
    stands_still = case.status is not Status.RUNNING
    judged = judge(case, assessment, rules.rulebook.calendar, at)
    return Belief(
        known_at=at,
        verdict=verdict_at(assessment, at),
        status=case.status,
        normal=assessment.normal,
        policy=_policy_of(case, rules.rulebook),
        calendar=rules.rulebook.calendar.version,
        rules=rules.number,
        workdays=judged.workdays if stands_still else None,
        events=events,
        turned=turned,
    )
