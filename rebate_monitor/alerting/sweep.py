"""The sweep: raise what has become due, resolve and undo what stands no longer (DESIGN 7).

It is the only writer of alerts, on one replica at a time. Whoever writes a case leaves the level
that is due next and its instant, so that raising is one statement; a case that has alerts and has
changed is looked at by the rules of `domain/alert` first.
"""

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime

import structlog

from rebate_monitor.domain.alert import AlertKind, Resolution, Step, next_step
from rebate_monitor.storage.alerts import (
    AlertChanges,
    ChangedCase,
    Correction,
    NextLevel,
    OpenAlerts,
    ResolvedAlert,
    RevisedAlert,
    ShownAgain,
    StoredAlert,
    alert_deltas,
    alert_id,
    alerting_state,
    ladder,
    lock_changed_cases,
    next_due_instant,
    note_sweep,
    raise_due,
    take_sweep,
    write_alerts,
)
from rebate_monitor.storage.causes import encode_cause
from rebate_monitor.storage.database import Connection, Database
from rebate_monitor.storage.tallies import add_deltas

CHANGED_PAGE, DUE_PAGE = 100, 500
"""Cases a transaction: few, so that requests and batches of events get their turn in between."""
REST_SHARE = 0.5
"""How long a sweep rests after a page, measured by how long the page took."""
POLL_SECONDS = 15.0
"""How long an instant that another process has brought nearer may go unseen."""
WAKE_SECONDS = 0.2
"""How long commits that wake the sweep are gathered."""
SILENCE_SECONDS = 120.0

log = structlog.get_logger()


@dataclass(slots=True, kw_only=True)
class Plan(AlertChanges):
    """What a page of changed cases comes to, and what that does to the count of open alerts."""

    counted: OpenAlerts = field(default_factory=Counter)


def plan(
    cases: Iterable[ChangedCase], alerts: Mapping[str, Sequence[StoredAlert]], now: datetime
) -> Plan:
    """Decide a page of changed cases."""
    decided = Plan()
    for case in cases:
        known = alerts.get(case.case_id, ())
        levels = ladder(known)
        standing = {level: alert.standing for level, alert in levels.items()}
        # A clock that is set back undoes nothing: what was raised lay in the past already.
        latest = max([now, *(alert.at for alert in known)])
        step = next_step(case.status, case.instants, standing, latest)
        correction = _correct(decided, case, step, known)
        _resolve(decided, case, step, levels, correction)
        _revise(decided, case, step, levels)
        decided.next_levels.append(NextLevel(case.case_id, step.next_level, step.next_at))
    return decided


def _correct(
    decided: Plan, case: ChangedCase, step: Step, known: Sequence[StoredAlert]
) -> str | None:
    """Raise the correction of what was undone and return its id."""
    level, kind = step.corrected, AlertKind.CORRECTED
    if level is None:
        return None
    occurrence = 1 + sum(alert.kind is kind and alert.level == level for alert in known)
    undone = ladder(known)[level]  # its place, since a case without acceptance has none
    correction = Correction(
        case.case_id,
        kind,
        level,
        case.policy_version,
        occurrence,
        alert_id(case.case_id, kind, level, case.policy_version, occurrence),
        *undone.place,
        case.limit_workdays,
        case.due_date,
        encode_cause(case.changed_by),
    )
    decided.corrections.append(correction)
    return correction.alert_id


def _resolve(
    decided: Plan,
    case: ChangedCase,
    step: Step,
    levels: Mapping[int, StoredAlert],
    correction: str | None,
) -> None:
    cause = encode_cause(case.changed_by)
    for level, resolution in step.resolved.items():
        alert = levels[level]
        undone_by = correction if resolution is Resolution.CORRECTED else None
        decided.resolved.append(
            ResolvedAlert(case.case_id, alert.alert_id, resolution, cause, undone_by)
        )
        if alert.standing.resolution is None:
            _count(decided, alert, alert.place.city, -1)


def _revise(
    decided: Plan, case: ChangedCase, step: Step, levels: Mapping[int, StoredAlert]
) -> None:
    """Let open alerts follow their case to another office or due date.

    Channels look again at those of another office, and at what is left of a corrected breach: a
    warning that nobody was given, since the breach stood above it.
    """
    for level, alert in levels.items():
        if alert.standing.resolution is not None or level in step.resolved:
            continue
        told = alert.place, alert.at, alert.due_date, alert.limit_workdays
        now = case.place, case.instants[level], case.due_date, case.limit_workdays
        if now != told:
            revised = RevisedAlert(case.case_id, alert.alert_id, *now[0], *now[1:])
            decided.revised.append(revised)
            _count(decided, alert, alert.place.city, -1)
            _count(decided, alert, case.place.city, 1)
        if alert.place != case.place or step.corrected is not None:
            decided.shown_again.append(ShownAgain(case.case_id, alert.alert_id))


def _count(decided: Plan, alert: StoredAlert, city: str | None, change: int) -> None:
    """Count an open alert in or out; the figures leave silent ones aside, nobody knows of them."""
    if not alert.silent:
        decided.counted[alert.kind, city, alert.standing.acknowledged] += change


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """What one transaction of a sweep did.

    `is_last` when nothing more was due, `is_passed_by` when another replica was at it: one that
    hangs there for long makes the others unready too, so that somebody looks.
    """

    raised: int = 0
    resolved: int = 0
    is_last: bool = False
    is_passed_by: bool = False


class Sweeper:
    """Sweeps one database until all that is due is raised; `now` is its clock."""

    def __init__(
        self, database: Database, now: Callable[[], datetime], enforce_from: datetime | None = None
    ) -> None:
        self._database, self._now, self._enforce_from = database, now, enforce_from
        self._woken = asyncio.Event()
        self._seen = time.monotonic()

    @property
    def is_alive(self) -> bool:
        """Whether the sweep of this process has lately shown that it works."""
        return time.monotonic() - self._seen < SILENCE_SECONDS

    def wake(self) -> None:
        """Say that an instant may have come nearer."""
        self._woken.set()

    async def sweep(self) -> bool:
        """Raise all that is due, in instant order; return whether anything was written."""
        started, raised, resolved = time.monotonic(), 0, 0
        while True:
            began = time.monotonic()
            page = await self._database.retrying(self._page)
            if not page.is_passed_by:
                self._seen = time.monotonic()
            raised, resolved = raised + page.raised, resolved + page.resolved
            if page.is_last:
                break
            await asyncio.sleep(REST_SHARE * (time.monotonic() - began))
        if raised or resolved:
            seconds = round(time.monotonic() - started, 6)
            log.info("sweep.done", raised=raised, resolved=resolved, seconds=seconds)
        return bool(raised or resolved)

    async def _page(self, connection: Connection) -> Page:
        if not await take_sweep(connection):
            return Page(is_last=True, is_passed_by=True)
        now = self._now()
        cases, alerts = await lock_changed_cases(connection, CHANGED_PAGE)
        if cases:
            return await self._look(connection, plan(cases, alerts, now), now)
        raised = await self._raise(connection, now)
        if not raised:
            await note_sweep(connection, now)
        return Page(raised=raised, is_last=not raised)

    async def _look(self, connection: Connection, decided: Plan, now: datetime) -> Page:
        await write_alerts(connection, decided, now)
        await add_deltas(connection, alert_deltas(decided.counted))
        return Page(raised=len(decided.corrections), resolved=len(decided.resolved))

    async def _raise(self, connection: Connection, now: datetime) -> int:
        enforce_from = self._enforce_from or (await alerting_state(connection)).enforce_from
        raised = await raise_due(connection, now, DUE_PAGE, enforce_from)
        counted: OpenAlerts = Counter(
            {(kind, city, False): n for (kind, city, silent), n in raised.items() if not silent}
        )
        await add_deltas(connection, alert_deltas(counted))
        return sum(raised.values())

    async def rest(self) -> None:
        """Sleep until the next instant is due or until somebody wakes the sweep."""
        async with self._database.connection() as connection:
            due = await next_due_instant(connection)
        left = (due - self._now()).total_seconds() if due else POLL_SECONDS
        await asyncio.sleep(WAKE_SECONDS)
        with suppress(TimeoutError):
            await asyncio.wait_for(self._woken.wait(), min(max(left, 0.0), POLL_SECONDS))
        self._woken.clear()
