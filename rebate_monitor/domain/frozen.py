"""A month as it was reported, as it is now, and case by case what has changed in between.

A frozen month is never overwritten: what became known since shows as a correction.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from fractions import Fraction
from typing import Any, NamedTuple

from rebate_monitor.domain.evaluation import GroupEvaluation
from rebate_monitor.domain.event import CaseEvent
from rebate_monitor.domain.known_then import Receipt, received_by
from rebate_monitor.domain.performance import Mean, rounded
from rebate_monitor.domain.periods import Days
from rebate_monitor.domain.policy import Scope
from rebate_monitor.domain.rulebook import Rulebook
from rebate_monitor.domain.standing import GROUPS, EndedAs, Standing, ended_as, standing_of

FROZEN_GROUPINGS = tuple(GROUPS)
"""By what the groups of a frozen month are grouped."""
FIGURES = (
    "mean_workdays",
    "median",
    "p90",
    "in_time_rate",
    "same_day_rate",
    "amount_weighted_mean",
)
COUNTS = ("n", "excluded", "rejected", "withdrawn", "refiled")


class FrozenKey(NamedTuple):
    """Which figures: by what they are grouped, the group, and the scope."""

    by: str
    group: str | None
    scope: Scope


@dataclass(frozen=True, slots=True, kw_only=True)
class FrozenGroup:
    """One group of a frozen month, as it was evaluated."""

    by: str
    evaluated: GroupEvaluation

    @property
    def key(self) -> FrozenKey:
        """What it is found by."""
        return FrozenKey(self.by, self.evaluated.group, self.evaluated.scope)


@dataclass(frozen=True, slots=True, kw_only=True)
class FrozenMonth:
    """A closed month: who closed it, by which rules, and everything received up to `known_at`."""

    month: str
    closed_at: datetime
    closed_by: str
    known_at: datetime
    policy_version: str | None
    calendar_version: str
    groups: tuple[FrozenGroup, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class MonthFigures:
    """What is known of the ended cases of a group: the figures that a correction is made of.

    Open cases are not among them: they change from day to day, and that is no correction.
    """

    n: int = 0
    mean_workdays: float | None = None
    median: float | None = None
    p90: float | None = None
    in_time_rate: float | None = None
    same_day_rate: float | None = None
    amount_weighted_mean: float | None = None
    target_workdays: float | None = None
    meets_target: bool | None = None
    excluded: int = 0
    rejected: int = 0
    withdrawn: int = 0
    refiled: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Correction:
    """Now minus frozen; None where one of both is not known."""

    n: int = 0
    mean_workdays: float | None = None
    median: float | None = None
    p90: float | None = None
    in_time_rate: float | None = None
    same_day_rate: float | None = None
    amount_weighted_mean: float | None = None
    excluded: int = 0
    rejected: int = 0
    withdrawn: int = 0
    refiled: int = 0


def judge_alike(one: Rulebook, other: Rulebook) -> bool:
    """Say whether any case comes out the same under both; titles and targets judge no case."""
    versions = [[policy.version for policy in rules.policies.policies] for rules in (one, other)]
    return versions[0] == versions[1] and one.calendar.version == other.calendar.version


@dataclass(frozen=True, slots=True, kw_only=True)
class Contribution:
    """What one case adds to the figures of a month, and to which groups.

    `ended_as` is None where it only counts among the refiled. Of cases that no mean counts nothing
    but that is kept. Amounts are CNY.
    """

    category: str | None
    city: str | None
    office: str | None
    rebate_type: str | None
    ended_as: EndedAs | None
    is_refiled: bool
    workdays: int | None = None
    in_time: bool | None = None
    same_day: bool | None = None
    amount_cny: Decimal | None = None
    groups: frozenset[FrozenKey] = frozenset()

    @property
    def measures(self) -> tuple[object, ...]:
        """What it adds to each of its groups."""
        return (
            self.ended_as,
            self.is_refiled,
            self.workdays,
            self.in_time,
            self.same_day,
            self.amount_cny,
        )


def contribution(standing: Standing, month: Days) -> Contribution | None:
    """Return what a case adds to a month, None where it adds nothing."""
    ended, refiled = ended_as(standing, month), _is_refiled_in(standing, month)
    if ended is None and not refiled:
        return None
    counts = ended is EndedAs.NORMAL
    return Contribution(
        category=standing.category,
        city=standing.city,
        office=standing.office,
        rebate_type=standing.rebate_type,
        ended_as=ended,
        is_refiled=refiled,
        workdays=standing.counted_workdays if counts else None,
        in_time=standing.in_time if counts else None,
        same_day=standing.same_day if counts else None,
        amount_cny=standing.amount_cny if counts else None,
        groups=frozenset(_keys(standing)),
    )


def _is_refiled_in(standing: Standing, month: Days) -> bool:
    return standing.is_refiled and month.holds(standing.accepted_on)


def _keys(standing: Standing) -> Iterable[FrozenKey]:
    for by, group_of in GROUPS.items():
        yield FrozenKey(by, group_of(standing), Scope.ALL)
        if standing.is_category_1_2:
            yield FrozenKey(by, group_of(standing), Scope.CATEGORY_1_2)


class ChangedBy(StrEnum):
    """Why a case counts otherwise than it did."""

    EVENT = "event"
    POLICY = "policy"
    CALENDAR = "calendar"


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangeCause:
    """One cause: an event that arrived since, or rules that are others, by their version."""

    because: ChangedBy
    receipt: Receipt | None = None
    version: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseChange:
    """A case whose contribution to a month is not what it was."""

    case_id: str
    then: Contribution | None
    now: Contribution | None
    causes: tuple[ChangeCause, ...] = ()

    def touches(self, key: FrozenKey) -> bool:
        """Say whether the case changes the figures of a group."""
        then, now = (_measures_in(told, key) for told in (self.then, self.now))
        return then != now

    @property
    def keys(self) -> frozenset[FrozenKey]:
        """The groups whose figures the case changes."""
        known = (told.groups for told in (self.then, self.now) if told is not None)
        return frozenset(key for key in frozenset().union(*known) if self.touches(key))


def _measures_in(told: Contribution | None, key: FrozenKey) -> tuple[object, ...] | None:
    return told.measures if told is not None and key in told.groups else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Knowledge:
    """What there was to know of a month: up to a moment by the rules of then, and now."""

    month: Days
    known_at: datetime
    then: Rulebook
    now: Rulebook


def case_change(
    known: Knowledge, case_id: str, receipts: Sequence[Receipt], stored: Standing
) -> CaseChange | None:
    """Compare what a case added to a month then with what its stored row adds now."""
    then = _folded(known, case_id, received_by(receipts, known.known_at))
    now = contribution(stored, known.month)
    if then == now:
        return None
    by_events = _folded(known, case_id, [told.event for told in receipts])
    causes = [*_event_causes(known, receipts)] if by_events != then else []
    if by_events != now:
        causes += _rule_causes(known, stored)
    return CaseChange(case_id=case_id, then=then, now=now, causes=tuple(causes))


def _folded(known: Knowledge, case_id: str, events: Sequence[CaseEvent]) -> Contribution | None:
    """Return what events add to the month by the rules of then."""
    return contribution(standing_of(*known.then.assess(case_id, events)), known.month)


def _event_causes(known: Knowledge, receipts: Iterable[Receipt]) -> Iterable[ChangeCause]:
    since = [told for told in receipts if told.received_at > known.known_at]
    for told in sorted(since, key=lambda told: (told.received_at, told.event.fold_order)):
        yield ChangeCause(because=ChangedBy.EVENT, receipt=told)


def _rule_causes(known: Knowledge, stored: Standing) -> Iterable[ChangeCause]:
    """Name what is new in the rules: the policy of the case's acceptance, and the calendar."""
    day = stored.accepted_on or known.month.last
    policies = [rules.policies.on(day).policy for rules in (known.then, known.now)]
    versions = [policy.version if policy else None for policy in policies]
    if versions[0] != versions[1]:
        yield ChangeCause(because=ChangedBy.POLICY, version=versions[1])
    if known.then.calendar.version != known.now.calendar.version:
        yield ChangeCause(because=ChangedBy.CALENDAR, version=known.now.calendar.version)


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupCorrection:
    """One group as it was frozen and as it is now, and how many cases make the difference."""

    key: FrozenKey
    frozen: MonthFigures
    now: MonthFigures
    correction: Correction
    changed_cases: int


@dataclass(frozen=True, slots=True, kw_only=True)
class MonthCorrections:
    """A frozen month against the present.

    `explained`: the changed cases add up to every difference of counts and workdays.
    """

    groups: tuple[GroupCorrection, ...]
    changes: tuple[CaseChange, ...]
    explained: bool


def month_figures(told: GroupEvaluation | None) -> MonthFigures:
    """Take out of an evaluated group what a correction is made of; open cases alone are nothing."""
    if told is None or _totals(told) == NOTHING:
        return MonthFigures()
    counted, left_out = told.performance, told.left_out
    return MonthFigures(
        n=counted.n,
        **{name: getattr(counted, name) for name in FIGURES},
        target_workdays=counted.target_workdays,
        meets_target=counted.meets_target,
        excluded=left_out.excluded,
        rejected=left_out.rejected,
        withdrawn=left_out.withdrawn,
        refiled=told.refiled,
    )


class _Totals(NamedTuple):
    """What the figures of a group are divided from, as sums of cases."""

    n: int = 0
    workdays_sum: int = 0
    excluded: int = 0
    rejected: int = 0
    withdrawn: int = 0
    refiled: int = 0

    def plus(self, other: "_Totals", sign: int = 1) -> "_Totals":
        return _Totals(*(mine + sign * its for mine, its in zip(self, other, strict=True)))


NOTHING = _Totals()
Evaluations = Mapping[FrozenKey, GroupEvaluation]


def by_key(groups: Iterable[FrozenGroup]) -> dict[FrozenKey, GroupEvaluation]:
    """Find evaluated groups by their keys."""
    return {group.key: group.evaluated for group in groups}


def differs(frozen: Evaluations, now: Evaluations) -> bool:
    """Say whether any figure is not what was frozen."""
    return any(
        month_figures(frozen.get(key)) != month_figures(now.get(key)) for key in {*frozen, *now}
    )


def corrections(
    frozen: Evaluations, now: Evaluations, changes: Sequence[CaseChange]
) -> MonthCorrections:
    """Set every group against the present, and count the cases that make each difference."""
    touched = Counter(key for change in changes for key in change.keys)
    counted = [key for key in {*frozen, *now} if key in touched or _counts(key, frozen, now)]
    deltas = _deltas(changes)
    return MonthCorrections(
        groups=tuple(
            _group_correction(key, frozen, now, touched[key]) for key in sorted(counted, key=_order)
        ),
        changes=tuple(changes),
        explained=all(
            _totals(frozen.get(key)).plus(deltas.get(key, NOTHING)) == _totals(now.get(key))
            for key in {*frozen, *now, *deltas}
        ),
    )


def _counts(key: FrozenKey, *told: Evaluations) -> bool:
    """Say whether a group had or has any case but open ones."""
    return any(_totals(groups.get(key)) != NOTHING for groups in told)


def _order(key: FrozenKey) -> tuple[int, str, int]:
    return FROZEN_GROUPINGS.index(key.by), key.group or "", list(Scope).index(key.scope)


def _group_correction(
    key: FrozenKey, frozen: Evaluations, now: Evaluations, changed_cases: int
) -> GroupCorrection:
    then, current = month_figures(frozen.get(key)), month_figures(now.get(key))
    changes: dict[str, Any] = {
        name: _minus(getattr(current, name), getattr(then, name)) for name in FIGURES
    }
    changes["mean_workdays"] = _mean(now, key).change_on(_mean(frozen, key))
    changes |= {name: getattr(current, name) - getattr(then, name) for name in COUNTS}
    return GroupCorrection(
        key=key,
        frozen=then,
        now=current,
        correction=Correction(**changes),
        changed_cases=changed_cases,
    )


def _mean(told: Evaluations, key: FrozenKey) -> Mean:
    return told[key].mean if key in told else Mean()


def _minus(now: float | None, then: float | None) -> float | None:
    if now is None or then is None:
        return None
    return rounded(Fraction(str(now)) - Fraction(str(then)))


def _deltas(changes: Iterable[CaseChange]) -> dict[FrozenKey, _Totals]:
    """Sum up what the changed cases add to each group now, less what they added then."""
    sums: dict[FrozenKey, _Totals] = {}
    signed = [(told, sign) for c in changes for told, sign in ((c.then, -1), (c.now, 1)) if told]
    for told, sign in signed:
        for key in told.groups:
            sums[key] = sums.get(key, NOTHING).plus(_totals_of_case(told), sign)
    return sums


def _totals_of_case(told: Contribution) -> _Totals:
    return _Totals(
        n=told.ended_as is EndedAs.NORMAL,
        workdays_sum=told.workdays or 0,
        excluded=told.ended_as is EndedAs.EXCLUDED,
        rejected=told.ended_as is EndedAs.REJECTED,
        withdrawn=told.ended_as is EndedAs.WITHDRAWN,
        refiled=told.is_refiled,
    )


def _totals(told: GroupEvaluation | None) -> _Totals:
    if told is None:
        return NOTHING
    left_out = told.left_out
    return _Totals(
        n=told.performance.n,
        workdays_sum=told.workdays_sum,
        excluded=left_out.excluded,
        rejected=left_out.rejected,
        withdrawn=left_out.withdrawn,
        refiled=told.refiled,
    )
