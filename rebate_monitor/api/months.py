"""GET /v1/months and /v1/months/{month}: closed months, as frozen, as of now, the correction."""

from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any

import msgspec
from aiohttp import web

from rebate_monitor.api.access import require
from rebate_monitor.api.audit import record
from rebate_monitor.api.evaluation import group_name
from rebate_monitor.api.parameters import allow_only
from rebate_monitor.api.problems import InvalidProblem, NotFoundProblem
from rebate_monitor.api.service import SERVICE, Service
from rebate_monitor.api.views import BroughtView, brought_view, encode, local
from rebate_monitor.catalogue import Language
from rebate_monitor.domain.event import Category, RebateType
from rebate_monitor.domain.frozen import (
    CaseChange,
    ChangeCause,
    ChangedBy,
    Contribution,
    FrozenMonth,
    GroupCorrection,
    MonthCorrections,
)
from rebate_monitor.domain.known_then import KnownRules, RulesPart
from rebate_monitor.domain.performance import Performance
from rebate_monitor.domain.periods import month_name, named_month
from rebate_monitor.domain.policy import Scope
from rebate_monitor.domain.rule_turns import turn_behind
from rebate_monitor.domain.standing import EndedAs
from rebate_monitor.places import Places
from rebate_monitor.storage.audit import Action
from rebate_monitor.storage.frozen import frozen_month, frozen_months, read_corrections
from rebate_monitor.storage.keys import Scope as KeyScope
from rebate_monitor.storage.rulebooks import known_rules

MAX_CASES = 500


class FrozenMonthView(msgspec.Struct, kw_only=True):
    """A closed month: by whom, with everything received up to `known_at`, and by which rules."""

    month: str
    closed_at: datetime
    closed_by: str
    known_at: datetime
    policy_version: str | None
    calendar_version: str


class FrozenMonthsView(msgspec.Struct, kw_only=True):
    """Every closed month, the latest first."""

    months: list[FrozenMonthView]


class MonthFiguresView(msgspec.Struct, kw_only=True):
    """Figures of the cases whose clock ended in the month, and of those refiled in it."""

    n: int
    mean_workdays: float | None
    median: float | None
    p90: float | None
    in_time_rate: float | None
    same_day_rate: float | None
    amount_weighted_mean: float | None
    target_workdays: float | None
    meets_target: bool | None
    excluded: int
    rejected: int
    withdrawn: int
    refiled: int


class CorrectionView(msgspec.Struct, kw_only=True):
    """Now minus frozen; null where one of both is."""

    n: int
    mean_workdays: float | None
    median: float | None
    p90: float | None
    in_time_rate: float | None
    same_day_rate: float | None
    amount_weighted_mean: float | None
    excluded: int
    rejected: int
    withdrawn: int
    refiled: int


class OpenThenView(msgspec.Struct, kw_only=True):
    """Normal cases that were open when the month was closed; they change by the day."""

    open_n: int
    open_mean_workdays: float | None
    mean_if_open_stopped_now: float | None


class CorrectedGroupView(msgspec.Struct, kw_only=True):
    """One group and scope of a closed month; `changed_cases` make up the difference."""

    by: str
    group: str | None
    name_zh: str
    name_en: str
    scope: Scope
    frozen: MonthFiguresView
    now: MonthFiguresView
    correction: CorrectionView
    changed_cases: int
    open_when_frozen: OpenThenView | None


class ContributionView(msgspec.Struct, kw_only=True):
    """What one case adds to the month; only `normal` ones are in the means."""

    ended_as: EndedAs | None
    refiled: bool
    workdays: int | None
    in_time: bool | None
    same_day: bool | None
    amount_cny: str | None
    category: Category | None
    city: str | None
    office: str | None
    rebate_type: RebateType | None


class ChangeCauseView(msgspec.Struct, kw_only=True):
    """An event that arrived since, or a new version of the `policy` or the `calendar`.

    `brought` is the version of all rules that it came with.
    """

    because: ChangedBy
    source: str | None = None
    id: str | None = None
    type: str | None = None
    time: datetime | None = None
    received_at: datetime | None = None
    version: str | None = None
    brought: BroughtView | None = None


class CorrectedCaseView(msgspec.Struct, kw_only=True):
    """A case that counts otherwise than it did; null: it adds nothing to the month."""

    case_id: str
    then: ContributionView | None
    now: ContributionView | None
    causes: list[ChangeCauseView]


class CorrectedMonthView(FrozenMonthView, kw_only=True):
    """A closed month against the present, with the cases that make the difference.

    `changed_cases` counts them all, `cases` lists some; `explained` says that they add up to every
    difference of counts and workdays.
    """

    groups: list[CorrectedGroupView]
    changed_cases: int
    explained: bool
    cases: list[CorrectedCaseView]


async def get_months(request: web.Request) -> web.Response:
    """Answer which months are closed, the latest first."""
    await require(request, KeyScope.CASES_READ)
    allow_only(request, [])
    view = FrozenMonthsView(months=await closed_months(request.app[SERVICE]))
    return web.Response(body=encode(view), content_type="application/json")


async def closed_months(service: Service) -> list[FrozenMonthView]:
    """Read which months are closed, the latest first."""
    async with service.database.connection() as connection:
        found = await frozen_months(connection)
    return [FrozenMonthView(**_about(month)) for month in found]


async def get_month(request: web.Request) -> web.Response:
    """Answer a closed month as frozen, as of now, and the correction."""
    principal = await require(request, KeyScope.CASES_READ)
    allow_only(request, [])
    service, month = request.app[SERVICE], _month(request.match_info["month"])
    async with service.database.transaction(snapshot=True) as connection:
        frozen = await frozen_month(connection, month)
        if frozen is None:
            raise NotFoundProblem(f"{month} is not closed; `rebate-monitor month close` closes it")
        rules = await service.rules.in_force(connection)
        told = await read_corrections(connection, frozen, rules, service.now())
        known = await known_rules(connection, rules.rulebook) if _by_rules(told) else []
    view = _view(service.places, frozen, told, _Turns(known, frozen.known_at))
    await record(request, principal, Action.MONTH_READ, month, f"{len(view.cases)} cases")
    return web.Response(body=encode(view), content_type="application/json")


def _by_rules(told: MonthCorrections) -> bool:
    return any(cause.receipt is None for change in told.changes for cause in change.causes)


def _month(told: str) -> str:
    try:
        return month_name(named_month(told).first)
    except ValueError as error:
        raise InvalidProblem(f"month: {error}") from None


def _about(frozen: FrozenMonth) -> dict[str, Any]:
    return {
        "month": frozen.month,
        "closed_at": local(frozen.closed_at),
        "closed_by": frozen.closed_by,
        "known_at": local(frozen.known_at),
        "policy_version": frozen.policy_version,
        "calendar_version": frozen.calendar_version,
    }


class _Turns:
    """What has brought other rules since a month was closed; cases share their causes."""

    def __init__(self, known: Sequence[KnownRules], closed_at: datetime) -> None:
        self._known, self._closed_at = known, closed_at
        self._views: dict[tuple[ChangedBy, str | None], BroughtView | None] = {}

    def view(self, cause: ChangeCause) -> BroughtView | None:
        """Return the version of all rules that a cause came with; None for an event."""
        if cause.receipt is not None:
            return None
        key = cause.because, cause.version
        if key not in self._views:
            part, version = RulesPart(cause.because), cause.version
            turn = turn_behind(self._known, part, version=version, after=self._closed_at)
            self._views[key] = brought_view(turn) if turn else None
        return self._views[key]


def _view(
    places: Places, frozen: FrozenMonth, told: MonthCorrections, turns: _Turns
) -> CorrectedMonthView:
    then = {group.key: group.evaluated.performance for group in frozen.groups}
    return CorrectedMonthView(
        **_about(frozen),
        groups=[_group_view(places, group, then.get(group.key)) for group in told.groups],
        changed_cases=len(told.changes),
        explained=told.explained,
        cases=[_case_view(change, turns) for change in told.changes[:MAX_CASES]],
    )


def _group_view(
    places: Places, told: GroupCorrection, then: Performance | None
) -> CorrectedGroupView:
    by, group, scope = told.key
    return CorrectedGroupView(
        by=by,
        group=group,
        name_zh=group_name(places, by, group, Language.ZH),
        name_en=group_name(places, by, group, Language.EN),
        scope=scope,
        frozen=MonthFiguresView(**asdict(told.frozen)),
        now=MonthFiguresView(**asdict(told.now)),
        correction=CorrectionView(**asdict(told.correction)),
        changed_cases=told.changed_cases,
        open_when_frozen=_open_then(then) if then else None,
    )


def _open_then(then: Performance) -> OpenThenView:
    return OpenThenView(
        open_n=then.open_n,
        open_mean_workdays=then.open_mean_workdays,
        mean_if_open_stopped_now=then.mean_if_open_stopped_now,
    )


def _case_view(change: CaseChange, turns: _Turns) -> CorrectedCaseView:
    return CorrectedCaseView(
        case_id=change.case_id,
        then=_contribution_view(change.then),
        now=_contribution_view(change.now),
        causes=[_cause_view(cause, turns) for cause in change.causes],
    )


def _contribution_view(told: Contribution | None) -> ContributionView | None:
    if told is None:
        return None
    return ContributionView(
        ended_as=told.ended_as,
        refiled=told.is_refiled,
        workdays=told.workdays,
        in_time=told.in_time,
        same_day=told.same_day,
        amount_cny=None if told.amount_cny is None else str(told.amount_cny),
        category=Category(told.category) if told.category else None,
        city=told.city,
        office=told.office,
        rebate_type=RebateType(told.rebate_type) if told.rebate_type else None,
    )


def _cause_view(cause: ChangeCause, turns: _Turns) -> ChangeCauseView:
    view = ChangeCauseView(because=cause.because, version=cause.version, brought=turns.view(cause))
    if cause.receipt is not None:
        event = cause.receipt.event
        view.source, view.id, view.type = event.source, event.id, event.event_type.value
        view.time, view.received_at = local(event.time), local(cause.receipt.received_at)
    return view
