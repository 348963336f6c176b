"""Drive the month: hour after hour, with everything that goes wrong meanwhile, and recount."""

import asyncio
import os
import random
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator, Coroutine, Iterable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import aiohttp
from aiohttp.test_utils import TestServer

from rebate_monitor.calendar_sources import work_calendar
from rebate_monitor.domain.local_time import local_date
from rebate_monitor.domain.work_calendar import DayKind, SpecialDay
from rebate_monitor.embedded_postgres import EmbeddedPostgres
from rebate_monitor.server import rules_of
from rebate_monitor.settings import Settings
from rebate_monitor.storage.database import Database, open_database
from soak.clock import SharedClock
from soak.delivery import BEGIN, GARBAGE, REPLICAS, Delivery, Hour, Scale, Way, hours, tellings
from soak.ledger import Ledger
from soak.office import AWAY, Office
from soak.receiver import Receiver
from soak.recount import recount
from soak.replicas import Life, Replica, watch

KEY = "a-key-made-up-for-the-soak"
READS = (
    "/v1/cases?status=running&limit=20",
    "/v1/performance?from=2026-09-21&to=2026-10-21",
    "/v1/alerts?state=open",
    "/metrics",
    "/readyz",
)
RESTARTS_AT, KILLED_AT, AMENDED_AT = 9, 13, 15
"""Hours of the day."""
FIGURES = tuple(
    f"rebate_{name}"
    for name in (
        "open", "case_", "due_", "events", "in_time", "processing_", "quarantined_", "rules_",
        "same_day", "sla_",
    )
)  # fmt: skip
PAPER = "国办发明电〔2025〕7号"
EXTRA = SpecialDay(kind=DayKind.DAY_OFF, name="国庆节")
SETTLE_SECONDS = 120.0
CONFIG = """
[alerts]
enforce_from = 2026-01-01
[[channel]]
name = "platform"
type = "webhook"
url = "{url}"
secret = "a-secret-made-up-for-the-soak"
[[route]]
channels = ["platform"]
"""
UNSETTLED = """
SELECT (SELECT count(*) FROM recompute WHERE finished_at IS NULL AND superseded_by IS NULL)
           AS recomputes,
       (SELECT count(*) FROM rebate_case WHERE next_alert_at <= $1) AS alerts,
       (SELECT count(*) FROM outbox WHERE sent_at IS NULL) AS messages,
       (SELECT count(*) FROM channel_state WHERE told_through < (SELECT max(seq) FROM alert))
           AS channels
"""


@dataclass
class Outcome:
    """What a soak came to."""

    seconds: float = 0
    hours: int = 0
    tellings: Counter[str] = field(default_factory=Counter)
    office: Office | None = None
    receiver: Receiver | None = None
    replicas: Sequence[Replica] = ()
    amended: Sequence[str] = ()
    faults: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """All that takes part: the clock, the replicas, who sends and who is told."""

    folder: Path
    dsn: str
    clock: SharedClock
    clock_file: Path
    config: Path
    replicas: Sequence[Replica]
    office: Office
    receiver: Receiver
    amended: list[str] = field(default_factory=list)

    async def command(self, *arguments: str) -> str:
        """Run a command of the service on the soak's clock; raise RuntimeError if it fails."""
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "soak.command",
            str(self.clock_file),
            *arguments,
            env=environment(self.dsn, self.config),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        said, _ = await process.communicate()
        if process.returncode != 0:
            raise RuntimeError(f"{' '.join(arguments)}: {said.decode()[-2000:]}")
        return said.decode()


def environment(dsn: str, config: Path) -> dict[str, str]:
    """Return the settings of the service, with nothing of the caller's own."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("REBATE_")}
    told = {"REBATE_DATABASE_URL": dsn, "REBATE_CONFIG": str(config), "REBATE_ADMIN_KEY": KEY}
    return {**clean, **told, "REBATE_LOG_LEVEL": "error"}


@asynccontextmanager
async def scene(folder: Path, scale: Scale) -> AsyncIterator[Scene]:
    """Lend a database of its own, its replicas and a receiver; all of them end with it."""
    postgres = EmbeddedPostgres(folder / "data")
    try:
        dsn = await asyncio.to_thread(postgres.start)
        async with scene_on(dsn, folder, scale) as made:
            yield made
    finally:
        await asyncio.to_thread(postgres.stop)


@asynccontextmanager
async def scene_on(dsn: str, folder: Path, scale: Scale) -> AsyncIterator[Scene]:
    """Lend replicas on a database, and a receiver; all of them end with it."""
    receiver, clock_file, config = Receiver(), folder / "clock", folder / "config.toml"
    clock = SharedClock.made(clock_file, BEGIN)
    headers = {"Authorization": f"Bearer {KEY}"}
    async with TestServer(receiver.app()) as server, aiohttp.ClientSession(headers=headers) as out:
        config.write_text(CONFIG.format(url=server.make_url("/hook")), "utf-8")
        replicas = [
            Replica(
                number=number,
                command=("-m", "soak.command", str(clock_file), "serve"),
                environment=environment(dsn, config),
                log=folder / f"replica-{number}.log",
            )
            for number in range(REPLICAS)
        ]
        ledger = Ledger(now=scale.end + timedelta(days=1))
        office = Office(
            replicas=replicas, session=out, ledger=ledger, rng=random.Random(scale.seed)
        )
        made = Scene(
            folder=folder,
            dsn=dsn,
            clock=clock,
            clock_file=clock_file,
            config=config,
            replicas=replicas,
            office=office,
            receiver=receiver,
        )
        try:
            await made.command("migrate")
            for replica in replicas:
                await replica.start()
            yield made
        finally:
            for replica in replicas:
                await replica.end(signal.SIGKILL)


async def soak(scale: Scale, limit_seconds: float = float("inf")) -> Outcome:
    """Drive a month, or as much of it as there is time for; return what came of it."""
    started = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="rebate-soak-") as folder:
        os.chmod(folder, 0o755)  # noqa: PTH101, S103 - as root, PostgreSQL is another user
        told = tellings(scale)
        outcome = Outcome(tellings=Counter(telling.dirt or "in time" for telling in told))
        async with scene(Path(folder), scale) as stage:
            watching = asyncio.create_task(watch(list(stage.replicas)))
            try:
                for hour in hours(scale, told):
                    if time.monotonic() - started > limit_seconds:
                        break
                    await _pass(stage, hour, scale, outcome)
                outcome.faults += await recounted(stage, told[0].body)
            finally:
                watching.cancel()
                with suppress(asyncio.CancelledError):
                    await watching
        outcome.office, outcome.receiver = stage.office, stage.receiver
        outcome.amended = [line for said in stage.amended for line in said.splitlines()[-1:]]
        outcome.replicas, outcome.seconds = stage.replicas, time.monotonic() - started
    return outcome


async def _pass(stage: Scene, hour: Hour, scale: Scale, outcome: Outcome) -> None:
    """Let an hour pass: all of its requests at once, with whatever breaks in it."""
    stage.clock.set(hour.at)
    number = outcome.hours
    async with asyncio.TaskGroup() as group:
        for delivery in hour.deliveries:
            group.create_task(stage.office.deliver(delivery))
        if hour.deliveries:
            group.create_task(stage.office.throw(GARBAGE[number % len(GARBAGE)], number % REPLICAS))
            group.create_task(stage.office.read(READS[number % len(READS)], number % REPLICAS))
        trouble = _trouble(stage, number, scale)
        if trouble is not None:
            group.create_task(trouble)
    outcome.hours += 1


def _trouble(stage: Scene, number: int, scale: Scale) -> Coroutine[Any, Any, None] | None:
    """Return what goes wrong in this hour of the month, if anything does."""
    day, hour = divmod(number, 24)
    if hour == RESTARTS_AT:
        return _restart(stage, day % REPLICAS, signal.SIGTERM)
    if hour == KILLED_AT:
        return _restart(stage, (day + 1) % REPLICAS, signal.SIGKILL)
    if (day, hour) == (scale.days // 2, AMENDED_AT):
        soon = local_date(stage.clock()) + timedelta(days=2)
        return _amend(stage, work_calendar().workday_on_or_after(soon))
    return None


async def _restart(stage: Scene, number: int, how: signal.Signals) -> None:
    """End a replica while it is at work, and start it again."""
    await asyncio.sleep(stage.office.rng.uniform(0, 0.01))
    await stage.replicas[number].end(how)
    await stage.replicas[number].start()


async def _amend(stage: Scene, off: date) -> None:
    """Let another day be off, told two days before at least, and see the recompute through."""
    notice = work_calendar().notices[off.year]
    lines = ["date,kind,year_notice,source,name"]
    for day, told in sorted({**notice.days, off: EXTRA}.items()):
        kind = "makeup_workday" if told.kind.is_workday else "off"
        lines.append(f"{day},{kind},{notice.year},{PAPER},{told.name}")
    file = stage.folder / "amended.csv"
    file.write_text("\n".join(lines), "utf-8")
    stage.amended.append(await stage.command("calendar", "import", str(file), "--yes"))


async def recounted(stage: Scene, last: bytes) -> list[str]:
    """Wait until all is settled, then recount everything; return every fault."""
    for number in range(REPLICAS):  # a commit wakes the sweep
        await stage.office.deliver(Delivery(way=Way.SINGLE, events=[last], replica=number))
    async with open_database(stage.dsn) as database:
        faults = await _settle(database, stage.clock)
        rules = rules_of(Settings(config=stage.config))
        faults += await recount(database, rules, stage.office.ledger, stage.receiver, stage.clock())
    faults += stage.office.faults
    faults += await _figure_faults(stage)
    faults += answer_faults(stage.office.statuses)
    faults += [f"replica {r.number}: {line}" for r in stage.replicas for line in r.troubles()]
    faults += ending_faults(life for replica in stage.replicas for life in replica.lives)
    said = await stage.command("doctor", "--deep")
    return faults if "nothing is wrong" in said else [*faults, said]


async def _settle(database: Database, clock: SharedClock) -> list[str]:
    """Let time pass until nothing is under way: what a receiver refused is tried again later."""
    deadline = time.monotonic() + SETTLE_SECONDS
    while True:
        clock.set(clock() + timedelta(seconds=10))
        await asyncio.sleep(0.02)
        async with database.connection() as connection:
            left = await connection.fetchrow(UNSETTLED, clock())
        waits = [f"{count} {name}" for name, count in (left or {}).items() if count]
        if not waits:
            return []
        if time.monotonic() > deadline:
            return [f"not done within {SETTLE_SECONDS:.0f} s: {', '.join(waits)}"]


async def _figure_faults(stage: Scene) -> list[str]:
    """Compare what the replicas tell Prometheus: figures are the same wherever one asks."""
    told: list[set[str]] = [
        figures((await stage.office.ask("GET", "/metrics", replica=number)).body.decode())
        for number in range(REPLICAS)
    ]
    if not all(told):
        return ["a replica tells no figures"]
    return [f"replicas differ: {line}" for line in sorted(told[0] ^ told[1])]


def figures(exposition: str) -> set[str]:
    """Return the lines of an exposition that are figures, not measures of one process."""
    return {line for line in exposition.splitlines() if line.startswith(FIGURES)}


def answer_faults(statuses: Mapping[tuple[str, str], int]) -> Iterator[str]:
    """Name every answer that no sender should ever get."""
    for (method, status), count in statuses.items():
        if status.startswith("5") and status != str(AWAY):
            yield f"{method}: {count} answers {status}"


def ending_faults(lives: Iterable[Life]) -> Iterator[str]:
    """Name every process that ended otherwise than it was asked to."""
    for life in lives:
        expected = {signal.SIGTERM.name: 0, signal.SIGKILL.name: -signal.SIGKILL}
        if life.how in expected and life.code != expected[life.how]:
            yield f"replica {life.replica} ended with {life.code} after {life.how}"
