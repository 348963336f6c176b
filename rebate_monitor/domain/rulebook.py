"""The rules that turn events into an assessed case: all policies and the work calendar."""

from collections.abc import Iterable
from dataclasses import dataclass

from rebate_monitor.domain.assessment import Assessment, assess
from rebate_monitor.domain.case import Case, fold
from rebate_monitor.domain.event import CaseEvent
from rebate_monitor.domain.policy import PolicyBook
from rebate_monitor.domain.work_calendar import WorkCalendar


@dataclass(frozen=True, slots=True, kw_only=True)
class Rulebook:
    """What every case is judged by."""

    policies: PolicyBook
    calendar: WorkCalendar

    def assess(self, case_id: str, events: Iterable[CaseEvent]) -> tuple[Case, Assessment]:
        """Fold and assess all events of one case."""
        case = self.fold(case_id, events)
        return case, self.assess_case(case)

    def fold(self, case_id: str, events: Iterable[CaseEvent]) -> Case:
        """Fold all events of one case."""
        return fold(case_id, events, self.policies)

    def assess_case(self, case: Case) -> Assessment:
        """Assess a folded case."""
        return assess(case, self.calendar)
