"""Who may do what: bearer keys and their scopes."""

import base64
import hmac

from aiohttp import web

from rebate_monitor.api.problems import ForbiddenProblem, UnauthorizedProblem
from rebate_monitor.api.service import SERVICE, Service
from rebate_monitor.storage.keys import Principal, Scope

ADMIN = Principal(name="REBATE_ADMIN_KEY", scopes=frozenset(Scope))
ANONYMOUS = Principal(name="anonymous", scopes=frozenset({Scope.CASES_READ}))
NO_KEY = (
    "send a key as `Authorization: Bearer KEY`; "
    "an administrator makes one with `rebate-monitor keys create`"
)
OF_ALL_OFFICES = (
    "this is said of all offices, and the key is bound to some: it reads their cases and alerts"
)


async def require(request: web.Request, scope: Scope, *, by_office: bool = False) -> Principal:
    """Return who asks; raise UnauthorizedProblem, ForbiddenProblem or DatabaseAwayError.

    A key that is bound to offices gets only what is answered `by_office`, for its own offices: what
    is said of the whole province is not for it.
    """
    principal = await _principal(request)
    if not principal.may(scope) and principal is ANONYMOUS:
        raise UnauthorizedProblem(NO_KEY)
    if not principal.may(scope):
        raise ForbiddenProblem(f"this needs a key with the scope {scope}")
    if scope is Scope.CASES_READ and not by_office and principal.bounds.offices:
        raise ForbiddenProblem(OF_ALL_OFFICES)
    return principal


def asks_for_a_page(request: web.Request) -> bool:
    """Say whether a person looks with a browser: it names HTML, which no program here does."""
    return request.method == "GET" and "text/html" in request.headers.get("Accept", "")


async def _principal(request: web.Request) -> Principal:
    service = request.app[SERVICE]
    is_browser = asks_for_a_page(request)
    key = _told_key(request)
    if key is None and service.settings.anonymous_read and "Authorization" not in request.headers:
        return ANONYMOUS
    if key is None:
        raise UnauthorizedProblem(NO_KEY, is_browser=is_browser)
    principal = await _known(service, key)
    if principal is None:
        said = "this key is not known here, was revoked, or has expired"
        raise UnauthorizedProblem(said, is_browser=is_browser)
    return principal


def _told_key(request: web.Request) -> str | None:
    """Return the key that was sent, as a bearer token or, by a browser, as a password.

    A browser sends a password by itself, also for a form on somebody else's page: so it is taken
    only for reading.
    """
    method, _, told = request.headers.get("Authorization", "").partition(" ")
    if method.lower() == "bearer":
        return told.strip() or None
    if method.lower() == "basic" and request.method == "GET":
        return _password(told.strip())
    return None


def _password(credentials: str) -> str | None:
    try:
        _, _, password = base64.b64decode(credentials, validate=True).decode().partition(":")
    except ValueError:
        return None
    return password.strip() or None


async def _known(service: Service, key: str) -> Principal | None:
    admin_key = service.settings.admin_key
    told = key.encode("utf-8", "surrogatepass")
    if admin_key and hmac.compare_digest(told, admin_key.encode()):
        return ADMIN
    return await service.keyring.owner(key)
