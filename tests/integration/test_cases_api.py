"""GET /v1/cases and /v1/cases/{case_id} (DESIGN 5): one case, any moment of it, and lists of them.

The clock of these tests stands at Monday 2026-11-23 10:00; November 2026 has no holidays.
"""

import base64
import json
from collections.abc import Iterable
from urllib.parse import quote, urlencode

import pytest
from yarl import URL

from cloud_events import BATCH, ONE, Json, accepted, event
from conftest import Client, FixedClock
from rebate_monitor.api.service import Service
from rebate_monitor.storage.database import Database
from rebate_monitor.storage.keys import Grant, Scope, create_key

TAXPAYER = "91350100M000100Y43"
CASE_KEYS = [
    "case_id", "status", "verdict", "normal", "provisional", "attributes", "policy", "accepted_at",
    "stopped_at", "workdays", "gross_workdays", "paused_workdays", "due_date", "at_risk_at",
    "breach_at", "anomalies", "events", "stages", "suspensions",
]  # fmt: skip

WORKED = [
    accepted("2026-11-13T09:00:00", amount_cny="123456.78", rebate_type="exempt_refund"),
    event("reviewed", "2026-11-16T10:00:00"),
    event("suspended", "2026-11-17T11:00:00", reason="other"),
    event("resumed", "2026-11-19T12:00:00"),
    event("approved", "2026-11-20T13:00:00"),
    event("voucher_issued", "2026-11-23T09:30:00"),
    event("paid", "2026-11-23T09:45:00"),
]


async def tell(client: Client, events: Iterable[Json]) -> None:
    """Post events that must all be taken."""
    async with client.post("/v1/events", json=list(events), headers=BATCH) as response:
        assert response.status == 200, await response.text()


async def case(client: Client, at: str | None = None, case_id: str = "case-1") -> Json:
    """Get a case, as of now or of another moment."""
    query = f"?{urlencode({'at': at})}" if at else ""
    path = URL(f"/v1/cases/{quote(case_id, safe='')}{query}", encoded=True)
    async with client.get(path) as response:
        assert response.status == 200, await response.text()
        told: Json = await response.json()
        return told


async def key(database: Database, service: Service, *scopes: Scope) -> dict[str, str]:
    """Make a key and return the header that presents it."""
    async with database.connection() as connection:
        grant = Grant(name="a test", scopes=frozenset(scopes))
        _, secret = await create_key(connection, grant, service.now())
    return {"Authorization": f"Bearer {secret}"}


# --- one case ----------------------------------------------------------------------------------


async def test_the_worked_example(client: Client) -> None:
    """A case that ran, waited, went on and was paid: every key and every number."""
    await tell(client, WORKED)

    told = await case(client)

    assert told == {
        "case_id": "case-1",
        "status": "stopped",
        "verdict": "missed",
        "normal": True,
        "provisional": False,
        "attributes": {
            "category": "I",
            "office": "14301000000",
            "city": "430100",
            "rebate_type": "exempt_refund",
            "amount_cny": "123456.78",
            "period": None,
            "batch": None,
            "whitelisted": None,
            "refiled_from": None,
            "taxpayer_id": None,
        },
        "policy": {"id": "hunan-2023-46", "limit_workdays": 3, "lapsed": True},
        "accepted_at": "2026-11-13T09:00:00+08:00",
        "stopped_at": "2026-11-23T09:30:00+08:00",
        "workdays": 4,
        "gross_workdays": 6,
        "paused_workdays": 2,
        "due_date": "2026-11-20",
        "at_risk_at": "2026-11-17T00:00:00+08:00",
        "breach_at": "2026-11-23T00:00:00+08:00",
        "anomalies": [],
        "events": 7,
        "stages": [
            {"case_stage": "review", "workdays": 1},
            {"case_stage": "approval", "workdays": 2},
            {"case_stage": "voucher", "workdays": 1},
            {"case_stage": "treasury", "workdays": 0},
        ],
        "suspensions": [
            {
                "reason": "other",
                "from": "2026-11-17T11:00:00+08:00",
                "to": "2026-11-19T12:00:00+08:00",
            }
        ],
    }


MOMENTS = {
    "before-anything": (
        "2026-11-13T08:59:59+08:00",
        {"status": "unaccepted", "verdict": "not_applicable", "events": 0, "workdays": None}
        | {"accepted_at": None, "policy": {"id": None, "limit_workdays": None, "lapsed": False}},
    ),
    "at-acceptance": (
        "2026-11-13T09:00:00+08:00",
        {"status": "running", "verdict": "on_track", "events": 1, "workdays": 0}
        | {"due_date": "2026-11-18", "breach_at": "2026-11-19T00:00:00+08:00"},
    ),
    "on-sunday": (
        "2026-11-15T23:59:59+08:00",
        {"status": "running", "verdict": "on_track", "workdays": 0},
    ),
    "at-risk": (
        "2026-11-17T00:00:00+08:00",
        {"status": "running", "verdict": "at_risk", "workdays": 2}
        | {"stages": [{"case_stage": "review", "workdays": 1}]},
    ),
    "suspended": (
        "2026-11-18T12:00:00+08:00",
        {"status": "suspended", "verdict": "on_track", "workdays": 2, "gross_workdays": 3}
        | {"paused_workdays": 1, "due_date": None, "at_risk_at": None, "breach_at": None}
        | {"suspensions": [
            {"reason": "other", "from": "2026-11-17T11:00:00+08:00", "to": None}]},
    ),
    "resumed": (
        "2026-11-19T12:00:00+08:00",
        {"status": "running", "verdict": "at_risk", "workdays": 2, "due_date": "2026-11-20"},
    ),
    "on-the-weekend-after-the-due-date": (
        "2026-11-22T23:59:59+08:00",
        {"status": "running", "verdict": "at_risk", "workdays": 3, "stopped_at": None},
    ),
    "breached-in-utc": (
        "2026-11-22T16:00:00Z",
        {"status": "running", "verdict": "breached", "workdays": 4, "stopped_at": None},
    ),
    "stopped": (
        "2026-11-23T09:30:00+08:00",
        {"status": "stopped", "verdict": "missed", "workdays": 4, "events": 6},
    ),
    "long-after": (
        "2027-06-01T00:00:00+08:00",
        {"status": "stopped", "verdict": "missed", "workdays": 4, "provisional": False},
    ),
}  # fmt: skip


async def test_any_moment_of_a_case(client: Client) -> None:
    """Only what had happened by a moment counts, and the case is judged then."""
    await tell(client, WORKED)

    for name, (at, expected) in MOMENTS.items():
        told = await case(client, at)
        assert (name, expected) == (name, {key: told[key] for key in expected})
        assert list(told) == CASE_KEYS


async def test_an_open_case_in_a_year_nobody_published(client: Client) -> None:
    """A clock that touches an estimated day says so."""
    await tell(client, [accepted("2026-11-20T09:00:00")])

    assert not (await case(client))["provisional"]
    assert (await case(client, "2027-01-05T00:00:00+08:00"))["provisional"]


async def test_a_moment_in_a_query_that_nobody_escaped(client: Client) -> None:
    """The plus of an offset may arrive as a space."""
    await tell(client, [accepted("2026-11-20T09:00:00")])

    path = URL("/v1/cases/case-1?at=2026-11-20T08:00:00+08:00", encoded=True)
    told = await (await client.get(path)).json()

    assert told["status"] == "unaccepted"


SHAPES = {
    "unaccepted": (
        [event("reviewed", "2026-11-20T09:00:00")],
        {"status": "unaccepted", "verdict": "not_applicable", "normal": False, "workdays": None}
        | {"anomalies": ["before_acceptance"], "events": 1, "stages": [], "accepted_at": None}
        | {"policy": {"id": None, "limit_workdays": None, "lapsed": False}},
    ),
    "running": (
        [accepted("2026-11-23T09:00:00")],
        {"status": "running", "verdict": "on_track", "normal": True, "workdays": 0}
        | {"due_date": "2026-11-26", "breach_at": "2026-11-27T00:00:00+08:00", "anomalies": []},
    ),
    "at-risk": (
        [accepted("2026-11-19T09:00:00")],
        {"status": "running", "verdict": "at_risk", "workdays": 2},
    ),
    "breached": (
        [accepted("2026-11-16T09:00:00")],
        {"status": "running", "verdict": "breached", "workdays": 5},
    ),
    "suspended": (
        [
            accepted("2026-11-19T09:00:00"),
            event("suspended", "2026-11-20T09:00:00", reason="verification"),
        ],
        {"status": "suspended", "verdict": "on_track", "normal": False, "workdays": 1}
        | {"gross_workdays": 2, "paused_workdays": 1, "due_date": None, "breach_at": None},
    ),
    "suspended-when-over-its-limit": (
        [
            accepted("2026-11-13T09:00:00"),
            event("suspended", "2026-11-20T09:00:00", reason="hold"),
        ],
        {"status": "suspended", "verdict": "breached", "workdays": 5, "breach_at": None},
    ),
    "supplement-runs-on": (
        [
            accepted("2026-11-19T09:00:00"),
            event("suspended", "2026-11-20T09:00:00", reason="supplement"),
        ],
        {"status": "running", "normal": True, "workdays": 2, "paused_workdays": 0},
    ),
    "stopped": (
        [accepted("2026-11-17T09:00:00"), event("voucher_issued", "2026-11-20T09:00:00")],
        {"status": "stopped", "verdict": "met", "normal": True, "workdays": 3}
        | {"stages": [{"case_stage": "voucher", "workdays": 3}]},
    ),
    "excluded": (
        [
            accepted("2026-11-16T09:00:00"),
            event("suspended", "2026-11-17T09:00:00", reason="correspondence"),
            event("resumed", "2026-11-18T09:00:00"),
            event("voucher_issued", "2026-11-19T09:00:00"),
        ],
        {"status": "stopped", "verdict": "met", "normal": False, "workdays": 2},
    ),
    "no-cash-refund": (
        [
            accepted("2026-11-17T09:00:00"),
            event("approved", "2026-11-18T09:00:00", cash_refund=False),
        ],
        {"status": "stopped", "workdays": 1, "stopped_at": "2026-11-18T09:00:00+08:00"},
    ),
    "paid-without-voucher": (
        [accepted("2026-11-17T09:00:00"), event("paid", "2026-11-18T09:00:00")],
        {"status": "stopped", "workdays": 1, "anomalies": ["paid_without_stop"]},
    ),
    "rejected": (
        [accepted("2026-11-16T09:00:00"), event("rejected", "2026-11-18T09:00:00")],
        {"status": "rejected", "verdict": "not_applicable", "normal": False, "workdays": 2}
        | {"due_date": None, "at_risk_at": None, "breach_at": None},
    ),
    "withdrawn": (
        [accepted("2026-11-16T09:00:00"), event("withdrawn", "2026-11-18T09:00:00")],
        {"status": "withdrawn", "verdict": "not_applicable", "normal": False, "workdays": 2},
    ),
    "before-the-first-policy": (
        [accepted("2023-10-25T09:00:00"), event("voucher_issued", "2023-10-27T09:00:00")],
        {"status": "stopped", "verdict": "not_applicable", "workdays": 2, "due_date": None}
        | {"policy": {"id": None, "limit_workdays": None, "lapsed": False}},
    ),
    "under-a-policy-in-force": (
        [accepted("2024-12-31T09:00:00"), event("voucher_issued", "2025-01-03T09:00:00")],
        {"verdict": "met", "workdays": 2}
        | {"policy": {"id": "hunan-2023-46", "limit_workdays": 3, "lapsed": False}},
    ),
    "under-a-lapsed-policy": (
        [accepted("2025-01-02T09:00:00"), event("voucher_issued", "2025-01-03T09:00:00")],
        {"verdict": "met", "policy": {"id": "hunan-2023-46", "limit_workdays": 3, "lapsed": True}},
    ),
    "unknown-category": (
        [accepted("2026-11-20T09:00:00", category=None)],
        {"policy": {"id": "hunan-2023-46", "limit_workdays": 4, "lapsed": True}}
        | {"anomalies": ["unknown_category"]},
    ),
    "corrected": (
        [
            accepted("2026-11-20T09:00:00"),
            event("corrected", "2026-11-23T09:00:00", category="IV", office="14331270000"),
        ],
        {"policy": {"id": "hunan-2023-46", "limit_workdays": 4, "lapsed": True}, "workdays": 1},
    ),
    "retracted": (
        [
            accepted("2026-11-20T09:00:00"),
            event("voucher_issued", "2026-11-20T10:00:00", id="v"),
            event("retracted", "2026-11-23T09:00:00") | {"data": {"id": "v"}},
        ],
        {"status": "running", "stopped_at": None, "events": 3, "anomalies": []},
    ),
}  # fmt: skip


@pytest.mark.parametrize(("events", "expected"), SHAPES.values(), ids=list(SHAPES))
async def test_shapes_of_a_case(client: Client, events: list[Json], expected: Json) -> None:
    """Whatever became of a case, it has the same keys and says what stands."""
    await tell(client, events)

    told = await case(client)

    assert expected == {key: told[key] for key in expected}
    assert list(told) == CASE_KEYS


async def test_the_city_follows_a_corrected_office(client: Client) -> None:
    """A correction is as if it had been so at acceptance."""
    await tell(client, [accepted("2026-11-20T09:00:00")])
    await tell(client, [event("corrected", "2026-11-20T09:00:00", office="14331270000")])

    attributes = (await case(client))["attributes"]

    assert ("14331270000", "433100") == (attributes["office"], attributes["city"])


async def test_a_case_moves_on_by_itself(client: Client, clock: FixedClock) -> None:
    """The count and the verdict of an open case are as of now, without any event."""
    await tell(client, [accepted("2026-11-23T09:00:00")])
    seen = []
    for day in (23, 24, 25, 26, 27):
        clock.instant = clock.instant.replace(day=day, hour=0)
        told = await case(client)
        seen.append((told["workdays"], told["verdict"]))

    assert [
        (0, "on_track"),
        (1, "on_track"),
        (2, "at_risk"),
        (3, "at_risk"),
        (4, "breached"),
    ] == seen


async def test_the_taxpayer_is_for_some_only(
    client: Client, stranger: Client, database: Database, service: Service
) -> None:
    """A key without sensitive:read does not even see that there is a taxpayer id."""
    await tell(client, [accepted("2026-11-20T09:00:00", taxpayer_id=TAXPAYER)])
    plain = await key(database, service, Scope.CASES_READ)
    sensitive = await key(database, service, Scope.CASES_READ, Scope.SENSITIVE_READ)

    for path in ("/v1/cases/case-1", "/v1/cases"):
        answers = [await stranger.get(path, headers=headers) for headers in (plain, sensitive)]
        texts = [await answer.text() for answer in answers]
        assert [False, True] == [TAXPAYER in text for text in texts]
        assert [False, True] == ["taxpayer_id" in text for text in texts]


STRANGE_IDS = [
    "a/b", "/", "a//b/", "a b", "案件-1", "100%", "a%2Fb", "a%252Fb", "..", ".", "a+b", "a?b#c&d=e",
    "{case_id}", "a\\b", '"quoted"', "x" * 200, "长" * 200, "e\u0301", "\u3000", "😀", "%00",
]  # fmt: skip


async def test_strange_case_ids_are_found(client: Client) -> None:
    """Whatever a case may be called, its percent-encoded id leads to it."""
    await tell(client, [accepted("2026-11-20T09:00:00", subject=name) for name in STRANGE_IDS])

    for name in STRANGE_IDS:
        path = quote(name, safe="").replace(".", "%2E")
        async with client.get(URL(f"/v1/cases/{path}", encoded=True)) as response:
            assert name == (await response.json()).get("case_id", response.status)


@pytest.mark.parametrize("path", ["other", "%00", "%FF", "%ED%A0%80", "case-1%20", "CASE-1"])
async def test_a_case_nobody_told_of_is_404(client: Client, path: str) -> None:
    """Another id is another case, of which nothing is known."""
    await tell(client, [accepted("2026-11-20T09:00:00")])

    async with client.get(URL(f"/v1/cases/{path}", encoded=True)) as response:
        told = await response.json(content_type="application/problem+json")

    assert response.status == 404
    assert told["detail"] == "no event of this case has been received"


WRONG_MOMENTS = [
    "at=2026-11-20T09:00:00",
    "at=2026-11-20",
    "at=yesterday",
    "at=",
    "at=0001-01-01T00:00:00Z",
    "at=1999-12-31T23:59:59%2B08:00",
    "at=9999-12-31T23:59:59Z",
    "at=2100-01-01T00:00:00%2B08:00",
    "at=2026-11-20T09:00:00Z&at=2026-11-21T09:00:00Z",
    "when=2026-11-20T09:00:00Z",
]


async def test_wrong_moments_are_422(client: Client) -> None:
    """A moment without an offset, outside the calendar or told twice is refused by name."""
    await tell(client, [accepted("2026-11-20T09:00:00")])

    for query in WRONG_MOMENTS:
        async with client.get(URL(f"/v1/cases/case-1?{query}", encoded=True)) as response:
            told = await response.json(content_type="application/problem+json")
            assert (query, 422) == (query, response.status)
            assert query.partition("=")[0] == told["detail"].partition(":")[0]


# --- lists -------------------------------------------------------------------------------------

LISTED = [
    accepted("2026-11-16T09:00:00", subject="breached"),
    accepted("2026-11-19T09:00:00", subject="at-risk", office="14302000000"),
    accepted("2026-11-23T09:00:00", subject="on-track", category="III", office="14302030000"),
    accepted("2026-11-23T09:00:00", subject="unknown", category=None),
    accepted("2026-11-18T09:00:00", subject="suspended", category="IV"),
    event("suspended", "2026-11-19T09:00:00", subject="suspended", reason="hold"),
    accepted("2026-11-16T09:00:00", subject="met", category="II"),
    event("voucher_issued", "2026-11-17T09:00:00", subject="met"),
    accepted("2026-11-09T09:00:00", subject="missed"),
    event("voucher_issued", "2026-11-17T09:00:00", subject="missed"),
    accepted("2026-11-16T09:00:00", subject="rejected"),
    event("rejected", "2026-11-17T09:00:00", subject="rejected"),
    accepted("2026-11-16T09:00:00", subject="withdrawn"),
    event("withdrawn", "2026-11-17T09:00:00", subject="withdrawn"),
    event("reviewed", "2026-11-17T09:00:00", subject="unaccepted"),
]
BY_URGENCY = [
    "breached",
    "at-risk",
    "on-track",
    "unknown",
    "met",
    "missed",
    "rejected",
    "suspended",
    "unaccepted",
    "withdrawn",
]
FILTERS = {
    "": BY_URGENCY,
    "status=running": ["breached", "at-risk", "on-track", "unknown"],
    "status=suspended": ["suspended"],
    "status=stopped": ["met", "missed"],
    "status=rejected": ["rejected"],
    "status=withdrawn": ["withdrawn"],
    "status=unaccepted": ["unaccepted"],
    "verdict=breached": ["breached"],
    "verdict=at_risk": ["at-risk"],
    "verdict=on_track": ["on-track", "unknown", "suspended"],
    "verdict=met": ["met"],
    "verdict=missed": ["missed"],
    "verdict=not_applicable": ["rejected", "unaccepted", "withdrawn"],
    "category=I": ["breached", "at-risk", "missed", "rejected", "withdrawn"],
    "category=II": ["met"],
    "category=III": ["on-track"],
    "category=IV": ["suspended"],
    "category=unknown": ["unknown", "unaccepted"],
    "city=430200": ["at-risk", "on-track"],
    "city=433100": [],
    "office=14302000000": ["at-risk"],
    "due_before=2026-11-20": ["breached", "met", "missed"],
    "due_before=2026-11-19": ["missed"],
    "due_from=2026-11-19&due_before=2026-11-20": ["breached", "met"],
    "status=running&city=430100&verdict=breached&category=I": ["breached"],
    "limit=2": ["breached", "at-risk"],
}


async def listed(client: Client, query: str = "") -> tuple[list[str], str | None]:
    """Return the case ids of a page, and its cursor."""
    async with client.get(URL(f"/v1/cases?{query}", encoded=True)) as response:
        assert response.status == 200, await response.text()
        page = await response.json()
    return [told["case_id"] for told in page["cases"]], page["next"]


async def pages(client: Client, query: str) -> list[str]:
    """Return the case ids of all pages."""
    found, cursor = await listed(client, query)
    while cursor:
        more, cursor = await listed(client, f"{query}&cursor={quote(cursor)}")
        found += more
    return found


async def test_filters_one_by_one(client: Client) -> None:
    """Each filter gives the cases it names, the most urgent first."""
    await tell(client, LISTED)

    found = {query: (await listed(client, query))[0] for query in FILTERS}

    assert found == FILTERS


async def test_a_listed_case_has_the_keys_of_a_case(client: Client) -> None:
    """A list shows a case without its stages and suspensions."""
    await tell(client, LISTED)
    page = await (await client.get("/v1/cases")).json()

    assert ["cases", "next"] == list(page)
    expected = [name for name in CASE_KEYS if name not in ("stages", "suspensions")]
    assert all(expected == list(told) for told in page["cases"])


async def test_an_empty_list(client: Client) -> None:
    """Without cases there is a page without cases."""
    assert ([], None) == await listed(client)


@pytest.mark.parametrize("size", [1, 3, 9, 10, 11])
async def test_pages_give_every_case_once(client: Client, size: int) -> None:
    """Pages of any size are the whole list, and the last one says that it is."""
    await tell(client, LISTED)

    assert BY_URGENCY == await pages(client, f"limit={size}")


async def test_pages_of_cases_equally_urgent(client: Client) -> None:
    """Cases that breach at one instant are paged by their ids."""
    names = [f"案件/{n:02}%" for n in range(23)]
    await tell(client, [accepted("2026-11-20T09:00:00", subject=name) for name in names])

    assert sorted(names) == await pages(client, "limit=5")


async def test_pages_while_cases_arrive(client: Client) -> None:
    """New cases between two pages neither hide a case nor show one twice."""
    days = ("09", "10", "11", "12", "13")
    old = [accepted(f"2026-11-{day}T09:00:00", subject=f"old-{day}") for day in days]
    await tell(client, old)
    found, cursor = await listed(client, "limit=2")

    await tell(client, [accepted("2026-11-09T09:00:00", subject="new-before")])
    await tell(client, [accepted("2026-11-12T09:00:00", subject="new-after")])
    while cursor:
        more, cursor = await listed(client, f"limit=2&cursor={quote(cursor)}")
        found += more

    expected = ["old-09", "old-10", "old-11", "new-after", "old-12", "old-13"]
    assert expected == found


async def test_filtered_pages(client: Client) -> None:
    """A cursor goes on under the same filter."""
    await tell(client, LISTED)

    assert FILTERS["category=I"] == await pages(client, "category=I&limit=2")


WRONG_PARAMETERS = [
    "status=open",
    "status=",
    "status=%00",
    "verdict=late",
    "category=V",
    "category=i",
    "city=4301",
    "city=043010",
    "city=changsha",
    "office=4301",
    "office=24301000000",
    "due_before=tomorrow",
    "due_before=2026-02-30",
    "due_from=yesterday",
    "due_before=",
    "limit=0",
    "limit=501",
    "limit=-1",
    "limit=ten",
    "limit=",
    "limit=1.5",
    "limit=%EF%BC%91",
    "limit=000000005999",
    "limit=" + "9" * 5000,
    "stauts=running",
    "limit=1&limit=1",
]


async def test_wrong_parameters_are_422(client: Client) -> None:
    """A wrong, unknown or repeated parameter is named with its rule."""
    for query in WRONG_PARAMETERS:
        async with client.get(URL(f"/v1/cases?{query}", encoded=True)) as response:
            told = await response.json(content_type="application/problem+json")
            assert (query, 422) == (query, response.status)
            assert query.partition("=")[0] == told["detail"].partition(":")[0]


def cursor(*told: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(told).encode()).decode()


GARBAGE = {
    "empty": "",
    "word": "x",
    "not-base64": "%%%",
    "chinese": quote("案件"),
    "no-utf-8": "%FF",
    "not-json": base64.urlsafe_b64encode(b"{").decode(),
    "short": cursor("infinity"),
    "long": cursor("infinity", "a", "b"),
    "numbers": cursor(1, 2),
    "null": cursor(None, None),
    "word-for-an-instant": cursor("tomorrow", "case-1"),
    "naive": cursor("2026-11-20T00:00:00", "case-1"),
    "week-date": cursor("2026-W48-5", "case-1"),
    "sql": cursor("now()", "case-1"),
    "year-1": cursor("0001-01-01T00:00:00+23:59", "case-1"),
    "year-9999": cursor("9999-12-31T23:59:59-23:59", "case-1"),
    "nul": cursor("infinity", "\u0000"),
    "surrogate": cursor("infinity", "\ud800"),
}


async def test_garbage_for_a_cursor_is_422(client: Client) -> None:
    """A cursor that no page gave is refused, and never reaches the database."""
    for name, garbage in GARBAGE.items():
        for path in ("/v1/cases", "/v1/quarantine"):
            async with client.get(URL(f"{path}?cursor={garbage}", encoded=True)) as response:
                told = await response.json(content_type="application/problem+json")
                assert (name, 422) == (name, response.status)
                assert told["detail"] == "cursor: must be the `next` of an earlier page"


async def test_any_other_cursor_is_a_place(client: Client) -> None:
    """A cursor that no page gave but that names a place is followed from there."""
    await tell(client, LISTED)

    found, _ = await listed(client, f"cursor={cursor('2026-11-22T16:00:00.5+00:00', '')}")

    assert BY_URGENCY[1:] == found


@pytest.mark.parametrize("path", ["/v1/cases", "/v1/cases/case-1", "/v1/cases/case-1?at=x"])
async def test_reading_needs_a_key(stranger: Client, path: str) -> None:
    """Without a key nothing is said, not even about a wrong parameter."""
    assert (await stranger.get(path)).status == 401


async def test_a_single_event_makes_a_case(client: Client) -> None:
    """A case is there as soon as its first event was answered."""
    async with client.post(
        "/v1/events", json=accepted("2026-11-20T09:00:00"), headers=ONE
    ) as response:
        assert response.status == 201

    assert (await case(client))["events"] == 1
