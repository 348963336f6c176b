"""A scrape at 10,000 and 100,000 stored cases, and the same figures by GROUP BY.

The cases are a simulated province over one year, taken in through the real writer into a
PostgreSQL of the benchmark's own; figures are read and rendered as `GET /metrics` does it.
"""

import os
import statistics
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path

import msgspec

from rebate_monitor.api.service import Service
from rebate_monitor.calendar_sources import work_calendar
from rebate_monitor.embedded_postgres import EmbeddedPostgres
from rebate_monitor.metrics import FiguresCollector, windows
from rebate_monitor.server import compose
from rebate_monitor.settings import Settings
from rebate_monitor.simulation.province import Province
from rebate_monitor.storage.database import open_database
from rebate_monitor.storage.figures import read_snapshot
from rebate_monitor.storage.migrations import migrate
from rebate_monitor.storage.recount import compare_tallies
from rebate_monitor.storage.tallies import compact

SIZES = (10_000, 100_000)
ROUNDS = 25
CHUNK = 1_000
COMPACT_EVERY = 20
PERIOD = timedelta(days=365)
MONTHS = 12

GROUP_BY = """
SELECT category, city, status, settled_verdict, due_date, at_risk_at::date, breach_at::date,
       stopped_on, counted_workdays, count(*), sum(counted_workdays),
       count(*) FILTER (WHERE in_time), count(*) FILTER (WHERE same_day)
FROM rebate_case
GROUP BY 1, 2, 3, 4, 5, 6, 7, 8, 9
"""


async def run() -> None:
    """Print the median milliseconds of both sides at each size, and the ratios."""
    medians: dict[int, float] = {}
    for size in SIZES:
        with tempfile.TemporaryDirectory(prefix="rebate-bench-") as folder:
            os.chmod(folder, 0o755)  # noqa: PTH101, S103 - as root, PostgreSQL is another user
            with EmbeddedPostgres(Path(folder) / "data") as dsn:
                medians[size] = await _measure(dsn, size)
    small, large = SIZES
    print(f"  scrape at {large:,} against {small:,} cases: {medians[large] / medians[small]:.2f}")


async def _measure(dsn: str, size: int) -> float:
    async with open_database(dsn) as database:
        await migrate(database)
        service = compose(Settings(), database)
        cases = await _fill(service, size)
        await compact(database, service.today())
        async with database.connection() as connection:
            await connection.execute("VACUUM ANALYZE")
        differing = await compare_tallies(database, service.today())
        ours = await _median(lambda: _scrape(service))
        theirs = await _median(lambda: _group_by(service))
        print(
            f"  {cases:8,} cases: scrape {ours:8.2f} ms, GROUP BY alone {theirs:8.2f} ms, "
            f"ratio {theirs / ours:6.1f}; cells that differ from a recount: {len(differing)}"
        )
    return ours


async def _fill(service: Service, size: int) -> int:
    until = datetime.now(UTC)
    province = Province(seed=1, calendar=work_calendar(), cases_per_month=round(size / MONTHS))
    events = province.history(until - PERIOD, until)
    started, told, number = time.perf_counter(), 0, 0
    while chunk := [msgspec.json.encode(event) for event in islice(events, CHUNK)]:
        await service.writer.take(chunk, received_from="benchmark", now=until)
        told, number = told + len(chunk), number + 1
        if number % COMPACT_EVERY == 0:
            await compact(service.database, service.today())
    seconds = time.perf_counter() - started
    async with service.database.connection() as connection:
        cases: int = await connection.fetchval("SELECT count(*) FROM rebate_case")
    print(f"  filled with {told:,} events at {told / seconds:,.0f} a second", file=sys.stderr)
    return cases


async def _scrape(service: Service) -> None:
    today = service.today()
    snapshot = await read_snapshot(service.database, service.rules, windows(today), today)
    figures = FiguresCollector(snapshot=snapshot, places=service.places, now=service.now())
    await service.metrics.render(figures, "")


async def _group_by(service: Service) -> None:
    async with service.database.connection() as connection:
        await connection.fetch(GROUP_BY)


async def _median(work: Callable[[], Awaitable[None]]) -> float:
    seconds = []
    for _ in range(ROUNDS):
        started = time.perf_counter()
        await work()
        seconds.append(time.perf_counter() - started)
    return statistics.median(seconds) * 1000
