"""Upgrades of what earlier services really stored, and what they do with a newer database.

`tests/levels/` holds what the services of their time stored of the same events (`keep.py` there);
`test_upgrade.py` makes up the levels in between.
"""

import asyncio
import gzip
import json
import shutil
import uuid
from collections.abc import AsyncIterator, Iterator
from datetime import datetime
from pathlib import Path

import aiohttp
import asyncpg
import pytest
from aiohttp.test_utils import TestClient, TestServer

from cloud_events import BATCH, ONE, accepted
from conftest import ADMIN_KEY, FixedClock, Servers, execute, with_database
from rebate_monitor.api.service import Service
from rebate_monitor.domain.local_time import SHANGHAI, local_date
from rebate_monitor.ingest.recompute import Recomputer, count_stale
from rebate_monitor.server import application, compose
from rebate_monitor.settings import Settings
from rebate_monitor.storage.database import Database, open_database
from rebate_monitor.storage.migrations import migrate, packaged_migrations
from rebate_monitor.storage.recount import compare_tallies
from rebate_monitor.storage.upgrade import upgrade
from server_folder import new_folder
from service_process import call, serving

LEVELS = Path(__file__).parent.parent / "levels"
KEPT = sorted(LEVELS.glob("*.sql.gz"))
TOLD = (LEVELS / "events.ndjson").read_text("utf-8").splitlines()
PACKAGED = packaged_migrations()
KEY = {"Authorization": f"Bearer {ADMIN_KEY}", **ONE}
AT_ITS_OWN_TIME = (
    "updated_at", "changed_at", "changed_by", "enforce_from", "rules",
    "alerted", "next_level", "next_alert_at",
)  # fmt: skip
CASES = f"SELECT to_jsonb(c) - '{{{','.join(AT_ITS_OWN_TIME)}}}'::text[] FROM rebate_case AS c"
EVENTS = "SELECT to_jsonb(e) - 'received_at' FROM case_event AS e"
ALERTS = """
SELECT to_jsonb(ARRAY[case_id, kind, level::text, policy_version, at::text])
FROM alert WHERE resolved_at IS NULL
"""


@pytest.fixture
async def empty_dsn(servers: Servers) -> AsyncIterator[str]:
    """Return the DSN of an empty database, dropped at the end."""
    main = await asyncio.to_thread(servers.dsn, "18")
    name = f"level_{uuid.uuid4().hex[:12]}"
    await execute(main, f'CREATE DATABASE "{name}"')
    yield with_database(main, name)
    await execute(main, f'DROP DATABASE "{name}" WITH (FORCE)')


@pytest.fixture
def folder() -> Iterator[Path]:
    """Return a folder for a command in a process of its own."""
    made = new_folder()
    yield made
    shutil.rmtree(made)


@pytest.fixture
def clock() -> FixedClock:
    """Return a clock of the day after the kept services stored."""
    return FixedClock(datetime(2026, 11, 27, 10, 0, tzinfo=SHANGHAI))


def level_of(kept: Path) -> int:
    """Return the number of the last migration that a kept service knew."""
    return int(kept.name[:4])


async def fill(dsn: str, kept: Path) -> None:
    """Bring an empty database to where a service of a time left it."""
    rows = await asyncio.to_thread(lambda: gzip.decompress(kept.read_bytes()).decode())
    async with open_database(dsn) as database:
        await migrate(database, PACKAGED[: level_of(kept)])
    connection = await asyncpg.connect(dsn)
    tables = await connection.fetchval(
        "SELECT string_agg(quote_ident(tablename), ', ') FROM pg_tables"
        " WHERE schemaname = 'public' AND tablename <> 'schema_migration'"
    )
    await connection.execute(f"TRUNCATE {tables}")
    await connection.execute(rows)
    await connection.close()


async def tell(service: Service) -> None:
    """Tell a service what the kept ones were told."""
    events = [json.loads(line) for line in TOLD]
    headers = {"Authorization": f"Bearer {ADMIN_KEY}", **BATCH}
    async with (
        TestClient(TestServer(application(service))) as client,
        client.post("/v1/events", data=json.dumps(events), headers=headers) as response,
    ):
        assert response.status in {200, 207}, await response.text()


async def start(service: Service) -> None:
    """Do what a service does after its start: publish its rules, recompute, sweep."""
    await service.rules.bring(service.database, service.now)
    await Recomputer(database=service.database, rules=service.rules, clock=service.now).work()
    await service.alerting.sweeper.sweep()


async def all_of(database: Database, query: str) -> list[object]:
    """Return the rows of a query in one order."""
    async with database.connection() as connection:
        rows = await connection.fetch(query)
    return sorted((json.loads(bytes(row[0])) for row in rows), key=json.dumps)


@pytest.fixture
async def fresh(service: Service) -> Service:
    """Return a service of today whose database was told the same."""
    await tell(service)
    await start(service)
    return service


@pytest.mark.parametrize("kept", KEPT, ids=lambda kept: kept.name[:4])
async def test_an_upgrade_loses_nothing(
    fresh: Service, empty_dsn: str, clock: FixedClock, kept: Path
) -> None:
    """Filled by the service of a time and upgraded, a database equals one that is new."""
    await fill(empty_dsn, kept)
    async with open_database(empty_dsn) as database:
        upgraded = await upgrade(database)
        service = compose(Settings(admin_key=ADMIN_KEY), database, clock)
        await start(service)
        stale = await count_stale(database, service.rules)
        differences = await compare_tallies(database, local_date(clock()))
        found = [await all_of(database, query) for query in (CASES, EVENTS, ALERTS)]
    expected = [await all_of(fresh.database, query) for query in (CASES, EVENTS, ALERTS)]

    assert PACKAGED[level_of(kept) :] == upgraded.applied
    assert expected == found
    assert all(expected)
    assert (0, []) == (stale, differences)


@pytest.mark.parametrize("kept", KEPT, ids=lambda kept: kept.name[:4])
async def test_after_an_upgrade_what_is_told_again_is_known(
    empty_dsn: str, clock: FixedClock, kept: Path
) -> None:
    """A producer that sends everything again after the upgrade adds not one event."""
    await fill(empty_dsn, kept)
    async with open_database(empty_dsn) as database:
        await upgrade(database)
        service = compose(Settings(admin_key=ADMIN_KEY), database, clock)
        await start(service)
        before = await all_of(database, EVENTS)
        await tell(service)

        assert before == await all_of(database, EVENTS)


async def test_the_commands_upgrade_the_oldest(folder: Path, empty_dsn: str) -> None:
    """As an operator does it: `migrate`, `recompute`, and `doctor --deep` finds nothing wrong."""
    await fill(empty_dsn, KEPT[0])
    told = {"REBATE_DATABASE_URL": empty_dsn}

    migrated = await asyncio.to_thread(call, folder, "migrate", **told)
    laid = await asyncio.to_thread(call, folder, "recompute", **told)
    doctor = await asyncio.to_thread(call, folder, "doctor", "--deep", **told)

    applied = [line for line in migrated.stdout.splitlines() if line.startswith("applied ")]
    assert [f"applied {migration.name}" for migration in PACKAGED[1:]] == applied
    assert 0 == laid.returncode, laid.stderr
    assert "cases: counts, verdicts and instants are what the events fold to" in doctor.stdout
    assert "tallies: equal to a full recount" in doctor.stdout


async def test_a_newer_database_is_refused_by_every_command(folder: Path, empty_dsn: str) -> None:
    """An older version that meets the migration of a newer one says so, and changes nothing."""
    async with open_database(empty_dsn) as database:
        await upgrade(database)
    number = len(PACKAGED) + 1
    await execute(
        empty_dsn,
        f"CREATE TABLE of_tomorrow (); INSERT INTO schema_migration (number, name, digest)"
        f" VALUES ({number}, '{number:04}_of_tomorrow', 'd')",
    )
    told = {"REBATE_DATABASE_URL": empty_dsn}
    said = f"the database is newer than this version: it has {number} migrations"

    for words in (("migrate",), ("recompute",), ("keys", "list"), ("doctor",)):
        done = await asyncio.to_thread(call, folder, *words, **told)

        assert 1 == done.returncode, words
        assert said in done.stdout + done.stderr
        assert "Traceback" not in done.stderr
    with serving(folder, **told) as service:
        async with aiohttp.ClientSession(service.url) as session:
            ready = await session.get("/readyz")
            checks = (await ready.json())["checks"]
            posted = await session.post(
                "/v1/events", json=accepted("2026-11-20T09:00:00"), headers=KEY
            )

    assert 503 == ready.status
    assert checks["database"].startswith(said)
    assert (503, "5") == (posted.status, posted.headers["Retry-After"])
    async with open_database(empty_dsn) as database:
        assert [] == await all_of(database, EVENTS)
