"""Judge a case by its calendar, its policy and the time (DESIGN 3.5).

`assess` says what stands until the case's next event (it becomes the stored row); `judge` adds
what the passing of time decides.
"""

from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from itertools import pairwise
from typing import Protocol

from rebate_monitor.domain.case import OTHER_ENDS, Case, Status
from rebate_monitor.domain.clock import Clock
from rebate_monitor.domain.course import Course, course_of
from rebate_monitor.domain.event import EventType
from rebate_monitor.domain.local_time import local_date, midnight
from rebate_monitor.domain.policy import AppliedPolicy, Policy
from rebate_monitor.domain.work_calendar import WorkCalendar


class Verdict(StrEnum):
    """How a case stands against its limit."""

    ON_TRACK = "on_track"
    AT_RISK = "at_risk"
    BREACHED = "breached"
    MET = "met"
    MISSED = "missed"
    NOT_APPLICABLE = "not_applicable"


STAGE_NAMES = {
    EventType.REVIEWED: "review",
    EventType.APPROVED: "approval",
    EventType.VOUCHER_ISSUED: "voucher",
    EventType.PAID: "treasury",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """Running workdays between two consecutive milestones, named after the one that ends it."""

    case_stage: str
    workdays: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Assessment:
    """What stands until the next event of the case.

    `settled_verdict` is None while only time decides; then `at_risk_at` and `breach_at` do.
    `counted_workdays` is the final count of a clock that stands still; of a running clock it is
    the count on `running_since`, and every workday after that day adds one. `urgent_at` is when
    the limit is or was passed, for sorting. `alert_instants` are those at which each level of
    alert is reached (DESIGN 3.5): at risk, breached, then each overdue step; of a case that ended,
    or that is paused beyond its limit, only those that were reached. `stages` lie between the
    milestones that the case has; up to the stop they add up. `rests_until` is the last day that any
    of this rests on: what a calendar says of later days changes nothing. Counts and limits are
    workdays, dates and instants Asia/Shanghai.
    """

    status: Status
    settled_verdict: Verdict | None = Verdict.NOT_APPLICABLE
    normal: bool = False
    limit_workdays: int | None = None
    counted_workdays: int | None = None
    running_since: date | None = None
    due_date: date | None = None
    at_risk_at: datetime | None = None
    breach_at: datetime | None = None
    urgent_at: datetime | None = None
    alert_instants: tuple[datetime, ...] = ()
    in_time: bool | None = None
    same_day: bool | None = None
    stages: tuple[Stage, ...] = ()
    rests_until: date | None = None
    course: Course | None = None
    clock: Clock | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """A case at one moment; all counts are workdays, None before acceptance."""

    verdict: Verdict
    provisional: bool = False
    workdays: int | None = None
    gross_workdays: int | None = None
    paused_workdays: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Instants:
    due_date: date | None = None
    at_risk_at: datetime | None = None
    breach_at: datetime | None = None
    overdue_at: tuple[datetime | None, ...] = ()


def assess(case: Case, calendar: WorkCalendar) -> Assessment:
    """Assess a case until its next event; raise CalendarRangeError beyond the calendar."""
    course = course_of(case)
    if course is None:
        return Assessment(status=case.status)
    return assess_course(course, case.policy, calendar)


def assess_course(course: Course, policy: AppliedPolicy, calendar: WorkCalendar) -> Assessment:
    """Assess all cases that took a course, by the policy of their day of acceptance."""
    clock = Clock(calendar, policy.rules.counting, course.running_spans)
    allowed = policy.limit(course.category)
    limit = None if course.status in OTHER_ENDS.values() else allowed
    counted_on = _counted_on(course, clock)
    counted = clock.workdays_on(counted_on)
    ever = _Instants() if allowed is None else _instants(clock, calendar, allowed, policy.policy)
    reached = ever if limit is not None else _Instants()
    stopped = course.status is Status.STOPPED
    waits = course.status is Status.SUSPENDED
    return Assessment(
        status=course.status,
        settled_verdict=_settled_verdict(course.status, counted, limit),
        normal=not course.is_excluded and course.status not in OTHER_ENDS.values(),
        limit_workdays=limit,
        counted_workdays=counted,
        running_since=counted_on if course.status is Status.RUNNING else None,
        due_date=None if waits else reached.due_date,
        at_risk_at=None if waits else reached.at_risk_at,
        breach_at=None if waits else reached.breach_at,
        urgent_at=reached.breach_at if course.status.is_open else None,
        alert_instants=_alert_instants(course, ever, is_over=limit is not None and counted > limit),
        in_time=counted <= limit if stopped and limit is not None else None,
        same_day=counted <= policy.rules.immediate_within_workdays if stopped else None,
        stages=_stages(course, clock, calendar),
        rests_until=max(counted_on, clock.counts_from, *_days_rested_on(course, ever)),
        course=course,
        clock=clock,
    )


def judge(case: Case, assessment: Assessment, calendar: WorkCalendar, now: datetime) -> Judgement:
    """Judge an assessed case at a moment; `now` carries an offset."""
    clock = assessment.clock
    if case.accepted_at is None or clock is None:
        return Judgement(verdict=Verdict.NOT_APPLICABLE)
    day = local_date(case.ended_at or now)
    workdays, gross = clock.workdays_on(day), clock.gross_on(day)
    horizon = max(day, _looks_ahead_to(assessment))
    return Judgement(
        verdict=verdict_at(assessment, now),
        provisional=calendar.is_provisional(clock.accepted_on, horizon),
        workdays=workdays,
        gross_workdays=gross,
        paused_workdays=gross - workdays,
    )


class Judged(Protocol):
    """What a verdict is read off: an assessment, or a row that one was laid down in."""

    @property
    def settled_verdict(self) -> Verdict | None: ...  # noqa: D102
    @property
    def at_risk_at(self) -> datetime | None: ...  # noqa: D102
    @property
    def breach_at(self) -> datetime | None: ...  # noqa: D102


def verdict_at(assessment: Judged, now: datetime) -> Verdict:
    """Return the verdict at a moment; a rest day right after the due date is still in time."""
    if assessment.settled_verdict is not None:
        return assessment.settled_verdict
    if assessment.breach_at is not None and now >= assessment.breach_at:
        return Verdict.BREACHED
    if assessment.at_risk_at is not None and now >= assessment.at_risk_at:
        return Verdict.AT_RISK
    return Verdict.ON_TRACK


def _stages(course: Course, clock: Clock, calendar: WorkCalendar) -> tuple[Stage, ...]:
    counts = [0]
    for _, day in course.milestones:
        counts.append(_count_through(clock, calendar, day, course.ended_on))
    return tuple(
        Stage(case_stage=STAGE_NAMES[event_type], workdays=after - before)
        for (event_type, _), (before, after) in zip(
            course.milestones, pairwise(counts), strict=True
        )
    )


def _counted_on(course: Course, clock: Clock) -> date:
    """Return the day whose count is stored: the last of a clock at rest, or where it runs from."""
    if course.ended_on is not None:
        return course.ended_on
    last = clock.spans[-1]
    return last.end or max(last.start, clock.counts_from)


def _days_rested_on(course: Course, ever: _Instants) -> list[date]:
    """Return the days beside that of the stored count on which an assessment rests."""
    instants = (ever.at_risk_at, ever.breach_at, *ever.overdue_at)
    reached = [local_date(at) for at in instants if at is not None]
    due = [ever.due_date] if ever.due_date else []
    return [*due, *reached, *(day for _, day in course.milestones)]


def _instants(clock: Clock, calendar: WorkCalendar, limit: int, policy: Policy | None) -> _Instants:
    warn = policy.warn_workdays_left if policy else 0
    steps = policy.escalate_after_workdays if policy else ()

    def instant_reaching(count: int) -> datetime | None:
        return _first_workday(calendar, clock.day_reaching(count))

    return _Instants(
        due_date=clock.day_reaching(limit),
        at_risk_at=instant_reaching(limit - warn),
        breach_at=instant_reaching(limit + 1),
        overdue_at=tuple(instant_reaching(limit + step) for step in steps),
    )


def _alert_instants(course: Course, ever: _Instants, *, is_over: bool) -> tuple[datetime, ...]:
    """Return when each level of alert is reached; a pause before the limit takes all of them.

    Each is a midnight, so that the day of the end says whether it was reached by then.
    """
    if course.status is Status.SUSPENDED and not is_over:
        return ()
    told = (ever.at_risk_at, ever.breach_at, *ever.overdue_at)
    end = course.ended_on
    return tuple(at for at in told if at is not None and (end is None or local_date(at) <= end))


def _first_workday(calendar: WorkCalendar, day: date | None) -> datetime | None:
    """Return 00:00 of the first workday that is not before a day."""
    return midnight(calendar.workday_on_or_after(day)) if day else None


def _settled_verdict(status: Status, counted: int, limit: int | None) -> Verdict | None:
    if limit is None:
        return Verdict.NOT_APPLICABLE
    if status is Status.STOPPED:
        return Verdict.MET if counted <= limit else Verdict.MISSED
    if status is Status.SUSPENDED:
        return Verdict.BREACHED if counted > limit else Verdict.ON_TRACK
    return None


def _looks_ahead_to(assessment: Assessment) -> date:
    """Return the furthest day that an open clock's instants rest on."""
    if assessment.status.is_open and assessment.breach_at is not None:
        return local_date(assessment.breach_at)
    return date.min


def _count_through(clock: Clock, calendar: WorkCalendar, day: date, ended: date | None) -> int:
    if ended is None or day <= ended:
        return clock.workdays_on(day)
    return clock.workdays_on(ended) + calendar.workdays_between(ended, day)
