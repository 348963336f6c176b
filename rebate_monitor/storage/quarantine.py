"""Refused events, kept whole with their reason."""

import hashlib
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from asyncpg import Record

from rebate_monitor.domain.bounds import Bounds
from rebate_monitor.storage.audit import Action, AuditRecord, Deed, add_records
from rebate_monitor.storage.database import Connection
from rebate_monitor.storage.statements import statement

QUARANTINE_EVENTS = statement("quarantine_events")
LIST_QUARANTINE = statement("list_quarantine")
QUARANTINE_PAGE = statement("quarantine_page")
LOCK_QUARANTINED = statement("lock_quarantined")
RELEASE = statement("release_quarantined")
COUNT_QUARANTINE = statement("count_quarantine")


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """A refused event as it is kept; the names are as far as they could be read."""

    reason: str
    body: bytes
    case_id: str | None
    source: str | None
    id: str | None

    @property
    def digest(self) -> bytes:
        """What one quarantined event is known by: its bytes."""
        return hashlib.sha256(self.body).digest()


@dataclass(frozen=True, slots=True, kw_only=True)
class Quarantined:
    """A kept event with how often and when it was refused."""

    digest: bytes
    refused: Refused
    received_from: str
    times: int
    first_seen_at: datetime
    last_seen_at: datetime


async def quarantine(  # noqa: PLR0913 - where an event came from, in all that a replay asks
    connection: Connection,
    refused: Iterable[Refused],
    received_from: str,
    now: datetime,
    *,
    is_import: bool = False,
    bounds: Bounds | None = None,
) -> None:
    """Keep refused events; the same bytes refused again are counted up, the latest reason kept.

    `bounds` are their sender's, None of a key: what that is bound to is asked at the replay.
    """
    told = list(refused)
    if not told:
        return
    events = {event.digest: event for event in told}
    times = Counter(event.digest for event in told)
    await connection.execute(
        QUARANTINE_EVENTS,
        list(events),
        [event.reason for event in events.values()],
        [event.body for event in events.values()],
        [event.case_id for event in events.values()],
        [event.source for event in events.values()],
        [event.id for event in events.values()],
        [times[digest] for digest in events],
        received_from,
        now,
        is_import,
        None if bounds is None else list(bounds.sources),
        None if bounds is None else list(bounds.offices),
    )


async def list_quarantine(
    connection: Connection, limit: int, after: tuple[datetime, bytes] | None = None
) -> list[Quarantined]:
    """Return a page of kept events, the latest first."""
    rows = await connection.fetch(LIST_QUARANTINE, *(after or (None, None)), limit)
    return [
        Quarantined(
            digest=row["digest"],
            refused=Refused(
                reason=row["reason"],
                body=row["body"],
                case_id=row["case_id"],
                source=row["source"],
                id=row["id"],
            ),
            received_from=row["received_from"],
            times=row["times"],
            first_seen_at=row["first_seen_at"],
            last_seen_at=row["last_seen_at"],
        )
        for row in rows
    ]


async def quarantine_page(connection: Connection, after: bytes, limit: int) -> list[bytes]:
    """Return the next page of kept events' digests, in order."""
    return [row["digest"] for row in await connection.fetch(QUARANTINE_PAGE, after, limit)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """A locked quarantined event, and whether only imports have brought it.

    `bounds` are those of its sender, None of a key.
    """

    digest: bytes
    body: bytes
    received_from: str
    is_import: bool
    bounds: Bounds | None


async def lock_quarantined(connection: Connection, digests: list[bytes]) -> list[Kept]:
    """Return kept events, locked to the end of the transaction."""
    return [_kept(row) for row in await connection.fetch(LOCK_QUARANTINED, digests)]


def _kept(row: Record) -> Kept:
    bounds = None
    if row["offices"] is not None:
        bounds = Bounds(sources=tuple(row["sources"]), offices=tuple(row["offices"]))
    return Kept(
        digest=row["digest"],
        body=row["body"],
        received_from=row["received_from"],
        is_import=row["is_import"],
        bounds=bounds,
    )


async def release(connection: Connection, digests: list[bytes]) -> None:
    """Let events go that a replay has taken."""
    await connection.execute(RELEASE, digests)


async def drop_quarantined(
    connection: Connection, digests: Iterable[str], reason: str, by: Deed
) -> int:
    """Drop kept events and record what they were and why; return how many were still there.

    Locked in order first, as a replay does: neither waits for the other in a ring.
    """
    kept = await lock_quarantined(connection, [bytes.fromhex(digest) for digest in digests])
    gone = await connection.fetch(RELEASE, [event.digest for event in kept])
    await add_records(connection, [_dropped(row, reason, by) for row in gone])
    return len(gone)


def _dropped(row: Record, reason: str, by: Deed) -> AuditRecord:
    told = f"{reason} (case {row['case_id'] or '?'}, from {row['received_from']})"
    return by.record(Action.QUARANTINE_DROPPED, row["digest"].hex(), told)


async def count_quarantine(connection: Connection) -> int:
    """Return how many events are kept."""
    count: int = await connection.fetchval(COUNT_QUARANTINE)
    return count
