"""Change the rules in force: years imported or given up, policies applied, ended or withdrawn."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import date, datetime
from functools import partial
from typing import Protocol

from rebate_monitor.domain.calendar_change import Objection, objections, with_notice
from rebate_monitor.domain.known_then import BroughtBy
from rebate_monitor.domain.policy import Policy
from rebate_monitor.domain.rulebook import Rulebook
from rebate_monitor.domain.work_calendar import DayKind, SpecialDay, WorkCalendar, YearNotice
from rebate_monitor.storage.audit import Action, AuditRecord, Deed
from rebate_monitor.storage.database import Connection, Database
from rebate_monitor.storage.patience import patiently
from rebate_monitor.storage.rulebooks import (
    Published,
    Version,
    hold_versions,
    latest_version,
    publish,
)
from rebate_monitor.storage.rules import START

POLICY_ACTIONS = {
    "apply": Action.POLICY_APPLIED,
    "retire": Action.POLICY_RETIRED,
    "withdraw": Action.POLICY_WITHDRAWN,
}
PLAIN_NAMES = {DayKind.DAY_OFF: "放假", DayKind.MAKEUP_WORKDAY: "调休上班"}
"""What a source without names calls its days."""


class ObjectionsError(ValueError):
    """A notice is probably not what it should be, and nobody insisted on it."""

    def __init__(self, told: tuple[Objection, ...]) -> None:
        super().__init__("\n".join(objection.text for objection in told))
        self.objections = told


class RuleChange(Protocol):
    """What makes the next version of the rules."""

    @property
    def brought(self) -> BroughtBy:
        """Why it comes, and who brings it."""
        ...

    @property
    def action(self) -> Action:
        """What is recorded of it."""
        ...

    @property
    def names(self) -> Iterable[str]:
        """The years or policies that it is of."""
        ...

    def next(self, before: Version) -> Version:
        """Return the next version."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class CalendarImport:
    """Lays notices over the calendar; they stand whatever the package says later.

    Raises ObjectionsError unless it `insists`.
    """

    by: str
    notices: tuple[YearNotice, ...]
    insists: bool = False

    @property
    def brought(self) -> BroughtBy:
        """An import."""
        return BroughtBy(because="import", by=self.by)

    @property
    def action(self) -> Action:
        """An import."""
        return Action.CALENDAR_IMPORTED

    @property
    def names(self) -> Iterable[str]:
        """The years of the notices."""
        return [str(notice.year) for notice in self.notices]

    def next(self, before: Version) -> Version:
        """Return the version with these years' notices."""
        told = self.objections_to(before)
        if told and not self.insists:
            raise ObjectionsError(told)
        named = self._named(before)
        after = with_notice(before.rulebook.calendar, named)
        return replace(
            before,
            rulebook=replace(before.rulebook, calendar=after),
            imported_years=before.imported_years | {notice.year for notice in named},
        )

    def objections_to(self, before: Version) -> tuple[Objection, ...]:
        """Return what speaks against laying these notices over a version."""
        calendar, named = before.rulebook.calendar, self._named(before)
        after = with_notice(calendar, named)
        return tuple(o for notice in named for o in _objections(calendar, after, notice))

    def _named(self, before: Version) -> list[YearNotice]:
        return [_named(notice, before.rulebook.calendar) for notice in self.notices]


def _objections(
    before: WorkCalendar, after: WorkCalendar, notice: YearNotice
) -> tuple[Objection, ...]:
    """Compare with what was before, the December of the year as the other notices have it."""
    following = [after.notices[notice.year + 1]] if notice.year + 1 in after.notices else []
    return objections(with_notice(before, following), notice)


def _named(notice: YearNotice, calendar: WorkCalendar) -> YearNotice:
    """Let days keep their names where the source has none to tell."""
    days = {day: _named_day(special, calendar, day) for day, special in notice.days.items()}
    return replace(notice, days=days)


def _named_day(special: SpecialDay, calendar: WorkCalendar, day: date) -> SpecialDay:
    if not calendar.first <= day <= calendar.last:
        return special
    known = calendar.day(day)
    if special.name != PLAIN_NAMES.get(special.kind) or known.kind is not special.kind:
        return special
    return replace(special, name=known.name or special.name)


@dataclass(frozen=True, slots=True, kw_only=True)
class CalendarWithdrawal:
    """Gives an imported year up: the package speaks for it again, as `own` has it."""

    by: str
    year: int
    own: WorkCalendar

    @property
    def brought(self) -> BroughtBy:
        """A withdrawal."""
        return BroughtBy(because="withdraw", by=self.by)

    @property
    def action(self) -> Action:
        """A withdrawal."""
        return Action.CALENDAR_WITHDRAWN

    @property
    def names(self) -> Iterable[str]:
        """The year."""
        return [str(self.year)]

    def next(self, before: Version) -> Version:
        """Return the version with the year's own notice."""
        calendar = with_notice(before.rulebook.calendar, [self.own.notices[self.year]])
        return replace(
            before,
            rulebook=replace(before.rulebook, calendar=calendar),
            imported_years=before.imported_years - {self.year},
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyChange:
    """Applies policies, the same id replacing, or withdraws ids as if they had never been.

    `because` is `apply`, `retire` or `withdraw`. Raises OverlappingPoliciesError.
    """

    by: str
    because: str = "apply"
    policies: tuple[Policy, ...] = ()
    withdrawn: frozenset[str] = frozenset()

    @property
    def brought(self) -> BroughtBy:
        """What was told."""
        return BroughtBy(because=self.because, by=self.by)

    @property
    def action(self) -> Action:
        """What was told."""
        return POLICY_ACTIONS[self.because]

    @property
    def names(self) -> Iterable[str]:
        """The ids of the policies."""
        return [*(policy.id for policy in self.policies), *sorted(self.withdrawn)]

    def next(self, before: Version) -> Version:
        """Return the version with these policies."""
        book = before.rulebook.policies.with_policies(self.policies, self.withdrawn)
        applied = before.applied_policies | {policy.id for policy in self.policies}
        withdrawn = before.withdrawn_policies | self.withdrawn
        return replace(
            before,
            rulebook=replace(before.rulebook, policies=book),
            applied_policies=applied - self.withdrawn,
            withdrawn_policies=withdrawn - {policy.id for policy in self.policies},
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """A change laid over the version in force, which has a number: 0 where there is none yet."""

    number: int
    before: Version
    change: RuleChange
    after: Version


class RulesTurnedError(Exception):
    """Somebody else published rules after a change was drafted."""


async def draft(
    connection: Connection, own: Rulebook, change: Callable[[Version], RuleChange]
) -> Draft:
    """Draft a change of the version in force; `own` stand in for rules not there yet."""
    number, before = await latest_version(connection) or (0, Version(rulebook=own))
    told = change(before)
    return Draft(number=number, before=before, change=told, after=told.next(before))


async def publish_draft(
    database: Database,
    told: Draft,
    clock: Callable[[], datetime],
    by: Deed,
) -> Published | None:
    """Publish just what was drafted, and record who did; None where it changes nothing.

    Raises RulesTurnedError, and LockedError after ten minutes.
    """

    async def work(connection: Connection) -> Published | None:
        await hold_versions(connection)
        known = await latest_version(connection)
        if (known[0] if known else 0) != told.number:
            raise RulesTurnedError
        if known is None:
            await publish(connection, lambda _: told.before, START, clock())
        recorded = partial(_records, told.change, by)
        brought = told.change.brought
        return await publish(connection, lambda _: told.after, brought, clock(), recorded)

    async with database.connection() as connection:
        return await patiently(connection, work)


def _records(change: RuleChange, by: Deed, number: int, now: datetime) -> Iterator[AuditRecord]:
    """Yield a record for each year or policy; the name that was told is beside who did it."""
    for name in change.names:
        deed = replace(by, at=now)
        yield deed.record(change.action, name, f"rules {number}, by {change.brought.by}")
