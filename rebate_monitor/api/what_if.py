"""POST /v1/what-if: what other limits, policies or a calendar would make of the stored cases."""

from contextlib import aclosing
from datetime import date, datetime
from typing import Annotated

import msgspec
from aiohttp import web

from rebate_monitor.api.access import require
from rebate_monitor.api.audit import record
from rebate_monitor.api.body import read_body
from rebate_monitor.api.heavy import HEAVY
from rebate_monitor.api.parameters import allow_only
from rebate_monitor.api.problems import (
    InvalidProblem,
    NotJsonProblem,
    UnsupportedMediaTypeProblem,
)
from rebate_monitor.api.service import SERVICE, Service
from rebate_monitor.api.views import encode
from rebate_monitor.domain.assessment import Verdict
from rebate_monitor.domain.case import Status
from rebate_monitor.domain.performance import Performance
from rebate_monitor.domain.policy import Scope
from rebate_monitor.domain.rulebook import Rulebook
from rebate_monitor.domain.what_if import Comparison, Kind, Outcome, Standing
from rebate_monitor.ingest.what_if import Trial, cases_of, comparisons
from rebate_monitor.proposal import Proposal, ProposalError, proposed_rules
from rebate_monitor.storage.audit import Action
from rebate_monitor.storage.keys import Principal
from rebate_monitor.storage.keys import Scope as KeyScope

JSON = "application/json"
MAX_CASES = 50_000
DEFAULT_LIST, MAX_LIST = 100, 1_000


class WhatIfTold(Proposal, kw_only=True, forbid_unknown_fields=True):
    """What to try, and on the cases accepted from `from` to `to`, both included."""

    from_: date = msgspec.field(name="from")
    to: date
    list_limit: Annotated[int, msgspec.Meta(ge=0, le=MAX_LIST)] = DEFAULT_LIST


class StandingView(msgspec.Struct, kw_only=True):
    """A case under one set of rules; counts are workdays."""

    status: Status
    verdict: Verdict
    normal: bool
    workdays: int | None
    limit_workdays: int | None
    due_date: date | None


class ChangedCaseView(msgspec.Struct, kw_only=True):
    """A case that the proposal changes, and how."""

    case_id: str
    category: str | None
    city: str | None
    office: str | None
    changes: list[Kind]
    before: StandingView
    after: StandingView


class TriedFiguresView(msgspec.Struct, kw_only=True):
    """Figures of the tried cases in one scope: means are workdays, null where n is 0."""

    scope: Scope
    n: int
    mean_workdays: float | None
    in_time_rate: float | None
    same_day_rate: float | None
    target_workdays: float | None
    meets_target: bool | None
    open_n: int
    open_mean_workdays: float | None
    mean_if_open_stopped_now: float | None


class WhatIfView(msgspec.Struct, kw_only=True):
    """What a proposal comes to; `omitted` changed cases are counted and not listed."""

    from_: date = msgspec.field(name="from")
    to: date
    cases: int
    changed: int
    due_dates_moved: int
    workdays_changed: int
    normal_changed: int
    breaches_made: int
    breaches_unmade: int
    before: list[TriedFiguresView]
    after: list[TriedFiguresView]
    changes: list[ChangedCaseView]
    omitted: int


async def post_what_if(request: web.Request) -> web.Response:
    """Answer what the proposed rules would change, dry: nothing is written."""
    principal = await require(request, KeyScope.CASES_READ)
    allow_only(request, [])
    view = await tried(request, principal, _told(await read_body(request), request.content_type))
    return web.Response(body=encode(view), content_type=JSON)


async def tried(request: web.Request, principal: Principal, told: WhatIfTold) -> WhatIfView:
    """Try a proposal, and record who has; raise InvalidProblem."""
    service = request.app[SERVICE]
    async with service.database.connection() as connection:
        present = (await service.rules.in_force(connection)).rulebook
    trial = _trial(present, told, service.now())
    view = await request.app[HEAVY].answer(request, _try(service, trial, told))
    days, shown = f"{told.from_} to {told.to}", f"{len(view.changes)} cases"
    await record(request, principal, Action.WHAT_IF_READ, days, shown)
    return view


def _told(body: bytes, content_type: str) -> WhatIfTold:
    if content_type != JSON:
        raise UnsupportedMediaTypeProblem(f'send {JSON}, such as {{"limits": {{"default": 3}}, …}}')
    try:
        return msgspec.json.decode(body, type=WhatIfTold)
    except msgspec.ValidationError as error:
        raise InvalidProblem(str(error)) from None
    except RecursionError:
        raise InvalidProblem("the body is nested too deeply") from None
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise NotJsonProblem("the body must be a JSON object, encoded in UTF-8") from None


def _trial(present: Rulebook, told: WhatIfTold, now: datetime) -> Trial:
    calendar = present.calendar
    if told.from_ > told.to:
        raise InvalidProblem(f"from: {told.from_} lies after to, {told.to}")
    if told.from_ < calendar.first or told.to >= calendar.last:
        raise InvalidProblem(f"from, to: must lie from {calendar.first} to before {calendar.last}")
    try:
        proposed = proposed_rules(present, told)
    except ProposalError as error:
        raise InvalidProblem(str(error)) from error
    return Trial(
        first=told.from_,
        last=told.to,
        present=present,
        proposed=proposed,
        now=now,
    )


async def _try(service: Service, trial: Trial, told: WhatIfTold) -> WhatIfView:
    async with service.database.connection() as connection:
        case_ids = await cases_of(connection, trial, most=MAX_CASES + 1)
    if len(case_ids) > MAX_CASES:
        raise InvalidProblem(
            f"from, to: more than {MAX_CASES} cases were accepted then, too many to be tried over "
            "HTTP; `rebate-monitor what-if` tries any number"
        )
    outcome, changes = Outcome(), list[Comparison]()
    async with aclosing(comparisons(service.database, trial, case_ids)) as compared:
        async for comparison in compared:
            outcome.add(comparison)
            if comparison.kinds and len(changes) < told.list_limit:
                changes.append(comparison)
    return _view(trial, outcome, changes)


def _view(trial: Trial, outcome: Outcome, changes: list[Comparison]) -> WhatIfView:
    return WhatIfView(
        from_=trial.first,
        to=trial.last,
        cases=outcome.cases,
        changed=outcome.changed,
        due_dates_moved=outcome.kinds[Kind.DUE_DATE],
        workdays_changed=outcome.kinds[Kind.WORKDAYS],
        normal_changed=outcome.kinds[Kind.NORMAL],
        breaches_made=outcome.kinds[Kind.BREACH_MADE],
        breaches_unmade=outcome.kinds[Kind.BREACH_UNMADE],
        before=[
            _figures(scope, outcome.before(scope, target(trial.present, trial, scope)))
            for scope in Scope
        ],
        after=[
            _figures(scope, outcome.after(scope, target(trial.proposed, trial, scope)))
            for scope in Scope
        ],
        changes=[_changed(comparison) for comparison in changes],
        omitted=outcome.changed - len(changes),
    )


def target(rules: Rulebook, trial: Trial, scope: Scope) -> float | None:
    """Return the target of the policy in force on the last day of acceptance."""
    return rules.policies.on(trial.last).target(scope)


def _figures(scope: Scope, told: Performance) -> TriedFiguresView:
    return TriedFiguresView(
        scope=scope,
        n=told.n,
        mean_workdays=told.mean_workdays,
        in_time_rate=told.in_time_rate,
        same_day_rate=told.same_day_rate,
        target_workdays=told.target_workdays,
        meets_target=told.meets_target,
        open_n=told.open_n,
        open_mean_workdays=told.open_mean_workdays,
        mean_if_open_stopped_now=told.mean_if_open_stopped_now,
    )


def _changed(told: Comparison) -> ChangedCaseView:
    return ChangedCaseView(
        case_id=told.case_id,
        category=told.category,
        city=told.city,
        office=told.office,
        changes=list(told.kinds),
        before=_standing(told.before),
        after=_standing(told.after),
    )


def _standing(told: Standing) -> StandingView:
    return StandingView(
        status=told.status,
        verdict=told.verdict,
        normal=told.normal,
        workdays=told.workdays,
        limit_workdays=told.limit_workdays,
        due_date=told.due_date,
    )
