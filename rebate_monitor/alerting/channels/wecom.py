"""WeCom group robots 企业微信群机器人 (developer.work.weixin.qq.com/document/path/91770).

20 messages a minute; `markdown.content` takes 4,096 bytes of UTF-8, more is errcode 40058.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from urllib.parse import urlencode

import aiohttp
import msgspec

from rebate_monitor.alerting.channels.channel import WecomConnection
from rebate_monitor.alerting.channels.http import Post
from rebate_monitor.alerting.channels.layout import Layout, fitted, lay_out
from rebate_monitor.alerting.channels.message import Message
from rebate_monitor.alerting.channels.robot import errcode_verdict, tell_robot

MAX_CONTENT = 4096


def markdown(layout: Layout) -> bytes:
    """Write a message as WeCom's Markdown, in which a line end is one."""
    return "\n".join((f"**{layout.title}**", *layout.lines, *layout.markdown_link())).encode()


@dataclass(frozen=True, slots=True, kw_only=True)
class WecomSender:
    """Posts Markdown to a group robot."""

    connection: WecomConnection
    session: aiohttp.ClientSession
    limit: timedelta

    async def send(self, message: Message, now: datetime) -> None:  # noqa: ARG002 - unsigned
        """Deliver once; raise DeliveryError unless `errcode` is 0."""
        query = urlencode({"key": self.connection.key})
        content = fitted(lay_out(message), markdown, MAX_CONTENT).decode()
        body = {"msgtype": "markdown", "markdown": {"content": content}}
        request = Post(
            url=f"{self.connection.base_url}/cgi-bin/webhook/send?{query}",
            body=msgspec.json.encode(body),
        )
        secrets = (self.connection.key,)
        await tell_robot(self.session, request, self.limit, errcode_verdict, secrets)
