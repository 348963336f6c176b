"""The rules that turn events into an assessed case: all policies and the work calendar."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from rebate_monitor.domain.assessment import Assessment, assess_course
from rebate_monitor.domain.case import Case, fold
from rebate_monitor.domain.course import Course, course_of
from rebate_monitor.domain.event import CaseEvent
from rebate_monitor.domain.policy import PolicyBook
from rebate_monitor.domain.work_calendar import WorkCalendar

MOST_KEPT = 20_000
"""How many courses a rulebook remembers the assessment of."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rulebook:
    """What every case is judged by.

    Cases that took the same course are assessed alike, so that each course is assessed once.
    """

    policies: PolicyBook
    calendar: WorkCalendar
    _assessed: dict[Course, Assessment] = field(
        default_factory=dict, init=False, repr=False, compare=False
    )

    def assess(self, case_id: str, events: Iterable[CaseEvent]) -> tuple[Case, Assessment]:
        """Fold and assess all events of one case."""
        case = self.fold(case_id, events)
        return case, self.assess_case(case)

    def fold(self, case_id: str, events: Iterable[CaseEvent]) -> Case:
        """Fold all events of one case."""
        return fold(case_id, events, self.policies)

    def assess_case(self, case: Case) -> Assessment:
        """Assess a folded case."""
        course = course_of(case)
        if course is None:
            return Assessment(status=case.status)
        known = self._assessed.get(course)
        if known is None:
            if len(self._assessed) >= MOST_KEPT:
                self._assessed.clear()
            known = self._assessed[course] = assess_course(course, case.policy, self.calendar)
        return known
