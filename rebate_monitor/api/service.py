"""What every handler works with, composed once by whoever starts the service."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime

from aiohttp import web

from rebate_monitor.alerting.loops import Alerting
from rebate_monitor.api.keyring import Keyring
from rebate_monitor.api.recorder import Recorder
from rebate_monitor.api.throttle import Throttle
from rebate_monitor.domain.local_time import local_date
from rebate_monitor.ingest.intake import Intake
from rebate_monitor.ingest.writer import Writer
from rebate_monitor.metrics import Metrics
from rebate_monitor.places import Places
from rebate_monitor.proxy import Proxy
from rebate_monitor.settings import Settings
from rebate_monitor.storage.database import Database
from rebate_monitor.storage.rules import Rules
from rebate_monitor.tls import Certificate


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """The service's parts; `now` is its only clock and carries an offset.

    `shown_key` is a key that pages show to whoever looks: the demo's, on this machine only.
    """

    settings: Settings
    database: Database
    rules: Rules
    places: Places
    writer: Writer
    intake: Intake
    keyring: Keyring
    recorder: Recorder
    throttle: Throttle
    proxy: Proxy
    metrics: Metrics
    alerting: Alerting
    now: Callable[[], datetime]
    certificate: Certificate | None = None
    shown_key: str | None = None

    def today(self) -> date:
        """Return today's date in Asia/Shanghai."""
        return local_date(self.now())


SERVICE = web.AppKey("SERVICE", Service)
