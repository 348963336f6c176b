"""Migrations: in order, each once, forward only, on every PostgreSQL that is supported."""

import asyncio
import uuid
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import asyncpg
import pytest

from conftest import Servers, with_database
from rebate_monitor.storage import migrations as module
from rebate_monitor.storage.database import Database, open_database
from rebate_monitor.storage.migrations import (
    Migration,
    MigrationError,
    migrate,
    missing_migrations,
    packaged_migrations,
)

pytestmark = pytest.mark.parametrize("postgres_version", ["15", "18"], indirect=True)
PACKAGED = packaged_migrations()
TABLES = {"api_key", "case_event", "quarantine", "rebate_case", "schema_migration"} | {
    "tally",
    "tally_delta",
    "alert",
    "alert_told",
    "alerting_state",
    "channel_state",
    "outbox",
    "lookup_state",
    "browser_session",
    "ingest_state",
    "month_foreseen",
    "place",
    "recompute",
    "recompute_course",
    "rule_day",
    "rulebook_version",
    "frozen_month",
    "audit_record",
}


@pytest.fixture
async def empty_dsn(servers: Servers, postgres_version: str) -> AsyncIterator[str]:
    """Return the DSN of an empty database, dropped at the end."""
    main = await asyncio.to_thread(servers.dsn, postgres_version)
    name = f"empty_{uuid.uuid4().hex[:12]}"
    connection = await asyncpg.connect(main)
    await connection.execute(f'CREATE DATABASE "{name}"')
    yield with_database(main, name)
    await connection.execute(f'DROP DATABASE "{name}" WITH (FORCE)')
    await connection.close()


@pytest.fixture
async def empty(empty_dsn: str) -> AsyncIterator[Database]:
    """Return an open empty database."""
    async with open_database(empty_dsn) as opened:
        yield opened


async def tables(database: Database) -> set[str]:
    """Return the names of all tables."""
    async with database.connection() as connection:
        rows = await connection.fetch("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
    return {row["tablename"] for row in rows}


async def ledger(database: Database) -> list[tuple[int, str, str]]:
    """Return what the database says was applied."""
    async with database.connection() as connection:
        rows = await connection.fetch(
            "SELECT number, name, digest FROM schema_migration ORDER BY number"
        )
    return [(row["number"], row["name"], row["digest"]) for row in rows]


async def missing(database: Database) -> tuple[Migration, ...]:
    """Return what is missing from a database."""
    async with database.connection() as connection:
        return await missing_migrations(connection)


def next_migration(text: str, name: str = "next") -> Migration:
    """Return the migration after the packaged ones."""
    number = len(PACKAGED) + 1
    return Migration(number=number, name=f"{number:04}_{name}", text=text)


async def test_an_empty_database_gets_everything(empty: Database) -> None:
    """Every migration is applied in order and written down."""
    assert PACKAGED == await missing(empty)

    applied = await migrate(empty)

    assert PACKAGED == applied
    assert TABLES == await tables(empty)
    assert [(m.number, m.name, m.digest) for m in PACKAGED] == await ledger(empty)
    assert () == await missing(empty)


async def test_a_second_time_is_nothing(empty: Database) -> None:
    """Migrating what is migrated changes nothing."""
    await migrate(empty)
    before = await ledger(empty)

    assert () == await migrate(empty)
    assert before == await ledger(empty)


async def test_two_at_once_apply_each_once(empty_dsn: str) -> None:
    """Two replicas that start together do not disturb each other."""
    async with open_database(empty_dsn) as one, open_database(empty_dsn) as other:
        applied = await asyncio.gather(migrate(one), migrate(other), migrate(one), migrate(other))

        assert [len(PACKAGED), 0, 0, 0] == sorted(map(len, applied), reverse=True)
        assert len(PACKAGED) == len(await ledger(one))


async def test_only_what_is_missing_is_applied(empty: Database) -> None:
    """A newer version adds its migration to what is there."""
    await migrate(empty)
    newer = next_migration("CREATE TABLE later (case_id text PRIMARY KEY)")

    assert (newer,) == await migrate(empty, (*PACKAGED, newer))
    assert "later" in await tables(empty)


async def test_an_edited_migration_is_refused(empty: Database) -> None:
    """A file that is not what was applied stops the service and the migration."""
    await migrate(empty)
    edited = (replace(PACKAGED[0], text=PACKAGED[0].text + "-- changed\n"), *PACKAGED[1:])

    with pytest.raises(MigrationError, match=f"{PACKAGED[0].name} was edited after it was applied"):
        await migrate(empty, edited)


async def test_a_newer_database_is_refused(empty: Database) -> None:
    """An older version does not touch a database that has more than it knows."""
    await migrate(empty, (*PACKAGED, next_migration("CREATE TABLE later ()")))

    with pytest.raises(MigrationError, match="the database is newer than this version"):
        await migrate(empty)
    with pytest.raises(MigrationError, match="install the newer rebate_monitor"):
        await missing(empty)


async def test_a_gap_is_refused(empty: Database) -> None:
    """A migration that should have come before one that was applied is not slipped in."""
    known = [Migration(number=n, name=f"000{n}_step", text="SELECT 1") for n in (1, 2)]
    await migrate(empty, known)
    async with empty.connection() as connection:
        await connection.execute("DELETE FROM schema_migration WHERE number = 1")

    with pytest.raises(MigrationError, match="0002_step was applied before 0001_step"):
        await migrate(empty, known)


async def test_a_failing_migration_leaves_nothing_behind(empty: Database) -> None:
    """Half a migration is none: what came before stands, and a corrected one goes on."""
    await migrate(empty)
    failing = next_migration("CREATE TABLE half (); SELECT 1 / 0; CREATE TABLE whole ()")

    with pytest.raises(MigrationError, match="division by zero"):
        await migrate(empty, (*PACKAGED, failing))

    assert TABLES == await tables(empty)
    assert len(PACKAGED) == len(await ledger(empty))
    fixed = next_migration("CREATE TABLE whole ()")
    assert (fixed,) == await migrate(empty, (*PACKAGED, fixed))


async def test_a_migration_and_its_line_in_the_ledger_are_one(empty: Database) -> None:
    """When the ledger cannot take a migration, what it made is gone as well."""
    await migrate(empty)
    double = next_migration(
        "CREATE TABLE half (); INSERT INTO schema_migration (number, name, digest)"
        " SELECT max(number) + 1, 'x', 'y' FROM schema_migration"
    )

    with pytest.raises(asyncpg.UniqueViolationError):
        await migrate(empty, (*PACKAGED, double))

    assert TABLES == await tables(empty)


async def test_a_failing_first_migration_leaves_an_empty_ledger(empty: Database) -> None:
    """On a fresh database only the empty ledger is left, and migrating goes on from there."""
    failing = Migration(number=1, name="0001_broken", text="CREATE TABLE half (); SELECT 1 / 0")

    with pytest.raises(MigrationError, match="division by zero"):
        await migrate(empty, (failing,))

    assert {"schema_migration"} == await tables(empty)
    assert PACKAGED == await migrate(empty)


async def test_a_failed_migration_does_not_keep_the_lock(empty_dsn: str) -> None:
    """After a failure another replica need not wait for the first to end."""
    failing = Migration(number=1, name="0001_broken", text="SELECT 1 / 0")
    async with open_database(empty_dsn) as one, open_database(empty_dsn) as other:
        with pytest.raises(MigrationError, match="division by zero"):
            await migrate(one, (failing,))

        assert PACKAGED == await asyncio.wait_for(migrate(other), timeout=10)


async def test_an_old_server_is_refused(empty: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """A PostgreSQL older than the oldest supported is told so, before anything is changed."""
    monkeypatch.setattr(module, "MINIMUM_VERSION", 99)

    with pytest.raises(MigrationError, match=r"PostgreSQL 1[58] is too old: 99 or later"):
        await migrate(empty)
    assert set() == await tables(empty)


async def test_numbers_without_a_gap(tmp_path: Path, postgres_version: str) -> None:
    """Files must be numbered 1, 2, 3 and so on, each once."""
    for name in ("0001_one.sql", "0003_three.sql"):
        (tmp_path / name).write_text("SELECT 1")

    with pytest.raises(MigrationError, match=r"found \[1, 3\]"):
        packaged_migrations(tmp_path)
