"""GET /v1/quarantine and POST /v1/quarantine/replay: refused events, kept whole."""

import base64
from datetime import datetime

import msgspec
from aiohttp import web

from rebate_monitor.api.access import require
from rebate_monitor.api.parameters import a_number, allow_only, parameter, utc_instant
from rebate_monitor.api.service import SERVICE
from rebate_monitor.api.views import QuarantinedView, QuarantineView, encode, report_view
from rebate_monitor.domain.local_time import SHANGHAI
from rebate_monitor.ingest.replay import replay_quarantine
from rebate_monitor.storage.keys import Scope
from rebate_monitor.storage.quarantine import Quarantined, list_quarantine

DEFAULT_LIMIT, MAX_LIMIT = 50, 500


async def get_quarantine(request: web.Request) -> web.Response:
    """Answer a page of refused events, the latest first."""
    principal = await require(request, Scope.ADMIN)
    allow_only(request, ["limit", "cursor"])
    limit = parameter(request, "limit", a_number(1, MAX_LIMIT)) or DEFAULT_LIMIT
    after = parameter(request, "cursor", _place)
    async with request.app[SERVICE].database.connection() as connection:
        kept = await list_quarantine(connection, limit + 1, after)
    shown = kept[:limit]
    view = QuarantineView(
        events=[
            quarantined_view(event, sensitive=principal.may(Scope.SENSITIVE_READ))
            for event in shown
        ],
        next=_cursor(shown[-1]) if len(kept) > limit else None,
    )
    return web.Response(body=encode(view), content_type="application/json")


async def post_replay(request: web.Request) -> web.Response:
    """Decide every refused event anew; what is taken leaves the quarantine."""
    await require(request, Scope.ADMIN)
    allow_only(request, [])
    service = request.app[SERVICE]
    report = await replay_quarantine(service.writer, service.places, now=service.now())
    return web.Response(body=encode(report_view(report)), content_type="application/json")


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
