"""What was believed of a case, since when, and why it changed: a fold over what had arrived.

Nothing of it is stored twice. Every event keeps when it was received, every state of the rules
since when it was known; what was believed at a moment follows from what there was at that moment.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby, pairwise
from operator import attrgetter

from rebate_monitor.domain.assessment import Assessment, Verdict, judge, verdict_at
from rebate_monitor.domain.case import Case, Status
from rebate_monitor.domain.event import CaseEvent
from rebate_monitor.domain.rulebook import Rulebook


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """An event with the moment at which the service received it."""

    received_at: datetime
    event: CaseEvent


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownRules:
    """A state of the rules and since when the service went by it."""

    known_since: datetime
    rulebook: Rulebook


@dataclass(frozen=True, slots=True, kw_only=True)
class Belief:
    """What was believed of a case from `known_at` on, and what made it so.

    `workdays` is the count of a clock that stands still; a running one has none. The cause is the
    `events` that arrived then, or a new version of the `policy` or the `calendar`, or, when all are
    empty, the passing of time.
    """

    known_at: datetime
    verdict: Verdict
    status: Status
    normal: bool
    workdays: int | None = None
    events: tuple[CaseEvent, ...] = ()
    policy: str | None = None
    calendar: str | None = None

    def is_as(self, other: "Belief") -> bool:
        """Say whether the other says the same of the case."""
        mine = (self.verdict, self.status, self.normal, self.workdays)
        return mine == (other.verdict, other.status, other.normal, other.workdays)


def received_by(receipts: Iterable[Receipt], moment: datetime) -> tuple[CaseEvent, ...]:
    """Return the events that had arrived by a moment."""
    return tuple(told.event for told in receipts if told.received_at <= moment)


def rules_at(known: Sequence[KnownRules], moment: datetime) -> Rulebook:
    """Return the rules that the service went by at a moment; the first ones before all of them."""
    begun = [rules for rules in known if rules.known_since <= moment]
    return (begun or known)[-1 if begun else 0].rulebook


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
    rules = rules_at(known, moments[0])
    for moment, until in pairwise(moments):
        before, rules = rules, rules_at(known, moment)
        told = [event for at, events in arrivals.items() if at <= moment for event in events]
        case, assessment = rules.assess(case_id, told)
        policy, calendar = _new_rules(before, rules, case)
        yield _belief(
            case,
            assessment,
            rules,
            moment,
            events=arrivals.get(moment, ()),
            policy=policy,
            calendar=calendar,
        )
        for instant in _instants(assessment, moment, until):
            yield _belief(case, assessment, rules, instant)


def _arrivals(receipts: Iterable[Receipt], now: datetime) -> Arrivals:
    ordered = sorted(receipts, key=attrgetter("received_at"))
    return {
        moment: tuple(sorted((told.event for told in together), key=lambda e: e.fold_order))
        for moment, together in groupby(ordered, key=lambda told: min(told.received_at, now))
    }


def _new_rules(before: Rulebook, after: Rulebook, case: Case) -> tuple[str | None, str | None]:
    """Name the policy and the calendar where they are not what they were."""
    calendar = after.calendar.version
    policy = case.policy.policy.version if case.policy.policy else None
    known = {old.version for old in before.policies.policies}
    return (
        policy if policy not in known else None,
        calendar if calendar != before.calendar.version else None,
    )


def _instants(assessment: Assessment, after: datetime, until: datetime) -> list[datetime]:
    """Return when time alone changes the verdict, between two moments of knowledge."""
    told = (assessment.at_risk_at, assessment.breach_at)
    return [at for at in told if at is not None and after < at <= until]


def _belief(  # noqa: PLR0913 - all that a belief is made of
    case: Case,
    assessment: Assessment,
    rules: Rulebook,
    at: datetime,
    *,
    events: tuple[CaseEvent, ...] = (),
    policy: str | None = None,
    calendar: str | None = None,
) -> Belief:
    stands_still = case.status is not Status.RUNNING
    judged = judge(case, assessment, rules.calendar, at)
    return Belief(
        known_at=at,
        verdict=verdict_at(assessment, at),
        status=case.status,
        normal=assessment.normal,
        workdays=judged.workdays if stands_still else None,
        events=events,
        policy=policy,
        calendar=calendar,
    )
