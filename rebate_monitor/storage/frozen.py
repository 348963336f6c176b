"""Close a month: keep its evaluation as it was reported, and tell what has changed since."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

import msgspec
from asyncpg import Record

from rebate_monitor.domain.evaluation import evaluate
from rebate_monitor.domain.frozen import (
    FROZEN_GROUPINGS,
    CaseChange,
    Evaluations,
    FrozenGroup,
    FrozenMonth,
    Knowledge,
    MonthCorrections,
    MonthFigures,
    by_key,
    case_change,
    corrections,
    differs,
    month_figures,
)
from rebate_monitor.domain.known_then import rules_at
from rebate_monitor.domain.local_time import local_date
from rebate_monitor.domain.periods import Days, month_name, named_month, whole_month
from rebate_monitor.domain.rulebook import Rulebook
from rebate_monitor.storage.database import Connection, Database
from rebate_monitor.storage.evaluation import DEFAULT_MIN_CASES, Asked, read_ended, read_evaluated
from rebate_monitor.storage.rulebooks import known_rules
from rebate_monitor.storage.rules import Rules, RulesInForce
from rebate_monitor.storage.standings import cases_dated, late_cases, remembered
from rebate_monitor.storage.statements import statement

HOLD_EVENTS = statement("hold_events")
LATEST_RECEIPT = statement("latest_receipt")
FREEZE_MONTH = statement("freeze_month")
FROZEN_MONTHS = statement("frozen_months")
FROZEN_MONTH = statement("frozen_month")

EVER = datetime.max.replace(tzinfo=UTC)
_GROUPS = msgspec.json.Decoder(tuple[FrozenGroup, ...])


MAX_SKEW = timedelta(seconds=5)


class MonthRefusedError(Exception):
    """The month cannot be closed; the message says why, and what helps."""


async def check_clock(database: Database, now: datetime) -> None:
    """Refuse a clock that is ahead of the database's; raise MonthRefusedError.

    Every event to come would be dated after the closing, and a closed month is never opened again.
    """
    async with database.connection() as connection:
        told = await connection.fetchval("SELECT clock_timestamp()")
    if now - told > MAX_SKEW:
        raise MonthRefusedError(
            f"the clock of this machine ({now.isoformat()}) is ahead of the database's "
            f"({told.isoformat()}): mend it first"
        )


async def frozen_months(connection: Connection) -> list[FrozenMonth]:
    """Return every closed month without its figures, the latest first."""
    return [_frozen(row) for row in await connection.fetch(FROZEN_MONTHS)]


async def frozen_month(connection: Connection, month: str) -> FrozenMonth | None:
    """Return a closed month with its figures."""
    row = await connection.fetchrow(FROZEN_MONTH, month)
    return replace(_frozen(row), groups=_GROUPS.decode(row["groups"])) if row else None


def _frozen(row: Record) -> FrozenMonth:
    return FrozenMonth(
        month=row["month"],
        closed_at=row["closed_at"],
        closed_by=row["closed_by"],
        known_at=row["known_at"],
        policy_version=row["policy_version"],
        calendar_version=row["calendar_version"],
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Closing:
    """Closes one month, once, by the rules in force."""

    month: Days
    by: str
    rules: Rules
    clock: Callable[[], datetime]

    async def close(self, database: Database) -> FrozenMonth:
        """Keep the evaluation of the month; raise MonthRefusedError, DatabaseAwayError."""
        self._check_has_ended()
        async with database.transaction(snapshot=True) as connection:
            await self._check_is_open(connection)
            await self._check_is_folded(connection)
        return await database.retrying(self._freeze, repeatable=True)

    def _check_has_ended(self) -> None:
        if local_date(self.clock()) <= self.month.last:
            raise MonthRefusedError(
                f"{self._name} has not ended; it can be closed once {self.month.last} is over"
            )

    async def _check_is_open(self, connection: Connection) -> None:
        known = await frozen_month(connection, self._name)
        if known is not None:
            raise MonthRefusedError(
                f"{self._name} was closed by {known.closed_by} at {known.closed_at.isoformat()}, "
                "and a closed month is never written again; what became known since is shown as a "
                f"correction: `rebate-monitor month show {self._name}`"
            )

    async def _check_is_folded(self, connection: Connection) -> None:
        """Refuse rows that are not folded by the rules in force: they would change unasked."""
        in_force = await self.rules.in_force(connection)
        if in_force.settled != in_force.number:
            raise MonthRefusedError(
                "cases are being recomputed by rules that have changed; `rebate-monitor recompute` "
                f"shows how far that is, close {self._name} after it"
            )
        rules = in_force.rulebook
        known = Knowledge(month=self.month, known_at=EVER, then=rules, now=rules)
        stale = await _changes(connection, known, await cases_dated(connection, self.month))
        if stale:
            raise MonthRefusedError(
                f"{len(stale)} cases of {self._name} are not folded by the rules in force; run "
                "`rebate-monitor recompute` first"
            )

    async def _freeze(self, connection: Connection) -> FrozenMonth:
        await connection.execute(HOLD_EVENTS)
        await self._check_is_open(connection)
        now = self.clock()
        latest = await connection.fetchval(LATEST_RECEIPT, now)
        in_force = await self.rules.in_force(connection)
        rules = in_force.rulebook
        policy = rules.policies.on(self.month.last).policy
        frozen = FrozenMonth(
            month=self._name,
            closed_at=now,
            closed_by=self.by,
            known_at=latest or now,
            policy_version=policy.version if policy else None,
            calendar_version=rules.calendar.version,
            groups=await self._groups(connection, in_force, now),
        )
        await _keep(connection, frozen)
        return frozen

    async def _groups(
        self, connection: Connection, rules: RulesInForce, now: datetime
    ) -> tuple[FrozenGroup, ...]:
        """Evaluate the month in every grouping."""
        groups: list[FrozenGroup] = []
        for by in FROZEN_GROUPINGS:
            asked = _asked(self.month, by, now)
            told = await read_evaluated(connection, asked, rules)
            evaluated = evaluate(told, rules.rulebook.policies, DEFAULT_MIN_CASES)
            groups += [FrozenGroup(by=by, evaluated=group) for group in evaluated]
        if all(month_figures(group.evaluated) == MonthFigures() for group in groups):
            raise MonthRefusedError(f"no case ended in {self._name}: there is nothing to close")
        return tuple(groups)

    @property
    def _name(self) -> str:
        return month_name(self.month.first)


async def _keep(connection: Connection, frozen: FrozenMonth) -> None:
    await connection.execute(
        FREEZE_MONTH,
        frozen.month,
        frozen.closed_at,
        frozen.closed_by,
        frozen.known_at,
        frozen.policy_version,
        frozen.calendar_version,
        msgspec.json.encode(frozen.groups),
    )


async def read_corrections(
    connection: Connection, frozen: FrozenMonth, rules: RulesInForce, now: datetime
) -> MonthCorrections:
    """Set a closed month against what is stored now, and list the cases that make the difference.

    The connection sees one moment.
    """
    month = named_month(frozen.month)
    known = await known_rules(connection, rules.rulebook)
    then = rules_at(known, frozen.known_at)
    knowledge = Knowledge(month=month, known_at=frozen.known_at, then=then, now=rules.rulebook)
    if rules.all_go_by(then):
        case_ids = await late_cases(connection, month, frozen.known_at, with_open=False)
    else:
        case_ids = await cases_dated(connection, month)
    changes = await _changes(connection, knowledge, case_ids)
    current_groups = await _ended_groups(connection, month, knowledge.now, now)
    return corrections(by_key(frozen.groups), current_groups, changes)


async def has_changed(
    connection: Connection, frozen: FrozenMonth, rules: RulesInForce, now: datetime
) -> bool:
    """Say whether any figure of a closed month is not what was frozen."""
    groups = await _ended_groups(connection, named_month(frozen.month), rules.rulebook, now)
    return differs(by_key(frozen.groups), groups)


async def _changes(
    connection: Connection, known: Knowledge, case_ids: Sequence[str]
) -> list[CaseChange]:
    changes: list[CaseChange] = []
    async for page in remembered(connection, case_ids):
        told = (case_change(known, case.case_id, case.receipts, case.stored) for case in page)
        changes += [change for change in told if change is not None]
    return changes


async def _ended_groups(
    connection: Connection, month: Days, rules: Rulebook, now: datetime
) -> Evaluations:
    """Evaluate what is stored of a month now, in every grouping, open cases aside."""
    groups: list[FrozenGroup] = []
    for by in FROZEN_GROUPINGS:
        told = await read_ended(connection, _asked(month, by, now))
        groups += [
            FrozenGroup(by=by, evaluated=group)
            for group in evaluate(told, rules.policies, DEFAULT_MIN_CASES)
        ]
    return by_key(groups)


def _asked(month: Days, by: str, now: datetime) -> Asked:
    return Asked(periods=whole_month(month), by=by, min_cases=DEFAULT_MIN_CASES, now=now)
