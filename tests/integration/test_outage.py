"""The database goes away and comes back: 503 with Retry-After meanwhile, and no restart after."""

import asyncio
import json
import shutil
import uuid
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any

import asyncpg
import pytest
from aiohttp import ClientResponse
from aiohttp.test_utils import TestClient, TestServer
from prometheus_client.parser import text_string_to_metric_families

from cloud_events import BATCH, ONE, STREAM, STRICT, Json, accepted, binary_headers, event, ndjson
from conftest import ADMIN_KEY, Client, FixedClock, Servers, with_database
from rebate_monitor.embedded_postgres import EmbeddedPostgres
from rebate_monitor.server import application, compose
from rebate_monitor.settings import Settings
from rebate_monitor.storage.database import open_database
from rebate_monitor.storage.migrations import Migration, migrate, packaged_migrations
from server_folder import new_folder

TIME = "2026-11-20T09:00:00"
NOBODY_LISTENS = "postgresql://nobody@127.0.0.1:1/nothing"
TOLD = accepted(TIME)
REQUESTS: dict[str, tuple[str, str, dict[str, Any]]] = {
    "one": ("POST", "/v1/events", {"json": TOLD, "headers": ONE}),
    "binary": ("POST", "/v1/events", {"json": TOLD["data"], "headers": binary_headers(TOLD)}),
    "batch": ("POST", "/v1/events", {"json": [TOLD], "headers": BATCH}),
    "refused": ("POST", "/v1/events", {"json": [{}], "headers": BATCH}),
    "stream": ("POST", "/v1/events", {"data": ndjson([TOLD]), "headers": STREAM}),
    "strict": ("POST", "/v1/events", {"data": ndjson([TOLD]), "headers": STREAM | STRICT}),
    "case": ("GET", "/v1/cases/case-1", {}),
    "cases": ("GET", "/v1/cases?status=running", {}),
    "performance": ("GET", "/v1/performance", {}),
    "quarantine": ("GET", "/v1/quarantine", {}),
    "replay": ("POST", "/v1/quarantine/replay", {}),
    "calendar": ("GET", "/v1/calendar", {}),
    "policies": ("GET", "/v1/policies", {}),
    "stored-key": ("GET", "/v1/policies", {"headers": {"Authorization": "Bearer rbm_stored"}}),
}


@asynccontextmanager
async def serving(dsn: str) -> AsyncIterator[Client]:
    """Serve a database and lend a client with the admin key."""
    async with open_database(dsn) as database:
        service = compose(Settings(admin_key=ADMIN_KEY), database, FixedClock())
        headers = {"Authorization": f"Bearer {ADMIN_KEY}"}
        async with TestClient(TestServer(application(service)), headers=headers) as opened:
            yield opened


@pytest.fixture
async def away() -> AsyncIterator[Client]:
    """Return a client of a service whose database cannot be reached."""
    async with serving(NOBODY_LISTENS) as client:
        yield client


@pytest.fixture
def server() -> Iterator[EmbeddedPostgres]:
    """Return a PostgreSQL of the test's own, not yet started."""
    folder = new_folder()
    made = EmbeddedPostgres(folder / "data")
    yield made
    made.stop()
    shutil.rmtree(folder)


@pytest.fixture
async def empty_dsn(servers: Servers) -> AsyncIterator[str]:
    """Return the DSN of a database that nobody migrated."""
    main = await asyncio.to_thread(servers.dsn, "18")
    name = f"empty_{uuid.uuid4().hex[:12]}"
    connection = await asyncpg.connect(main)
    await connection.execute(f'CREATE DATABASE "{name}"')
    yield with_database(main, name)
    await connection.execute(f'DROP DATABASE "{name}" WITH (FORCE)')
    await connection.close()


async def families(client: Client) -> set[str]:
    """Return the names of the exported metric families."""
    async with client.get("/metrics") as response:
        assert response.status == 200
        return {family.name for family in text_string_to_metric_families(await response.text())}


async def checks(client: Client) -> tuple[int, Json]:
    """Return what /readyz answers."""
    async with client.get("/readyz") as response:
        answer: Json = await response.json()
        return response.status, answer


async def check_unavailable(response: ClientResponse) -> Json:
    """Check that an answer says to come back, and return it."""
    told: Json = await response.json(content_type="application/problem+json")
    assert (503, 503) == (response.status, told["status"])
    assert 1 <= int(response.headers["Retry-After"]) <= 60
    return told


async def test_every_database_route_is_503(away: Client) -> None:
    """Whatever needs the database says when to try again, and does not say why in detail."""
    for name, (method, path, arguments) in REQUESTS.items():
        async with away.request(method, path, **arguments) as response:
            told = await check_unavailable(response)
        assert (name, False) == (name, "nobody@" in json.dumps(told))


async def test_what_needs_no_database_is_answered(away: Client) -> None:
    """The process lives and describes itself."""
    for path in ("/healthz", "/openapi.json", "/sign-in"):
        async with away.get(path) as response:
            assert (path, 200) == (path, response.status)


async def test_wrong_requests_are_still_refused(away: Client) -> None:
    """A mistake of the caller is told before anybody waits for the database."""
    for path, status in {"/v1/cases?limit=0": 422, "/nowhere": 404}.items():
        async with away.get(path) as response:
            assert (path, status) == (path, response.status)
    async with away.post("/v1/events", data=b"{", headers=ONE) as response:
        assert response.status == 400


async def test_readiness_says_that_it_is_away(away: Client) -> None:
    """The reason is there for whoever looks, without an address or a password."""
    told = {"database": "away: ConnectionRefusedError", "sweep": "ok"}
    expected = {"status": "unavailable", "checks": told}

    assert (503, expected) == await checks(away)


async def test_only_the_process_s_own_metrics(away: Client) -> None:
    """Old figures would look like new ones, so there are none."""
    await away.get("/healthz")
    told = await families(away)

    assert {name for name in told if not name.startswith("process_")} == {
        "http_request_duration_seconds",
        "rebate_ingest_commit_seconds",
    }
    assert "process_cpu_seconds" in told


async def test_it_comes_back_without_a_restart(server: EmbeddedPostgres) -> None:
    """A PostgreSQL that was stopped and started again is served as before."""
    dsn = await asyncio.to_thread(server.start)
    async with open_database(dsn) as database:
        await migrate(database)
    async with serving(dsn) as client:
        assert (await client.post("/v1/events", json=TOLD, headers=ONE)).status == 201

        await asyncio.to_thread(server.stop)
        for method, path, arguments in REQUESTS.values():
            async with client.request(method, path, **arguments) as response:
                await check_unavailable(response)
        assert (await checks(client))[0] == 503
        assert "rebate_open_cases" not in await families(client)

        assert dsn == await asyncio.to_thread(server.start)
        assert (200, {"status": "ok", "checks": {"database": "ok", "sweep": "ok"}}) == await checks(
            client
        )
        assert (await client.post("/v1/events", json=TOLD, headers=ONE)).status == 200
        assert (await (await client.get("/v1/cases/case-1")).json())["events"] == 1
        assert "rebate_open_cases" in await families(client)


async def test_a_stream_that_the_database_leaves(server: EmbeddedPostgres) -> None:
    """What is counted in the answer is durable; the whole stream sent again completes it."""
    dsn = await asyncio.to_thread(server.start)
    async with open_database(dsn) as database:
        await migrate(database)
    told = [event("reviewed", TIME, subject=f"case-{n}", id=f"e-{n}") for n in range(1500)]
    body = ndjson(told)

    async with serving(dsn) as client:

        async def pieces() -> AsyncIterator[bytes]:
            yield ndjson(told[:1100])
            for number in range(980, 1000):  # of every lane: each has committed its part
                while (  # noqa: ASYNC110 - a commit is seen only by asking
                    await client.get(f"/v1/cases/case-{number}")
                ).status != 200:
                    await asyncio.sleep(0.02)
            await asyncio.to_thread(server.stop)
            yield ndjson(told[1100:])

        async with client.post("/v1/events", data=pieces(), headers=STREAM) as response:
            broken = await check_unavailable(response)
        await asyncio.to_thread(server.start)
        again = await (await client.post("/v1/events", data=body, headers=STREAM)).json()

    assert (1000, 0, 0) == (broken["accepted"], broken["duplicate"], broken["rejected"])
    assert "send the whole stream again" in broken["detail"]
    assert (500, 1000, 0) == (again["accepted"], again["duplicate"], again["rejected"])


async def test_an_unmigrated_database_says_what_to_run(empty_dsn: str) -> None:
    """A database without tables is not ready, and says which command makes it so."""
    async with serving(empty_dsn) as client:
        status, answer = await checks(client)
        (first, *_) = packaged_migrations()
        reason = f"run `rebate-monitor migrate`: {first.name} is missing"
        assert (503, reason) == (status, answer["checks"]["database"])
        for method, path, arguments in REQUESTS.values():
            async with client.request(method, path, **arguments) as response:
                await check_unavailable(response)
        assert "rebate_open_cases" not in await families(client)


async def test_migrating_makes_it_ready(empty_dsn: str) -> None:
    """A service that was started too early works once the database is migrated."""
    async with serving(empty_dsn) as client:
        assert (await checks(client))[0] == 503
        async with open_database(empty_dsn) as database:
            await migrate(database)

        assert (await checks(client))[0] == 200
        assert (await client.post("/v1/events", json=TOLD, headers=ONE)).status == 201


async def test_a_newer_database_is_not_ready(empty_dsn: str) -> None:
    """An old version does not pretend to understand a newer database."""
    packaged = packaged_migrations()
    later = Migration(number=len(packaged) + 1, name="9999_later", text="SELECT 1")
    async with open_database(empty_dsn) as database:
        await migrate(database, (*packaged, later))

    async with serving(empty_dsn) as client:
        status, answer = await checks(client)

    assert status == 503
    assert answer["checks"]["database"].startswith("the database is newer than this version")


async def test_a_database_that_does_not_exist(empty_dsn: str) -> None:
    """A wrong name in the DSN is an outage as well: somebody may be about to make it."""
    async with serving(with_database(empty_dsn, "no_such_database")) as client:
        status, answer = await checks(client)

    expected = "away: the database is not ready: InvalidCatalogNameError"
    assert (503, expected) == (status, answer["checks"]["database"])


async def test_who_is_cancelled_is_told_nothing_of_the_database(empty_dsn: str) -> None:
    """What breaks while a cancelled statement is given up does not hide the cancellation."""
    is_connected = asyncio.Event()

    async def work() -> None:
        async with open_database(empty_dsn) as database, database.connection():
            is_connected.set()
            try:
                await asyncio.Event().wait()
            finally:
                raise OSError

    task = asyncio.create_task(work())
    await is_connected.wait()
    task.cancel()
    done, _ = await asyncio.wait([task])

    assert {True} == {ended.cancelled() for ended in done}


async def test_people_are_told_so_on_a_page(away: Client) -> None:
    """In words, and when to come back; signing in has to wait, too."""
    page = {"Accept": "text/html"}
    for path in ("/", "/cases", "/cases/some-case", "/alerts", "/calendar", "/performance"):
        async with away.get(path, headers=page) as response:
            told = (path, response.status, response.content_type, "数据库" in await response.text())
            assert (path, 503, "text/html", True) == told
            assert 1 <= int(response.headers["Retry-After"]) <= 60
    async with away.post("/sign-in", data={"key": ADMIN_KEY}, headers=page) as response:
        assert (503, "text/html") == (response.status, response.content_type)
