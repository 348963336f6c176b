"""Read what the figures are made of: tallies for the scrape, distributions for a period."""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import TypeVar

from rebate_monitor.domain.performance import Open, Performance, Stopped, performance
from rebate_monitor.domain.policy import Scope
from rebate_monitor.domain.tally import Deltas, Measures
from rebate_monitor.domain.work_calendar import WorkCalendar
from rebate_monitor.storage.database import Connection, Database
from rebate_monitor.storage.outbox import OutboxFigures, outbox_figures
from rebate_monitor.storage.quarantine import count_quarantine
from rebate_monitor.storage.statements import statement
from rebate_monitor.storage.tallies import read_cells

TALLY_CELLS = statement("tally_cells")
STOPPED_BY_WINDOW = statement("stopped_by_window")
STOPPED_DISTRIBUTION = statement("stopped_distribution")
OPEN_DISTRIBUTION = statement("open_distribution")
LEFT_OUT = statement("left_out")


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """What a scrape shows, read in one moment.

    `windows` holds sums of normal stopped cases by (window, category); `quarantined` counts events.
    """

    cells: Deltas
    windows: Mapping[tuple[str, str], Measures]
    quarantined: int
    outbox: OutboxFigures


async def read_snapshot(database: Database, windows: Mapping[str, date], today: date) -> Snapshot:
    """Read a snapshot; `windows` maps each window to its first day."""
    labels, firsts = list(windows), list(windows.values())
    async with database.transaction(snapshot=True) as connection:
        cells = read_cells(await connection.fetch(TALLY_CELLS))
        rows = await connection.fetch(STOPPED_BY_WINDOW, labels, firsts, min(firsts), today)
        quarantined = await count_quarantine(connection)
        outbox = await outbox_figures(connection)
    stopped = {
        (row["label"], row["category"]): Measures(*(row[name] for name in Measures._fields))
        for row in rows
    }
    return Snapshot(cells=cells, windows=stopped, quarantined=quarantined, outbox=outbox)


@dataclass(frozen=True, slots=True, kw_only=True)
class Period:
    """Which cases to read and how to group them; both days are included, Asia/Shanghai."""

    first: date
    last: date
    by: str
    today: date


@dataclass(frozen=True, slots=True, kw_only=True)
class LeftOut:
    """Cases whose clock ended but that no mean counts."""

    excluded: int = 0
    rejected: int = 0
    withdrawn: int = 0


Part = TypeVar("Part")
Grouped = dict[tuple[str | None, bool], Part]
"""Something by (group, whether of category I or II)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Distributions:
    """The cases of a period."""

    stopped: Grouped[list[Stopped]]
    still_open: Grouped[list[Open]]
    left_out: Grouped[LeftOut]

    def performance(self, group: str | None, scope: Scope, target: float | None) -> Performance:
        """Sum up one group in one scope against a target in mean workdays."""
        keys = _keys(group, scope)
        stopped = [part for key in keys for part in self.stopped.get(key, ())]
        still_open = [part for key in keys for part in self.still_open.get(key, ())]
        return performance(stopped, still_open, target)

    def sum_left_out(self, group: str | None, scope: Scope) -> LeftOut:
        """Sum up what one group left out in one scope."""
        told = [self.left_out.get(key, LeftOut()) for key in _keys(group, scope)]
        return LeftOut(
            excluded=sum(part.excluded for part in told),
            rejected=sum(part.rejected for part in told),
            withdrawn=sum(part.withdrawn for part in told),
        )


def _keys(group: str | None, scope: Scope) -> list[tuple[str | None, bool]]:
    return [(group, True), (group, False)] if scope is Scope.ALL else [(group, True)]


async def read_distributions(
    connection: Connection, period: Period, calendar: WorkCalendar
) -> Distributions:
    """Read the distributions of a period; open cases are as of today."""
    return Distributions(
        stopped=await _stopped(connection, period),
        still_open=await _still_open(connection, period, calendar),
        left_out=await _left_out(connection, period),
    )


async def _stopped(connection: Connection, period: Period) -> Grouped[list[Stopped]]:
    found: Grouped[list[Stopped]] = defaultdict(list)
    for row in await connection.fetch(STOPPED_DISTRIBUTION, period.first, period.last, period.by):
        found[row["group"], row["category_1_2"]].append(
            Stopped(
                workdays=row["workdays"],
                cases=row["cases"],
                judged=row["judged"],
                in_time=row["in_time"],
                same_day=row["same_day"],
                amount_cny=row["amount_cny"],
            )
        )
    return found


async def _still_open(
    connection: Connection, period: Period, calendar: WorkCalendar
) -> Grouped[list[Open]]:
    found: Grouped[list[Open]] = defaultdict(list)
    for row in await connection.fetch(OPEN_DISTRIBUTION, period.by, f"{period.today:%Y-%m}"):
        since = row["running_since"]
        later = calendar.workdays_between(since, period.today) if since else 0
        workdays = max(0, row["counted_workdays"] + later)
        found[row["group"], row["category_1_2"]].append(Open(workdays=workdays, cases=row["cases"]))
    return found


async def _left_out(connection: Connection, period: Period) -> Grouped[LeftOut]:
    rows = await connection.fetch(LEFT_OUT, period.first, period.last, period.by)
    return {
        (row["group"], row["category_1_2"]): LeftOut(
            excluded=row["excluded"], rejected=row["rejected"], withdrawn=row["withdrawn"]
        )
        for row in rows
    }
