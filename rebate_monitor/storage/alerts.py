"""Stored alerts: written by the sweep, acknowledged and listed by people."""

import hashlib
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import NamedTuple

from asyncpg import Record

from rebate_monitor.domain.alert import AlertKind, Resolution, Standing, kind_of
from rebate_monitor.domain.bounds import UNBOUND, Bounds
from rebate_monitor.domain.case import Status
from rebate_monitor.domain.tally import Deltas, Measures, alert_cell
from rebate_monitor.storage.causes import Cause, decode_cause
from rebate_monitor.storage.database import Connection
from rebate_monitor.storage.statements import statement
from rebate_monitor.storage.tallies import add_deltas

ONLY_ONE_SWEEP = statement("only_one_sweep")
LOCK_CHANGED_CASES = statement("lock_changed_cases")
RAISE_DUE = statement("raise_due")
ALERTS_OF_CASES = statement("alerts_of_cases")
RAISE_CORRECTIONS = statement("raise_corrections")
RESOLVE_ALERTS = statement("resolve_alerts")
REVISE_ALERTS = statement("revise_alerts")
SHOW_AGAIN = statement("show_again")
PLAN_NEXT_LEVELS = statement("plan_next_levels")
NEXT_DUE_INSTANT = statement("next_due_instant")
NOTE_SWEEP = statement("note_sweep")
ALERTING_STATE = statement("alerting_state")
UNFOLDED_OPEN_CASES = statement("unfolded_open_cases")
LIST_ALERTS = statement("list_alerts")
PLAN_FOR_ARGUMENTS = statement("plan_for_arguments")
LOOK_AT_CASE_OF_ALERT = statement("look_at_case_of_alert")
LOCK_ALERT = statement("lock_alert")
ACKNOWLEDGE_ALERT = statement("acknowledge_alert")
SUPERVISED_OFFICES = statement("supervised_offices")

ALERT_ID_DIGITS = 24


class Place(NamedTuple):
    """Whose a case is: what routes go by and who is asked about it."""

    city: str | None
    office: str | None
    category: str | None
    whitelisted: bool | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangedCase:
    """A locked case with alerts whose facts or rules have changed, as far as the sweep needs it."""

    case_id: str
    status: Status
    instants: Sequence[datetime]
    changed_by: Cause
    policy_version: str
    place: Place
    limit_workdays: int | None
    due_date: date | None


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredAlert:
    """An alert as the sweep finds it."""

    alert_id: str
    kind: AlertKind
    level: int
    place: Place
    at: datetime
    due_date: date | None
    limit_workdays: int | None
    silent: bool
    standing: Standing


class Correction(NamedTuple):
    """A correction to be raised; the fields are the arguments of raise_corrections, in order."""

    case_id: str
    kind: AlertKind
    level: int
    policy_version: str
    occurrence: int
    alert_id: str
    city: str | None
    office: str | None
    category: str | None
    whitelisted: bool | None
    limit_workdays: int | None
    due_date: date | None
    cause: bytes


class ResolvedAlert(NamedTuple):
    """An alert that stands no longer; the fields are the arguments of resolve_alerts."""

    case_id: str
    alert_id: str
    resolution: Resolution
    cause: bytes
    undone_by: str | None


class RevisedAlert(NamedTuple):
    """An open alert whose case is another office's or due another day now; as revise_alerts."""

    case_id: str
    alert_id: str
    city: str | None
    office: str | None
    category: str | None
    whitelisted: bool | None
    at: datetime
    due_date: date | None
    limit_workdays: int | None


class ShownAgain(NamedTuple):
    """An open alert that channels look at again; the arguments of show_again."""

    case_id: str
    alert_id: str


class NextLevel(NamedTuple):
    """Which level of a case is raised when; the fields are the arguments of plan_next_levels."""

    case_id: str
    level: int | None
    at: datetime | None


@dataclass(slots=True, kw_only=True)
class AlertChanges:
    """What a page of changed cases comes to: each of them has its next level planned."""

    corrections: list[Correction] = field(default_factory=list)
    resolved: list[ResolvedAlert] = field(default_factory=list)
    revised: list[RevisedAlert] = field(default_factory=list)
    shown_again: list[ShownAgain] = field(default_factory=list)
    next_levels: list[NextLevel] = field(default_factory=list)


def alert_id(case_id: str, kind: AlertKind, level: int, version: str, occurrence: int) -> str:
    """Return the id of an alert: always the same for its key, and silent about the case."""
    key = f"{case_id}\n{kind}\n{level}\n{version}\n{occurrence}"
    return hashlib.sha256(key.encode()).hexdigest()[:ALERT_ID_DIGITS]


async def take_sweep(connection: Connection) -> bool:
    """Become the only sweep until the end of the transaction; return False if another one is."""
    taken: bool = await connection.fetchval(ONLY_ONE_SWEEP)
    return taken


async def raise_due(
    connection: Connection, now: datetime, limit: int, enforce_from: datetime
) -> dict[tuple[AlertKind, str | None, bool], int]:
    """Raise what is due at the earliest instant that has passed; count it by kind, city, silent.

    Nobody is told of levels that were reached before `enforce_from`: they are silent.
    """
    rows = await connection.fetch(RAISE_DUE, now, limit, enforce_from)
    return {(AlertKind(row["kind"]), row["city"], row["silent"]): row["alerts"] for row in rows}


async def lock_changed_cases(
    connection: Connection, limit: int
) -> tuple[list[ChangedCase], dict[str, list[StoredAlert]]]:
    """Lock cases with alerts that have changed; return them with all their alerts."""
    cases = [_changed_case(row) for row in await connection.fetch(LOCK_CHANGED_CASES, limit)]
    return cases, await alerts_of_cases(connection, [case.case_id for case in cases])


def _changed_case(row: Record) -> ChangedCase:
    return ChangedCase(
        case_id=row["case_id"],
        status=Status(row["status"]),
        instants=row["alert_instants"] or (),
        changed_by=decode_cause(row["changed_by"]),
        policy_version=row["policy_version"] or "",
        place=_place(row),
        limit_workdays=row["limit_workdays"],
        due_date=row["due_date"],
    )


def _place(row: Record) -> Place:
    return Place(row["city"], row["office"], row["category"], row["whitelisted"])


async def alerts_of_cases(
    connection: Connection, case_ids: Sequence[str]
) -> dict[str, list[StoredAlert]]:
    """Return all alerts of these cases, the latest of a level last."""
    found: dict[str, list[StoredAlert]] = {}
    for row in await connection.fetch(ALERTS_OF_CASES, case_ids):
        resolution = row["resolution"]
        standing = Standing(
            occurrence=row["occurrence"],
            resolution=Resolution(resolution) if resolution else None,
            acknowledged=row["acknowledged_at"] is not None,
        )
        found.setdefault(row["case_id"], []).append(
            StoredAlert(
                alert_id=row["alert_id"],
                kind=AlertKind(row["kind"]),
                level=row["level"],
                place=_place(row),
                at=row["at"],
                due_date=row["due_date"],
                limit_workdays=row["limit_workdays"],
                silent=row["silent"],
                standing=standing,
            )
        )
    return found


async def write_alerts(connection: Connection, changes: AlertChanges, now: datetime) -> None:
    """Write what a page of changed cases comes to."""
    if changes.corrections:
        await connection.execute(RAISE_CORRECTIONS, *_columns(changes.corrections), now)
    if changes.resolved:
        await connection.execute(RESOLVE_ALERTS, *_columns(changes.resolved), now)
    if changes.revised:
        await connection.execute(REVISE_ALERTS, *_columns(changes.revised))
    if changes.shown_again:
        await connection.execute(SHOW_AGAIN, *_columns(changes.shown_again))
    await connection.execute(PLAN_NEXT_LEVELS, *_columns(changes.next_levels))


def _columns(rows: Iterable[tuple[object, ...]]) -> list[list[object]]:
    return [list(column) for column in zip(*rows, strict=True)]


async def note_sweep(connection: Connection, now: datetime) -> None:
    """Keep that a sweep found nothing left to do."""
    await connection.execute(NOTE_SWEEP, now)


async def next_due_instant(connection: Connection) -> datetime | None:
    """Return when the next level of any case is due."""
    instant: datetime | None = await connection.fetchval(NEXT_DUE_INSTANT)
    return instant


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertingState:
    """Since when alerts are told unless configured otherwise, and when all was last looked at."""

    enforce_from: datetime
    last_success_at: datetime | None


async def alerting_state(connection: Connection) -> AlertingState:
    """Return the state that all replicas share."""
    row = await connection.fetchrow(ALERTING_STATE)
    if row is None:
        raise LookupError("alerting_state has lost its only row")
    return AlertingState(enforce_from=row["enforce_from"], last_success_at=row["last_success_at"])


async def count_unfolded(connection: Connection) -> int:
    """Return how many open cases have no alert instants, since they come from an older version."""
    count: int = await connection.fetchval(UNFOLDED_OPEN_CASES)
    return count


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertFilter:
    """Which alerts to list; None does not filter. `state` is `open` or `resolved`."""

    state: str | None = None
    kind: str | None = None
    level: int | None = None
    city: str | None = None
    office: str | None = None
    case_id: str | None = None
    since: datetime | None = None
    acknowledged: bool | None = None
    bounds: Bounds = UNBOUND


async def list_alerts(
    connection: Connection, wanted: AlertFilter, before: int | None, limit: int
) -> list[Record]:
    """Return a page of alerts, the latest first; part of a transaction."""
    await connection.execute(PLAN_FOR_ARGUMENTS)
    return await connection.fetch(
        LIST_ALERTS,
        wanted.state,
        wanted.kind,
        wanted.level,
        wanted.city,
        wanted.office,
        wanted.case_id,
        wanted.since,
        wanted.acknowledged,
        before,
        limit,
        wanted.bounds.patterns,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Acknowledgement:
    """Who has taken an alert on, with which key, and what they said of it."""

    who: str
    key: str
    note: str
    at: datetime


class AlertGoneError(LookupError):
    """There is no alert of this id."""


class AlreadyAcknowledgedError(Exception):
    """Somebody else has taken the alert on before."""


class AlreadyResolvedError(Exception):
    """The alert stands no longer, so there is nothing to take on."""


async def acknowledge(
    connection: Connection, told_id: str, told: Acknowledgement, bounds: Bounds = UNBOUND
) -> None:
    """Keep who has taken an open alert on, part of a transaction; the same again changes nothing.

    What led to the alert, the lower levels of its case, is taken on with it. An alert of an office
    outside the bounds is as good as gone.

    Raises AlertGoneError, AlreadyAcknowledgedError and AlreadyResolvedError.
    """
    await connection.execute(LOOK_AT_CASE_OF_ALERT, told_id)
    row = await connection.fetchrow(LOCK_ALERT, told_id)
    if row is None or not bounds.hold_office(row["office"]):
        raise AlertGoneError(told_id)
    if row["acknowledged_at"] is not None:
        if (row["acknowledged_by"], row["note"]) == (told.who, told.note):
            return
        raise AlreadyAcknowledgedError(row["acknowledged_by"])
    if row["resolved_at"] is not None:
        raise AlreadyResolvedError
    rows = await connection.fetch(
        ACKNOWLEDGE_ALERT, row["case_id"], row["level"], told.at, told.who, told.key, told.note
    )
    counted: OpenAlerts = Counter()
    for taken in rows:
        if not taken["silent"]:
            counted[AlertKind(taken["kind"]), taken["city"], False] -= 1
            counted[AlertKind(taken["kind"]), taken["city"], True] += 1
    await add_deltas(connection, alert_deltas(counted))


OpenAlerts = Counter[tuple[AlertKind, str | None, bool]]
"""Changes of the number of open alerts, silent ones aside, by kind, city and acknowledged."""


def alert_deltas(counted: OpenAlerts) -> Deltas:
    """Return what the tally of open alerts changes by."""
    return {
        alert_cell(kind, city, acknowledged=acknowledged): Measures(cases=count)
        for (kind, city, acknowledged), count in counted.items()
        if count
    }


async def supervised_offices(
    connection: Connection, city: str | None, office: str | None, bounds: Bounds = UNBOUND
) -> list[Record]:
    """Return the offices with open alerts, the oldest breach first."""
    return await connection.fetch(SUPERVISED_OFFICES, city, office, bounds.patterns)


def ladder(alerts: Iterable[StoredAlert]) -> dict[int, StoredAlert]:
    """Return the latest alert of each level; corrections are told beside the ladder."""
    return {alert.level: alert for alert in alerts if alert.kind is kind_of(alert.level)}
