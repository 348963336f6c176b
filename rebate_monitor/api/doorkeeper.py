"""Close connections that nobody uses: those that never get a request together, and too many.

aiohttp closes a connection that rests after a request; one that never sends any it lets wait.
"""

import time
from collections.abc import Callable, Sequence

import structlog
from aiohttp import web
from aiohttp.web_protocol import RequestHandler

LOOK_EVERY_SECONDS = 1.0
FIRST_REQUEST_SECONDS = 30.0
KEEPALIVE_SECONDS = 75.0
MOST_CONNECTIONS = 2_000

Connection = RequestHandler
log = structlog.get_logger()


class Doorkeeper:
    """Knows since when connections are there, and which of them have ever sent a request."""

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._since: dict[Connection, float] = {}
        self._used: set[Connection] = set()

    def note_request(self, request: web.Request) -> None:
        """Note that a connection has got a request together."""
        self._used.add(request.protocol)

    def look(self, connections: Sequence[Connection]) -> int:
        """Close what never sent a request in its time, and the oldest of too many; say how many."""
        now = self._now()
        since = {one: self._since.get(one, now) for one in connections}
        self._since = since
        self._used.intersection_update(since)
        silent = sorted((one for one in since if one not in self._used), key=since.__getitem__)
        late = [one for one in silent if now - since[one] >= FIRST_REQUEST_SECONDS]
        too_many = silent[: max(0, len(since) - MOST_CONNECTIONS)]
        closed = set(late) | set(too_many)
        for one in closed:
            one.force_close()
            if one.transport is not None:
                one.transport.abort()
        if closed:
            log.warning("connections.closed", silent=len(closed), left=len(since) - len(closed))
        return len(closed)


DOORKEEPER = web.AppKey("DOORKEEPER", Doorkeeper)
