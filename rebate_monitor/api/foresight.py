"""GET /v1/foresight: what falls due, where the month's mean will end, what a holiday does."""

import asyncio
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from datetime import date

import msgspec
from aiohttp import web

from rebate_monitor.api.access import require
from rebate_monitor.api.parameters import a_city, allow_only, one_of, parameter
from rebate_monitor.api.service import SERVICE
from rebate_monitor.api.views import encode
from rebate_monitor.domain.event import Category
from rebate_monitor.domain.foresight import (
    FEWEST_CASES,
    Assumption,
    DueOn,
    Known,
    Month,
    MonthEnd,
    OpenCases,
    Queue,
    holiday_effect,
    month_ends,
    next_workdays,
    queue,
)
from rebate_monitor.domain.policy import PolicyBook, Scope
from rebate_monitor.domain.tally import UNKNOWN_CATEGORY
from rebate_monitor.domain.work_calendar import DayKind
from rebate_monitor.storage.foresight import read_known
from rebate_monitor.storage.keys import Scope as KeyScope


class WorkdayAheadView(msgspec.Struct, kw_only=True):
    """One of the next workdays; `name` is that of the holiday for which it is made up."""

    date: date
    kind: DayKind
    name: str | None
    provisional: bool


class QueueAheadView(msgspec.Struct, kw_only=True):
    """Open cases by when they fall due; all but `at_risk` add up to `open`.

    `due` has a place for each of the `workdays`, and so has `at_risk`: how many of those are at
    risk already. Of `at_limit` the due date has passed and the limit is not exceeded. The total
    has neither city nor category.
    """

    city: str | None
    category: str | None
    open: int
    due: list[int]
    at_risk: list[int]
    at_limit: int
    overdue: int
    due_later: int
    suspended: int
    without_due_date: int


class ForeseenView(msgspec.Struct, kw_only=True):
    """How the month ends under an assumption, what has finished included.

    `n` and `left_open` are expected numbers under `usual_pace`, hence not whole. Slack is the
    processing time left under the target, and per case that is still to stop this month.
    """

    assumption: Assumption
    n: float
    mean_workdays: float | None
    target_workdays: float | None
    meets_target: bool | None
    slack_workdays: float | None
    slack_per_case: float | None
    left_open: float


class MonthEndView(msgspec.Struct, kw_only=True):
    """A scope's month so far, and where its mean may end; slack per case is per open one."""

    scope: Scope
    target_workdays: float | None
    n: int
    mean_workdays: float | None
    slack_workdays: float | None
    slack_per_case: float | None
    open_n: int
    assumptions: list[ForeseenView]


class MonthAheadView(msgspec.Struct, kw_only=True):
    """This month; the usual pace is that of the normal cases stopped since `pace_from`.

    A city's pace rests on at least `pace_cases` of its cases, or it is the province's.
    """

    first: date
    last: date
    provisional: bool
    workdays_left: int
    pace_from: date
    pace_cases: int
    scopes: list[MonthEndView]


class DueOnView(msgspec.Struct, kw_only=True):
    """How many open cases a workday concerns."""

    date: date
    cases: int


class HolidayAheadView(msgspec.Struct, kw_only=True):
    """The holiday block that is under way or comes next, and what it does to the open cases.

    Due on the last two workdays before it and on the first three after it; `breaching` would exceed
    their limit on the first workday after it if nobody worked until then.
    """

    first: date
    last: date
    days: int
    name: str
    provisional: bool
    makeup_workdays: list[date]
    due_before: list[DueOnView]
    due_after: list[DueOnView]
    breaching: DueOnView


class ForesightView(msgspec.Struct, kw_only=True):
    """What is ahead of today, for all cases or those of a city or category; counts are workdays."""

    today: date
    city: str | None
    category: str | None
    workdays: list[WorkdayAheadView]
    total: QueueAheadView
    groups: list[QueueAheadView]
    month: MonthAheadView
    holiday: HolidayAheadView | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """Whose foresight is asked for; all cases' unless told."""

    city: str | None = None
    category: str | None = None


async def get_foresight(request: web.Request) -> web.Response:
    """Answer what is ahead as of now, of all cases or of a city or category."""
    await require(request, KeyScope.CASES_READ)
    allow_only(request, ["city", "category"])
    asked = Asked(
        city=parameter(request, "city", a_city),
        category=parameter(request, "category", one_of(*Category, UNKNOWN_CATEGORY)),
    )
    service = request.app[SERVICE]
    async with service.database.transaction(snapshot=True) as connection:
        rules = await service.rules.in_force(connection)
        month = Month(today=service.today(), calendar=rules.rulebook.calendar)
        known = await read_known(connection, month, rules, asked.city, asked.category)
    view = await asyncio.to_thread(foresight_view, asked, known, month, rules.rulebook.policies)
    return web.Response(body=encode(view), content_type="application/json")


def foresight_view(asked: Asked, known: Known, month: Month, policies: PolicyBook) -> ForesightView:
    """Lay out what is ahead."""
    return ForesightView(
        today=month.today,
        city=asked.city,
        category=asked.category,
        workdays=_workdays(month),
        total=_queue(None, None, known.open_cases, month),
        groups=_groups(known.open_cases, month),
        month=MonthAheadView(
            first=month.first,
            last=month.last,
            provisional=month.provisional,
            workdays_left=month.workdays_left,
            pace_from=month.pace_first,
            pace_cases=FEWEST_CASES,
            scopes=[_month_end(end) for end in month_ends(known, month, policies)],
        ),
        holiday=_holiday(known.open_cases, month),
    )


def _workdays(month: Month) -> list[WorkdayAheadView]:
    days = map(month.calendar.day, next_workdays(month.today, month.calendar))
    return [
        WorkdayAheadView(date=day.date, kind=day.kind, name=day.name, provisional=day.provisional)
        for day in days
    ]


def _groups(open_cases: Iterable[OpenCases], month: Month) -> list[QueueAheadView]:
    """Lay out every city and category that has an open case, in order."""
    groups: dict[tuple[str, str], list[OpenCases]] = defaultdict(list)
    for each in open_cases:
        groups[each.city or "", each.category or UNKNOWN_CATEGORY].append(each)
    return [
        _queue(city, category, groups[city, category], month) for city, category in sorted(groups)
    ]


def _queue(
    city: str | None, category: str | None, open_cases: Sequence[OpenCases], month: Month
) -> QueueAheadView:
    told: Queue = queue(open_cases, month.today, month.calendar)
    return QueueAheadView(
        city=city or None,
        category=category,
        open=told.open,
        due=list(told.due),
        at_risk=list(told.at_risk),
        at_limit=told.at_limit,
        overdue=told.overdue,
        due_later=told.due_later,
        suspended=told.suspended,
        without_due_date=told.without_due_date,
    )


def _month_end(end: MonthEnd) -> MonthEndView:
    return MonthEndView(
        scope=end.scope,
        target_workdays=end.target_workdays,
        n=end.n,
        mean_workdays=end.mean_workdays,
        slack_workdays=end.slack_workdays,
        slack_per_case=end.slack_per_case,
        open_n=end.open_n,
        assumptions=[
            ForeseenView(
                assumption=assumption, target_workdays=end.target_workdays, **asdict(foreseen)
            )
            for assumption, foreseen in end.assumptions.items()
        ],
    )


def _holiday(open_cases: Sequence[OpenCases], month: Month) -> HolidayAheadView | None:
    effect = holiday_effect(open_cases, month.today, month.calendar)
    if effect is None:
        return None
    block = effect.block
    return HolidayAheadView(
        first=block.first,
        last=block.last,
        days=(block.last - block.first).days + 1,
        name=block.name,
        provisional=block.provisional,
        makeup_workdays=list(block.makeup_workdays),
        due_before=[_due_on(due) for due in effect.due_before],
        due_after=[_due_on(due) for due in effect.due_after],
        breaching=_due_on(effect.breaching),
    )


def _due_on(due: DueOn) -> DueOnView:
    return DueOnView(date=due.date, cases=due.cases)
