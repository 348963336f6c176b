"""Read what the figures are made of: tallies for the scrape, distributions for a period."""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime

from rebate_monitor.domain.known_then import rules_at
from rebate_monitor.domain.performance import Distributions, Key, LeftOut, Open, Stopped
from rebate_monitor.domain.rulebook import Rulebook
from rebate_monitor.domain.standing import Period, distributions_of, open_workdays
from rebate_monitor.domain.tally import Deltas, Measures
from rebate_monitor.storage.database import Connection, Database
from rebate_monitor.storage.foresight import MonthForeseen, month_foreseen
from rebate_monitor.storage.outbox import OutboxFigures, outbox_figures
from rebate_monitor.storage.quarantine import count_quarantine
from rebate_monitor.storage.recomputes import Recompute, under_way
from rebate_monitor.storage.rulebooks import known_rules
from rebate_monitor.storage.rules import Rules, RulesInForce
from rebate_monitor.storage.standings import all_as_known, changes_since
from rebate_monitor.storage.statements import statement
from rebate_monitor.storage.tallies import read_cells

TALLY_CELLS = statement("tally_cells")
STOPPED_BY_WINDOW = statement("stopped_by_window")
STOPPED_DISTRIBUTION = statement("stopped_distribution")
OPEN_DISTRIBUTION = statement("open_distribution")
LEFT_OUT = statement("left_out")
PLAN_FOR_ARGUMENTS = statement("plan_for_arguments")


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """What a scrape shows, read in one moment.

    `windows` holds sums of normal stopped cases by (window, category); `quarantined` counts events.
    `recompute` is the one under way.
    """

    cells: Deltas
    windows: Mapping[tuple[str, str], Measures]
    quarantined: int
    outbox: OutboxFigures
    rules: RulesInForce
    recompute: Recompute | None = None
    foreseen: MonthForeseen = field(default_factory=MonthForeseen)


async def read_snapshot(
    database: Database, rules: Rules, windows: Mapping[str, date], today: date
) -> Snapshot:
    """Read a snapshot; `windows` maps each window to its first day."""
    labels, firsts = list(windows), list(windows.values())
    async with database.transaction(snapshot=True) as connection:
        in_force = await rules.in_force(connection)
        cells = read_cells(await connection.fetch(TALLY_CELLS))
        rows = await connection.fetch(STOPPED_BY_WINDOW, labels, firsts, min(firsts), today)
        quarantined = await count_quarantine(connection)
        outbox = await outbox_figures(connection)
        foreseen = await month_foreseen(connection, today)
        recompute = await under_way(connection)
    stopped = {
        (row["label"], row["category"]): Measures(*(row[name] for name in Measures._fields))
        for row in rows
    }
    return Snapshot(
        cells=cells,
        windows=stopped,
        quarantined=quarantined,
        outbox=outbox,
        rules=in_force,
        recompute=recompute,
        foreseen=foreseen,
    )


async def read_distributions(
    connection: Connection, period: Period, rules: RulesInForce
) -> Distributions:
    """Read the distributions of a period; open cases are as of today."""
    await connection.execute(PLAN_FOR_ARGUMENTS)  # a plan for every grouping is good for none
    return Distributions(
        stopped=await read_stopped(connection, period),
        still_open=await _still_open(connection, period, rules),
        left_out=await read_left_out(connection, period),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class AsKnown:
    """The cases of a period as they were known at a moment, and the rules of then."""

    told: Distributions
    rulebook: Rulebook


async def read_as_known(
    connection: Connection, period: Period, known_at: datetime, rules: RulesInForce
) -> AsKnown:
    """Read the distributions of a period by what had arrived by a moment, by the rules of then.

    Stored rows serve for the cases that have heard of nothing since, as long as the rules of then
    are still those that all rows go by; all others are folded from their events.
    """
    known = await known_rules(connection, rules.rulebook)
    then = rules_at(known, known_at)
    if rules.all_go_by(then):
        rows = await read_distributions(connection, period, rules)
        signed = await changes_since(connection, period.days, known_at, then)
    else:
        rows = Distributions()
        signed = await all_as_known(connection, period.days, known_at, then)
    told = rows.plus(distributions_of(signed, period, then.calendar))
    return AsKnown(told=told, rulebook=then)


async def read_stopped(connection: Connection, period: Period) -> dict[Key, list[Stopped]]:
    """Read the normal cases stopped in a period, by group and workdays."""
    found: dict[Key, list[Stopped]] = defaultdict(list)
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
    connection: Connection, period: Period, rules: RulesInForce
) -> dict[Key, list[Open]]:
    found: dict[Key, list[Open]] = defaultdict(list)
    month = f"{period.today:%Y-%m}"
    for row in await connection.fetch(OPEN_DISTRIBUTION, period.by, month, rules.settled):
        calendar = rules.calendar_of(row["rules"])
        counted, since = row["counted_workdays"], row["running_since"]
        workdays = open_workdays(counted, since, period.today, calendar)
        found[row["group"], row["category_1_2"]].append(Open(workdays=workdays, cases=row["cases"]))
    return found


async def read_left_out(connection: Connection, period: Period) -> dict[Key, LeftOut]:
    """Read the cases whose clock ended in a period without counting in the mean, by group."""
    rows = await connection.fetch(LEFT_OUT, period.first, period.last, period.by)
    return {
        (row["group"], row["category_1_2"]): LeftOut(
            excluded=row["excluded"], rejected=row["rejected"], withdrawn=row["withdrawn"]
        )
        for row in rows
    }
