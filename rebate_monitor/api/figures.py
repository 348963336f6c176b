"""GET /v1/performance, and the parameters of a period."""

from dataclasses import asdict
from datetime import date, datetime

from aiohttp import web

from rebate_monitor.api.access import require
from rebate_monitor.api.heavy import HEAVY
from rebate_monitor.api.parameters import a_date, a_utc_instant, allow_only, one_of, parameter
from rebate_monitor.api.problems import InvalidProblem
from rebate_monitor.api.service import SERVICE, Service
from rebate_monitor.api.views import (
    PerformanceGroupView,
    PerformanceView,
    encode,
)
from rebate_monitor.domain.evaluation import groups_of, target_of
from rebate_monitor.domain.local_time import local_date
from rebate_monitor.domain.performance import Distributions
from rebate_monitor.domain.periods import Days
from rebate_monitor.domain.policy import Scope
from rebate_monitor.domain.rulebook import Rulebook
from rebate_monitor.domain.standing import Period
from rebate_monitor.storage.figures import AsKnown, read_as_known, read_distributions
from rebate_monitor.storage.keys import Scope as KeyScope

FILTERS = ("from", "to", "by", "known_at")
GROUPINGS = ("none", "category", "city", "office", "month", "rebate_type")


async def get_performance(request: web.Request) -> web.Response:
    """Answer the figures of a period by group and scope; this month when none is told.

    With `known_at` by what had arrived by that moment, by the rules of then, open cases of then.
    """
    await require(request, KeyScope.CASES_READ)
    allow_only(request, FILTERS)
    view = await asked_performance(request)
    return web.Response(body=encode(view), content_type="application/json")


async def asked_performance(request: web.Request) -> PerformanceView:
    """Read the figures that the parameters ask for."""
    service = request.app[SERVICE]
    known_at = _known_at(request)
    today = local_date(known_at) if known_at else service.today()
    days = told_days(request, today)
    by = parameter(request, "by", one_of(*GROUPINGS)) or "none"
    period = Period(first=days.first, last=days.last, by=by, today=today)
    if known_at is None:
        known = await _as_of_now(service, period)
    else:
        known = await request.app[HEAVY].answer(request, _as_known(service, period, known_at))
    groups = [
        _group_view(known.rulebook, period, known.told, group, scope)
        for group in groups_of(known.told.groups(), by, days)
        for scope in Scope
    ]
    return PerformanceView(from_=days.first, to=days.last, by=by, groups=groups)


def _known_at(request: web.Request) -> datetime | None:
    known_at = parameter(request, "known_at", a_utc_instant)
    if known_at is None:
        return None
    service = request.app[SERVICE]
    if known_at > service.now():
        raise InvalidProblem("known_at: lies ahead; what will be known then is not known yet")
    check_in_calendar(request, "known_at", local_date(known_at))
    for name in ("from", "to"):
        check_in_calendar(request, name, parameter(request, name, a_date))
    return known_at


def check_in_calendar(request: web.Request, name: str, day: date | None) -> None:
    """Refuse a day that the work calendar does not know."""
    calendar = request.app[SERVICE].rules.calendar
    if day is not None and not calendar.first <= day <= calendar.last:
        raise InvalidProblem(f"{name}: must lie from {calendar.first} to {calendar.last}")


def told_days(request: web.Request, today: date) -> Days:
    """Return the days from `from` to `to`; untold, up to today and from the first of a month."""
    told_first = parameter(request, "from", a_date)
    last = parameter(request, "to", a_date) or today
    first = told_first or min(today, last).replace(day=1)
    if first > last:
        raise InvalidProblem(f"from: {first} lies after to, {last}")
    return Days(first=first, last=last)


async def _as_of_now(service: Service, period: Period) -> AsKnown:
    async with service.database.transaction(snapshot=True) as connection:
        rules = await service.rules.in_force(connection)
        told = await read_distributions(connection, period, rules)
        return AsKnown(told=told, rulebook=rules.rulebook)


async def _as_known(service: Service, period: Period, known_at: datetime) -> AsKnown:
    async with service.database.transaction(snapshot=True) as connection:
        rules = await service.rules.in_force(connection)
        return await read_as_known(connection, period, known_at, rules)


def _group_view(
    rulebook: Rulebook, period: Period, told: Distributions, group: str | None, scope: Scope
) -> PerformanceGroupView:
    """Sum up one group in one scope, against the target in force on its last day."""
    target = target_of(rulebook.policies, period.by, period.days, group, scope)
    return PerformanceGroupView(
        group=group,
        scope=scope,
        **asdict(told.performance(group, scope, target)),
        **asdict(told.sum_left_out(group, scope)),
    )
