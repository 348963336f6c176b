"""Bring a database to this version: sql/migrations in order, each once, forward only."""

import asyncio
import hashlib
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import asyncpg

from rebate_monitor.storage.database import Connection, Database
from rebate_monitor.storage.patience import LockedError, patiently
from rebate_monitor.storage.reporting import ForeignSchemaError, ViewsInUseError, drop_views
from rebate_monitor.storage.statements import sql_folder, statement

MINIMUM_VERSION = 15
LOCK = "rebate_monitor.migrations"
LOCK_POLL_SECONDS, LOCK_POLLS = 0.2, 3000
STATEMENT_SECONDS = 24 * 3600.0  # an index on a large table may take its time

MIGRATION_HOLDER = statement("migration_holder")

LEDGER = """
CREATE TABLE IF NOT EXISTS schema_migration (
    number     integer     PRIMARY KEY,
    name       text        NOT NULL,
    digest     text        NOT NULL,
    applied_at timestamptz NOT NULL DEFAULT now()
)
"""


class MigrationError(Exception):
    """The database and the migrations do not go together; the message says how."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Migration:
    """One migration file; the digest is SHA-256 of its text."""

    number: int
    name: str
    text: str

    @property
    def digest(self) -> str:
        """What tells an edited file from the applied one."""
        return hashlib.sha256(self.text.encode()).hexdigest()


def packaged_migrations(folder: Path | None = None) -> tuple[Migration, ...]:
    """Read the migrations in order; raise MigrationError for a gap or a repeated number."""
    files = sorted((folder or sql_folder() / "migrations").glob("*.sql"))
    migrations = tuple(
        Migration(number=int(file.name[:4]), name=file.stem, text=file.read_text("utf-8"))
        for file in files
    )
    numbers = [migration.number for migration in migrations]
    if numbers != list(range(1, len(numbers) + 1)):
        raise MigrationError(f"migrations must be numbered 1, 2, 3 and so on, found {numbers}")
    return migrations


@cache
def newest_migration() -> int:
    """Return the number of the last migration of this version."""
    return packaged_migrations()[-1].number


async def migrate(
    database: Database, migrations: Sequence[Migration] | None = None
) -> tuple[Migration, ...]:
    """Apply what is missing and return it; raise MigrationError, DatabaseAwayError."""
    known = packaged_migrations() if migrations is None else migrations
    async with database.connection() as connection:
        await _require_version(connection)
        async with only_one(connection):
            await connection.execute(LEDGER)
            missing = _missing(known, await _applied(connection))
            for migration in missing:
                await _apply(connection, migration)
    return tuple(missing)


@asynccontextmanager
async def only_one(connection: Connection) -> AsyncIterator[None]:
    """Let one process at a time change the schema; the others wait."""
    await _lock(connection)
    try:
        yield
    finally:
        await connection.execute("SELECT pg_advisory_unlock(hashtext($1))", LOCK)


async def missing_migrations(connection: Connection) -> tuple[Migration, ...]:
    """Return what has not been applied; raise MigrationError for an edited or newer database."""
    ledger = await connection.fetchval("SELECT to_regclass('schema_migration')")
    applied = await _applied(connection) if ledger else {}
    return tuple(_missing(packaged_migrations(), applied))


async def _require_version(connection: Connection) -> None:
    version = connection.get_server_version().major
    if version < MINIMUM_VERSION:
        raise MigrationError(f"PostgreSQL {version} is too old: {MINIMUM_VERSION} or later")


async def _lock(connection: Connection) -> None:
    # Waiting inside pg_advisory_lock would deadlock with CREATE INDEX CONCURRENTLY: poll.
    for _ in range(LOCK_POLLS):
        if await connection.fetchval("SELECT pg_try_advisory_lock(hashtext($1))", LOCK):
            return
        await asyncio.sleep(LOCK_POLL_SECONDS)
    holder = await connection.fetchval(MIGRATION_HOLDER, LOCK)
    raise MigrationError(
        f"another migration has been at work for ten minutes (process {holder} of PostgreSQL)"
    )


async def _applied(connection: Connection) -> dict[int, asyncpg.Record]:
    rows = await connection.fetch("SELECT number, name, digest FROM schema_migration")
    if len(rows) != len({row["number"] for row in rows}):
        raise MigrationError(
            "the list of applied migrations holds some twice: a backup was restored over a "
            "database that was not empty; restore it into an empty one (docs/operations.md)"
        )
    return {row["number"]: row for row in rows}


def _missing(known: Iterable[Migration], applied: dict[int, asyncpg.Record]) -> list[Migration]:
    missing = []
    left = dict(applied)
    for migration in known:
        row = left.pop(migration.number, None)
        if row is None:
            missing.append(migration)
        elif row["digest"] != migration.digest:
            raise MigrationError(f"{migration.name} was edited after it was applied")
        elif missing:
            raise MigrationError(f"{migration.name} was applied before {missing[0].name}")
    if left:
        raise MigrationError(
            f"the database is newer than this version: it has {max(left)} migrations; "
            "install the newer rebate_monitor, or restore the backup made before the upgrade"
        )
    return missing


async def _apply(connection: Connection, migration: Migration) -> None:
    async def work(_: Connection) -> None:
        await drop_views(connection)
        await connection.execute(migration.text, timeout=STATEMENT_SECONDS)
        await connection.execute(
            "INSERT INTO schema_migration (number, name, digest) VALUES ($1, $2, $3)",
            migration.number,
            migration.name,
            migration.digest,
        )

    try:
        await patiently(connection, work)
    except (asyncpg.SyntaxOrAccessError, asyncpg.DataError) as error:
        raise MigrationError(f"{migration.name} failed, nothing of it is kept: {error}") from error
    except (ForeignSchemaError, ViewsInUseError, LockedError) as error:
        raise MigrationError(f"{migration.name} was not applied: {error}") from error
