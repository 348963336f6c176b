"""Ingest end to end over HTTP, durable, cases folded, against what PostgreSQL and aiohttp do alone.

The real service runs in a process of its own, with a stored key as producers have one. Batches:
the same events told to it in batches of 1,000 over four connections, and inserted by bare asyncpg
into the same table. Single posts over 64 connections: against a handler that only reads the body,
and against the same service with a transaction for each event.
"""

import asyncio
import contextlib
import os
import statistics
import sys
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from typing import Any

import asyncpg
from aiohttp import web

from benchmarks.ground import computed_by_postgres, execute, fresh_database, own_postgres
from benchmarks.traffic import (
    CONNECTIONS,
    MANY,
    ONE,
    SINGLE_CONNECTIONS,
    bodies,
    in_batches,
    made_up_events,
    post_all,
    side_by_side,
)
from rebate_monitor.ingest.incoming import Sender
from rebate_monitor.ingest.intake import Intake
from rebate_monitor.ingest.wire import decode_event
from rebate_monitor.ingest.writer import Report
from rebate_monitor.log import configure_logging
from rebate_monitor.server import compose, stop_on_signals
from rebate_monitor.server import run as serve
from rebate_monitor.settings import Settings
from rebate_monitor.storage.case_events import APPEND_EVENTS, NewEvent
from rebate_monitor.storage.database import Database, open_database
from rebate_monitor.storage.keys import Grant, Scope, create_key

EVENTS = int(os.environ.get("INGEST_EVENTS", "60000"))
SINGLES = int(os.environ.get("INGEST_SINGLES", "12000"))
STORED = int(os.environ.get("INGEST_STORED", "20000"))
"""Events that are stored, and known to the planner, before any time is taken."""
ROUNDS = 3
TELLS = Grant(name="benchmark", scopes=frozenset({Scope.EVENTS_WRITE}))
CORES = os.cpu_count() or 1


@dataclass(frozen=True)
class Server:
    """Where the measured service is reached, and with which key."""

    url: str
    key: str


async def run() -> None:
    """Print each side's rate and the ratios, the median of several rounds."""
    async with own_postgres() as dsn:
        events = made_up_events(STORED + max(EVENTS, SINGLES))
        stored, told = events[:STORED], events[STORED:]
        await _batches(dsn, stored, told[:EVENTS])
        await _singles(dsn, stored, told[:SINGLES])


async def _batches(dsn: str, stored: Sequence[bytes], events: Sequence[bytes]) -> None:
    ours, bare, databases = list[float](), list[float](), list[float]()
    for _ in range(ROUNDS):
        async with fresh_database(dsn) as (database, address):
            await _bare(address, in_batches(stored))
            await execute(database, "VACUUM ANALYZE")
            bare.append(await _bare(address, in_batches(events)))
        async with fresh_database(dsn) as (database, address), _service(address) as server:
            await _store(server, database, stored)
            computed = computed_by_postgres()
            seconds = await _post(server, bodies(events), MANY, CONNECTIONS)
            databases.append(CORES * len(events) / (computed_by_postgres() - computed))
            ours.append(len(events) / seconds)
            await _check(database, len(stored) + len(events))
    _say("batches of 1,000", "events", ours, "bare INSERT of the same events", bare)
    mine, its = statistics.median(databases), statistics.median(bare)
    print(
        f"  if the service computed nothing: PostgreSQL alone, on all {CORES} cores, would take in"
        f" {mine:,.0f} events/s; ratio {mine / its:.2f}"
    )


async def _store(server: Server, database: Database, events: Sequence[bytes]) -> None:
    """Store what is there before, and let the planner know as autovacuum does each minute."""
    await _post(server, bodies(events), MANY, CONNECTIONS)
    await execute(database, "VACUUM ANALYZE")


async def _singles(dsn: str, stored: Sequence[bytes], events: Sequence[bytes]) -> None:
    ours, alone, reading = list[float](), list[float](), list[float]()
    for _ in range(ROUNDS):
        async with _reader() as server:
            seconds = await _post(server, events, ONE, SINGLE_CONNECTIONS)
            reading.append(len(events) / seconds)
        for rates, how in ((ours, "gathered"), (alone, "alone")):
            async with fresh_database(dsn) as (database, address), _service(address, how) as server:
                await _store(server, database, stored)
                seconds = await _post(server, events, ONE, SINGLE_CONNECTIONS)
                rates.append(len(events) / seconds)
                await _check(database, len(stored) + len(events))
    _say("single posts", "events", ours, "a handler that only reads the body", reading)
    _say("single posts", "events", ours, "one transaction per event", alone)


def _say(what: str, unit: str, ours: list[float], other: str, theirs: list[float]) -> None:
    mine, its = statistics.median(ours), statistics.median(theirs)
    print(
        f"  {what}: {mine:,.0f} {unit}/s; {other} {its:,.0f}/s; ratio {mine / its:.2f}"
        f" (rounds {', '.join(f'{a / b:.2f}' for a, b in zip(ours, theirs, strict=True))})"
    )


async def _check(database: Database, events: int) -> None:
    """Make sure that all of it is stored, and folded."""
    async with database.connection() as connection:
        stored = await connection.fetchval("SELECT count(*) FROM case_event")
        folded = await connection.fetchval("SELECT sum(events) FROM rebate_case")
    assert stored == folded == events, f"{stored} stored, {folded} folded of {events}"


async def _bare(dsn: str, batches: Sequence[Sequence[bytes]]) -> float:
    """Insert the same events by the service's own statement and nothing else; return the rate."""
    now = datetime.now(UTC)
    columns = [_columns(batch, now) for batch in batches]
    pool = await asyncpg.create_pool(dsn, min_size=CONNECTIONS, max_size=CONNECTIONS, init=_jsonb)
    try:
        started = time.perf_counter()
        await side_by_side(
            [partial(pool.execute, INSERT, *told, now) for told in columns], CONNECTIONS
        )
        return sum(map(len, batches)) / (time.perf_counter() - started)
    finally:
        await pool.close()


INSERT = f"{APPEND_EVENTS} ON CONFLICT DO NOTHING"


def _columns(batch: Sequence[bytes], now: datetime) -> list[list[Any]]:
    told = [new for new in (decode_event(raw, now) for raw in batch) if isinstance(new, NewEvent)]
    return [
        [new.event.case_id for new in told],
        [new.event.source for new in told],
        [new.event.id for new in told],
        [new.event.event_type for new in told],
        [new.event.time for new in told],
        [new.data for new in told],
        [new.extensions for new in told],
        [new.digest for new in told],
    ]


async def _jsonb(connection: asyncpg.Connection) -> None:
    await connection.set_type_codec(
        "jsonb",
        schema="pg_catalog",
        encoder=lambda raw: b"\x01" + bytes(raw),
        decoder=lambda raw: raw[1:],
        format="binary",
    )


async def _post(
    server: Server, told: Sequence[bytes], headers: Mapping[str, str], connections: int
) -> float:
    """Post every body with the server's key; return the seconds it took."""
    with_key = {**headers, "Authorization": f"Bearer {server.key}"}
    return await post_all([server.url], told, with_key, connections)


@asynccontextmanager
async def _service(dsn: str, how: str = "gathered") -> AsyncIterator[Server]:
    async with open_database(dsn) as database, database.connection() as connection:
        now = datetime.now(UTC)
        _, key = await create_key(connection, TELLS, now)
    async with _process(how, dsn) as port:
        yield Server(url=f"http://127.0.0.1:{port}", key=key)


@asynccontextmanager
async def _reader() -> AsyncIterator[Server]:
    async with _process("read") as port:
        yield Server(url=f"http://127.0.0.1:{port}", key="none")


@asynccontextmanager
async def _process(*arguments: str) -> AsyncIterator[int]:
    """Run a server in a process of its own; yield the port it tells."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "benchmarks.ingest", *arguments, stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    try:
        yield int(await process.stdout.readline())
    finally:
        process.terminate()
        await process.wait()


class Alone(Intake):
    """Takes each request in a transaction of its own, as many at once as there are connections."""

    async def take(
        self, bodies: Sequence[bytes], *, sender: Sender, now: datetime, waits: bool = False
    ) -> Report:
        """Take one request's events."""
        del waits  # nothing is gathered, so nothing has to wait for room
        return await self.writer.take(bodies, sender=sender, now=now)


async def _serve(dsn: str, how: str) -> None:
    settings = Settings(database_url=dsn, port=0)
    configure_logging("json", "error")
    async with open_database(dsn) as database:
        service = compose(settings, database)
        if how == "alone":
            service = replace(service, intake=Alone(service.writer))
        await serve(service, stop_on_signals(), lambda port: print(port, flush=True))


async def _read() -> None:
    async def read(request: web.Request) -> web.Response:
        await request.read()
        return web.Response(status=201)

    app = web.Application()
    app.router.add_post("/v1/events", read)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    print(runner.addresses[0][1], flush=True)
    await stop_on_signals().wait()
    await runner.cleanup()


if __name__ == "__main__":
    import uvloop

    with contextlib.suppress(KeyboardInterrupt):
        uvloop.run(_read() if sys.argv[1] == "read" else _serve(sys.argv[2], sys.argv[1]))
