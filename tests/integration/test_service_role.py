"""The role that the service runs as: it does all the service does, and nothing else (DESIGN 8)."""

import re
from collections.abc import AsyncIterator

import asyncpg
import pytest

from cloud_events import BATCH, ONE, Json, accepted, event
from conftest import Client, FixedClock, execute
from rebate_monitor.api.service import Service
from rebate_monitor.ingest.recompute import Recomputer
from rebate_monitor.storage.database import Database, open_database
from rebate_monitor.storage.migrations import MigrationError
from rebate_monitor.storage.service_role import PRIVILEGES, privileges_of_roles
from rebate_monitor.storage.tallies import compact
from rebate_monitor.storage.upgrade import upgrade

ROLE = "rebate_service_of_tests"
MAKE = f"""
DO $$ BEGIN CREATE ROLE {ROLE} LOGIN;
EXCEPTION WHEN duplicate_object OR unique_violation THEN END $$
"""
TABLES = (
    "SELECT relname FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace"
)
TIME = "2026-11-02T09:00:00"
ON_BOTH = pytest.mark.parametrize("postgres_version", ["15", "18"], indirect=True)


@pytest.fixture
async def owners(dsn: str) -> AsyncIterator[Database]:
    """Return the database as its owner sees it, with the role granted."""
    await execute(dsn, MAKE)
    async with open_database(dsn) as opened:
        await upgrade(opened, service_role=ROLE)
        yield opened


@pytest.fixture
async def database(dsn: str, owners: Database) -> AsyncIterator[Database]:
    """Return the database as the service sees it that these tests run."""
    del owners  # has granted the role by now
    async with open_database(re.sub(r"user=\w+", f"user={ROLE}", dsn)) as opened:
        async with opened.connection() as connection:
            assert ROLE == await connection.fetchval("SELECT session_user")
        yield opened


@ON_BOTH
async def test_the_service_does_its_work(
    client: Client, service: Service, clock: FixedClock
) -> None:
    """Events, alerts, figures, rules and the record of reads, all as this role."""
    told = [
        accepted(TIME),
        event("suspended", TIME, reason="other"),
        event("resumed", "2026-11-03T09:00:00"),
        event("unknown", TIME),
    ]
    await service.rules.bring(service.database, clock)
    posted = await client.post("/v1/events", json=told, headers=BATCH)
    await service.alerting.sweeper.sweep()
    await compact(service.database, service.today())
    days = [{"name": "休", "date": "2026-11-05", "isOffDay": True}]
    notice = {"year": 2026, "papers": ["https://www.gov.cn/"], "days": days}
    put = await client.put("/v1/calendar/2026?force=true", json=notice)
    recomputer = Recomputer(database=service.database, rules=service.rules, clock=clock)
    await recomputer.work()
    alerts: Json = await (await client.get("/v1/alerts")).json()
    taken_on = await client.post(f"/v1/alerts/{alerts['alerts'][0]['id']}/ack", json={})
    await service.alerting.sweeper.sweep()
    (kept,) = (await (await client.get("/v1/quarantine")).json())["events"]
    drop = {"digests": [kept["digest"]], "reason": "a test"}
    statuses = {
        path: (await client.get(path)).status
        for path in (
            "/v1/cases", "/v1/cases/case-1", "/v1/cases/case-1/history", "/v1/performance",
            "/v1/evaluation", "/v1/months", "/v1/foresight", "/v1/calendar", "/v1/policies",
            "/v1/supervision", "/v1/audit", "/v1/recompute", "/metrics", "/readyz",
        )
    }  # fmt: skip

    assert (207, 202, 204) == (posted.status, put.status, taken_on.status)
    assert (await client.post("/v1/quarantine/replay")).status == 200
    assert (await client.post("/v1/quarantine/drop", json=drop)).status == 200
    assert set(statuses.values()) == {200}, statuses


FORBIDDEN = (
    "DELETE FROM case_event",
    "UPDATE case_event SET time = now()",
    "TRUNCATE case_event",
    "DELETE FROM audit_record",
    "UPDATE audit_record SET who = 'somebody else'",
    "DELETE FROM rebate_case",
    "DELETE FROM alert",
    "UPDATE rulebook_version SET known_since = now()",
    "UPDATE frozen_month SET groups = '[]'",
    "DELETE FROM frozen_month",
    "INSERT INTO api_key VALUES ('k', 'n', '', '{admin}', now())",
    "UPDATE api_key SET revoked_at = NULL",
    "DELETE FROM schema_migration",
    "CREATE TABLE mine (id int)",
    "CREATE TEMP TABLE mine (id int)",
    "DROP TABLE case_event",
    "ALTER TABLE case_event ADD COLUMN mine int",
    "DROP SCHEMA reporting CASCADE",
    "CREATE ROLE other",
)


@ON_BOTH
async def test_what_it_may_not(database: Database) -> None:
    """What was told and recorded stays, and keys and tables are the owner's."""
    refused = []
    async with database.connection() as connection:
        for statement in FORBIDDEN:
            try:
                async with connection.transaction():
                    await connection.execute(statement)
            except asyncpg.InsufficientPrivilegeError:
                refused.append(statement)

    assert list(FORBIDDEN) == refused


async def test_every_table_is_thought_of(owners: Database) -> None:
    """A new table is nothing to the service until somebody says what it may do with it."""
    async with owners.connection() as connection:
        tables = {row["relname"] for row in await connection.fetch(TABLES)}

    assert tables == set(PRIVILEGES)


async def test_the_matrix_says_what_is_so(owners: Database) -> None:
    """Grants are those of the list; the reader sees views alone."""
    async with owners.connection() as connection:
        roles, told = await privileges_of_roles(connection, ROLE)
    may = {one.table: dict(zip(roles, one.privileges, strict=True)) for one in told}

    assert [ROLE, "rebate_reader"] == roles[1:]
    assert {table: may[table][ROLE] for table in PRIVILEGES} == dict(PRIVILEGES)
    assert {()} == {may[table]["rebate_reader"] for table in PRIVILEGES}
    views = {table: rights for table, rights in may.items() if table.startswith("reporting.")}
    assert len(views) > 10
    assert {("SELECT",)} == {r[role] for r in views.values() for role in (ROLE, "rebate_reader")}


@pytest.mark.parametrize(
    ("role", "problem"),
    [("no_such_role", "there is no role no_such_role"), (None, "owns the database")],
)
async def test_a_role_that_will_not_do(owners: Database, role: str | None, problem: str) -> None:
    """A role that is not there, or that nothing can be kept from."""
    async with owners.connection() as connection:
        owner = await connection.fetchval("SELECT current_user::text")
    with pytest.raises(MigrationError, match=problem):
        await upgrade(owners, service_role=role or owner)


async def test_an_event_is_taken_as_this_role(client: Client) -> None:
    """One event by itself, without anything prepared."""
    assert (await client.post("/v1/events", json=accepted(TIME), headers=ONE)).status == 201
