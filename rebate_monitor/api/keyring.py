"""Whom keys belong to, asked of the database for all requests at once.

A key is looked up anew for every request, so that it counts no longer once it is revoked; but
requests that come while a look-up is under way share the next one.
"""

from collections.abc import Sequence
from dataclasses import replace

from rebate_monitor.domain.bounds import Bounds
from rebate_monitor.gathering import Gathering
from rebate_monitor.places import Places
from rebate_monitor.storage.database import Database
from rebate_monitor.storage.keys import Principal, find_keys

MOST_AT_ONCE = 500


class Keyring:
    """Looks keys up in one database; `places` say which offices lie below which."""

    def __init__(self, database: Database, places: Places) -> None:
        self._database, self._places = database, places
        self._widened: dict[Bounds, Bounds] = {}
        self._lookups = Gathering[bytes, Principal | None](self._find, MOST_AT_ONCE)

    async def owner_of(self, digest: bytes) -> Principal | None:
        """Return whom a key belongs to by its digest, None for an unknown or revoked one.

        Raises DatabaseAwayError.
        """
        return await self._lookups.ask(digest)

    async def _find(self, digests: Sequence[bytes]) -> list[Principal | None]:
        async with self._database.connection() as connection:
            found = await find_keys(connection, digests)
        return [owner and self._widen(owner) for owner in found]

    def _widen(self, owner: Principal) -> Principal:
        """Widen a key's bounds, once for all keys of the same."""
        if not owner.bounds.offices:
            return owner
        if owner.bounds not in self._widened:
            self._widened[owner.bounds] = self._places.widen(owner.bounds)
        return replace(owner, bounds=self._widened[owner.bounds])
