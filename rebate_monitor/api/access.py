"""Who may do what: bearer keys and their scopes."""

import base64
import hmac
from urllib.parse import urlsplit

from aiohttp import web

from rebate_monitor.api.problems import ForbiddenProblem, ThrottledProblem, UnauthorizedProblem
from rebate_monitor.api.service import SERVICE, Service
from rebate_monitor.api.session import secret_of
from rebate_monitor.proxy import Person
from rebate_monitor.storage.audit import Through
from rebate_monitor.storage.keys import Principal, Scope, key_digest
from rebate_monitor.storage.sessions import key_of_session

ADMIN = Principal(name="REBATE_ADMIN_KEY", scopes=frozenset(Scope))
ANONYMOUS = Principal(
    name="anonymous", scopes=frozenset({Scope.CASES_READ}), through=Through.NOBODY
)
NO_KEY = (
    "send a key as `Authorization: Bearer KEY`; "
    "an administrator makes one with `rebate-monitor keys create`"
)
SAFE_METHODS = ("GET", "HEAD")
NOTHING_GRANTED = "the proxy has let you in, but no [[proxy.grant]] names you or your groups"
OF_ALL_OFFICES = (
    "this is said of all offices, and the key is bound to some: it reads their cases and alerts"
)
FOR_ALL_OFFICES = "this is done for all offices, and the key is bound to some"
SAID_TWICE = "the proxy says twice who you are; it must take off what it receives and say it once"


async def require(request: web.Request, scope: Scope, *, by_office: bool = False) -> Principal:
    """Return who asks; raise UnauthorizedProblem, ForbiddenProblem or DatabaseAwayError.

    A key that is bound to offices gets only what is answered `by_office`, for its own offices or
    alike for all: what is said of the whole province, or done for it, is not for it.
    """
    principal = await _principal(request, scope)
    if not principal.may(scope) and principal is ANONYMOUS:
        raise UnauthorizedProblem(NO_KEY)
    if not principal.may(scope):
        raise ForbiddenProblem(f"this needs a key with the scope {scope}")
    if principal.bounds.offices and not by_office:
        _refuse_bound(scope)
    return principal


def client_address(request: web.Request) -> str:
    """Return where a request came from, seen through the proxies in front."""
    forwarded = request.headers.getall("X-Forwarded-For", [])
    return request.app[SERVICE].proxy.client_address(request.remote or "", forwarded)


def _refuse_bound(scope: Scope) -> None:
    """Refuse what is of all offices; events are held against a key's bounds one by one."""
    if scope is Scope.CASES_READ:
        raise ForbiddenProblem(OF_ALL_OFFICES)
    if scope is Scope.ADMIN:
        raise ForbiddenProblem(FOR_ALL_OFFICES)


def asks_for_a_page(request: web.Request) -> bool:
    """Say whether a person looks with a browser: it names HTML, which no program here does."""
    return request.method == "GET" and "text/html" in request.headers.get("Accept", "")


async def _principal(request: web.Request, scope: Scope) -> Principal:
    service = request.app[SERVICE]
    is_browser = asks_for_a_page(request)
    key = _told_key(request)
    if key is None and (person := _person(request, service)):
        return person.principal(scope)
    if key is None and (signed_in := await _signed_in(request, service)):
        return signed_in
    if key is None and service.settings.anonymous_read and "Authorization" not in request.headers:
        return ANONYMOUS
    if key is None:
        raise UnauthorizedProblem(NO_KEY, is_browser=is_browser)
    principal = await owner_of_key(request, key)
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


def _person(request: web.Request, service: Service) -> Person | None:
    """Return whom a proxy has let in."""
    person = service.proxy.person(request.remote or "", request.headers)
    if person is None:
        return None
    if len(request.headers.getall(service.proxy.user_header or "")) > 1:
        raise ForbiddenProblem(SAID_TWICE)
    if not person.grants:
        raise ForbiddenProblem(NOTHING_GRANTED)
    refuse_from_elsewhere(request)
    return person


async def _signed_in(request: web.Request, service: Service) -> Principal | None:
    """Return whose key a browser has signed in with, as long as the key counts."""
    secret = None if "Authorization" in request.headers else secret_of(request)
    if secret is None:
        return None
    async with service.database.connection() as connection:
        digest = await key_of_session(connection, secret, service.now())
    owner = await _owner_of(service, digest) if digest is not None else None
    if owner is not None:
        refuse_from_elsewhere(request)
    return owner


def refuse_from_elsewhere(request: web.Request) -> None:
    """Refuse to change anything because of another site's page; raise ForbiddenProblem.

    A browser sends the cookie of a session, and what a proxy knows people by, with every form.
    """
    if request.method not in SAFE_METHODS and _is_from_elsewhere(request):
        raise ForbiddenProblem("this comes from another site's page; nothing was changed")


def _is_from_elsewhere(request: web.Request) -> bool:
    site, origin = (request.headers.get(name) for name in ("Sec-Fetch-Site", "Origin"))
    if site is not None:
        return site not in {"same-origin", "none"}
    return origin is not None and urlsplit(origin).netloc != request.host


async def owner_of_key(request: web.Request, key: str) -> Principal | None:
    """Return whom a key belongs to; raise ThrottledProblem where too many wrong ones came."""
    service = request.app[SERVICE]
    throttle, digest, address = service.throttle, key_digest(key), client_address(request)
    if seconds := throttle.seconds_to_wait(address, digest):
        raise ThrottledProblem(seconds)
    owner = await _owner_of(service, digest)
    if owner is None:
        throttle.note_wrong(address, digest)
    else:
        throttle.note_right(digest)
    return owner


async def _owner_of(service: Service, digest: bytes) -> Principal | None:
    admin_key = service.settings.admin_key
    if admin_key and hmac.compare_digest(digest, key_digest(admin_key)):
        return ADMIN
    return await service.keyring.owner_of(digest)
