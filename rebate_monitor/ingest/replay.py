"""Decide quarantined events anew, after a fix."""

from collections.abc import Mapping
from datetime import datetime

from rebate_monitor.domain.bounds import UNBOUND, Bounds
from rebate_monitor.ingest.decision import Result
from rebate_monitor.ingest.incoming import Incoming
from rebate_monitor.ingest.wire import decode_event
from rebate_monitor.ingest.writer import Reception, Report, Writer
from rebate_monitor.places import Places
from rebate_monitor.storage.database import Connection
from rebate_monitor.storage.keys import bounds_by_name
from rebate_monitor.storage.quarantine import Kept, lock_quarantined, quarantine_page, release

PAGE = 500
RECEIVED_FROM = "replay"


async def replay_quarantine(writer: Writer, places: Places, *, now: datetime) -> Report:
    """Decide every quarantined event anew; what is taken leaves, what is refused again stays.

    A key's events stay within what its latest key is bound to by now, others' within what their
    sender was bound to.
    """
    report, last = Report(), b""
    while True:
        async with writer.database.connection() as connection:
            digests = await quarantine_page(connection, last, PAGE)
        if not digests:
            return report
        results = await writer.database.retrying(_Page(writer, places, digests, now).replay)
        report, last = report.plus(Report.of(results)), digests[-1]


class _Page:
    def __init__(self, writer: Writer, places: Places, digests: list[bytes], now: datetime) -> None:
        self.writer, self.places, self.digests, self.now = writer, places, digests, now
        self.bounds: Mapping[str, Bounds] = {}

    async def replay(self, connection: Connection) -> list[Result]:
        """Decide live and imported events apart: nobody is told of what an import brings."""
        kept = await lock_quarantined(connection, self.digests)
        keys = {event.received_from for event in kept if event.bounds is None}
        bounds = await bounds_by_name(connection, keys)
        self.bounds = {name: self.places.widen(told) for name, told in bounds.items()}
        live = [event for event in kept if not event.is_import]
        imported = [event for event in kept if event.is_import]
        return [
            *await self._store(connection, live, is_import=False),
            *await self._store(connection, imported, is_import=True),
        ]

    async def _store(
        self, connection: Connection, kept: list[Kept], *, is_import: bool
    ) -> list[Result]:
        batch = [
            Incoming(
                index=index,
                body=event.body,
                decoded=decode_event(event.body, self.now, self.writer.max_ahead),
                bounds=event.bounds or self.bounds.get(event.received_from, UNBOUND),
            )
            for index, event in enumerate(kept)
        ]
        reception = Reception(
            received_from=RECEIVED_FROM, at=self.now, is_replay=True, is_import=is_import
        )
        decision = await self.writer.store(connection, batch, reception)
        taken = [kept[r.index].digest for r in decision.results if not r.outcome.is_refusal]
        await release(connection, taken)
        return decision.results
