"""Fold every stored case anew, when the policies or the calendar have changed."""

from collections.abc import Callable, Iterable
from datetime import datetime

from rebate_monitor.domain.local_time import local_date
from rebate_monitor.domain.rulebook import Rulebook
from rebate_monitor.domain.tally import change_of
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
from rebate_monitor.storage.causes import calendar_cause, policy_cause
from rebate_monitor.storage.database import Connection, Database
from rebate_monitor.storage.tallies import add_deltas

PAGE = 500


async def recompute(
    database: Database,
    rulebook: Rulebook,
    clock: Callable[[], datetime],
    progress: Callable[[int], None] = lambda _cases: None,
) -> int:
    """Recompute page by page beside running ingest; return how many cases were folded.

    Each page is one transaction, so a kill leaves every case wholly old or wholly new.
    """
    last, done = "", 0
    while case_ids := await _next_page(database, last):
        await database.retrying(_Page(rulebook, case_ids, clock).recompute)
        last, done = case_ids[-1], done + len(case_ids)
        progress(done)
    return done


async def count_stale(database: Database, rulebook: Rulebook) -> int:
    """Count the cases whose row is not what their events fold to under these rules."""
    last, stale = "", 0
    while case_ids := await _next_page(database, last):
        async with database.transaction(snapshot=True) as connection:
            rows = await stored_cases(connection, case_ids)
            stored = await events_of_cases(connection, case_ids)
        for case_id, events in stored.items():
            stale += not rows[case_id].stands_as(_fresh(rulebook, rows[case_id], events))
        last = case_ids[-1]
    return stale


async def _next_page(database: Database, last: str) -> list[str]:
    async with database.connection() as connection:
        return await case_ids_after(connection, last, PAGE)


def _fresh(rulebook: Rulebook, stored: StoredCase, events: Iterable[StoredEvent]) -> CaseRow:
    """Fold a case anew, with what has changed since it was stored."""
    case, assessment = rulebook.assess(stored.case_id, [known.event for known in events])
    version = case.policy.policy.version if case.policy.policy else None
    is_new_policy = version != stored.policy_version
    cause = policy_cause(version) if is_new_policy else calendar_cause(rulebook.calendar.version)
    return case_row(case, assessment, cause)


class _Page:
    def __init__(
        self, rulebook: Rulebook, case_ids: list[str], clock: Callable[[], datetime]
    ) -> None:
        self.rulebook, self.case_ids, self.clock = rulebook, case_ids, clock

    async def recompute(self, connection: Connection) -> None:
        """Write the cases that come out otherwise than they are stored."""
        locked = await lock_cases(connection, set(self.case_ids))
        stored = await events_of_cases(connection, self.case_ids)
        fresh = [_fresh(self.rulebook, locked[id_], events) for id_, events in stored.items()]
        rows = [row for row in fresh if not locked[row.case_id].stands_as(row)]
        now = self.clock()
        await write_cases(connection, rows, now)
        pairs = [(locked[row.case_id], row) for row in rows]
        await add_deltas(connection, change_of(pairs, local_date(now)))
