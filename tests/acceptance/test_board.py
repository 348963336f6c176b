"""The pages in a real browser: what a person sees, in both languages, and by the keyboard alone."""

import subprocess
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from datetime import timedelta

import pytest
from aiohttp.test_utils import TestServer
from playwright.async_api import Browser, expect

from browsers import DESKTOP, FAR, PHONE, Visitor, chromium, running_browser, visitor
from cloud_events import BATCH, accepted, event
from conftest import ADMIN_KEY, Client, FixedClock, need
from rebate_monitor.api.service import Service
from rebate_monitor.server import application
from rebate_monitor.settings import Settings
from rebate_monitor.storage.database import Database
from rebate_monitor.storage.keys import Grant, Scope, create_key, revoke_key

HOSTILE = "<script>alert(1)</script>"
LIGHT_ZH = {"color_scheme": "light", "locale": "zh-CN"}
DARK_EN = {"color_scheme": "dark", "locale": "en-GB"}
MOST_BYTES = 100_000
SECOND = 1000
PAGES = (
    "/",
    "/cases",
    "/cases?verdict=breached&city=430100",
    "/cases/late",
    "/cases/paused?at=2026-11-18T12:00:00%2B08:00",
    "/cases/done",
    "/cases/nothing-of-this-id",
    "/alerts",
    "/alerts?case_id=late",
    "/calendar",
    "/calendar?year=2027",
    "/performance?by=city",
    "/what-if",
    "/what-if?limit_default=2&from=2026-11-01",
    "/sign-in",
    "/nowhere",
)
"""Every page, and what is at an address that is none."""

Open = Callable[..., Awaitable[Visitor]]


@pytest.fixture
async def browser() -> AsyncIterator[Browser]:
    """Return a running browser."""
    need(chromium(), "chromium (Debian's package)")
    async with running_browser() as running:
        yield running


@pytest.fixture
def settings() -> Settings:
    """Return settings of a service that this machine may read without a key."""
    return Settings(admin_key=ADMIN_KEY, anonymous_read=True)


@pytest.fixture
async def base(service: Service) -> AsyncIterator[str]:
    """Return the address of the pages."""
    async with TestServer(application(service)) as server:
        yield str(server.make_url("")).rstrip("/")


@pytest.fixture
async def opened(browser: Browser, base: str) -> Open:
    """Return what opens a window for somebody."""

    async def window(**options: object) -> Visitor:
        return await visitor(browser, base, **options)

    return window


async def post(client: Client, *events: object) -> None:
    """Post events that are all accepted."""
    async with client.post("/v1/events", json=list(events), headers=BATCH) as response:
        assert (200, []) == (response.status, (await response.json())["results"])


@pytest.fixture
async def told(client: Client, service: Service) -> None:
    """Tell of cases of every kind, in two cities and two months, as of Monday 23 November."""
    await post(
        client,
        accepted("2026-11-02T09:00:00", subject="late", office="14301000000", amount_cny="12.30"),
        event("reviewed", "2026-11-03T09:00:00", subject="late"),
        accepted("2026-11-10T09:00:00", subject="paused", office="14302000000", category="III"),
        event("suspended", "2026-11-12T09:00:00", subject="paused", reason="verification"),
        accepted("2026-11-18T09:00:00", subject="due-today", office="14301000000", category="I"),
        accepted("2026-11-17T09:00:00", subject="due-yesterday", category="II"),
        accepted("2026-11-23T09:00:00", subject="fresh", office="14302000000", category=None),
        accepted("2026-11-09T09:00:00", subject="done", office="14301000000", category="I"),
        event("approved", "2026-11-10T09:00:00", subject="done"),
        event("voucher_issued", "2026-11-11T09:00:00", subject="done"),
        accepted("2026-09-29T09:00:00", subject="through-the-holiday", category="IV"),
        event("voucher_issued", "2026-10-10T09:00:00", subject="through-the-holiday"),
        accepted("2026-11-20T09:00:00", subject=HOSTILE, batch=HOSTILE),
    )
    while await service.alerting.sweeper.sweep():
        pass


@pytest.mark.parametrize("options", [LIGHT_ZH, DARK_EN], ids=["zh-light", "en-dark"])
@pytest.mark.usefixtures("told")
async def test_every_page_can_be_read_by_everybody(opened: Open, options: dict[str, str]) -> None:
    """Its language, nothing from outside, no complaint, no hurdle that axe finds serious, small."""
    window = await opened(**options)
    language = options["locale"]
    for path in PAGES:
        await window.go(path)
        shown = await window.page.evaluate(
            "({language: document.documentElement.lang, title: document.title})"
        )
        size = len((await window.page.content()).encode())
        told = (path, shown["language"][:2], size < MOST_BYTES, await window.hurdles())

        assert (path, language[:2], True, []) == told
        assert shown["title"].partition(" · ")[0]
    errors = [said for said in window.complaints if "404" not in said]
    assert ([], []) == (window.outside(), errors)


@pytest.mark.usefixtures("told")
async def test_no_page_is_wider_than_a_phone(opened: Open) -> None:
    """Wide tables scroll by themselves, the page does not."""
    window = await opened(viewport=PHONE, locale="en-GB", has_touch=True, is_mobile=True)
    too_wide = {}
    for path in PAGES:
        await window.go(path)
        width = await window.page.evaluate("document.documentElement.scrollWidth")
        if width > PHONE["width"]:
            too_wide[path] = width

    assert {} == too_wide


@pytest.mark.usefixtures("told")
async def test_what_is_posted_appears_without_a_reload(opened: Open, client: Client) -> None:
    """The numbers change in their place; whoever goes by the keyboard stays where they are."""
    window = await opened()
    await window.go("/")
    overdue = window.page.locator("a.tile", has_text="已超时")
    await expect(overdue.locator("strong")).to_have_text("2")
    await window.page.evaluate("window.untouched = true")
    await overdue.focus()

    await post(client, accepted("2026-11-03T09:00:00", subject="another"))

    await expect(overdue.locator("strong")).to_have_text("3", timeout=30 * SECOND)
    await expect(overdue).to_be_focused()
    assert await window.page.evaluate("window.untouched")


async def test_an_empty_service_says_what_to_do(
    browser: Browser, service: Service, client: Client
) -> None:
    """The command that it shows can be copied and works, and what it posts appears by itself."""
    demo = replace(service, shown_key=ADMIN_KEY)
    async with TestServer(application(demo)) as server:
        window = await visitor(browser, str(server.make_url("")).rstrip("/"), **DARK_EN)
        await window.context.grant_permissions(["clipboard-read", "clipboard-write"])
        await window.go("/")
        await expect(window.page.get_by_role("heading", name="No case yet")).to_be_visible()
        await window.page.get_by_role("button", name="Copy").first.click()
        await expect(window.page.get_by_role("button", name="Copied")).to_be_visible()
        command = await window.page.evaluate("navigator.clipboard.readText()")
        need_curl = subprocess.Popen(["/bin/sh", "-c", command], stdout=subprocess.PIPE)  # noqa: ASYNC220 - the user's own shell
        await expect(window.page.get_by_role("heading", name="All normal rebates")).to_be_visible(
            timeout=30 * SECOND
        )
        need_curl.communicate()
        await window.go("/cases/my-first-case")
        shown = await window.text()

    assert "Category\nI" in shown
    assert [] == window.complaints


@pytest.mark.usefixtures("told")
async def test_filters_live_in_the_address(opened: Open) -> None:
    """What is chosen can be linked to, is shown as chosen, and nothing that is empty is in it."""
    window = await opened(**DARK_EN)
    await window.go("/cases")
    await window.page.get_by_label("Verdict").select_option("breached")
    await window.page.get_by_label("City").select_option("430100")
    await window.page.get_by_role("button", name="Filter").click()
    await expect(window.page.get_by_role("link", name="late", exact=True)).to_be_visible()
    address, chosen = window.path, await window.page.get_by_label("Verdict").input_value()
    rows = await window.page.locator("tbody tr").count()
    await window.page.get_by_role("link", name="No filter").click()

    assert "/cases?verdict=breached&city=430100" == address
    assert ("breached", 2) == (chosen, rows)
    assert 8 == await window.page.locator("tbody tr").count()


@pytest.mark.usefixtures("told")
async def test_the_language_is_remembered(opened: Open) -> None:
    """It is chosen with a link and kept for all pages; the address stays as it was."""
    window = await opened()
    await window.go("/cases?verdict=breached")
    await window.page.get_by_role("link", name="English").click()
    first = (window.path, await window.page.inner_text("h1"))
    await window.go("/cases/late")

    assert ("/cases?verdict=breached", "Cases") == first
    assert "Day by day" in await window.text()


@pytest.mark.usefixtures("told")
async def test_the_keyboard_gets_everywhere(opened: Open) -> None:
    """From the first Tab to a case: skip link, pages, a filter, a row."""
    window = await opened(**DARK_EN)
    page = window.page
    await window.go("/")
    await page.keyboard.press("Tab")
    await expect(page.get_by_role("link", name="Skip to the content")).to_be_focused()
    await page.keyboard.press("Enter")
    await expect(page.locator("main")).to_be_focused()
    await page.keyboard.press("Tab")
    await expect(page.locator("a.tile").first).to_be_focused()
    await page.keyboard.press("Enter")
    await expect(page.get_by_label("Verdict")).to_have_value("breached")
    for _ in range(40):
        await page.keyboard.press("Tab")
        if await page.evaluate("document.activeElement.textContent") == "late":
            break
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("heading", level=1)).to_contain_text("late")

    assert [] == window.complaints


@pytest.mark.usefixtures("told")
async def test_the_days_of_a_case_are_drawn(opened: Open) -> None:
    """Each workday has its number, each other day its reason, and what happened is marked."""
    window = await opened(**DARK_EN)
    await window.go("/cases/through-the-holiday")
    cells = [
        " ".join((await cell.inner_text()).split())
        for cell in await window.page.locator("table.days td:not(.none)").all()
    ]
    await window.go("/cases/late")
    late = await window.page.locator("td.breach").inner_text()

    assert "29 start day accepted" == cells[0]
    assert "30 day 1 workday" == cells[1]
    assert "1 National Day" == cells[2]
    assert "10 day 4 make-up workday (National Day) voucher issued clock stops due" == cells[11]
    assert "6 day 4 workday breached from" == " ".join(late.split())


@pytest.mark.usefixtures("told")
async def test_a_name_that_is_a_program_is_only_a_name(opened: Open) -> None:
    """What producers send is shown as text."""
    window = await opened()
    await window.go("/cases")
    await window.page.get_by_role("link", name=HOSTILE).click()

    assert HOSTILE in await window.page.inner_text("h1")
    assert [] == window.complaints


async def test_a_lost_connection_is_said_and_comes_back(opened: Open, told: None) -> None:
    """The figures stay, and the page goes on by itself."""
    window = await opened(**DARK_EN)
    await window.go("/")
    lost = window.page.get_by_role("status")
    await window.context.set_offline(True)
    await window.page.evaluate("refresh()")
    await expect(lost).to_contain_text("cannot be reached")
    kept = await window.page.locator(".mean strong").first.inner_text()
    await window.context.set_offline(False)
    await window.page.evaluate("refresh()")
    await expect(window.page.locator("#lost")).to_be_hidden()

    assert "2.00" == kept


class TestSigningIn:
    """Where nobody may look without a key."""

    @pytest.fixture
    def settings(self) -> Settings:
        """Return settings of a service that asks for keys."""
        return Settings(admin_key=ADMIN_KEY)

    @pytest.fixture
    async def key(self, database: Database, service: Service) -> tuple[str, str]:
        """Make a key that reads cases; return its id and the key."""
        async with database.connection() as connection:
            grant = Grant(name="Li Wei", scopes=frozenset({Scope.CASES_READ}))
            return await create_key(connection, grant, service.now())

    @pytest.mark.usefixtures("told")
    async def test_with_a_key(
        self, opened: Open, key: tuple[str, str], database: Database, clock: FixedClock
    ) -> None:
        """A wrong one is said so; a right one leads on; revoked, it ends at once."""
        window = await opened(**DARK_EN)
        page = window.page
        await window.go("/cases/late")
        asked = window.path
        await page.get_by_label("Key").fill("wrong")
        await page.keyboard.press("Enter")
        await expect(page.get_by_role("alert")).to_contain_text("not known here")
        hurdles = await window.hurdles()
        await page.get_by_label("Key").fill(key[1])
        await page.get_by_role("button", name="Sign in").click()
        await expect(page.get_by_role("heading", level=1)).to_contain_text("late")
        (cookie,) = [one for one in await window.context.cookies() if "session" in one["name"]]
        who = await page.locator(".who .name").inner_text()
        async with database.connection() as connection:
            await revoke_key(connection, key[0], clock())
        await window.go("/cases")

        assert "/sign-in?next=%2Fcases%2Flate" == asked
        assert [] == hurdles
        assert (True, "Lax", False) == (cookie["httpOnly"], cookie["sameSite"], cookie["secure"])
        assert key[1] not in cookie["value"]
        assert "Li Wei" == who
        assert "/sign-in?next=%2Fcases" == window.path

    @pytest.mark.usefixtures("told")
    async def test_signing_out(self, opened: Open, key: tuple[str, str]) -> None:
        """What the browser knew is worth nothing afterwards, not even to whoever kept it."""
        window = await opened(**DARK_EN)
        await window.go("/sign-in")
        await window.page.get_by_label("Key").fill(key[1])
        await window.page.keyboard.press("Enter")
        await expect(window.page.get_by_role("heading", name="Today")).to_be_visible()
        kept = await window.context.cookies()
        await window.page.get_by_role("button", name="Sign out").click()
        await expect(window.page.get_by_role("heading", name="Sign in")).to_be_visible()
        await window.context.add_cookies(
            [{"name": one["name"], "value": one["value"], "url": window.base} for one in kept]
        )
        await window.go("/")

        assert "/sign-in?next=%2F" == window.path

    async def test_without_tls_and_not_on_this_machine(
        self, opened: Open, key: tuple[str, str], base: str
    ) -> None:
        """A browser then says less of where a form comes from; it is enough."""
        window = await opened(**DARK_EN)
        window.base = base.replace("127.0.0.1", FAR)
        await window.go("/sign-in?next=/cases")
        await window.page.get_by_label("Key").fill(key[1])
        await window.page.keyboard.press("Enter")
        await expect(window.page.get_by_role("heading", name="Cases")).to_be_visible()
        await window.page.get_by_role("button", name="Sign out").click()

        await expect(window.page.get_by_role("heading", name="Sign in")).to_be_visible()

    @pytest.mark.usefixtures("told")
    async def test_a_session_ends(
        self, opened: Open, key: tuple[str, str], clock: FixedClock
    ) -> None:
        """After twelve hours somebody else may sit there."""
        window = await opened(**DARK_EN)
        await window.go("/sign-in?next=/cases")
        await window.page.get_by_label("Key").fill(key[1])
        await window.page.keyboard.press("Enter")
        await expect(window.page.get_by_role("heading", name="Cases")).to_be_visible()
        clock.instant += timedelta(hours=12)
        await window.go("/cases")

        assert "/sign-in?next=%2Fcases" == window.path


@pytest.mark.usefixtures("told")
async def test_a_case_can_be_printed(opened: Open) -> None:
    """On paper there is the case, and nothing to click on."""
    window = await opened(viewport=DESKTOP)
    await window.go("/cases/late")
    await window.page.emulate_media(media="print")

    assert await window.page.locator("table.days").is_visible()
    assert not await window.page.locator("header nav").is_visible()
    assert not await window.page.locator("[data-print]").is_visible()


@pytest.mark.usefixtures("told")
async def test_whoever_takes_an_alert_on_is_not_disturbed(opened: Open, client: Client) -> None:
    """A form that is being filled in stays as it is while the list around it is refreshed."""
    window = await opened(**DARK_EN)
    await window.context.set_extra_http_headers({"Authorization": f"Bearer {ADMIN_KEY}"})
    await window.go("/alerts?level=1")
    page = window.page
    await page.get_by_text("Take on", exact=True).first.click()
    note = page.locator("details[open] textarea")
    await note.fill("looked at by")
    await page.evaluate("refresh()")
    kept = await note.input_value()
    await note.fill("looked at by Li")
    await page.get_by_role("button", name="I take it on").click()
    await expect(page.locator("td.taken").first).to_contain_text("looked at by Li")

    assert "looked at by" == kept
    assert "/alerts?level=1" == window.path
