"""The stored row of a case: what lists, figures and due instants are read from."""

from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from decimal import Decimal
from functools import lru_cache
from typing import Any

import msgspec
from asyncpg import Record

from rebate_monitor.domain.assessment import Assessment, Stage, Verdict
from rebate_monitor.domain.case import Case, Status, Suspension
from rebate_monitor.domain.local_time import local_date
from rebate_monitor.storage.causes import Cause, encode_cause
from rebate_monitor.storage.courses import encode_course
from rebate_monitor.storage.database import Connection, DatabaseAwayError
from rebate_monitor.storage.migrations import newest_migration
from rebate_monitor.storage.statements import statement

ADD_MISSING_CASES = statement("add_missing_cases")
LOCK_CASES = statement("lock_cases")
WRITE_CASES = statement("write_cases")
ROWS_OF_CASES = statement("rows_of_cases")
CASE_IDS_AFTER = statement("case_ids_after")
STAGES = msgspec.json.Decoder(tuple[Stage, ...])
SUSPENSIONS = msgspec.json.Decoder(tuple[Suspension, ...])
NOTHING = b"[]"
_ENCODER = msgspec.json.Encoder()


class StoredCase(msgspec.Struct, frozen=True, kw_only=True):
    """As much of a stored row as its tallies are read off, and as a recompute compares.

    `stages` and `suspensions` are JSON, read only where it matters; None in a row that was written
    before there were such columns. `rules` is the number of the rules by which it was written.
    """

    case_id: str
    status: Status
    settled_verdict: Verdict | None
    normal: bool
    category: str | None
    city: str | None
    counted_workdays: int | None
    stopped_on: date | None
    at_risk_at: datetime | None
    due_date: date | None
    breach_at: datetime | None
    in_time: bool | None
    same_day: bool | None
    events: int
    policy_version: str | None = None
    alert_instants: tuple[datetime, ...] | None = None
    stages: bytes | None = None
    suspensions: bytes | None = None
    refiled_from: str | None = None
    course: str | None = None
    rests_until: date | None = None
    office: str | None = None
    rules: int | None = None

    def stands_as(self, other: "StoredCase") -> bool:
        """Say whether the other row says the same of the case."""
        return (
            all(getattr(self, name) == getattr(other, name) for name in PLAIN)
            and _same(STAGES, self.stages, other.stages)
            and _same(SUSPENSIONS, self.suspensions, other.suspensions)
        )


PLAIN = sorted(set(StoredCase.__struct_fields__) - {"stages", "suspensions", "rules"})
"""What a row says of its case, JSON aside; by which rules it came to say so is another matter."""


def _same(decoder: msgspec.json.Decoder[Any], mine: bytes | None, its: bytes | None) -> bool:
    """Compare JSON by what it says: PostgreSQL writes it in its own way."""
    if mine is None or its is None:
        return mine is its
    return bool(decoder.decode(mine) == decoder.decode(its))


class CaseRow(StoredCase, frozen=True, kw_only=True):
    """The whole row, as write_cases takes it."""

    lapsed: bool = False
    rebate_type: str | None = None
    amount_cny: Decimal | None = None
    whitelisted: bool | None = None
    policy_id: str | None = None
    limit_workdays: int | None = None
    accepted_at: datetime | None = None
    ended_at: datetime | None = None
    running_since: date | None = None
    urgent_at: datetime | None = None
    changed_by: Cause
    anomalies: tuple[str, ...] = ()

    @property
    def first_alert_at(self) -> datetime | None:
        """When an open case without alerts gets its first."""
        return self.alert_instants[0] if self.status.is_open and self.alert_instants else None


def case_row(case: Case, assessment: Assessment, changed_by: Cause, rules: int) -> CaseRow:
    """Lay a case out as its row: assessed by the rules of a number, with what changed it."""
    told, course = case.attributes, assessment.course
    stopped = case.status is Status.STOPPED and case.ended_at is not None
    return CaseRow(
        case_id=case.case_id,
        status=case.status,
        settled_verdict=assessment.settled_verdict,
        normal=assessment.normal,
        category=told.category if told else None,
        city=told.city if told else None,
        counted_workdays=assessment.counted_workdays,
        stopped_on=local_date(case.ended_at) if stopped and case.ended_at else None,
        at_risk_at=assessment.at_risk_at,
        due_date=assessment.due_date,
        breach_at=assessment.breach_at,
        in_time=assessment.in_time,
        same_day=assessment.same_day,
        events=case.events,
        lapsed=case.policy.lapsed,
        office=told.office if told else None,
        rebate_type=told.rebate_type if told else None,
        amount_cny=Decimal(told.amount_cny) if told and told.amount_cny else None,
        whitelisted=told.whitelisted if told else None,
        policy_id=case.policy.policy.id if case.policy.policy else None,
        limit_workdays=assessment.limit_workdays,
        accepted_at=case.accepted_at,
        ended_at=case.ended_at,
        running_since=assessment.running_since,
        urgent_at=assessment.urgent_at,
        policy_version=case.policy.policy.version if case.policy.policy else None,
        alert_instants=assessment.alert_instants,
        stages=encode_stages(assessment.stages),
        suspensions=_encoded(tuple(map(_in_utc, case.suspensions))),
        course=encode_course(course) if course else None,
        rests_until=assessment.rests_until,
        rules=rules,
        refiled_from=told.refiled_from if told else None,
        changed_by=changed_by,
        anomalies=case.anomalies,
    )


@lru_cache(maxsize=10_000)
def encode_stages(stages: tuple[Stage, ...]) -> bytes:
    """Encode stages for their jsonb column."""
    return _encoded(stages)


def _encoded(told: tuple[Stage, ...] | tuple[Suspension, ...]) -> bytes:
    return _ENCODER.encode(told) if told else NOTHING


def _in_utc(suspension: Suspension) -> Suspension:
    """Tell instants as a stored event has them, whatever offset its sender used."""
    end = suspension.end.astimezone(UTC) if suspension.end else None
    return replace(suspension, start=suspension.start.astimezone(UTC), end=end)


@dataclass(frozen=True, slots=True, kw_only=True)
class LockedCases:
    """Rows that are locked to the end of the transaction, and so are the rules.

    `rules` is the number of the rules in force, None where there are none yet, or where no case was
    asked for. `erased` are the cases whose identity was erased, and must not come back.
    """

    rows: dict[str, StoredCase]
    rules: int | None
    erased: frozenset[str] = frozenset()


async def lock_cases(connection: Connection, case_ids: set[str]) -> LockedCases:
    """Lock the rows of these cases to the end of the transaction, making those that are missing.

    Raises DatabaseAwayError where the database is of another version: a replica that an upgrade has
    left behind must not write.
    """
    ordered = sorted(case_ids)
    await connection.execute(ADD_MISSING_CASES, ordered)
    rows = await connection.fetch(LOCK_CASES, ordered)
    if rows and rows[0]["migration"] != newest_migration():
        raise DatabaseAwayError("the database is of another version of rebate_monitor")
    return LockedCases(
        rows={row["case_id"]: stored_case(row) for row in rows},
        rules=rows[0]["rules_in_force"] if rows else None,
        erased=frozenset(row["case_id"] for row in rows if row["erased_at"] is not None),
    )


def stored_case(row: Record) -> StoredCase:
    """Read a row of lock_cases or all_case_rows."""
    verdict = row["settled_verdict"]
    return StoredCase(
        case_id=row["case_id"],
        status=Status(row["status"]),
        settled_verdict=Verdict(verdict) if verdict else None,
        normal=row["normal"],
        category=row["category"],
        city=row["city"],
        counted_workdays=row["counted_workdays"],
        stopped_on=row["stopped_on"],
        at_risk_at=row["at_risk_at"],
        due_date=row["due_date"],
        breach_at=row["breach_at"],
        in_time=row["in_time"],
        same_day=row["same_day"],
        events=row["events"],
        policy_version=row["policy_version"],
        alert_instants=None if row["alert_instants"] is None else tuple(row["alert_instants"]),
        stages=row["stages"],
        suspensions=row["suspensions"],
        refiled_from=row["refiled_from"],
        course=row["course"],
        rests_until=row["rests_until"],
        office=row["office"],
        rules=row["rules"],
    )


COLUMNS = (
    "case_id", "status", "settled_verdict", "normal", "lapsed", "category", "office", "city",
    "rebate_type", "amount_cny", "whitelisted", "policy_id", "limit_workdays", "accepted_at",
    "ended_at", "stopped_on", "counted_workdays", "running_since", "due_date", "at_risk_at",
    "breach_at", "urgent_at", "in_time", "same_day", "policy_version",
)  # fmt: skip


async def stored_cases(connection: Connection, case_ids: list[str]) -> dict[str, StoredCase]:
    """Return the rows of these cases as they stand, without locking them."""
    return {
        row["case_id"]: stored_case(row) for row in await connection.fetch(ROWS_OF_CASES, case_ids)
    }


async def write_cases(
    connection: Connection,
    rows: list[CaseRow],
    changed_at: datetime,
    enforce_from: datetime | None = None,
) -> None:
    """Write locked rows anew, all in one statement.

    Alerts of levels that were reached before `enforce_from` are recorded, but nobody is told.
    """
    columns: list[list[Any]] = [[getattr(row, name) for row in rows] for name in COLUMNS]
    await connection.execute(
        WRITE_CASES,
        *columns,
        [",".join(row.anomalies) for row in rows],
        [row.events for row in rows],
        [_texts(row.alert_instants or ()) for row in rows],
        [row.first_alert_at for row in rows],
        [encode_cause(row.changed_by) for row in rows],
        enforce_from,
        changed_at,
        [row.stages for row in rows],
        [row.suspensions for row in rows],
        [row.refiled_from for row in rows],
        [row.rules for row in rows],
        [row.course for row in rows],
        [row.rests_until for row in rows],
    )


@lru_cache(maxsize=10_000)
def _texts(instants: tuple[datetime, ...]) -> str:
    """Write instants down as one text: an array in an array would be taken for a table."""
    return ",".join(at.isoformat() for at in instants)


async def case_ids_after(connection: Connection, case_id: str, limit: int) -> list[str]:
    """Return the next page of case ids, in order."""
    return [row["case_id"] for row in await connection.fetch(CASE_IDS_AFTER, case_id, limit)]
