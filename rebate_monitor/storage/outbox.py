"""Messages on their way: posted with what they tell in one transaction, leased, never lost."""

import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple

from asyncpg import Record

from rebate_monitor.domain.alert import AlertKind
from rebate_monitor.storage.database import Connection
from rebate_monitor.storage.statements import statement

ADD_CHANNELS = statement("add_channels")
CHANNEL_OUTLOOK = statement("channel_outlook")
LOCK_CHANNEL = statement("lock_channel")
NOTE_TOLD = statement("note_told")
UNTOLD_GROUPS = statement("untold_groups")
TELL = statement("tell")
OPEN_ALERTS_BY_LEVEL = statement("open_alerts_by_level")
POST_MESSAGES = statement("post_messages")
CLAIM_MESSAGE = statement("claim_message")
NOTE_SENT = statement("note_sent")
NOTE_FAILED = statement("note_failed")
FAILURES_IN_ROW = statement("failures_in_row")
BURY_ORPHANS = statement("bury_orphans")
FORGET_MESSAGES = statement("forget_messages")
LIST_OUTBOX = statement("list_outbox")
RETRY_MESSAGES = statement("retry_messages")
FREE_CHANNELS = statement("free_channels")
OUTBOX_FIGURES = statement("outbox_figures")
CHANNEL_FIGURES = statement("channel_figures")


ORPHANED_AFTER = timedelta(days=1)


async def add_channels(connection: Connection, names: Sequence[str]) -> None:
    """Make configured channels known; a new one is told of what comes from now on."""
    await connection.execute(ADD_CHANNELS, names)


@dataclass(frozen=True, slots=True, kw_only=True)
class Outlook:
    """How far a channel has been told, how far there is to tell, and whether mail waits."""

    told_through: int
    head: int
    window_start: datetime | None
    has_mail: bool = False


async def channel_outlook(connection: Connection, channel: str, now: datetime) -> Outlook | None:
    """Return what a channel has to do, or None where it is not known."""
    row = await connection.fetchrow(CHANNEL_OUTLOOK, channel, now)
    return None if row is None else Outlook(**row)


async def lock_channel(connection: Connection, channel: str) -> Outlook | None:
    """Lock a channel's row for its next digests, or return None while another replica has it."""
    row = await connection.fetchrow(LOCK_CHANNEL, channel)
    return None if row is None else Outlook(**row)


async def note_told(
    connection: Connection, channel: str, told_through: int, window_start: datetime | None
) -> None:
    """Keep how far a channel has been told, and in which window it was told of everything."""
    await connection.execute(NOTE_TOLD, channel, told_through, window_start)


class Group(NamedTuple):
    """Alerts that are alike in all that a route can ask; `key` says all of it in one word."""

    kind: AlertKind
    level: int
    city: str | None
    office: str | None
    category: str | None
    whitelisted: bool | None
    key: str


async def untold_groups(connection: Connection, channel: str, outlook: Outlook) -> list[Group]:
    """Return the groups of alerts that a channel has not been told of."""
    rows = await connection.fetch(UNTOLD_GROUPS, channel, outlook.told_through, outlook.head)
    return [
        Group(
            AlertKind(row["kind"]),
            row["level"],
            row["city"],
            row["office"],
            row["category"],
            row["whitelisted"],
            row["key"],
        )
        for row in rows
    ]


@dataclass(frozen=True, slots=True, kw_only=True)
class Telling:
    """How a channel is told: alerts a message at most, how many of them by name, and when."""

    channel: str
    part_size: int
    named: int
    at: datetime


async def tell(
    connection: Connection, telling: Telling, outlook: Outlook, groups: Iterable[Group]
) -> list[Record]:
    """Note that a channel is told of these groups' alerts; return what each message says."""
    return await connection.fetch(
        TELL,
        telling.channel,
        outlook.told_through,
        outlook.head,
        [group.key for group in groups],
        telling.part_size,
        telling.named,
        telling.at,
    )


async def open_alerts_by_level(
    connection: Connection,
) -> dict[tuple[int, str | None], tuple[int, int]]:
    """Return how many alerts are open, and how many of them acknowledged, by level and city."""
    rows = await connection.fetch(OPEN_ALERTS_BY_LEVEL)
    return {(row["level"], row["city"]): (row["alerts"], row["acknowledged"]) for row in rows}


class NewMessage(NamedTuple):
    """A message to be posted; `subject` says what it tells and is never used twice."""

    notification_id: uuid.UUID
    subject: str
    body: bytes


async def post_messages(
    connection: Connection, channel: str, messages: Sequence[NewMessage], now: datetime
) -> None:
    """Post messages, part of the transaction that notes what they tell."""
    ids, subjects, bodies = (list(column) for column in zip(*messages, strict=True))
    await connection.execute(POST_MESSAGES, ids, subjects, bodies, channel, now)


@dataclass(frozen=True, slots=True, kw_only=True)
class Claimed:
    """A leased message; `attempts` counts this one, too."""

    notification_id: uuid.UUID
    body: bytes
    created_at: datetime
    attempts: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """How messages of a channel are spaced, leased, and put off at the most."""

    spacing: timedelta
    lease: timedelta
    longest_rest: timedelta
    longest_pause: timedelta


async def claim_message(
    connection: Connection, channel: str, now: datetime, pace: Pace
) -> Claimed | None:
    """Lease a channel's next message; None when none is due or the channel is to be spared."""
    row = await connection.fetchrow(
        CLAIM_MESSAGE,
        channel,
        now,
        now + pace.lease,
        now + pace.spacing,
        now + pace.longest_rest,
        now + pace.longest_pause,
    )
    return None if row is None else Claimed(**row)


async def note_sent(
    connection: Connection, notification_id: uuid.UUID, channel: str, now: datetime
) -> None:
    """Keep that the other side has taken a message."""
    await connection.execute(NOTE_SENT, notification_id, channel, now)


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """A try that failed: why, when the next one is due, or since when there is none."""

    reason: str
    next_attempt_at: datetime
    dead_at: datetime | None
    channel_rests_until: datetime


async def note_failed(
    connection: Connection, notification_id: uuid.UUID, channel: str, failure: Failure
) -> None:
    """Keep that a try has failed, and let the channel rest."""
    await connection.execute(
        NOTE_FAILED,
        notification_id,
        channel,
        failure.reason,
        failure.next_attempt_at,
        failure.dead_at,
        failure.channel_rests_until,
    )


async def failures_in_row(connection: Connection, channel: str) -> int:
    """Return how many tries of a channel have failed since the last that did not."""
    count: int = await connection.fetchval(FAILURES_IN_ROW, channel)
    return count


async def tidy(
    connection: Connection, channels: Sequence[str], now: datetime, retention: timedelta
) -> int:
    """Forget what is older than the retention; bury what waits for a channel that is gone.

    Returns how many messages were buried.
    """
    await connection.execute(FORGET_MESSAGES, now - retention)
    buried: int = await connection.fetchval(BURY_ORPHANS, channels, now, now - ORPHANED_AFTER)
    return buried


async def list_outbox(
    connection: Connection, state: str | None, channel: str | None, limit: int
) -> list[Record]:
    """Return messages with what became of them, the latest first."""
    return await connection.fetch(LIST_OUTBOX, state, channel, limit)


async def retry_messages(
    connection: Connection,
    channel: str | None,
    notification_id: uuid.UUID | None,
    now: datetime,
) -> int:
    """Bring dead messages back to life; return how many."""
    told = await connection.execute(RETRY_MESSAGES, channel, notification_id, now)
    await connection.execute(FREE_CHANNELS, channel)
    return int(told.rpartition(" ")[2])


@dataclass(frozen=True, slots=True, kw_only=True)
class OutboxFigures:
    """What operations watch; `delivered` counts by (channel, outcome)."""

    pending: int = 0
    oldest: datetime | None = None
    dead: int = 0
    swept_at: datetime | None = None
    delivered: Mapping[tuple[str, str], int]


async def outbox_figures(connection: Connection) -> OutboxFigures:
    """Return the figures of the outbox and the sweep, the same on every replica."""
    row = await connection.fetchrow(OUTBOX_FIGURES)
    channels = await connection.fetch(CHANNEL_FIGURES)
    delivered = {
        (channel["channel"], outcome): channel[outcome]
        for channel in channels
        for outcome in ("sent", "failed", "dead")
    }
    return OutboxFigures(**dict(row or {}), delivered=delivered)
