"""What was believed when, over HTTP: the history of a case, and a case as known then."""

from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from cloud_events import BATCH, Json, accepted, event
from conftest import Client, FixedClock
from rebate_monitor.api.service import Service
from rebate_monitor.domain.local_time import SHANGHAI
from rebate_monitor.domain.policy import PolicyBook
from rebate_monitor.domain.rulebook import Rulebook
from rebate_monitor.storage.database import Database
from rebate_monitor.storage.rulebooks import known_rules, note_rulebook

FIRST = datetime(2026, 11, 9, 9, 0, tzinfo=SHANGHAI)


async def post(client: Client, clock: FixedClock, at: datetime, *events: Json) -> None:
    """Post events at a moment of the service's clock."""
    clock.instant = at
    async with client.post("/v1/events", json=list(events), headers=BATCH) as response:
        assert response.status == 200, await response.text()


async def get(client: Client, path: str) -> Json:
    """Return an answer."""
    async with client.get(path) as response:
        assert response.status == 200, await response.text()
        told: Json = await response.json()
        return told


@pytest.fixture
async def late_fact(client: Client, clock: FixedClock) -> datetime:
    """Tell of a voucher two weeks after it was issued; return when it was told."""
    told = FIRST + timedelta(days=14)
    await post(client, clock, FIRST, accepted("2026-11-09T09:00:00", category="III", id="a"))
    await post(client, clock, told, event("voucher_issued", "2026-11-12T09:00:00", id="v"))
    return told


async def test_a_case_tells_how_its_verdict_changed(client: Client, late_fact: datetime) -> None:
    """Each change has when it became known and why: time passing, or the event that came."""
    told = await get(client, "/v1/cases/case-1/history")

    assert [
        ("2026-11-09T09:00:00+08:00", "on_track", "event", ["a"]),
        ("2026-11-12T00:00:00+08:00", "at_risk", "time", []),
        ("2026-11-16T00:00:00+08:00", "breached", "time", []),
        (late_fact.isoformat(), "met", "event", ["v"]),
    ] == [
        (c["known_at"], c["verdict"], c["because"], [e["id"] for e in c["events"]])
        for c in told["changes"]
    ]


async def test_a_case_as_known_then(client: Client, late_fact: datetime) -> None:
    """Before the voucher was told the case was breached; by event time it was long met."""
    before = (late_fact - timedelta(seconds=1)).isoformat().replace("+", "%2B")
    then = await get(client, f"/v1/cases/case-1?known_at={before}")
    happened = await get(client, f"/v1/cases/case-1?at={before}")
    now = await get(client, "/v1/cases/case-1")

    assert ("breached", "running", 1) == (then["verdict"], then["status"], then["events"])
    assert ("met", "met") == (happened["verdict"], now["verdict"])


async def test_an_explanation_as_known_then(client: Client, late_fact: datetime) -> None:
    """The days are counted up to that moment, by what was known."""
    before = (late_fact - timedelta(seconds=1)).isoformat().replace("+", "%2B")
    told = await get(client, f"/v1/cases/case-1/explanation?known_at={before}")

    assert ("2026-11-23", "breached") == (told["days"][-1]["date"], told["verdict"])


async def test_before_anything_came_there_is_no_case(client: Client, late_fact: datetime) -> None:
    """A case cannot be known before its first event came, whatever the event is dated."""
    async with client.get("/v1/cases/case-1?known_at=2026-11-09T00:00:00Z") as response:
        problem = await response.json()

    assert 404 == response.status
    assert "had been received by then" in problem["detail"]


@pytest.mark.parametrize(
    ("path", "status", "detail"),
    [
        ("nothing/history", 404, "no event of this case has been received"),
        ("case-1/history?at=x", 422, "at"),
        ("case-1?known_at=1999-01-01T00:00:00Z", 422, "known_at: must lie from"),
        ("a%00b/history", 404, "no event of this case has been received"),
    ],
)
async def test_what_is_wrong_is_named(
    client: Client, late_fact: datetime, path: str, status: int, detail: str
) -> None:
    """Unknown cases, parameters and moments are told by name."""
    async with client.get(f"/v1/cases/{path}") as response:
        problem = await response.json()

    assert status == response.status
    assert detail in problem["detail"]


async def test_a_key_is_needed(stranger: Client) -> None:
    """The history of a case is not for everybody."""
    async with stranger.get("/v1/cases/case-1/history") as response:
        assert 401 == response.status


async def test_rules_are_kept_with_their_moment(
    client: Client, service: Service, database: Database, late_fact: datetime
) -> None:
    """Rules that change are kept beside the old ones, and change what is believed from then on."""
    stricter = Rulebook(
        policies=PolicyBook(
            replace(policy, default_limit=2, limits={})
            for policy in service.rulebook.policies.policies
        ),
        calendar=service.rulebook.calendar,
    )
    later = late_fact + timedelta(hours=1)
    async with database.transaction() as connection:
        for moment, rules in (
            (late_fact, service.rulebook),
            (late_fact, service.rulebook),
            (later, stricter),
            (later, stricter),
        ):
            await note_rulebook(connection, rules, moment)
        known = await known_rules(connection, service.rulebook)
    service.now.instant = later + timedelta(hours=1)  # type: ignore[attr-defined] # a FixedClock
    told = (await get(client, "/v1/cases/case-1/history"))["changes"][-1]

    assert 2 == len(known)
    assert service.rulebook.policies.policies == known[0].rulebook.policies.policies
    assert service.rulebook.calendar.version == known[0].rulebook.calendar.version
    assert (later.isoformat(), "missed", "policy") == (
        told["known_at"],
        told["verdict"],
        told["because"],
    )
    assert stricter.policies.policies[-1].version == told["version"]
