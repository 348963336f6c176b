"""The service with notice channels to real receivers, driven by hand on a clock that tests move."""

from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from aiohttp.test_utils import TestClient, TestServer

from cloud_events import BATCH, Json
from conftest import ADMIN_KEY, Client, FixedClock
from rebate_monitor.alerting.channels.http import open_session
from rebate_monitor.alerting.notifier import Notifier
from rebate_monitor.api.service import Service
from rebate_monitor.domain.local_time import SHANGHAI
from rebate_monitor.server import application, compose
from rebate_monitor.settings import Settings
from rebate_monitor.storage.database import Database
from rebate_monitor.storage.outbox import channel_outlook
from receivers import Receiver


def at(text: str) -> datetime:
    """Return an instant in Asia/Shanghai, of 2026 unless its year is told."""
    told = text if text.startswith("20") else f"2026-{text}"
    return datetime.fromisoformat(told).replace(tzinfo=SHANGHAI)


@dataclass
class Office:
    """A replica with its channels, a client of it, and the receiver of its first webhook."""

    client: Client
    service: Service
    clock: FixedClock
    receiver: Receiver
    notifiers: list[Notifier]

    async def post(self, *events: Json) -> None:
        """Post events as soon as the last of them has happened."""
        last = max(datetime.fromisoformat(told["time"]) for told in events)
        self.clock.instant = max(self.clock.instant, last)
        async with self.client.post("/v1/events", json=events, headers=BATCH) as response:
            assert response.status == 200, await response.text()

    async def sweep(self, until: str) -> None:
        """Move the clock and raise what is due."""
        self.clock.instant = at(until)
        await self.service.alerting.sweeper.sweep()

    async def pass_time(self, until: str) -> None:
        """Move the clock and let every loop do its work until there is nothing left to do."""
        await self.sweep(until)
        for notifier in self.notifiers:
            await notifier.tick()  # sees that alerts have come,
            await notifier.tick()  # that no more come, and tells of them
            while self.receiver.status == 200 and await self._has_mail(notifier):
                self.clock.instant += timedelta(minutes=1) / notifier.channel.per_minute
                await notifier.tick()

    async def _has_mail(self, notifier: Notifier) -> bool:
        async with self.service.database.connection() as connection:
            name = notifier.channel.name
            outlook = await channel_outlook(connection, name, self.clock())
        return outlook is not None and outlook.has_mail

    async def alerts(self, **wanted: str) -> list[Any]:
        """Return a page of alerts, the latest first."""
        async with self.client.get("/v1/alerts", params=wanted) as response:
            assert response.status == 200, await response.text()
            return list((await response.json())["alerts"])

    async def kinds(self, **wanted: str) -> list[str]:
        """Return the kinds of alerts, the earliest first."""
        return [alert["kind"] for alert in reversed(await self.alerts(**wanted))]


async def open_office(
    stack: AsyncExitStack, database: Database, clock: FixedClock, receiver: Receiver, config: Path
) -> Office:
    """Open a replica under a configuration file; its channels are known from now on."""
    service = compose(Settings(admin_key=ADMIN_KEY, config=config), database, clock)
    headers = {"Authorization": f"Bearer {ADMIN_KEY}"}
    server = TestServer(application(service))
    client = await stack.enter_async_context(TestClient(server, headers=headers))
    session = await stack.enter_async_context(open_session())
    alerting = service.alerting
    notifiers = [alerting.notifier(channel, session) for channel in alerting.settings.channels]
    for notifier in notifiers:
        await notifier.tick()
    return Office(client, service, clock, receiver, notifiers)
