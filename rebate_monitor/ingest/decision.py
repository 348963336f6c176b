"""Decide what becomes of each event of a batch; pure, so that nothing here waits."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from rebate_monitor.domain.event import EventType
from rebate_monitor.domain.tally import Cell, Deltas, Figure, Measures
from rebate_monitor.ingest.incoming import Incoming
from rebate_monitor.ingest.wire import Rejection
from rebate_monitor.storage.case_events import NewEvent

UNKNOWN_TYPE = "unknown"
CONFLICT = (
    "this id of this source is already known for this case with another type, time or data; "
    "nothing was changed: send a correction under a new id"
)


class Outcome(StrEnum):
    """What became of one event."""

    ACCEPTED = "accepted"
    DUPLICATE = "duplicate"
    CONFLICT = "conflict"
    REJECTED = "rejected"

    @property
    def is_refusal(self) -> bool:
        """Whether the event's content was not taken."""
        return self in (Outcome.CONFLICT, Outcome.REJECTED)


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What became of the event at `index` of its request."""

    index: int
    outcome: Outcome
    event_type: str
    id: str | None = None
    detail: str = ""


@dataclass(slots=True, kw_only=True)
class Decision:
    """What a batch comes to: a result per event, what to store and what to quarantine."""

    results: list[Result] = field(default_factory=list)
    new: list[NewEvent] = field(default_factory=list)
    refused: list[Rejection] = field(default_factory=list)


Known = Mapping[str, Mapping[tuple[str, str], bytes]]
"""Digests of stored events by case and identity (source, id)."""


Offices = Mapping[str, str | None]
"""The office of each case, None before its acceptance."""


def decide(batch: Sequence[Incoming], known: Known, offices: Offices) -> Decision:
    """Decide a batch against what is stored; the first of two in one batch counts as stored."""
    decision = Decision()
    told: dict[str, dict[tuple[str, str], bytes]] = {}
    for incoming in batch:
        match incoming.decoded:
            case Rejection() as rejection:
                _refuse(decision, incoming, rejection, Outcome.REJECTED)
            case NewEvent() as new:
                office = offices.get(new.event.case_id)
                if refusal := incoming.bounds.refusal(new.event, office):
                    rejection = _rejection(incoming.body, new, refusal)
                    _refuse(decision, incoming, rejection, Outcome.REJECTED)
                else:
                    _take(decision, incoming, new, known, told)
    return decision


def _take(
    decision: Decision,
    incoming: Incoming,
    new: NewEvent,
    known: Known,
    told: dict[str, dict[tuple[str, str], bytes]],
) -> None:
    case_id, identity = new.event.case_id, new.event.identity
    seen = known.get(case_id, {}).get(identity) or told.get(case_id, {}).get(identity)
    if seen is None:
        told.setdefault(case_id, {})[identity] = new.digest
        decision.new.append(new)
        decision.results.append(_result(incoming, new, Outcome.ACCEPTED))
    elif seen == new.digest:
        decision.results.append(_result(incoming, new, Outcome.DUPLICATE))
    else:
        rejection = _rejection(incoming.body, new, CONFLICT)
        _refuse(decision, incoming, rejection, Outcome.CONFLICT)


def _rejection(body: bytes, new: NewEvent, detail: str) -> Rejection:
    return Rejection(
        detail=detail,
        body=body,
        case_id=new.event.case_id,
        source=new.event.source,
        id=new.event.id,
        event_type=new.event.event_type,
    )


def _refuse(decision: Decision, incoming: Incoming, rejection: Rejection, outcome: Outcome) -> None:
    decision.refused.append(rejection)
    decision.results.append(
        Result(
            index=incoming.index,
            outcome=outcome,
            event_type=known_type(rejection.event_type),
            id=rejection.id,
            detail=rejection.detail,
        )
    )


def _result(incoming: Incoming, new: NewEvent, outcome: Outcome) -> Result:
    return Result(
        index=incoming.index, outcome=outcome, event_type=new.event.event_type, id=new.event.id
    )


def known_type(event_type: str | None) -> str:
    """Return the type if it is one of ours: labels of metrics must be bounded."""
    return event_type if event_type in set(EventType) and event_type else UNKNOWN_TYPE


def event_deltas(results: Iterable[Result]) -> Deltas:
    """Return what the event tally changes by."""
    counts = Counter((result.event_type, result.outcome) for result in results)
    return {
        Cell(figure=Figure.EVENTS, event_type=event_type, outcome=outcome): Measures(cases=count)
        for (event_type, outcome), count in counts.items()
    }
