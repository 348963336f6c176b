"""GET /v1/quarantine and POST /v1/quarantine/replay: refused events, kept whole."""

import base64
from datetime import datetime

import msgspec
from aiohttp import web

from rebate_monitor.api.access import require
from rebate_monitor.api.audit import deed_of, record
from rebate_monitor.api.body import read_body
from rebate_monitor.api.parameters import a_number, allow_only, parameter, utc_instant
from rebate_monitor.api.problems import (
    InvalidProblem,
    NotJsonProblem,
    UnsupportedMediaTypeProblem,
)
from rebate_monitor.api.service import SERVICE
from rebate_monitor.api.views import (
    DroppedView,
    DropTold,
    QuarantinedView,
    QuarantineView,
    encode,
    report_view,
)
from rebate_monitor.domain.local_time import SHANGHAI
from rebate_monitor.ingest.replay import replay_quarantine
from rebate_monitor.storage.audit import Action
from rebate_monitor.storage.keys import Scope
from rebate_monitor.storage.quarantine import Quarantined, drop_quarantined, list_quarantine

DEFAULT_LIMIT, MAX_LIMIT = 50, 500
JSON = "application/json"
DROP = '{"digests": ["…"], "reason": "…"}, digests as GET /v1/quarantine tells them'


async def get_quarantine(request: web.Request) -> web.Response:
    """Answer a page of refused events, the latest first."""
    principal = await require(request, Scope.ADMIN)
    allow_only(request, ["limit", "cursor"])
    limit = parameter(request, "limit", a_number(1, MAX_LIMIT)) or DEFAULT_LIMIT
    after = parameter(request, "cursor", _place)
    async with request.app[SERVICE].database.connection() as connection:
        kept = await list_quarantine(connection, limit + 1, after)
    shown, sensitive = kept[:limit], principal.may(Scope.SENSITIVE_READ)
    if sensitive and shown:
        listed = f"{len(shown)} events"
        await record(request, principal, Action.QUARANTINE_READ, "quarantine", listed)
    view = QuarantineView(
        events=[quarantined_view(event, sensitive=sensitive) for event in shown],
        next=_cursor(shown[-1]) if len(kept) > limit else None,
    )
    return web.Response(body=encode(view), content_type="application/json")


async def post_replay(request: web.Request) -> web.Response:
    """Decide every refused event anew; what is taken leaves the quarantine."""
    principal = await require(request, Scope.ADMIN)
    allow_only(request, [])
    service = request.app[SERVICE]
    await record(request, principal, Action.QUARANTINE_REPLAYED, "quarantine")
    report = await replay_quarantine(service.writer, service.places, now=service.now())
    return web.Response(body=encode(report_view(report)), content_type="application/json")


async def post_drop(request: web.Request) -> web.Response:
    """Drop refused events for a reason, which is recorded with each of them."""
    principal = await require(request, Scope.ADMIN)
    allow_only(request, [])
    told = await _told_drop(request)
    service, deed = request.app[SERVICE], deed_of(request, principal)
    async with service.database.transaction() as connection:
        dropped = await drop_quarantined(connection, told.digests, told.reason, deed)
    view = DroppedView(dropped=dropped)
    return web.Response(body=encode(view), content_type="application/json")


async def _told_drop(request: web.Request) -> DropTold:
    body = await read_body(request)
    if request.content_type != JSON:
        raise UnsupportedMediaTypeProblem(f"send {JSON}: {DROP}")
    try:
        told = msgspec.json.decode(body, type=DropTold)
    except msgspec.ValidationError as error:
        raise InvalidProblem(f"{error}; the body is {DROP}") from None
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise NotJsonProblem("the body must be a JSON object, encoded in UTF-8") from None
    if not told.reason.strip() or not told.reason.isprintable():
        raise InvalidProblem("reason: must say in 1 to 500 characters on one line why")
    return told


def quarantined_view(event: Quarantined, *, sensitive: bool) -> QuarantinedView:
    """Lay a kept event out; what was sent may be confidential, so it needs `sensitive:read`."""
    return QuarantinedView(
        digest=event.digest.hex(),
        reason=event.refused.reason,
        body=event.refused.body.decode("utf-8", "replace") if sensitive else None,
        case_id=event.refused.case_id,
        source=event.refused.source,
        id=event.refused.id,
        received_from=event.received_from,
        times=event.times,
        first_seen_at=event.first_seen_at.astimezone(SHANGHAI),
        last_seen_at=event.last_seen_at.astimezone(SHANGHAI),
    )


def _cursor(event: Quarantined) -> str:
    place = [event.last_seen_at.isoformat(), event.digest.hex()]
    return base64.urlsafe_b64encode(msgspec.json.encode(place)).decode()


def _place(cursor: str) -> tuple[datetime, bytes]:
    try:
        seen, digest = msgspec.json.decode(
            base64.urlsafe_b64decode(cursor.encode("ascii")), type=tuple[str, str]
        )
        return utc_instant(seen), bytes.fromhex(digest)
    except (ValueError, msgspec.DecodeError):
        raise ValueError("must be the `next` of an earlier page") from None
