"""Keys and scopes (DESIGN 4, 5, 8): who may tell, who may read, who may administer."""

import pytest

from cloud_events import ONE, accepted
from conftest import ADMIN_KEY, Client
from rebate_monitor.api.service import Service
from rebate_monitor.server import utc_now
from rebate_monitor.settings import Settings
from rebate_monitor.storage.database import Database
from rebate_monitor.storage.keys import (
    Grant,
    Scope,
    create_key,
    key_digest,
    list_keys,
    revoke_key,
)

READING = ("/v1/cases", "/v1/cases/case-1", "/v1/performance", "/v1/calendar", "/v1/policies")
ADMINISTERING = (("GET", "/v1/quarantine"), ("POST", "/v1/quarantine/replay"))
OPEN = ("/healthz", "/readyz", "/metrics", "/openapi.json", "/sign-in")


async def make(database: Database, service: Service, *scopes: Scope) -> tuple[str, dict[str, str]]:
    """Make a key; return its id and the header that presents it."""
    async with database.connection() as connection:
        grant = Grant(name="a test", scopes=frozenset(scopes))
        key_id, key = await create_key(connection, grant, service.now())
    return key_id, {"Authorization": f"Bearer {key}"}


async def statuses(stranger: Client, headers: dict[str, str]) -> dict[str, int]:
    """Return what a key gets for reading, telling and administering; all of a kind agree."""
    told = await stranger.post(
        "/v1/events", json=accepted("2026-11-20T09:00:00"), headers=ONE | headers
    )
    reading = {(await stranger.get(path, headers=headers)).status for path in READING}
    administering = {
        (await stranger.request(method, path, headers=headers)).status
        for method, path in ADMINISTERING
    }
    (read,), (administered,) = reading, administering
    return {"tell": told.status, "read": read, "administer": administered}


@pytest.mark.parametrize(
    "case",
    [
        ([Scope.EVENTS_WRITE], {"tell": 201, "read": 403, "administer": 403}),
        ([Scope.CASES_READ], {"tell": 403, "read": 200, "administer": 403}),
        ([Scope.ADMIN], {"tell": 403, "read": 403, "administer": 200}),
        ([Scope.SENSITIVE_READ], {"tell": 403, "read": 403, "administer": 403}),
        ([], {"tell": 403, "read": 403, "administer": 403}),
        (list(Scope), {"tell": 201, "read": 200, "administer": 200}),
    ],
    ids=lambda case: "+".join(case[0]) or "none",
)
async def test_a_key_may_what_its_scopes_say(
    client: Client,
    stranger: Client,
    database: Database,
    service: Service,
    case: tuple[list[Scope], dict[str, int]],
) -> None:
    """Each scope opens its own routes and no other."""
    scopes, expected = case
    await client.post("/v1/events", json=accepted("2026-11-19T09:00:00"), headers=ONE)
    _, headers = await make(database, service, *scopes)

    assert expected == await statuses(stranger, headers)


async def test_a_missing_scope_is_named(
    stranger: Client, database: Database, service: Service
) -> None:
    """A 403 says which scope would do."""
    _, headers = await make(database, service, Scope.EVENTS_WRITE)

    async with stranger.get("/v1/cases", headers=headers) as response:
        told = await response.json(content_type="application/problem+json")

    assert (403, "this needs a key with the scope cases:read") == (response.status, told["detail"])


async def test_a_revoked_key_is_unknown(
    stranger: Client, database: Database, service: Service
) -> None:
    """A key works until it is revoked, and from then on not."""
    key_id, headers = await make(database, service, Scope.CASES_READ)
    before = (await stranger.get("/v1/cases", headers=headers)).status

    async with database.connection() as connection:
        assert await revoke_key(connection, key_id, service.now()) == "a test"

    assert (200, 401) == (before, (await stranger.get("/v1/cases", headers=headers)).status)


async def test_a_key_stays_revoked_as_of_the_first_time(
    database: Database, service: Service
) -> None:
    """Revoking twice keeps the first instant; revoking what is not there says so."""
    key_id, _ = await make(database, service, Scope.CASES_READ)
    async with database.connection() as connection:
        await revoke_key(connection, key_id, service.now())
        (first,) = await list_keys(connection)
        await revoke_key(connection, key_id, service.now().replace(year=2027))

        assert [first] == await list_keys(connection)
        assert await revoke_key(connection, "nothing", service.now()) is None


async def test_wrong_keys_are_401(stranger: Client, database: Database, service: Service) -> None:
    """What is not exactly a known key, sent as a bearer key, is unknown."""
    _, headers = await make(database, service, Scope.CASES_READ)
    key = headers["Authorization"].partition(" ")[2]
    wrong = (
        "", "Bearer", "Bearer  ", f"Basic {key}", f"Token {key}", key, f"Bearer {key}x",
        f"Bearer {key[:-1]}", f"Bearer {key.upper()}", "Bearer 案件", f"Bearer {key} {key}",
        f"Bearer {ADMIN_KEY}x", "Bearer " + "x" * 5000,
    )  # fmt: skip

    for authorization in wrong:
        async with stranger.get("/v1/cases", headers={"Authorization": authorization}) as response:
            await response.json(content_type="application/problem+json")
            assert (authorization, 401) == (authorization, response.status)
            assert response.headers["WWW-Authenticate"] == 'Bearer realm="rebate_monitor"'


async def test_the_scheme_is_written_as_one_likes(
    stranger: Client, database: Database, service: Service
) -> None:
    """The word Bearer may be written in any case."""
    _, headers = await make(database, service, Scope.CASES_READ)
    lower = {"Authorization": headers["Authorization"].replace("Bearer", "bearer")}

    assert (await stranger.get("/v1/cases", headers=lower)).status == 200


async def test_the_admin_key_may_everything(client: Client, stranger: Client) -> None:
    """The key of the first start has every scope and stands in no table."""
    await client.post("/v1/events", json=accepted("2026-11-19T09:00:00"), headers=ONE)
    headers = {"Authorization": f"Bearer {ADMIN_KEY}"}

    expected = {"tell": 201, "read": 200, "administer": 200}
    assert expected == await statuses(stranger, headers)


async def test_only_a_digest_is_kept(database: Database, service: Service) -> None:
    """The database does not know the key itself, and no two keys are alike."""
    _, one = await make(database, service, Scope.CASES_READ)
    _, other = await make(database, service, Scope.CASES_READ)
    async with database.connection() as connection:
        rows = await connection.fetch("SELECT digest, api_key::text AS everything FROM api_key")

    secrets = [headers["Authorization"].partition(" ")[2] for headers in (one, other)]
    assert {key_digest(secret) for secret in secrets} == {row["digest"] for row in rows}
    assert not any(secret in row["everything"] for secret in secrets for row in rows)


@pytest.mark.parametrize("path", OPEN)
async def test_some_routes_need_no_key(stranger: Client, path: str) -> None:
    """Probes, aggregates and the API's own description are open."""
    assert (await stranger.get(path)).status == 200


class TestAnonymousReading:
    """REBATE_ANONYMOUS_READ=1 lets anybody on this machine read."""

    @pytest.fixture
    def settings(self) -> Settings:
        """Return settings that let anybody read."""
        return Settings(admin_key=ADMIN_KEY, anonymous_read=True)

    async def test_reading_without_a_key(self, stranger: Client) -> None:
        """Lists and figures are open, a wrong key is still wrong."""
        assert (await stranger.get("/v1/cases")).status == 200
        wrong = {"Authorization": "Bearer wrong"}
        assert (await stranger.get("/v1/cases", headers=wrong)).status == 401

    async def test_nothing_else_without_a_key(self, stranger: Client) -> None:
        """Telling and administering still need a key."""
        told = await stranger.post("/v1/events", json=accepted("2026-11-20T09:00:00"), headers=ONE)

        assert told.status in (401, 403)
        assert (await stranger.get("/v1/quarantine")).status in (401, 403)

    async def test_no_taxpayers_without_a_key(self, client: Client, stranger: Client) -> None:
        """What is sensitive stays so."""
        taxpayer = "91350100M000100Y43"
        told = accepted("2026-11-20T09:00:00", taxpayer_id=taxpayer)
        await client.post("/v1/events", json=told, headers=ONE)

        assert taxpayer not in await (await stranger.get("/v1/cases/case-1")).text()


class TestNoAdminKey:
    """Without REBATE_ADMIN_KEY only stored keys are known."""

    @pytest.fixture
    def settings(self) -> Settings:
        """Return settings without an admin key."""
        return Settings()

    async def test_nothing_is_an_admin_key(self, stranger: Client) -> None:
        """An empty key or the word None does not open the door."""
        for key in ("None", '""', "null"):
            headers = {"Authorization": f"Bearer {key}"}
            assert (await stranger.get("/v1/cases", headers=headers)).status == 401


async def test_what_was_refused_needs_sensitive_read(
    client: Client, stranger: Client, database: Database
) -> None:
    """A key with `admin` alone sees why an event was refused, not what it said."""
    async with database.connection() as connection:
        grant = Grant(name="operator", scopes=frozenset({Scope.ADMIN}))
        _, key = await create_key(connection, grant, utc_now())
    await client.post(
        "/v1/events", json={"a": 1}, headers={"Content-Type": "application/cloudevents+json"}
    )
    headers = {"Authorization": f"Bearer {key}"}
    masked = await (await stranger.get("/v1/quarantine", headers=headers)).json()
    whole = await (await client.get("/v1/quarantine")).json()

    assert (None, True) == (masked["events"][0]["body"], bool(whole["events"][0]["body"]))
    assert masked["events"][0]["reason"]
