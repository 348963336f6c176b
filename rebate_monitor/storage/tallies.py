"""The running tallies: appended to by every writer, compacted in the background, read as a sum."""

from collections.abc import Iterable
from datetime import date, timedelta

from asyncpg import Record

from rebate_monitor.domain.alert import AlertKind
from rebate_monitor.domain.assessment import Verdict
from rebate_monitor.domain.tally import Cell, Deltas, Figure, Measures
from rebate_monitor.storage.database import Connection, Database
from rebate_monitor.storage.statements import statement

ADD_DELTAS = statement("add_deltas")
ONLY_ONE_COMPACTION = statement("only_one_compaction")
AGE_OPEN_CELLS = statement("age_open_cells")
COMPACT_DELTAS = statement("compact_deltas")
DROP_EMPTY_CELLS = statement("drop_empty_cells")

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


async def compact(database: Database, today: date) -> bool:
    """Move the deltas into the tally; return False when another replica is at it."""
    async with database.transaction() as connection:
        if not await connection.fetchval(ONLY_ONE_COMPACTION):
            return False
        await connection.execute(AGE_OPEN_CELLS, today - SETTLE_AFTER, AGED_ON)
        await connection.execute(COMPACT_DELTAS)
        await connection.execute(DROP_EMPTY_CELLS)
    return True


def read_cells(rows: Iterable[Record]) -> Deltas:
    """Read the rows of tally_cells or all_tally_cells: a cell's columns, then its measures."""
    return {_cell(row): Measures(*row[len(Cell._fields) :]) for row in rows}


def _cell(row: Record) -> Cell:
    told = row[: len(Cell._fields)]
    figure, event_type, outcome, category, city, verdict, *dates, kind, rules = told
    known = FIGURES[figure], event_type, outcome, category, city, VERDICTS[verdict]
    return Cell(*known, *[*dates, ALERT_KINDS[kind], rules])
