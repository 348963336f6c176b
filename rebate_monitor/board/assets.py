"""The style sheet and the script of the pages, served by the service itself."""

import hashlib
from functools import cache
from importlib import resources

from aiohttp import web

from rebate_monitor.api.problems import NotFoundProblem

TYPES = {"board.css": "text/css", "board.js": "text/javascript", "icon.svg": "image/svg+xml"}
FOREVER = "public, max-age=31536000, immutable"
DIGITS = 12


async def get_asset(request: web.Request) -> web.Response:
    """Answer a file of the pages; its address changes with what it holds."""
    name = request.match_info["name"]
    if name not in TYPES:
        raise NotFoundProblem("there is no such file")
    return web.Response(
        body=_content(name),
        content_type=TYPES[name],
        charset="utf-8",
        headers={"Cache-Control": FOREVER},
    )


@cache
def address(name: str) -> str:
    """Return where a file is served."""
    return f"/static/{name}?v={hashlib.sha256(_content(name)).hexdigest()[:DIGITS]}"


@cache
def _content(name: str) -> bytes:
    return (resources.files("rebate_monitor") / "board" / "static" / name).read_bytes()
