"""GET /v1/performance, /v1/calendar and /v1/policies."""

from calendar import monthrange
from collections.abc import Sequence
from dataclasses import asdict
from datetime import date

from aiohttp import web

from rebate_monitor.api.access import require
from rebate_monitor.api.parameters import a_date, allow_only, one_of, parameter
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
from rebate_monitor.domain.event import Category
from rebate_monitor.domain.policy import Policy, Scope
from rebate_monitor.storage.figures import Distributions, Period, read_distributions
from rebate_monitor.storage.keys import Scope as KeyScope

GROUPINGS = ("none", "category", "city", "office", "month", "rebate_type")
MAX_CALENDAR_YEARS = 10


async def get_performance(request: web.Request) -> web.Response:
    """Answer the figures of a period by group and scope; this month when none is told."""
    await require(request, KeyScope.CASES_READ)
    allow_only(request, ["from", "to", "by"])
    service = request.app[SERVICE]
    today = service.today()
    first, last = _period(request, today.replace(day=1), today)
    by = parameter(request, "by", one_of(*GROUPINGS)) or "none"
    period = Period(first=first, last=last, by=by, today=today)
    async with service.database.transaction(snapshot=True) as connection:
        told = await read_distributions(connection, period, service.rulebook.calendar)
    groups = [
        _group_view(service, period, told, group, scope)
        for group in _groups(told, period)
        for scope in Scope
    ]
    view = PerformanceView(from_=first, to=last, by=by, groups=groups)
    return web.Response(body=encode(view), content_type="application/json")


def _period(request: web.Request, first: date, last: date) -> tuple[date, date]:
    told_first = parameter(request, "from", a_date)
    last = parameter(request, "to", a_date) or last
    first = told_first or min(first, last.replace(day=1))
    if first > last:
        raise InvalidProblem(f"from: {first} lies after to, {last}")
    return first, last


def _groups(told: Distributions, period: Period) -> Sequence[str | None]:
    """Return every group that has any case; without grouping there is always the one."""
    if period.by == "none":
        return [None]
    keys = {*told.stopped, *told.left_out, *told.still_open}
    groups = {group for group, _ in keys if group is not None}
    if period.by == "month":
        groups = {g for g in groups if f"{period.first:%Y-%m}" <= g <= f"{period.last:%Y-%m}"}
    return sorted(groups)


def _group_view(
    service: Service, period: Period, told: Distributions, group: str | None, scope: Scope
) -> PerformanceGroupView:
    """Sum up one group in one scope, against the target in force on its last day."""
    target = service.rulebook.policies.on(_last_day(period, group)).target(scope)
    return PerformanceGroupView(
        group=group,
        scope=scope,
        **asdict(told.performance(group, scope, target)),
        **asdict(told.sum_left_out(group, scope)),
    )


def _last_day(period: Period, group: str | None) -> date:
    """Return the last day of the period, or of the month that is the group."""
    if period.by != "month" or group is None:
        return period.last
    year, month = map(int, group.split("-"))
    return min(period.last, date(year, month, monthrange(year, month)[1]))


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
