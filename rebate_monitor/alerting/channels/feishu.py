"""Feishu custom bots 飞书自定义机器人, with signature 签名校验.

(open.feishu.cn/document/client-docs/bot-v3/add-custom-bot) 100 messages a minute and 5 a second; a
body takes 20 KB; the timestamp may be off by an hour, else code 19021. Full and half hours are
crowded there and may be refused with 11232: the next try gets through.
"""

import base64
import hashlib
import hmac
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Any, TypeAlias
from urllib.parse import quote

import aiohttp
import msgspec

from rebate_monitor.alerting.channels.channel import FeishuConnection
from rebate_monitor.alerting.channels.http import Post
from rebate_monitor.alerting.channels.layout import Layout, fitted, lay_out
from rebate_monitor.alerting.channels.message import Message
from rebate_monitor.alerting.channels.robot import Verdict, tell_robot
from rebate_monitor.catalogue import Language

MAX_BODY = 20_000
LOCALES = {Language.ZH: "zh_cn", Language.EN: "en_us"}

Paragraph: TypeAlias = list[dict[str, str]]


class FeishuAnswer(msgspec.Struct, rename={"status": "StatusCode", "words": "StatusMessage"}):
    """The answer of today, and of older deployments, which say only `StatusCode`."""

    code: int | None = None
    msg: Any = ""
    status: int | None = None
    words: Any = ""


def verdict(answer: bytes) -> Verdict:
    """Read an answer; raise ValueError for one without a code."""
    told = msgspec.json.decode(answer, type=FeishuAnswer)
    if told.code is not None:
        return Verdict("code", told.code, told.msg)
    if told.status is not None:
        return Verdict("StatusCode", told.status, told.words)
    raise ValueError("no code")


def signature(secret: str, timestamp: str) -> str:
    """Return the signature of a timestamp in seconds: time and secret are the key, nothing is text.

    Not DingTalk's way round: the vendor's own samples sign the empty text.
    """
    key = f"{timestamp}\n{secret}".encode()
    return base64.b64encode(hmac.new(key, b"", hashlib.sha256).digest()).decode()


def body(layout: Layout, *, locale: str, timestamp: str, sign: str) -> bytes:
    """Write a message as rich text, one paragraph a line."""
    paragraphs: list[Paragraph] = [[{"tag": "text", "text": line}] for line in layout.lines]
    if layout.link is not None:
        paragraphs.append([{"tag": "a", "text": layout.label, "href": layout.link}])
    post = {locale: {"title": layout.title, "content": paragraphs}}
    return msgspec.json.encode(
        {"timestamp": timestamp, "sign": sign, "msg_type": "post", "content": {"post": post}}
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class FeishuSender:
    """Posts rich text to a custom bot."""

    connection: FeishuConnection
    language: Language
    session: aiohttp.ClientSession
    limit: timedelta

    async def send(self, message: Message, now: datetime) -> None:
        """Deliver once; raise DeliveryError unless `code` is 0."""
        timestamp = str(int(now.timestamp()))
        sign = signature(self.connection.secret, timestamp)
        build = partial(body, locale=LOCALES[self.language], timestamp=timestamp, sign=sign)
        token = quote(self.connection.token, safe="")
        request = Post(
            url=f"{self.connection.base_url}/open-apis/bot/v2/hook/{token}",
            body=fitted(lay_out(message), build, MAX_BODY),
        )
        secrets = (self.connection.token, self.connection.secret, sign)
        await tell_robot(self.session, request, self.limit, verdict, secrets)
