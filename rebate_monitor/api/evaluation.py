"""GET /v1/evaluation: a period by group, ranked and compared, with what its means may hide."""

from collections.abc import Mapping
from dataclasses import asdict
from datetime import date, datetime

import msgspec
from aiohttp import web

from rebate_monitor.api.access import require
from rebate_monitor.api.figures import GROUPINGS, check_in_calendar, told_days
from rebate_monitor.api.parameters import a_number, allow_only, one_of, parameter
from rebate_monitor.api.problems import InvalidProblem
from rebate_monitor.api.service import SERVICE
from rebate_monitor.api.views import encode, local
from rebate_monitor.catalogue import Language, catalogue
from rebate_monitor.domain.assessment import Verdict
from rebate_monitor.domain.case import Anomaly
from rebate_monitor.domain.evaluation import Evaluation, GroupEvaluation, OpenFor
from rebate_monitor.domain.periods import Days, PeriodName, Periods, named_periods, told_periods
from rebate_monitor.domain.policy import Scope
from rebate_monitor.places import Place, Places
from rebate_monitor.storage.database import Connection
from rebate_monitor.storage.evaluation import DEFAULT_MIN_CASES, Asked, read_evaluation
from rebate_monitor.storage.frozen import frozen_month, has_changed
from rebate_monitor.storage.keys import Scope as KeyScope
from rebate_monitor.storage.rules import RulesInForce

FOLDER = "evaluating"
MAX_MIN_CASES = 999_999_999


class DaysView(msgspec.Struct, kw_only=True):
    """A stretch of days in Asia/Shanghai, both included."""

    from_: date = msgspec.field(name="from")
    to: date


class PeriodView(DaysView, kw_only=True):
    """A period with the ones that it is compared with; `name` is null where days were told."""

    name: PeriodName | None
    previous: DaysView
    year_ago: DaysView


class EvaluatedGroupView(msgspec.Struct, kw_only=True):
    """One group and scope: means are workdays, rates 0 to 1, null where there is nothing.

    `rank` is 1 for the lowest mean among groups of the scope with at least `min_cases` cases;
    changes are this mean minus the other.
    """

    group: str | None
    name_zh: str
    name_en: str
    scope: Scope
    n: int
    mean_workdays: float | None
    median: float | None
    p90: float | None
    in_time_rate: float | None
    same_day_rate: float | None
    amount_weighted_mean: float | None
    target_workdays: float | None
    meets_target: bool | None
    open_n: int
    open_mean_workdays: float | None
    mean_if_open_stopped_now: float | None
    excluded: int
    rejected: int
    withdrawn: int
    refiled: int
    previous_n: int
    previous_mean_workdays: float | None
    change_on_previous: float | None
    year_ago_n: int
    year_ago_mean_workdays: float | None
    change_on_year: float | None
    rank: int | None


class OpenAgeView(msgspec.Struct, kw_only=True):
    """Normal open cases that have run `workdays` so far, by verdict."""

    workdays: int
    on_track: int
    at_risk: int
    breached: int
    not_applicable: int


class StoppedAfterView(msgspec.Struct, kw_only=True):
    """Normal cases that took `workdays`; `unjudged` are those that no limit was set for."""

    workdays: int
    n: int
    in_time: int
    late: int
    unjudged: int


class QualityView(msgspec.Struct, kw_only=True):
    """Cases that list an anomaly told by a source; null stands for all other sources."""

    anomaly: Anomaly
    source: str | None
    cases: int


class FrozenNoteView(msgspec.Struct, kw_only=True):
    """That the month was closed, and whether any of its figures is another by now."""

    closed_at: datetime
    differs: bool


class EvaluationView(msgspec.Struct, kw_only=True):
    """A period as of now; `frozen` is null unless it is a calendar month that was closed."""

    period: PeriodView
    by: str
    min_cases: int
    groups: list[EvaluatedGroupView]
    open_ageing: list[OpenAgeView]
    distribution: list[StoppedAfterView]
    data_quality: list[QualityView]
    frozen: FrozenNoteView | None


async def get_evaluation(request: web.Request) -> web.Response:
    """Answer the evaluation of a period; this month's, ungrouped, when nothing is told."""
    await require(request, KeyScope.CASES_READ)
    allow_only(request, ["period", "from", "to", "by", "min_cases"])
    service = request.app[SERVICE]
    asked = _asked(request)
    async with service.database.transaction(snapshot=True) as connection:
        rules = await service.rules.in_force(connection)
        told = await read_evaluation(connection, asked, rules)
        frozen = await _frozen(connection, rules, asked)
    view = _view(service.places, asked, told, frozen)
    return web.Response(body=encode(view), content_type="application/json")


def _asked(request: web.Request) -> Asked:
    min_cases = parameter(request, "min_cases", a_number(1, MAX_MIN_CASES))
    return Asked(
        periods=_periods(request),
        by=parameter(request, "by", one_of(*GROUPINGS)) or "none",
        min_cases=min_cases or DEFAULT_MIN_CASES,
        now=request.app[SERVICE].now(),
    )


def _periods(request: web.Request) -> Periods:
    """Return the named period, or the told days; both at once would contradict each other."""
    name = parameter(request, "period", one_of(*PeriodName))
    told = [word for word in ("from", "to") if word in request.query]
    today = request.app[SERVICE].today()
    if not told:
        return named_periods(PeriodName(name or PeriodName.MONTH), today)
    if name is not None:
        raise InvalidProblem(f"period: tell either period or {' and '.join(told)}")
    days = told_days(request, today)
    check_in_calendar(request, "from", days.first)
    check_in_calendar(request, "to", days.last)
    return told_periods(days)


async def _frozen(
    connection: Connection, rules: RulesInForce, asked: Asked
) -> FrozenNoteView | None:
    month = asked.periods.this.month
    frozen = await frozen_month(connection, month) if month else None
    if frozen is None:
        return None
    changed = await has_changed(connection, frozen, rules, asked.now)
    return FrozenNoteView(closed_at=local(frozen.closed_at), differs=changed)


def _view(
    places: Places, asked: Asked, told: Evaluation, frozen: FrozenNoteView | None
) -> EvaluationView:
    return EvaluationView(
        period=_period_view(asked.periods),
        by=asked.by,
        min_cases=asked.min_cases,
        groups=[evaluated_group_view(places, asked.by, group) for group in told.groups],
        open_ageing=[_open_age_view(part) for part in told.open_ageing],
        distribution=[StoppedAfterView(**asdict(part)) for part in told.distribution],
        data_quality=[QualityView(**part._asdict()) for part in told.data_quality],
        frozen=frozen,
    )


def _period_view(periods: Periods) -> PeriodView:
    return PeriodView(
        name=periods.name,
        from_=periods.this.first,
        to=periods.this.last,
        previous=_days_view(periods.previous),
        year_ago=_days_view(periods.year_ago),
    )


def _days_view(days: Days) -> DaysView:
    return DaysView(from_=days.first, to=days.last)


def evaluated_group_view(places: Places, by: str, told: GroupEvaluation) -> EvaluatedGroupView:
    """Lay one group and scope out."""
    return EvaluatedGroupView(
        group=told.group,
        name_zh=group_name(places, by, told.group, Language.ZH),
        name_en=group_name(places, by, told.group, Language.EN),
        scope=told.scope,
        **asdict(told.performance),
        **asdict(told.left_out),
        refiled=told.refiled,
        previous_n=told.previous.n,
        previous_mean_workdays=told.previous.workdays,
        change_on_previous=told.mean.change_on(told.previous),
        year_ago_n=told.year_ago.n,
        year_ago_mean_workdays=told.year_ago.workdays,
        change_on_year=told.mean.change_on(told.year_ago),
        rank=told.rank,
    )


def _open_age_view(part: OpenFor) -> OpenAgeView:
    return OpenAgeView(
        workdays=part.workdays,
        on_track=part.verdicts.get(Verdict.ON_TRACK, 0),
        at_risk=part.verdicts.get(Verdict.AT_RISK, 0),
        breached=part.verdicts.get(Verdict.BREACHED, 0),
        not_applicable=part.verdicts.get(Verdict.NOT_APPLICABLE, 0),
    )


def group_name(places: Places, by: str, group: str | None, language: Language) -> str:
    """Name a group for people; a place that has no name here is called by its code."""
    words = catalogue(FOLDER, language)
    if group is None:
        return words.say("group.total")
    if by == "month":
        year, month = map(int, group.split("-"))
        return words.say("group.month", year=year, month=words.months[month - 1])
    if by in ("city", "office"):
        return _place_name(places.cities if by == "city" else places.offices, group, language)
    return words.say(f"{by}.{group}")


def _place_name(known: Mapping[str, Place], code: str, language: Language) -> str:
    place = known.get(code)
    if place is None:
        return code
    return place.name_zh if language is Language.ZH else place.name_en
