"""What the chat robots have in common: HTTP 200 says nothing, the code in the answer decides."""

import re
from collections.abc import Callable, Collection
from datetime import timedelta
from typing import Any, NamedTuple
from urllib.parse import quote, urlsplit

import aiohttp
import msgspec

from rebate_monitor.alerting.channels.http import Post, posted, whole_answer
from rebate_monitor.alerting.channels.message import DeliveryError

LONGEST_REASON = 200
ADDRESS = re.compile(r"\b[a-z][a-z0-9+.-]*://\S+", re.IGNORECASE)


class Verdict(NamedTuple):
    """What a robot's answer says: the name of the code, the code, and its words."""

    name: str
    code: int
    reason: object


class ErrcodeAnswer(msgspec.Struct):
    """The answer of WeCom's and of DingTalk's robots."""

    errcode: int
    errmsg: Any = ""


def errcode_verdict(answer: bytes) -> Verdict:
    """Read such an answer; raise ValueError for one without `errcode`."""
    told = msgspec.json.decode(answer, type=ErrcodeAnswer)
    return Verdict("errcode", told.errcode, told.errmsg)


async def tell_robot(
    session: aiohttp.ClientSession,
    request: Post,
    limit: timedelta,
    read: Callable[[bytes], Verdict],
    secrets: Collection[str],
) -> None:
    """Post to a robot; raise DeliveryError unless its answer has the code 0.

    `read` raises ValueError for what is no such answer. `secrets` are kept out of the error.
    """
    async with posted(session, request, limit) as response:
        answer = await whole_answer(response)
    try:
        name, code, reason = read(answer)
    except (ValueError, RecursionError):
        raise DeliveryError("an answer that is not the robot's JSON") from None
    if code != 0:
        words = scrubbed(str(reason), (*secrets, urlsplit(request.url).hostname or ""))
        raise DeliveryError(f"{name} {code}: {words}")


def scrubbed(reason: str, secrets: Collection[str]) -> str:
    """Return the other side's words in one short line, without secrets and addresses."""
    for secret in sorted(filter(None, secrets), key=len, reverse=True):
        for form in (secret, quote(secret, safe="")):
            reason = reason.replace(form, "***")
    reason = ADDRESS.sub("***", reason)
    line = " ".join("".join(c if c.isprintable() else " " for c in reason).split())
    return line if len(line) <= LONGEST_REASON else f"{line[:LONGEST_REASON]}…"
