"""The work of one channel, again and again: make its digests, deliver its messages."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from rebate_monitor.alerting.announcing import Announcer, is_told_in
from rebate_monitor.alerting.channels.channel import Channel
from rebate_monitor.alerting.delivery import Courier
from rebate_monitor.alerting.hours import is_open, window_start
from rebate_monitor.storage.database import Database
from rebate_monitor.storage.outbox import Outlook, add_channels, channel_outlook
from rebate_monitor.storage.rules import Rules

STORM_SECONDS = 10.0
"""How long a channel that is told at once waits for a storm of alerts to settle."""


@dataclass(slots=True, kw_only=True)
class Notifier:
    """Tells one channel inside its hours; `now` is its clock."""

    database: Database
    rules: Rules
    channel: Channel
    announcer: Announcer
    courier: Courier
    now: Callable[[], datetime]
    _head: int | None = None
    _moving_since: datetime | None = None

    async def tick(self) -> None:
        """Do what is due for the channel at this moment."""
        now = self.now()
        outlook = await self._outlook(now)
        if not is_open(self.channel, self.rules.calendar, now):
            return
        window = window_start(self.channel, self.rules.calendar, now)
        posted = 0
        if self._begins(outlook, window, now) and self._has_settled(outlook, now):
            posted = await self.announcer.announce(window, now)
        if posted or outlook.has_mail:
            await self.courier.deliver()

    async def _outlook(self, now: datetime) -> Outlook:
        async with self.database.connection() as connection:
            await self.rules.in_force(connection)
            outlook = await channel_outlook(connection, self.channel.name, now)
            if outlook is None:  # new, or forgotten with a restored backup
                await add_channels(connection, [self.channel.name])
                outlook = await channel_outlook(connection, self.channel.name, now)
        if outlook is None:
            raise LookupError(f"channel_state does not know {self.channel.name}")
        return outlook

    def _begins(self, outlook: Outlook, window: datetime, now: datetime) -> bool:
        """Say whether a window begins in which there may be something to tell."""
        if is_told_in(outlook, window, now):
            return False
        return bool(self.channel.digest_every) or outlook.head > outlook.told_through

    def _has_settled(self, outlook: Outlook, now: datetime) -> bool:
        """Say whether no alert came since the last look: a storm is told as a whole, after it."""
        is_moving, self._head = outlook.head != self._head, outlook.head
        if self.channel.digest_every or not is_moving:
            self._moving_since = None
            return True
        self._moving_since = self._moving_since or now
        return (now - self._moving_since).total_seconds() >= STORM_SECONDS
