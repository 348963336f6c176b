"""The cookie of a browser that has signed in: no script reads it, no other site's form uses it."""

from aiohttp import web

from rebate_monitor.api.service import SERVICE
from rebate_monitor.storage.sessions import SESSION_LASTS

PLAIN_NAME, SECURE_NAME = "rebate_session", "__Host-rebate_session"
"""The prefix makes a browser take the cookie over TLS alone, and from no neighbouring host."""


def is_secure(request: web.Request) -> bool:
    """Say whether the browser speaks TLS: with this service, or with a proxy that is believed."""
    behind_tls = request.headers.get("X-Forwarded-Proto", "").strip().lower() == "https"
    proxy = request.app[SERVICE].proxy
    return request.secure or (behind_tls and proxy.is_proxy(request.remote or ""))


def secret_of(request: web.Request) -> str | None:
    """Return the secret of the session that a browser sends."""
    return request.cookies.get(_name(request)) or None


def hand_over(request: web.Request, response: web.StreamResponse, secret: str) -> None:
    """Give the browser the secret of its session."""
    response.set_cookie(
        _name(request),
        secret,
        max_age=int(SESSION_LASTS.total_seconds()),
        path="/",
        secure=is_secure(request),
        httponly=True,
        samesite="Lax",  # Strict would ask whoever follows a link in a message to sign in again
    )


def take_back(request: web.Request, response: web.StreamResponse) -> None:
    """Let the browser forget its session."""
    response.del_cookie(
        _name(request), path="/", secure=is_secure(request), httponly=True, samesite="Lax"
    )


def _name(request: web.Request) -> str:
    return SECURE_NAME if is_secure(request) else PLAIN_NAME
