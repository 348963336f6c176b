"""What a benchmark stands on: a PostgreSQL of its own, fresh databases, services as processes."""

import asyncio
import os
import socket
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import asyncpg
import psutil

from rebate_monitor.embedded_postgres import EmbeddedPostgres
from rebate_monitor.storage.database import Database, open_database
from rebate_monitor.storage.upgrade import upgrade

KEY = "a-key-made-up-for-a-benchmark"
BEARER = {"Authorization": f"Bearer {KEY}"}
PREFIX = "rebate-bench-"
LONG = 3_600.0
"""Seconds that a statement may take which no service would send."""


@asynccontextmanager
async def own_postgres() -> AsyncIterator[str]:
    """Lend the DSN of a PostgreSQL that is there for this run alone."""
    with tempfile.TemporaryDirectory(prefix=PREFIX) as folder:
        os.chmod(folder, 0o755)  # noqa: PTH101, S103 - as root, PostgreSQL is another user
        postgres = EmbeddedPostgres(Path(folder) / "data")
        try:
            yield await asyncio.to_thread(postgres.start)
        finally:
            await asyncio.to_thread(postgres.stop)


@asynccontextmanager
async def fresh_database(dsn: str) -> AsyncIterator[tuple[Database, str]]:
    """Lend a migrated database of its own, dropped at the end."""
    name = f"bench_{time.monotonic_ns()}"
    await _on(dsn, f"CREATE DATABASE {name}")
    told = urlsplit(dsn)
    address = f"{told.scheme}://{told.netloc}/{name}?{told.query}"
    async with open_database(address) as database:
        await upgrade(database)
        yield database, address
    await _on(dsn, f"DROP DATABASE {name} WITH (FORCE)")


async def _on(dsn: str, query: str) -> None:
    connection = await asyncpg.connect(dsn)
    try:
        await connection.execute(query)
    finally:
        await connection.close()


async def execute(database: Database, query: str, *arguments: object) -> None:
    """Carry a statement out, however long it takes."""
    async with database.connection() as connection:
        await connection.execute(query, *arguments, timeout=LONG)


async def fetchval(database: Database, query: str, *arguments: object) -> Any:  # noqa: ANN401
    """Return the one value that a query finds, however long it takes."""
    async with database.connection() as connection:
        return await connection.fetchval(query, *arguments, timeout=LONG)


@dataclass(frozen=True, slots=True)
class Served:
    """A service that runs in a process of its own; KEY may do everything with it."""

    url: str
    pid: int


@asynccontextmanager
async def serving(dsn: str, replicas: int = 1) -> AsyncIterator[list[Served]]:
    """Run `rebate-monitor serve` so many times on one database, until each is ready."""
    async with AsyncExitStack() as stack:
        yield [await stack.enter_async_context(_serving(dsn)) for _ in range(replicas)]


@asynccontextmanager
async def _serving(dsn: str) -> AsyncIterator[Served]:
    port = _free_port()
    environment = {
        **os.environ,
        "REBATE_DATABASE_URL": dsn,
        "REBATE_ADMIN_KEY": KEY,
        "REBATE_PORT": str(port),
        "REBATE_LOG_LEVEL": "error",
    }
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "rebate_monitor", "serve", env=environment
    )
    try:
        url = f"http://127.0.0.1:{port}"
        await _ready(url)
        yield Served(url=url, pid=process.pid)
    finally:
        process.terminate()
        await process.wait()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


async def _ready(url: str) -> None:
    async with aiohttp.ClientSession() as session:
        while True:
            try:
                async with session.get(f"{url}/readyz") as response:
                    if response.status == 200:
                        return
            except aiohttp.ClientConnectionError:
                pass
            await asyncio.sleep(0.1)


def computed_by_postgres() -> float:
    """Return the processor seconds of all processes of this run's PostgreSQL."""
    return sum(computed_by(one) for one in psutil.process_iter() if _is_postgres(one))


def computed_by(process: psutil.Process) -> float:
    """Return the processor seconds of a process; of one that has ended, none."""
    try:
        times = process.cpu_times()
    except psutil.Error:
        return 0.0
    return float(times.user + times.system)


def _is_postgres(process: psutil.Process) -> bool:
    try:
        family = [process, *process.parents()]
        return any(PREFIX in " ".join(one.cmdline()) for one in family)
    except psutil.Error:
        return False
