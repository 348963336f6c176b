"""GET /v1/performance, /v1/calendar and /v1/policies."""

from dataclasses import asdict
from datetime import date, datetime

from aiohttp import web

from rebate_monitor.api.access import require
from rebate_monitor.api.heavy import HEAVY
from rebate_monitor.api.parameters import a_date, a_utc_instant, allow_only, one_of, parameter
from rebate_monitor.api.problems import InvalidProblem
from rebate_monitor.api.service import SERVICE, Service
from rebate_monitor.api.views import (
    CalendarView,
    PerformanceGroupView,
    PerformanceView,
    PoliciesView,
    PolicyDetailView,
    calendar_day_view,
    encode,
)
from rebate_monitor.domain.evaluation import groups_of, target_of
from rebate_monitor.domain.event import Category
from rebate_monitor.domain.local_time import local_date
from rebate_monitor.domain.performance import Distributions
from rebate_monitor.domain.periods import Days
from rebate_monitor.domain.policy import Policy, Scope
from rebate_monitor.domain.rulebook import Rulebook
from rebate_monitor.domain.standing import Period
from rebate_monitor.storage.figures import AsKnown, read_as_known, read_distributions
from rebate_monitor.storage.keys import Scope as KeyScope

GROUPINGS = ("none", "category", "city", "office", "month", "rebate_type")
MAX_CALENDAR_YEARS = 10


async def get_performance(request: web.Request) -> web.Response:
    """Answer the figures of a period by group and scope; this month when none is told.

    With `known_at` by what had arrived by that moment, by the rules of then, open cases of then.
    """
    await require(request, KeyScope.CASES_READ)
    allow_only(request, ["from", "to", "by", "known_at"])
    service = request.app[SERVICE]
    known_at = _known_at(request)
    today = local_date(known_at) if known_at else service.today()
    days = told_days(request, today)
    by = parameter(request, "by", one_of(*GROUPINGS)) or "none"
    period = Period(first=days.first, last=days.last, by=by, today=today)
    if known_at is None:
        told, rulebook = await _distributions(service, period), service.rulebook
    else:
        known = await request.app[HEAVY].answer(request, _as_known(service, period, known_at))
        told, rulebook = known.told, known.rulebook
    groups = [
        _group_view(rulebook, period, told, group, scope)
        for group in groups_of(told.groups(), by, days)
        for scope in Scope
    ]
    view = PerformanceView(from_=days.first, to=days.last, by=by, groups=groups)
    return web.Response(body=encode(view), content_type="application/json")


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
    calendar = request.app[SERVICE].rulebook.calendar
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


async def _distributions(service: Service, period: Period) -> Distributions:
    async with service.database.transaction(snapshot=True) as connection:
        return await read_distributions(connection, period, service.rulebook.calendar)


async def _as_known(service: Service, period: Period, known_at: datetime) -> AsKnown:
    async with service.database.transaction(snapshot=True) as connection:
        return await read_as_known(connection, period, known_at, service.rulebook)


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


async def get_calendar(request: web.Request) -> web.Response:
    """Answer the days of a stretch of at most ten years; this year when none is told."""
    await require(request, KeyScope.CASES_READ)
    allow_only(request, ["from", "to"])
    service = request.app[SERVICE]
    today = service.today()
    calendar = service.rulebook.calendar
    last_told = parameter(request, "to", a_date)
    first = parameter(request, "from", a_date) or (last_told or today).replace(month=1, day=1)
    last = last_told or first.replace(month=12, day=31)
    if first > last:
        raise InvalidProblem(f"from: {first} lies after to, {last}")
    if first < calendar.first or last > calendar.last:
        raise InvalidProblem(f"from, to: must lie from {calendar.first} to {calendar.last}")
    if last.year - first.year >= MAX_CALENDAR_YEARS and last >= _ten_years_after(first):
        raise InvalidProblem(f"to: at most {MAX_CALENDAR_YEARS} years a call")
    days = [calendar_day_view(day) for day in calendar.days(first, last)]
    view = CalendarView(days=days, published_until=calendar.published_until)
    return web.Response(body=encode(view), content_type="application/json")


def _ten_years_after(day: date) -> date:
    year = day.year + MAX_CALENDAR_YEARS
    return date(year, day.month, day.day) if (day.month, day.day) != (2, 29) else date(year, 3, 1)


async def get_policies(request: web.Request) -> web.Response:
    """Answer every policy."""
    await require(request, KeyScope.CASES_READ)
    allow_only(request, [])
    service = request.app[SERVICE]
    today = service.today()
    view = PoliciesView(
        policies=[_policy_view(policy, today) for policy in service.rulebook.policies.policies]
    )
    return web.Response(body=encode(view), content_type="application/json")


def _policy_view(policy: Policy, today: date) -> PolicyDetailView:
    limits = {category.value: policy.limit(category) for category in Category}
    return PolicyDetailView(
        id=policy.id,
        title=policy.title,
        title_en=policy.title_en,
        citation=policy.citation,
        citation_en=policy.citation_en,
        effective_from=policy.effective_from,
        effective_to=policy.effective_to,
        after_expiry=policy.after_expiry,
        lapsed=policy.expired_on(today),
        stop_at=policy.rules.stop_at,
        warn_workdays_left=policy.warn_workdays_left,
        escalate_after_workdays=list(policy.escalate_after_workdays),
        immediate_within_workdays=policy.rules.immediate_within_workdays,
        limits={**limits, "default": policy.default_limit},
        targets={scope.value: target for scope, target in policy.targets.items()},
        counting={
            "start_day": policy.rules.counting.start_day,
            "non_workday_start": policy.rules.counting.non_workday_start,
        },
        suspensions={r.value: effect.value for r, effect in policy.rules.suspensions.items()},
    )
