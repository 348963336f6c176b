"""Sends requests to whichever replica answers, as a patient producer does; keeps the answers."""

import asyncio
import json
import random
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from io import BytesIO
from typing import Any
from urllib.parse import quote

import aiohttp

from rebate_monitor.ingest.decision import Outcome
from soak.delivery import Delivery, Garbage, Way
from soak.ledger import Ledger
from soak.replicas import Replica

PAUSE_SECONDS, PATIENCE_SECONDS, IN_FLIGHT = 0.1, 120.0, 48
TIMEOUT = aiohttp.ClientTimeout(total=60, sock_connect=5)
AWAY = 503
NO_ANSWER = "no connection"
CONTENT_TYPES: Mapping[Way, str] = {
    Way.SINGLE: "application/cloudevents+json",
    Way.BINARY: "application/json",
    Way.BATCH: "application/cloudevents-batch+json",
    Way.STREAM: "application/x-ndjson",
    Way.STRICT: "application/cloudevents-batch+json",
}
ONE_EVENT: Mapping[int, Outcome] = {
    200: Outcome.DUPLICATE,
    201: Outcome.ACCEPTED,
    409: Outcome.CONFLICT,
    422: Outcome.REJECTED,
}
MANY_EVENTS = (200, 207, 422)


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """An answer, after how many tries, and from which replica."""

    status: int
    body: bytes
    tries: int


@dataclass
class Office:
    """Sends to replicas on one clock's hour, keeps a ledger, and counts what came back.

    `statuses` counts every try by what was asked and how it was answered; `sent` requests by way.
    """

    replicas: Sequence[Replica]
    session: aiohttp.ClientSession
    ledger: Ledger
    rng: random.Random
    statuses: Counter[tuple[str, str]] = field(default_factory=Counter)
    sent: Counter[str] = field(default_factory=Counter)
    faults: list[str] = field(default_factory=list)
    gate: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(IN_FLIGHT))

    async def deliver(self, delivery: Delivery) -> None:
        """Send one request until it is answered, and keep what became of each event."""
        async with self.gate:
            answer = await self._send(delivery)
        if delivery.way is Way.STRICT and answer.status == 422:
            await self._deliver_leniently(delivery, answer)
            return
        outcomes = list(_outcomes(delivery, answer))
        if len(outcomes) == len(delivery.events):
            self.ledger.note(delivery.events, outcomes, tries=answer.tries)
        else:
            self.faults.append(f"{delivery.way}: answered {answer.status}: {answer.body[:300]!r}")

    async def _deliver_leniently(self, delivery: Delivery, refused: Answer) -> None:
        """Send again what was refused as a whole, with whatever is right in it to be taken."""
        told = json.loads(refused.body)
        if (told["accepted"], told["duplicate"]) != (0, 0) or not told["rejected"]:
            self.faults.append("a strict batch was refused in part")
        await self.deliver(
            Delivery(way=Way.BATCH, events=delivery.events, replica=delivery.replica)
        )

    async def _send(self, delivery: Delivery) -> Answer:
        self.sent[delivery.way] += 1
        headers, body = _request(delivery)
        return await self.ask(
            "POST", "/v1/events", replica=delivery.replica, headers=headers, data=body
        )

    async def throw(self, garbage: Garbage, replica: int) -> None:
        """Send what no service may take; anything but its own refusal is a fault."""
        self.sent["garbage"] += 1
        headers = {"Content-Type": garbage.content_type, **dict(garbage.headers)}
        async with self.gate:
            answer = await self.ask(
                "POST", "/v1/events", replica=replica, headers=headers, data=garbage.body
            )
        if answer.status != garbage.status:
            self.faults.append(f"garbage: {answer.status} instead of {garbage.status}")

    async def read(self, path: str, replica: int, *, may_miss: bool = False) -> None:
        """Ask for something while all goes on."""
        async with self.gate:
            answer = await self.ask("GET", path, replica=replica)
        self.sent["read"] += 1
        if answer.status != 200 and not (may_miss and answer.status == 404):
            self.faults.append(f"GET {path.partition('?')[0]}: {answer.status}")

    async def ask(
        self,
        method: str,
        path: str,
        *,
        replica: int,
        **request: Any,  # noqa: ANN401 - what aiohttp takes
    ) -> Answer:
        """Ask one replica after the other until there is an answer; only 503 is asked again."""
        deadline, tries = asyncio.get_running_loop().time() + PATIENCE_SECONDS, 0
        while asyncio.get_running_loop().time() < deadline:
            asked = self.replicas[(replica + tries) % len(self.replicas)]
            tries += 1
            told = await self._try(method, f"{asked.url}{path}", request)
            if told is not None:
                return Answer(status=told[0], body=told[1], tries=tries)
            await asyncio.sleep(PAUSE_SECONDS * self.rng.uniform(0.5, 1.5))
        raise RuntimeError(f"{method} {path}: no answer within {PATIENCE_SECONDS:.0f} s")

    async def _try(
        self, method: str, url: str, request: dict[str, Any]
    ) -> tuple[int, bytes] | None:
        data = BytesIO(request.get("data", b""))
        try:
            async with self.session.request(method, url, **{**request, "data": data}) as response:
                body = await response.read()
        except (aiohttp.ClientConnectionError, aiohttp.ClientPayloadError, TimeoutError):
            self.statuses[method, NO_ANSWER] += 1
            return None
        self.statuses[method, str(response.status)] += 1
        return None if response.status == AWAY else (response.status, body)


def _request(delivery: Delivery) -> tuple[dict[str, str], bytes]:
    """Return the headers and the body of a request."""
    headers, events = {"Content-Type": CONTENT_TYPES[delivery.way]}, delivery.events
    match delivery.way:
        case Way.SINGLE:
            return headers, events[0]
        case Way.BINARY:
            return _binary(events[0])
        case Way.STREAM:
            return headers, b"\n".join(events) + b"\n"
        case Way.BATCH:
            return headers, b"[" + b",".join(events) + b"]"
        case Way.STRICT:
            body = b"[" + b",".join(events) + b"]"
            return {**headers, "Prefer": "handling=strict"}, body


def _binary(body: bytes) -> tuple[dict[str, str], bytes]:
    """Return an event in binary mode; what is no JSON object has none and goes as it is."""
    event = json.loads(body)
    if not isinstance(event, dict):
        return {"Content-Type": CONTENT_TYPES[Way.SINGLE]}, body
    data = event.pop("data", None)
    headers = {f"ce-{name}": quote(str(value), safe="/:+") for name, value in event.items()}
    if not event:
        return {"Content-Type": CONTENT_TYPES[Way.SINGLE]}, body
    content = {"Content-Type": CONTENT_TYPES[Way.BINARY]}
    return {**content, **headers}, b"" if data is None else json.dumps(data).encode()


def _outcomes(delivery: Delivery, answer: Answer) -> Iterator[Outcome]:
    """Yield what became of each event; nothing of an answer that tells it not."""
    if delivery.way in (Way.SINGLE, Way.BINARY):
        if answer.status in ONE_EVENT:
            yield ONE_EVENT[answer.status]
        return
    if answer.status not in MANY_EVENTS:
        return
    told = json.loads(answer.body)
    named = {result["index"]: Outcome(result["status"]) for result in told["results"]}
    yield from (named.get(place, Outcome.ACCEPTED) for place in range(len(delivery.events)))
