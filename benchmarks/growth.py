"""What everything costs with 10,000, 100,000 and 1,000,000 stored cases, asked of a real service.

One table: the median milliseconds of each question, the microseconds of each event told in batches
of 1,000, and the megabytes that the service takes. `GROWTH_PICTURE` names a file for the plot,
`GROWTH_TIMES=100` goes on to ten million cases. Questions
are asked once the service rests; with a million cases it is told of many more events at the end.
"""

import asyncio
import os
import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

import aiohttp
import psutil
from matplotlib.figure import Figure

from benchmarks.filling import fill, multiply, settle
from benchmarks.ground import (
    BEARER,
    Served,
    execute,
    fetchval,
    fresh_database,
    own_postgres,
    serving,
)
from benchmarks.traffic import CONNECTIONS, MANY, bodies, in_batches, made_up_events, post_all
from rebate_monitor.server import compose
from rebate_monitor.settings import Settings
from rebate_monitor.storage.database import Database

SMALL, LARGE = 10_000, 100_000
TIMES = int(os.environ.get("GROWTH_TIMES", "10"))
EVENTS = int(os.environ.get("GROWTH_EVENTS", "20000"))
LOAD, STEP = int(os.environ.get("GROWTH_LOAD", "200000")), 20
PICTURE = os.environ.get("GROWTH_PICTURE")
ROUNDS = 25
MEGABYTE = 2**20

GROUP_BY = """
SELECT category, city, status, settled_verdict, due_date, at_risk_at::date, breach_at::date,
       stopped_on, counted_workdays, count(*), sum(counted_workdays),
       count(*) FILTER (WHERE in_time), count(*) FILTER (WHERE same_day)
FROM rebate_case
GROUP BY 1, 2, 3, 4, 5, 6, 7, 8, 9
"""
SOME_CASE = "SELECT case_id FROM rebate_case WHERE status = 'stopped' ORDER BY case_id DESC LIMIT 1"
BUSY = """
SELECT EXISTS (SELECT FROM rebate_case WHERE next_alert_at <= now())
    OR (SELECT count(*) FROM tally_delta) > 1000
"""
SCRAPE, EVENT, MEMORY = "scrape, ms", "event in a batch, µs", "memory of the service, MB"


@dataclass
class Costs:
    """What was measured at one number of stored cases."""

    cases: int
    costs: dict[str, float] = field(default_factory=dict)


async def run() -> None:
    """Print the table of costs by stored cases; draw it where a picture is asked for."""
    measured = list[Costs]()
    async with own_postgres() as dsn:
        async with fresh_database(dsn) as (database, address):
            await fill(compose(Settings(), database), SMALL)
            measured.append(await _measure(database, address, "small"))
        async with fresh_database(dsn) as (database, address):
            service = compose(Settings(), database)
            await fill(service, LARGE)
            measured.append(await _measure(database, address, "large"))
            times = 1
            while times < TIMES:
                await multiply(service, times, times * 10)
                times *= 10
                measured.append(await _measure(database, address, f"times-{times}"))
    _say(measured)
    if PICTURE:
        _draw(measured, Path(PICTURE))


async def _measure(database: Database, address: str, name: str) -> Costs:
    service = compose(Settings(), database)
    cases = await settle(service)
    found = Costs(cases=cases)
    today = service.today()
    month_ago = today - timedelta(days=30)
    case_id = await fetchval(database, SOME_CASE)
    async with serving(address) as [served]:
        await _at_rest(database)
        found.costs[SCRAPE] = await _asked(served, "/metrics")
        found.costs["GROUP BY of the same, ms"] = await _grouped(database)
        found.costs["one case, ms"] = await _asked(served, f"/v1/cases/{case_id}")
        found.costs["list, first page, ms"] = await _asked(served, "/v1/cases")
        found.costs["list of a city, ms"] = await _asked(served, "/v1/cases?city=430100")
        performance = f"/v1/performance?from={month_ago}&to={today}&by=city"
        found.costs["performance of 30 days by city, ms"] = await _asked(served, performance)
        told = made_up_events(EVENTS, of=f"{name}~")
        seconds = await post_all([served.url], bodies(told), MANY | BEARER, CONNECTIONS)
        found.costs[EVENT] = seconds / len(told) * 1e6
        found.costs[MEMORY] = _memory(served)
        if cases > LARGE * 2:
            await _load(served, name)
    return found


async def _at_rest(database: Database) -> None:
    """Wait until the service has raised what its new cases have become due for, and counted it."""
    while await fetchval(database, BUSY):  # noqa: ASYNC110 - the service is another process
        await asyncio.sleep(0.5)
    await execute(database, "VACUUM ANALYZE")


async def _load(served: Served, name: str) -> None:
    """Tell many events in a row, and print what memory the service takes on the way."""
    events = in_batches(made_up_events(LOAD, of=f"{name}~~"))
    taken = [_memory(served)]
    for start in range(0, len(events), STEP):
        some = [event for batch in events[start : start + STEP] for event in batch]
        await post_all([served.url], bodies(some), MANY | BEARER, CONNECTIONS)
        taken.append(_memory(served))
    print(
        f"  memory while {LOAD:,} events more are told: {taken[0]:.0f} MB before, at most"
        f" {max(taken):.0f} MB, at the end {taken[-1]:.0f} MB"
    )


def _memory(served: Served) -> float:
    return float(psutil.Process(served.pid).memory_info().rss) / MEGABYTE


async def _asked(served: Served, path: str) -> float:
    """Return the median milliseconds from a question to the last byte of its answer."""
    seconds = list[float]()
    async with aiohttp.ClientSession(headers=BEARER) as session:
        for _ in range(ROUNDS):
            started = time.perf_counter()
            async with session.get(served.url + path) as response:
                assert response.status == 200, await response.text()
                await response.read()
            seconds.append(time.perf_counter() - started)
    return statistics.median(seconds) * 1000


async def _grouped(database: Database) -> float:
    seconds = list[float]()
    for _ in range(3):
        started = time.perf_counter()
        await execute(database, GROUP_BY)
        seconds.append(time.perf_counter() - started)
    return statistics.median(seconds) * 1000


def _say(measured: Sequence[Costs]) -> None:
    print(f"  {'stored cases':<38}" + "".join(f"{one.cases:>12,}" for one in measured))
    first, last = measured[0], measured[-1]
    for name in first.costs:
        row = "".join(f"{one.costs[name]:>12,.1f}" for one in measured)
        print(f"  {name:<38}{row}   {last.costs[name] / first.costs[name]:8.2f} times")
    grouped = last.costs["GROUP BY of the same, ms"]
    print(
        f"  a scrape at {last.cases:,} cases against GROUP BY: {grouped / last.costs[SCRAPE]:.0f}"
    )


def _draw(measured: Sequence[Costs], path: Path) -> None:
    """Draw each cost as multiples of what it is with the fewest cases, both axes by powers."""
    figure = Figure(figsize=(8, 4.5), layout="constrained")
    axes = figure.subplots()
    cases = [one.cases for one in measured]
    for name, first in measured[0].costs.items():
        axes.plot(cases, [one.costs[name] / first for one in measured], marker="o", label=name)
    axes.set(xscale="log", yscale="log", xlabel="stored cases", ylabel="times its first value")
    axes.grid(visible=True, alpha=0.3)
    axes.legend(fontsize="small")
    figure.savefig(path)
