"""A case's days as the weeks of a calendar: what was counted, why not, and what happened when."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from rebate_monitor.domain.case import Case
from rebate_monitor.domain.event import EventType
from rebate_monitor.domain.explanation import Because, ExplainedDay
from rebate_monitor.domain.local_time import local_date
from rebate_monitor.domain.work_calendar import DayKind, WorkCalendar
from rebate_monitor.explaining.explain import Explanation

WEEK = 7
ONE_DAY = timedelta(days=1)
SHORTEST_GAP = 3
"""How many weeks in which nothing happens are told as one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """One day: why it counts or not, how many were counted by its end, and what happened.

    `state` is a reason of DESIGN 5, or `ahead_workday`, `ahead_rest` for days to come and `after`
    for those after the stop. `marks` are names of events, and `due`, `breach` and `today`.
    """

    date: date
    state: str
    counted: bool = False
    running_total: int | None = None
    name: str | None = None
    provisional: bool = False
    marks: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Week:
    """Monday to Sunday; None before the first day and after the last."""

    cells: tuple[Cell | None, ...]

    @property
    def days(self) -> list[Cell]:
        """The days that are told of."""
        return [cell for cell in self.cells if cell is not None]

    @property
    def is_quiet(self) -> bool:
        """Whether nothing happens in a whole week."""
        return len(self.days) == WEEK and not any(cell.marks for cell in self.days)


@dataclass(frozen=True, slots=True, kw_only=True)
class Gap:
    """Weeks in a row in which nothing happens: how many, and what they counted."""

    first: date
    last: date
    weeks: int
    counted: int
    suspended: int


def case_calendar(told: Explanation) -> list[Week | Gap]:
    """Return the weeks from acceptance to the last day that matters; none before acceptance."""
    cells = list(_cells(told))
    return list(_with_gaps(list(_weeks(cells)))) if cells else []


def _cells(told: Explanation) -> Iterator[Cell]:
    marks = _marks(told)
    for explained in told.days:
        yield _counted_cell(told, explained, marks)
    if told.days:
        day, last = told.days[-1].date + ONE_DAY, max([told.until, *marks])
        while day <= last:
            yield _later_cell(told, day, marks)
            day += ONE_DAY


def _counted_cell(told: Explanation, day: ExplainedDay, marks: Mapping[date, list[str]]) -> Cell:
    return Cell(
        date=day.date,
        state=day.because,
        counted=day.counted,
        running_total=day.running_total,
        name=told.name(day),
        provisional=day.provisional,
        marks=tuple(marks.get(day.date, ())),
    )


def _later_cell(told: Explanation, day: date, marks: Mapping[date, list[str]]) -> Cell:
    calendar = told.rulebook.calendar
    known = calendar.day(day)
    named = known.kind in (DayKind.DAY_OFF, DayKind.MAKEUP_WORKDAY)
    if told.case.ended_at is not None:
        state = "after"
    else:
        state = "ahead_workday" if known.workday else "ahead_rest"
    return Cell(
        date=day,
        state=state,
        name=told.holiday(known.name) if named else None,
        provisional=known.provisional,
        marks=tuple(marks.get(day, ())),
    )


def _marks(told: Explanation) -> dict[date, list[str]]:
    """Return what happened, or falls due, by day; within the calendar."""
    calendar = told.rulebook.calendar
    marks: dict[date, list[str]] = defaultdict(list)
    for day, name in _marked(told):
        if _is_told(day, told.case, calendar) and name not in marks[day]:
            marks[day].append(name)
    return dict(marks)


def _is_told(day: date, case: Case, calendar: WorkCalendar) -> bool:
    accepted_at = case.accepted_at
    return accepted_at is not None and local_date(accepted_at) <= day <= calendar.last


def _marked(told: Explanation) -> Iterator[tuple[date, str]]:
    case, assessment = told.case, told.assessment
    if case.accepted_at is not None:
        yield local_date(case.accepted_at), EventType.ACCEPTED
    for suspension in case.suspensions:
        yield local_date(suspension.start), EventType.SUSPENDED
        if suspension.end is not None:
            yield local_date(suspension.end), EventType.RESUMED
    for milestone in case.milestones:
        yield local_date(milestone.at), milestone.event_type
    if case.ended_at is not None:
        yield local_date(case.ended_at), "stop"
    if assessment.due_date is not None:
        yield assessment.due_date, "due"
    if assessment.breach_at is not None and _comes_true(assessment.breach_at, case.ended_at):
        yield local_date(assessment.breach_at), "breach"
    if case.ended_at is None:
        yield local_date(told.now), "today"


def _comes_true(breach_at: datetime, ended_at: datetime | None) -> bool:
    return ended_at is None or breach_at <= ended_at


def _weeks(cells: Sequence[Cell]) -> Iterator[Week]:
    padded: list[Cell | None] = [*[None] * cells[0].date.weekday(), *cells]
    padded += [None] * (-len(padded) % WEEK)
    for start in range(0, len(padded), WEEK):
        yield Week(cells=tuple(padded[start : start + WEEK]))


def _with_gaps(weeks: Sequence[Week]) -> Iterator[Week | Gap]:
    quiet: list[Week] = []
    for week in weeks:
        if week.is_quiet:
            quiet.append(week)
            continue
        yield from _told(quiet)
        quiet = []
        yield week
    yield from _told(quiet)


def _told(quiet: Sequence[Week]) -> Iterator[Week | Gap]:
    if len(quiet) < SHORTEST_GAP:
        yield from quiet
        return
    days = [cell for week in quiet for cell in week.days]
    yield Gap(
        first=days[0].date,
        last=days[-1].date,
        weeks=len(quiet),
        counted=sum(cell.counted for cell in days),
        suspended=sum(cell.state == Because.SUSPENDED for cell in days),
    )
