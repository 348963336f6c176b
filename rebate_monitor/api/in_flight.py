"""Requests that have begun, so that a stop can wait for their answers.

aiohttp's own shutdown drops what still arrives of a body, and with it the request; so the service
stops listening first, waits here, and only then lets aiohttp close the connections.
"""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from aiohttp import web


class InFlight:
    """Counts the requests that have begun and are not answered."""

    def __init__(self) -> None:
        self._count = 0
        self._none = asyncio.Event()
        self._none.set()
        self.is_draining = False

    @contextmanager
    def request(self) -> Iterator[None]:
        """Count a request while it is being answered."""
        self._count += 1
        self._none.clear()
        try:
            yield
        finally:
            self._count -= 1
            if not self._count:
                self._none.set()

    async def drain(self, seconds: float) -> None:
        """Wait until every request is answered, at most this long; later answers close."""
        self.is_draining = True
        with suppress(TimeoutError):
            await asyncio.wait_for(self._none.wait(), seconds)


IN_FLIGHT = web.AppKey("IN_FLIGHT", InFlight)
