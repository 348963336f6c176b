"""Compare the running tallies with a full recount: they must be equal at every moment."""

from dataclasses import dataclass
from datetime import date

from rebate_monitor.domain.alert import AlertKind
from rebate_monitor.domain.tally import Cell, Deltas, Figure, Measures, alert_cell, difference
from rebate_monitor.storage.case_rows import stored_case
from rebate_monitor.storage.database import Connection, Database
from rebate_monitor.storage.statements import statement
from rebate_monitor.storage.tallies import AGED_ON, SETTLE_AFTER, read_cells

ALL_TALLY_CELLS = statement("all_tally_cells")
ALL_CASE_ROWS = statement("all_case_rows")
ACCEPTED_BY_TYPE = statement("accepted_by_type")
OPEN_ALERTS_BY_CELL = statement("open_alerts_by_cell")
ACCEPTED = "accepted"


@dataclass(frozen=True, slots=True, kw_only=True)
class CellDifference:
    """A cell whose tally is not what a recount gives."""

    cell: Cell
    tallied: Measures
    recounted: Measures


async def compare_tallies(database: Database, today: date) -> list[CellDifference]:
    """Recount every case and event in one snapshot; return the cells that differ, none if well."""
    async with database.transaction(snapshot=True) as connection:
        told = read_cells(await connection.fetch(ALL_TALLY_CELLS))
        counted = await _recount(connection)
    tallied, recounted = _aged(_countable(told), today), _aged(counted, today)
    return [
        CellDifference(
            cell=cell,
            tallied=tallied.get(cell, Measures()),
            recounted=recounted.get(cell, Measures()),
        )
        for cell in tallied.keys() | recounted.keys()
        if tallied.get(cell, Measures()) != recounted.get(cell, Measures())
    ]


async def _recount(connection: Connection) -> Deltas:
    rows = [stored_case(row) for row in await connection.fetch(ALL_CASE_ROWS)]
    deltas = difference([], rows)
    for row in await connection.fetch(ACCEPTED_BY_TYPE):
        cell = Cell(figure=Figure.EVENTS, event_type=row["event_type"], outcome=ACCEPTED)
        deltas[cell] = Measures(cases=row["events"])
    for row in await connection.fetch(OPEN_ALERTS_BY_CELL):
        kind, acknowledged = AlertKind(row["kind"]), row["acknowledged"]
        cell = alert_cell(kind, row["city"], acknowledged=acknowledged)
        deltas[cell] = Measures(cases=row["alerts"])
    return deltas


def _countable(cells: Deltas) -> Deltas:
    """Leave out what is not stored: duplicates and refusals, and breaches that were undone."""
    return {
        cell: measures
        for cell, measures in cells.items()
        if cell.figure is not Figure.UNDONE
        and (cell.figure is not Figure.EVENTS or cell.outcome == ACCEPTED)
    }


def _aged(cells: Deltas, today: date) -> Deltas:
    """Forget the dates of old breaches as the compaction does, whether or not it has come by."""
    aged: Deltas = {}
    for cell, measures in cells.items():
        kept = cell
        if cell.breach_on is not None and cell.breach_on < today - SETTLE_AFTER:
            kept = cell._replace(at_risk_on=AGED_ON, due_on=AGED_ON, breach_on=AGED_ON, rules=None)
        aged[kept] = aged.get(kept, Measures()).plus(measures)
    return {cell: measures for cell, measures in aged.items() if any(measures)}
