"""/alerts: the offices with open alerts, the alerts themselves, and who has taken them on."""

from aiohttp import web

from rebate_monitor.api.access import ANONYMOUS, require
from rebate_monitor.api.alerts import (
    FILTERS,
    STATES,
    asked_alerts,
    asked_supervision,
    take_on,
    who_acknowledges,
)
from rebate_monitor.api.parameters import allow_only, one_of, parameter
from rebate_monitor.api.problems import InvalidProblem
from rebate_monitor.api.service import SERVICE
from rebate_monitor.api.views import AcknowledgementTold
from rebate_monitor.board.address import is_local, see_other
from rebate_monitor.board.form import read_form
from rebate_monitor.board.frame import page, visit
from rebate_monitor.domain.alert import AlertKind
from rebate_monitor.storage.keys import Scope

OPEN, ANY = "open", "any"
REFRESH_SECONDS = 30
MOST_NAME, MOST_NOTE = 100, 1000


async def get_alerts(request: web.Request) -> web.Response:
    """Answer a page of alerts, open ones unless told; of one case, all."""
    principal = await require(request, Scope.CASES_READ, by_office=True)
    allow_only(request, [*FILTERS, "cursor"])
    default = ANY if "case_id" in request.query else OPEN
    state = parameter(request, "state", one_of(*STATES, ANY)) or default
    view = await asked_alerts(request, principal, None if state == ANY else state)
    values = {
        "alerts": view.alerts,
        "next": view.next,
        "offices": (await asked_supervision(request, principal)).offices,
        "filtered": [name for name in FILTERS if name in request.query],
        "may_acknowledge": principal is not ANONYMOUS,
        "choices": {
            "state": (*STATES, ANY),
            "kind": list(AlertKind),
            "city": list(request.app[SERVICE].places.cities),
            "acknowledged": ("true", "false"),
        },
        "state": state,
        "refresh_seconds": REFRESH_SECONDS,
    }
    return page(visit(request, principal), "alerts.html.jinja", values)


async def post_acknowledgement(request: web.Request) -> web.Response:
    """Keep who has taken an alert on, and go back to the list."""
    principal, told_id = await who_acknowledges(request)
    form = await read_form(request)
    who, note, back = (form.get(name, "") for name in ("who", "note", "back"))
    if len(who) > MOST_NAME:
        raise InvalidProblem(f"who: must have at most {MOST_NAME} characters")
    if len(note) > MOST_NOTE:
        raise InvalidProblem(f"note: must have at most {MOST_NOTE} characters")
    told = AcknowledgementTold(who=who.strip() or None, note=note.replace("\r\n", "\n"))
    await take_on(request, principal, told_id, told)
    return see_other(back if is_local(back) else "/alerts")
