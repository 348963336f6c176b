"""Decide quarantined events anew, after a fix."""

from datetime import datetime

from rebate_monitor.ingest.decision import Incoming, Result
from rebate_monitor.ingest.wire import Rejection, decode_event
from rebate_monitor.ingest.writer import Reception, Report, Writer
from rebate_monitor.storage.case_events import NewEvent
from rebate_monitor.storage.database import Connection
from rebate_monitor.storage.quarantine import lock_quarantined, quarantine_page, release

PAGE = 500
RECEIVED_FROM = "replay"


async def replay_quarantine(writer: Writer, *, now: datetime) -> Report:
    """Decide every quarantined event anew; what is taken leaves, what is refused again stays."""
    report, last = Report(), b""
    while True:
        async with writer.database.connection() as connection:
            digests = await quarantine_page(connection, last, PAGE)
        if not digests:
            return report
        results = await writer.database.retrying(_Page(writer, digests, now).replay)
        report, last = report.plus(Report.of(results)), digests[-1]


class _Page:
    def __init__(self, writer: Writer, digests: list[bytes], now: datetime) -> None:
        self.writer, self.digests, self.now = writer, digests, now

    async def replay(self, connection: Connection) -> list[Result]:
        kept = await lock_quarantined(connection, self.digests)
        batch = [
            Incoming(index=index, body=body, decoded=self._decode(body))
            for index, body in enumerate(kept.values())
        ]
        reception = Reception(received_from=RECEIVED_FROM, at=self.now, is_replay=True)
        decision = await self.writer.store(connection, batch, reception)
        digests = list(kept)
        taken = [digests[r.index] for r in decision.results if not r.outcome.is_refusal]
        await release(connection, taken)
        return decision.results

    def _decode(self, body: bytes) -> NewEvent | Rejection:
        return decode_event(body, self.now, self.writer.max_ahead)
