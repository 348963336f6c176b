"""Fold every stored case anew, when the policies or the calendar have changed."""

from collections.abc import Callable

from rebate_monitor.domain.rulebook import Rulebook
from rebate_monitor.domain.tally import difference
from rebate_monitor.storage.case_events import events_of_cases
from rebate_monitor.storage.case_rows import (
    case_ids_after,
    case_row,
    lock_cases,
    stored_cases,
    write_cases,
)
from rebate_monitor.storage.database import Connection, Database
from rebate_monitor.storage.tallies import add_deltas

PAGE = 500


async def recompute(
    database: Database, rulebook: Rulebook, progress: Callable[[int], None] = lambda _cases: None
) -> int:
    """Recompute page by page beside running ingest; return how many cases were folded.

    Each page is one transaction, so a kill leaves every case wholly old or wholly new.
    """
    last, done = "", 0
    while case_ids := await _next_page(database, last):
        await database.retrying(_Page(rulebook, case_ids).recompute)
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
            fresh = case_row(*rulebook.assess(case_id, [known.event for known in events]))
            stale += not rows[case_id].stands_as(fresh)
        last = case_ids[-1]
    return stale


async def _next_page(database: Database, last: str) -> list[str]:
    async with database.connection() as connection:
        return await case_ids_after(connection, last, PAGE)


class _Page:
    def __init__(self, rulebook: Rulebook, case_ids: list[str]) -> None:
        self.rulebook, self.case_ids = rulebook, case_ids

    async def recompute(self, connection: Connection) -> None:
        locked = await lock_cases(connection, set(self.case_ids))
        stored = await events_of_cases(connection, self.case_ids)
        rows = [
            case_row(*self.rulebook.assess(case_id, [known.event for known in events]))
            for case_id, events in stored.items()
        ]
        await write_cases(connection, rows)
        await add_deltas(connection, difference([locked[row.case_id] for row in rows], rows))
