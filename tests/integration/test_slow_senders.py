"""Senders that dawdle: a body, a stream, or a connection that never becomes a request."""

import asyncio
from collections.abc import AsyncIterator

import aiohttp
import pytest

from cloud_events import BATCH, ONE, STREAM, accepted, ndjson
from conftest import ADMIN_KEY, Client
from rebate_monitor.api import body, doorkeeper
from rebate_monitor.api.service import Service
from rebate_monitor.server import listening
from rebate_monitor.settings import Settings

TIME = "2026-11-20T09:00:00"


@pytest.fixture
def settings() -> Settings:
    """Return settings by which any free port is listened on."""
    return Settings(admin_key=ADMIN_KEY, port=0)


@pytest.fixture
def impatience(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the service wait for a fraction of a second only."""
    monkeypatch.setattr(body, "BODY_SECONDS", 0.2)
    monkeypatch.setattr(doorkeeper, "FIRST_REQUEST_SECONDS", 0.2)
    monkeypatch.setattr("rebate_monitor.server.LOOK_AT_DOOR_SECONDS", 0.05)


async def dawdle(first: bytes) -> AsyncIterator[bytes]:
    """Send something, and then nothing for long."""
    yield first
    await asyncio.sleep(5)


@pytest.mark.usefixtures("impatience")
@pytest.mark.parametrize("headers", [ONE, BATCH, {"Content-Type": "application/json"}])
async def test_a_body_has_to_be_there_in_time(client: Client, headers: dict[str, str]) -> None:
    """Whatever it is sent to: 408, and the connection is closed."""
    path = "/v1/events" if "cloudevents" in headers["Content-Type"] else "/v1/what-if"
    async with client.post(path, data=dawdle(b"{"), headers=headers) as response:
        told = await response.json(content_type="application/problem+json")

    assert (408, "close") == (response.status, response.headers["Connection"])
    assert "the body was not there within 0 seconds" == told["detail"]


@pytest.mark.usefixtures("impatience")
async def test_a_stream_has_to_go_on(client: Client) -> None:
    """What came of it is durable and counted."""
    lines = ndjson([accepted(TIME, subject=f"case-{n}") for n in range(1000)])
    async with client.post("/v1/events", data=dawdle(lines), headers=STREAM) as response:
        told = await response.json(content_type="application/problem+json")

    assert (408, 1000) == (response.status, told["accepted"])
    assert (await client.get("/v1/cases/case-999")).status == 200


@pytest.mark.usefixtures("impatience")
async def test_connections_that_never_ask_are_closed(service: Service) -> None:
    """Also those that send a header a byte at a time; who asks is answered meanwhile."""
    async with listening(service) as port, aiohttp.ClientSession() as session:
        silent = await asyncio.open_connection("127.0.0.1", port)
        slow = await asyncio.open_connection("127.0.0.1", port)
        for byte in b"GET /healthz":
            slow[1].write(bytes([byte]))
            await asyncio.sleep(0.02)
        ends = [await asyncio.wait_for(reader.read(), 5) for reader, _ in (silent, slow)]
        async with session.get(f"http://127.0.0.1:{port}/healthz") as response:
            answered = response.status
        for _, writer in (silent, slow):
            writer.close()

    assert ([b"", b""], 200) == (ends, answered)
