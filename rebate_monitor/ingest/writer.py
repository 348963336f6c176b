"""Make a batch durable: lock its cases, decide, append, fold, judge, write rows and tallies.

One transaction, so a crash at any instruction leaves either all of it or nothing. Batches that
touch the same case wait for each other at its row; all others run side by side.
"""

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from itertools import islice

from rebate_monitor.domain.bounds import Bounds
from rebate_monitor.domain.case import Case
from rebate_monitor.domain.event import CaseEvent, EventType
from rebate_monitor.domain.local_time import local_date
from rebate_monitor.domain.tally import Change, Deltas, change_of
from rebate_monitor.ingest.decision import (
    Decision,
    Known,
    Outcome,
    Result,
    decide,
    event_deltas,
)
from rebate_monitor.ingest.incoming import Incoming, Sender, read_batch
from rebate_monitor.ingest.wire import MAX_AHEAD, Rejection
from rebate_monitor.storage.case_events import (
    NewEvent,
    StoredEvent,
    append_events,
    events_of_cases,
    without_identity,
)
from rebate_monitor.storage.case_rows import (
    CaseRow,
    LockedCases,
    case_row,
    lock_cases,
    write_cases,
)
from rebate_monitor.storage.causes import event_cause
from rebate_monitor.storage.database import Connection, Database, DatabaseAwayError
from rebate_monitor.storage.quarantine import Refused, quarantine
from rebate_monitor.storage.rules import Rules
from rebate_monitor.storage.tallies import add_deltas

MAX_RESULTS = 10_000
FOLDED_AT_ONCE = 100
"""How many cases are folded before other requests get their turn."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What became of a request: counts, and a result for each event that was not accepted."""

    accepted: int = 0
    duplicate: int = 0
    rejected: int = 0
    results: Sequence[Result] = field(default=())

    @property
    def total(self) -> int:
        """How many events were told."""
        return self.accepted + self.duplicate + self.rejected

    @property
    def results_omitted(self) -> int:
        """How many results were cut."""
        return self.duplicate + self.rejected - len(self.results)

    @staticmethod
    def of(results: Iterable[Result]) -> "Report":
        """Count results; a conflict counts as rejected."""
        told = list(results)
        counts = Counter(result.outcome for result in told)
        return Report(
            accepted=counts[Outcome.ACCEPTED],
            duplicate=counts[Outcome.DUPLICATE],
            rejected=counts[Outcome.REJECTED] + counts[Outcome.CONFLICT],
            results=[result for result in told if result.outcome is not Outcome.ACCEPTED],
        )

    def placed(self, numbers: Sequence[int]) -> "Report":
        """Return the report with each result at its number instead of its index."""
        return replace(self, results=[replace(r, index=numbers[r.index]) for r in self.results])

    def plus(self, other: "Report") -> "Report":
        """Return the report of both; a flood of results is cut at MAX_RESULTS."""
        return Report(
            accepted=self.accepted + other.accepted,
            duplicate=self.duplicate + other.duplicate,
            rejected=self.rejected + other.rejected,
            results=[*self.results, *other.results][:MAX_RESULTS],
        )


def _ignore(_seconds: float) -> None:
    return None


def _wake_nobody() -> None:
    return None


def _beginning() -> datetime:
    """Stand in for a clock: then a batch is judged by the time at which it came in."""
    return datetime.min.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reception:
    """How a batch came in: from whom, when, all or nothing, and whether from the quarantine.

    `bounds` are kept with what is refused, None where the sender is a key.
    Nobody is told of alerts that an import of history brings (DESIGN 7).
    """

    received_from: str
    at: datetime
    bounds: Bounds | None = None
    strict: bool = False
    is_import: bool = False
    is_replay: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """What one request brings into a shared commit: its events, from whom, and when."""

    batch: Sequence[Incoming]
    received_from: str
    at: datetime
    bounds: Bounds | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Written:
    """What became of a batch, and what the cases it touched change the tallies by."""

    decision: Decision
    deltas: Deltas


class RefusedWholeError(Exception):
    """A strict batch holds a refused event, so none of it is stored."""

    def __init__(self, decision: Decision) -> None:
        super().__init__(f"{len(decision.refused)} events are refused")
        report = Report.of(decision.results)
        refusals = [result for result in report.results if result.outcome.is_refusal]
        self.report = Report(rejected=report.rejected, results=refusals)


@dataclass(frozen=True, slots=True, kw_only=True)
class Writer:
    """Takes events into one database by the rules in force, which turn between two batches.

    `max_ahead` is how far an event's time may lie ahead of `now`; `observe_commit` is told the
    seconds of each transaction, and `wake` is called after it: an alert may be due sooner now.
    `clock` tells the day on which a change of the tallies falls, once the cases are locked.
    Raises DatabaseAwayError; then nothing of the batch is certain, and all of it may be sent again.
    """

    database: Database
    rules: Rules
    max_ahead: timedelta = MAX_AHEAD
    observe_commit: Callable[[float], None] = _ignore
    wake: Callable[[], None] = _wake_nobody
    clock: Callable[[], datetime] = _beginning

    async def take(
        self,
        bodies: Sequence[bytes],
        *,
        sender: Sender,
        now: datetime,
        strict: bool = False,
        is_import: bool = False,
    ) -> Report:
        """Take one batch of event bodies; `strict` stores all of them or none."""
        batch = read_batch(bodies, sender, now, self.max_ahead)
        if not batch:
            return Report()
        reception = Reception(
            received_from=sender.name,
            at=now,
            bounds=sender.kept_bounds,
            strict=strict,
            is_import=is_import,
        )
        started = time.perf_counter()
        try:
            decision = await self.database.retrying(
                lambda connection: self.store(connection, batch, reception)
            )
        except RefusedWholeError as refused:
            return refused.report
        self.observe_commit(time.perf_counter() - started)
        self.wake()
        return Report.of(decision.results)

    async def commit(self, parts: Sequence[Part]) -> list[list[Result] | Exception]:
        """Store the parts of several requests in one transaction; return each one's results.

        What one of them brings down is told to that one alone: the others are committed without
        it. Raises DatabaseAwayError; then nothing of any part is certain.
        """
        started = time.perf_counter()
        try:
            results = await self.database.retrying(
                lambda connection: self._store_parts(connection, parts)
            )
        except DatabaseAwayError:
            raise
        except Exception as error:  # noqa: BLE001 - told to whoever brought it, and to no other
            if len(parts) == 1:
                return [error]
            return [told for part in parts for told in await self.commit([part])]
        self.observe_commit(time.perf_counter() - started)
        self.wake()
        return [*results]

    async def _store_parts(
        self, connection: Connection, parts: Sequence[Part]
    ) -> list[list[Result]]:
        batch = [incoming for part in parts for incoming in part.batch]
        at = max(part.at for part in parts)
        written = await self._write(connection, batch, Reception(received_from="", at=at))
        decision = written.decision
        await add_deltas(connection, written.deltas | event_deltas(decision.results))
        told = iter(decision.results)
        results = [list(islice(told, len(part.batch))) for part in parts]
        refused = iter(decision.refused)
        for part, of_part in zip(parts, results, strict=True):
            mine = list(islice(refused, sum(result.outcome.is_refusal for result in of_part)))
            kept = map(_refused, mine)
            await quarantine(connection, kept, part.received_from, at, bounds=part.bounds)
        return results

    async def store(
        self, connection: Connection, batch: Sequence[Incoming], reception: Reception
    ) -> Decision:
        """Store one batch within a transaction that the caller commits.

        What a replay refuses again was counted and kept before: it is left as it is.
        """
        written = await self._write(connection, batch, reception)
        decision, replayed = written.decision, reception.is_replay
        told = [r for r in decision.results if not (replayed and r.outcome.is_refusal)]
        await add_deltas(connection, written.deltas | event_deltas(told))
        if not replayed:
            refused = map(_refused, decision.refused)
            await quarantine(
                connection,
                refused,
                reception.received_from,
                reception.at,
                is_import=reception.is_import,
                bounds=reception.bounds,
            )
        return decision

    async def _write(
        self, connection: Connection, batch: Sequence[Incoming], reception: Reception
    ) -> _Written:
        """Write the new events of a batch and the cases that they make."""
        case_ids = {i.decoded.event.case_id for i in batch if isinstance(i.decoded, NewEvent)}
        locked = await lock_cases(connection, case_ids)
        known_cases = [case_id for case_id, row in locked.rows.items() if row.events]
        stored = await events_of_cases(connection, known_cases)
        offices = {case_id: row.office for case_id, row in locked.rows.items()}
        decision = decide(_stripped(batch, locked.erased), _digests(stored), offices)
        if reception.strict and decision.refused:
            raise RefusedWholeError(decision)  # rolls back the rows that lock_cases made, too
        await append_events(connection, decision.new, reception.at)
        rows = await self._fold(connection, locked, stored, decision.new)
        enforce_from = reception.at if reception.is_import else None
        await write_cases(connection, rows, reception.at, enforce_from)
        today = local_date(max(reception.at, self.clock()))  # the locks may have taken till morning
        changes = [Change(before=locked.rows[row.case_id], after=row) for row in rows]
        return _Written(decision=decision, deltas=change_of(changes, today))

    async def _fold(
        self,
        connection: Connection,
        locked: LockedCases,
        stored: Mapping[str, Sequence[StoredEvent]],
        new_events: Sequence[NewEvent],
    ) -> list[CaseRow]:
        """Fold every case that has a new event, by the rules that were locked with the cases."""
        if not new_events:
            return []
        number, rulebook = await self.rules.rulebook(connection, locked.rules)
        told: dict[str, list[CaseEvent]] = {}
        for new in new_events:
            told.setdefault(new.event.case_id, []).append(new.event)
        rows = []
        for case_id, events in told.items():
            facts = [*(known.event for known in stored.get(case_id, ())), *events]
            case, assessment = rulebook.assess(case_id, facts)
            cause = event_cause(_telling_event(case, events))
            rows.append(case_row(case, assessment, cause, number))
            if len(rows) % FOLDED_AT_ONCE == 0:
                await asyncio.sleep(0)
        return rows


MILESTONES_ONLY = frozenset({EventType.REVIEWED, EventType.APPROVED, EventType.PAID})


def _telling_event(case: Case, events: Sequence[CaseEvent]) -> CaseEvent:
    """Return which of a case's new events to name as what changed it.

    That is the one that ended the case, else the last that can move its clock, else the last.
    """
    if len(events) == 1:
        return events[0]
    ordered = sorted(events, key=lambda event: event.fold_order)
    ends = [e for e in ordered if case.ended_at is not None and e.time == case.ended_at]
    moves = [e for e in ordered if e.event_type not in MILESTONES_ONLY]
    return ends[0] if ends else (moves or ordered)[-1]


def _stripped(batch: Sequence[Incoming], erased: frozenset[str]) -> Sequence[Incoming]:
    """Strip what is told of cases whose identity was erased, before it is compared or stored."""
    if not erased:
        return batch
    return [
        replace(incoming, decoded=without_identity(incoming.decoded))
        if isinstance(incoming.decoded, NewEvent) and incoming.decoded.event.case_id in erased
        else incoming
        for incoming in batch
    ]


def _digests(stored: Mapping[str, Sequence[StoredEvent]]) -> Known:
    return {
        case_id: {known.event.identity: known.digest for known in events}
        for case_id, events in stored.items()
    }


def _refused(rejection: Rejection) -> Refused:
    return Refused(
        reason=rejection.detail,
        body=rejection.body,
        case_id=rejection.case_id,
        source=rejection.source,
        id=rejection.id,
    )
