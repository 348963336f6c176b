"""GET /v1/alerts, POST /v1/alerts/{id}/ack and GET /v1/supervision: alerts of named cases."""

import base64
import re
from collections.abc import Mapping, Sequence

import msgspec
import structlog
from aiohttp import web
from asyncpg import Record

from rebate_monitor.api.access import ANONYMOUS, NO_KEY, require
from rebate_monitor.api.body import read_body
from rebate_monitor.api.parameters import (
    a_city,
    a_name,
    a_number,
    a_utc_instant,
    allow_only,
    an_office,
    one_of,
    parameter,
)
from rebate_monitor.api.problems import (
    ContradictionProblem,
    InvalidProblem,
    NotFoundProblem,
    NotJsonProblem,
    UnauthorizedProblem,
    UnsupportedMediaTypeProblem,
)
from rebate_monitor.api.service import SERVICE, Service
from rebate_monitor.api.views import (
    AcknowledgementTold,
    AlertsView,
    AlertView,
    BroughtView,
    CauseView,
    SupervisedOfficeView,
    SupervisionView,
    brought_view,
    encode,
    local,
    local_or_none,
)
from rebate_monitor.domain.alert import AlertKind, Resolution
from rebate_monitor.domain.bounds import Bounds
from rebate_monitor.domain.event import Category
from rebate_monitor.domain.known_then import RulesPart
from rebate_monitor.domain.local_time import local_date
from rebate_monitor.domain.rule_turns import turn_behind
from rebate_monitor.ingest.wire import MAX_NAME
from rebate_monitor.storage.alerts import (
    Acknowledgement,
    AlertFilter,
    AlertGoneError,
    AlreadyAcknowledgedError,
    AlreadyResolvedError,
    acknowledge,
    list_alerts,
    supervised_offices,
)
from rebate_monitor.storage.causes import Cause, decode_cause
from rebate_monitor.storage.database import Connection
from rebate_monitor.storage.keys import Principal, Scope
from rebate_monitor.storage.rulebooks import known_rules

DEFAULT_LIMIT, MAX_LIMIT = 50, 500
HIGHEST_LEVEL = 99
JSON = "application/json"
ALERT_ID = re.compile(r"[0-9a-f]{24}")
NO_SUCH_ALERT = "there is no alert of this id; GET /v1/alerts lists them"
STATES = ("open", "resolved")
FILTERS = ("state", "kind", "level", "city", "office", "case_id", "since", "acknowledged")
CAUSES = ("cause", "resolved_cause")
WHO = "must name a person in 1 to 100 characters on one line"
ACKNOWLEDGEMENT = (
    'the body is {"who": "…", "note": "…"} and nothing else: who, the key\'s name unless told, is '
    "text of 1 to 100 characters, note is text of at most 1000"
)

log = structlog.get_logger()


async def get_alerts(request: web.Request) -> web.Response:
    """Answer a page of alerts, the latest first."""
    principal = await require(request, Scope.CASES_READ, by_office=True)
    allow_only(request, [*FILTERS, "limit", "cursor"])
    view = await asked_alerts(request, principal, parameter(request, "state", one_of(*STATES)))
    return web.Response(body=encode(view), content_type=JSON)


async def asked_alerts(request: web.Request, principal: Principal, state: str | None) -> AlertsView:
    """Read the page of alerts that the other parameters ask for, in a state or in any."""
    limit = parameter(request, "limit", a_number(1, MAX_LIMIT)) or DEFAULT_LIMIT
    before = parameter(request, "cursor", _place)
    wanted = _filter(request, principal.bounds, state)
    async with request.app[SERVICE].database.transaction(snapshot=True) as connection:
        rows = await list_alerts(connection, wanted, before, limit + 1)
        brought = await _brought(connection, rows, request.app[SERVICE])
    shown = rows[:limit]
    more = len(rows) > limit
    return AlertsView(
        alerts=[_alert_view(row, brought) for row in shown],
        next=_cursor(shown[-1]["seq"]) if more else None,
    )


def _filter(request: web.Request, bounds: Bounds, state: str | None) -> AlertFilter:
    acknowledged = parameter(request, "acknowledged", one_of("true", "false"))
    return AlertFilter(
        state=state,
        kind=parameter(request, "kind", one_of(*AlertKind)),
        level=parameter(request, "level", a_number(0, HIGHEST_LEVEL)),
        city=parameter(request, "city", a_city),
        office=parameter(request, "office", an_office),
        case_id=parameter(request, "case_id", a_name(MAX_NAME)),
        since=parameter(request, "since", a_utc_instant),
        acknowledged=None if acknowledged is None else acknowledged == "true",
        bounds=bounds,
    )


async def _brought(
    connection: Connection, rows: Sequence[Record], service: Service
) -> Mapping[Cause, BroughtView]:
    """Read what brought the rules by which alerts were raised or resolved, where any were."""
    causes = {decode_cause(row[name]) for row in rows for name in CAUSES if row[name]}
    by_rules = [cause for cause in causes if cause.rules is not None]
    if not by_rules:
        return {}
    known = await known_rules(connection, service.rules.own)
    turns = {
        cause: turn_behind(known, RulesPart(cause.because), through=cause.rules)
        for cause in by_rules
    }
    return {cause: brought_view(turn) for cause, turn in turns.items() if turn}


def _alert_view(row: Record, brought: Mapping[Cause, BroughtView]) -> AlertView:
    category = row["category"]
    resolution = row["resolution"]
    return AlertView(
        id=row["alert_id"],
        case_id=row["case_id"],
        kind=AlertKind(row["kind"]),
        level=row["level"],
        policy_version=row["policy_version"],
        occurrence=row["occurrence"],
        city=row["city"],
        office=row["office"],
        category=Category(category) if category else None,
        whitelisted=row["whitelisted"],
        limit_workdays=row["limit_workdays"],
        due_date=row["due_date"],
        at=local(row["at"]),
        cause=_cause(row["cause"], brought),
        silent=row["silent"],
        told=row["told"] or [],
        raised_at=local(row["raised_at"]),
        resolved_at=local_or_none(row["resolved_at"]),
        resolution=Resolution(resolution) if resolution else None,
        resolved_cause=_cause(row["resolved_cause"], brought) if row["resolved_cause"] else None,
        undone_by=row["undone_by"],
        acknowledged=row["acknowledged_at"] is not None,
        acknowledged_at=local_or_none(row["acknowledged_at"]),
        acknowledged_by=row["acknowledged_by"],
        acknowledged_key=row["acknowledged_key"],
        note=row["note"],
    )


def _cause(stored: bytes, brought: Mapping[Cause, BroughtView]) -> CauseView:
    view = msgspec.json.decode(stored, type=CauseView)
    view.brought = brought.get(decode_cause(stored))
    return view


def _cursor(seq: int) -> str:
    return base64.urlsafe_b64encode(str(seq).encode()).decode()


def _place(cursor: str) -> int:
    try:
        return a_number(1, 10**9 - 1)(base64.urlsafe_b64decode(cursor.encode("ascii")).decode())
    except ValueError:
        raise ValueError("must be the `next` of an earlier page") from None


async def post_acknowledgement(request: web.Request) -> web.Response:
    """Keep who has taken an alert on; nobody is stepped up over them (DESIGN 7)."""
    principal, told_id = await who_acknowledges(request)
    allow_only(request, [])
    await take_on(request, principal, told_id, await _told(request))
    return web.Response(status=204)


async def who_acknowledges(request: web.Request) -> tuple[Principal, str]:
    """Return who takes an alert on, and which; raise UnauthorizedProblem or NotFoundProblem."""
    principal = await require(request, Scope.CASES_READ, by_office=True)
    if principal is ANONYMOUS:
        raise UnauthorizedProblem(NO_KEY)
    told_id = request.match_info["alert_id"]
    if not ALERT_ID.fullmatch(told_id):
        raise NotFoundProblem(NO_SUCH_ALERT)
    return principal, told_id


async def take_on(
    request: web.Request, principal: Principal, told_id: str, told: AcknowledgementTold
) -> None:
    """Keep an acknowledgement; raise InvalidProblem, NotFoundProblem or ContradictionProblem."""
    service = request.app[SERVICE]
    await _acknowledge(
        service, told_id, _acknowledgement(told, principal, service), principal.bounds
    )
    service.alerting.sweeper.wake()
    log.info("alert.acknowledged", alert_id=told_id, key=principal.name)


async def _told(request: web.Request) -> AcknowledgementTold:
    body = await read_body(request)
    if request.content_type != JSON:
        raise UnsupportedMediaTypeProblem(f'send {JSON}, such as {{"note": "…"}}')
    try:
        return msgspec.json.decode(body or b"{}", type=AcknowledgementTold)
    except msgspec.ValidationError:
        raise InvalidProblem(ACKNOWLEDGEMENT) from None
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise NotJsonProblem("the body must be a JSON object, encoded in UTF-8") from None


def _acknowledgement(
    told: AcknowledgementTold, principal: Principal, service: Service
) -> Acknowledgement:
    who = principal.name if told.who is None else told.who.strip()
    note = told.note.strip()
    if not who or not who.isprintable():
        raise InvalidProblem(f"who: {WHO}")
    if not all(sign.isprintable() or sign in "\n\t" for sign in note):
        raise InvalidProblem("note: must not hold control characters")
    return Acknowledgement(who=who, key=principal.name, note=note, at=service.now())


async def _acknowledge(
    service: Service, told_id: str, told: Acknowledgement, bounds: Bounds
) -> None:
    try:
        async with service.database.transaction() as connection:
            await acknowledge(connection, told_id, told, bounds)
    except AlertGoneError:
        raise NotFoundProblem(NO_SUCH_ALERT) from None
    except AlreadyAcknowledgedError as error:
        raise ContradictionProblem(f"{error} has acknowledged this alert before") from None
    except AlreadyResolvedError:
        raise ContradictionProblem("the alert is resolved, only open ones are taken on") from None


async def get_supervision(request: web.Request) -> web.Response:
    """Answer the offices with open alerts and how old their arrears are 督办."""
    principal = await require(request, Scope.CASES_READ, by_office=True)
    allow_only(request, ["city", "office"])
    view = await asked_supervision(request, principal)
    return web.Response(body=encode(view), content_type=JSON)


async def asked_supervision(request: web.Request, principal: Principal) -> SupervisionView:
    """Read the offices with open alerts, of the city or office that the parameters name."""
    service = request.app[SERVICE]
    city, office = parameter(request, "city", a_city), parameter(request, "office", an_office)
    async with service.database.transaction(snapshot=True) as connection:
        rows = await supervised_offices(connection, city, office, principal.bounds)
    return SupervisionView(offices=[_office_view(service, row) for row in rows])


def _office_view(service: Service, row: Record) -> SupervisedOfficeView:
    place = service.places.offices.get(row["office"] or "")
    oldest = row["oldest_breach_at"]
    calendar = service.rules.calendar
    age = 1 + calendar.workdays_between(local_date(oldest), service.today()) if oldest else None
    return SupervisedOfficeView(
        office=row["office"],
        name_zh=place.name_zh if place else None,
        name_en=place.name_en if place else None,
        city=row["city"],
        at_risk=row["at_risk"],
        breached=row["breached"],
        overdue=row["overdue"],
        acknowledged=row["acknowledged"],
        highest_level=row["highest_level"],
        oldest_breach_at=local_or_none(oldest),
        age_workdays=age,
    )
