"""A generic webhook: our JSON, signed, to an address of the receiver's choice."""

import hashlib
import hmac
from dataclasses import dataclass
from datetime import datetime, timedelta

import aiohttp

from rebate_monitor.alerting.channels.channel import WebhookConnection
from rebate_monitor.alerting.channels.http import JSON_HEADERS, Post, posted
from rebate_monitor.alerting.channels.message import Message


def signature(secret: str, notification_id: str, timestamp: str, body: bytes) -> str:
    """Return what `X-Notification-Signature` carries: HMAC-SHA256 over id, time and body."""
    signed = f"{notification_id}.{timestamp}.".encode() + body
    return f"v1={hmac.new(secret.encode(), signed, hashlib.sha256).hexdigest()}"


@dataclass(frozen=True, slots=True, kw_only=True)
class WebhookSender:
    """Posts the payload; any 2xx says that it was taken."""

    connection: WebhookConnection
    session: aiohttp.ClientSession
    limit: timedelta

    async def send(self, message: Message, now: datetime) -> None:
        """Deliver once; raise DeliveryError unless the answer is 2xx."""
        timestamp = str(int(now.timestamp()))
        request = Post(
            url=self.connection.url,
            body=message.payload,
            headers={
                **JSON_HEADERS,
                "X-Notification-Id": message.notification_id,
                "X-Notification-Timestamp": timestamp,
                "X-Notification-Signature": signature(
                    self.connection.secret, message.notification_id, timestamp, message.payload
                ),
            },
        )
        async with posted(self.session, request, self.limit):
            pass
