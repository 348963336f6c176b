"""What was believed when, over HTTP: the history of a case, and a case as known then."""

from dataclasses import replace
from datetime import date, datetime, timedelta

import pytest

from cloud_events import BATCH, Json, accepted, event
from conftest import Client, FixedClock
from rebate_monitor.api.service import Service
from rebate_monitor.domain.calendar_change import with_notice
from rebate_monitor.domain.known_then import BroughtBy
from rebate_monitor.domain.local_time import SHANGHAI
from rebate_monitor.domain.policy import PolicyBook
from rebate_monitor.domain.rulebook import Rulebook
from rebate_monitor.domain.work_calendar import DayKind, SpecialDay
from rebate_monitor.storage.database import Database
from rebate_monitor.storage.rulebooks import known_rules
from turning import drain, recomputer, turn, turn_and_recompute

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
            for policy in service.rules.own.policies.policies
        ),
        calendar=service.rules.own.calendar,
    )
    later = late_fact + timedelta(hours=1)
    service.now.instant = later  # type: ignore[attr-defined] # a FixedClock
    await turn_and_recompute(service, stricter)
    async with database.connection() as connection:
        known = await known_rules(connection, service.rules.own)
    service.now.instant = later + timedelta(hours=1)  # type: ignore[attr-defined] # a FixedClock
    told = (await get(client, "/v1/cases/case-1/history"))["changes"][-1]

    assert 2 == len(known)
    assert service.rules.own.policies.policies == known[0].rulebook.policies.policies
    assert service.rules.own.calendar.version == known[0].rulebook.calendar.version
    assert (later.isoformat(), "missed", "policy") == (
        told["known_at"],
        told["verdict"],
        told["because"],
    )
    assert stricter.policies.policies[-1].version == told["version"]


async def in_an_hour(service: Service, rulebook: Rulebook, brought: BroughtBy) -> None:
    """Publish other rules an hour later, lay every case down by them, and let an hour pass."""
    service.now.instant += timedelta(hours=1)  # type: ignore[attr-defined] # a FixedClock
    published = await turn(service, rulebook, brought)
    await drain(recomputer(service), published.recompute)
    service.now.instant += timedelta(hours=1)  # type: ignore[attr-defined] # a FixedClock


def limited(rulebook: Rulebook, limit: int) -> Rulebook:
    """Return the rules with one limit for all."""
    policies = [replace(p, default_limit=limit, limits={}) for p in rulebook.policies.policies]
    return replace(rulebook, policies=PolicyBook(policies))


def day_off(rulebook: Rulebook, on: date) -> Rulebook:
    """Return the rules with one day off more."""
    notice = rulebook.calendar.notices[on.year]
    days = {**notice.days, on: SpecialDay(kind=DayKind.DAY_OFF, name="made up")}
    told = with_notice(rulebook.calendar, [replace(notice, days=days, notice="made up")])
    return replace(rulebook, calendar=told)


async def test_every_change_names_the_rules_of_then(
    client: Client, service: Service, late_fact: datetime
) -> None:
    """By event, by time or by rules: the policy and the calendar that judged it, by version."""
    own = service.rules.own
    stricter = limited(own, 2)
    await in_an_hour(service, stricter, BroughtBy(because="apply", by="李红"))
    told = (await get(client, "/v1/cases/case-1/history"))["changes"]

    (before,), (after,) = own.policies.policies, stricter.policies.policies
    assert ["event", "time", "time", "event", "policy"] == [change["because"] for change in told]
    assert [*[before.version] * 4, after.version] == [change["policy_version"] for change in told]
    assert [1, 1, 1, 1, 2] == [change["rules"] for change in told]
    assert {own.calendar.version} == {change["calendar_version"] for change in told}
    assert [None] * 4 == [change["brought"] for change in told[:4]]


async def test_a_policy_that_changes_a_verdict_is_named(
    client: Client, service: Service, late_fact: datetime
) -> None:
    """By whom, how, and which version of it: applied, and taken back again."""
    own = service.rules.own
    await in_an_hour(service, limited(own, 2), BroughtBy(because="apply", by="李红"))
    await in_an_hour(service, own, BroughtBy(because="retire", by="王小明"))
    changes = (await get(client, "/v1/cases/case-1/history"))["changes"][-2:]

    (first,), (stricter,) = own.policies.policies, limited(own, 2).policies.policies
    assert [
        ("missed", stricter.version, 2, "apply", "李红", 2, stricter.version),
        ("met", first.version, 3, "retire", "王小明", 3, first.version),
    ] == [
        (
            change["verdict"],
            change["version"],
            change["brought"]["rules"],
            change["brought"]["how"],
            change["brought"]["by"],
            policy["version"],
            policy["policy_version"],
        )
        for change in changes
        for policy in change["brought"]["policies"]
    ]
    assert ["hunan-2023-46"] * 2 == [c["brought"]["policies"][0]["id"] for c in changes]
    assert [[], []] == [change["brought"]["years"] for change in changes]


async def test_a_policy_and_a_calendar_in_one_version_are_both_named(
    client: Client, service: Service, late_fact: datetime
) -> None:
    """Because of the policy, and the year that came with it stands beside it."""
    both = day_off(limited(service.rules.own, 1), date(2026, 11, 11))
    await in_an_hour(service, both, BroughtBy(because="start"))
    change = (await get(client, "/v1/cases/case-1/history"))["changes"][-1]

    assert ("missed", "policy", 2, both.calendar.version) == (
        change["verdict"],
        change["because"],
        change["workdays"],
        change["calendar_version"],
    )
    assert ("start", None) == (change["brought"]["how"], change["brought"]["by"])
    assert [("hunan-2023-46", 2)] == [
        (policy["id"], policy["version"]) for policy in change["brought"]["policies"]
    ]
    assert [{"year": 2026, "version": 2, "notice": "made up", "provisional": False}] == (
        change["brought"]["years"]
    )


async def test_rules_that_have_not_reached_a_case_are_no_part_of_its_history(
    client: Client, service: Service, late_fact: datetime
) -> None:
    """Published, and its turn not come: history and `known_at` say what the case itself says."""
    before = await get(client, "/v1/cases/case-1"), await get(client, "/v1/cases/case-1/history")
    service.now.instant += timedelta(hours=1)  # type: ignore[attr-defined] # a FixedClock
    published = await turn(service, limited(service.rules.own, 2))
    now = service.now().isoformat().replace("+", "%2B")
    pending = await get(client, "/v1/cases/case-1"), await get(client, "/v1/cases/case-1/history")
    known = await get(client, f"/v1/cases/case-1?known_at={now}")
    await drain(recomputer(service), published.recompute)
    after = await get(client, f"/v1/cases/case-1?known_at={now}")

    assert before == pending
    assert ("met", "missed") == (known["verdict"], after["verdict"])
