"""The audit record: who looked at which case, and who changed what; only ever added to."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from rebate_monitor.storage.database import Connection
from rebate_monitor.storage.statements import statement

ADD = statement("add_audit_records")
LIST = statement("list_audit_records")
PRUNE = statement("prune_audit_records")
PLAN_FOR_ARGUMENTS = statement("plan_for_arguments")

MOST_NAME, MOST_DETAIL = 200, 1_000
"""Characters. Names are indexed, and an index takes a third of a page of a value."""
PRUNE_SECONDS = 3600.0
UNSTORABLE = "\ufffd"


class Action(StrEnum):
    """What was done."""

    CASE_READ = "case.read"
    CASE_EXPLAINED = "case.explained"
    CASE_HISTORY_READ = "case.history_read"
    CASES_LISTED = "cases.listed"
    CASE_ERASED = "case.erased"
    MONTH_READ = "month.read"
    WHAT_IF_READ = "what_if.read"
    REPORT_MADE = "report.made"
    KEY_MADE = "key.made"
    KEY_BOUND = "key.bound"
    KEY_ROTATED = "key.rotated"
    KEY_REVOKED = "key.revoked"
    RULES_STARTED = "rules.started"
    CALENDAR_IMPORTED = "calendar.imported"
    CALENDAR_WITHDRAWN = "calendar.withdrawn"
    POLICY_APPLIED = "policy.applied"
    POLICY_RETIRED = "policy.retired"
    POLICY_WITHDRAWN = "policy.withdrawn"
    SESSION_OPENED = "session.opened"
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
    """Who does something, how they are known, when, and from where: the host of a command."""

    at: datetime
    who: str
    through: Through
    address: str | None = None
    key_id: str | None = None

    def record(self, action: Action, what: str, detail: str = "") -> "AuditRecord":
        """Say what was done to which object, and by which of the keys that are called alike."""
        told = ", ".join(filter(None, [detail, self.key_id and f"key {self.key_id}"]))
        return AuditRecord(deed=self, action=action, object=what, detail=told)


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
    """Which records to list; None does not filter, `until` is not included."""

    who: str | None = None
    action: Action | None = None
    object: str | None = None
    since: datetime | None = None
    until: datetime | None = None


async def add_records(connection: Connection, records: Iterable[AuditRecord]) -> None:
    """Add records, all in one statement."""
    rows = [_row(record) for record in records]
    if rows:
        await connection.execute(ADD, *map(list, zip(*rows, strict=True)))


def _row(record: AuditRecord) -> tuple[object, ...]:
    deed = record.deed
    return (
        deed.at,
        _storable(deed.who, MOST_NAME),
        deed.through,
        record.action,
        _storable(record.object, MOST_NAME),
        _storable(record.detail, MOST_DETAIL),
        None if deed.address is None else _storable(deed.address, MOST_NAME),
    )


def _storable(text: str, most: int) -> str:
    """Return what PostgreSQL takes of a text that anybody may have sent.

    Records of many requests share a statement, so one that is refused would bring others down.
    """
    whole = text.encode("utf-8", "replace").decode().replace("\x00", UNSTORABLE)
    return whole if len(whole) <= most else f"{whole[: most - 1]}…"


async def list_records(
    connection: Connection, wanted: AuditFilter, before: int | None, limit: int
) -> list[KeptRecord]:
    """Return a page of records, the latest first."""
    async with connection.transaction():
        await connection.execute(PLAN_FOR_ARGUMENTS)
        rows = await connection.fetch(
            LIST,
            wanted.who,
            wanted.action,
            wanted.object,
            wanted.since,
            before,
            limit,
            wanted.until,
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
    pruned: int = await connection.fetchval(PRUNE, before, timeout=PRUNE_SECONDS)
    return pruned
