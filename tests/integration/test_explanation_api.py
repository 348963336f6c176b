"""GET /v1/cases/{case_id}/explanation: a count taken apart, to the letter of the contract."""

import base64
import html
from urllib.parse import quote

import pytest
from yarl import URL

from cloud_events import BATCH, Json, accepted, event
from conftest import ADMIN_KEY, Client

WITH_HOLIDAY = [
    accepted("2026-02-13T10:00:00", category="I"),
    event("suspended", "2026-02-24T10:00:00", reason="correspondence"),
    event("resumed", "2026-02-26T10:00:00"),
    event("voucher_issued", "2026-02-27T10:00:00"),
]


@pytest.fixture
async def stopped(client: Client) -> Client:
    """Return a client of a service with one stopped case."""
    await client.post("/v1/events", json=WITH_HOLIDAY, headers=BATCH)
    return client


async def explained(client: Client, query: str = "") -> Json:
    """Return the explanation of the case."""
    async with client.get(f"/v1/cases/case-1/explanation{query}") as response:
        assert response.status == 200, await response.text()
        told: Json = await response.json()
        return told


async def test_rows_are_those_of_the_contract(stopped: Client) -> None:
    """One row a day from acceptance to stop, with exactly the fields that others rely on."""
    told = await explained(stopped)
    days = {day["date"]: day for day in told["days"]}

    assert 15 == len(days)
    assert {"date", "counted", "because", "name", "running_total"} == set(told["days"][0])
    assert [
        (False, "start_day", None, 0),
        (True, "makeup_workday", "春节", 1),
        (False, "day_off", "春节", 1),
        (True, "workday", None, 2),
        (False, "suspended", "函调", 2),
        (False, "suspended", "函调", 2),
        (True, "workday", None, 3),
    ] == [
        (day["counted"], day["because"], day["name"], day["running_total"])
        for day in (days[f"2026-02-{n}"] for n in (13, 14, 15, 24, 25, 26, 27))
    ]


async def test_it_says_what_the_case_says(stopped: Client) -> None:
    """Counts, verdict and due date are those of the case, and the days add up to them."""
    told = await explained(stopped)
    async with stopped.get("/v1/cases/case-1") as response:
        case = await response.json()

    for name in ("workdays", "gross_workdays", "paused_workdays", "verdict", "due_date", "status"):
        assert (name, case[name]) == (name, told[name])
    assert case["workdays"] == sum(day["counted"] for day in told["days"])
    assert case["policy"]["limit_workdays"] == told["limit_workdays"]


async def test_it_cites_the_policy_and_the_notices(stopped: Client) -> None:
    """Whoever doubts a day finds the notice, and whoever doubts a limit the policy."""
    told = await explained(stopped)

    assert "hunan-2023-46" == told["policy"]["id"]
    assert told["policy"]["lapsed"]
    assert "4个工作日" in told["policy"]["citation"]
    assert {
        "date": "2026-02-14",
        "name": "春节",
        "notice": "国务院办公厅关于2026年部分节假日安排的通知",
    } == told["notices"][0]
    assert "受理时管理类别为一类，办理时限3个工作日。" in [r["text"] for r in told["rules"]]


async def test_in_english(stopped: Client) -> None:
    """The other language says the same of the same days."""
    told, english = await explained(stopped), await explained(stopped, "?lang=en")

    assert [d["running_total"] for d in told["days"]] == [
        d["running_total"] for d in english["days"]
    ]
    assert "Spring Festival" == english["days"][1]["name"]
    assert [r["rule"] for r in told["rules"]] == [r["rule"] for r in english["rules"]]
    assert "Category I at acceptance: the limit is 3 workdays." in [
        r["text"] for r in english["rules"]
    ]


async def test_at_another_moment(stopped: Client) -> None:
    """What was known of the case on a day ends on that day."""
    told = await explained(stopped, "?at=2026-02-25T09:00:00%2B08:00")

    assert ("2026-02-25", "suspended", None) == (
        told["days"][-1]["date"],
        told["status"],
        told["due_date"],
    )


async def test_an_unaccepted_case(client: Client) -> None:
    """A case without an acceptance has no days, and says so."""
    told = event("reviewed", "2026-11-20T09:00:00")
    await client.post("/v1/events", json=[told], headers=BATCH)
    explanation = await explained(client)

    assert [] == explanation["days"]
    assert None is explanation["policy"]
    assert "start.unaccepted" == explanation["rules"][0]["rule"]


@pytest.mark.parametrize(
    ("path", "status", "detail"),
    [
        ("nothing/explanation", 404, "no event of this case has been received"),
        ("case-1/explanation?lang=fr", 422, "lang: must be one of zh, en"),
        ("case-1/explanation?at=2026-02-25", 422, "at: must be an instant with its offset"),
        ("case-1/explanation?language=zh", 422, "language"),
    ],
)
async def test_what_is_wrong_is_named(stopped: Client, path: str, status: int, detail: str) -> None:
    """An unknown case, a wrong value and an unknown parameter are told by name."""
    async with stopped.get(f"/v1/cases/{path}") as response:
        problem = await response.json()

    assert status == response.status
    assert detail in problem["detail"]


async def test_a_key_is_needed(stranger: Client) -> None:
    """A case is not for everybody."""
    async with stranger.get("/v1/cases/case-1/explanation") as response:
        assert 401 == response.status


def with_password(password: str) -> dict[str, str]:
    """Return what a browser sends when its user typed a password."""
    told = base64.b64encode(f"anybody:{password}".encode()).decode()
    return {**BROWSER, "Authorization": f"Basic {told}"}


BROWSER = {"Accept": "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"}


@pytest.mark.parametrize("case_id", ["case-1", "<b>&", "案件/1"])
async def test_a_browser_gets_the_page_of_the_case(client: Client, case_id: str) -> None:
    """Whoever follows a link in a browser reads days and rules, not JSON."""
    await client.post(
        "/v1/events", json=[accepted("2026-11-20T09:00:00", subject=case_id)], headers=BATCH
    )
    path = f"/v1/cases/{quote(case_id, safe='')}/explanation?lang=en&at=2026-11-21T09:00:00%2B08:00"
    async with client.get(URL(path, encoded=True), headers=BROWSER) as response:
        page = await response.text()

    assert (200, "text/html") == (response.status, response.content_type)
    assert html.escape(case_id) in page
    assert "Category I at acc" in page
    assert "This is as of 21 Nov 09:00." in page


async def test_a_browser_is_asked_for_a_key(stranger: Client, stopped: Client) -> None:
    """A browser asks its user, and the key is taken as a password, whatever the name beside it."""
    path = "/v1/cases/case-1"
    async with stranger.get(path, headers=BROWSER) as response:
        challenge = response.headers["WWW-Authenticate"]
        refused = response.status
    async with stranger.get(path, headers=with_password(ADMIN_KEY)) as response:
        shown = response.status
    async with stranger.get(path, headers=with_password("wrong")) as response:
        wrong = response.status, response.headers["WWW-Authenticate"]

    assert (401, 200) == (refused, shown)
    assert challenge.startswith("Basic ")
    assert (401, challenge) == wrong


async def test_a_password_is_taken_only_for_reading(stranger: Client) -> None:
    """A browser sends passwords by itself, so nothing can be written or changed with one."""
    headers = {**with_password(ADMIN_KEY), **BATCH}
    async with stranger.post("/v1/events", json=WITH_HOLIDAY, headers=headers) as told:
        posted = told.status, told.headers["WWW-Authenticate"]

    assert (401, 'Bearer realm="rebate_monitor"') == posted


@pytest.mark.parametrize(
    "credentials", ["Basic", "Basic !!", "Basic eDo=", "Basic /w==", "Digest x"]
)
async def test_garbage_is_no_key(stranger: Client, credentials: str) -> None:
    """What is no key is told so."""
    headers = {"Authorization": credentials}
    async with stranger.get("/v1/cases", headers=headers) as response:
        assert 401 == response.status
