"""The sweep: raise what has become due, resolve and undo what stands no longer (DESIGN 7).

It is the only writer of alerts, on one replica at a time. A writer of cases only leaves the instant
at which the sweep has to look at the case again.
"""

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime

import structlog

from rebate_monitor.domain.alert import AlertKind, Resolution, Step, kind_of, next_step
from rebate_monitor.domain.tally import Deltas, Measures, alert_cell
from rebate_monitor.storage.alerts import (
    AlertChanges,
    DueCase,
    MovedAlert,
    NewAlert,
    NextLook,
    ResolvedAlert,
    StoredAlert,
    alert_id,
    alerting_state,
    ladder,
    lock_due_cases,
    next_due_instant,
    note_sweep,
    take_sweep,
    write_alerts,
)
from rebate_monitor.storage.causes import TIME, Cause, encode_cause
from rebate_monitor.storage.database import Connection, Database
from rebate_monitor.storage.tallies import add_deltas

PAGE = 200
"""Cases a transaction: few, so that requests get their turn on the event loop in between."""
POLL_SECONDS = 15.0
"""How long an instant that another process has brought nearer may go unseen."""
REST_SECONDS = 0.2
SILENCE_SECONDS = 60.0

log = structlog.get_logger()


@dataclass(slots=True, kw_only=True)
class Plan(AlertChanges):
    """What a page of a sweep has decided, and what that does to the count of open alerts."""

    counted: Counter[tuple[AlertKind, str | None, bool]] = field(default_factory=Counter)

    @property
    def deltas(self) -> Deltas:
        """What the tally of open alerts changes by."""
        return {
            alert_cell(kind, city, acknowledged=acknowledged): Measures(cases=count)
            for (kind, city, acknowledged), count in self.counted.items()
            if count
        }


def plan(
    cases: Iterable[DueCase],
    alerts: Mapping[str, Sequence[StoredAlert]],
    now: datetime,
    enforce_from: datetime,
) -> Plan:
    """Decide a page; nobody is told of levels that were reached before `enforce_from`."""
    decided = Plan()
    for case in cases:
        known = alerts.get(case.case_id, ())
        levels = ladder(known)
        standing = {level: alert.standing for level, alert in levels.items()}
        step = next_step(case.status, case.instants, standing, now)
        correction = _correct(decided, case, step, known, now)
        _resolve(decided, case, step, levels, correction)
        _move(decided, case, step, levels)
        _raise(decided, case, step, levels, enforce_from)
        alerted = step.raised is not None
        decided.looks.append(NextLook(case.case_id, step.next_at, alerted))
    return decided


def _correct(
    decided: Plan, case: DueCase, step: Step, known: Sequence[StoredAlert], now: datetime
) -> str | None:
    """Raise the correction of an undone breach and return its id."""
    level = step.corrected
    if level is None:
        return None
    earlier = sum(alert.kind is AlertKind.CORRECTED and alert.level == level for alert in known)
    correction = _new_alert(
        case, AlertKind.CORRECTED, level, earlier + 1, at=now, silent=False, cause=_change(case)
    )
    decided.raised.append(correction)
    return correction.alert_id


def _resolve(
    decided: Plan,
    case: DueCase,
    step: Step,
    levels: Mapping[int, StoredAlert],
    correction: str | None,
) -> None:
    for level, resolution in step.resolved.items():
        alert = levels[level]
        undone_by = correction if resolution is Resolution.CORRECTED else None
        cause = encode_cause(_change(case))
        decided.resolved.append(
            ResolvedAlert(case.case_id, alert.alert_id, resolution, cause, undone_by)
        )
        if alert.standing.resolution is None:
            decided.counted[alert.kind, alert.place.city, alert.standing.acknowledged] -= 1


def _move(decided: Plan, case: DueCase, step: Step, levels: Mapping[int, StoredAlert]) -> None:
    """Let open alerts follow their case to another office, city or category."""
    for level, alert in levels.items():
        is_open = alert.standing.resolution is None and level not in step.resolved
        if is_open and alert.place != case.place:
            decided.moved.append(MovedAlert(case.case_id, alert.alert_id, *case.place))
            decided.counted[alert.kind, alert.place.city, alert.standing.acknowledged] -= 1
            decided.counted[alert.kind, case.place.city, alert.standing.acknowledged] += 1


def _raise(
    decided: Plan,
    case: DueCase,
    step: Step,
    levels: Mapping[int, StoredAlert],
    enforce_from: datetime,
) -> None:
    level = step.raised
    if level is None:
        return
    at = case.instants[level]
    by_time = case.changed_at is None or at > case.changed_at
    last = levels.get(level)
    new = _new_alert(
        case,
        kind_of(level),
        level,
        last.standing.occurrence + 1 if last else 1,
        at=at,
        silent=at < max(enforce_from, case.enforce_from or enforce_from),
        cause=TIME if by_time else _change(case),
    )
    decided.raised.append(new)
    decided.counted[new.kind, new.city, False] += 1


def _new_alert(  # noqa: PLR0913 - what tells one alert from another, then what it says
    case: DueCase,
    kind: AlertKind,
    level: int,
    occurrence: int,
    *,
    at: datetime,
    silent: bool,
    cause: Cause,
) -> NewAlert:
    version = case.policy_version or ""
    return NewAlert(
        case.case_id,
        kind,
        level,
        version,
        occurrence,
        alert_id(case.case_id, kind, level, version, occurrence),
        *case.place,
        case.limit_workdays,
        case.due_date,
        at,
        silent,
        encode_cause(cause),
    )


def _change(case: DueCase) -> Cause:
    return case.changed_by or TIME


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """What one transaction of a sweep did; `is_last` when nothing more was due."""

    raised: int = 0
    resolved: int = 0
    is_last: bool = True


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
            page = await self._database.retrying(self._page)
            self._seen = time.monotonic()
            raised, resolved = raised + page.raised, resolved + page.resolved
            if page.is_last:
                break
            await asyncio.sleep(0)
        if raised or resolved:
            seconds = round(time.monotonic() - started, 6)
            log.info("sweep.done", raised=raised, resolved=resolved, seconds=seconds)
        return bool(raised or resolved)

    async def _page(self, connection: Connection) -> Page:
        if not await take_sweep(connection):
            return Page()
        now = self._now()
        cases, alerts = await lock_due_cases(connection, now, PAGE)
        if not cases:
            await note_sweep(connection, now)
            return Page()
        enforce_from = self._enforce_from or (await alerting_state(connection)).enforce_from
        decided = plan(cases, alerts, now, enforce_from)
        await write_alerts(connection, decided, now)
        await add_deltas(connection, decided.deltas)
        raised, resolved = len(decided.raised), len(decided.resolved)
        return Page(raised=raised, resolved=resolved, is_last=False)

    async def rest(self) -> None:
        """Sleep until the next instant is due or until somebody wakes the sweep."""
        async with self._database.connection() as connection:
            due = await next_due_instant(connection)
        left = (due - self._now()).total_seconds() if due else POLL_SECONDS
        await asyncio.sleep(REST_SECONDS)  # many commits wake the sweep once
        with suppress(TimeoutError):
            await asyncio.wait_for(self._woken.wait(), min(max(left, 0.0), POLL_SECONDS))
        self._woken.clear()
