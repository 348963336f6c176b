"""100,000 cases breach at one midnight: how soon they are raised, what requests feel, who is told.

The real service runs in a process of its own on a clock that is moved to the evening before; the
requests come from here, as do the receivers of a webhook and of a chat robot.
"""

import asyncio
import contextlib
import json
import os
import statistics
import sys
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import aiohttp
import msgspec
from aiohttp import web
from aiohttp.test_utils import TestServer

from benchmarks.ground import BEARER, KEY, execute, fresh_database, own_postgres
from rebate_monitor.domain.local_time import SHANGHAI
from rebate_monitor.ingest.incoming import Sender
from rebate_monitor.log import configure_logging
from rebate_monitor.places import HUNAN
from rebate_monitor.server import compose, stop_on_signals
from rebate_monitor.server import run as serve
from rebate_monitor.settings import Settings
from rebate_monitor.storage.database import Database, open_database

CASES = int(os.environ.get("MIDNIGHT_CASES", "100000"))
BATCH = 1_000
REQUESTS_PER_SECOND = 100
IDLE_SECONDS = 20
ACCEPTED = datetime(2026, 11, 23, 9, tzinfo=SHANGHAI)
DAY_AT_RISK = datetime(2026, 11, 25, 9, tzinfo=SHANGHAI)
EVENING = datetime(2026, 11, 26, 23, 59, 60 - IDLE_SECONDS - 5, tzinfo=SHANGHAI)
MIDNIGHT = datetime(2026, 11, 27, tzinfo=SHANGHAI)
BEFORE_NINE = datetime(2026, 11, 27, 8, 59, 58, tzinfo=SHANGHAI)
CONFIG = """
[alerts]
enforce_from = 2026-01-01
[[channel]]
name = "machine"
type = "webhook"
url = "{url}/hook"
secret = "a-secret-made-up-for-this-benchmark"
[[channel]]
name = "chat"
type = "wecom"
base_url = "{url}"
key = "k"
per_minute = 600
[[route]]
channels = ["machine", "chat"]
kinds = ["breached"]
"""


@dataclass
class Receivers:
    """What the webhook and the chat robot have got; read when all is over, not meanwhile."""

    notices: list[bytes] = field(default_factory=list)
    messages: int = 0

    async def hook(self, request: web.Request) -> web.Response:
        """Take a webhook notice."""
        self.notices.append(await request.read())
        return web.Response()

    def cases(self) -> Counter[str]:
        """Return how often each case was told to the webhook."""
        told = (json.loads(notice)["cases"] for notice in self.notices)
        return Counter(case["case_id"] for cases in told for case in cases)

    async def chat(self, request: web.Request) -> web.Response:
        """Take a chat message."""
        await request.read()
        self.messages += 1
        return web.json_response({"errcode": 0})


async def run() -> None:
    """Print the storm's figures."""
    receivers = Receivers()
    app = web.Application(client_max_size=2**26)
    app.router.add_post("/hook", receivers.hook)
    app.router.add_post("/cgi-bin/webhook/send", receivers.chat)
    with tempfile.TemporaryDirectory(prefix="rebate-bench-") as folder:
        async with TestServer(app) as server:
            config = Path(folder) / "config.toml"
            config.write_text(CONFIG.format(url=str(server.make_url("")).rstrip("/")), "utf-8")
            async with own_postgres() as dsn, fresh_database(dsn) as (database, address):
                await _storm(database, address, config, receivers)


async def _storm(database: Database, dsn: str, config: Path, receivers: Receivers) -> None:
    await _fill(database, config)
    async with _service(dsn, config, DAY_AT_RISK):
        await _raised(database, DAY_AT_RISK, "at_risk")
    async with _service(dsn, config, EVENING) as (url, ahead):
        idle = await _latencies(url, asyncio.create_task(asyncio.sleep(IDLE_SECONDS)))
        await _until(lambda: time.time() + ahead >= MIDNIGHT.timestamp())
        started = time.perf_counter()
        storm = await _latencies(url, asyncio.create_task(_raised(database, MIDNIGHT, "breached")))
        raised_after = time.perf_counter() - started
        telling = await _latencies(url, asyncio.create_task(_told(database)))
    at_midnight = receivers.messages
    async with _service(dsn, config, BEFORE_NINE):
        await _until(lambda: receivers.messages >= len(HUNAN))
        await asyncio.sleep(3)
    cases = receivers.cases()
    doubled = sum(count - 1 for count in cases.values())
    print(f"  {CASES:,} cases raised {raised_after:.1f} s after midnight")
    print(f"  GET of a case, p50: idle {_ms(idle, 50):.2f} ms, meanwhile {_ms(storm, 50):.2f} ms")
    for what, seconds in (("raised", storm), ("told", telling)):
        print(
            f"  GET of a case, p99: idle {_ms(idle, 99):.2f} ms, while they are {what}"
            f" {_ms(seconds, 99):.2f} ms, ratio {_ms(seconds, 99) / _ms(idle, 99):.2f}"
            f" ({len(idle)} and {len(seconds)} requests)"
        )
    print(
        f"  webhook: {len(cases):,} cases in {len(receivers.notices)} notices, {doubled} told twice"
    )
    print(
        f"  chat: {at_midnight} messages at midnight, {receivers.messages} at nine,"
        f" for {len(HUNAN)} cities"
    )


async def _until(condition: Callable[[], bool], seconds: float = 0.002) -> None:
    while not condition():  # noqa: ASYNC110 - what is waited for happens in another process
        await asyncio.sleep(seconds)


async def _fill(database: Database, config: Path) -> None:
    """Accept all cases in one morning: a third of each category, all of limit 3."""
    service = compose(Settings(config=config), database, lambda: ACCEPTED)
    for first in range(0, CASES, BATCH):
        bodies = [msgspec.json.encode(_acceptance(n)) for n in range(first, first + BATCH)]
        await service.writer.take(bodies, sender=Sender("benchmark"), now=ACCEPTED)
    await execute(database, "VACUUM ANALYZE")


def _acceptance(number: int) -> dict[str, Any]:
    city = HUNAN[number % len(HUNAN)][0]
    return {
        "specversion": "1.0",
        "id": f"e-{number}",
        "source": "/benchmark",
        "type": "rebate.case.accepted",
        "subject": f"case-{number}",
        "time": ACCEPTED.isoformat(),
        "data": {"category": ("I", "II")[number % 2], "office": f"1{city}0000"},
    }


@asynccontextmanager
async def _service(dsn: str, config: Path, start: datetime) -> AsyncIterator[tuple[str, float]]:
    """Run the service from a moment on; yield its address and how far its clock is ahead."""
    ahead = start.timestamp() - time.time()
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "benchmarks.midnight",
        str(ahead),
        env={**os.environ, "REBATE_DATABASE_URL": dsn, "REBATE_CONFIG": str(config)},
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdout is not None
    try:
        port = int(await process.stdout.readline())
        yield f"http://127.0.0.1:{port}", ahead
    finally:
        process.terminate()
        await process.wait()


async def _raised(database: Database, due: datetime, kind: str) -> None:
    """Wait until nothing is due any more, by the cheapest question, then count once."""
    left = "SELECT EXISTS (SELECT FROM rebate_case WHERE next_alert_at <= $1)"
    async with database.connection() as connection:
        while await connection.fetchval(left, due):  # noqa: ASYNC110 - the sweep runs elsewhere
            await asyncio.sleep(0.25)
        raised = await connection.fetchval("SELECT count(*) FROM alert WHERE kind = $1", kind)
    assert raised == CASES, f"{raised} of {CASES} are {kind}"


async def _told(database: Database) -> None:
    """Wait until the webhook was told of every alert and has taken every message."""
    left = (
        "SELECT told_through < (SELECT max(seq) FROM alert)"
        "    OR EXISTS (SELECT FROM outbox WHERE channel = 'machine' AND sent_at IS NULL)"
        " FROM channel_state WHERE channel = 'machine'"
    )
    async with database.connection() as connection:
        while await connection.fetchval(left):  # noqa: ASYNC110 - it is told elsewhere
            await asyncio.sleep(0.25)


async def _latencies(url: str, meanwhile: "asyncio.Task[None]") -> list[float]:
    """Ask for cases at a steady rate until a task is done; return the seconds of each answer."""
    seconds: list[float] = []
    async with aiohttp.ClientSession(headers=BEARER) as session, asyncio.TaskGroup() as group:
        number = 0
        while not meanwhile.done():
            number += 7919
            group.create_task(_ask(session, f"{url}/v1/cases/case-{number % CASES}", seconds))
            await asyncio.sleep(1 / REQUESTS_PER_SECOND)
    await meanwhile
    return seconds


async def _ask(session: aiohttp.ClientSession, url: str, seconds: list[float]) -> None:
    started = time.perf_counter()
    async with session.get(url) as response:
        assert response.status == 200, await response.text()
        json.loads(await response.read())
    seconds.append(time.perf_counter() - started)


def _ms(seconds: list[float], percent: int) -> float:
    return statistics.quantiles(seconds, n=100)[percent - 1] * 1000


async def _serve(ahead: float) -> None:
    settings = Settings(
        database_url=os.environ["REBATE_DATABASE_URL"],
        config=Path(os.environ["REBATE_CONFIG"]),
        admin_key=KEY,
        port=0,
    )
    configure_logging("json", "error")
    async with open_database(settings.database_url or "") as database:
        service = compose(
            settings, database, lambda: datetime.fromtimestamp(time.time() + ahead, UTC)
        )
        await serve(service, stop_on_signals(), lambda port: print(port, flush=True))


if __name__ == "__main__":
    import uvloop

    with contextlib.suppress(KeyboardInterrupt):
        uvloop.run(_serve(float(sys.argv[1])))
