"""What a benchmark tells the service, and how: events in batches or single, over connections."""

import asyncio
import time
from collections.abc import Callable, Coroutine, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import cycle, islice
from typing import Any

import aiohttp
import msgspec

from rebate_monitor.calendar_sources import work_calendar
from rebate_monitor.simulation.province import Province

BATCH, CONNECTIONS, SINGLE_CONNECTIONS = 1_000, 4, 64
ONE = {"Content-Type": "application/cloudevents+json"}
MANY = {"Content-Type": "application/cloudevents-batch+json"}


def made_up_events(count: int, of: str = "") -> list[bytes]:
    """Make up a province's month: cases at every stage, in the order of time, none told twice.

    The names of its cases begin with `of`, so that none of them is stored already.
    """
    until = datetime.now(UTC)
    province = Province(
        seed=1, calendar=work_calendar(), cases_per_month=round(count / 4), dirt=0.0
    )
    history = province.history(until - timedelta(days=45), until)
    told = {(event["subject"], event["source"], event["id"]): event for event in history}
    return [
        msgspec.json.encode(event | {"subject": of + event["subject"]})
        for event in islice(told.values(), count)
    ]


def in_batches(events: Sequence[bytes]) -> list[Sequence[bytes]]:
    """Return events in batches of as many as are measured."""
    return [events[start : start + BATCH] for start in range(0, len(events), BATCH)]


def bodies(events: Sequence[bytes]) -> list[bytes]:
    """Return events as the bodies of requests, a batch each."""
    return [b"[" + b",".join(batch) + b"]" for batch in in_batches(events)]


async def post_all(
    urls: Sequence[str], told: Sequence[bytes], headers: Mapping[str, str], connections: int
) -> float:
    """Post every body over so many connections, to each address in turn; return the seconds."""
    connector = aiohttp.TCPConnector(limit=connections)
    async with aiohttp.ClientSession(headers=headers, connector=connector) as session:

        async def post(url: str, body: bytes) -> None:
            async with session.post(f"{url}/v1/events", data=body) as response:
                assert response.status in {200, 201}, await response.text()
                await response.read()

        started = time.perf_counter()
        await side_by_side(
            [partial(post, url, body) for url, body in zip(cycle(urls), told, strict=False)],
            connections,
        )
        return time.perf_counter() - started


async def side_by_side(
    tasks: Sequence[Callable[[], Coroutine[Any, Any, Any]]], workers: int
) -> None:
    """Carry tasks out in order, so many at once."""
    waiting = iter(tasks)

    async def work() -> None:
        for task in waiting:
            await task()

    await asyncio.gather(*(work() for _ in range(workers)))
