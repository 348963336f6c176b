"""The course of a case: the days on which things happened to it.

An assessment is made of nothing else, so cases that took the same course are assessed alike: under
other rules one assessment serves all of them.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date

from rebate_monitor.domain.case import Case, Pause, Status
from rebate_monitor.domain.clock import Span
from rebate_monitor.domain.event import Category, EventType
from rebate_monitor.domain.local_time import local_date


@dataclass(frozen=True, slots=True, kw_only=True)
class Course:
    """What happened to an accepted case, by Asia/Shanghai dates.

    `pauses` are stretches in which the clock stood still; `is_excluded` says that one of them took
    the case out of the means. `milestones` are in fold order.
    """

    status: Status
    category: Category | None
    accepted_on: date
    ended_on: date | None = None
    pauses: tuple[Span, ...] = ()
    is_excluded: bool = False
    milestones: tuple[tuple[EventType, date], ...] = ()

    @property
    def running_spans(self) -> tuple[Span, ...]:
        """The stretches in which the clock runs, the time after the end included.

        The clock of an ended case is drawn on after its end, so that its due date can still be
        told.
        """
        return tuple(self._running_spans())

    def _running_spans(self) -> Iterator[Span]:
        start = self.accepted_on
        for pause in self.pauses:
            yield Span(start=start, end=pause.start)
            if pause.end is None:
                return
            start = pause.end
        yield Span(start=start)


def course_of(case: Case) -> Course | None:
    """Return the course of a folded case, None before acceptance."""
    if case.accepted_at is None:
        return None
    return Course(
        status=case.status,
        category=case.attributes.category if case.attributes else None,
        accepted_on=local_date(case.accepted_at),
        ended_on=local_date(case.ended_at) if case.ended_at else None,
        pauses=tuple(map(_days_of, case.pauses)),
        is_excluded=case.is_excluded,
        milestones=tuple((told.event_type, local_date(told.at)) for told in case.milestones),
    )


def _days_of(pause: Pause) -> Span:
    return Span(start=local_date(pause.start), end=local_date(pause.end) if pause.end else None)
