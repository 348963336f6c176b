"""An upgrade from every earlier version, with data: afterwards it is as if it had always been new.

What an earlier version had stored is laid down from what this one stores of the same events, as far
as the tables had the columns by then.
"""

import asyncio
import json
import uuid
from collections.abc import AsyncIterator

import pytest
from aiohttp.test_utils import TestClient, TestServer

from cloud_events import BATCH, Json, accepted, event
from conftest import ADMIN_KEY, Client, FixedClock, Servers, execute, with_database
from rebate_monitor.api.service import Service
from rebate_monitor.ingest.recompute import Recomputer, count_stale
from rebate_monitor.server import application, compose
from rebate_monitor.settings import Settings
from rebate_monitor.storage.database import Connection, Database, open_database
from rebate_monitor.storage.migrations import migrate, packaged_migrations
from rebate_monitor.storage.recount import compare_tallies
from rebate_monitor.storage.tallies import compact
from rebate_monitor.storage.upgrade import upgrade

PACKAGED = packaged_migrations()
EVERY_LEVEL = range(1, len(PACKAGED))
EVENTS: list[Json] = [
    accepted("2026-11-02T09:00:00", subject="late", office="14302000000"),
    accepted("2026-11-19T09:00:00", subject="fresh", category="III"),
    accepted("2026-11-16T09:00:00", subject="at risk", amount_cny="12.50", whitelisted=True),
    accepted("2026-11-05T09:00:00", subject="inquired", category=None),
    event("suspended", "2026-11-06T09:00:00", subject="inquired", reason="correspondence"),
    accepted("2026-10-12T09:00:00", subject="paid", id="a"),
    event("reviewed", "2026-10-13T09:00:00", subject="paid"),
    event("approved", "2026-10-14T09:00:00", subject="paid"),
    event("voucher_issued", "2026-10-15T09:00:00", subject="paid"),
    event("paid", "2026-10-16T09:00:00", subject="paid"),
    accepted("2026-10-12T09:00:00", subject="missed", refiled_from="rejected"),
    event("suspended", "2026-10-13T09:00:00", subject="missed", reason="other"),
    event("resumed", "2026-10-14T09:00:00", subject="missed"),
    event("voucher_issued", "2026-10-26T09:00:00", subject="missed"),
    accepted("2026-10-09T09:00:00", subject="rejected"),
    event("rejected", "2026-10-10T09:00:00", subject="rejected"),
    event("reviewed", "2026-11-20T09:00:00", subject="never accepted"),
    accepted("2024-02-05T09:00:00", subject="long ago"),
    event("voucher_issued", "2024-02-19T09:00:00", subject="long ago"),
    {"specversion": "1.0", "id": "refused"},
]
ASKED = (
    "/v1/cases?limit=500",
    *(f"/v1/cases/{told['subject']}" for told in EVENTS[:1] + EVENTS[5:6] + EVENTS[10:11]),
    "/v1/cases/inquired/explanation",
    "/v1/performance?from=2026-10-01&to=2026-11-23&by=city",
    "/v1/evaluation?from=2026-10-01&to=2026-10-31",
    "/v1/supervision",
    "/v1/foresight",
)
COLUMNS = """
SELECT table_name, array_agg(column_name::text ORDER BY ordinal_position) AS columns
FROM information_schema.columns
WHERE table_schema = 'public' AND is_identity = 'NO' AND table_name = ANY ($1::text[])
GROUP BY table_name
"""
STORED = ("case_event", "rebate_case", "tally", "quarantine", "alert", "alert_told")
"""What is kept for good; rules and look-ups come again by themselves."""
SUMS = ("cases", "workdays_sum", "judged", "in_time", "same_day")


@pytest.fixture
async def old(servers: Servers, postgres_version: str) -> AsyncIterator[Database]:
    """Return an empty database."""
    main = await asyncio.to_thread(servers.dsn, postgres_version)
    name = f"old_{uuid.uuid4().hex[:12]}"
    await execute(main, f'CREATE DATABASE "{name}"')
    async with open_database(with_database(main, name)) as opened:
        yield opened
    await execute(main, f'DROP DATABASE "{name}" WITH (FORCE)')


async def columns(connection: Connection) -> dict[str, list[str]]:
    """Return the columns of the tables that are kept."""
    return {row["table_name"]: row["columns"] for row in await connection.fetch(COLUMNS, STORED)}


async def lay_down(new: Database, old: Database) -> None:
    """Store in an older schema what the newer one stores, as far as there are columns for it."""
    async with new.connection() as source, old.connection() as target:
        there = await columns(target)
        later = [] if "alert" in there else ["alerts", "undone"]  # figures of later versions
        for table, names in there.items():
            told = ", ".join(names)
            query = f"SELECT {told} FROM {table}"
            if table == "tally":
                cells = [name for name in names if name not in SUMS]
                sums = ", ".join(f"sum({name})::bigint AS {name}" for name in SUMS)
                query = (
                    f"SELECT {told} FROM (SELECT {', '.join(cells)}, {sums} FROM tally"
                    f" WHERE figure <> ALL ($1::text[]) GROUP BY {', '.join(cells)}) AS t"
                )
            filters = [later] if table == "tally" else []
            rows = [tuple(row) for row in await source.fetch(query, *filters)]
            places = ", ".join(f"${number}" for number in range(1, len(names) + 1))
            await target.executemany(f"INSERT INTO {table} ({told}) VALUES ({places})", rows)


async def settled(service: Service, clock: FixedClock) -> None:
    """Let a service start, and do what it does in the background."""
    await service.rules.bring(service.database, clock)
    recomputer = Recomputer(database=service.database, rules=service.rules, clock=clock)
    await recomputer.work()
    await service.alerting.sweeper.sweep()
    await compact(service.database, service.now())


async def answers(client: Client) -> dict[str, Json]:
    """Return what a service says of everything."""
    return {path: await (await client.get(path)).json() for path in ASKED}


@pytest.mark.parametrize("level", EVERY_LEVEL, ids=lambda level: PACKAGED[level - 1].name)
async def test_from_every_version(
    client: Client, service: Service, clock: FixedClock, old: Database, level: int
) -> None:
    """The same events, told to this version and to an earlier one that was upgraded since."""
    await settled(service, clock)
    async with client.post("/v1/events", json=EVENTS, headers=BATCH) as response:
        assert response.status == 207
    await settled(service, clock)
    await migrate(old, PACKAGED[:level])
    await lay_down(service.database, old)

    applied = (await upgrade(old)).applied
    upgraded = compose(Settings(admin_key=ADMIN_KEY), old, clock)
    await settled(upgraded, clock)
    headers = {"Authorization": f"Bearer {ADMIN_KEY}"}
    async with TestClient(TestServer(application(upgraded)), headers=headers) as other:
        told, expected = await answers(other), await answers(client)
        again = await other.post("/v1/events", json=EVENTS, headers=BATCH)
        repeated = await again.json()

    assert PACKAGED[level:] == applied
    assert json.dumps(expected, sort_keys=True) == json.dumps(told, sort_keys=True)
    assert (0, len(EVENTS) - 1) == (repeated["accepted"], repeated["duplicate"])
    assert 0 == await count_stale(old, upgraded.rules)
    assert [] == await compare_tallies(old, upgraded.today())
