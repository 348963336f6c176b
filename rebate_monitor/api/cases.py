"""GET /v1/cases and /v1/cases/{case_id}: every answer is folded from the stored events."""

import asyncio
import base64
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from http import HTTPStatus
from urllib.parse import quote, urlencode

import msgspec
from aiohttp import web

from rebate_monitor.api.access import asks_for_a_page, require
from rebate_monitor.api.audit import record
from rebate_monitor.api.parameters import (
    a_city,
    a_date,
    a_number,
    allow_only,
    an_instant,
    an_office,
    one_of,
    parameter,
    utc_instant,
)
from rebate_monitor.api.problems import InvalidProblem, NotFoundProblem
from rebate_monitor.api.service import SERVICE, Service
from rebate_monitor.api.views import (
    CaseSummaryView,
    CasesView,
    HistoryView,
    case_summary_view,
    case_view,
    encode,
    explanation_view,
    history_view,
)
from rebate_monitor.catalogue import Language
from rebate_monitor.domain.assessment import Verdict
from rebate_monitor.domain.bounds import Bounds
from rebate_monitor.domain.case import Case, Status, happened_by
from rebate_monitor.domain.event import CaseEvent, Category
from rebate_monitor.domain.known_then import KnownRules, Receipt, history, received_by, rules_at
from rebate_monitor.domain.rulebook import Rulebook
from rebate_monitor.domain.tally import UNKNOWN_CATEGORY
from rebate_monitor.explaining.explain import Explanation
from rebate_monitor.storage.audit import Action
from rebate_monitor.storage.case_events import events_of_cases, receipts_of_case
from rebate_monitor.storage.case_rows import stored_cases
from rebate_monitor.storage.database import Connection
from rebate_monitor.storage.keys import Principal, Scope
from rebate_monitor.storage.listing import CaseFilter, Place, list_case_ids
from rebate_monitor.storage.rulebooks import known_rules

DEFAULT_LIMIT, MAX_LIMIT = 50, 500
FILTERS = ("status", "verdict", "category", "city", "office", "due_from", "due_before")
NOTHING_RECEIVED = "no event of this case has been received"


async def get_case(request: web.Request) -> web.Response:
    """Answer one case, as of now, of `?at=`, or as known at `?known_at=`."""
    principal = await require(request, Scope.CASES_READ, by_office=True)
    allow_only(request, ["at", "known_at"])
    asked = await asked_case(request, principal)
    sensitive = principal.may(Scope.SENSITIVE_READ)
    await record(request, principal, Action.CASE_READ, asked.case.case_id)
    view = case_view(asked.case, asked.rulebook, asked.moment, sensitive=sensitive)
    return web.Response(body=encode(view), content_type="application/json")


async def get_explanation(request: web.Request) -> web.Response:
    """Answer one case's count taken apart by day, in Chinese or English; people get its page."""
    if asks_for_a_page(request):
        return _to_its_page(request)
    principal = await require(request, Scope.CASES_READ, by_office=True)
    allow_only(request, ["at", "known_at", "lang"])
    language = Language(parameter(request, "lang", one_of(*Language)) or Language.ZH)
    asked = await asked_case(request, principal)
    told = asked.explained(language, sensitive=principal.may(Scope.SENSITIVE_READ))
    await record(request, principal, Action.CASE_EXPLAINED, asked.case.case_id)
    return web.Response(body=encode(explanation_view(told)), content_type="application/json")


def _to_its_page(request: web.Request) -> web.Response:
    """Send a browser to the page of the case, as of the same moment and in the same language."""
    address = f"/cases/{quote(request.match_info['case_id'], safe='')}"
    query = f"?{urlencode(request.query)}" if request.query else ""
    return web.Response(status=HTTPStatus.SEE_OTHER, headers={"Location": address + query})


async def get_history(request: web.Request) -> web.Response:
    """Answer how the belief about a case changed, when that became known, and why."""
    principal = await require(request, Scope.CASES_READ, by_office=True)
    allow_only(request, [])
    service, case_id = request.app[SERVICE], request.match_info["case_id"]
    knowledge = await _knowledge(service, case_id, principal.bounds)
    view = await knowledge.history(case_id, service.now())
    await record(request, principal, Action.CASE_HISTORY_READ, case_id)
    return web.Response(body=encode(view), content_type="application/json")


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A case as it is asked for: what it folds to, the rules, and the moment of judging."""

    case: Case
    rulebook: Rulebook
    moment: datetime

    def explained(self, language: Language, *, sensitive: bool) -> Explanation:
        """Explain it in a language; confidential reasons are named where `sensitive`."""
        return Explanation(
            case=self.case,
            rulebook=self.rulebook,
            now=self.moment,
            language=language,
            sensitive=sensitive,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Knowledge:
    """What came of a case and when, and the rules up to those that its row goes by."""

    receipts: Sequence[Receipt]
    known: Sequence[KnownRules]

    def by(self, known_at: datetime) -> tuple[Sequence[CaseEvent], Rulebook]:
        """Return what had arrived by a moment, and the rules of then; raise NotFoundProblem."""
        events = received_by(self.receipts, known_at)
        if not events:
            raise NotFoundProblem("no event of this case had been received by then")
        return events, rules_at(self.known, known_at)

    def by_now(self) -> tuple[Sequence[CaseEvent], Rulebook]:
        """Return all that has arrived, and the rules that the row goes by."""
        return [told.event for told in self.receipts], self.known[-1].rulebook

    async def history(self, case_id: str, now: datetime) -> HistoryView:
        """Tell how the belief about the case changed."""
        # A case can have very many events, and each is a fold of its own: not on the event loop.
        told = await asyncio.to_thread(history, case_id, self.receipts, self.known, now)
        return history_view(case_id, told, self.known)


async def asked_case(request: web.Request, principal: Principal) -> Asked:
    """Fold the case of the path from what had happened, or was known, by the moments asked for."""
    service, case_id = request.app[SERVICE], request.match_info["case_id"]
    known_at = _instant_in_calendar(request, "known_at")
    if known_at is None:
        events, rulebook = await _as_stored(service, case_id, principal.bounds)
    else:
        knowledge = await _knowledge(service, case_id, principal.bounds)
        events, rulebook = knowledge.by(known_at)
    return _asked(request, events, rulebook)


async def asked_case_with_knowledge(
    request: web.Request, principal: Principal
) -> tuple[Asked, Knowledge]:
    """Fold the case of the path as `asked_case` does, and tell what came of it and when."""
    service, case_id = request.app[SERVICE], request.match_info["case_id"]
    known_at = _instant_in_calendar(request, "known_at")
    knowledge = await _knowledge(service, case_id, principal.bounds)
    events, rulebook = knowledge.by(known_at) if known_at else knowledge.by_now()
    return _asked(request, events, rulebook), knowledge


def _asked(request: web.Request, events: Sequence[CaseEvent], rulebook: Rulebook) -> Asked:
    at, known_at = (_instant_in_calendar(request, name) for name in ("at", "known_at"))
    case = rulebook.fold(request.match_info["case_id"], happened_by(events, at) if at else events)
    moment = at or known_at or request.app[SERVICE].now()
    return Asked(case=case, rulebook=rulebook, moment=moment)


async def _as_stored(
    service: Service, case_id: str, bounds: Bounds
) -> tuple[Sequence[CaseEvent], Rulebook]:
    """Read the events of a case, and the rules that its row goes by."""
    async with _reading(service, case_id) as connection:
        stored = await events_of_cases(connection, [case_id])
        rows = await stored_cases(connection, [case_id])
        in_force = await service.rules.in_force(connection)
    if not stored or not bounds.hold_office(rows[case_id].office):
        raise NotFoundProblem(NOTHING_RECEIVED)
    return [known.event for known in stored[case_id]], in_force.of_row(rows[case_id].rules)


async def _knowledge(service: Service, case_id: str, bounds: Bounds) -> Knowledge:
    """Read what came of a case and when, and the rules up to those that its row goes by.

    Later ones judge it once its turn has come: till then it is told as it was everywhere.
    """
    async with _reading(service, case_id) as connection:
        receipts = await receipts_of_case(connection, case_id)
        rows = await stored_cases(connection, [case_id])
        in_force = await service.rules.in_force(connection)
        known = await known_rules(connection, service.rules.own)
    if not receipts or not bounds.hold_office(rows[case_id].office):
        raise NotFoundProblem(NOTHING_RECEIVED)
    latest = max(rows[case_id].rules or 0, in_force.settled)
    return Knowledge(receipts=receipts, known=[rules for rules in known if rules.number <= latest])


@asynccontextmanager
async def _reading(service: Service, case_id: str) -> AsyncIterator[Connection]:
    """Lend one moment of the database; PostgreSQL takes no U+0000, and no case has one."""
    if "\x00" in case_id:
        raise NotFoundProblem(NOTHING_RECEIVED)
    async with service.database.transaction(snapshot=True) as connection:
        yield connection


def _instant_in_calendar(request: web.Request, name: str) -> datetime | None:
    calendar = request.app[SERVICE].rules.calendar
    at = parameter(request, name, an_instant)
    if at is not None and not calendar.covers(at):
        raise InvalidProblem(f"{name}: must lie from {calendar.first} to {calendar.last}")
    return at


async def list_cases(request: web.Request) -> web.Response:
    """Answer a page of cases, most urgent first."""
    principal = await require(request, Scope.CASES_READ, by_office=True)
    allow_only(
        request,
        [*FILTERS, "limit", "cursor"],
    )
    view = await asked_cases(request, principal)
    return web.Response(body=encode(view), content_type="application/json")


async def asked_cases(request: web.Request, principal: Principal) -> CasesView:
    """Read the page of cases that the parameters ask for, and record who has."""
    limit = parameter(request, "limit", a_number(1, MAX_LIMIT)) or DEFAULT_LIMIT
    after = parameter(request, "cursor", _place)
    sensitive = principal.may(Scope.SENSITIVE_READ)
    wanted = _filter(request, principal.bounds)
    view = await _page(request.app[SERVICE], wanted, after, limit, sensitive=sensitive)
    listed = f"{len(view.cases)} cases"
    await record(request, principal, Action.CASES_LISTED, request.query_string, listed)
    return view


def _filter(request: web.Request, bounds: Bounds) -> CaseFilter:
    return CaseFilter(
        status=parameter(request, "status", one_of(*Status)),
        verdict=parameter(request, "verdict", one_of(*Verdict)),
        category=parameter(request, "category", one_of(*Category, UNKNOWN_CATEGORY)),
        city=parameter(request, "city", a_city),
        office=parameter(request, "office", an_office),
        due_from=parameter(request, "due_from", a_date),
        due_before=parameter(request, "due_before", a_date),
        bounds=bounds,
    )


async def _page(
    service: Service, wanted: CaseFilter, after: Place | None, limit: int, *, sensitive: bool
) -> CasesView:
    """Read one page and one event more, which tells whether there is another page."""
    now = service.now()
    async with service.database.transaction(snapshot=True) as connection:
        places = await list_case_ids(connection, wanted, now, after, limit + 1)
        shown = places[:limit]
        stored = await events_of_cases(connection, [place.case_id for place in shown])
        in_force = await service.rules.in_force(connection)
    cases: list[CaseSummaryView] = []
    for place in shown:
        events = [known.event for known in stored[place.case_id]]
        rulebook = in_force.of_row(place.rules)
        case = rulebook.fold(place.case_id, events)
        cases.append(case_summary_view(case, rulebook, now, sensitive=sensitive))
    more = len(places) > limit
    return CasesView(cases=cases, next=_cursor(shown) if more else None)


def _cursor(shown: Sequence[Place]) -> str:
    last = shown[-1]
    return base64.urlsafe_b64encode(msgspec.json.encode([last.urgent_at, last.case_id])).decode()


def _place(cursor: str) -> Place:
    try:
        urgent_at, case_id = msgspec.json.decode(
            base64.urlsafe_b64decode(cursor.encode("ascii")), type=tuple[str, str]
        )
        if urgent_at != "infinity":
            urgent_at = utc_instant(urgent_at).isoformat()
        if "\x00" in case_id:
            raise ValueError  # noqa: TRY301 - one answer for every kind of wrong cursor
    except (ValueError, msgspec.DecodeError):
        raise ValueError("must be the `next` of an earlier page") from None
    return Place(urgent_at=urgent_at, case_id=case_id)
