"""The schema `reporting`: views for Grafana and reports, and the role that reads nothing else."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import asyncpg

from rebate_monitor.storage.database import Connection
from rebate_monitor.storage.scram import scram_verifier
from rebate_monitor.storage.statements import sql_folder, statement

READER = "rebate_reader"
MARK = "rebate_monitor views "

REPORTING_STATE = statement("reporting_state")
READER_STATE = statement("reader_state")

NEW_SCHEMA = "DROP SCHEMA IF EXISTS reporting CASCADE; CREATE SCHEMA reporting"
READING = f"""
GRANT USAGE ON SCHEMA reporting TO {READER};
GRANT SELECT ON ALL TABLES IN SCHEMA reporting TO {READER}
"""
CAREFUL = f"""
ALTER ROLE {READER} SET default_transaction_read_only = on;
ALTER ROLE {READER} SET statement_timeout = '30s';
ALTER ROLE {READER} SET idle_in_transaction_session_timeout = '60s'
"""


class ForeignSchemaError(Exception):
    """There is a schema `reporting` that this service has not made; it is left as it is."""

    def __init__(self) -> None:
        super().__init__(
            "the database has a schema `reporting` of somebody else, and the views of "
            "rebate_monitor are made anew in a schema of that name; use another database"
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Reader:
    """What became of the role that reads the views; `refusal` says why it is not as wanted."""

    can_log_in: bool = False
    refusal: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Stored:
    """The schema as it is: whether it is there, its comment, and how many views it has."""

    exists: bool
    comment: str | None
    views: int

    @property
    def is_foreign(self) -> bool:
        return self.exists and self.views > 0 and not (self.comment or "").startswith(MARK)


def packaged_views(folder: Path | None = None) -> Sequence[str]:
    """Return the texts of the view files, in order."""
    files = sorted((folder or sql_folder() / "views").glob("*.sql"))
    return [file.read_text("utf-8") for file in files]


async def drop_views(connection: Connection) -> None:
    """Make way for migrations, which cannot change a column that a view reads."""
    if (await _stored(connection)).is_foreign:
        raise ForeignSchemaError
    await connection.execute("DROP SCHEMA IF EXISTS reporting CASCADE")


async def refresh_views(connection: Connection) -> bool:
    """Make the views anew where they are not those of this version; say whether they were made."""
    stored = await _stored(connection)
    if stored.is_foreign:
        raise ForeignSchemaError
    if _is_current(stored):
        return False
    async with connection.transaction():
        await connection.execute(NEW_SCHEMA)
        for text in packaged_views():
            await connection.execute(text)
        made = await _stored(connection)
        comment = f"{MARK}{_digest()} {made.views}"
        await connection.execute(f"COMMENT ON SCHEMA reporting IS '{comment}'")
    return True


async def views_are_current(connection: Connection) -> bool:
    """Say whether the views are those of this version."""
    return _is_current(await _stored(connection))


async def prepare_reader(connection: Connection, password: str | None) -> Reader:
    """Let the role read the views, and nothing else; with a password it can log in."""
    try:
        await _make_reader(connection)
        await connection.execute(READING)
        if password is not None:
            verifier = scram_verifier(password)  # what a server log may hold is no password
            await connection.execute(f"ALTER ROLE {READER} LOGIN PASSWORD '{verifier}'")
            await connection.execute(CAREFUL)
    except asyncpg.InsufficientPrivilegeError as error:
        return Reader(refusal=str(error))
    return Reader(can_log_in=bool(await connection.fetchval(READER_STATE, READER)))


async def _make_reader(connection: Connection) -> None:
    """Make the role once for all databases of a server."""
    if await connection.fetchval(READER_STATE, READER) is not None:
        return
    try:
        await connection.execute(f"CREATE ROLE {READER} NOLOGIN")
    except (asyncpg.DuplicateObjectError, asyncpg.UniqueViolationError):
        return  # another database's migration was first


async def _stored(connection: Connection) -> _Stored:
    row = await connection.fetchrow(REPORTING_STATE)
    if row is None:
        return _Stored(exists=False, comment=None, views=0)
    return _Stored(exists=True, comment=row["comment"], views=row["views"])


def _is_current(stored: _Stored) -> bool:
    return stored.exists and stored.comment == f"{MARK}{_digest()} {stored.views}"


def _digest() -> str:
    return hashlib.sha256("\n".join(packaged_views()).encode()).hexdigest()
