"""Carry messages from the outbox to a channel: leased, tried again, never given up in silence."""

import asyncio
import random
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

import structlog

from rebate_monitor.alerting.channels.channel import Channel, ChannelType
from rebate_monitor.alerting.channels.email import MAIL_STEPS
from rebate_monitor.alerting.channels.message import DeliveryError, Message, Sender
from rebate_monitor.alerting.configuration import AlertSettings
from rebate_monitor.alerting.hours import is_open
from rebate_monitor.storage.database import Database
from rebate_monitor.storage.outbox import (
    Claimed,
    Failure,
    Pace,
    claim_message,
    failures_in_row,
    note_failed,
    note_sent,
)
from rebate_monitor.storage.rules import Rules

FIRST_PAUSE, LONGEST_PAUSE = timedelta(seconds=5), timedelta(hours=1)
LONGEST_REST = timedelta(minutes=1)
LEASE_MARGIN = timedelta(seconds=5)
CLOCK_GRAIN_SECONDS = 0.001

log = structlog.get_logger()


class Composer(Protocol):
    """Makes the message of an outbox row."""

    def __call__(self, claimed: Claimed, now: datetime) -> Message:
        """Compose the same message at every try."""


def pause_after(attempts: int, jitter: float) -> timedelta:
    """Return the pause after so many tries; `jitter`, 0 to 1, spreads it over its upper half."""
    whole: timedelta = min(FIRST_PAUSE * 2 ** min(attempts - 1, 20), LONGEST_PAUSE)
    return whole * (0.5 + jitter / 2)


def _jitter() -> float:
    return random.random()  # noqa: S311 - it spreads load and hides nothing


@dataclass(frozen=True, slots=True, kw_only=True)
class Courier:
    """Delivers the messages of one channel, one after the other; `now` is its clock."""

    database: Database
    channel: Channel
    rules: Rules
    settings: AlertSettings
    sender: Sender
    compose: Composer
    now: Callable[[], datetime]

    @property
    def spacing(self) -> timedelta:
        """The time between two messages at least, whichever replica sends them."""
        return timedelta(minutes=1) / self.channel.per_minute

    @property
    def pace(self) -> Pace:
        """How fast messages go, and how long one may be on its way before another replica asks."""
        tries = MAIL_STEPS if self.channel.type is ChannelType.EMAIL else 1
        return Pace(
            spacing=self.spacing,
            lease=self.settings.request_timeout * tries + LEASE_MARGIN,
            longest_rest=LONGEST_REST + self.spacing,
            longest_pause=LONGEST_PAUSE + self.settings.request_timeout * tries + LEASE_MARGIN,
        )

    async def deliver(self) -> None:
        """Deliver what is due inside the hours, as fast as the channel allows, until one fails."""
        while self._is_open() and (claimed := await self._claim()):
            if not await self._carry(claimed):
                return
            await asyncio.sleep(self.spacing.total_seconds() + CLOCK_GRAIN_SECONDS)

    def _is_open(self) -> bool:
        return is_open(self.channel, self.rules.calendar, self.now())

    async def _claim(self) -> Claimed | None:
        async with self.database.transaction() as connection:
            return await claim_message(connection, self.channel.name, self.now(), self.pace)

    async def _carry(self, claimed: Claimed) -> bool:
        """Try once; whoever dies between the two commits sends the same id again."""
        name, id_ = self.channel.name, claimed.notification_id
        try:
            await self.sender.send(self.compose(claimed, self.now()), self.now())
        except DeliveryError as error:
            await self._note_failure(claimed, str(error))
            return False
        except Exception:
            # A message that the program itself cannot send must not take the ingest down with it.
            log.exception("notification.fault", channel=name, notification_id=str(id_))
            await self._note_failure(claimed, "a fault of the service; it is in its log")
            return False
        async with self.database.connection() as connection:
            await note_sent(connection, id_, name, self.now())
        log.info("notification.sent", channel=name, notification_id=str(id_))
        return True

    async def _note_failure(self, claimed: Claimed, reason: str) -> None:
        name, now = self.channel.name, self.now()
        is_last = claimed.attempts >= self.settings.max_attempts
        async with self.database.transaction() as connection:
            rest = pause_after(await failures_in_row(connection, name) + 1, 1.0)
            failure = Failure(
                reason=reason,
                next_attempt_at=now + pause_after(claimed.attempts, _jitter()),
                dead_at=now if is_last else None,
                channel_rests_until=now + min(rest, LONGEST_REST),
            )
            await note_failed(connection, claimed.notification_id, name, failure)
        log.warning(
            "notification.dead" if is_last else "notification.failed",
            channel=name,
            notification_id=str(claimed.notification_id),
            attempts=claimed.attempts,
            reason=reason,
        )
