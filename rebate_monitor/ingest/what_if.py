"""Try other rules on the stored cases: read in pages, compared in memory, nothing written."""

import asyncio
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from rebate_monitor.domain.local_time import midnight
from rebate_monitor.domain.rulebook import Rulebook
from rebate_monitor.domain.what_if import Comparison, compare
from rebate_monitor.storage.case_events import events_of_cases
from rebate_monitor.storage.database import Connection, Database
from rebate_monitor.storage.statements import statement

CASES_ACCEPTED = statement("cases_accepted")
PAGE = 100  # short enough that requests get their turn in between


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """Which cases to try two rulebooks on: those accepted from `first` to `last`, both included."""

    first: date
    last: date
    present: Rulebook
    proposed: Rulebook
    now: datetime


async def cases_of(connection: Connection, trial: Trial, most: int | None = None) -> list[str]:
    """Return the ids of the cases to try, in order; no more than `most`."""
    rows = await connection.fetch(
        CASES_ACCEPTED, midnight(trial.first), midnight(trial.last + timedelta(days=1)), most
    )
    return [row["case_id"] for row in rows]


async def comparisons(
    database: Database, trial: Trial, case_ids: list[str]
) -> AsyncGenerator[Comparison, None]:
    """Yield each case under both rulebooks."""
    for start in range(0, len(case_ids), PAGE):
        page = case_ids[start : start + PAGE]
        async with database.connection() as connection:
            stored = await events_of_cases(connection, page)
        for case_id in page:
            events = [known.event for known in stored.get(case_id, ())]
            yield compare(case_id, events, trial.now, (trial.present, trial.proposed))
        await asyncio.sleep(0)
