"""The primary dies, the standby takes over: the service finds it by itself, and nothing is lost."""

import asyncio
import random
import signal
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path

import aiohttp
import pytest

from conftest import ADMIN_KEY
from postgres_servers import Pair, postgres_pair
from rebate_monitor.storage.database import open_database
from service_process import call
from soak.delivery import Delivery, Scale, hours, tellings
from soak.ledger import Ledger
from soak.month import answer_faults
from soak.office import Office
from soak.recount import STORED, event_faults
from soak.replicas import Replica

SCALE = Scale(cases_per_month=8_000, days=5, seed=7)
HEADERS = {"Authorization": f"Bearer {ADMIN_KEY}"}
PATIENCE_SECONDS = 60


@pytest.fixture
def pair(debian_15: Path) -> Iterator[Pair]:
    """Return a primary and its standby."""
    with postgres_pair(debian_15) as made:
        yield made


@asynccontextmanager
async def serving(folder: Path, dsn: str) -> AsyncIterator[Office]:
    """Run one real service on a DSN; yield who sends to it."""
    replica = Replica(
        number=0,
        command=("-m", "rebate_monitor", "serve"),
        environment={
            "REBATE_DATABASE_URL": dsn,
            "REBATE_ADMIN_KEY": ADMIN_KEY,
            "REBATE_DATA_DIR": str(folder / "data"),
            "REBATE_LOG_LEVEL": "error",
        },
        log=folder / "serve.log",
    )
    await replica.start()
    try:
        async with aiohttp.ClientSession(headers=HEADERS) as session:
            ledger = Ledger(now=SCALE.end + timedelta(days=1))
            yield Office(
                replicas=[replica], session=session, ledger=ledger, rng=random.Random(SCALE.seed)
            )
    finally:
        await replica.end(signal.SIGTERM)


async def settled(office: Office) -> None:
    """Wait until the service says that it is ready."""
    for _ in range(PATIENCE_SECONDS):
        async with office.session.get(f"{office.replicas[0].url}/readyz") as response:
            if response.status == 200:
                return
        await asyncio.sleep(1)
    raise AssertionError("the service is not ready again")


def deliveries() -> list[Delivery]:
    """Return requests of some days, without the hours."""
    return [request for hour in hours(SCALE, tellings(SCALE)) for request in hour.deliveries]


async def test_nothing_acknowledged_is_lost_by_a_failover(folder: Path, pair: Pair) -> None:
    """The primary is killed while producers post, the standby promoted; no restart is needed."""
    migrated = call(folder, "migrate", REBATE_DATABASE_URL=pair.dsn)
    assert migrated.returncode == 0, migrated.stderr
    async with serving(folder, pair.dsn) as office:
        told = deliveries()
        half = len(told) // 2
        await asyncio.gather(*map(office.deliver, told[:half]))
        posting = asyncio.gather(*map(office.deliver, told[half:]))
        await asyncio.sleep(0.2)
        pair.primary.kill()
        before = office.statuses["POST", "503"]
        await asyncio.sleep(2)
        await asyncio.to_thread(pair.promote)
        await posting
        await settled(office)
        away = office.statuses["POST", "503"] - before
    deep = call(folder, "doctor", "--deep", REBATE_DATABASE_URL=pair.dsn)
    async with open_database(pair.standby.dsn) as database, database.connection() as connection:
        stored = {tuple(row.values())[:3]: row["digest"] for row in await connection.fetch(STORED)}

    assert [] == [*event_faults(stored, office.ledger), *office.ledger.all_faults()]
    assert [] == [*office.faults, *answer_faults(office.statuses)]
    assert away > 0
    assert len(stored) > 1000
    assert "nothing is wrong" in deep.stdout, deep.stdout
    assert [None, "SIGTERM"] == [None, *(life.how for life in office.replicas[0].lives)]


async def test_a_dark_server_does_not_hide_the_other(folder: Path, pair: Pair) -> None:
    """A machine that neither refuses nor answers costs a part of the patience, not all of it."""
    with socket.create_server(("127.0.0.1", 0)) as dark:  # nobody ever takes up who connects
        port = dark.getsockname()[1]
        dsn = pair.dsn.replace("@", f"@127.0.0.1:{port},", 1)
        async with open_database(dsn) as database, database.connection() as connection:
            found = await connection.fetchval("SHOW port")

    assert pair.primary.port == int(found)


async def test_a_server_that_only_reads_is_left_alone(pair: Pair) -> None:
    """Of a standby and its primary the primary is found, in whatever order they are named."""
    one, two = pair.primary.address, pair.standby.address
    dsn = pair.primary.dsn.replace(one, f"{two},{one}")
    async with open_database(dsn) as database, database.connection() as connection:
        found = await connection.fetchval("SHOW port")

    assert pair.primary.port == int(found)
