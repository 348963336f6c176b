"""/cases/{id}: one case, its days drawn, what happened, and the count explained in words."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from aiohttp import web

from rebate_monitor.api.access import require
from rebate_monitor.api.audit import record
from rebate_monitor.api.cases import asked_case_with_knowledge
from rebate_monitor.api.parameters import allow_only
from rebate_monitor.api.service import SERVICE
from rebate_monitor.api.views import case_view
from rebate_monitor.board.address import case_link
from rebate_monitor.board.case_calendar import case_calendar
from rebate_monitor.board.cases import workdays_left
from rebate_monitor.board.frame import page, visit
from rebate_monitor.board.language import language_of
from rebate_monitor.domain.case import standing_events
from rebate_monitor.domain.event import CaseEvent, Corrected, EventType, Suspended
from rebate_monitor.domain.known_then import Receipt
from rebate_monitor.domain.local_time import local_date
from rebate_monitor.explaining.explain import Explanation
from rebate_monitor.explaining.sentences import reason
from rebate_monitor.storage.audit import Action
from rebate_monitor.storage.keys import Scope

MOST_EVENTS, MOST_BELIEFS = 100, 50


async def get_case(request: web.Request) -> web.Response:
    """Answer the page of one case, as of now, of `?at=`, or as known at `?known_at=`."""
    principal = await require(request, Scope.CASES_READ, by_office=True)
    allow_only(request, ["at", "known_at"])
    asked, knowledge = await asked_case_with_knowledge(request, principal)
    case_id, now = asked.case.case_id, request.app[SERVICE].now()
    history = await knowledge.history(case_id, now)
    sensitive = principal.may(Scope.SENSITIVE_READ)
    told = asked.explained(language_of(request), sensitive=sensitive)
    await record(request, principal, Action.CASE_READ, case_id, "with explanation and history")
    case = case_view(asked.case, asked.rulebook, asked.moment, sensitive=sensitive)
    values = {
        "case": case,
        "told": told,
        "calendar": case_calendar(told),
        "events": list(_events(told, knowledge.receipts)),
        "omitted_events": max(0, len(knowledge.receipts) - MOST_EVENTS),
        "history": history.changes[-MOST_BELIEFS:],
        "omitted_beliefs": history.omitted + max(0, len(history.changes) - MOST_BELIEFS),
        "moment": asked.moment,
        "is_now": "at" not in request.query and "known_at" not in request.query,
        "link": case_link(case_id),
        "sensitive": sensitive,
        "left": workdays_left(case, local_date(asked.moment), asked.rulebook.calendar),
    }
    return page(visit(request, principal), "case.html.jinja", values)


@dataclass(frozen=True, slots=True, kw_only=True)
class ToldEvent:
    """An event as the page lists it; `detail` is what it says beside its type."""

    event: CaseEvent
    received_at: datetime
    detail: str
    taken_back: bool


def _events(told: Explanation, receipts: Sequence[Receipt]) -> Iterator[ToldEvent]:
    """Yield the latest events in the order in which they are folded."""
    events = [receipt.event for receipt in receipts]
    standing = {event.identity for event in standing_events(events)[0]}
    ordered = sorted(receipts, key=lambda receipt: receipt.event.fold_order)
    for receipt in ordered[-MOST_EVENTS:]:
        event = receipt.event
        is_retraction = event.event_type is EventType.RETRACTED
        yield ToldEvent(
            event=event,
            received_at=receipt.received_at,
            detail=_detail(told, event),
            taken_back=not is_retraction and event.identity not in standing,
        )


def _detail(told: Explanation, event: CaseEvent) -> str:
    match event.data:
        case Suspended(reason=why):
            return reason(told.words, why, sensitive=told.sensitive)
        case Corrected(changes=changes):
            return ", ".join(sorted(changes))
        case _:
            return ""
