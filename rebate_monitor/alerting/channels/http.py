"""One POST to the outside, careful with what comes back."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta

import aiohttp
from yarl import URL

from rebate_monitor import __version__
from rebate_monitor.alerting.channels.message import DeliveryError

MAX_ANSWER = 64 * 1024
REDIRECTS = range(300, 400)
SUCCESSES = range(200, 300)
JSON_HEADERS: Mapping[str, str] = {
    "Content-Type": "application/json",
    "User-Agent": f"rebate_monitor/{__version__}",
}


def open_session() -> aiohttp.ClientSession:
    """Return a session for all senders: no proxy from the environment, no cookies."""
    return aiohttp.ClientSession(trust_env=False, cookie_jar=aiohttp.DummyCookieJar())


@dataclass(frozen=True, slots=True, kw_only=True)
class Post:
    """One request; `url` is sent as it is, so what it holds must be encoded already."""

    url: str = field(repr=False)
    body: bytes = field(repr=False)
    headers: Mapping[str, str] = field(default_factory=lambda: JSON_HEADERS)


@asynccontextmanager
async def posted(
    session: aiohttp.ClientSession, request: Post, limit: timedelta
) -> AsyncIterator[aiohttp.ClientResponse]:
    """Send a request and yield its 2xx answer; all of it may take as long as `limit`.

    Raises DeliveryError for everything else, also from the reading of the answer. A redirect is
    not followed: it would take the message and its credentials elsewhere.
    """
    try:
        async with session.post(
            URL(request.url, encoded=True),
            data=request.body,
            headers=request.headers,
            timeout=aiohttp.ClientTimeout(total=limit.total_seconds()),
            allow_redirects=False,
        ) as response:
            _check_status(response.status)
            yield response
    except TimeoutError:
        raise DeliveryError(f"no answer within {limit.total_seconds():g} s") from None
    except (aiohttp.ClientError, OSError, UnicodeError) as error:  # a name that no DNS takes
        raise DeliveryError(f"the connection failed ({type(error).__name__})") from None


def _check_status(status: int) -> None:
    if status in REDIRECTS:
        raise DeliveryError(f"HTTP {status}: redirects are not followed")
    if status not in SUCCESSES:
        raise DeliveryError(f"HTTP {status}")


async def whole_answer(response: aiohttp.ClientResponse) -> bytes:
    """Read an answer; raise DeliveryError where it is larger than 64 KiB."""
    answer = bytearray()
    while chunk := await response.content.read(MAX_ANSWER + 1 - len(answer)):
        answer += chunk
        if len(answer) > MAX_ANSWER:
            raise DeliveryError("an answer larger than 64 KiB")
    return bytes(answer)
