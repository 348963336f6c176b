"""/healthz, /readyz, /metrics and /openapi.json."""

import msgspec
from aiohttp import web

from rebate_monitor.api.openapi import openapi_document
from rebate_monitor.api.service import SERVICE, Service
from rebate_monitor.api.views import HealthView, encode
from rebate_monitor.metrics import FiguresCollector, windows
from rebate_monitor.storage.database import DatabaseAwayError
from rebate_monitor.storage.figures import read_snapshot
from rebate_monitor.storage.migrations import MigrationError, missing_migrations

OK = "ok"


async def get_health(_request: web.Request) -> web.Response:
    """Answer that the process lives."""
    return web.Response(body=encode(HealthView(status=OK)), content_type="application/json")


async def get_readiness(request: web.Request) -> web.Response:
    """Answer whether the database is reachable and migrated; 503 when it is not."""
    service = request.app[SERVICE]
    checks = {"database": await _database_check(service), "sweep": _sweep_check(service)}
    ready = all(state == OK for state in checks.values())
    view = HealthView(status=OK if ready else "unavailable", checks=checks)
    return web.Response(
        status=200 if ready else 503, body=encode(view), content_type="application/json"
    )


async def _database_check(service: Service) -> str:
    try:
        async with service.database.connection() as connection:
            missing = await missing_migrations(connection)
    except DatabaseAwayError as error:
        return f"away: {error}"
    except MigrationError as error:
        return str(error)
    return f"run `rebate-monitor migrate`: {missing[0].name} is missing" if missing else OK


def _sweep_check(service: Service) -> str:
    return OK if service.alerting.sweeper.is_alive else "the sweep of alerts stands still"


async def get_metrics(request: web.Request) -> web.Response:
    """Answer all metrics; while the database is away only those of the process."""
    service = request.app[SERVICE]
    figures: FiguresCollector | None = None
    now, today = service.now(), service.today()
    try:
        snapshot = await read_snapshot(service.database, service.rules, windows(today), today)
        figures = FiguresCollector(snapshot=snapshot, places=service.places, now=now)
    except DatabaseAwayError:
        figures = None  # old figures would look like new ones
    body, content_type = await service.metrics.render(figures, request.headers.get("Accept", ""))
    return web.Response(body=body, headers={"Content-Type": content_type})


async def get_openapi(_request: web.Request) -> web.Response:
    """Answer the OpenAPI document."""
    body = msgspec.json.encode(openapi_document())
    return web.Response(body=body, content_type="application/json")
