"""The audit record: who looked at which case, and who changed what; only ever added to."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from rebate_monitor.storage.database import Connection
from rebate_monitor.storage.statements import statement

ADD = statement("add_audit_records")
LIST = statement("list_audit_records")
PRUNE = statement("prune_audit_records")


class Action(StrEnum):
    """What was done."""

    CASE_READ = "case.read"
    CASE_EXPLAINED = "case.explained"
    CASE_HISTORY_READ = "case.history_read"
    CASES_LISTED = "cases.listed"
    CASE_ERASED = "case.erased"
    REPORT_MADE = "report.made"
    KEY_MADE = "key.made"
    KEY_BOUND = "key.bound"
    KEY_ROTATED = "key.rotated"
    KEY_REVOKED = "key.revoked"
    RULES_STARTED = "rules.started"
    CALENDAR_IMPORTED = "calendar.imported"
    POLICY_APPLIED = "policy.applied"
    POLICY_RETIRED = "policy.retired"
    POLICY_WITHDRAWN = "policy.withdrawn"
    QUARANTINE_READ = "quarantine.read"
    QUARANTINE_REPLAYED = "quarantine.replayed"
    QUARANTINE_DROPPED = "quarantine.dropped"
    AUDIT_READ = "audit.read"
    AUDIT_PRUNED = "audit.pruned"


class Through(StrEnum):
    """How somebody is known."""

    KEY = "key"
    PROXY = "proxy"
    NOBODY = "nobody"
    COMMAND = "command"


@dataclass(frozen=True, slots=True, kw_only=True)
class Deed:
    """Who does something, how they are known, when, and from where."""

    at: datetime
    who: str
    through: Through
    address: str | None = None

    def record(self, action: Action, what: str, detail: str = "") -> "AuditRecord":
        """Say what was done to which object."""
        return AuditRecord(deed=self, action=action, object=what, detail=detail)


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditRecord:
    """What was done to which object, and by whom."""

    deed: Deed
    action: Action
    object: str
    detail: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptRecord:
    """A record with its place among all."""

    seq: int
    record: AuditRecord


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditFilter:
    """Which records to list; None does not filter."""

    who: str | None = None
    action: Action | None = None
    object: str | None = None
    since: datetime | None = None


async def add_records(connection: Connection, records: Sequence[AuditRecord]) -> None:
    """Add records, all in one statement."""
    await connection.execute(
        ADD,
        [record.deed.at for record in records],
        [record.deed.who for record in records],
        [record.deed.through for record in records],
        [record.action for record in records],
        [record.object for record in records],
        [record.detail for record in records],
        [record.deed.address for record in records],
    )


async def list_records(
    connection: Connection, wanted: AuditFilter, before: int | None, limit: int
) -> list[KeptRecord]:
    """Return a page of records, the latest first."""
    rows = await connection.fetch(
        LIST, wanted.who, wanted.action, wanted.object, wanted.since, before, limit
    )
    return [
        KeptRecord(
            seq=row["seq"],
            record=AuditRecord(
                deed=Deed(
                    at=row["at"],
                    who=row["who"],
                    through=Through(row["through"]),
                    address=row["address"],
                ),
                action=Action(row["action"]),
                object=row["object"],
                detail=row["detail"],
            ),
        )
        for row in rows
    ]


async def prune_records(connection: Connection, before: datetime) -> int:
    """Delete what is older than an instant; only the owner of the database may."""
    pruned: int = await connection.fetchval(PRUNE, before)
    return pruned
