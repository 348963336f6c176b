"""Whom keys belong to, asked of the database for all requests at once.

A key is looked up anew for every request, so that it counts no longer once it is revoked; but
requests that come while a look-up is under way share the next one.
"""

from collections.abc import Sequence

from rebate_monitor.gathering import Gathering
from rebate_monitor.storage.database import Database
from rebate_monitor.storage.keys import Principal, find_keys, key_digest

MOST_AT_ONCE = 500


class Keyring:
    """Looks keys up in one database."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._lookups = Gathering[bytes, Principal | None](self._find, MOST_AT_ONCE)

    async def owner(self, key: str) -> Principal | None:
        """Return whom a key belongs to, None for an unknown or revoked one.

        Raises DatabaseAwayError.
        """
        return await self._lookups.ask(key_digest(key))

    async def _find(self, digests: Sequence[bytes]) -> list[Principal | None]:
        async with self._database.connection() as connection:
            return await find_keys(connection, digests)
