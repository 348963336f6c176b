"""What is no request: answered plainly with every header, and logged without what was sent."""

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import replace

import aiohttp
import pytest

from conftest import ADMIN_KEY
from rebate_monitor.api.headers import SECURITY_HEADERS
from rebate_monitor.api.service import Service
from rebate_monitor.server import listening

CASE = "4301-202611-000123"
KEY = f"Authorization: Bearer {ADMIN_KEY}".encode()
HOST = b"Host: x\r\n"
UNREADABLE = {
    "garbage": b"GARBAGE\r\n\r\n",
    "a key with a zero byte": b"GET / HTTP/1.1\r\n" + HOST + KEY + b"\x00\r\n\r\n",
    "a case in a path that is none": b"GET /v1/cases/" + CASE.encode() + b"\xff HTTP/1.1\r\n\r\n",
    "a long path": b"GET /v1/cases/" + CASE.encode() + b"a" * 9000 + b" HTTP/1.1\r\n\r\n",
    "a long header": b"GET / HTTP/1.1\r\n" + HOST + KEY + b"a" * 9000 + b"\r\n\r\n",
    "a length that is none": b"POST /v1/events HTTP/1.1\r\n" + HOST + b"Content-Length: x\r\n\r\n",
    "two lengths": b"POST / HTTP/1.1\r\n" + HOST + b"Content-Length: 1\r\n" * 2 + KEY + b"\r\n\r\n",
    "another version": b"GET / HTTP/9.9\r\n" + HOST + b"\r\n",
    "TLS to a port without": bytes.fromhex("16030100a5010000a10303") + b"\x00" * 20 + b"\r\n\r\n",
}


@pytest.fixture
async def port(service: Service) -> AsyncIterator[int]:
    """Return the port on which the service really listens."""
    settings = replace(service.settings, port=0)
    async with listening(replace(service, settings=settings)) as opened:
        yield opened


async def answer(port: int, sent: bytes) -> tuple[str, dict[str, str], bytes]:
    """Send bytes as they are; return the status line, the headers and the body."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(sent)
    told = await asyncio.wait_for(reader.read(), 10)
    writer.close()
    head, _, body = told.partition(b"\r\n\r\n")
    status, *lines = head.decode("latin-1").split("\r\n")
    return status, dict(line.split(": ", 1) for line in lines), body


@pytest.mark.parametrize("sent", UNREADABLE.values(), ids=UNREADABLE.keys())
async def test_it_is_told_plainly(
    port: int, sent: bytes, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    """400 as problem details; neither the answer nor the log repeats a word of what was sent."""
    status, headers, body = await answer(port, sent)
    said = "".join(capfd.readouterr()) + caplog.text

    assert "400" == status.split()[1]
    assert headers.items() >= SECURITY_HEADERS.items()
    assert "application/problem+json" == headers["Content-Type"]
    assert "unreadable" == json.loads(body)["type"].rpartition(":")[2]
    assert "request.unreadable" in said
    for word in (ADMIN_KEY, CASE, "Traceback"):
        assert word not in said
        assert word not in body.decode()


@pytest.mark.parametrize(
    ("method", "path", "headers", "status"),
    [
        ("GET", "/sign-in", {}, 200),
        ("GET", "/", {}, 401),
        ("GET", "/metrics", {}, 200),
        ("GET", "/openapi.json", {}, 200),
        ("GET", "/nowhere", {}, 404),
        ("TRACE", "/", {}, 405),
        ("GET", "/v1/cases", {"Authorization": "Bearer nothing"}, 401),
        ("GET", "/v1/cases/none", {"Authorization": f"Bearer {ADMIN_KEY}"}, 404),
        ("POST", "/v1/events", {"Authorization": f"Bearer {ADMIN_KEY}"}, 415),
        ("GET", "/", {"Expect": "the unexpected"}, 417),
    ],
)
async def test_every_answer_has_the_headers(
    port: int, method: str, path: str, headers: dict[str, str], status: int
) -> None:
    """Whatever is asked, and whoever answers it."""
    async with (
        aiohttp.ClientSession() as session,
        session.request(method, f"http://127.0.0.1:{port}{path}", headers=headers) as response,
    ):
        told = dict(response.headers)

    assert status == response.status
    assert told.items() >= SECURITY_HEADERS.items()
    assert "frame-ancestors 'none'" in told["Content-Security-Policy"]
    assert "Strict-Transport-Security" not in told
