"""Alerting with real parts: replicas in processes of their own, killed; receivers that go away."""

import asyncio
import random
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path

import aiohttp
import asyncpg
import pytest
import structlog

from alerting_office import at
from cloud_events import BATCH, accepted, event
from conftest import ADMIN_KEY, Servers
from rebate_monitor.domain.local_time import SHANGHAI
from rebate_monitor.log import configure_logging
from rebate_monitor.server import compose, run
from rebate_monitor.settings import Settings
from rebate_monitor.storage.database import Database
from receivers import Receiver, chat_config, chatting, receiving, webhook_config
from service_process import call, serving

KEY = {"Authorization": f"Bearer {ADMIN_KEY}"}
ALWAYS = '\nhours = "00:00-24:00"\ndays = "all"\ndigest_minutes = 0\n'
CASES = 200
ROUNDS = 6


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    async with receiving() as opened:
        yield opened


def config(folder: Path, *blocks: str, since: str = "2026-01-01") -> Path:
    """Write a configuration whose requests time out soon, so that leases end soon."""
    file = folder / "config.toml"
    alerts = f"[alerts]\nenforce_from = {since}\nrequest_timeout_seconds = 1\n"
    file.write_text(alerts + "\n".join(blocks), encoding="utf-8")
    return file


async def until(seconds: float, condition: object) -> None:
    """Wait until a condition holds; fail when it does not within so many seconds."""
    deadline = asyncio.get_running_loop().time() + seconds
    assert callable(condition)
    while not condition():
        assert asyncio.get_running_loop().time() < deadline, "it never came true"
        await asyncio.sleep(0.05)


async def test_a_case_crosses_its_limit_at_midnight(
    database: Database, receiver: Receiver, tmp_path: Path
) -> None:
    """The running service sleeps until 00:00, and each channel gets exactly one signed notice."""
    async with chatting() as chat:
        chat_block = chat_config("chat", chat.url).replace("\n\n", ALWAYS, 1)
        file = config(tmp_path, webhook_config("machine", receiver.url), chat_block)
        settings = Settings(admin_key=ADMIN_KEY, config=file, port=0, log_level="error")
        configure_logging("json", "error")
        ahead = at("11-26T23:59:57") - datetime.now(UTC)
        service = compose(settings, database, lambda: datetime.now(UTC) + ahead)
        stop, port = asyncio.Event(), asyncio.get_running_loop().create_future()
        serving_now = asyncio.create_task(run(service, stop, port.set_result))
        try:
            async with aiohttp.ClientSession(headers=KEY) as session:
                events = [accepted("2026-11-23T09:00:00"), accepted("2026-11-26T09:00:00")]
                events[1]["subject"] = "not yet"
                url = f"http://127.0.0.1:{await port}/v1/events"
                async with session.post(url, json=events, headers=BATCH) as response:
                    assert 200 == response.status
                await asyncio.sleep(1)
                before = (receiver.told("breached"), len(chat.messages))
                await until(10, lambda: receiver.told("breached") and len(chat.messages) == 2)
                await asyncio.sleep(2)
        finally:
            stop.set()
            await serving_now
            structlog.reset_defaults()

    assert [] == before[0]
    assert ["case-1"] == receiver.told("breached")
    assert 2 == len(receiver.tries) == len(set(receiver.tries)), "at risk in time, then the breach"
    assert 1 == sum("【超时】" in message for message in chat.messages)


def workdays_ago(days: int) -> str:
    """Return an instant so many days ago; ten days are more than any limit's workdays."""
    return f"{datetime.now(SHANGHAI) - timedelta(days=days):%Y-%m-%dT%H:%M:%S}"


async def test_nothing_is_lost_and_nothing_doubled(
    servers: Servers, dsn: str, folder: Path, receiver: Receiver
) -> None:
    """Two replicas are killed again and again while the receiver comes and goes."""
    file = config(folder, webhook_config("machine", receiver.url))
    told = {"REBATE_DATABASE_URL": dsn, "REBATE_CONFIG": str(file), "REBATE_LOG_LEVEL": "error"}
    rng = random.Random(5)
    answers: Counter[int] = Counter()
    kills = 0
    async with aiohttp.ClientSession(headers=KEY) as session:
        for round_ in range(ROUNDS):
            receiver.status = 200 if round_ in {1, 4} else 503
            with ExitStack() as stack:
                replicas = [
                    stack.enter_context(await asyncio.to_thread(serving, folder, **told))
                    for _ in range(2)
                ]
                share = range(round_, CASES, ROUNDS)
                for n in share:
                    post = [accepted(workdays_ago(30), subject=f"c-{n}", id=f"a-{n}")]
                    url = f"{rng.choice(replicas).url}/v1/events"
                    async with session.post(url, json=post, headers=BATCH) as response:
                        answers[response.status] += 1
                await asyncio.sleep(rng.uniform(0.1, 2.0))
                for replica in replicas:
                    replica.process.kill()
                    kills += 1
        receiver.status = 200
        with serving(folder, **told):
            await until(60, lambda: len(receiver.told("overdue")) >= CASES)
            await asyncio.sleep(2)

    connection = await asyncpg.connect(dsn)
    try:
        raised = await connection.fetch(
            "SELECT kind, level, count(*) AS alerts, count(DISTINCT case_id) AS cases"
            " FROM alert GROUP BY 1, 2 ORDER BY level"
        )
        pending = await connection.fetchval("SELECT count(*) FROM outbox WHERE sent_at IS NULL")
    finally:
        await connection.close()
    cases = receiver.told("overdue")
    print(  # noqa: T201 - the counts are the proof, `pytest -s` shows them
        f"\n{kills} kills, {CASES} cases: {len(cases)} told, {len(set(cases))} distinct,"
        f" {len(receiver.notices)} notices in {len(receiver.tries)} tries, {pending} left"
    )

    assert {200: CASES} == answers
    assert [(level, CASES, CASES) for level in range(4)] == [
        (row["level"], row["alerts"], row["cases"]) for row in raised
    ]
    assert CASES == len(cases) == len(set(cases))
    assert 0 == pending


async def test_channels_and_outbox_at_the_command_line(
    servers: Servers, dsn: str, folder: Path, receiver: Receiver
) -> None:
    """A trial message arrives signed, a dead letter is listed with its reason and retried."""
    file = config(folder, "max_attempts = 1\n", webhook_config("machine", receiver.url))
    told = {"REBATE_DATABASE_URL": dsn, "REBATE_CONFIG": str(file), "REBATE_LOG_LEVEL": "error"}

    async def command(*arguments: str) -> tuple[int, str]:
        done = await asyncio.to_thread(call, folder, *arguments, **told, COLUMNS="200")
        return done.returncode, done.stdout + done.stderr

    listed = await command("channel", "list")
    empty = await command("outbox", "list")
    receiver.notices.clear()
    trial = await command("channel", "test", "machine")
    assert 0 == trial[0], trial[1]
    (notice,) = receiver.notices.values()
    receiver.notices.clear()
    receiver.status = 500
    refused = await command("channel", "test", "machine")
    unknown = await command("channel", "test", "nobody")
    late = [accepted(workdays_ago(30)), event("reviewed", workdays_ago(29))]
    with serving(folder, **told) as service:
        async with aiohttp.ClientSession(headers=KEY) as session:
            async with session.post(
                f"{service.url}/v1/events", json=late, headers=BATCH
            ) as response:
                assert 200 == response.status
            tries = len(receiver.tries)
            await until(20, lambda: len(receiver.tries) > tries)
            await asyncio.sleep(0.5)
            dead = await command("outbox", "list", "--state", "dead")
            receiver.status = 200
            nothing = await command("outbox", "retry", "--channel", "nobody")
            retried = await command("outbox", "retry", "--channel", "machine")
            await until(20, lambda: receiver.notices)
            await asyncio.sleep(1)  # for the service to note what the receiver knows
            sent = await command("outbox", "list")

    assert (0, True) == (listed[0], "machine" in listed[1] and "webhook" in listed[1])
    assert (0, True) == (empty[0], empty[1].startswith("the outbox is empty"))
    assert "rebate.alert.trial" == notice["type"]
    assert f"machine has taken the trial message {notice['notification_id']}\n" == trial[1]
    assert 1 == refused[0]
    assert "machine did not take the message" in refused[1]
    assert "500" in refused[1]
    assert 1 == unknown[0]
    assert "there is no channel 'nobody'; configured: machine" in unknown[1]
    assert "1 × overdue (level 3) in 430100" in dead[1]
    assert 1 == nothing[0]
    assert "no dead message is like that" in nothing[1]
    assert "500" in dead[1]
    assert (0, "1 dead message is tried again\n") == retried
    assert "sent" in sent[1]
    assert ["case-1"] == receiver.told("overdue")
