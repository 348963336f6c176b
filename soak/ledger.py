"""What was answered to every event: from it follows what must be stored, and nothing else."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from rebate_monitor.domain.event import CaseEvent
from rebate_monitor.ingest.decision import Outcome
from rebate_monitor.ingest.wire import decode_event
from rebate_monitor.storage.case_events import NewEvent

Name = tuple[str, str, str]
"""What an event is known by: case, source, id."""
TAKEN = (Outcome.ACCEPTED, Outcome.DUPLICATE)


@dataclass
class Ledger:
    """Keeps what each event was answered with; `now` is late enough for every event to be past.

    `stored` is what was acknowledged, by name. An answer that breaks the contract is a fault.
    """

    now: datetime
    stored: dict[Name, NewEvent] = field(default_factory=dict)
    answers: Counter[Outcome] = field(default_factory=Counter)
    faults: list[str] = field(default_factory=list)
    _accepted: Counter[Name] = field(default_factory=Counter)
    _unsure: set[Name] = field(default_factory=set)
    _conflicts: dict[tuple[Name, bytes], None] = field(default_factory=dict)

    def note(self, events: Sequence[bytes], outcomes: Iterable[Outcome], *, tries: int) -> None:
        """Keep the answer to a request that took so many tries.

        What an earlier try has stored without an answer is only counted as duplicate.
        """
        for body, outcome in zip(events, outcomes, strict=True):
            self.answers[outcome] += 1
            told = decode_event(body, self.now)
            if isinstance(told, NewEvent):
                self._note_event(told, outcome, tries)
            elif outcome is not Outcome.REJECTED:
                self.faults.append(f"{outcome} is no event: {told.detail}")

    def _note_event(self, told: NewEvent, outcome: Outcome, tries: int) -> None:
        name = name_of(told.event)
        if tries > 1:
            self._unsure.add(name)
        if outcome is Outcome.REJECTED:
            self.faults.append(f"a valid event was rejected: {told.event.event_type}")
        elif outcome is Outcome.CONFLICT:
            self._conflicts[name, told.digest] = None
        elif self.stored.setdefault(name, told).digest != told.digest:
            self.faults.append(f"two contents of one event were taken: {told.event.event_type}")
        self._accepted[name] += outcome is Outcome.ACCEPTED

    def all_faults(self) -> Iterator[str]:
        """Yield every fault, those too that only the whole tells."""
        yield from self.faults
        for name in self.stored:
            times = self._accepted[name]
            if times > 1 or (times == 0 and name not in self._unsure):
                yield f"an event was accepted {times} times"
        for name, digest in self._conflicts:
            if name not in self.stored or self.stored[name].digest == digest:
                yield "a conflict with nothing that was taken"

    def events_by_case(self) -> dict[str, list[CaseEvent]]:
        """Return what must be stored of each case."""
        found: dict[str, list[CaseEvent]] = {}
        for told in self.stored.values():
            found.setdefault(told.event.case_id, []).append(told.event)
        return found


def name_of(event: CaseEvent) -> Name:
    """Return what an event is known by."""
    return event.case_id, event.source, event.id
