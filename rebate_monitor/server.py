"""Compose the service and run it until it is told to stop."""

import asyncio
import gc
import signal
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime
from typing import Any

import structlog
from aiohttp import web

from rebate_monitor.alerting.channels.http import open_session
from rebate_monitor.alerting.configuration import (
    AlertSettings,
    ConfigurationError,
    alert_settings,
)
from rebate_monitor.alerting.loops import Alerting
from rebate_monitor.alerting.sweep import Sweeper
from rebate_monitor.api.app import build_app
from rebate_monitor.api.doorkeeper import DOORKEEPER, KEEPALIVE_SECONDS
from rebate_monitor.api.doorkeeper import LOOK_EVERY_SECONDS as LOOK_AT_DOOR_SECONDS
from rebate_monitor.api.in_flight import IN_FLIGHT
from rebate_monitor.api.keyring import Keyring
from rebate_monitor.api.protocol import Runner
from rebate_monitor.api.recorder import Recorder
from rebate_monitor.api.service import Service
from rebate_monitor.api.throttle import Throttle
from rebate_monitor.board.routes import add_board
from rebate_monitor.calendar_sources import work_calendar
from rebate_monitor.domain.policy import OverlappingPoliciesError
from rebate_monitor.domain.rulebook import Rulebook
from rebate_monitor.ingest.intake import Intake
from rebate_monitor.ingest.recompute import Recomputer
from rebate_monitor.ingest.writer import Writer
from rebate_monitor.metrics import Metrics
from rebate_monitor.places import Places, PlacesError, places
from rebate_monitor.policy_file import PolicyFileError, policy_book, read_config
from rebate_monitor.proxy import Proxy, ProxyError
from rebate_monitor.proxy import configured_proxy as proxy_of
from rebate_monitor.retention import Retention, RetentionError, retention
from rebate_monitor.settings import Settings
from rebate_monitor.storage.database import Database
from rebate_monitor.storage.foresight import FORESEE_EVERY, look_ahead
from rebate_monitor.storage.lookups import Lookups
from rebate_monitor.storage.rules import Rules
from rebate_monitor.storage.tallies import compact
from rebate_monitor.supervisor import again, every
from rebate_monitor.tls import LOOK_EVERY_SECONDS as LOOK_AT_CERTIFICATE_SECONDS
from rebate_monitor.tls import Certificate

COMPACT_EVERY_SECONDS = 2.0
RECOMPUTE_EVERY_SECONDS = 1.0
# Together below the ten seconds after which a container is killed.
DRAIN_SECONDS, CLOSE_SECONDS = 7.0, 1.0

log = structlog.get_logger()


def utc_now() -> datetime:
    """Return the real time: the only clock of the service."""
    return datetime.now(UTC)


def rulebook(settings: Settings) -> Rulebook:
    """Build the rules from the packaged policies, the configuration and the calendar."""
    config = _config(settings)
    try:
        policies = policy_book(config)
    except PolicyFileError as error:
        raise error.within(settings.config) from error
    return Rulebook(policies=policies, calendar=work_calendar())


def rules_of(settings: Settings) -> Rules:
    """Return the rules as the database has them, or these settings where it has none yet."""
    return Rules(rulebook(settings))


def _config(settings: Settings) -> dict[str, Any]:
    return read_config(settings.config) if settings.config else {}


def configured_places(settings: Settings) -> Places:
    """Return the cities and offices by name; raise PlacesError, which names the file."""
    config = _config(settings)
    try:
        return places(config)
    except PlacesError as error:
        raise error.within(settings.config) from error


def configured_alerts(settings: Settings) -> AlertSettings:
    """Return who is told of named cases; raise ConfigurationError, which names the file."""
    config, known = _config(settings), configured_places(settings)
    try:
        return alert_settings(config, known)
    except ConfigurationError as error:
        raise ConfigurationError(f"{settings.config}: {error}") from error


def configured_proxy(settings: Settings) -> Proxy:
    """Return whom a reverse proxy may let in; raise ProxyError, which names the file."""
    try:
        widen = configured_places(settings).widen
        return proxy_of(settings.proxy_addresses, _config(settings), widen)
    except ProxyError as error:
        raise ProxyError(f"{settings.config}: {error}") from error


def told_certificate(settings: Settings) -> Certificate | None:
    """Return the certificate that TLS is spoken with; raise CertificateError."""
    if settings.tls_certificate is None or settings.tls_key is None:
        return None
    return Certificate(settings.tls_certificate, settings.tls_key)


def configured_retention(settings: Settings) -> Retention | None:
    """Return for how long identities are kept, None for good; raise RetentionError."""
    try:
        return retention(_config(settings))
    except RetentionError as error:
        raise error.within(settings.config) from error


def compose(
    settings: Settings,
    database: Database,
    now: Callable[[], datetime] = utc_now,
    alerts: AlertSettings | None = None,
) -> Service:
    """Put the parts of the service together; `alerts` stand in for the configured ones."""
    rules, metrics, known = rules_of(settings), Metrics(), configured_places(settings)
    told = alerts or configured_alerts(settings)
    configured_retention(settings)  # what is wrong is said at the start, not years later
    sweeper = Sweeper(database, now, told.enforce_from)
    alerting = Alerting(
        database=database,
        rules=rules,
        places=known,
        settings=told,
        sweeper=sweeper,
        now=now,
    )
    writer = Writer(
        database=database,
        rules=rules,
        max_ahead=settings.max_ahead,
        observe_commit=metrics.commit_seconds.observe,
        wake=sweeper.wake,
        clock=now,
    )
    return Service(
        settings=settings,
        database=database,
        rules=rules,
        places=known,
        alerting=alerting,
        writer=writer,
        intake=Intake(writer),
        keyring=Keyring(database, known),
        recorder=Recorder(database),
        throttle=Throttle(),
        proxy=configured_proxy(settings),
        certificate=told_certificate(settings),
        metrics=metrics,
        now=now,
    )


def application(service: Service) -> web.Application:
    """Build the application: the API and the pages."""
    app = build_app(service)
    add_board(app)
    return app


@asynccontextmanager
async def listening(service: Service) -> AsyncIterator[int]:
    """Listen for requests and yield the port; at the end answer what has begun, then close."""
    app = application(service)
    runner = Runner(
        app,
        access_log=None,
        shutdown_timeout=CLOSE_SECONDS,
        handle_signals=False,
        keepalive_timeout=KEEPALIVE_SECONDS,
    )
    await runner.setup()
    stop, certificate = asyncio.Event(), service.certificate
    context = certificate.context if certificate else None
    beside = [asyncio.create_task(keeping_the_door(app, runner, stop))]
    if certificate:
        beside.append(asyncio.create_task(renewing(certificate, stop)))
    try:
        settings = service.settings
        site = web.TCPSite(runner, settings.host, settings.port, ssl_context=context)
        await site.start()
        yield runner.addresses[0][1]
    finally:
        stop.set()
        for task in beside:
            task.cancel()
        for listener in runner.sites:
            await listener.stop()
        await app[IN_FLIGHT].drain(DRAIN_SECONDS)
        await runner.cleanup()


async def keeping_the_door(
    app: web.Application, runner: web.AppRunner, stop: asyncio.Event
) -> None:
    """Close connections that nobody uses, again and again."""
    while not stop.is_set():
        await asyncio.sleep(LOOK_AT_DOOR_SECONDS)
        if runner.server is not None:
            app[DOORKEEPER].look(runner.server.connections)


async def renewing(certificate: Certificate, stop: asyncio.Event) -> None:
    """Take a renewed certificate, again and again."""
    while not stop.is_set():
        await asyncio.sleep(LOOK_AT_CERTIFICATE_SECONDS)
        certificate.renew()


Loop = Coroutine[Any, Any, None]


async def run(
    service: Service,
    stop: asyncio.Event,
    started: Callable[[int], None],
    beside: Callable[[int], Iterable[Loop]] = lambda _port: (),
) -> None:
    """Serve until `stop` is set; `started` is told the port, and so is who adds loops `beside`."""
    collect_seldom()
    async with open_session() as session, AsyncExitStack() as open_doors:
        port = await open_doors.enter_async_context(listening(service))
        own = (
            publishing(service, port),
            compacting(service, stop),
            foreseeing(service, stop),
            recomputing(service, stop),
            *service.alerting.loops(session, stop),
        )
        async with asyncio.TaskGroup() as group:
            loops = [group.create_task(loop) for loop in (*own, *beside(port))]
            log.info("service.started", host=service.settings.host, port=port)
            started(port)
            try:
                await stop.wait()
                log.info("service.draining")
            finally:
                await open_doors.aclose()  # before the loops end: they may be slow, a client not
            for loop in loops:
                loop.cancel()


def collect_seldom() -> None:
    """Search for cycles among what a batch leaves, not after each 700 objects and among all else.

    It took a tenth of the time of ingest (docs/performance.md).
    """
    gc.freeze()
    gc.set_threshold(50_000, 20, 100)


def compacting(service: Service, stop: asyncio.Event) -> Loop:
    """Return the loop that keeps the tallies compact."""
    return every(
        COMPACT_EVERY_SECONDS,
        lambda: compact(service.database, service.now()),
        "compaction",
        stop,
    )


def foreseeing(service: Service, stop: asyncio.Event) -> Loop:
    """Return the loop that foresees the month's end for the metrics."""
    return every(
        FORESEE_EVERY.total_seconds(),
        lambda: look_ahead(service.database, service.rules, service.now()),
        "foresight",
        stop,
    )


def recomputing(service: Service, stop: asyncio.Event) -> Loop:
    """Return the loop that lays cases down anew after the rules have changed."""
    recomputer = Recomputer(database=service.database, rules=service.rules, clock=service.now)
    return every(RECOMPUTE_EVERY_SECONDS, recomputer.work, "recompute", stop)


async def publishing(service: Service, port: int) -> None:
    """Publish the rules and the names that this process comes with, once the database is there."""
    link = service.alerting.settings.link or f"http://localhost:{port}"
    lookups, published = Lookups(service.places, link), asyncio.Event()

    async def publish() -> None:
        await _bring_rules(service)
        if await lookups.publish(service.database):
            log.info("lookups.published")
        published.set()

    await again(publish, published.wait, "lookups", published)


async def _bring_rules(service: Service) -> None:
    """Publish the rules of this process; where they contradict what was applied, go on."""
    try:
        turned = await service.rules.bring(service.database, service.now)
    except OverlappingPoliciesError as error:
        log.error("rules.contradict", problems=error.problems)  # noqa: TRY400 - no fault of ours
        return
    if turned is not None:
        log.info("rules.published", rules=turned.number, recompute=turned.recompute)


def stop_on_signals() -> asyncio.Event:
    """Return an event that SIGTERM and SIGINT set."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    return stop
