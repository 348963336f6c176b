"""Turn alerts that a channel has not been told of into its messages: digests only (DESIGN 7)."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from datetime import datetime

import msgspec
from asyncpg import Record

from rebate_monitor.alerting.channels.channel import Channel, ChannelType
from rebate_monitor.alerting.configuration import AlertSettings
from rebate_monitor.domain.alert import AlertKind
from rebate_monitor.domain.local_time import SHANGHAI
from rebate_monitor.places import Places
from rebate_monitor.storage.database import Connection, Database
from rebate_monitor.storage.outbox import (
    Group,
    NewMessage,
    Outlook,
    Telling,
    lock_channel,
    note_told,
    open_alerts_by_level,
    post_messages,
    tell,
    untold_groups,
)

WEBHOOK_PART = 1_000
"""Cases a message to a machine at most: about 150 kB."""
AT_ONCE = 10_000
"""Alerts that a machine is told of in one transaction at most: about 1.5 MB of messages."""
URGENT_NAMED = 5
ONE_PART = 2**31 - 1


class DigestFacts(msgspec.Struct, kw_only=True):
    """What a message in the outbox and the webhook's payload both tell, under the same names."""

    kind: AlertKind
    level: int
    count: int
    by_category: dict[str, int]
    first_at: datetime
    last_at: datetime
    open_total: int
    acknowledged_total: int
    part: int
    parts: int
    cases: msgspec.Raw


class DigestBody(DigestFacts, kw_only=True):
    """What a message in the outbox tells; instants are in +08:00."""

    city: str | None


class Announcer:
    """Makes the digests of one channel, on one replica at a time."""

    def __init__(
        self, database: Database, channel: Channel, settings: AlertSettings, places: Places
    ) -> None:
        self._database, self._channel, self._places = database, channel, places
        self._routes = settings.routes_of(channel.name)

    async def announce(self, window_start: datetime, now: datetime) -> int:
        """Post what the channel has not been told of; return the number of messages."""
        return await self._database.retrying(self._work(window_start, now), repeatable=True)

    def _work(
        self, window_start: datetime, now: datetime
    ) -> Callable[[Connection], Awaitable[int]]:
        async def work(connection: Connection) -> int:
            outlook = await lock_channel(connection, self._channel.name)
            if outlook is None or is_told_in(outlook, window_start, now):
                return 0
            told = self._portion(outlook)
            messages = await self._messages(connection, told, now)
            if messages:
                await post_messages(connection, self._channel.name, messages, now)
            window = window_start if told.head == outlook.head else outlook.window_start
            await note_told(connection, self._channel.name, told.head, window)
            return len(messages)

        return work

    def _portion(self, outlook: Outlook) -> Outlook:
        """Return how far this transaction goes; people get all of a window in one message."""
        if self._channel.type is not ChannelType.WEBHOOK:
            return outlook
        return replace(outlook, head=min(outlook.head, outlook.told_through + AT_ONCE))

    async def _messages(
        self, connection: Connection, outlook: Outlook, now: datetime
    ) -> list[NewMessage]:
        name = self._channel.name
        groups = [g for g in await untold_groups(connection, name, outlook) if self._goes_here(g)]
        if not groups:
            return []
        told = await tell(connection, self._telling(now), outlook, groups)
        standing = await open_alerts_by_level(connection)
        return [_message(row, standing) for row in told]

    def _telling(self, now: datetime) -> Telling:
        if self._channel.type is ChannelType.WEBHOOK:
            part_size, named = WEBHOOK_PART, WEBHOOK_PART
        else:
            part_size, named = ONE_PART, URGENT_NAMED
        return Telling(channel=self._channel.name, part_size=part_size, named=named, at=now)

    def _goes_here(self, group: Group) -> bool:
        """Say whether a group is routed here; a correction goes wherever its breach was told."""
        asked = {name: told for name, told in group._asdict().items() if name != "key"}
        return group.kind is AlertKind.CORRECTED or any(
            route.covers(**asked, places=self._places) for route in self._routes
        )


def is_told_in(outlook: Outlook, window_start: datetime, now: datetime) -> bool:
    """Say whether a window was told of; one that lies ahead is from a clock that was wrong."""
    last = outlook.window_start
    return last is not None and window_start <= last <= now


def _message(row: Record, standing: Mapping[tuple[int, str | None], tuple[int, int]]) -> NewMessage:
    open_total, acknowledged_total = standing.get((row["level"], row["city"]), (0, 0))
    categories = {name: row[name] for name in ("I", "II", "III", "IV", "unknown")}
    body = DigestBody(
        kind=AlertKind(row["kind"]),
        level=row["level"],
        city=row["city"],
        count=row["alerts"],
        by_category={name: count for name, count in categories.items() if count},
        first_at=row["first_at"].astimezone(SHANGHAI),
        last_at=row["last_at"].astimezone(SHANGHAI),
        open_total=open_total,
        acknowledged_total=acknowledged_total,
        part=row["part"],
        parts=row["parts"],
        cases=msgspec.Raw(row["cases"].encode()),
    )
    return NewMessage(row["notification_id"], row["subject"], msgspec.json.encode(body))
