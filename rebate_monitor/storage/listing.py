"""Pages of cases, most urgent first."""

from dataclasses import dataclass
from datetime import date, datetime

from rebate_monitor.domain.bounds import UNBOUND, Bounds
from rebate_monitor.storage.database import Connection
from rebate_monitor.storage.statements import statement

LIST_CASES = statement("list_cases")


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseFilter:
    """Which cases to list; None does not filter. `due_before` is exclusive.

    Only cases of offices within the bounds are listed.
    """

    status: str | None = None
    verdict: str | None = None
    category: str | None = None
    city: str | None = None
    office: str | None = None
    due_from: date | None = None
    due_before: date | None = None
    bounds: Bounds = UNBOUND


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A place in the list: `urgent_at` as PostgreSQL writes it, then the case.

    `rules` are those that its row was written by.
    """

    urgent_at: str
    case_id: str
    rules: int | None = None


async def list_case_ids(
    connection: Connection, wanted: CaseFilter, now: datetime, after: Place | None, limit: int
) -> list[Place]:
    """Return the next page of a filtered list."""
    rows = await connection.fetch(
        LIST_CASES,
        now,
        wanted.status,
        wanted.verdict,
        wanted.category,
        wanted.city,
        wanted.office,
        wanted.due_before,
        after.urgent_at if after else None,
        after.case_id if after else None,
        limit,
        wanted.bounds.patterns,
        wanted.due_from,
    )
    return [
        Place(urgent_at=row["urgent_at"], case_id=row["case_id"], rules=row["rules"])
        for row in rows
    ]
