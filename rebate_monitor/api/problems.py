"""Errors as RFC 9457 problem details; one table from error to answer."""

from collections.abc import Mapping
from typing import Any

import msgspec
from aiohttp import web

PROBLEM_JSON = "application/problem+json"
RETRY_AFTER_SECONDS = "5"


class ProblemError(Exception):
    """An answer other than success; `detail` tells the caller what to change."""

    status = 500
    kind = "internal-error"
    title = "Something went wrong here"

    def __init__(
        self, detail: str = "", headers: Mapping[str, str] | None = None, **members: object
    ) -> None:
        super().__init__(detail)
        self.detail, self.headers, self.members = detail, dict(headers or {}), members


class NotJsonProblem(ProblemError):
    """The body is not JSON."""

    status, kind, title = 400, "not-json", "The body is not JSON"


class UnreadableProblem(ProblemError):
    """The body broke off, or is not encoded as its headers say."""

    status, kind, title = 400, "unreadable", "The body cannot be read"


class UnauthorizedProblem(ProblemError):
    """No key, or one that is not known; a browser is told to ask its user for one."""

    status, kind, title = 401, "unauthorized", "A valid key is needed"

    def __init__(self, detail: str, *, is_browser: bool = False) -> None:
        challenge = 'Bearer realm="rebate_monitor"'
        if is_browser:
            challenge = 'Basic realm="rebate_monitor: key as password", charset="UTF-8"'
        super().__init__(detail, {"WWW-Authenticate": challenge})


class ForbiddenProblem(ProblemError):
    """The key lacks a scope."""

    status, kind, title = 403, "forbidden", "The key may not do this"


class NotFoundProblem(ProblemError):
    """There is no such thing."""

    status, kind, title = 404, "not-found", "Not found"


class TooSlowProblem(ProblemError):
    """The body did not come in time."""

    status, kind, title = 408, "too-slow", "The request came too slowly"

    def __init__(self, detail: str, **members: object) -> None:
        super().__init__(detail, {"Connection": "close"}, **members)


class ConflictProblem(ProblemError):
    """The event is known with other content."""

    status, kind, title = 409, "conflict", "The event is known with other content"


class ContradictionProblem(ProblemError):
    """The request contradicts what is known; nothing was changed."""

    status, kind, title = 409, "contradiction", "The request contradicts what is known"


class ObjectionsProblem(ProblemError):
    """A notice is probably not what it should be; nothing was changed, unless somebody insists."""

    status, kind, title = 409, "objections", "Something speaks against the notice"


class TooLargeProblem(ProblemError):
    """The body or batch is too large."""

    status, kind, title = 413, "too-large", "The request is too large"


class UnsupportedMediaTypeProblem(ProblemError):
    """The content type is none of ours."""

    status, kind, title = 415, "unsupported-media-type", "The content type is not supported"


class InvalidProblem(ProblemError):
    """An event or a parameter breaks a rule."""

    status, kind, title = 422, "invalid", "The request breaks a rule"


class NoticeProblem(ProblemError):
    """A notice of the work calendar is not what it should be; `problems` has all that is wrong."""

    status, kind, title = 422, "notice", "The notice breaks a rule"


class ThrottledProblem(ProblemError):
    """Too many wrong keys have come from one address."""

    status, kind, title = 429, "too-many-wrong-keys", "Too many wrong keys"

    def __init__(self, seconds: int) -> None:
        said = f"too many wrong keys have come from your address; try again in {seconds} seconds"
        super().__init__(said, {"Retry-After": str(seconds)})


class UnavailableProblem(ProblemError):
    """The database is away; the same request will work later."""

    status, kind, title = 503, "unavailable", "The service cannot answer now"

    def __init__(self, detail: str, **members: object) -> None:
        super().__init__(detail, {"Retry-After": RETRY_AFTER_SECONDS}, **members)


def problem_response(problem: ProblemError) -> web.Response:
    """Lay a problem out as application/problem+json."""
    body: dict[str, Any] = {
        "type": f"urn:rebate-monitor:problem:{problem.kind}",
        "title": problem.title,
        "status": problem.status,
        "detail": problem.detail,
        **problem.members,
    }
    return web.Response(
        status=problem.status,
        body=msgspec.json.encode(body),
        content_type=PROBLEM_JSON,
        headers=problem.headers,
    )


NO_SUCH_ADDRESS = "there is nothing at this address; /openapi.json lists what there is"


def http_problem(error: web.HTTPException) -> web.Response:
    """Turn aiohttp's own refusals into problems, keeping headers such as Allow."""
    kind = error.reason.lower().replace(" ", "-")
    problem = ProblemError(
        NO_SUCH_ADDRESS if error.status == NotFoundProblem.status else error.text or error.reason,
        {k: v for k, v in error.headers.items() if k.lower() != "content-type"},
    )
    problem.status, problem.kind, problem.title = error.status, kind, error.reason
    return problem_response(problem)
