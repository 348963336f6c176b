"""The role that reads the reporting views, and no table."""

from dataclasses import dataclass

import asyncpg

from rebate_monitor.storage.database import Connection
from rebate_monitor.storage.scram import scram_verifier
from rebate_monitor.storage.statements import statement

READER = "rebate_reader"
OF_DATABASE = "rebate_monitor: reads the database "

READER_STATE = statement("reader_state")

READING = f"""
GRANT USAGE ON SCHEMA reporting TO {READER};
GRANT SELECT ON ALL TABLES IN SCHEMA reporting TO {READER}
"""
# What every role of a database may do unless told otherwise, and a reader need not.
NOT_WRITING = "REVOKE TEMPORARY ON DATABASE {database} FROM PUBLIC"
CAREFUL = f"""
ALTER ROLE {READER} IN DATABASE {{database}} SET default_transaction_read_only = on;
ALTER ROLE {READER} IN DATABASE {{database}} SET statement_timeout = '30s';
ALTER ROLE {READER} IN DATABASE {{database}} SET idle_in_transaction_session_timeout = '60s'
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reader:
    """What became of the role: whether it reads and can log in, and what was refused."""

    reads: bool = True
    can_log_in: bool = False
    refusal: str | None = None


async def present_reader(connection: Connection) -> Reader | None:
    """Return the role as it is, None where there is none that reads these views."""
    state = await connection.fetchrow(READER_STATE, READER, OF_DATABASE)
    return Reader(can_log_in=state["can_log_in"]) if state and state["reads"] else None


async def prepare_reader(connection: Connection, password: str | None) -> Reader:
    """Let the role read the views; with a password it can log in.

    An owner who may not make or alter roles is told so; all else goes on without the role.
    """
    try:
        await _make_role(connection)
    except asyncpg.InsufficientPrivilegeError as error:
        return Reader(reads=False, refusal=str(error))
    await connection.execute(READING)
    refusal = await _settle(connection, password)
    state = await connection.fetchrow(READER_STATE, READER, OF_DATABASE)
    return Reader(can_log_in=bool(state and state["can_log_in"]), refusal=refusal)


async def _make_role(connection: Connection) -> None:
    """Make the role once for all databases of a server."""
    if await connection.fetchrow(READER_STATE, READER, OF_DATABASE) is not None:
        return
    try:
        await connection.execute(f"CREATE ROLE {READER} NOLOGIN")
    except (asyncpg.DuplicateObjectError, asyncpg.UniqueViolationError):
        return  # another database's migration was first


async def _settle(connection: Connection, password: str | None) -> str | None:
    """Restrict the role, and give it its password; return what was refused."""
    database = await connection.fetchval("SELECT quote_ident(current_database())")
    await connection.execute(NOT_WRITING.format(database=database))
    try:
        await connection.execute(CAREFUL.format(database=database))
        if password is not None:
            await _let_in(connection, password)
    except asyncpg.InsufficientPrivilegeError as error:
        return str(error)
    except _OfAnotherDatabaseError as error:
        return str(error)
    return None


class _OfAnotherDatabaseError(Exception):
    """The role logs in to another database of the same server."""


async def _let_in(connection: Connection, password: str) -> None:
    """Set the password, one for all databases of a server: the first to set it keeps it."""
    mine = await connection.fetchval("SELECT current_database()")
    state = await connection.fetchrow(READER_STATE, READER, OF_DATABASE)
    other = state and state["other_database"]
    if other:
        raise _OfAnotherDatabaseError(f"it is that of the database {other}, too")
    verifier = scram_verifier(password)  # what a server log may hold is no password
    await connection.execute(f"ALTER ROLE {READER} LOGIN PASSWORD '{verifier}'")
    quoted = await connection.fetchval("SELECT quote_literal($1::text)", OF_DATABASE + mine)
    await connection.execute(f"COMMENT ON ROLE {READER} IS {quoted}")
