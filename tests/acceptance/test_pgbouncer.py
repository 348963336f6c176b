"""pgbouncer in transaction mode between the service and its database."""

import asyncio
import random
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import timedelta
from pathlib import Path

import aiohttp
import asyncpg
import pytest

from conftest import ADMIN_KEY, need
from postgres_servers import (
    DATABASE,
    USER,
    Server,
    account,
    free_port,
    open_folder,
    postgres_server,
)
from rebate_monitor.storage.database import DatabaseAwayError, open_database
from service_process import call
from soak.delivery import REPLICAS, Scale, hours, tellings
from soak.ledger import Ledger
from soak.month import answer_faults
from soak.office import Office
from soak.recount import STORED, event_faults
from soak.replicas import Replica

SCALE = Scale(cases_per_month=8_000, days=3, seed=11)
CONFIGURATION = """
[databases]
{database} = host=127.0.0.1 port={port} dbname={database} user={user}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {listens}
unix_socket_dir =
auth_type = any
pool_mode = transaction
default_pool_size = 4
max_client_conn = 100
logfile = {log}
"""
READS = ("/metrics", "/readyz", "/v1/performance", "/v1/cases?status=running", "/v1/alerts")


@pytest.fixture
def folder_of_servers() -> Iterator[Path]:
    """Return a folder for PostgreSQL and pgbouncer."""
    with open_folder() as folder:
        yield folder


@pytest.fixture
def server(debian_15: Path, folder_of_servers: Path) -> Iterator[Server]:
    """Return a PostgreSQL of the test's own."""
    with postgres_server(debian_15, folder_of_servers) as made:
        yield made


@pytest.fixture
def pooled_dsn(server: Server, folder_of_servers: Path) -> Iterator[str]:
    """Return the DSN of a pgbouncer that lends four connections of the server."""
    program = shutil.which("pgbouncer", path="/usr/sbin:/usr/bin:/usr/local/bin")
    need(program, "pgbouncer (Debian's package pgbouncer)")
    listens, file = free_port(), folder_of_servers / "pgbouncer.ini"
    told = CONFIGURATION.format(
        database=DATABASE,
        port=server.port,
        user=USER,
        listens=listens,
        log=folder_of_servers / "pgbouncer.log",
    )
    file.write_text(told, "utf-8")
    process = subprocess.Popen([program or "", "-q", file], cwd="/", **account())
    try:
        wait_until_listening(listens)
        yield f"postgresql://{USER}@127.0.0.1:{listens}/{DATABASE}"
    finally:
        process.terminate()
        process.wait(30)


def wait_until_listening(port: int) -> None:
    """Wait until somebody takes connections at a port of this machine."""
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            time.sleep(0.05)
        else:
            return
    pytest.fail(f"nobody listens at port {port}")


@asynccontextmanager
async def offices(folder: Path, dsn: str) -> AsyncIterator[Office]:
    """Run two real services on a DSN; yield who sends to them."""
    replicas = [
        Replica(
            number=number,
            command=("-m", "rebate_monitor", "serve"),
            environment={
                "REBATE_DATABASE_URL": dsn,
                "REBATE_DATABASE_BEHIND_POOLER": "1",
                "REBATE_ADMIN_KEY": ADMIN_KEY,
                "REBATE_DATA_DIR": str(folder / "data"),
                "REBATE_LOG_LEVEL": "error",
            },
            log=folder / f"serve-{number}.log",
        )
        for number in range(REPLICAS)
    ]
    async with AsyncExitStack() as ends:
        for replica in replicas:
            ends.push_async_callback(replica.end, signal.SIGTERM)
            await replica.start()
        headers = {"Authorization": f"Bearer {ADMIN_KEY}"}
        session = await ends.enter_async_context(aiohttp.ClientSession(headers=headers))
        ledger = Ledger(now=SCALE.end + timedelta(days=1))
        yield Office(replicas=replicas, session=session, ledger=ledger, rng=random.Random(1))


async def test_all_of_it_works_through_pgbouncer(
    folder: Path, server: Server, pooled_dsn: str
) -> None:
    """Two replicas on four connections: ingest, reads, sweep and figures, all of it right."""
    migrated = call(folder, "migrate", REBATE_DATABASE_URL=server.dsn)
    async with offices(folder, pooled_dsn) as office:
        told = [request for hour in hours(SCALE, tellings(SCALE)) for request in hour.deliveries]
        reads = [office.read(path, n % REPLICAS) for n, path in enumerate(READS * 8)]
        await asyncio.gather(*map(office.deliver, told), *reads)
        troubles = [line for replica in office.replicas for line in replica.troubles()]
    pooled = {"REBATE_DATABASE_URL": pooled_dsn, "REBATE_DATABASE_BEHIND_POOLER": "1"}
    recomputed = call(folder, "recompute", **pooled)
    deep = call(folder, "doctor", "--deep", REBATE_DATABASE_URL=server.dsn)
    connection = await asyncpg.connect(server.dsn)
    stored = {tuple(row.values())[:3]: row["digest"] for row in await connection.fetch(STORED)}
    await connection.close()

    assert (0, "") == (migrated.returncode, migrated.stderr)
    assert [] == [*event_faults(stored, office.ledger), *office.ledger.all_faults()]
    assert [] == [*office.faults, *answer_faults(office.statuses), *troubles]
    assert len(stored) > 500
    assert "cases were looked at" in recomputed.stdout, recomputed.stderr
    assert "nothing is wrong" in deep.stdout, deep.stdout


async def test_without_being_told_of_pgbouncer_it_is_away(pooled_dsn: str) -> None:
    """What pgbouncer cannot do is not met half-way through: the database is away from the start."""
    async with open_database(pooled_dsn) as database:
        with pytest.raises(DatabaseAwayError):
            async with database.connection() as connection:
                await connection.fetchval("SELECT 1")


async def test_statements_of_many_never_mix(pooled_dsn: str) -> None:
    """Twenty connections on four of the server's, outside of any transaction of the asker's own."""

    async def ask(number: int) -> int:
        async with database.connection() as connection:
            told: int = await connection.fetchval(f"SELECT $1::int + {number % 7}", number)
            return told

    async with open_database(pooled_dsn, max_connections=20, behind_pooler=True) as database:
        told = await asyncio.gather(*map(ask, range(1000)))

    assert [number + number % 7 for number in range(1000)] == told
