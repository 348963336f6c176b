"""POST /v1/what-if: what would change is told, and nothing is written."""

from typing import Any

import pytest

from cloud_events import BATCH, Json, accepted, event
from conftest import Client
from rebate_monitor.api import what_if as module
from rebate_monitor.storage.database import Database

NOVEMBER = {"from": "2026-11-01", "to": "2026-11-30"}
STRICTER: Json = {**NOVEMBER, "limits": {"default": 3}}
CASES = [
    accepted("2026-11-09T09:00:00", subject="made", category="III"),
    event("voucher_issued", "2026-11-13T09:00:00", subject="made"),
    accepted("2026-11-09T09:00:00", subject="kept", category="I"),
    event("voucher_issued", "2026-11-10T09:00:00", subject="kept"),
    accepted("2026-11-17T09:00:00", subject="open", category="III"),
    accepted("2026-10-30T09:00:00", subject="before", category="III"),
    event("reviewed", "2026-11-17T09:00:00", subject="unaccepted"),
]


@pytest.fixture
async def filled(client: Client) -> Client:
    """Return a client of a service with a few cases."""
    async with client.post("/v1/events", json=CASES, headers=BATCH) as response:
        assert response.status == 200
    return client


async def tried(client: Client, told: Json) -> Json:
    """Try a proposal that is understood."""
    async with client.post("/v1/what-if", json=told) as response:
        assert response.status == 200, await response.text()
        answer: Json = await response.json()
        return answer


async def test_from_four_to_three(filled: Client) -> None:
    """Cases accepted in the period are compared one by one; means do not move, in-time rates do."""
    told = await tried(filled, STRICTER)

    assert (3, 2, 2, 2, 0) == (
        told["cases"],
        told["changed"],
        told["due_dates_moved"],
        told["breaches_made"],
        told["breaches_unmade"],
    )
    assert [("made", ["due_date", "breach_made"]), ("open", ["due_date", "breach_made"])] == [
        (change["case_id"], change["changes"]) for change in told["changes"]
    ]
    assert (2, 2.5, 1.0) == _all(told["before"])
    assert (2, 2.5, 0.5) == _all(told["after"])


def _all(figures: list[Json]) -> tuple[Any, ...]:
    (told,) = [f for f in figures if f["scope"] == "all"]
    return told["n"], told["mean_workdays"], told["in_time_rate"]


async def test_it_says_before_what_the_api_says(filled: Client) -> None:
    """The side of the present rules is the case as GET /v1/cases/{case_id} has it."""
    told = await tried(filled, STRICTER)
    for change in told["changes"]:
        async with filled.get(f"/v1/cases/{change['case_id']}") as response:
            case = await response.json()

        for name in ("verdict", "status", "normal", "workdays", "due_date"):
            assert (name, case[name]) == (name, change["before"][name])


async def test_nothing_is_written(filled: Client, database: Database) -> None:
    """Not a row differs after a trial of rules that change everything."""
    before = await everything(database)
    await tried(filled, {**STRICTER, "limits": {"default": 1}})

    assert before == await everything(database)


async def everything(database: Database) -> list[Any]:
    async with database.connection() as connection:
        return [
            await connection.fetch(f"SELECT * FROM {table} ORDER BY 1, 2")
            for table in ("case_event", "rebate_case", "alert", "tally", "tally_delta")
        ]


async def test_the_list_is_bounded_and_says_so(filled: Client) -> None:
    """What is counted and not listed is told."""
    told = await tried(filled, {**STRICTER, "list_limit": 1})

    assert (1, 1) == (len(told["changes"]), told["omitted"])


async def test_a_calendar_and_a_policy(filled: Client) -> None:
    """A notice of one day off and a policy with other rules can be tried, too."""
    day = {"name": "x", "date": "2026-11-11", "isOffDay": True}
    calendar = await tried(filled, {**NOVEMBER, "calendar": {"year": 2026, "days": [day]}})
    policy = {
        "id": "hunan-2023-46",
        "title": "x",
        "effective_from": "2023-10-26",
        "limits": {"default": 4},
        "stop_at": "paid",
    }
    paid = await tried(filled, {**NOVEMBER, "policies": [policy]})

    assert calendar["workdays_changed"] == 1
    assert (2, 0) == (paid["before"][0]["n"], paid["after"][0]["n"])


async def test_an_empty_period(client: Client) -> None:
    """Nothing to try is no error: counts are 0 and means null."""
    told = await tried(client, STRICTER)

    assert (0, 0, []) == (told["cases"], told["changed"], told["changes"])
    assert told["before"][0]["mean_workdays"] is None


BAD: dict[str, tuple[Any, str]] = {
    "no period": ({"limits": {"default": 3}}, "missing required field `from`"),
    "turned": ({**STRICTER, "from": "2026-12-01"}, "from: 2026-12-01 lies after to"),
    "too early": ({**STRICTER, "from": "1999-12-31"}, "must lie from 2000-01-01"),
    "too late": ({**STRICTER, "to": "9999-12-31"}, "must lie from 2000-01-01"),
    "nothing": (NOVEMBER, "nothing is proposed"),
    "unknown": ({**STRICTER, "limit": 3}, "unknown field `limit`"),
    "category": ({**NOVEMBER, "limits": {"V": 3}}, "'V' is unknown"),
    "list": ({**STRICTER, "list_limit": 10_000}, "list_limit"),
}


@pytest.mark.parametrize("name", BAD)
async def test_what_cannot_be_tried_is_told(client: Client, name: str) -> None:
    """A wrong proposal is 422 with the field and the rule."""
    told, said = BAD[name]
    async with client.post("/v1/what-if", json=told) as response:
        problem = await response.json()

    assert 422 == response.status
    assert said in problem["detail"]


@pytest.mark.parametrize(
    ("body", "content_type", "status"),
    [
        (b"{", "application/json", 400),
        (b"\xff", "application/json", 400),
        (b"{}", "text/x", 415),
        (b'{"policies": [{"a": %s}]}' % (b"[" * 9_000 + b"]" * 9_000), "application/json", 422),
    ],
)
async def test_no_json(client: Client, body: bytes, content_type: str, status: int) -> None:
    """What is not JSON is told so."""
    async with client.post(
        "/v1/what-if", data=body, headers={"Content-Type": content_type}
    ) as response:
        assert status == response.status


async def test_too_many_cases_are_for_the_command(
    filled: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A period with more cases than a request can wait for names the command."""
    monkeypatch.setattr(module, "MAX_CASES", 2)
    async with filled.post("/v1/what-if", json=STRICTER) as response:
        problem = await response.json()

    assert 422 == response.status
    assert "more than 2 cases were accepted then" in problem["detail"]


async def test_a_key_is_needed(stranger: Client) -> None:
    """Trying rules shows cases, so it needs a key."""
    async with stranger.post("/v1/what-if", json=STRICTER) as response:
        assert 401 == response.status
