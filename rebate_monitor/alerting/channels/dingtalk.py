"""DingTalk custom robots 钉钉自定义机器人, with signature 加签.

(open.dingtalk.com/document/orgapp/custom-robot-access) 20 messages a minute, more are refused for
ten minutes; a message takes 20,000 bytes, more is errcode 460101; the timestamp may be off by an
hour, else errcode 310000.
"""

import base64
import hashlib
import hmac
from dataclasses import dataclass
from datetime import datetime, timedelta
from urllib.parse import urlencode

import aiohttp
import msgspec

from rebate_monitor.alerting.channels.channel import DingtalkConnection
from rebate_monitor.alerting.channels.http import Post
from rebate_monitor.alerting.channels.layout import Layout, fitted, lay_out
from rebate_monitor.alerting.channels.message import Message
from rebate_monitor.alerting.channels.robot import errcode_verdict, tell_robot

MAX_BODY = 20_000


def signature(secret: str, timestamp: str) -> str:
    """Return the signature of a timestamp in milliseconds, before it is encoded for an address."""
    signed = f"{timestamp}\n{secret}".encode()
    return base64.b64encode(hmac.new(secret.encode(), signed, hashlib.sha256).digest()).decode()


def body(layout: Layout) -> bytes:
    """Write a message as DingTalk's Markdown, in which only an empty line ends a line."""
    text = "\n\n".join((f"### {layout.title}", *layout.lines, *layout.markdown_link()))
    return msgspec.json.encode(
        {"msgtype": "markdown", "markdown": {"title": layout.title, "text": text}}
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class DingtalkSender:
    """Posts Markdown to a custom robot."""

    connection: DingtalkConnection
    session: aiohttp.ClientSession
    limit: timedelta

    async def send(self, message: Message, now: datetime) -> None:
        """Deliver once; raise DeliveryError unless `errcode` is 0."""
        timestamp = str(int(now.timestamp() * 1000))
        sign = signature(self.connection.secret, timestamp)
        token = self.connection.access_token
        query = urlencode({"access_token": token, "timestamp": timestamp, "sign": sign})
        request = Post(
            url=f"{self.connection.base_url}/robot/send?{query}",
            body=fitted(lay_out(message), body, MAX_BODY),
        )
        secrets = (token, self.connection.secret, sign)
        await tell_robot(self.session, request, self.limit, errcode_verdict, secrets)
