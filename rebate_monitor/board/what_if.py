"""/what-if: other limits tried on the cases of a period; nothing is written."""

from datetime import date, timedelta

from aiohttp import web

from rebate_monitor.api.access import require
from rebate_monitor.api.figures import check_in_calendar
from rebate_monitor.api.parameters import a_date, a_number, allow_only, parameter
from rebate_monitor.api.problems import InvalidProblem
from rebate_monitor.api.service import SERVICE
from rebate_monitor.api.what_if import WhatIfTold, WhatIfView, tried
from rebate_monitor.board.frame import page, visit
from rebate_monitor.domain.event import Category
from rebate_monitor.domain.policy import AppliedPolicy
from rebate_monitor.proposal import DEFAULT, MOST_WORKDAYS
from rebate_monitor.storage.keys import Principal, Scope

LIMITS = {f"limit_{name}": name for name in (*Category, DEFAULT)}
GENERAL = f"limit_{DEFAULT}"
ONE_MONTH = timedelta(days=30)
MOST_LISTED = 100


async def get_what_if(request: web.Request) -> web.Response:
    """Answer the form and, once limits are told, what they would make of the cases."""
    principal = await require(request, Scope.CASES_READ)
    allow_only(request, ["from", "to", *LIMITS])
    service = request.app[SERVICE]
    async with service.database.connection() as connection:
        policies = (await service.rules.in_force(connection)).rulebook.policies
    last = parameter(request, "to", a_date) or service.today()
    check_in_calendar(request, "to", last)
    first = parameter(request, "from", a_date) or last - ONE_MONTH
    view, wrong = await _try(request, principal, first, last)
    values = {
        "first": first,
        "last": last,
        "limits": _present(policies.on(last)),
        "general": request.query.get(GENERAL),
        "most": MOST_WORKDAYS,
        "view": view,
        "wrong": wrong,
    }
    return page(visit(request, principal), "what_if.html.jinja", values, 422 if wrong else 200)


def _present(applied: AppliedPolicy) -> dict[str, int | None]:
    """Return the limits in force, by the names of the form's fields."""
    return {
        field: applied.limit(None if name == DEFAULT else Category(name))
        for field, name in LIMITS.items()
    }


async def _try(
    request: web.Request, principal: Principal, first: date, last: date
) -> tuple[WhatIfView | None, str | None]:
    """Try the limits that were told; what is wrong with them is said beside the form."""
    try:
        if first > last:
            raise InvalidProblem(f"from: {first} lies after to, {last}")  # noqa: TRY301 - as others are
        limits = {name: parameter(request, field, a_limit) for field, name in LIMITS.items()}
        told = {name: limit for name, limit in limits.items() if limit is not None}
        if not told:
            return None, None
        proposal = WhatIfTold(limits=told, from_=first, to=last, list_limit=MOST_LISTED)
        return await tried(request, principal, proposal), None
    except InvalidProblem as problem:
        return None, problem.detail


a_limit = a_number(1, MOST_WORKDAYS)
"""Parse a number of workdays."""
