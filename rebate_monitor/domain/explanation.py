"""Take a case's count apart, day by day: which days were counted and why (DESIGN 5)."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from enum import StrEnum

from rebate_monitor.domain.assessment import Assessment
from rebate_monitor.domain.case import Case, Suspension
from rebate_monitor.domain.clock import Clock
from rebate_monitor.domain.event import SuspensionReason
from rebate_monitor.domain.local_time import local_date
from rebate_monitor.domain.policy import SuspensionEffect
from rebate_monitor.domain.work_calendar import DayKind, WorkCalendar

DAY = timedelta(days=1)


class Because(StrEnum):
    """Why a day was counted, or was not."""

    START_DAY = "start_day"
    WORKDAY = "workday"
    MAKEUP_WORKDAY = "makeup_workday"
    WEEKEND = "weekend"
    DAY_OFF = "day_off"
    SUSPENDED = "suspended"


@dataclass(frozen=True, slots=True, kw_only=True)
class ExplainedDay:
    """One calendar day of a case, in Asia/Shanghai.

    `name` is the holiday of a day off or make-up workday, `notice` the notice that says so,
    `reason` why the clock was paused. `running_total` is in workdays.
    """

    date: date
    counted: bool
    because: Because
    name: str | None = None
    notice: str | None = None
    provisional: bool = False
    reason: SuspensionReason | None = None
    running_total: int


def explained_days(
    case: Case, assessment: Assessment, calendar: WorkCalendar, now: datetime
) -> tuple[ExplainedDay, ...]:
    """Return each day from acceptance to the stop, or to `now` while the case is open.

    The days that were counted are as many as the case's workdays; of a suspension only the workdays
    say `suspended`, so they are as many as its paused workdays.
    """
    clock = assessment.clock
    if clock is None:
        return ()
    last = local_date(case.ended_at or now)
    return tuple(_days(_Count(case, clock, calendar), clock.accepted_on, last))


@dataclass(frozen=True, slots=True)
class _Count:
    case: Case
    clock: Clock
    calendar: WorkCalendar

    def because(self, day: date, *, counted: bool) -> Because:
        """Return the one reason that decides a day."""
        if day == self.clock.accepted_on:
            return Because.START_DAY
        kind = self.calendar.kind(day)
        if counted or not kind.is_workday:
            return Because(kind.value)
        # A workday that is not counted: the clock stands still, or it begins on this very day.
        return Because.START_DAY if day <= self.clock.counts_from else Because.SUSPENDED

    def reason(self, day: date) -> SuspensionReason | None:
        """Return the reason of the suspension that pauses a day."""
        return next((s.reason for s in self.case.suspensions if _pauses(s, day)), None)


def _days(count: _Count, first: date, last: date) -> Iterator[ExplainedDay]:
    before, day = 0, first
    while day <= last:
        total = count.clock.workdays_on(day)
        yield _explained(count, day, total, counted=total > before)
        before, day = total, day + DAY


def _explained(count: _Count, day: date, total: int, *, counted: bool) -> ExplainedDay:
    because = count.because(day, counted=counted)
    known = count.calendar.day(day)
    named = known.kind in (DayKind.DAY_OFF, DayKind.MAKEUP_WORKDAY)
    return ExplainedDay(
        date=day,
        counted=counted,
        because=because,
        name=known.name if named else None,
        notice=known.notice if named else None,
        provisional=known.provisional,
        reason=count.reason(day) if because is Because.SUSPENDED else None,
        running_total=total,
    )


def _pauses(suspension: Suspension, day: date) -> bool:
    """Say whether a suspension keeps a day from counting: all but its first day."""
    if suspension.effect is SuspensionEffect.RUN or day <= local_date(suspension.start):
        return False
    return suspension.end is None or day <= local_date(suspension.end)
