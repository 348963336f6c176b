"""Every version of the rules, who brought it, and what publishing the next one sets going.

Rows are only ever added. The latest version is in force on every replica at once: a writer holds
the rules, shared, from the moment at which it locks its cases, and a new version waits for all.
"""

import asyncio
import hashlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import lru_cache
from typing import Any

import msgspec

from rebate_monitor.domain.known_then import BroughtBy, KnownRules
from rebate_monitor.domain.policy import Policy, PolicyBook, Scope
from rebate_monitor.domain.rulebook import Rulebook
from rebate_monitor.domain.touched import EVERY_CASE, Touched, touched
from rebate_monitor.domain.work_calendar import CalendarDay, WorkCalendar, YearNotice
from rebate_monitor.storage.audit import Action, AuditRecord, Deed, Through, add_records
from rebate_monitor.storage.database import Connection
from rebate_monitor.storage.recomputes import begin_recompute, has_cases
from rebate_monitor.storage.statements import statement

RULEBOOK_VERSIONS = statement("rulebook_versions")
RULEBOOK_CONTENTS = statement("rulebook_contents")
RULES_BROUGHT = statement("rules_brought")
ONE_RULEBOOK_AT_A_TIME = statement("one_rulebook_at_a_time")
LATEST_RULEBOOK = statement("latest_rulebook")
ADD_RULEBOOK = statement("add_rulebook")
HOLD_WRITERS = statement("hold_writers")
ALWAYS = datetime(1, 1, 2, tzinfo=UTC)
"""Since when the first known rules are taken to have been known."""
TICK = timedelta(microseconds=1)
RULE_DAY_COLUMNS = (
    "rules", "day", "kind", "name", "notice", "provisional", "workday_number", "policy_id",
    "lapsed", "target_all", "target_category_1_2",
)  # fmt: skip

MOST_KEPT = 200
"""How many versions a process keeps in memory; most of them share their calendar."""

_READ: dict[str, Rulebook] = {}
_POLICIES = msgspec.json.Decoder(tuple[Policy, ...])
_NOTICES = msgspec.json.Decoder(tuple[YearNotice, ...])

SERVICE = "the service"


@dataclass(frozen=True, slots=True, kw_only=True)
class Version:
    """A state of the rules, and which parts of it operations have brought.

    Imported years and applied policies stand whatever the package or the configuration says, and
    so does that a policy was withdrawn.
    """

    rulebook: Rulebook
    imported_years: frozenset[int] = frozenset()
    applied_policies: frozenset[str] = frozenset()
    withdrawn_policies: frozenset[str] = frozenset()

    def says_the_same_as(self, other: "Version") -> bool:
        """Compare by content: an encoding may have gained a field since it was stored."""
        mine, its = self.rulebook, other.rulebook
        return (
            replace(self, rulebook=its) == other
            and mine.calendar.notices == its.calendar.notices
            and mine.policies.policies == its.policies.policies
        )

    def laid_over(self, own: Rulebook) -> "Version":
        """Return what operations have brought, laid over the rules that a process comes with."""
        notices = self.rulebook.calendar.notices
        imported = [notices[year] for year in sorted(self.imported_years)]
        applied = [p for p in self.rulebook.policies.policies if p.id in self.applied_policies]
        kept = {p.id: p for p in own.policies.policies if p.id not in self.withdrawn_policies}
        kept |= {policy.id: policy for policy in applied}
        calendar = {**own.calendar.notices, **{notice.year: notice for notice in imported}}
        return replace(
            self,
            rulebook=Rulebook(
                policies=PolicyBook(kept.values()),
                calendar=WorkCalendar(calendar.values()) if imported else own.calendar,
            ),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Published:
    """A version that was published: its number, and the recompute of the cases that it touches."""

    number: int
    recompute: int
    touched: Touched


async def latest_version(connection: Connection) -> tuple[int, Version] | None:
    """Return the version in force with its number."""
    row = await connection.fetchrow(LATEST_RULEBOOK)
    if row is None:
        return None
    rulebooks = await _contents(connection, [row["version"]])
    version = Version(
        rulebook=rulebooks[row["version"]],
        imported_years=frozenset(row["imported_years"]),
        applied_policies=frozenset(row["applied_policies"]),
        withdrawn_policies=frozenset(row["withdrawn_policies"]),
    )
    return row["number"], version


async def hold_versions(connection: Connection) -> None:
    """Let nobody else publish or begin a recompute to the end of the transaction."""
    await connection.execute(ONE_RULEBOOK_AT_A_TIME)


Turn = Callable[[Version | None], Version]
"""What makes the next version of the one in force; None where there is none yet."""


Recorded = Callable[[int, datetime], Iterable[AuditRecord]]
"""What is recorded of a version, by its number and the moment."""


def of_a_start(number: int, now: datetime) -> Iterable[AuditRecord]:
    """Yield the record of rules that a service brought when it started."""
    deed = Deed(at=now, who=SERVICE, through=Through.COMMAND)
    yield deed.record(Action.RULES_STARTED, f"rules {number}")


async def publish(
    connection: Connection,
    turn: Turn,
    brought: BroughtBy,
    now: datetime,
    recorded: Recorded = of_a_start,
) -> Published | None:
    """Publish the next version where it says anything new, within a transaction of its own.

    Who has done so is recorded in it.

    From its commit on every writer goes by it. What a recompute under way has left undone goes over
    to the one that this begins.
    """
    await hold_versions(connection)
    known = await latest_version(connection)
    before = known[1] if known else None
    after = turn(before)
    if before is not None and before.says_the_same_as(after):
        return None
    number = await _add(connection, after, brought, await _next_moment(connection, now))
    await add_records(connection, recorded(number, now))
    await _write_days(connection, number, after.rulebook)
    if before is not None:
        await connection.execute(HOLD_WRITERS)
        cases = touched(before.rulebook, after.rulebook)
    else:
        cases = EVERY_CASE if await has_cases(connection) else Touched()
    begun = await begin_recompute(connection, number, cases, now)
    return Published(number=number, recompute=begun.number, touched=begun.touched)


async def _next_moment(connection: Connection, now: datetime) -> datetime:
    """Return since when the next version is known: always for the first, never before the last."""
    row = await connection.fetchrow(LATEST_RULEBOOK)
    return max(now, row["known_since"] + TICK) if row else ALWAYS


async def _add(
    connection: Connection, version: Version, brought: BroughtBy, since: datetime
) -> int:
    policies, notices = _encoded(version.rulebook)
    number: int = await connection.fetchval(
        ADD_RULEBOOK,
        hashlib.sha256(policies + notices).hexdigest(),
        since,
        policies,
        notices,
        brought.because,
        brought.by,
        sorted(version.imported_years),
        sorted(version.applied_policies),
        sorted(version.withdrawn_policies),
    )
    return number


async def _write_days(connection: Connection, number: int, rulebook: Rulebook) -> None:
    rows = await asyncio.to_thread(_day_rows, rulebook)
    await connection.copy_records_to_table(
        "rule_day", records=[(number, *row) for row in rows], columns=RULE_DAY_COLUMNS
    )


@lru_cache(maxsize=2)
def _day_rows(rulebook: Rulebook) -> Sequence[tuple[Any, ...]]:
    calendar = rulebook.calendar
    return [
        _day_row(day, calendar.workdays_through(day.date), rulebook)
        for day in calendar.days(calendar.first, calendar.last)
    ]


def _day_row(day: CalendarDay, workday_number: int, rulebook: Rulebook) -> tuple[Any, ...]:
    applied = rulebook.policies.on(day.date)
    return (
        day.date,
        day.kind.value,
        day.name,
        day.notice,
        day.provisional,
        workday_number,
        applied.policy.id if applied.policy else None,
        applied.lapsed,
        *(_exact(applied.target(scope)) for scope in (Scope.ALL, Scope.CATEGORY_1_2)),
    )


def _exact(workdays: float | None) -> Decimal | None:
    return None if workdays is None else Decimal(str(workdays))


async def known_rules(connection: Connection, current: Rulebook) -> list[KnownRules]:
    """Return the states of the rules in order of time; the current ones where none was kept."""
    rows = await connection.fetch(RULEBOOK_VERSIONS, 0)
    rulebooks = await _contents(connection, [row["version"] for row in rows])
    known = [
        KnownRules(
            known_since=row["known_since"],
            rulebook=rulebooks[row["version"]],
            number=row["number"],
            brought=BroughtBy(because=row["because"], by=row["published_by"]),
        )
        for row in rows
    ]
    return known or [KnownRules(known_since=ALWAYS, rulebook=current)]


async def brought_rules(connection: Connection, numbers: Iterable[int]) -> dict[int, BroughtBy]:
    """Return why versions came and who brought them, by their numbers."""
    rows = await connection.fetch(RULES_BROUGHT, list(numbers))
    return {
        row["number"]: BroughtBy(because=row["because"], by=row["published_by"]) for row in rows
    }


async def read_rulebooks(connection: Connection, first: int) -> dict[int, Rulebook]:
    """Return the versions from a number on."""
    rows = await connection.fetch(RULEBOOK_VERSIONS, first)
    rulebooks = await _contents(connection, [row["version"] for row in rows])
    return {row["number"]: rulebooks[row["version"]] for row in rows}


def _encoded(rulebook: Rulebook) -> tuple[bytes, bytes]:
    notices = [
        replace(notice, days=dict(sorted(notice.days.items())))
        for notice in rulebook.calendar.notices.values()
    ]
    return msgspec.json.encode(rulebook.policies.policies), msgspec.json.encode(notices)


async def _contents(connection: Connection, versions: Sequence[str]) -> dict[str, Rulebook]:
    """Return what versions say, by the digest of it; each is read once in a process.

    A calendar is made of a hundred years of days: that is done beside the event loop.
    """
    missing = [version for version in versions if version not in _READ]
    if missing:
        for version, policies, notices in await connection.fetch(RULEBOOK_CONTENTS, missing):
            _READ[version] = await asyncio.to_thread(_rulebook, policies, notices)
    found = {version: _READ[version] for version in versions}
    while len(_READ) > MOST_KEPT:
        del _READ[next(iter(_READ))]
    return found


def _rulebook(policies: bytes, notices: bytes) -> Rulebook:
    return Rulebook(policies=PolicyBook(_POLICIES.decode(policies)), calendar=_calendar(notices))


@lru_cache(maxsize=16)
def _calendar(notices: bytes) -> WorkCalendar:
    return WorkCalendar(_NOTICES.decode(notices))
