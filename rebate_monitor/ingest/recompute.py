"""Lay stored cases down anew when the rules have changed: page by page, beside running ingest.

A page is one transaction, so that a kill leaves every case wholly old or wholly new, and the next
one goes on where the last commit ended. Any replica or command may do it, one at a time does.
"""

import asyncio
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from rebate_monitor.domain.assessment import Judged, Verdict, verdict_at
from rebate_monitor.domain.local_time import local_date
from rebate_monitor.domain.rulebook import Rulebook
from rebate_monitor.domain.tally import Change, change_of
from rebate_monitor.domain.touched import EVERY_CASE
from rebate_monitor.storage.case_events import StoredEvent, events_of_cases
from rebate_monitor.storage.case_rows import (
    CaseRow,
    StoredCase,
    case_ids_after,
    case_row,
    lock_cases,
    stored_cases,
    write_cases,
)
from rebate_monitor.storage.causes import Cause, calendar_cause, policy_cause
from rebate_monitor.storage.course_rows import assess_courses, lay_page
from rebate_monitor.storage.database import Connection, Database
from rebate_monitor.storage.recomputes import (
    Changes,
    Recompute,
    begin_recompute,
    count_touched,
    finish,
    note_done,
    note_touched,
    numbered,
    take_recompute,
    touched_case_ids,
    under_way,
)
from rebate_monitor.storage.rulebooks import hold_versions
from rebate_monitor.storage.rules import Rules
from rebate_monitor.storage.tallies import add_deltas

BY_COURSE, BY_EVENTS = 8_000, 200
"""Cases a transaction: few, so that batches of events that touch them get their turn in between."""
PAGE = 500
REST_SHARE = 0.25
"""How long the service rests after a page, measured by how long the page took."""
LATE = (Verdict.BREACHED, Verdict.MISSED)


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """What one transaction did: the recompute it was of, None where none is under way.

    `is_passed_by` when somebody else was at it.
    """

    recompute: Recompute | None = None
    is_passed_by: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Recomputer:
    """Does what recomputes are under way in one database."""

    database: Database
    rules: Rules
    clock: Callable[[], datetime]

    async def begin(self) -> Recompute:
        """Begin a recompute of every case by the rules in force."""
        return await self.database.retrying(self._begin)

    async def _begin(self, connection: Connection) -> Recompute:
        await hold_versions(connection)
        in_force = await self.rules.in_force(connection)
        number, _ = await self.rules.rulebook(connection, in_force.number or None)
        return await begin_recompute(connection, number, EVERY_CASE, self.clock())

    async def work(self) -> None:
        """Do all there is to do, with rests, or nothing while somebody else is at it."""
        while True:
            began = asyncio.get_running_loop().time()
            turn = await self.turn()
            if turn.recompute is None or turn.is_passed_by:
                return
            await asyncio.sleep(REST_SHARE * (asyncio.get_running_loop().time() - began))

    async def turn(self) -> Turn:
        """Do the next page."""
        return await self.database.retrying(self._turn)

    async def progress(self, number: int) -> Recompute | None:
        """Return how far a recompute is."""
        async with self.database.connection() as connection:
            return await numbered(connection, number)

    async def _turn(self, connection: Connection) -> Turn:
        if not await take_recompute(connection):
            return Turn(recompute=await under_way(connection), is_passed_by=True)
        told = await under_way(connection)
        if told is None:
            return Turn()
        now = self.clock()
        _, rulebook = await self.rules.rulebook(connection, told.rules)
        if told.cases is None:
            cases = await count_touched(connection, told.touched)
            if not told.touched.refolds:
                await assess_courses(connection, told.touched, rulebook, told.rules)
            await note_touched(connection, told.number, cases, now)
            return Turn(recompute=replace(told, cases=cases))
        page = _ByEvents if told.touched.refolds else _ByCourse
        done = await page(connection, told, rulebook, now).lay()
        if done is None:
            await finish(connection, told, now)
        return Turn(recompute=told)


class _Laying:
    """One page of a recompute."""

    def __init__(
        self, connection: Connection, told: Recompute, rulebook: Rulebook, now: datetime
    ) -> None:
        self.connection, self.told, self.rulebook, self.now = connection, told, rulebook, now

    async def note(self, last: str, cases: int, changes: Sequence[Change], moved: int) -> int:
        """Let the tallies follow, and note what is done and how many due dates moved."""
        await add_deltas(self.connection, change_of(changes, local_date(self.now)))
        through = replace(self.told, done_through=last)
        told = replace(counted(changes, self.now), due_dates_moved=moved)
        await note_done(self.connection, through, cases, told, self.now)
        return cases


class _ByCourse(_Laying):
    async def lay(self) -> int | None:
        """Write the cases whose course comes out otherwise; return how many were looked at."""
        told, cause = self.told, calendar_cause(self.rulebook.calendar.version, self.told.rules)
        page = await lay_page(self.connection, told, BY_COURSE, self.now, cause)
        if page is None:
            return None
        moved = sum(change.cases for change in page.changes if change.due_date_moved)
        return await self.note(page.last, page.cases, page.changes, moved)


class _ByEvents(_Laying):
    async def lay(self) -> int | None:
        """Write the cases that come out otherwise; return how many were looked at."""
        page = await touched_case_ids(
            self.connection, self.told.done_through, self.told.touched, BY_EVENTS
        )
        if page is None:
            return None
        case_ids = page.case_ids
        locked = (await lock_cases(self.connection, set(case_ids))).rows
        stored = await events_of_cases(self.connection, case_ids)
        fresh = [self._fresh(locked[id_], events) for id_, events in stored.items()]
        rows = [row for row in fresh if not locked[row.case_id].stands_as(row)]
        await write_cases(self.connection, rows, self.now)
        changes = [Change(before=locked[row.case_id], after=row) for row in rows]
        moved = sum(locked[row.case_id].due_date != row.due_date for row in rows)
        return await self.note(page.last, len(case_ids), changes, moved)

    def _fresh(self, stored: StoredCase, events: Iterable[StoredEvent]) -> CaseRow:
        return fresh_row(self.rulebook, self.told.rules, stored, events)


def counted(changes: Iterable[Change], now: datetime) -> Changes:
    """Count the cases that changes are of, and the breaches made and unmade at a moment."""
    changed = made = unmade = 0
    for change in changes:
        before, after = _is_late(change.before, now), _is_late(change.after, now)
        changed += change.cases
        made += change.cases * (after and not before)
        unmade += change.cases * (before and not after)
    return Changes(changed=changed, breaches_made=made, breaches_unmade=unmade)


def _is_late(row: Judged, now: datetime) -> bool:
    return verdict_at(row, now) in LATE


def _rules_cause(before: str | None, after: str | None, rulebook: Rulebook, rules: int) -> Cause:
    """Name what changed a case: another policy, or else another calendar."""
    if before != after:
        return policy_cause(after, rules)
    return calendar_cause(rulebook.calendar.version, rules)


def fresh_row(
    rulebook: Rulebook, number: int, stored: StoredCase, events: Iterable[StoredEvent]
) -> CaseRow:
    """Fold a case anew, with what has changed since it was stored."""
    case, assessment = rulebook.assess(stored.case_id, [known.event for known in events])
    version = case.policy.policy.version if case.policy.policy else None
    cause = _rules_cause(stored.policy_version, version, rulebook, number)
    return case_row(case, assessment, cause, number)


async def count_stale(database: Database, rules: Rules) -> int:
    """Count the cases whose row is not what their events fold to under the rules it goes by."""
    last, stale = "", 0
    while case_ids := await _next_page(database, last):
        async with database.transaction(snapshot=True) as connection:
            in_force = await rules.in_force(connection)
            rows = await stored_cases(connection, case_ids)
            stored = await events_of_cases(connection, case_ids)
        for case_id, events in stored.items():
            row = rows[case_id]
            fresh = fresh_row(in_force.of_row(row.rules), in_force.number, row, events)
            stale += not row.stands_as(fresh)
        last = case_ids[-1]
    return stale


async def _next_page(database: Database, last: str) -> list[str]:
    async with database.connection() as connection:
        return await case_ids_after(connection, last, PAGE)
