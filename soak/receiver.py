"""Where notices go: a webhook that breaks now and then, and counts what it took."""

import json
from collections import Counter
from dataclasses import dataclass, field

from aiohttp import web

BREAKS_EACH = 7
"""Each so many tries the receiver is broken and answers 500."""


@dataclass
class Receiver:
    """Keeps what was told: by notification, so that a repetition counts once."""

    tries: int = 0
    told: dict[str, list[str]] = field(default_factory=dict)

    def app(self) -> web.Application:
        """Return its web application."""
        made = web.Application(client_max_size=2**26)
        made.router.add_post("/hook", self._hook)
        return made

    async def _hook(self, request: web.Request) -> web.Response:
        self.tries += 1
        if self.tries % BREAKS_EACH == 0:
            return web.Response(status=500)
        body = json.loads(await request.read())
        cases = body.get("cases", ())
        self.told[request.headers["X-Notification-Id"]] = [case["alert_id"] for case in cases]
        return web.Response()

    def times_told(self) -> Counter[str]:
        """Return how often each alert was told."""
        return Counter(alert_id for told in self.told.values() for alert_id in told)
