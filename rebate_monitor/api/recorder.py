"""Record who looks at what, before they are answered: what cannot be recorded is not shown."""

from collections.abc import Sequence

from rebate_monitor.gathering import Gathering
from rebate_monitor.storage.audit import AuditRecord, add_records
from rebate_monitor.storage.database import Database

MOST_AT_ONCE = 500


class Recorder:
    """Adds records to one database, those of many requests at once."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._commits = Gathering[AuditRecord, None](self._add, MOST_AT_ONCE)

    async def keep(self, record: AuditRecord) -> None:
        """Make a record durable; raise DatabaseAwayError."""
        await self._commits.ask(record)

    async def _add(self, records: Sequence[AuditRecord]) -> list[None]:
        async with self._database.connection() as connection:
            await add_records(connection, records)
        return [None] * len(records)
