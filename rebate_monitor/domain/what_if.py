"""What other rules would make of the same cases: compared case by case, and nothing is written."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from enum import StrEnum

from rebate_monitor.domain.assessment import Verdict, judge
from rebate_monitor.domain.case import Case, Status
from rebate_monitor.domain.event import CaseEvent, Category
from rebate_monitor.domain.performance import Open, Performance, Stopped, performance
from rebate_monitor.domain.policy import Policy, PolicyBook, Scope
from rebate_monitor.domain.rulebook import Rulebook

LATE = (Verdict.BREACHED, Verdict.MISSED)


class Kind(StrEnum):
    """What other rules change about a case; one case can have several."""

    DUE_DATE = "due_date"
    WORKDAYS = "workdays"
    NORMAL = "normal"
    BREACH_MADE = "breach_made"
    BREACH_UNMADE = "breach_unmade"


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """A case under one set of rules at a moment; counts and limits are workdays."""

    status: Status
    verdict: Verdict
    normal: bool
    workdays: int | None
    limit_workdays: int | None
    due_date: date | None
    same_day: bool | None

    @property
    def is_late(self) -> bool:
        """Whether the case is past its limit, open or stopped."""
        return self.verdict in LATE


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """One case under the rules as they are and as they are proposed."""

    case_id: str
    category: Category | None
    city: str | None
    office: str | None
    before: Standing
    after: Standing

    @property
    def kinds(self) -> tuple[Kind, ...]:
        """What differs, in the order of `Kind`."""
        told = {
            Kind.DUE_DATE: self.before.due_date != self.after.due_date,
            Kind.WORKDAYS: self.before.workdays != self.after.workdays,
            Kind.NORMAL: self.before.normal != self.after.normal,
            Kind.BREACH_MADE: self.after.is_late and not self.before.is_late,
            Kind.BREACH_UNMADE: self.before.is_late and not self.after.is_late,
        }
        return tuple(kind for kind, differs in told.items() if differs)


def compare(
    case_id: str, events: Iterable[CaseEvent], now: datetime, rules: tuple[Rulebook, Rulebook]
) -> Comparison:
    """Fold and judge a case by both rulebooks, the present and the proposed one."""
    told = tuple(events)
    case, before = _standing(rules[0], case_id, told, now)
    _, after = _standing(rules[1], case_id, told, now)
    attributes = case.attributes
    return Comparison(
        case_id=case_id,
        category=attributes.category if attributes else None,
        city=attributes.city if attributes else None,
        office=attributes.office if attributes else None,
        before=before,
        after=after,
    )


def _standing(
    rulebook: Rulebook, case_id: str, events: tuple[CaseEvent, ...], now: datetime
) -> tuple[Case, Standing]:
    case, assessment = rulebook.assess(case_id, events)
    judged = judge(case, assessment, rulebook.calendar, now)
    return case, Standing(
        status=case.status,
        verdict=judged.verdict,
        normal=assessment.normal,
        workdays=judged.workdays,
        limit_workdays=assessment.limit_workdays,
        due_date=assessment.due_date,
        same_day=assessment.same_day,
    )


@dataclass(slots=True, kw_only=True)
class Outcome:
    """What a proposal comes to: counts by kind, and both distributions."""

    cases: int = 0
    changed: int = 0
    kinds: Counter[Kind] = field(default_factory=Counter)
    _before: Counter["_Cell"] = field(default_factory=Counter)
    _after: Counter["_Cell"] = field(default_factory=Counter)

    def add(self, told: Comparison) -> None:
        """Count one case."""
        self.cases += 1
        self.changed += bool(told.kinds)
        self.kinds.update(told.kinds)
        for cells, standing in ((self._before, told.before), (self._after, told.after)):
            cells[_cell(told.category, standing)] += 1

    def before(self, scope: Scope, target: float | None) -> Performance:
        """Return the figures of the cases as the rules are; `target` is a mean in workdays."""
        return _performance(self._before, scope, target)

    def after(self, scope: Scope, target: float | None) -> Performance:
        """Return the figures of the cases as the rules are proposed."""
        return _performance(self._after, scope, target)


@dataclass(frozen=True, slots=True)
class _Cell:
    """Cases that count alike."""

    category: Category | None
    status: Status
    normal: bool
    workdays: int
    is_judged: bool
    is_in_time: bool
    is_same_day: bool


def _cell(category: Category | None, told: Standing) -> _Cell:
    judged = told.limit_workdays is not None
    return _Cell(
        category=category,
        status=told.status,
        normal=told.normal,
        workdays=told.workdays or 0,
        is_judged=judged,
        is_in_time=judged and not told.is_late,
        is_same_day=bool(told.same_day),
    )


def _performance(cells: Counter[_Cell], scope: Scope, target: float | None) -> Performance:
    normal = [(c, n) for c, n in cells.items() if c.normal and scope.covers(c.category)]
    stopped = [_stopped(c, n) for c, n in normal if c.status is Status.STOPPED]
    still_open = [Open(workdays=c.workdays, cases=n) for c, n in normal if c.status.is_open]
    return performance(stopped, still_open, target)


def _stopped(cell: _Cell, cases: int) -> Stopped:
    return Stopped(
        workdays=cell.workdays,
        cases=cases,
        judged=cases * cell.is_judged,
        in_time=cases * cell.is_in_time,
        same_day=cases * cell.is_same_day,
    )


def with_limits(book: PolicyBook, limits: dict[Category | None, int]) -> PolicyBook:
    """Return the policies with other limits; None stands for every category not named.

    Where a general limit is given, it replaces those of the categories, too.
    """
    return PolicyBook(_limited(policy, limits) for policy in book.policies)


def _limited(policy: Policy, limits: dict[Category | None, int]) -> Policy:
    default = limits.get(None)
    kept = policy.limits if default is None else {}
    named = {category: limit for category, limit in limits.items() if category is not None}
    return replace(policy, default_limit=default or policy.default_limit, limits={**kept, **named})
