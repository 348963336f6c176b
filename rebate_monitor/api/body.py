"""Read the bodies of requests: bounded in bytes by aiohttp, in time here."""

import asyncio
from collections.abc import AsyncIterator

from aiohttp import web

from rebate_monitor.api.problems import TooSlowProblem, UnreadableProblem

BODY_SECONDS = 60.0
"""In which a body has to be there, and of a stream the next piece."""
UNREADABLE = "the body broke off, or is not encoded as its Content-Encoding says"


async def read_body(request: web.Request) -> bytes:
    """Read a whole body, which aiohttp bounds; raise UnreadableProblem or TooSlowProblem."""
    try:
        async with asyncio.timeout(BODY_SECONDS):
            return await request.read()
    except TimeoutError:
        raise _too_slow("the body was not there") from None
    except web.RequestPayloadError as error:
        raise UnreadableProblem(UNREADABLE) from error


async def pieces(request: web.Request) -> AsyncIterator[bytes]:
    """Yield a body as it comes, however long it takes in all; raise TooSlowProblem."""
    coming = request.content.iter_any()
    while True:
        try:
            async with asyncio.timeout(BODY_SECONDS):
                piece = await anext(coming, None)
        except TimeoutError:
            raise _too_slow("nothing more of the stream came") from None
        if piece is None:
            return
        yield piece


def _too_slow(what: str) -> TooSlowProblem:
    return TooSlowProblem(f"{what} within {BODY_SECONDS:.0f} seconds")
