"""The loops of alerting that run beside the service: the sweep, each channel, and the tidying."""

import asyncio
from collections.abc import Callable, Coroutine, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import aiohttp
import structlog

from rebate_monitor.alerting.announcing import Announcer
from rebate_monitor.alerting.channels.channel import Channel
from rebate_monitor.alerting.channels.factory import sender
from rebate_monitor.alerting.composing import DigestComposer
from rebate_monitor.alerting.configuration import AlertSettings
from rebate_monitor.alerting.delivery import Courier
from rebate_monitor.alerting.notifier import Notifier
from rebate_monitor.alerting.sweep import Sweeper
from rebate_monitor.places import Places
from rebate_monitor.storage.database import Database
from rebate_monitor.storage.outbox import tidy
from rebate_monitor.storage.rules import Rules
from rebate_monitor.supervisor import again, every

LOOK_EVERY_SECONDS = 1.0
TIDY_EVERY_SECONDS = 3600.0

Loop = Coroutine[Any, Any, None]

log = structlog.get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class Alerting:
    """What the loops work with; `now` is their clock."""

    database: Database
    rules: Rules
    places: Places
    settings: AlertSettings
    sweeper: Sweeper
    now: Callable[[], datetime]

    def notifier(self, channel: Channel, session: aiohttp.ClientSession) -> Notifier:
        """Put together what tells one channel."""
        composer = DigestComposer(
            channel=channel,
            places=self.places,
            rules=self.rules,
            link=self.settings.link,
        )
        return Notifier(
            database=self.database,
            rules=self.rules,
            channel=channel,
            announcer=Announcer(self.database, channel, self.settings, self.places),
            courier=Courier(
                database=self.database,
                channel=channel,
                rules=self.rules,
                settings=self.settings,
                sender=sender(channel, session, self.settings.request_timeout),
                compose=composer,
                now=self.now,
            ),
            now=self.now,
        )

    def loops(self, session: aiohttp.ClientSession, stop: asyncio.Event) -> Iterator[Loop]:
        """Yield each loop, not started yet."""
        yield again(self.sweeper.sweep, self.sweeper.rest, "sweep", stop)
        yield every(TIDY_EVERY_SECONDS, self._tidy, "outbox", stop)
        for channel in self.settings.channels:
            tick = self.notifier(channel, session).tick
            yield every(LOOK_EVERY_SECONDS, tick, f"channel {channel.name}", stop)

    async def _tidy(self) -> None:
        names = [channel.name for channel in self.settings.channels]
        async with self.database.transaction() as connection:
            buried = await tidy(connection, names, self.now(), self.settings.retention)
        if buried:
            log.warning("notification.orphaned", messages=buried)
