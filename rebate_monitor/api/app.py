"""The aiohttp application: routes, and the middleware that measures, logs and explains errors."""

import time
from collections.abc import Awaitable, Callable

import structlog
from aiohttp import web

from rebate_monitor.api import (
    alerts,
    audit,
    calendar,
    cases,
    evaluation,
    events,
    figures,
    foresight,
    headers,
    months,
    operations,
    policies,
    quarantine,
    recompute,
    what_if,
)
from rebate_monitor.api.body import UNREADABLE
from rebate_monitor.api.doorkeeper import DOORKEEPER, Doorkeeper
from rebate_monitor.api.heavy import HEAVY, HeavyReads
from rebate_monitor.api.in_flight import IN_FLIGHT, InFlight
from rebate_monitor.api.problems import (
    ProblemError,
    TooLargeProblem,
    UnavailableProblem,
    UnreadableProblem,
    http_problem,
    problem_response,
)
from rebate_monitor.api.service import SERVICE, Service
from rebate_monitor.storage.database import DatabaseAwayError

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
UNROUTED = "unrouted"
CLIENT_LEFT = 499  # the client went away before there was an answer
PROBES = ("/healthz", "/readyz", "/metrics")

log = structlog.get_logger()


def build_app(service: Service) -> web.Application:
    """Build the application around a composed service."""
    app = web.Application(
        client_max_size=events.MAX_BODY_BYTES, middlewares=[observe, explain_errors]
    )
    app.on_response_prepare.append(headers.prepare)
    app[SERVICE] = service
    app[IN_FLIGHT] = InFlight()
    app[HEAVY] = HeavyReads()
    app[DOORKEEPER] = Doorkeeper()
    app.router.add_post("/v1/events", events.post_events)
    app.router.add_get("/v1/cases", cases.list_cases)
    app.router.add_get(r"/v1/cases/{case_id:[^/]+}", cases.get_case)
    app.router.add_get(r"/v1/cases/{case_id:[^/]+}/explanation", cases.get_explanation)
    app.router.add_get(r"/v1/cases/{case_id:[^/]+}/history", cases.get_history)
    app.router.add_get("/v1/performance", figures.get_performance)
    app.router.add_get("/v1/evaluation", evaluation.get_evaluation)
    app.router.add_get("/v1/months", months.get_months)
    app.router.add_get("/v1/months/{month}", months.get_month)
    app.router.add_post("/v1/what-if", what_if.post_what_if)
    app.router.add_get("/v1/foresight", foresight.get_foresight)
    app.router.add_get("/v1/calendar", calendar.get_calendar)
    app.router.add_put(r"/v1/calendar/{year:[^/]+}", calendar.put_year)
    app.router.add_get(r"/v1/calendar/{year:[^/]+}/versions", calendar.get_versions)
    app.router.add_get("/v1/policies", policies.get_policies)
    app.router.add_get(recompute.PATH, recompute.get_recompute)
    app.router.add_get("/v1/alerts", alerts.get_alerts)
    app.router.add_post("/v1/alerts/{alert_id}/ack", alerts.post_acknowledgement)
    app.router.add_get("/v1/supervision", alerts.get_supervision)
    app.router.add_get("/v1/quarantine", quarantine.get_quarantine)
    app.router.add_post("/v1/quarantine/replay", quarantine.post_replay)
    app.router.add_post("/v1/quarantine/drop", quarantine.post_drop)
    app.router.add_get("/v1/audit", audit.get_audit)
    app.router.add_get("/healthz", operations.get_health)
    app.router.add_get("/readyz", operations.get_readiness)
    app.router.add_get("/metrics", operations.get_metrics)
    app.router.add_get("/openapi.json", operations.get_openapi)
    return app


@web.middleware
async def observe(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Measure a request and write its one log line; a path may name a case, so only the route."""
    structlog.contextvars.clear_contextvars()  # one task serves all requests of a connection
    started = time.perf_counter()
    code = CLIENT_LEFT
    in_flight = request.app[IN_FLIGHT]
    request.app[DOORKEEPER].note_request(request)
    try:
        with in_flight.request():
            response = await handler(request)
        code = response.status
        if in_flight.is_draining:
            response.force_close()
        return response
    finally:
        seconds = time.perf_counter() - started
        route = _route(request)
        method = request.method if route != UNROUTED else "ANY"
        metrics = request.app[SERVICE].metrics
        metrics.http_seconds.labels(method, route, str(code)).observe(seconds)
        say = log.debug if route in PROBES else log.info
        say("request.answered", method=method, route=route, code=code, seconds=round(seconds, 6))


@web.middleware
async def explain_errors(  # noqa: PLR0911 - the table from error to answer
    request: web.Request, handler: Handler
) -> web.StreamResponse:
    """Turn every error into problem details."""
    try:
        return await handler(request)
    except ProblemError as problem:
        return problem_response(problem)
    except DatabaseAwayError as error:
        log.warning("database.away", cause=str(error))
        return problem_response(UnavailableProblem("the database is away; send the same again"))
    except ConnectionResetError:
        return web.Response(status=CLIENT_LEFT)  # nobody reads it; the log line says what happened
    except web.HTTPRequestEntityTooLarge:
        return problem_response(
            TooLargeProblem(f"a body has at most {events.MAX_BODY_BYTES} bytes")
        )
    except web.RequestPayloadError:
        return problem_response(UnreadableProblem(UNREADABLE))
    except web.HTTPException as error:
        return http_problem(error)
    except Exception:
        log.exception("request.failed", route=_route(request))
        return problem_response(ProblemError("this is a fault of the service; it is in its log"))


def _route(request: web.Request) -> str:
    """Return the route's template: paths themselves hold case ids."""
    resource = request.match_info.route.resource
    return resource.canonical if resource else UNROUTED
