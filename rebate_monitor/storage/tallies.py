"""The running tallies: appended to by every writer, compacted in the background, read as a sum."""

from collections.abc import Iterable
from datetime import date, datetime, timedelta

from asyncpg import Record

from rebate_monitor.domain.alert import AlertKind
from rebate_monitor.domain.assessment import Verdict
from rebate_monitor.domain.local_time import local_date
from rebate_monitor.domain.tally import Cell, Deltas, Figure, Measures
from rebate_monitor.storage.database import Connection, Database
from rebate_monitor.storage.statements import statement

ADD_DELTAS = statement("add_deltas")
ONLY_ONE_COMPACTION = statement("only_one_compaction")
AGE_OPEN_CELLS = statement("age_open_cells")
COMPACT_DELTAS = statement("compact_deltas")
DROP_EMPTY_CELLS = statement("drop_empty_cells")
HEARD_AT = statement("heard_at")

FIGURES: dict[str, Figure] = {figure.value: figure for figure in Figure}
ALERT_KINDS: dict[str | None, AlertKind | None] = {None: None, **{k.value: k for k in AlertKind}}
VERDICTS: dict[str | None, Verdict | None] = {None: None, **{v.value: v for v in Verdict}}

SETTLE_AFTER = timedelta(days=7)
"""How long a breach lies back before its dates are forgotten; covers a clock that is set back."""
AGED_ON = date(2000, 1, 1)
"""What the dates of an old breach become."""


async def add_deltas(connection: Connection, deltas: Deltas) -> None:
    """Append what the tallies change by; part of the transaction that changes the cases."""
    if not deltas:
        return
    cells = [list(column) for column in zip(*deltas, strict=True)]
    measures = [list(column) for column in zip(*deltas.values(), strict=True)]
    await connection.execute(ADD_DELTAS, *cells, *measures)


async def compact(database: Database, now: datetime) -> bool:
    """Move the deltas into the tally; return False when another replica is at it.

    What it finds is what was heard since the last time: so it notes when events last came.
    """
    async with database.transaction() as connection:
        if not await connection.fetchval(ONLY_ONE_COMPACTION):
            return False
        await connection.execute(AGE_OPEN_CELLS, local_date(now) - SETTLE_AFTER, AGED_ON)
        await connection.execute(COMPACT_DELTAS, now)
        await connection.execute(DROP_EMPTY_CELLS)
    return True


async def heard_at(connection: Connection) -> datetime | None:
    """Return when events were last accepted, None where none ever was."""
    heard: datetime | None = await connection.fetchval(HEARD_AT)
    return heard


def read_cells(rows: Iterable[Record]) -> Deltas:
    """Read the rows of tally_cells or all_tally_cells: a cell's columns, then its measures."""
    return {_cell(row): Measures(*row[len(Cell._fields) :]) for row in rows}


def _cell(row: Record) -> Cell:
    told = row[: len(Cell._fields)]
    figure, event_type, outcome, category, city, verdict, *dates, kind, rules = told
    known = FIGURES[figure], event_type, outcome, category, city, VERDICTS[verdict]
    return Cell(*known, *[*dates, ALERT_KINDS[kind], rules])
