"""What an event costs, of processors and of disk, and what a year of many cases needs by that.

First whose processor time an event takes, read off the processes while they are told of events;
then the bytes of an event and of a case with their indexes, as they lie after what ingest has
rewritten; then the table, which rests on these and on the assumptions that are printed above it.
"""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil

import psutil

from benchmarks.ground import (
    BEARER,
    Served,
    computed_by,
    computed_by_postgres,
    execute,
    fetchval,
    fresh_database,
    own_postgres,
    serving,
)
from benchmarks.traffic import (
    CONNECTIONS,
    MANY,
    ONE,
    SINGLE_CONNECTIONS,
    bodies,
    made_up_events,
    post_all,
)
from rebate_monitor.storage.database import Database

STORED = 20_000
EVENTS = int(os.environ.get("SIZING_EVENTS", "60000"))
SINGLES = int(os.environ.get("SIZING_SINGLES", "20000"))
CASES_A_YEAR = (1, 10, 100, 1_000)
"""Millions."""
WORKDAYS, HOURS, PEAK = 250, 8, 10
"""In which a year's events come, and how many times the mean its busiest hour is."""
BUSY = 0.5
"""How much of a processor may be busy in that hour."""
SHARES = ("service", "PostgreSQL", "client")
MICRO, GIGA = 1e6, 1e9


@dataclass(frozen=True)
class Costs:
    """What an event and a case were measured to cost: seconds of a processor, and bytes."""

    service: float
    postgres: float
    bytes_an_event: float
    bytes_a_case: float
    events_a_case: float


async def run() -> None:
    """Print what was measured, then the table."""
    events = made_up_events(STORED + EVENTS + SINGLES)
    stored, rest = events[:STORED], events[STORED:]
    batches, singles = rest[:EVENTS], rest[EVENTS:]
    async with own_postgres() as dsn, fresh_database(dsn) as (database, address):
        async with serving(address) as [served]:
            await post_all([served.url], bodies(stored), MANY | BEARER, CONNECTIONS)
            await execute(database, "VACUUM ANALYZE")
            print(f"  {'microseconds of a processor per event':<40}" + _row(SHARES))
            await _shares(served, bodies(batches), len(batches), MANY, CONNECTIONS)
            service, postgres = await _shares(
                served, singles, len(singles), ONE, SINGLE_CONNECTIONS
            )
        await execute(database, "VACUUM ANALYZE")
        costs = Costs(service, postgres, *await _bytes(database))
    print(
        f"  {costs.bytes_an_event:,.0f} bytes an event, {costs.bytes_a_case:,.0f} a case,"
        f" with their indexes; {costs.events_a_case:.1f} events a case"
    )
    _say(costs)


async def _shares(
    served: Served, told: Sequence[bytes], events: int, headers: dict[str, str], connections: int
) -> tuple[float, float]:
    """Post; print what each process computed meanwhile, return the service's and PostgreSQL's."""
    before = _processors(served)
    await post_all([served.url], told, headers | BEARER, connections)
    spent = [after - was for was, after in zip(before, _processors(served), strict=True)]
    what = "in batches of 1,000" if headers is MANY else f"single, over {connections} connections"
    each = [seconds / events for seconds in spent]
    print(f"  {what:<40}" + _row([f"{seconds * MICRO:.0f}" for seconds in each]))
    return each[0], each[1]


def _processors(served: Served) -> list[float]:
    """Return the processor seconds of the service, of PostgreSQL and its children, of this one."""
    own, service = psutil.Process(), psutil.Process(served.pid)
    return [computed_by(service), computed_by_postgres(), computed_by(own)]


async def _bytes(database: Database) -> tuple[float, float, float]:
    events = await fetchval(database, "SELECT count(*) FROM case_event")
    cases = await fetchval(database, "SELECT count(*) FROM rebate_case")
    size = "SELECT pg_total_relation_size($1::text::regclass)"
    of_events = await fetchval(database, size, "case_event")
    of_cases = await fetchval(database, size, "rebate_case")
    return of_events / events, of_cases / cases, events / cases


def _say(costs: Costs) -> None:
    print(
        f"  a year's events come in {WORKDAYS} workdays of {HOURS} hours; the busiest hour has"
        f" {PEAK} times the mean, single posts, and processors are {BUSY:.0%} busy in it"
    )
    heads = ("peak ev/s", "service", "PostgreSQL", "disk a year")
    print(f"  {'million cases a year':<24}" + _row(heads))
    for millions in CASES_A_YEAR:
        cases = millions * 1_000_000
        events = cases * costs.events_a_case
        peak = events / (WORKDAYS * HOURS * 3600) * PEAK
        disk = (events * costs.bytes_an_event + cases * costs.bytes_a_case) / GIGA
        told = (
            f"{peak:,.1f}",
            f"{ceil(peak * costs.service / BUSY)} cores",
            f"{ceil(peak * costs.postgres / BUSY)} cores",
            f"{disk:,.0f} GB",
        )
        print(f"  {millions:<24,}" + _row(told))


def _row(told: Sequence[str]) -> str:
    return "".join(f"{one:>14}" for one in told)
