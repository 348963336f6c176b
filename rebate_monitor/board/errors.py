"""Errors as pages for people: what went wrong, and what to do about it."""

from collections.abc import Awaitable, Callable
from urllib.parse import urlencode

import structlog
from aiohttp import web

from rebate_monitor.api.access import asks_for_a_page
from rebate_monitor.api.problems import (
    NO_SUCH_ADDRESS,
    ProblemError,
    UnauthorizedProblem,
    UnavailableProblem,
)
from rebate_monitor.board.address import see_other
from rebate_monitor.board.form import FORM
from rebate_monitor.board.frame import page, visit
from rebate_monitor.storage.database import DatabaseAwayError

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
FOR_PROGRAMS = ("/v1/", "/metrics", "/healthz", "/readyz", "/openapi.json", "/static/")
HELPED = ("403", "404", "405", "409", "413", "422", "429", "500", "503")

log = structlog.get_logger()


@web.middleware
async def explain_to_people(  # noqa: PLR0911 - the table from error to page
    request: web.Request, handler: Handler
) -> web.StreamResponse:
    """Answer errors of pages with pages; whoever is not known yet is asked to sign in."""
    if not _is_for_people(request):
        return await handler(request)
    try:
        return await handler(request)
    except UnauthorizedProblem:
        return see_other(f"/sign-in?{urlencode({'next': visit(request).here})}")
    except ProblemError as problem:
        return error_page(request, problem)
    except DatabaseAwayError as error:
        log.warning("database.away", cause=str(error))
        return error_page(request, UnavailableProblem("the database is away"), "away")
    except web.HTTPException as error:
        return error_page(request, _of_http(error))
    except ConnectionResetError:
        raise
    except Exception:
        log.exception("page.failed")
        return error_page(request, ProblemError())


def _is_for_people(request: web.Request) -> bool:
    if request.path.startswith(FOR_PROGRAMS):
        return False
    return asks_for_a_page(request) or (request.method == "POST" and request.content_type == FORM)


def _of_http(error: web.HTTPException) -> ProblemError:
    allowed = {name: told for name, told in error.headers.items() if name.lower() == "allow"}
    problem = ProblemError(NO_SUCH_ADDRESS, allowed)
    problem.status = error.status
    return problem


def error_page(
    request: web.Request, problem: ProblemError, phrase: str | None = None
) -> web.Response:
    """Lay a problem out as a page, in the words for its status unless others are named."""
    known = str(problem.status) if str(problem.status) in HELPED else "other"
    values = {"problem": problem, "known": phrase or known}
    response = page(visit(request), "error.html.jinja", values, problem.status)
    response.headers.update(problem.headers)
    return response
