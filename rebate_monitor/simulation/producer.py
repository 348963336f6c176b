"""Posts events to a running service as a tax office's system would: in order, and persistently."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass
from itertools import islice
from typing import Any, Self

import aiohttp
import msgspec

from rebate_monitor.simulation.province import Event

EVENT = "application/cloudevents+json"
BATCH = "application/cloudevents-batch+json"
BATCH_EVENTS = 1_000

ANSWERED = frozenset({200, 201, 207, 409, 422})
AWAY = frozenset({502, 503, 504})  # 502 and 504 are a proxy's words for it
KEY_REFUSED = frozenset({401, 403})

BACKOFF_SECONDS = (0.2, 0.5, 1, 2, 5, *(10,) * 12)  # a restart of the service is waited out
TIMEOUT = aiohttp.ClientTimeout(total=120, sock_connect=10)
MAX_DETAIL = 500


class ProducerError(Exception):
    """The service does not take the events; the message says what to change."""


class _AwayError(Exception):
    """The service cannot answer now; `pause` is the seconds it asks for, if it does."""

    def __init__(self, reason: str, pause: float | None = None) -> None:
        super().__init__(reason)
        self.pause = pause


class _Answer(msgspec.Struct):
    """The counts of an answer; the rest of it is for people."""

    accepted: int
    duplicate: int
    rejected: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """What became of events; a conflict counts as rejected."""

    accepted: int = 0
    duplicate: int = 0
    rejected: int = 0

    def __add__(self, other: "Counts") -> "Counts":
        return Counts(
            accepted=self.accepted + other.accepted,
            duplicate=self.duplicate + other.duplicate,
            rejected=self.rejected + other.rejected,
        )

    def __sub__(self, other: "Counts") -> "Counts":
        return Counts(
            accepted=self.accepted - other.accepted,
            duplicate=self.duplicate - other.duplicate,
            rejected=self.rejected - other.rejected,
        )


class Producer:
    """Posts events to a service at an address such as http://127.0.0.1:8080.

    An asynchronous context manager. `counts` is the sum of all answers so far; `pause` is how it
    waits between two tries, in seconds.
    """

    def __init__(
        self, *, url: str, key: str, pause: Callable[[float], Awaitable[object]] = asyncio.sleep
    ) -> None:
        self.counts = Counts()
        self._url, self._pause = url, pause
        self._headers = {"Authorization": f"Bearer {key}"}
        self._resources = AsyncExitStack()

    async def __aenter__(self) -> Self:
        self._session = await self._resources.enter_async_context(
            aiohttp.ClientSession(timeout=TIMEOUT, headers=self._headers)
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._resources.aclose()

    async def post(self, events: Iterable[Event]) -> Counts:
        """Post events in their order and return what became of them; raise ProducerError.

        They go in batches; the last of every thousand and one goes by itself, as offices do both.
        """
        before = self.counts
        remaining = iter(events)
        while chunk := list(islice(remaining, BATCH_EVENTS + 1)):
            await self._post_chunk(chunk)
        return self.counts - before

    async def _post_chunk(self, chunk: list[Event]) -> None:
        *batch, single = chunk
        if batch:
            self.counts += await self._send(BATCH, msgspec.json.encode(batch))
        self.counts += await self._send(EVENT, msgspec.json.encode(single))

    async def _send(self, content_type: str, body: bytes) -> Counts:
        """Send a body until it is answered: what arrives twice is only counted as duplicate."""
        for backoff in BACKOFF_SECONDS:
            try:
                return await self._try(content_type, body)
            except _AwayError as away:
                await self._pause(backoff if away.pause is None else away.pause)
        try:
            return await self._try(content_type, body)
        except _AwayError as away:
            tries = len(BACKOFF_SECONDS) + 1
            raise ProducerError(f"gave up after {tries} tries: {away}") from away

    async def _try(self, content_type: str, body: bytes) -> Counts:
        url, headers = f"{self._url.rstrip('/')}/v1/events", {"Content-Type": content_type}
        try:
            # A followed redirect would turn the POST into a GET.
            async with self._session.post(
                url, data=body, headers=headers, allow_redirects=False
            ) as response:
                return _counts(response.status, response.headers, await response.read())
        except (aiohttp.InvalidURL, aiohttp.NonHttpUrlClientError) as error:
            raise ProducerError(f"{self._url}: events cannot be posted to such a URL") from error
        except (aiohttp.ClientConnectionError, aiohttp.ClientPayloadError, TimeoutError) as error:
            raise _AwayError(f"{type(error).__name__}: {error}") from error


def _counts(status: int, headers: Mapping[str, str], body: bytes) -> Counts:
    """Read an answer; raise _AwayError or ProducerError when it holds no counts."""
    if status in AWAY:
        raise _AwayError(f"it answers {status}", _retry_after(headers))
    if status in KEY_REFUSED:
        raise ProducerError(f"the key was refused ({status}): {_detail(body)}")
    if status not in ANSWERED:
        raise ProducerError(f"the service answered {status}: {_detail(body)}")
    try:
        answer = msgspec.json.decode(body, type=_Answer)
    except msgspec.DecodeError as error:
        raise ProducerError(f"this is no answer of rebate_monitor: {_shown(body)}") from error
    return Counts(accepted=answer.accepted, duplicate=answer.duplicate, rejected=answer.rejected)


def _retry_after(headers: Mapping[str, str]) -> float | None:
    """Return the seconds of Retry-After; its other form, a date, is left to the backoff."""
    told = headers.get("Retry-After", "")
    return float(told) if told.isascii() and told.isdigit() else None


def _detail(body: bytes) -> str:
    try:
        problem: Any = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return _shown(body)
    return str(problem["detail"]) if isinstance(problem, dict) and "detail" in problem else "-"


def _shown(body: bytes) -> str:
    return body[:MAX_DETAIL].decode("utf-8", "replace").strip() or "no text"
