"""Look-up tables for reports: the names of places, and where people reach the service."""

import hashlib
from collections.abc import Iterable
from typing import Any

from rebate_monitor.places import Place, Places
from rebate_monitor.storage.database import Database
from rebate_monitor.storage.statements import statement

LOCK_LOOKUPS = statement("lock_lookups")
DROP_PLACES = statement("drop_places")
NOTE_LOOKUPS = statement("note_lookups")
PLACE_COLUMNS = ("code", "name_zh", "name_en")

Row = tuple[Any, ...]


class Lookups:
    """The look-up tables as this process would have them; `link` is where people reach it."""

    def __init__(self, places: Places, link: str) -> None:
        self._places = [*_place_rows(places.cities.values()), *_place_rows(places.offices.values())]
        self._link = link
        self._version = _digest([*self._places, (link,)])

    async def publish(self, database: Database) -> bool:
        """Write them where the stored ones differ; say whether they did."""
        async with database.transaction() as connection:
            if await connection.fetchval(LOCK_LOOKUPS) == self._version:
                return False
            await connection.execute(DROP_PLACES)
            await connection.copy_records_to_table(
                "place", records=self._places, columns=PLACE_COLUMNS
            )
            await connection.execute(NOTE_LOOKUPS, self._version, self._link)
            return True


def _place_rows(places: Iterable[Place]) -> list[Row]:
    return [(place.code, place.name_zh, place.name_en) for place in places]


def _digest(rows: list[Row]) -> str:
    return hashlib.sha256(repr(rows).encode()).hexdigest()
