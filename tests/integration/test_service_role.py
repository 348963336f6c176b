"""The role that the service runs as: it does all the service does, and nothing else (DESIGN 8)."""

import asyncio
import re
from collections.abc import AsyncIterator
from pathlib import Path

import asyncpg
import pytest

from cloud_events import BATCH, ONE, Json, accepted, event
from conftest import Client, FixedClock, execute
from rebate_monitor.api.service import Service
from rebate_monitor.ingest.recompute import Recomputer
from rebate_monitor.storage.database import Connection, Database, open_database
from rebate_monitor.storage.migrations import MigrationError
from rebate_monitor.storage.service_role import PRIVILEGES, deviations, privileges_of_roles
from rebate_monitor.storage.statements import statements
from rebate_monitor.storage.tallies import compact
from rebate_monitor.storage.upgrade import upgrade
from service_process import call

ROLE = "rebate_service_of_tests"
MAKE = f"""
DO $$ BEGIN CREATE ROLE {ROLE} LOGIN;
EXCEPTION WHEN duplicate_object OR unique_violation THEN END $$
"""
TABLES = (
    "SELECT relname FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace"
)
PLAIN = re.compile(r"\A(?:--[^\n]*\n)*(?:SELECT|INSERT|UPDATE|DELETE|WITH)\b")
FOR_THE_OWNER = {
    "add_key", "bind_key", "rotate_key", "revoke_key",
    "erase_identities", "freeze_month", "prune_audit_records",
}  # fmt: skip
ALSO = {"mark_erased"}  # the owner's, on what the service writes, too
BROUGHT_BY_COPY = {("place", "INSERT"), ("recompute_course", "INSERT"), ("rule_day", "INSERT")}
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
    await compact(service.database, service.now())
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
    "INSERT INTO frozen_month SELECT * FROM frozen_month",
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


def explained() -> dict[str, str]:
    """Return the named statements that can be explained: all but locks and settings."""
    return {name: text for name, text in statements().items() if PLAIN.match(text)}


async def is_allowed(connection: Connection, text: str) -> bool:
    """Ask PostgreSQL whether a role may run a statement; it is not run."""
    try:
        async with connection.transaction():
            await connection.execute(f"EXPLAIN (GENERIC_PLAN) {text}")
    except asyncpg.InsufficientPrivilegeError:
        return False
    return True


async def test_every_statement_is_the_services_or_the_owners(database: Database) -> None:
    """What is for the owner is refused; all else the service may run, whoever comes to need it."""
    told = explained()
    async with database.connection() as connection:
        refused = {name for name, text in told.items() if not await is_allowed(connection, text)}

    assert FOR_THE_OWNER == refused


async def test_every_privilege_is_needed(dsn: str, database: Database) -> None:
    """Take any word of the list away, and some statement of the service is refused."""
    mine = [text for name, text in explained().items() if name not in FOR_THE_OWNER | ALSO]
    unneeded = set()
    async with (
        open_database(dsn) as owned,
        owned.connection() as owner,
        database.connection() as connection,
    ):
        for table, privileges in PRIVILEGES.items():
            near = [text for text in mine if re.search(rf"\b{table}\b", text)]
            for privilege in privileges:
                await owner.execute(f"REVOKE {privilege} ON {table} FROM {ROLE}")
                if all([await is_allowed(connection, text) for text in near]):
                    unneeded.add((table, privilege))
                await owner.execute(f"GRANT {privilege} ON {table} TO {ROLE}")

    assert BROUGHT_BY_COPY == unneeded


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
    assert {("SELECT",)} == {rights["rebate_reader"] for rights in views.values()}
    assert {()} == {rights[ROLE] for rights in views.values()}
    assert [] == deviations(ROLE, {table: rights[ROLE] for table, rights in may.items()})


async def test_what_was_granted_by_hand_is_seen_and_mended(dsn: str, owners: Database) -> None:
    """`doctor --roles` says so and ends with 1; `migrate` puts it right."""
    told = {"REBATE_DATABASE_URL": dsn, "REBATE_SERVICE_ROLE": ROLE, "COLUMNS": "200"}
    await execute(dsn, f"GRANT DELETE ON case_event TO {ROLE}; REVOKE INSERT ON alert FROM {ROLE}")
    before = await asyncio.to_thread(call, Path.cwd(), "doctor", "--roles", **told)
    await upgrade(owners, service_role=ROLE)
    after = await asyncio.to_thread(call, Path.cwd(), "doctor", "--roles", **told)

    assert (1, 0) == (before.returncode, after.returncode)
    assert f"!!! {ROLE} may delete case_event, and should not" in before.stdout
    assert f"!!! {ROLE} may not insert alert, and should" in before.stdout


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
