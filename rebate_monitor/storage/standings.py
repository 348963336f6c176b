"""What figures are read off cases one by one: as stored, and as they were known at a moment.

Sums over stored rows are SQL's business; here are the cases that such sums have to be put right
for, because they have heard of something since, or because the rules are others.
"""

from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from asyncpg import Record

from rebate_monitor.domain.case import Status
from rebate_monitor.domain.known_then import Receipt, received_by
from rebate_monitor.domain.local_time import local_date, midnight
from rebate_monitor.domain.periods import ONE_DAY, Days
from rebate_monitor.domain.rulebook import Rulebook
from rebate_monitor.domain.standing import Standing, standing_of
from rebate_monitor.storage.case_events import receipts_of_cases
from rebate_monitor.storage.database import Connection
from rebate_monitor.storage.statements import statement

LATE_CASES = statement("late_cases")
CASES_DATED = statement("cases_dated")
CASES_KNOWN_BY = statement("cases_known_by")
STANDINGS_OF_CASES = statement("standings_of_cases")
PAGE = 500

Signed = tuple[Standing, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Remembered:
    """A case with its stored standing and every event with the moment of its arrival."""

    case_id: str
    stored: Standing
    receipts: Sequence[Receipt]


async def late_cases(
    connection: Connection, days: Days, known_at: datetime, *, with_open: bool
) -> list[str]:
    """Return the cases that have heard of something since and that may count in these days."""
    bounds = _bounds(days)
    return _ids(await connection.fetch(LATE_CASES, known_at, *bounds, with_open))


async def cases_dated(connection: Connection, days: Days) -> list[str]:
    """Return every case that may count in these days, by whatever rules."""
    return _ids(await connection.fetch(CASES_DATED, *_bounds(days)))


async def remembered(
    connection: Connection, case_ids: Sequence[str]
) -> AsyncIterator[Sequence[Remembered]]:
    """Yield these cases page by page."""
    for page in _pages(case_ids):
        rows = await connection.fetch(STANDINGS_OF_CASES, page)
        receipts = await receipts_of_cases(connection, page)
        yield [
            Remembered(
                case_id=row["case_id"],
                stored=stored_standing(row),
                receipts=receipts.get(row["case_id"], ()),
            )
            for row in rows
        ]


async def changes_since(
    connection: Connection, days: Days, known_at: datetime, rules: Rulebook
) -> list[Signed]:
    """Return what to add to and take away from figures of stored rows, so that they are of then.

    That is exact where the rules of then are those that the rows were folded by.
    """
    case_ids = await late_cases(connection, days, known_at, with_open=True)
    signed: list[Signed] = []
    async for page in remembered(connection, case_ids):
        for case in page:
            signed.append((case.stored, -1))
            known = received_by(case.receipts, known_at)
            if known:
                signed.append((standing_of(*rules.assess(case.case_id, known)), 1))
    return signed


async def all_as_known(
    connection: Connection, days: Days, known_at: datetime, rules: Rulebook
) -> list[Signed]:
    """Fold every case that may count in these days, or may have been open, as it was known then."""
    rows = await connection.fetch(CASES_KNOWN_BY, known_at, *_bounds(days))
    signed: list[Signed] = []
    for page in _pages(_ids(rows)):
        told: Mapping[str, Sequence[Receipt]] = await receipts_of_cases(connection, page)
        for case_id, receipts in told.items():
            events = received_by(receipts, known_at)
            signed.append((standing_of(*rules.assess(case_id, events)), 1))
    return signed


def stored_standing(row: Record) -> Standing:
    """Read a row of standings_of_cases."""
    return Standing(
        status=Status(row["status"]),
        normal=row["normal"],
        category=row["category"],
        city=row["city"],
        office=row["office"],
        rebate_type=row["rebate_type"],
        amount_cny=row["amount_cny"],
        accepted_on=local_date(row["accepted_at"]) if row["accepted_at"] else None,
        ended_on=local_date(row["ended_at"]) if row["ended_at"] else None,
        counted_workdays=row["counted_workdays"],
        running_since=row["running_since"],
        in_time=row["in_time"],
        same_day=row["same_day"],
        is_refiled=row["refiled_from"] is not None,
    )


def _bounds(days: Days) -> tuple[datetime, datetime]:
    """Return the instants from which and up to which the days last."""
    return midnight(days.first), midnight(days.last + ONE_DAY)


def _ids(rows: Sequence[Record]) -> list[str]:
    return [row["case_id"] for row in rows]


def _pages(case_ids: Sequence[str]) -> Iterator[list[str]]:
    for start in range(0, len(case_ids), PAGE):
        yield list(case_ids[start : start + PAGE])
