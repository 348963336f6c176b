"""Change the schema beside a running service: wait for locks in short turns, never in the queue.

Whoever waits for a lock on a table makes everybody wait who comes after, readers included.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

import asyncpg

from rebate_monitor.storage.database import Connection

LOCK_TIMEOUT = "2s"
REST_SECONDS = 1.0
TURNS = 200

T = TypeVar("T")


class LockedError(Exception):
    """Somebody kept a lock that the change needs for as long as was waited."""

    def __init__(self) -> None:
        super().__init__(
            "somebody keeps a lock on the tables (a backup, or a transaction left open; "
            "pg_stat_activity names it): nothing was changed, run it again later"
        )


async def patiently(connection: Connection, work: Callable[[Connection], Awaitable[T]]) -> T:
    """Do work in a transaction, again after each time that a lock was not to be had.

    Raises LockedError after ten minutes.
    """
    for _ in range(TURNS):
        try:
            async with connection.transaction():
                await connection.execute(f"SET LOCAL lock_timeout = '{LOCK_TIMEOUT}'")
                return await work(connection)
        except asyncpg.LockNotAvailableError:
            await asyncio.sleep(REST_SECONDS)
    raise LockedError
