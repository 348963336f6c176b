"""The connection pool, and the one place that knows when the database is away."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, Literal, TypeVar

import asyncpg
from asyncpg.pool import PoolConnectionProxy

from rebate_monitor.storage.hosts import Hosts

if TYPE_CHECKING:
    Connection = PoolConnectionProxy[asyncpg.Record]
else:
    Connection = PoolConnectionProxy  # a generic class to type checkers only

COMMAND_TIMEOUT_SECONDS = 30.0
CONNECT_TIMEOUT_SECONDS = 5.0
DEADLOCK_RETRIES = 5
STATEMENTS_KEPT = 100
NAME = {"application_name": "rebate_monitor"}
LIMITS = {
    # A replica that vanishes in the middle of a transaction must not hold its locks.
    "idle_in_transaction_session_timeout": f"{COMMAND_TIMEOUT_SECONDS:.0f}s",
    "tcp_user_timeout": f"{COMMAND_TIMEOUT_SECONDS:.0f}s",
}

T = TypeVar("T")
Isolation = Literal["repeatable_read"] | None


class DatabaseAwayError(Exception):
    """The database cannot be reached or broke off; whatever was not answered may be sent again."""


# InterfaceError is no PostgresError; CannotConnectNowError is an OperatorInterventionError. A lost
# connection may also surface as ConnectionDoesNotExistError or InternalClientError.
AWAY_ERRORS = (
    OSError,
    TimeoutError,
    asyncpg.PostgresConnectionError,
    asyncpg.OperatorInterventionError,
    asyncpg.InsufficientResourcesError,
    asyncpg.ReadOnlySQLTransactionError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
)
NOT_MIGRATED_ERRORS = (
    asyncpg.UndefinedTableError,
    asyncpg.UndefinedColumnError,
    asyncpg.UndefinedFunctionError,
)
NOT_READY_ERRORS = (
    asyncpg.InvalidCatalogNameError,
    asyncpg.InvalidAuthorizationSpecificationError,
)


class Database:
    """A pool on one PostgreSQL. It connects when first asked, so an outage never stops a start."""

    def __init__(self, pool: "asyncpg.Pool[asyncpg.Record]") -> None:
        self._pool = pool

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[Connection]:
        """Lend a connection; raise DatabaseAwayError when there is none or it breaks off."""
        try:
            async with self._pool.acquire(timeout=CONNECT_TIMEOUT_SECONDS) as connection:
                try:
                    yield connection
                except AWAY_ERRORS:
                    connection.terminate()  # the next one may lead to another server
                    raise
        except AWAY_ERRORS as error:
            if _is_being_cancelled():  # what breaks while a cancelled statement is given up
                raise asyncio.CancelledError from error
            raise DatabaseAwayError(_cause(error)) from error
        except NOT_MIGRATED_ERRORS as error:
            said = f"the database is not ready: {_cause(error)}, run `rebate-monitor migrate`"
            raise DatabaseAwayError(said) from error
        except asyncpg.InsufficientPrivilegeError as error:
            said = f"the database's role may not do this: {error}; its owner may"
            raise DatabaseAwayError(said) from error
        except NOT_READY_ERRORS as error:
            raise DatabaseAwayError(f"the database is not ready: {_cause(error)}") from error

    @asynccontextmanager
    async def transaction(
        self, *, snapshot: bool = False, repeatable: bool = False
    ) -> AsyncIterator[Connection]:
        """Lend a connection inside a transaction.

        `repeatable` lets all its statements see one moment; `snapshot` is that, read-only.
        """
        async with self.connection() as connection:
            isolation: Isolation = "repeatable_read" if snapshot or repeatable else None
            async with connection.transaction(isolation=isolation, readonly=snapshot):
                yield connection

    async def retrying(
        self, work: Callable[[Connection], Awaitable[T]], *, repeatable: bool = False
    ) -> T:
        """Run repeatable work in a transaction, again when PostgreSQL broke a deadlock."""
        for _ in range(DEADLOCK_RETRIES):
            try:
                async with self.transaction(repeatable=repeatable) as connection:
                    return await work(connection)
            except (asyncpg.DeadlockDetectedError, asyncpg.SerializationError):
                await asyncio.sleep(0)
        raise DatabaseAwayError("the database is too busy: transactions keep colliding")


@asynccontextmanager
async def open_database(
    dsn: str, *, max_connections: int = 10, behind_pooler: bool = False
) -> AsyncIterator[Database]:
    """Open a pool on a DSN and close it at the end; connects only when first used.

    A DSN may name several servers: the one that takes writes is found each time anew. What stands
    `behind_pooler` keeps no prepared statement and no setting of a session.
    """
    connect: Any = Hosts(dsn).connect  # asyncpg's stubs name each option
    pool = asyncpg.create_pool(
        dsn,
        connect=connect,
        min_size=0,
        max_size=max_connections,
        timeout=CONNECT_TIMEOUT_SECONDS,
        command_timeout=COMMAND_TIMEOUT_SECONDS,
        init=_prepare_connection,
        reset=_leave_as_it_is,
        statement_cache_size=0 if behind_pooler else STATEMENTS_KEPT,
        server_settings=NAME if behind_pooler else NAME | LIMITS,
    )
    async with pool:
        yield Database(pool)


async def _leave_as_it_is(_connection: object) -> None:
    """Spare a round trip after each use: what is set here is local to a transaction."""


async def _prepare_connection(connection: Any) -> None:  # noqa: ANN401 - asyncpg's two classes
    """Let jsonb travel as the JSON text it is: bytes in, text out."""
    await connection.set_type_codec(
        "jsonb",
        schema="pg_catalog",
        encoder=lambda raw: b"\x01" + bytes(raw),
        decoder=lambda raw: raw[1:],
        format="binary",
    )


def _is_being_cancelled() -> bool:
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


def _cause(error: BaseException) -> str:
    """Name the error without its text: that may hold an address or a value."""
    return type(error).__name__
