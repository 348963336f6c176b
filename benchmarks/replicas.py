"""One, two and four services on one PostgreSQL, told of the same cases at once.

Batches go to the replicas in turn, and batches that follow each other tell of the same cases: so
the replicas meet at the rows. Afterwards everything is recounted, and every replica must say the
same.
"""

import os

import aiohttp

from benchmarks.ground import (
    BEARER,
    Served,
    execute,
    fetchval,
    fresh_database,
    own_postgres,
    serving,
)
from benchmarks.traffic import MANY, bodies, made_up_events, post_all
from rebate_monitor.domain.local_time import local_date
from rebate_monitor.server import utc_now
from rebate_monitor.storage.database import Database
from rebate_monitor.storage.recount import compare_tallies

EVENTS = int(os.environ.get("REPLICAS_EVENTS", "60000"))
STORED = 20_000
REPLICAS = (1, 2, 4)
CONNECTIONS = 8
OWN = ("process_", "python_", "http_", "rebate_ingest_commit", "rebate_snapshot_timestamp")
"""What each replica says of itself alone."""
DEADLOCKS = "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()"


async def run() -> None:
    """Print the rate of each number of replicas, and what a recount finds."""
    events = made_up_events(STORED + EVENTS)
    stored, told = events[:STORED], events[STORED:]
    rates = dict[int, float]()
    async with own_postgres() as dsn:
        for replicas in REPLICAS:
            async with (
                fresh_database(dsn) as (database, address),
                serving(address, replicas) as all_,
            ):
                urls = [one.url for one in all_]
                await post_all(urls, bodies(stored), MANY | BEARER, CONNECTIONS)
                await execute(database, "VACUUM ANALYZE")
                seconds = await post_all(urls, bodies(told), MANY | BEARER, CONNECTIONS)
                rates[replicas] = len(told) / seconds
                found = await _found(database, all_, len(events))
            print(
                f"  {replicas} replicas: {rates[replicas]:,.0f} events/s,"
                f" {rates[replicas] / rates[1]:.2f} of one; {found}",
                flush=True,
            )


async def _found(database: Database, replicas: list[Served], events: int) -> str:
    stored = await fetchval(database, "SELECT count(*) FROM case_event")
    folded = await fetchval(database, "SELECT sum(events) FROM rebate_case")
    assert stored == folded == events, f"{stored} stored, {folded} folded of {events}"
    differing = await compare_tallies(database, local_date(utc_now()))
    figures = {await _figures(replica) for replica in replicas}
    deadlocks = await fetchval(database, DEADLOCKS)
    return (
        f"{deadlocks} deadlocks; cells that differ from a recount: {len(differing)};"
        f" different figures: {len(figures) - 1}"
    )


async def _figures(replica: Served) -> str:
    """Return what a replica says that all must say alike."""
    async with (
        aiohttp.ClientSession() as session,
        session.get(f"{replica.url}/metrics") as response,
    ):
        assert response.status == 200
        told = (await response.text()).splitlines()
    return "\n".join(line for line in told if not line.startswith(("#", *OWN)))
