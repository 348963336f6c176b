"""Reads that fold many cases: a few at once, and none for a client that has left.

Each keeps a database connection and much of the event loop for seconds. Without a bound a handful
of them would keep producers and probes waiting.
"""

import asyncio
from collections.abc import Awaitable
from contextlib import suppress
from typing import TypeVar

from aiohttp import web

from rebate_monitor.api.problems import UnavailableProblem

MOST_AT_ONCE = 2
LOOK_SECONDS = 0.5

T = TypeVar("T")


class HeavyReads:
    """Lets a few heavy reads run; whoever comes beyond them is told to come again."""

    def __init__(self, most: int = MOST_AT_ONCE) -> None:
        self._free = most

    async def answer(self, request: web.Request, work: Awaitable[T]) -> T:
        """Do heavy work for a request; raise UnavailableProblem when enough others run.

        The work is given up when its client has left: then nobody would read the answer.
        """
        task = asyncio.ensure_future(work)
        if self._free <= 0:
            task.cancel()
            raise UnavailableProblem("enough such requests are running; send the same again")
        self._free -= 1
        try:
            while not task.done():
                await asyncio.wait((task,), timeout=LOOK_SECONDS)
                _check_is_wanted(request)
            return task.result()
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await asyncio.gather(task, return_exceptions=True)
            self._free += 1


def _check_is_wanted(request: web.Request) -> None:
    if request.transport is None or request.transport.is_closing():
        raise ConnectionResetError


HEAVY = web.AppKey("HEAVY", HeavyReads)
