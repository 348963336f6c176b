"""/cases: the list of cases, most urgent first; its filters are those of the API."""

from dataclasses import dataclass
from datetime import date

from aiohttp import web

from rebate_monitor.api.access import require
from rebate_monitor.api.cases import FILTERS, asked_cases
from rebate_monitor.api.parameters import allow_only
from rebate_monitor.api.service import SERVICE
from rebate_monitor.api.views import CaseSummaryView
from rebate_monitor.board.address import case_link, see_other
from rebate_monitor.board.frame import page, visit
from rebate_monitor.domain.assessment import Verdict
from rebate_monitor.domain.case import Status
from rebate_monitor.domain.event import Category
from rebate_monitor.domain.tally import UNKNOWN_CATEGORY
from rebate_monitor.domain.work_calendar import WorkCalendar
from rebate_monitor.storage.keys import Scope


async def get_cases(request: web.Request) -> web.Response:
    """Answer a page of cases."""
    principal = await require(request, Scope.CASES_READ, by_office=True)
    allow_only(request, [*FILTERS, "cursor"])
    view = await asked_cases(request, principal)
    service = request.app[SERVICE]
    values = {
        "rows": [Row(case, service.today(), service.rules.calendar) for case in view.cases],
        "next": view.next,
        "filtered": [name for name in FILTERS if name in request.query],
        "choices": {
            "status": list(Status),
            "verdict": list(Verdict),
            "category": [*Category, UNKNOWN_CATEGORY],
            "city": list(service.places.cities),
        },
    }
    return page(visit(request, principal), "cases.html.jinja", values)


async def find_case(request: web.Request) -> web.Response:
    """Send whoever knows the id of a case to its page."""
    case_id = request.query.get("id", "").strip()
    return see_other(case_link(case_id) if case_id else "/cases")


@dataclass(frozen=True, slots=True)
class Row:
    """A case of the list, as of a day."""

    case: CaseSummaryView
    today: date
    calendar: WorkCalendar

    @property
    def link(self) -> str:
        """Where the case is."""
        return case_link(self.case.case_id)

    @property
    def left(self) -> int | None:
        """How many workdays are left; negative: over."""
        return workdays_left(self.case, self.today, self.calendar)


def workdays_left(case: CaseSummaryView, today: date, calendar: WorkCalendar) -> int | None:
    """Return the workdays left to the due date of an open case, negative: over; else None."""
    due = case.due_date
    if due is None or not case.status.is_open:
        return None
    is_covered = calendar.first <= min(due, today) and max(due, today) <= calendar.last
    return calendar.workdays_between(today, due) if is_covered else None
