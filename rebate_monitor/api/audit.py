"""GET /v1/audit: who looked at which case, and who changed what."""

import base64

from aiohttp import web

from rebate_monitor.api.access import client_address, require
from rebate_monitor.api.parameters import (
    a_name,
    a_number,
    a_utc_instant,
    allow_only,
    one_of,
    parameter,
)
from rebate_monitor.api.service import SERVICE
from rebate_monitor.api.views import AuditRecordView, AuditView, encode, local
from rebate_monitor.ingest.wire import MAX_NAME
from rebate_monitor.storage.audit import (
    Action,
    AuditFilter,
    Deed,
    KeptRecord,
    list_records,
)
from rebate_monitor.storage.keys import Principal, Scope

DEFAULT_LIMIT, MAX_LIMIT = 50, 500
EVERYTHING = "everything"


async def record(
    request: web.Request, principal: Principal, action: Action, what: str, detail: str = ""
) -> None:
    """Record what is about to be answered; raise DatabaseAwayError where that cannot be."""
    deed = deed_of(request, principal)
    await request.app[SERVICE].recorder.keep(deed.record(action, what, detail))


def deed_of(request: web.Request, principal: Principal) -> Deed:
    """Say who asks for something, when, and from where."""
    return Deed(
        at=request.app[SERVICE].now(),
        who=principal.name,
        through=principal.through,
        address=client_address(request),
        key_id=principal.key_id,
    )


async def get_audit(request: web.Request) -> web.Response:
    """Answer a page of the audit record, the latest first; that is recorded, too."""
    principal = await require(request, Scope.ADMIN)
    allow_only(request, ["who", "action", "object", "since", "until", "limit", "cursor"])
    limit = parameter(request, "limit", a_number(1, MAX_LIMIT)) or DEFAULT_LIMIT
    before = parameter(request, "cursor", _place)
    action = parameter(request, "action", one_of(*Action))
    wanted = AuditFilter(
        who=parameter(request, "who", a_name(MAX_NAME)),
        action=Action(action) if action else None,
        object=parameter(request, "object", a_name(MAX_NAME)),
        since=parameter(request, "since", a_utc_instant),
        until=parameter(request, "until", a_utc_instant),
    )
    async with request.app[SERVICE].database.connection() as connection:
        found = await list_records(connection, wanted, before, limit + 1)
    await record(request, principal, Action.AUDIT_READ, wanted.object or EVERYTHING)
    shown = found[:limit]
    view = AuditView(
        records=[audit_record_view(kept) for kept in shown],
        next=_cursor(shown[-1]) if len(found) > limit else None,
    )
    return web.Response(body=encode(view), content_type="application/json")


def audit_record_view(kept: KeptRecord) -> AuditRecordView:
    """Lay a record out."""
    told = kept.record
    return AuditRecordView(
        at=local(told.deed.at),
        who=told.deed.who,
        through=told.deed.through,
        action=told.action,
        object=told.object,
        detail=told.detail,
        address=told.deed.address,
    )


def _cursor(kept: KeptRecord) -> str:
    return base64.urlsafe_b64encode(str(kept.seq).encode()).decode()


def _place(cursor: str) -> int:
    try:
        return a_number(1, 2**53)(base64.urlsafe_b64decode(cursor.encode("ascii")).decode())
    except ValueError:
        raise ValueError("must be the `next` of an earlier page") from None
