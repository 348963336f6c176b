"""What a channel is given to send, and how it says that it could not."""

from dataclasses import dataclass
from datetime import datetime
from typing import Protocol


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """One message, the same at every try.

    `notification_id` is the `X-Notification-Id`. `title` and `lines` are plain text for people;
    `payload` is the JSON for machines.
    """

    notification_id: str
    title: str
    lines: tuple[str, ...]
    link: str | None
    payload: bytes


class DeliveryError(Exception):
    """The other side did not take a message; the text is safe to show: no address, no secret."""


class Sender(Protocol):
    """Delivers to one configured channel."""

    async def send(self, message: Message, now: datetime) -> None:
        """Deliver once; raise DeliveryError unless the other side said that it took the message."""
