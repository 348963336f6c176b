"""Fold the events of a case into what happened to it (DESIGN 3.3 to 3.8).

Events may be late, repeated, reordered or surprising: the same set always folds to the same case,
and what is surprising is listed as an anomaly instead of being refused.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from operator import itemgetter

from rebate_monitor.domain.event import (
    KIND_RANK,
    Accepted,
    Approved,
    Attributes,
    CaseEvent,
    Corrected,
    EventType,
    Retracted,
    Suspended,
    SuspensionReason,
)
from rebate_monitor.domain.local_time import local_date
from rebate_monitor.domain.policy import AppliedPolicy, PolicyBook, SuspensionEffect


class Anomaly(StrEnum):
    """What is surprising about a case's facts; none of them is ever refused (DESIGN 3.7)."""

    BEFORE_ACCEPTANCE = "before_acceptance"
    AFTER_END = "after_end"
    ACCEPTED_AGAIN = "accepted_again"
    REPEATED_MILESTONE = "repeated_milestone"
    RESUMED_WHILE_RUNNING = "resumed_while_running"
    SUSPENDED_WHILE_SUSPENDED = "suspended_while_suspended"
    STOPPED_WHILE_SUSPENDED = "stopped_while_suspended"
    PAID_WITHOUT_STOP = "paid_without_stop"
    UNKNOWN_CATEGORY = "unknown_category"
    RETRACTS_NOTHING = "retracts_nothing"


class Status(StrEnum):
    """Where a case stands."""

    UNACCEPTED = "unaccepted"
    RUNNING = "running"
    SUSPENDED = "suspended"
    STOPPED = "stopped"
    REJECTED = "rejected"
    WITHDRAWN = "withdrawn"

    @property
    def is_open(self) -> bool:
        """Whether the case is accepted and has not ended."""
        return self in (Status.RUNNING, Status.SUSPENDED)


MILESTONES = (EventType.REVIEWED, EventType.APPROVED, EventType.VOUCHER_ISSUED, EventType.PAID)
OTHER_ENDS = {EventType.REJECTED: Status.REJECTED, EventType.WITHDRAWN: Status.WITHDRAWN}


@dataclass(frozen=True, slots=True, kw_only=True)
class Milestone:
    """A milestone that the case has reached; dated no earlier than acceptance."""

    event_type: EventType
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Suspension:
    """A suspension with its reason; `end` is None while it lasts."""

    reason: SuspensionReason
    effect: SuspensionEffect
    start: datetime
    end: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Pause:
    """A stretch in which the clock stands still; `end` is None while it lasts."""

    start: datetime
    end: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """What happened to one case, in order; every instant carries an offset.

    `ended_at` is when its clock stopped, by the stop milestone, a rejection or a withdrawal.
    """

    case_id: str
    events: int
    status: Status
    attributes: Attributes | None = None
    accepted_at: datetime | None = None
    ended_at: datetime | None = None
    milestones: tuple[Milestone, ...] = ()
    suspensions: tuple[Suspension, ...] = ()
    pauses: tuple[Pause, ...] = ()
    anomalies: tuple[Anomaly, ...] = ()
    policy: AppliedPolicy = field(default_factory=AppliedPolicy)

    @property
    def is_excluded(self) -> bool:
        """Whether a suspension has taken the case out of the means (DESIGN 3.4)."""
        return any(s.effect is SuspensionEffect.EXCLUDE for s in self.suspensions)


def fold(case_id: str, events: Iterable[CaseEvent], policies: PolicyBook) -> Case:
    """Fold all events of one case, in whatever order they arrived, into the case."""
    received = {event.identity: event for event in events}
    ordered, retracts_nothing = standing_events(received.values())
    start = _position(ordered, EventType.ACCEPTED)
    if start is None:
        surprises = [Anomaly.BEFORE_ACCEPTANCE] * bool(ordered)
        anomalies = _distinct([*surprises, *retracts_nothing])
        return Case(
            case_id=case_id, events=len(received), status=Status.UNACCEPTED, anomalies=anomalies
        )
    walk = _Walk(ordered, start, policies)
    walk.run()
    return Case(
        case_id=case_id,
        events=len(received),
        status=walk.status,
        attributes=walk.attributes,
        accepted_at=ordered[start].time,
        ended_at=walk.ended_at,
        milestones=walk.milestones,
        suspensions=tuple(walk.suspensions),
        pauses=tuple(walk.pauses),
        anomalies=_distinct([*walk.anomalies, *retracts_nothing]),
        policy=walk.policy,
    )


def happened_by(events: Iterable[CaseEvent], instant: datetime) -> tuple[CaseEvent, ...]:
    """Return the events whose time is not after an instant (DESIGN 5, `?at=`)."""
    return tuple(event for event in events if event.time <= instant)


def standing_events(events: Iterable[CaseEvent]) -> tuple[list[CaseEvent], list[Anomaly]]:
    """Return the events that stand, in fold order, and an anomaly for each retraction of nothing.

    A retraction may come before its target arrives. A retraction can itself be retracted by a
    later one (by fold order), so the answer never depends on the order of arrival.
    """
    ordered = sorted(events, key=lambda event: event.fold_order)
    if not any(event.event_type is EventType.RETRACTED for event in ordered):
        return ordered, []
    places = {event.identity: place for place, event in enumerate(ordered)}
    gone: set[int] = set()
    anomalies = []
    for place in reversed(range(len(ordered))):
        data = ordered[place].data
        if place in gone or not isinstance(data, Retracted):
            continue
        target = places.get((data.source or ordered[place].source, data.id))
        if target is None or (target >= place and isinstance(ordered[target].data, Retracted)):
            anomalies.append(Anomaly.RETRACTS_NOTHING)
        else:
            gone.add(target)
    standing = [
        event
        for place, event in enumerate(ordered)
        if place not in gone and not isinstance(event.data, Retracted)
    ]
    return standing, anomalies


class _Walk:
    """One pass over the standing events of an accepted case, from acceptance to its end."""

    def __init__(self, events: Sequence[CaseEvent], start: int, policies: PolicyBook) -> None:
        self.events, self.start = events, start
        self.accepted_at = events[start].time
        self.attributes = _attributes(events, start)
        self.policy = policies.on(local_date(self.accepted_at))
        self.places = _milestone_places(events, start)
        self.stop_kind = self._find_stop_kind()
        self.end, self.status = self._find_end()
        self.suspensions: list[Suspension] = []
        self.lasting: list[int] = []  # places of the suspensions that have not ended
        self.pauses: list[Pause] = []
        self.anomalies: list[Anomaly] = []
        if self.attributes.category is None:
            self.anomalies.append(Anomaly.UNKNOWN_CATEGORY)

    def run(self) -> None:
        """Take every event in fold order, then end what is still suspended at the end."""
        for place, event in enumerate(self.events):
            self._take(place, event)
            if place == self.end:
                self._close_at_end(self._time(place))
        if self.end is None and self.pauses and self.pauses[-1].end is None:
            self.status = Status.SUSPENDED

    @property
    def ended_at(self) -> datetime | None:
        """When the clock stopped: never before it started."""
        return None if self.end is None else self._time(self.end)

    @property
    def milestones(self) -> tuple[Milestone, ...]:
        """The milestones in fold order, those told before acceptance dated at acceptance."""
        places = sorted(self.places.items(), key=itemgetter(1))
        return tuple(Milestone(event_type=kind, at=self._time(place)) for kind, place in places)

    def _time(self, place: int) -> datetime:
        return self.events[max(place, self.start)].time

    def _find_end(self) -> tuple[int | None, Status]:
        """Return the place of whatever ends the case first, and what the case then is."""
        ends = [
            (place, OTHER_ENDS[event.event_type])
            for place, event in enumerate(self.events)
            if place > self.start and event.event_type in OTHER_ENDS
        ]
        stop = self.places.get(self.stop_kind, self.places.get(EventType.PAID))
        if stop is not None:
            ends.append((max(stop, self.start), Status.STOPPED))
        return min(ends, default=(None, Status.RUNNING), key=lambda end: end[0] or 0)

    def _find_stop_kind(self) -> EventType:
        """Return the milestone that stops this clock (DESIGN 3.3)."""
        approved = self.places.get(EventType.APPROVED)
        if approved is not None:
            data = self.events[approved].data
            if isinstance(data, Approved) and not data.cash_refund:
                return EventType.APPROVED
        return self.policy.rules.stop_at.event_type

    def _take(self, place: int, event: CaseEvent) -> None:
        kind = event.event_type
        if place == self.start:
            self._note_paid_without_stop(place)
        elif place < self.start:
            self.anomalies.append(Anomaly.BEFORE_ACCEPTANCE)
        elif kind is EventType.ACCEPTED:
            self.anomalies.append(Anomaly.ACCEPTED_AGAIN)
        elif kind is EventType.CORRECTED:
            return
        elif self.end is not None and place > self.end:
            self._take_after_end(place, kind)
        elif isinstance(event.data, Suspended):
            self._suspend(event.data.reason, event.time)
        elif kind is EventType.RESUMED:
            self._resume(event.time)
        else:
            self._take_milestone(place, kind)

    def _take_milestone(self, place: int, kind: EventType) -> None:
        if kind in self.places and self.places[kind] != place:
            self.anomalies.append(Anomaly.REPEATED_MILESTONE)
        self._note_paid_without_stop(place)

    def _take_after_end(self, place: int, kind: EventType) -> None:
        """After the stop only later milestones are expected, such as paid after the voucher."""
        if kind in self.places and self.places[kind] != place:
            self.anomalies.append(Anomaly.REPEATED_MILESTONE)
        elif not self._is_expected_after_stop(kind):
            self.anomalies.append(Anomaly.AFTER_END)

    def _is_expected_after_stop(self, kind: EventType) -> bool:
        stopped = self.status is Status.STOPPED and self._stop_came()
        return stopped and kind in self.places and KIND_RANK[kind] > KIND_RANK[self.stop_kind]

    def _stop_came(self) -> bool:
        return self.stop_kind in self.places

    def _note_paid_without_stop(self, place: int) -> None:
        if place == self.end and self.status is Status.STOPPED and not self._stop_came():
            self.anomalies.append(Anomaly.PAID_WITHOUT_STOP)

    def _suspend(self, reason: SuspensionReason, at: datetime) -> None:
        effect = self.policy.rules.suspensions[reason]
        paused = bool(self.pauses) and self.pauses[-1].end is None
        if paused:
            self.anomalies.append(Anomaly.SUSPENDED_WHILE_SUSPENDED)
        elif effect is not SuspensionEffect.RUN:
            self.pauses.append(Pause(start=at))
        self.lasting.append(len(self.suspensions))
        self.suspensions.append(Suspension(reason=reason, effect=effect, start=at))

    def _resume(self, at: datetime) -> None:
        if not self.lasting:
            self.anomalies.append(Anomaly.RESUMED_WHILE_RUNNING)
        self._close(at)

    def _close_at_end(self, at: datetime) -> None:
        paused = bool(self.pauses) and self.pauses[-1].end is None
        if paused and self.status is Status.STOPPED:
            self.anomalies.append(Anomaly.STOPPED_WHILE_SUSPENDED)
        self._close(at)

    def _close(self, at: datetime) -> None:
        """End the pause and every suspension that lasts: one resumption ends them all."""
        for place in self.lasting:
            self.suspensions[place] = replace(self.suspensions[place], end=at)
        self.lasting.clear()
        if self.pauses and self.pauses[-1].end is None:
            self.pauses[-1] = replace(self.pauses[-1], end=at)


def _attributes(events: Sequence[CaseEvent], start: int) -> Attributes:
    """Return the attributes of acceptance with every correction laid over them (DESIGN 3.8)."""
    accepted = events[start].data
    if not isinstance(accepted, Accepted):
        raise TypeError(f"an accepted event carries {type(accepted).__name__}")
    changes: dict[str, object] = {}
    for event in events:
        if isinstance(event.data, Corrected):
            changes |= event.data.changes
    if not changes:
        return accepted.attributes
    return replace(accepted.attributes, **changes)  # type: ignore[arg-type] # checked at the wire


def _milestone_places(events: Sequence[CaseEvent], start: int) -> dict[EventType, int]:
    """Return where each milestone was first reached, counting from acceptance.

    One that was told only before acceptance stands too: a paid case is not still being processed.
    """
    places: dict[EventType, int] = {}
    for place, event in enumerate(events):
        kind = event.event_type
        if kind in MILESTONES and places.get(kind, -1) < start:
            places[kind] = place
    return places


def _position(events: Sequence[CaseEvent], kind: EventType) -> int | None:
    return next((place for place, event in enumerate(events) if event.event_type is kind), None)


def _distinct(anomalies: Iterable[Anomaly]) -> tuple[Anomaly, ...]:
    return tuple(dict.fromkeys(anomalies))
