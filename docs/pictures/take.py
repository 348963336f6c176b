"""Take the pictures of the pages: start the demo, wait for its year of history, and look at it."""

import asyncio
import io
import re
import subprocess
import sys
import tempfile
import time
from datetime import date, timedelta
from pathlib import Path

from PIL import Image
from playwright.async_api import async_playwright

HERE = Path(__file__).parent
ADDRESS = re.compile(r"address\s+(http://\S+)/")
LIGHT_ZH = {"color_scheme": "light", "locale": "zh-CN", "viewport": {"width": 1180, "height": 800}}
DARK_EN = {"color_scheme": "dark", "locale": "en-GB", "viewport": {"width": 1180, "height": 800}}
PHONE = {"color_scheme": "light", "locale": "zh-CN", "viewport": {"width": 390, "height": 844}}
A_LIST = f"/cases?verdict=breached&due_from={date.today() - timedelta(days=45)}"  # noqa: DTZ011 - any day will do
PICTURES = {
    "board-today": ("/", LIGHT_ZH),
    "board-today-en": ("/", DARK_EN),
    "board-today-phone": ("/", PHONE),
    "board-case": (A_LIST, LIGHT_ZH),
    "board-performance": ("/performance", LIGHT_ZH),
    "board-calendar": ("/calendar", LIGHT_ZH),
}
COLOURS, MOST_HEIGHT = 96, 1500
YEAR_SECONDS, POLL_SECONDS = 90.0, 0.5


async def take(base: str) -> None:
    """Take every picture, none of them taller than a screen and a half."""
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(
            executable_path="/usr/bin/chromium", args=["--no-sandbox"]
        )
        for name, (path, options) in PICTURES.items():
            page = await (await browser.new_context(**options)).new_page()
            await page.goto(f"{base}{path}")
            if path == A_LIST:
                await page.locator("tbody a").first.click()
            shot = await page.screenshot(full_page=True)
            image = Image.open(io.BytesIO(shot)).convert("RGB")
            image = image.crop((0, 0, image.width, min(MOST_HEIGHT, image.height)))
            small = image.quantize(COLOURS, dither=Image.Dither.NONE)
            small.save(HERE / f"{name}.png", optimize=True)
            print(name, (HERE / f"{name}.png").stat().st_size // 1024, "kB")
        await browser.close()


def main() -> None:
    """Run a demo of its own and take the pictures."""
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder) / "log"
        command = [sys.executable, "-m", "rebate_monitor", "demo", "--port", "0"]
        with log.open("w") as out:
            demo = subprocess.Popen(command, cwd=folder, stdout=out, stderr=out)
        try:
            while not (found := ADDRESS.search(log.read_text())):
                if demo.poll() is not None:
                    sys.exit(log.read_text())
                time.sleep(POLL_SECONDS)
            time.sleep(YEAR_SECONDS)
            asyncio.run(take(found[1]))
        finally:
            demo.terminate()
            demo.wait()


if __name__ == "__main__":
    main()
