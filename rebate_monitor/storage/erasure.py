"""Erase who the enterprise of a case is; every count stays what it was."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from rebate_monitor.storage.audit import Action, Deed, add_records
from rebate_monitor.storage.database import Connection
from rebate_monitor.storage.quarantine import drop_quarantined
from rebate_monitor.storage.statements import statement

IDENTIFIED_CASES = statement("identified_cases")
ERASE_IDENTITIES = statement("erase_identities")
REFUSED_OF_CASES = statement("refused_of_cases")


@dataclass(frozen=True, slots=True, kw_only=True)
class Erasable:
    """Which cases are meant: those of these names, or that ended before an instant."""

    case_ids: Sequence[str] | None = None
    ended_before: datetime | None = None


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


async def identified_cases(
    connection: Connection, wanted: Erasable, after: str, limit: int
) -> list[str]:
    """Return the next page of cases of which it is stored who the enterprise is."""
    rows = await connection.fetch(
        IDENTIFIED_CASES, after, wanted.case_ids, wanted.ended_before, limit
    )
    return [row["case_id"] for row in rows]


async def erase(connection: Connection, case_ids: Sequence[str], reason: str, by: Deed) -> Erased:
    """Erase taxpayer ids and extension attributes from the events of cases, part of a transaction.

    Refused events of these cases are dropped whole, since they may say anything. Each case is
    recorded with the reason. Only the owner of the database may do this.
    """
    events = await connection.fetchval(ERASE_IDENTITIES, list(case_ids))
    rows = await connection.fetch(REFUSED_OF_CASES, list(case_ids))
    refused = await drop_quarantined(connection, [row["digest"] for row in rows], reason, by)
    await add_records(
        connection, [by.record(Action.CASE_ERASED, case_id, reason) for case_id in case_ids]
    )
    return Erased(cases=len(case_ids), events=events, refused=refused)
