"""GET /v1/calendar, PUT /v1/calendar/{year} and its versions: days, and another notice for a year.

A notice is tried on the stored cases before it is published: the answer says what it comes to.
"""

from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import Annotated, Any, Literal

import msgspec
import structlog
from aiohttp import web

from rebate_monitor.api.access import require
from rebate_monitor.api.audit import deed_of
from rebate_monitor.api.body import read_body
from rebate_monitor.api.heavy import HEAVY
from rebate_monitor.api.parameters import a_date, a_flag, allow_only, parameter
from rebate_monitor.api.problems import (
    InvalidProblem,
    NoticeProblem,
    NotJsonProblem,
    ObjectionsProblem,
    TooLargeProblem,
    UnavailableProblem,
    UnsupportedMediaTypeProblem,
)
from rebate_monitor.api.recompute import PATH as RECOMPUTE_PATH
from rebate_monitor.api.recompute import RecomputeView, recompute_view
from rebate_monitor.api.service import SERVICE, Service
from rebate_monitor.api.views import ProblemView, encode, known_since_view
from rebate_monitor.calendar_file import (
    FIRST_YEAR,
    LAST_YEAR,
    MAX_BYTES,
    MAX_DAYS,
    MAX_NAME,
    MAX_PAPER,
    MAX_PAPERS,
    CalendarFileError,
    convert_notice,
)
from rebate_monitor.domain.calendar_change import DayChange, Objection, ObjectionRule, changed_days
from rebate_monitor.domain.policy import Scope
from rebate_monitor.domain.rule_versions import PartVersion, calendar_versions
from rebate_monitor.domain.rules_difference import MonthDifference
from rebate_monitor.domain.work_calendar import CalendarDay, DayKind, WorkCalendar, YearNotice
from rebate_monitor.ingest.dry_run import DryRun, Trial
from rebate_monitor.ingest.rule_changes import (
    CalendarImport,
    Draft,
    ObjectionsError,
    RulesTurnedError,
    draft,
    publish_draft,
)
from rebate_monitor.storage.audit import Deed
from rebate_monitor.storage.database import Connection
from rebate_monitor.storage.keys import Scope as KeyScope
from rebate_monitor.storage.patience import LockedError
from rebate_monitor.storage.recomputes import numbered
from rebate_monitor.storage.rulebooks import (
    Published,
    known_rules,
)

JSON = "application/json"
MAX_YEARS = 10
MOST_PROBLEMS = 500
TRIES = 5
NOTICE = '{"year": 2027, "papers": ["…"], "days": [{"name": "…", "date": "…", "isOffDay": true}]}'

log = structlog.get_logger()


class CalendarDayView(msgspec.Struct, kw_only=True):
    """One calendar day with the notice that says what it is."""

    date: date
    workday: bool
    kind: DayKind
    name: str | None
    notice: str | None
    provisional: bool


class CalendarView(msgspec.Struct, kw_only=True):
    """Days of the work calendar."""

    days: list[CalendarDayView]
    published_until: date


class NamedDayView(msgspec.Struct, kw_only=True):
    """A day that a notice names; `notice` is the paper that says so."""

    date: date
    kind: DayKind
    name: str
    notice: str | None


class YearVersionView(msgspec.Struct, kw_only=True):
    """What a year was from `known_since` on, null: always; `rules` is the state of all rules.

    `because` is `start` (the package came with it), `import` or `withdraw` (an import was given
    up), `days` are those that the notice names.
    """

    version: int
    rules: int
    known_since: datetime | None
    because: str
    by: str | None
    notice: str | None
    provisional: bool
    days: list[NamedDayView]


class YearVersionsView(msgspec.Struct, kw_only=True):
    """Every version of a year of the calendar, the first one first; the last is in force."""

    year: int
    versions: list[YearVersionView]


class DayTold(msgspec.Struct, kw_only=True, forbid_unknown_fields=True, rename="camel"):
    """A day off, or else a make-up workday: of the year or of the December before."""

    name: Annotated[str, msgspec.Meta(min_length=1, max_length=MAX_NAME)]
    date: date
    is_off_day: bool


class NoticeTold(msgspec.Struct, kw_only=True):
    """One year's notice as the public feed holiday-cn has it; other fields are ignored.

    Only the schema: a notice is read by `convert_notice`, which names everything that is wrong.
    """

    year: Annotated[int, msgspec.Meta(ge=FIRST_YEAR, le=LAST_YEAR)]
    papers: Annotated[
        list[Annotated[str, msgspec.Meta(max_length=MAX_PAPER)]],
        msgspec.Meta(max_length=MAX_PAPERS),
    ] = []
    days: Annotated[list[DayTold], msgspec.Meta(min_length=1, max_length=MAX_DAYS)]


class CalendarSaysView(msgspec.Struct, kw_only=True):
    """What a calendar says of a day."""

    workday: bool
    kind: DayKind
    name: str | None
    notice: str | None
    provisional: bool


class DayChangeView(msgspec.Struct, kw_only=True):
    """A day that a notice changes; only where `moves` is it worked by one of both alone."""

    date: date
    moves: bool
    before: CalendarSaysView
    after: CalendarSaysView


class MonthDifferenceView(msgspec.Struct, kw_only=True):
    """The official mean of a month and scope, in workdays; `closed` months stay as reported."""

    month: str
    scope: Scope
    n_before: int
    mean_before: float | None
    n_after: int
    mean_after: float | None
    closed: bool


class DifferenceView(msgspec.Struct, kw_only=True):
    """What a notice comes to on the stored cases; one case can count several times."""

    cases: int
    changed: int
    due_dates_moved: int
    breaches_made: int
    breaches_unmade: int
    normal_changed: int
    means: list[MonthDifferenceView]


class ObjectionView(msgspec.Struct, kw_only=True):
    """What speaks against a notice, by the name of the rule and in words."""

    rule: ObjectionRule
    text: str


class NoticeProblemView(ProblemView, kw_only=True):
    """Why a request is refused; `problems` has all that is wrong with a notice, place by place."""

    problems: list[str] | msgspec.UnsetType = msgspec.UNSET


class ObjectionsProblemView(ProblemView, kw_only=True):
    """Why a notice is probably not what it should be; nothing was stored."""

    objections: list[ObjectionView]


class YearPutView(msgspec.Struct, kw_only=True):
    """What became of a notice: `unchanged` when the calendar said so already.

    `version`, `rules`, `known_since` and `by` are those of the year as it is in force now, null of
    a dry run, which changes nothing.
    """

    year: int
    outcome: Literal["published", "unchanged", "dry_run"]
    version: int | None
    rules: int | None
    known_since: datetime | None
    by: str | None
    objections: list[ObjectionView]
    changes: list[DayChangeView]
    difference: DifferenceView
    recompute: RecomputeView | None


async def get_calendar(request: web.Request) -> web.Response:
    """Answer the days of a stretch of at most ten years; this year when none is told."""
    await require(request, KeyScope.CASES_READ, by_office=True)
    allow_only(request, ["from", "to"])
    service = request.app[SERVICE]
    today = service.today()
    last_told = parameter(request, "to", a_date)
    first = parameter(request, "from", a_date) or (last_told or today).replace(month=1, day=1)
    last = last_told or first.replace(month=12, day=31)
    async with service.database.connection() as connection:
        calendar = (await service.rules.in_force(connection)).rulebook.calendar
    _check_stretch(calendar, first, last)
    days = [_day_view(day) for day in calendar.days(first, last)]
    view = CalendarView(days=days, published_until=calendar.published_until)
    return web.Response(body=encode(view), content_type=JSON)


def _check_stretch(calendar: WorkCalendar, first: date, last: date) -> None:
    if first > last:
        raise InvalidProblem(f"from: {first} lies after to, {last}")
    if first < calendar.first or last > calendar.last:
        raise InvalidProblem(f"from, to: must lie from {calendar.first} to {calendar.last}")
    if last.year - first.year >= MAX_YEARS and last >= _ten_years_after(first):
        raise InvalidProblem(f"to: at most {MAX_YEARS} years a call")


def _ten_years_after(day: date) -> date:
    year = day.year + MAX_YEARS
    return date(year, day.month, day.day) if (day.month, day.day) != (2, 29) else date(year, 3, 1)


def _day_view(day: CalendarDay) -> CalendarDayView:
    return CalendarDayView(
        date=day.date,
        workday=day.workday,
        kind=day.kind,
        name=day.name,
        notice=day.notice,
        provisional=day.provisional,
    )


async def get_versions(request: web.Request) -> web.Response:
    """Answer every version of a year: what it said, since when, and who brought it."""
    await require(request, KeyScope.CASES_READ, by_office=True)
    allow_only(request, [])
    async with request.app[SERVICE].database.transaction(snapshot=True) as connection:
        view = await year_versions(connection, request.app[SERVICE], _year(request))
    return web.Response(body=encode(view), content_type=JSON)


async def year_versions(connection: Connection, service: Service, year: int) -> YearVersionsView:
    """Read every version of a year."""
    known = await known_rules(connection, service.rules.own)
    versions = [_version_view(version) for version in calendar_versions(known, year)]
    return YearVersionsView(year=year, versions=versions)


def _version_view(told: PartVersion[YearNotice]) -> YearVersionView:
    notice = told.part or YearNotice(year=0, days={}, notice=None)
    return YearVersionView(
        version=told.number,
        rules=told.rules,
        known_since=known_since_view(told.known_since),
        because=told.brought.because,
        by=told.brought.by or None,
        notice=notice.notice,
        provisional=notice.provisional,
        days=[
            NamedDayView(
                date=day,
                kind=special.kind,
                name=special.name,
                notice=special.notice or notice.notice,
            )
            for day, special in sorted(notice.days.items())
        ],
    )


async def put_year(request: web.Request) -> web.Response:
    """Lay a notice over a year, tried on the stored cases first; `dry_run` only tries it.

    202 when it is published and cases are being laid down anew, 201 when none has to be, 200 when
    nothing was published.
    """
    principal = await require(request, KeyScope.ADMIN)
    allow_only(request, ["force", "dry_run"])
    is_dry, is_forced = (parameter(request, name, a_flag) for name in ("dry_run", "force"))
    notice = await _told_notice(request)
    change = CalendarImport(by=principal.name, notices=(notice,), insists=bool(is_dry or is_forced))
    if is_dry:
        return _answer(_dry_view(notice.year, await _try(request, change)))
    tried, published = await _publish(request, change, deed_of(request, principal))
    if published is not None:
        log.info("calendar.put", year=notice.year, rules=published.number, key=principal.name)
    return _answer(await _put_view(request.app[SERVICE], notice.year, tried, published))


async def _told_notice(request: web.Request) -> YearNotice:
    year = _year(request)
    if request.content_type != JSON:
        raise UnsupportedMediaTypeProblem(f"send {JSON}: {NOTICE}")
    notice = _convert(_decode(await _body(request)))
    if notice.year != year:
        raise InvalidProblem(f"year: the path is of {year}, the notice of {notice.year}")
    return notice


async def _body(request: web.Request) -> bytes:
    if (request.content_length or 0) <= MAX_BYTES:
        body = await read_body(request)
        if len(body) <= MAX_BYTES:
            return body
    raise TooLargeProblem(f"a notice has at most {MAX_BYTES} bytes")


def _year(request: web.Request) -> int:
    told, calendar = request.match_info["year"], request.app[SERVICE].rules.calendar
    first, last = calendar.first.year, calendar.last.year
    if told.isascii() and told.isdigit() and len(told) == len(f"{last}"):
        year = int(told)
        if first <= year <= last:
            return year
    raise InvalidProblem(f"year: must be a year from {first} to {last}")


def _decode(body: bytes) -> object:
    try:
        return msgspec.json.decode(body)
    except RecursionError:
        raise InvalidProblem("the body is nested too deeply; a notice is flat") from None
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise NotJsonProblem("the body must be a JSON object, encoded in UTF-8") from None


def _convert(told: object) -> YearNotice:
    try:
        return convert_notice(told)
    except CalendarFileError as error:
        named = CalendarFileError(told.removeprefix("calendar: ") for told in error.problems)
        raise NoticeProblem(str(named), problems=list(named.problems[:MOST_PROBLEMS])) from None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Tried:
    """A notice laid over the version in force, what speaks against it, and what it comes to."""

    draft: Draft
    objections: tuple[Objection, ...]
    trial: Trial


async def _try(request: web.Request, change: CalendarImport) -> _Tried:
    try:
        return await request.app[HEAVY].answer(request, _tried(request.app[SERVICE], change))
    except ObjectionsError as error:
        said = "; ".join(objection.text for objection in error.objections)
        raise ObjectionsProblem(
            f"{said}. With `force=true` it is stored all the same; `dry_run=true` only says what "
            "it comes to",
            objections=[msgspec.to_builtins(_objection_view(told)) for told in error.objections],
        ) from None


async def _tried(service: Service, change: CalendarImport) -> _Tried:
    async with service.database.transaction(snapshot=True) as connection:
        rules = await service.rules.in_force(connection)
        told = await draft(connection, rules.rulebook, lambda _: change)
        trial = await DryRun(connection, rules, service.now()).trial(told.after.rulebook)
        objections = change.objections_to(told.before)
        return _Tried(draft=told, objections=objections, trial=trial)


async def _publish(
    request: web.Request, change: CalendarImport, by: Deed
) -> tuple[_Tried, Published | None]:
    """Try and publish, anew where others came between: what is told is what was published."""
    for _ in range(TRIES):
        tried = await _try(request, change)
        try:
            service = request.app[SERVICE]
            now, drafted = service.now, tried.draft
            return tried, await publish_draft(service.database, drafted, now, by)
        except RulesTurnedError:
            continue
        except LockedError as error:
            raise UnavailableProblem(str(error)) from error
    raise UnavailableProblem("others keep changing the rules; nothing was stored, send it again")


def _dry_view(year: int, tried: _Tried) -> YearPutView:
    return YearPutView(
        year=year,
        outcome="dry_run",
        version=None,
        rules=None,
        known_since=None,
        by=None,
        recompute=None,
        **_trial(tried),
    )


async def _put_view(
    service: Service, year: int, tried: _Tried, published: Published | None
) -> YearPutView:
    async with service.database.transaction(snapshot=True) as connection:
        known = await known_rules(connection, service.rules.own)
        begun = await numbered(connection, published.recompute) if published else None
    number = published.number if published else tried.draft.number
    version = calendar_versions([rules for rules in known if rules.number <= number], year)[-1]
    came_with = next((rules for rules in known if published and rules.number == number), version)
    return YearPutView(
        year=year,
        outcome="published" if published else "unchanged",
        version=version.number,
        rules=published.number if published else version.rules,
        known_since=known_since_view(came_with.known_since),
        by=came_with.brought.by or None,
        recompute=recompute_view(begun, came_with.brought) if begun else None,
        **_trial(tried),
    )


def _trial(tried: _Tried) -> dict[str, Any]:
    calendars = (v.rulebook.calendar for v in (tried.draft.before, tried.draft.after))
    return {
        "objections": [_objection_view(told) for told in tried.objections],
        "changes": [_change_view(told) for told in changed_days(*calendars) if _is_told(told)],
        "difference": _difference_view(tried),
    }


def _objection_view(told: Objection) -> ObjectionView:
    return ObjectionView(rule=told.rule, text=told.text)


def _is_told(change: DayChange) -> bool:
    """Say whether more of a day differs than that its year is an estimate."""
    return change.before != replace(change.after, provisional=change.before.provisional)


def _change_view(told: DayChange) -> DayChangeView:
    return DayChangeView(
        date=told.before.date,
        moves=told.is_moved,
        before=_says(told.before),
        after=_says(told.after),
    )


def _says(day: CalendarDay) -> CalendarSaysView:
    return CalendarSaysView(
        workday=day.workday,
        kind=day.kind,
        name=day.name,
        notice=day.notice,
        provisional=day.provisional,
    )


def _difference_view(tried: _Tried) -> DifferenceView:
    told = tried.trial.difference
    return DifferenceView(
        cases=told.cases,
        changed=told.changed,
        due_dates_moved=told.due_dates_moved,
        breaches_made=told.breaches_made,
        breaches_unmade=told.breaches_unmade,
        normal_changed=told.normal_changed,
        means=[_mean_view(month, tried.trial.closed) for month in tried.trial.means],
    )


def _mean_view(told: MonthDifference, closed: frozenset[str]) -> MonthDifferenceView:
    return MonthDifferenceView(
        month=told.month,
        scope=told.scope,
        n_before=told.n_before,
        mean_before=told.mean_before,
        n_after=told.n_after,
        mean_after=told.mean_after,
        closed=told.month in closed,
    )


def _answer(view: YearPutView) -> web.Response:
    """Answer 200 where nothing was published, 202 while its cases are still laid down anew."""
    if view.recompute is None:
        return web.Response(body=encode(view), content_type=JSON)
    return web.Response(
        status=201 if view.recompute.state == "finished" else 202,
        body=encode(view),
        content_type=JSON,
        headers={"Location": RECOMPUTE_PATH},
    )
