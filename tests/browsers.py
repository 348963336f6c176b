"""A real browser: Debian's Chromium, which notes what it says on its console and whom it asks."""

import os
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from importlib import resources
from typing import Any

from playwright.async_api import Browser, BrowserContext, Page, Request, async_playwright

CHROMIUM = "chromium"
SERIOUS = ("serious", "critical")
FAR = "bureau.example"
"""A name of this machine that no browser takes for it, so that nothing is trusted without TLS."""
PHONE = {"width": 390, "height": 844}
DESKTOP = {"width": 1280, "height": 900}


def chromium() -> str | None:
    """Return where Chromium is, None where it is not."""
    return shutil.which(CHROMIUM)


@asynccontextmanager
async def running_browser() -> AsyncIterator[Browser]:
    """Run a browser without a window; as root it runs without its sandbox."""
    arguments = [f"--host-resolver-rules=MAP {FAR} 127.0.0.1"]
    arguments += ["--no-sandbox"] if os.geteuid() == 0 else []
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=chromium(), args=arguments)
        yield browser
        await browser.close()


@dataclass
class Visitor:
    """Somebody with a browser window of their own; `complaints` is what went wrong in it."""

    context: BrowserContext
    page: Page
    base: str
    complaints: list[str] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)

    async def go(self, path: str) -> int:
        """Go to a page and return its status."""
        response = await self.page.goto(f"{self.base}{path}")
        assert response is not None
        return response.status

    async def text(self) -> str:
        """Return what there is to read."""
        return await self.page.inner_text("body")

    @property
    def path(self) -> str:
        """The address of the page that is shown, without the host."""
        return self.page.url.removeprefix(self.base)

    def outside(self) -> list[str]:
        """Return what was asked of anybody else."""
        own = (self.base, "data:", "about:")
        return [address for address in self.asked if not address.startswith(own)]

    async def hurdles(self) -> list[str]:
        """Return what keeps people from reading the page, as axe-core finds it."""
        await self.page.evaluate(_axe())
        found: dict[str, Any] = await self.page.evaluate("axe.run()")
        return [
            f"{one['id']}: {one['help']}: {[node['html'][:160] for node in one['nodes'][:3]]}"
            for one in found["violations"]
            if one["impact"] in SERIOUS
        ]


async def visitor(browser: Browser, base: str, **options: Any) -> Visitor:  # noqa: ANN401 - as Playwright has them
    """Open a window; options are those of a Playwright context."""
    context = await browser.new_context(**{"viewport": DESKTOP, "locale": "zh-CN", **options})
    page = await context.new_page()
    made = Visitor(context=context, page=page, base=base)

    def ask(request: Request) -> None:
        made.asked.append(request.url)

    page.on("request", ask)
    page.on("console", lambda said: made.complaints.append(f"{said.type}: {said.text}"))
    page.on("pageerror", lambda error: made.complaints.append(f"error: {error}"))
    page.on("dialog", lambda dialog: made.complaints.append(f"dialog: {dialog.message}"))
    return made


def _axe() -> str:
    return (resources.files("axe_playwright_python") / "axe.min.js").read_text("utf-8")
