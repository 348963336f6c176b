"""What the pages say is what the API says; who may see them, and what is recorded of it."""

import csv
import html
import io
import re
from collections.abc import AsyncIterator
from dataclasses import replace
from ipaddress import ip_network

import pytest
from aiohttp.test_utils import TestClient, TestServer

from cloud_events import BATCH, ONE, accepted, event
from conftest import ADMIN_KEY, Client, FixedClock
from rebate_monitor.api.app import build_app
from rebate_monitor.api.heavy import HEAVY
from rebate_monitor.api.service import Service
from rebate_monitor.domain.bounds import Bounds
from rebate_monitor.proxy import Proxy
from rebate_monitor.server import application
from rebate_monitor.settings import Settings
from rebate_monitor.storage.audit import Action, AuditFilter, list_records
from rebate_monitor.storage.database import Database
from rebate_monitor.storage.keys import Grant, Scope, create_key

PAGE = {"Accept": "text/html,*/*"}
FORM = {"Sec-Fetch-Site": "same-origin"} | PAGE
HOSTILE = "<img src=x onerror=alert(1)>\"'/../%2F"

RECORDED = {
    "/cases": Action.CASES_LISTED,
    "/cases/{case_id}": Action.CASE_READ,
    "/what-if": Action.WHAT_IF_READ,
    "/sign-in": Action.SESSION_OPENED,
}
NOT_RECORDED = {
    "/": "figures",
    "/find": "sends on to the case",
    "/alerts": "no enterprise",
    "/alerts/{alert_id}/ack": "an alert says itself who took it on",
    "/calendar": "rules",
    "/performance": "figures",
    "/performance.csv": "figures",
    "/sign-out": "nothing is seen",
    "/static/{name}": "the same for everybody",
}


@pytest.fixture
def settings() -> Settings:
    """Return settings of a service that asks for keys."""
    return Settings(admin_key=ADMIN_KEY)


@pytest.fixture
async def browser(service: Service) -> AsyncIterator[Client]:
    """Return a client that keeps cookies and follows nothing by itself."""
    async with TestClient(TestServer(application(service))) as opened:
        yield opened


@pytest.fixture
async def told(client: Client, service: Service) -> None:
    """Tell of three cases in two cities: over its limit, met, and suspended."""
    await post(
        client,
        accepted("2026-11-02T09:00:00", subject="late", category="III"),
        accepted("2026-11-09T09:00:00", subject="done", office="14302000000"),
        event("voucher_issued", "2026-11-11T09:00:00", subject="done"),
        accepted("2026-11-16T09:00:00", subject="held", office="14302000000", taxpayer_id=None),
        event("suspended", "2026-11-17T09:00:00", subject="held", reason="correspondence"),
    )
    while await service.alerting.sweeper.sweep():
        pass


async def post(client: Client, *events: object) -> None:
    async with client.post("/v1/events", json=list(events), headers=BATCH) as response:
        assert (200, []) == (response.status, (await response.json())["results"])


async def make_key(
    database: Database, service: Service, *scopes: Scope, offices: tuple[str, ...] = ()
) -> str:
    async with database.connection() as connection:
        grant = Grant(name="li", scopes=frozenset(scopes), bounds=Bounds(offices=offices))
        _, key = await create_key(connection, grant, service.now())
    return key


async def sign_in(browser: Client, key: str, wanted: str = "/") -> tuple[int, str]:
    form = {"key": key, "next": wanted}
    async with browser.post("/sign-in", data=form, headers=FORM, allow_redirects=False) as response:
        return response.status, response.headers.get("Location", "")


async def see(client: Client, path: str) -> str:
    async with client.get(path, headers=PAGE, allow_redirects=False) as response:
        text = await response.text()
        assert (path, 200) == (path, response.status)
    assert len(text) < 100_000
    return text


async def where(client: Client, path: str) -> tuple[int, str]:
    async with client.get(path, headers=PAGE, allow_redirects=False) as response:
        return response.status, response.headers.get("Location", "")


def test_every_page_is_recorded_or_said_not_to_be(service: Service) -> None:
    """A new one cannot forget it."""
    api, whole = (
        {route.resource.canonical for route in app.router.routes() if route.resource}
        for app in (build_app(service), application(service))
    )

    assert whole - api == {*RECORDED, *NOT_RECORDED}


@pytest.mark.usefixtures("told")
async def test_what_is_seen_is_recorded(
    client: Client, browser: Client, database: Database
) -> None:
    """As the API's answers are, and that somebody signed in."""
    await see(client, "/cases?city=430100")
    await see(client, "/cases/late")
    await see(client, "/what-if?limit_default=3")
    await sign_in(browser, ADMIN_KEY)
    async with database.connection() as connection:
        kept = await list_records(connection, AuditFilter(), None, 4)

    expected = [
        (Action.CASES_LISTED, "city=430100"),
        (Action.CASE_READ, "late"),
        (Action.WHAT_IF_READ, "2026-10-24 to 2026-11-23"),
        (Action.SESSION_OPENED, "REBATE_ADMIN_KEY"),
    ]
    assert expected == [(one.record.action, one.record.object) for one in reversed(kept)]


@pytest.mark.usefixtures("told")
class TestFigures:
    """Pages and API say the same."""

    async def test_today(self, client: Client) -> None:
        """The mean, its target, the number of cases that are overdue, and where they are."""
        page = await see(client, "/")
        evaluated = await (await client.get("/v1/evaluation")).json()
        mean = next(g["mean_workdays"] for g in evaluated["groups"] if g["scope"] == "all")
        ahead = await (await client.get("/v1/foresight")).json()

        assert f"<strong>{mean:.2f}</strong>" in page
        assert (1, 1) == (ahead["total"]["overdue"], ahead["total"]["suspended"])
        assert "<strong>1</strong>\n<span>已超时</span>" in page
        assert "/cases?verdict=breached&amp;city=430100" in page

    async def test_performance(self, client: Client) -> None:
        """Every group of a period, and both tables as CSV."""
        asked = "from=2026-11-01&to=2026-11-30&by=city"
        told = await (await client.get(f"/v1/performance?{asked}")).json()
        page = await see(client, f"/performance?{asked}")
        text = await see(client, f"/performance.csv?table=period&{asked}")
        rows = list(csv.DictReader(io.StringIO(text.removeprefix("\ufeff"))))
        months = await see(client, "/performance.csv")

        assert text.startswith("\ufeff")
        assert len(told["groups"]) == len(rows)
        for group, row in zip(told["groups"], rows, strict=True):
            assert (group["group"], str(group["n"])) == (row["group"], row["n"])
            assert group["mean_workdays"] == (
                float(row["mean_workdays"]) if row["n"] != "0" else None
            )
        assert "株洲市" in page
        assert "430200,株洲市,all,2026-11,1,2.0,4.0,false" in months

    async def test_a_case(self, client: Client) -> None:
        """Its counts, its rules in words, and nothing that a key may not read."""
        told = await (await client.get("/v1/cases/late/explanation?lang=zh")).json()
        page = html.unescape(await see(client, "/cases/late"))

        assert [] == [rule["text"] for rule in told["rules"] if rule["text"] not in page]
        assert f"已用{told['workdays']}个工作日" in page
        assert f"第{told['workdays']}日" in page

    async def test_what_if(self, client: Client) -> None:
        """The difference is that of the API, and what is wrong is said on the form."""
        asked = {"limits": {"III": 20}, "from": "2026-10-24", "to": "2026-11-23"}
        told = await (await client.post("/v1/what-if", json=asked)).json()
        page = await see(client, "/what-if?limit_III=20")
        async with client.get("/what-if?limit_III=0", headers=PAGE) as response:
            status, wrong = response.status, await response.text()

        assert (1, 1) == (told["changed"], told["breaches_unmade"])
        assert re.search(r"<strong>1</strong> <span>不再超时</span>", page)
        assert 'href="/cases/late"' in page
        assert 422 == status
        assert "limit_III: must be a whole number from 1 to 366" in wrong

    async def test_the_calendar(self, client: Client) -> None:
        """Days off and make-up workdays by name, and how many workdays there are."""
        page = await see(client, "/calendar?year=2026")

        assert "248个工作日" in page
        assert "2月15日 – 2月23日" in page
        assert "国务院办公厅关于2026年部分节假日安排的通知" in page
        assert "尚未公布" in await see(client, "/calendar?year=2027")


@pytest.mark.usefixtures("told")
async def test_an_alert_is_taken_on(browser: Client, database: Database, service: Service) -> None:
    """By whoever has a key, with a note; a second time it is said who was first."""
    await sign_in(browser, await make_key(database, service, Scope.CASES_READ))
    page = await see(browser, "/alerts?kind=breached")
    (action,) = set(re.findall(r'action="(/alerts/[0-9a-f]+/ack)"', page))
    form = {"who": "李伟", "note": "<b>今天</b>", "back": "/alerts?kind=breached"}
    async with browser.post(action, data=form, headers=FORM, allow_redirects=False) as response:
        first = (response.status, response.headers["Location"])
    shown = await see(browser, "/alerts?kind=breached")
    async with browser.post(action, data=form | {"who": "王芳"}, headers=FORM) as response:
        again = (response.status, "李伟 has acknowledged" in await response.text())

    assert (303, "/alerts?kind=breached") == first
    assert "李伟" in shown
    assert "&lt;b&gt;今天&lt;/b&gt;" in shown
    assert (409, True) == again


@pytest.mark.usefixtures("told")
class TestAccess:
    """A session stands for a key, and for no more than it."""

    async def test_where_somebody_is_sent(self, browser: Client) -> None:
        """To the form and, with a key, on to the page that was wanted; never elsewhere."""
        asked = await where(browser, "/cases?verdict=breached")
        wrong, _ = await sign_in(browser, "no key of ours")
        right = await sign_in(browser, ADMIN_KEY, "/cases?verdict=breached")
        elsewhere = await sign_in(browser, ADMIN_KEY, "//elsewhere.example/")

        assert (303, "/sign-in?next=%2Fcases%3Fverdict%3Dbreached") == asked
        assert 401 == wrong
        assert (303, "/cases?verdict=breached") == right
        assert (303, "/") == elsewhere

    async def test_the_api_takes_the_session_too(self, browser: Client) -> None:
        """Downloads and JSON are one click away; a program's wrong key stays wrong."""
        await sign_in(browser, ADMIN_KEY)
        wrong = {"Authorization": "Bearer wrong"}
        statuses = [
            (await browser.get("/v1/cases")).status,
            (await browser.get("/v1/cases", headers=wrong)).status,
        ]

        assert [200, 401] == statuses

    @pytest.mark.parametrize(
        ("headers", "status"),
        [
            ({"Sec-Fetch-Site": "same-origin"}, 201),
            ({"Sec-Fetch-Site": "cross-site"}, 403),
            ({"Origin": "https://elsewhere.example"}, 403),
        ],
    )
    async def test_another_sites_page_changes_nothing(
        self, browser: Client, headers: dict[str, str], status: int
    ) -> None:
        """The browser sends its cookie; where the request comes from decides."""
        await sign_in(browser, ADMIN_KEY)
        told = accepted("2026-11-20T09:00:00", subject="forged")
        async with browser.post("/v1/events", json=told, headers=ONE | headers) as response:
            assert status == response.status
        async with browser.post("/sign-out", data={}, headers=headers) as response:
            assert (status == 403) is (response.status == 403)
        async with browser.post("/sign-in", data={"key": ADMIN_KEY}, headers=headers) as response:
            assert (status == 403) is (response.status == 403)

    async def test_wrong_keys_are_held_back(self, browser: Client) -> None:
        """Here as everywhere."""
        statuses = [(await sign_in(browser, f"wrong-{n}"))[0] for n in range(31)]

        assert [401] * 30 + [429] == statuses

    async def test_a_key_that_is_bound_to_offices(
        self, browser: Client, database: Database, service: Service
    ) -> None:
        """Its cases and alerts, and nothing of the whole province."""
        key = await make_key(database, service, Scope.CASES_READ, offices=("14302000000",))
        await sign_in(browser, key)
        cases = await see(browser, "/cases")
        async with browser.get("/performance", headers=PAGE) as response:
            refused, text = response.status, await response.text()

        assert (303, "/cases") == await where(browser, "/")
        assert ("/cases/held" in cases, "/cases/late" in cases) == (True, False)
        assert 'href="/performance"' not in cases
        assert (403, True) == (refused, "只限部分税务机关" in text)
        assert 404 == (await browser.get("/cases/late", headers=PAGE)).status

    async def test_reasons_are_kept_back(
        self, browser: Client, database: Database, service: Service
    ) -> None:
        """Whoever may not read what is sensitive does not learn of an inquiry."""
        await sign_in(browser, await make_key(database, service, Scope.CASES_READ))
        plain = await see(browser, "/cases/held")
        scopes = (Scope.CASES_READ, Scope.SENSITIVE_READ)
        await sign_in(browser, await make_key(database, service, *scopes))

        assert "函调" not in plain
        assert "不公开的原因" in plain
        assert "函调" in await see(browser, "/cases/held")

    async def test_no_scope_no_page(
        self, browser: Client, database: Database, service: Service
    ) -> None:
        """A producer's key opens none."""
        await sign_in(browser, await make_key(database, service, Scope.EVENTS_WRITE))

        assert 403 == (await browser.get("/", headers=PAGE)).status


async def test_errors_are_pages_for_people_and_problems_for_programs(client: Client) -> None:
    """Each in its own words; what is wrong with an address is named."""
    async with client.get("/cases?verdict=wrong", headers=PAGE) as response:
        page = (response.status, response.content_type, await response.text())
    async with client.get("/cases?verdict=wrong") as response:
        problem = (response.status, response.content_type)
    async with client.get("/nowhere", headers=PAGE) as response:
        nowhere = (response.status, response.content_type)
    async with client.get("/v1/nowhere", headers=PAGE) as response:
        of_the_api = (response.status, response.content_type)

    assert (422, "text/html") == page[:2]
    assert "verdict: must be one of on_track" in page[2]
    assert (422, "application/problem+json") == problem
    assert ((404, "text/html"), (404, "application/problem+json")) == (nowhere, of_the_api)


@pytest.mark.parametrize("subject", [HOSTILE, "案件/1", "a b?c#d", "find", "..", "x" * 200])
async def test_whatever_a_case_is_called(client: Client, subject: str) -> None:
    """The list leads to it, and its name is text."""
    await post(client, accepted("2026-11-20T09:00:00", subject=subject, batch=subject[:50]))
    page = await see(client, "/cases")
    (link,) = re.findall(r'<th scope="row" class="id"><a href="([^"]*)"', page)
    async with client.get("/find", params={"id": subject}, headers=PAGE) as response:
        found = response.status
    case = await see(client, html.unescape(link)) if subject != ".." else ""

    assert "<img src=x" not in page + case
    assert 200 == found or subject == ".."
    assert subject == ".." or html.escape(subject, quote=False)[:8] in case


async def test_addresses_are_tidy(client: Client) -> None:
    """Forms send empty fields, and links choose a language: both lead to the plain address."""
    async with client.get(
        "/cases?verdict=breached&city=&lang=en", headers=PAGE, allow_redirects=False
    ) as response:
        told = (response.status, response.headers["Location"])
        language = response.cookies["rebate_language"].value
    async with client.get("/cases?lang=en", headers={**PAGE, "Cookie": ""}) as response:
        text = await response.text()

    assert ((303, "/cases?verdict=breached"), "en") == (told, language)
    assert "<h1>Cases</h1>" in text


@pytest.mark.parametrize(
    ("accept", "language"),
    [("en-GB,en;q=0.9,zh;q=0.5", "en"), ("zh-CN", "zh-CN"), ("fr", "zh-CN"), ("", "zh-CN")],
)
async def test_the_browsers_language(client: Client, accept: str, language: str) -> None:
    """Until somebody chooses one."""
    headers = {**PAGE, "Accept-Language": accept}
    async with client.get("/cases", headers=headers) as response:
        assert f'<html lang="{language}">' in await response.text()


async def test_assets_are_kept_by_browsers(client: Client) -> None:
    """Their address changes with what they hold; nothing else is kept."""
    page = await see(client, "/sign-in")
    (address,) = set(re.findall(r"/static/board\.css\?v=[0-9a-f]+", page))
    async with client.get(address) as response:
        kept = (response.content_type, response.headers["Cache-Control"])
    async with client.get("/sign-in", headers=PAGE) as response:
        policy = response.headers["Content-Security-Policy"]
        not_kept = response.headers["Cache-Control"]

    assert ("text/css", "public, max-age=31536000, immutable") == kept
    assert "no-store" == not_kept
    assert "script-src 'self'" in policy
    assert "unsafe" not in policy
    assert 404 == (await client.get("/static/../../etc/passwd")).status


async def test_behind_tls_the_cookie_is_for_tls_alone(
    database: Database, clock: FixedClock, service: Service
) -> None:
    """Also where a proxy that is believed speaks it; whoever else says so is not believed."""
    behind = replace(service, proxy=Proxy(networks=(ip_network("127.0.0.0/8"),)))
    told = {}
    for name, part in (("behind", behind), ("plain", service)):
        async with TestClient(TestServer(application(part))) as browser:
            headers = FORM | {"X-Forwarded-Proto": "https"}
            async with browser.post(
                "/sign-in", data={"key": ADMIN_KEY}, headers=headers, allow_redirects=False
            ) as response:
                (cookie,) = response.cookies.values()
                told[name] = (cookie.key, bool(cookie["secure"]), cookie["httponly"])

    assert {
        "behind": ("__Host-rebate_session", True, True),
        "plain": ("rebate_session", False, True),
    } == told


@pytest.mark.parametrize(
    ("content_type", "body", "status"),
    [
        ("application/json", b'{"key": "a"}', 415),
        ("application/x-www-form-urlencoded", b"key=" + b"a" * 40_000, 413),
        ("application/x-www-form-urlencoded", b"\xff\xfe", 422),
        ("application/x-www-form-urlencoded", b"&".join(b"a=1" for _ in range(21)), 422),
        ("application/x-www-form-urlencoded", b"", 401),
        ("application/x-www-form-urlencoded", b"key=%00%ff", 401),
    ],
)
async def test_a_form_that_is_none(
    browser: Client, content_type: str, body: bytes, status: int
) -> None:
    """Whatever is sent to it, the answer is never a fault of the service."""
    headers = FORM | {"Content-Type": content_type}
    async with browser.post("/sign-in", data=body, headers=headers) as response:
        assert status == response.status


async def test_signing_in_again_ends_the_session_before(
    browser: Client, database: Database
) -> None:
    """One browser has one."""
    for _ in range(3):
        assert (303, "/") == await sign_in(browser, ADMIN_KEY)
    async with database.connection() as connection:
        assert 1 == await connection.fetchval("SELECT count(*) FROM browser_session")


@pytest.mark.usefixtures("told")
async def test_alerts_of_any_state(client: Client, service: Service) -> None:
    """Open ones unless told; all can be asked for, and what is shown is what is chosen."""
    stop = event("voucher_issued", "2026-11-20T09:00:00", subject="late")
    await post(client, stop)
    while await service.alerting.sweeper.sweep():
        pass
    shown = {}
    for state in ("", "?state=open", "?state=resolved", "?state=any"):
        page = await see(client, f"/alerts{state}")
        (chosen,) = re.findall(r'<option value="(\w+)" selected>', page)
        shown[state] = (chosen, "/cases/late" in page)

    assert {
        "": ("open", False),
        "?state=open": ("open", False),
        "?state=resolved": ("resolved", True),
        "?state=any": ("any", True),
    } == shown


@pytest.mark.usefixtures("told")
async def test_what_an_empty_limit_means(client: Client) -> None:
    """A general limit replaces those of the categories that are left empty, and that is shown."""
    plain, general = await see(client, "/what-if"), await see(client, "/what-if?limit_default=2")
    asked = {"limits": {"default": 2}, "from": "2026-10-24", "to": "2026-11-23"}
    told = await (await client.post("/v1/what-if", json=asked)).json()

    assert ["3", "3", "4", "4", "4"] == re.findall(r'placeholder="(.)"', plain)
    assert ["2"] * 5 == re.findall(r'placeholder="(.)"', general)
    assert f"<strong>{told['changed']}</strong> <span>结果不同</span>" in general
    assert 2 == next(c for c in told["changes"] if c["category"] == "I")["after"]["limit_workdays"]


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("from=2026-11-20&to=2026-11-19", "from: 2026-11-20 lies after to, 2026-11-19"),
        ("to=0001-01-01", "to: must lie from"),
        ("to=9999-12-31", "to: must lie from"),
    ],
)
async def test_days_that_cannot_be_tried(client: Client, query: str, said: str) -> None:
    """It is said what is wrong with them, also before any limit is told."""
    async with client.get(f"/what-if?{query}", headers=PAGE) as response:
        assert (422, True) == (response.status, said in await response.text())


async def test_a_busy_service_does_not_blame_the_database(client: Client) -> None:
    """Whoever asks for too much at once is told to wait."""
    client.app[HEAVY]._free = 0
    async with client.get("/performance", headers=PAGE) as response:
        text = await response.text()

    assert 503 == response.status
    assert "服务正忙" in text
    assert "数据库" not in text


@pytest.mark.usefixtures("told")
async def test_a_refused_form_leads_back_to_its_page(browser: Client) -> None:
    """Not to where only forms go; and whoever has to sign in first comes back there, too."""
    action = f"/alerts/{'0' * 24}/ack"
    async with browser.post(action, data={}, headers=FORM, allow_redirects=False) as response:
        asked = (response.status, response.headers["Location"])
    await sign_in(browser, ADMIN_KEY)
    async with browser.post(action, data={}, headers=FORM) as response:
        status, text = response.status, await response.text()

    assert (303, "/sign-in?next=%2Falerts") == asked
    assert 404 == status
    assert '<li><a href="/alerts">' in text
    assert action not in text


async def test_very_many_offices_are_listed_in_part(client: Client) -> None:
    """The page stays small and says so; the download has all of them."""
    offices = [f"143{number:04d}0000" for number in range(100, 170)]
    for office in offices:
        await post(
            client,
            accepted("2026-11-16T09:00:00", subject=office, office=office),
            event("voucher_issued", "2026-11-18T09:00:00", subject=office),
        )
    page = await see(client, "/performance?by=office")
    async with client.get("/performance.csv?table=period&by=office") as response:
        rows = (await response.text()).splitlines()

    assert "另有20行未列出" in page
    assert 1 + 2 * len(offices) == len(rows)
