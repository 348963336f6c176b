"""The headers that every answer has."""

from aiohttp import web

SECURITY_HEADERS = {
    "Server": "rebate_monitor",  # aiohttp tells its version and Python's
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Cross-Origin-Resource-Policy": "same-origin",
}
UNLESS_TOLD = {"Cache-Control": "no-store", "Referrer-Policy": "no-referrer"}
STAY_WITH_TLS = "max-age=31536000"
NOTHING_FROM_ELSEWHERE = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'"


def add_headers(response: web.StreamResponse, *, is_secure: bool) -> None:
    """Add them to an answer, over TLS also the one that makes browsers stay with it."""
    response.headers.update(SECURITY_HEADERS)
    for name, told in UNLESS_TOLD.items():
        response.headers.setdefault(name, told)
    response.headers.setdefault("Content-Security-Policy", NOTHING_FROM_ELSEWHERE)
    if is_secure:
        response.headers["Strict-Transport-Security"] = STAY_WITH_TLS


async def prepare(request: web.Request, response: web.StreamResponse) -> None:
    """Add them to whatever is about to be sent, also where no middleware comes by."""
    add_headers(response, is_secure=request.secure)
