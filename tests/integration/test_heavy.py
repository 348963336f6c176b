"""Heavy reads are few at once, and end when their client leaves."""

import asyncio
from collections.abc import AsyncIterator

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from conftest import Client
from rebate_monitor.api.app import explain_errors
from rebate_monitor.api.heavy import HeavyReads


class Office:
    """A server whose one answer takes until it is let go."""

    def __init__(self) -> None:
        self.heavy = HeavyReads(most=2)
        self.let_go = asyncio.Event()
        self.begun = 0
        self.given_up = 0

    async def answer(self, request: web.Request) -> web.Response:
        return web.Response(text=await self.heavy.answer(request, self._work()))

    async def _work(self) -> str:
        self.begun += 1
        try:
            await self.let_go.wait()
        except asyncio.CancelledError:
            self.given_up += 1
            raise
        return "done"


@pytest.fixture
async def office() -> Office:
    return Office()


@pytest.fixture
async def client(office: Office) -> AsyncIterator[Client]:
    app = web.Application(middlewares=[explain_errors])
    app.router.add_get("/", office.answer)
    async with TestClient(TestServer(app)) as opened:
        yield opened


async def until(condition: str, office: Office, count: int) -> None:
    for _ in range(200):
        if getattr(office, condition) == count:
            return
        await asyncio.sleep(0.02)
    raise AssertionError(f"{condition} never became {count}")


async def test_who_comes_beyond_the_bound_comes_again(office: Office, client: Client) -> None:
    """Two run, the third is told to come again, and when one has ended there is room."""
    running = [asyncio.create_task(client.get("/")) for _ in range(2)]
    await until("begun", office, 2)
    async with client.get("/") as response:
        third = response.status, "Retry-After" in response.headers
    office.let_go.set()
    texts = [await (await task).text() for task in running]
    async with client.get("/") as response:
        later = response.status

    assert (503, True) == third
    assert ["done", "done"] == texts
    assert 200 == later
    assert 3 == office.begun


async def test_work_ends_when_its_client_leaves(office: Office, client: Client) -> None:
    """A client that gives up frees its place, and its work is not carried on for nobody."""
    with pytest.raises((asyncio.TimeoutError, aiohttp.ServerTimeoutError)):
        await client.get("/", timeout=aiohttp.ClientTimeout(total=0.2))
    await until("given_up", office, 1)
    office.let_go.set()
    async with client.get("/") as response:
        assert 200 == response.status


async def test_an_error_of_the_work_frees_its_place(office: Office, client: Client) -> None:
    """Work that fails does not use its place up."""

    async def fail() -> str:
        raise ValueError("x")

    office._work = fail  # type: ignore[method-assign] # it has to fail once
    for _ in range(3):
        async with client.get("/") as response:
            assert 500 == response.status
