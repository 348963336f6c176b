"""Gather what requests bring into shared commits, in lanes by case, with a bound on what waits.

Events of one case always go through the same lane, and a lane commits one batch at a time: so
writers of a process never wait for each other at a row, and while one lane waits for PostgreSQL
the other decides and folds. Where few wait, one commit takes both. An answer still means
durable, and still names each event.
"""

import asyncio
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from operator import attrgetter
from zlib import crc32

from rebate_monitor.gathering import Gathering
from rebate_monitor.ingest.decision import Result
from rebate_monitor.ingest.incoming import Incoming, Sender, read_batch
from rebate_monitor.ingest.writer import Part, Report, Writer
from rebate_monitor.storage.case_events import NewEvent

LANES, ENOUGH = 2, 8
"""Lanes, and how many events are worth a commit beside another."""
MOST_A_COMMIT = 1_000
MOST_WAITING, MOST_WAITING_BYTES = 10_000, 32 * 1024 * 1024
"""Events, and bytes of them, that may wait for their commit."""
Told = list[Result] | Exception


class QueueFullError(Exception):
    """More waits already than may; nothing of the request was taken."""

    def __init__(self) -> None:
        super().__init__("more events wait for their commit than may; send the same again later")


class Intake:
    """Takes requests into shared commits of one writer."""

    def __init__(self, writer: Writer) -> None:
        self.writer = writer
        self._commits = Gathering[Part, Told](
            writer.commit, MOST_A_COMMIT, lambda part: len(part.batch), LANES, ENOUGH
        )
        self._events = self._bytes = 0
        self._left = asyncio.Event()

    @property
    def max_ahead(self) -> timedelta:
        """How far an event's time may lie ahead of the service's clock."""
        return self.writer.max_ahead

    async def take(
        self,
        bodies: Sequence[bytes],
        *,
        sender: Sender,
        now: datetime,
        waits: bool = False,
    ) -> Report:
        """Take one request's events; where too much waits already, refuse it or wait for room.

        Raises QueueFullError, and DatabaseAwayError: then nothing of it is certain.
        """
        size = sum(map(len, bodies))
        await self._enter(len(bodies), size, waits=waits)
        try:
            batch = read_batch(bodies, sender, now, self.max_ahead)
            return Report.of(await self._commit(batch, sender, now))
        finally:
            self._leave(len(bodies), size)

    async def _commit(
        self, batch: Sequence[Incoming], sender: Sender, now: datetime
    ) -> list[Result]:
        """Hand each lane its parts, and put the results together in the order of the request."""
        asked = [
            self._commits.ask(_part(events, sender, now), lane) for lane, events in _parts(batch)
        ]
        if len(asked) == 1:
            return _results(await asked[0])
        told = await asyncio.gather(*asked, return_exceptions=True)
        results = [result for results in map(_results, told) for result in results]
        return sorted(results, key=attrgetter("index"))

    async def _enter(self, events: int, size: int, *, waits: bool) -> None:
        while not self._has_room(events, size):
            if not waits:
                raise QueueFullError
            self._left.clear()
            await self._left.wait()
        self._events, self._bytes = self._events + events, self._bytes + size

    def _has_room(self, events: int, size: int) -> bool:
        """Say whether there is room; whoever comes first may bring as much as a request may."""
        if not self._events:
            return True
        return self._events + events <= MOST_WAITING and self._bytes + size <= MOST_WAITING_BYTES

    def _leave(self, events: int, size: int) -> None:
        self._events, self._bytes = self._events - events, self._bytes - size
        self._left.set()


def _part(batch: Sequence[Incoming], sender: Sender, now: datetime) -> Part:
    return Part(batch=batch, received_from=sender.name, at=now, bounds=sender.kept_bounds)


def _results(told: Told | BaseException) -> list[Result]:
    """Return the results of a part, or raise what brought it down."""
    if isinstance(told, BaseException):
        raise told
    return told


def _parts(batch: Sequence[Incoming]) -> Iterator[tuple[int, list[Incoming]]]:
    """Yield what each lane is to commit, in order, no more than a commit holds at a time."""
    lanes: dict[int, list[Incoming]] = {}
    for incoming in batch:
        lanes.setdefault(_lane(incoming), []).append(incoming)
    for lane, events in lanes.items():
        for start in range(0, len(events), MOST_A_COMMIT):
            yield lane, events[start : start + MOST_A_COMMIT]


def _lane(incoming: Incoming) -> int:
    """Return the lane of an event's case; what is refused has none and takes the first."""
    if isinstance(incoming.decoded, NewEvent):
        return crc32(incoming.decoded.event.case_id.encode()) % LANES
    return 0
