"""Who may do what: bearer keys and their scopes."""

import hmac

from aiohttp import web

from rebate_monitor.api.problems import ForbiddenProblem, UnauthorizedProblem
from rebate_monitor.api.service import SERVICE, Service
from rebate_monitor.storage.keys import Principal, Scope, find_key

ADMIN = Principal(name="REBATE_ADMIN_KEY", scopes=frozenset(Scope))
ANONYMOUS = Principal(name="anonymous", scopes=frozenset({Scope.CASES_READ}))
NO_KEY = (
    "send a key as `Authorization: Bearer KEY`; "
    "an administrator makes one with `rebate-monitor keys create`"
)


async def require(request: web.Request, scope: Scope) -> Principal:
    """Return who asks; raise UnauthorizedProblem, ForbiddenProblem or DatabaseAwayError."""
    principal = await _principal(request)
    if not principal.may(scope) and principal is ANONYMOUS:
        raise UnauthorizedProblem(NO_KEY)
    if not principal.may(scope):
        raise ForbiddenProblem(f"this needs a key with the scope {scope}")
    return principal


async def _principal(request: web.Request) -> Principal:
    service = request.app[SERVICE]
    method, _, key = request.headers.get("Authorization", "").partition(" ")
    if not method:
        if service.settings.anonymous_read:
            return ANONYMOUS
        raise UnauthorizedProblem(NO_KEY)
    if method.lower() != "bearer" or not key.strip():
        raise UnauthorizedProblem(NO_KEY)
    principal = await _known(service, key.strip())
    if principal is None:
        raise UnauthorizedProblem("this key is not known here, or it was revoked")
    return principal


async def _known(service: Service, key: str) -> Principal | None:
    admin_key = service.settings.admin_key
    told = key.encode("utf-8", "surrogatepass")
    if admin_key and hmac.compare_digest(told, admin_key.encode()):
        return ADMIN
    async with service.database.connection() as connection:
        return await find_key(connection, key)
