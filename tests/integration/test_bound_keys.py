"""Keys that are bound to sources and offices, end by themselves, and are rotated."""

import asyncio
from collections.abc import Callable, Coroutine
from datetime import timedelta
from typing import Any

import pytest

from cloud_events import BATCH, ONE, STREAM, STRICT, Json, accepted, event, ndjson
from conftest import Client
from rebate_monitor.api.service import Service
from rebate_monitor.domain.bounds import Bounds
from rebate_monitor.ingest.replay import replay_quarantine
from rebate_monitor.storage.database import Database
from rebate_monitor.storage.keys import (
    Grant,
    KeyState,
    Scope,
    bind_key,
    create_key,
    list_keys,
    revoke_key,
    rotate_key,
)

CHANGSHA, ZHUZHOU = "14301000000", "14302000000"
HERE, THERE = f"/hunan/{CHANGSHA}", f"/hunan/{ZHUZHOU}"
TIME = "2026-11-20T09:00:00"
COUNT = "SELECT count(*) FROM case_event"
Header = dict[str, str]
Make = Callable[..., Coroutine[Any, Any, tuple[str, Header]]]


@pytest.fixture
def make(database: Database, service: Service) -> Make:
    """Return what makes a key with bounds: its id, and the header that presents it."""

    async def made(*scopes: Scope, days: int | None = None, **bounds: Any) -> tuple[str, Header]:  # noqa: ANN401 - sources and offices
        now = service.now()
        grant = Grant(
            name="a test",
            scopes=frozenset(scopes),
            bounds=Bounds(**bounds),
            expires_at=now + timedelta(days=days) if days is not None else None,
        )
        async with database.connection() as connection:
            key_id, key = await create_key(connection, grant, now)
        return key_id, {"Authorization": f"Bearer {key}"}

    return made


@pytest.fixture
async def two_offices(client: Client) -> None:
    """Have a late case of each of two offices, and one that nobody has accepted."""
    told = [
        accepted("2026-11-02T09:00:00", subject="here", office=CHANGSHA),
        accepted("2026-11-02T09:00:00", subject="there", office=ZHUZHOU),
        event("reviewed", TIME, subject="nobody's"),
    ]
    async with client.post("/v1/events", json=told, headers=BATCH) as response:
        assert response.status == 200


class TestTelling:
    """`events:write`."""

    async def test_another_source_is_refused_and_kept(
        self, client: Client, stranger: Client, make: Make
    ) -> None:
        """One event is 422 with the reason, and can be seen in the quarantine."""
        _, headers = await make(Scope.EVENTS_WRITE, sources=(HERE,))
        told = event("reviewed", TIME, source=THERE)
        async with stranger.post("/v1/events", json=told, headers=ONE | headers) as response:
            status, body = response.status, await response.json()
        kept = await (await client.get("/v1/quarantine")).json()

        reason = f"source: this key tells of {HERE}, not of {THERE}"
        assert (422, reason) == (status, body["detail"])
        assert [(reason, "a test")] == [(k["reason"], k["received_from"]) for k in kept["events"]]

    @pytest.mark.parametrize("how", ["batch", "stream", "strict"])
    async def test_of_many_only_those_outside_are_refused(
        self, client: Client, stranger: Client, make: Make, how: str
    ) -> None:
        """Each event is looked at by itself; all or nothing stays nothing."""
        _, headers = await make(Scope.EVENTS_WRITE, sources=("/hunan/*",), offices=(CHANGSHA,))
        told = [
            accepted(TIME, subject="ours", office=CHANGSHA),
            accepted(TIME, subject="another's", office=ZHUZHOU),
            event("reviewed", TIME, subject="ours", source="/elsewhere"),
        ]
        kinds: dict[str, dict[str, Any]] = {
            "batch": {"json": told, "headers": BATCH | headers},
            "stream": {"data": ndjson(told), "headers": STREAM | headers},
            "strict": {"json": told, "headers": BATCH | STRICT | headers},
        }
        async with stranger.post("/v1/events", **kinds[how]) as response:
            body = await response.json()
        stored = (await client.get("/v1/cases/ours")).status

        accepted_count, status = (0, 404) if how == "strict" else (1, 200)
        assert (accepted_count, 2, status) == (body["accepted"], body["rejected"], stored)
        assert [1, 2] == [result["index"] for result in body["results"]]

    @pytest.mark.usefixtures("two_offices")
    async def test_a_case_cannot_be_pulled_over(
        self, client: Client, stranger: Client, make: Make
    ) -> None:
        """A key of one office cannot correct another's case into its own, and so read it."""
        _, headers = await make(Scope.EVENTS_WRITE, Scope.CASES_READ, offices=(CHANGSHA,))
        pull = event("corrected", TIME, subject="there", office=CHANGSHA)
        told = await stranger.post("/v1/events", json=pull, headers=ONE | headers)
        case = await (await client.get("/v1/cases/there")).json()

        assert (422, ZHUZHOU) == (told.status, case["attributes"]["office"])
        assert (await stranger.get("/v1/cases/there", headers=headers)).status == 404

    async def test_a_replay_stays_within_the_bounds(
        self, client: Client, stranger: Client, make: Make, database: Database, service: Service
    ) -> None:
        """What was refused for its source is taken once the key is bound otherwise, not before."""
        key_id, headers = await make(Scope.EVENTS_WRITE, sources=(HERE,))
        told = event("reviewed", TIME, source=THERE)
        await stranger.post("/v1/events", json=told, headers=ONE | headers)

        before = await replay_quarantine(service.writer, service.places, now=service.now())
        async with database.connection() as connection:
            assert await bind_key(connection, key_id, Bounds(sources=(HERE, THERE))) == "a test"
        after = await replay_quarantine(service.writer, service.places, now=service.now())

        assert ((0, 1), (1, 0)) == (
            (before.accepted, before.rejected),
            (after.accepted, after.rejected),
        )
        assert [] == (await (await client.get("/v1/quarantine")).json())["events"]

    async def test_a_stream_ends_with_its_key(
        self, stranger: Client, make: Make, database: Database, service: Service
    ) -> None:
        """Revoked in the middle of a stream, it counts no longer; what was taken is told."""
        key_id, headers = await make(Scope.EVENTS_WRITE)
        lines = ndjson([accepted(TIME, subject=f"case-{n}") for n in range(1000)])

        async def stream() -> Any:  # noqa: ANN401 - what aiohttp takes as a body
            yield lines
            async with database.connection() as connection:
                while not await connection.fetchval(COUNT):  # noqa: ASYNC110 - it is stored elsewhere
                    await asyncio.sleep(0.01)
                await revoke_key(connection, key_id, service.now())
            yield ndjson([accepted(TIME, subject="late")])

        async with stranger.post("/v1/events", data=stream(), headers=STREAM | headers) as response:
            told = await response.json(content_type="application/problem+json")

        assert (401, 1000) == (response.status, told["accepted"])


class TestReading:
    """`cases:read`."""

    @pytest.mark.usefixtures("two_offices")
    async def test_cases_of_its_offices(self, stranger: Client, make: Make) -> None:
        """Lists leave others out; their pages, explanations and histories are as if not there."""
        _, headers = await make(Scope.CASES_READ, offices=(CHANGSHA,))
        listed = await (await stranger.get("/v1/cases", headers=headers)).json()
        statuses = {
            case_id: {
                (await stranger.get(f"/v1/cases/{case_id}{page}", headers=headers)).status
                for page in ("", "/explanation", "/history")
            }
            for case_id in ("here", "there", "nobody's", "never heard of")
        }

        assert ["here"] == [case["case_id"] for case in listed["cases"]]
        assert statuses == {
            "here": {200},
            "there": {404},
            "nobody's": {404},
            "never heard of": {404},
        }

    @pytest.mark.usefixtures("two_offices")
    async def test_alerts_of_its_offices(
        self, client: Client, stranger: Client, make: Make, service: Service
    ) -> None:
        """It sees, and takes on, its own offices' alerts alone."""
        await service.alerting.sweeper.sweep()
        _, headers = await make(Scope.CASES_READ, offices=(CHANGSHA,))
        everything: Json = await (await client.get("/v1/alerts")).json()
        ours: Json = await (await stranger.get("/v1/alerts", headers=headers)).json()
        offices: Json = await (await stranger.get("/v1/supervision", headers=headers)).json()
        taken_on = {
            alert["case_id"]: (
                await stranger.post(f"/v1/alerts/{alert['id']}/ack", json={}, headers=headers)
            ).status
            for alert in everything["alerts"]
        }

        assert {"here", "there"} == {alert["case_id"] for alert in everything["alerts"]}
        assert {"here"} == {alert["case_id"] for alert in ours["alerts"]}
        assert [CHANGSHA] == [office["office"] for office in offices["offices"]]
        assert {"here": 204, "there": 404} == taken_on

    @pytest.mark.parametrize(
        "path",
        [
            "/v1/performance?from=2026-11-01&to=2026-11-30",
            "/v1/evaluation?from=2026-11-01&to=2026-11-30",
            "/v1/months",
            "/v1/foresight",
        ],
    )
    async def test_nothing_of_the_province(
        self, client: Client, stranger: Client, make: Make, path: str
    ) -> None:
        """What is said of all offices is not for a key of some; it is told so."""
        _, headers = await make(Scope.CASES_READ, offices=(CHANGSHA,))
        async with stranger.get(path, headers=headers) as response:
            told = await response.json(content_type="application/problem+json")

        assert 403 == response.status
        assert "of all offices" in told["detail"]
        assert (await client.get(path)).status == 200

    @pytest.mark.parametrize("path", ["/v1/calendar", "/v1/calendar/2026/versions", "/v1/policies"])
    async def test_what_is_alike_for_all(self, stranger: Client, make: Make, path: str) -> None:
        """Which days are worked, and by which policy, is nobody's own."""
        _, headers = await make(Scope.CASES_READ, offices=(CHANGSHA,))

        assert (await stranger.get(path, headers=headers)).status == 200


async def test_nothing_is_done_for_the_province(stranger: Client, make: Make) -> None:
    """A key that is bound to offices administers nothing, whatever its scopes."""
    _, headers = await make(*Scope, offices=(CHANGSHA,))
    asked = [
        ("GET", "/v1/audit"),
        ("GET", "/v1/quarantine"),
        ("POST", "/v1/quarantine/replay"),
        ("PUT", "/v1/calendar/2026"),
    ]
    statuses = {(await stranger.request(*told, headers=headers)).status for told in asked}

    assert {403} == statuses


class TestEnd:
    """Expiry and rotation."""

    async def test_an_expired_key_is_unknown(self, stranger: Client, make: Make) -> None:
        """A key counts up to its end, and is then as good as none."""
        _, good = await make(Scope.CASES_READ, days=1000)
        _, over = await make(Scope.CASES_READ, days=-1000)

        assert (await stranger.get("/v1/cases", headers=good)).status == 200
        assert (await stranger.get("/v1/cases", headers=over)).status == 401

    async def test_rotation_has_no_gap(
        self, stranger: Client, make: Make, database: Database, service: Service
    ) -> None:
        """Both keys count during the grace; the new one may what the old one may, for as long."""
        old_id, old = await make(Scope.CASES_READ, days=100, offices=(CHANGSHA,))
        now, later = service.now(), service.now() + timedelta(days=1000)
        async with database.connection() as connection:
            made = await rotate_key(connection, old_id, now, later)
            found = {key.key_id: key for key in await list_keys(connection)}
        assert made is not None
        name, new_id, key = made
        new = {"Authorization": f"Bearer {key}"}
        before, after = found[old_id], found[new_id]

        assert ("a test", new_id, old_id) == (name, after.key_id, after.replaces)
        assert (before.scopes, before.bounds) == (after.scopes, after.bounds)
        assert before.expires_at == now + timedelta(days=100)  # the grace makes nothing longer
        assert after.expires_at == now + timedelta(days=100)
        assert {200} == {
            (await stranger.get("/v1/cases", headers=headers)).status for headers in (old, new)
        }

    async def test_without_grace_the_old_key_ends_at_once(
        self, stranger: Client, make: Make, database: Database, service: Service
    ) -> None:
        """And what counts no longer cannot be rotated."""
        old_id, old = await make(Scope.CASES_READ)
        past = service.now() - timedelta(days=1000)
        async with database.connection() as connection:
            assert await rotate_key(connection, old_id, service.now(), past) is not None
            assert await rotate_key(connection, old_id, service.now(), past) is None
            assert await rotate_key(connection, "nothing", service.now(), past) is None
            found = await list_keys(connection)
            await revoke_key(connection, old_id, service.now())
            (revoked,) = [key for key in await list_keys(connection) if key.key_id == old_id]

        states = {key.replaces is None: key.state(service.now()) for key in found}
        assert {True: KeyState.EXPIRED, False: KeyState.ACTIVE} == states
        assert KeyState.REVOKED is revoked.state(service.now())
        assert (await stranger.get("/v1/cases", headers=old)).status == 401

    async def test_nothing_is_bound_that_is_not_there(self, database: Database) -> None:
        """Binding an unknown key says so."""
        async with database.connection() as connection:
            assert await bind_key(connection, "nothing", Bounds()) is None
