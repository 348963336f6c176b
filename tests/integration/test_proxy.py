"""People whom a reverse proxy has let in, and keys that are tried (DESIGN 8)."""

from ipaddress import ip_network
from pathlib import Path

import pytest
from multidict import CIMultiDict

from cloud_events import ONE, accepted
from conftest import ADMIN_KEY, Client
from rebate_monitor.api.service import Service
from rebate_monitor.api.throttle import WRONG_A_MINUTE
from rebate_monitor.settings import Settings
from rebate_monitor.storage.database import Database
from rebate_monitor.storage.keys import Grant, Scope, create_key

CONFIG = """
[proxy]
user_header = "X-Forwarded-User"
groups_header = "X-Forwarded-Groups"
[[proxy.grant]]
group = "changsha"
scopes = ["events:write"]
offices = ["14301000000"]
[[proxy.grant]]
group = "operations"
scopes = ["cases:read", "events:write"]
"""
LI = {"X-Forwarded-User": "li", "X-Forwarded-Groups": "operations"}
FORM = {"Sec-Fetch-Site": "cross-site"}
WRONG = {"Authorization": "Bearer wrong"}


def settings_with(folder: Path, proxies: str) -> Settings:
    """Return settings with a proxy at some addresses."""
    file = folder / "config.toml"
    file.write_text(CONFIG, "utf-8")
    return Settings(admin_key=ADMIN_KEY, config=file, proxy_addresses=(ip_network(proxies),))


class TestProxy:
    """The requests of these tests come from a proxy's address."""

    @pytest.fixture
    def settings(self, tmp_path: Path) -> Settings:
        """Return settings that believe this machine."""
        return settings_with(tmp_path, "127.0.0.0/8")

    async def test_people_need_no_key(self, stranger: Client) -> None:
        """They may what is granted to their group, and no more."""
        reads = await stranger.get("/v1/cases", headers=LI)
        administers = await stranger.get("/v1/quarantine", headers=LI)
        nobody = await stranger.get("/v1/cases")
        other = await stranger.get("/v1/cases", headers={"X-Forwarded-User": "zhao"})

        assert [200, 403, 401, 403] == [r.status for r in (reads, administers, nobody, other)]
        assert "no [[proxy.grant]] names you" in (await other.json(content_type=None))["detail"]

    async def test_a_replay_lets_nobody_out(
        self, client: Client, stranger: Client, database: Database, service: Service
    ) -> None:
        """What somebody was refused stays so, though a key of their name is bound to nothing."""
        async with database.connection() as connection:
            grant = Grant(name="li", scopes=frozenset({Scope.EVENTS_WRITE}))
            await create_key(connection, grant, service.now())
        bound = {"X-Forwarded-User": "li", "X-Forwarded-Groups": "changsha"}
        told = accepted("2026-11-20T09:00:00", office="14302000000")
        refused = await stranger.post("/v1/events", json=told, headers=ONE | bound)
        report = await (await client.post("/v1/quarantine/replay")).json()

        assert 422 == refused.status
        assert (0, 1) == (report["accepted"], report["rejected"])

    async def test_a_name_is_said_once(self, stranger: Client) -> None:
        """A proxy that adds to what it receives would let anybody be anybody."""
        twice = CIMultiDict([*LI.items(), ("X-Forwarded-User", "wang")])
        async with stranger.get("/v1/cases", headers=twice) as response:
            told = await response.json(content_type="application/problem+json")

        assert (403, "the proxy says twice") == (response.status, told["detail"][:20])

    async def test_a_key_comes_first(self, stranger: Client) -> None:
        """A program behind the proxy shows its key; a wrong one is not made good by a name."""
        assert (await stranger.get("/v1/cases", headers=LI | WRONG)).status == 401

    @pytest.mark.parametrize(
        ("headers", "status"),
        [
            ({}, 201),
            ({"Sec-Fetch-Site": "same-origin"}, 201),
            ({"Sec-Fetch-Site": "same-site"}, 403),
            (FORM, 403),
            ({"Origin": "https://elsewhere.example"}, 403),
        ],
    )
    async def test_other_sites_pages_change_nothing(
        self, stranger: Client, headers: dict[str, str], status: int
    ) -> None:
        """A browser is known by its cookie, also where somebody else's page sends the form."""
        told = accepted("2026-11-20T09:00:00")
        posted = await stranger.post("/v1/events", json=told, headers=ONE | LI | headers)
        read = await stranger.get("/v1/cases", headers=LI | headers)

        assert (status, 200) == (posted.status, read.status)

    async def test_keys_are_tried_by_somebody_behind_it(self, stranger: Client) -> None:
        """The client is held back, not all that come through the proxy."""
        tries = {"X-Forwarded-For": "203.0.113.9, 198.51.100.1"} | WRONG
        other = {"X-Forwarded-For": "203.0.113.9, 198.51.100.2"} | WRONG
        statuses = [
            (await stranger.get("/v1/cases", headers=tries)).status
            for _ in range(WRONG_A_MINUTE + 1)
        ]

        assert [401] * WRONG_A_MINUTE + [429] == statuses
        assert (await stranger.get("/v1/cases", headers=other)).status == 401


class TestElsewhere:
    """The requests of these tests come from an address that is no proxy's."""

    @pytest.fixture
    def settings(self, tmp_path: Path) -> Settings:
        """Return settings that believe another machine."""
        return settings_with(tmp_path, "192.0.2.1")

    async def test_nobody_says_who_they_are(self, stranger: Client) -> None:
        """The same headers are nothing from here."""
        assert (await stranger.get("/v1/cases", headers=LI)).status == 401

    async def test_tried_keys_are_held_back(self, client: Client, stranger: Client) -> None:
        """However the address is dressed up; the right key goes on from the same address."""
        assert (await client.get("/v1/cases")).status == 200
        for number in range(WRONG_A_MINUTE):
            dressed = {"X-Forwarded-For": f"198.51.100.{number}"}
            assert (await stranger.get("/v1/cases", headers=WRONG | dressed)).status == 401
        async with stranger.get("/v1/cases", headers=WRONG) as response:
            told = await response.json(content_type="application/problem+json")

        assert (429, "too many wrong keys") == (response.status, told["detail"][:19])
        assert 1 <= int(response.headers["Retry-After"]) <= 60
        assert (await client.get("/v1/cases")).status == 200
