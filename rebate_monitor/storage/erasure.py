"""Erase who the enterprise of a case is; every count stays what it was.

A case that was erased stays so: `lock_cases` names it, and whoever writes its events strips them
first (`without_identity`), so that a repeat is known and brings nothing back.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from rebate_monitor.storage.audit import Action, Deed, add_records
from rebate_monitor.storage.case_events import events_of_cases, new_event, without_identity
from rebate_monitor.storage.case_rows import lock_cases
from rebate_monitor.storage.database import Connection, Database
from rebate_monitor.storage.quarantine import drop_quarantined
from rebate_monitor.storage.statements import statement

IDENTIFIED_CASES = statement("identified_cases")
ERASE_IDENTITIES = statement("erase_identities")
MARK_ERASED = statement("mark_erased")
REFUSED_OF_CASES = statement("refused_of_cases")
REFUSED_OF_TAXPAYER = statement("refused_of_taxpayer")
REFUSED_OF_ERASED = statement("refused_of_erased")
HOLD_WRITERS = statement("hold_writers")
MAY_ERASE = statement("may_erase")
SEARCH_SECONDS = 3600.0  # a taxpayer is looked for in every event


@dataclass(frozen=True, slots=True, kw_only=True)
class Erasable:
    """Which cases are meant: those of these names, ended before an instant, or of a taxpayer."""

    case_ids: Sequence[str] | None = None
    ended_before: datetime | None = None
    taxpayer_id: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Erased:
    """How much was erased."""

    cases: int = 0
    events: int = 0
    refused: int = 0

    def plus(self, other: "Erased") -> "Erased":
        """Return the sum of both."""
        return Erased(
            cases=self.cases + other.cases,
            events=self.events + other.events,
            refused=self.refused + other.refused,
        )


async def may_erase(connection: Connection) -> bool:
    """Say whether the role that is logged in may: the owner of the tables, not the service."""
    return bool(await connection.fetchval(MAY_ERASE))


async def identified_cases(
    connection: Connection, wanted: Erasable, after: str, limit: int
) -> list[str]:
    """Return the next page of cases of which it is stored who the enterprise is."""
    told = (after, wanted.case_ids, wanted.ended_before, wanted.taxpayer_id, limit)
    rows = await connection.fetch(IDENTIFIED_CASES, *told, timeout=SEARCH_SECONDS)
    return [row["case_id"] for row in rows]


async def erase(connection: Connection, case_ids: Sequence[str], reason: str, by: Deed) -> Erased:
    """Erase taxpayer ids and extension attributes from the events of cases, part of a transaction.

    Refused events of these cases are dropped whole, since they may say anything. Each case is
    recorded with the reason. Only the owner of the database may do this.
    """
    await lock_cases(connection, set(case_ids))
    events = await _strip(connection, case_ids)
    await connection.execute(MARK_ERASED, list(case_ids), by.at)
    refused = await _drop(connection, REFUSED_OF_CASES, [list(case_ids)], reason, by)
    await add_records(
        connection, [by.record(Action.CASE_ERASED, case_id, reason) for case_id in case_ids]
    )
    return Erased(cases=len(case_ids), events=events, refused=refused)


async def sweep_up(database: Database, wanted: Erasable, reason: str, by: Deed) -> Erased:
    """Drop what is left of the erased among refused events, once all else is done.

    That is what names the taxpayer, whatever case it is of, and what batches refused meanwhile that
    did not know of the erasure. Whoever writes holds the rules, shared, to the commit: once they
    were held alone for a moment, those batches are over, and whoever came after knows.
    """
    async with database.transaction() as connection:
        await connection.execute(HOLD_WRITERS)
    async with database.transaction() as connection:
        refused = await _drop(connection, REFUSED_OF_ERASED, [], reason, by)
        if wanted.taxpayer_id is not None:
            told = [wanted.taxpayer_id]
            refused += await _drop(connection, REFUSED_OF_TAXPAYER, told, reason, by)
    return Erased(refused=refused)


async def _strip(connection: Connection, case_ids: Sequence[str]) -> int:
    """Strip the stored events of locked cases; return how many had something to lose."""
    stored = await events_of_cases(connection, case_ids)
    bare = [without_identity(new_event(one.event)) for told in stored.values() for one in told]
    done = await connection.execute(
        ERASE_IDENTITIES,
        [new.event.case_id for new in bare],
        [new.event.source for new in bare],
        [new.event.id for new in bare],
        [new.data for new in bare],
        [new.digest for new in bare],
    )
    return int(done.rpartition(" ")[2])  # such as `UPDATE 3`


async def _drop(
    connection: Connection, query: str, arguments: Sequence[object], reason: str, by: Deed
) -> int:
    rows = await connection.fetch(query, *arguments, timeout=SEARCH_SECONDS)
    return await drop_quarantined(connection, [row["digest"] for row in rows], reason, by)
