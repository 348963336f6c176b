"""Recomputes: which cases later rules may touch, and how far laying them down anew has come."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

import msgspec
from asyncpg import Record

from rebate_monitor.domain.touched import Stretch, Touched
from rebate_monitor.storage.database import Connection
from rebate_monitor.storage.statements import statement

ONLY_ONE_RECOMPUTE = statement("only_one_recompute")
HOLD_RULES = statement("hold_rules")
RECOMPUTE_UNDER_WAY = statement("recompute_under_way")
RECOMPUTE_NUMBERED = statement("recompute_numbered")
LATEST_RECOMPUTES = statement("latest_recomputes")
BEGIN_RECOMPUTE = statement("begin_recompute")
SUPERSEDE_RECOMPUTES = statement("supersede_recomputes")
COUNT_TOUCHED_CASES = statement("count_touched_cases")
TOUCHED_CASE_IDS = statement("touched_case_ids")
NOTE_TOUCHED_CASES = statement("note_touched_cases")
NOTE_RECOMPUTED = statement("note_recomputed")
FINISH_RECOMPUTE = statement("finish_recompute")
HAS_CASES = statement("has_cases")
DROP_COURSES = statement("drop_courses")
DROP_RULE_DAYS = statement("drop_rule_days")

_STRETCHES = msgspec.json.Decoder(tuple[Stretch, ...])


@dataclass(frozen=True, slots=True, kw_only=True)
class Changes:
    """What laying cases down anew has changed so far: numbers of cases."""

    changed: int = 0
    due_dates_moved: int = 0
    breaches_made: int = 0
    breaches_unmade: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Recompute:
    """One recompute: by which rules, of which cases, and how far it is.

    `cases` is how many may be touched, None until they were counted; `done` of them are done, those
    up to `done_through` in the order of their ids.
    """

    number: int
    rules: int
    touched: Touched
    started_at: datetime
    progressed_at: datetime | None = None
    finished_at: datetime | None = None
    cases: int | None = None
    done: int = 0
    changes: Changes = Changes()
    done_through: str = ""
    superseded_by: int | None = None

    @property
    def state(self) -> Literal["under_way", "finished", "superseded"]:
        """`under_way`, `finished`, or `superseded` by a later one that took over what was left."""
        if self.finished_at is not None:
            return "finished"
        return "under_way" if self.superseded_by is None else "superseded"

    @property
    def pending(self) -> int:
        """How many cases are left; at least one while nobody has counted them."""
        if self.finished_at is not None:
            return 0
        return 1 if self.cases is None else max(0, self.cases - self.done)


async def take_recompute(connection: Connection) -> bool:
    """Take the turn to the end of the transaction; False when somebody else has it."""
    taken: bool = await connection.fetchval(ONLY_ONE_RECOMPUTE)
    if taken:
        await connection.execute(HOLD_RULES)
    return taken


async def under_way(connection: Connection) -> Recompute | None:
    """Return the recompute that is neither finished nor superseded."""
    row = await connection.fetchrow(RECOMPUTE_UNDER_WAY)
    return _recompute(row) if row else None


async def numbered(connection: Connection, number: int) -> Recompute | None:
    """Return a recompute by its number."""
    row = await connection.fetchrow(RECOMPUTE_NUMBERED, number)
    return _recompute(row) if row else None


async def latest_recomputes(connection: Connection, most: int) -> list[Recompute]:
    """Return the latest recomputes, the latest first."""
    return [_recompute(row) for row in await connection.fetch(LATEST_RECOMPUTES, most)]


def _recompute(row: Record) -> Recompute:
    return Recompute(
        number=row["number"],
        rules=row["rules"],
        touched=Touched(stretches=_STRETCHES.decode(row["stretches"]), refolds=row["refolds"]),
        started_at=row["started_at"],
        progressed_at=row["progressed_at"],
        finished_at=row["finished_at"],
        cases=row["cases"],
        done=row["done"],
        changes=Changes(
            changed=row["changed"],
            due_dates_moved=row["due_dates_moved"],
            breaches_made=row["breaches_made"],
            breaches_unmade=row["breaches_unmade"],
        ),
        done_through=row["done_through"],
        superseded_by=row["superseded_by"],
    )


async def has_cases(connection: Connection) -> bool:
    """Say whether any case is stored."""
    return bool(await connection.fetchval(HAS_CASES))


async def begin_recompute(
    connection: Connection, rules: int, cases: Touched, now: datetime
) -> Recompute:
    """Begin a recompute, which takes over what one that is under way has left undone.

    Where no case may be touched it is finished at once.
    """
    before = await under_way(connection)
    told = before.touched.plus(cases) if before else cases
    nothing = not told.stretches
    stretches = msgspec.json.encode(told.stretches)
    number: int = await connection.fetchval(
        BEGIN_RECOMPUTE, rules, stretches, told.refolds, now, now if nothing else None
    )
    await connection.execute(SUPERSEDE_RECOMPUTES, number)
    if nothing:
        await connection.execute(DROP_RULE_DAYS, rules)
    return Recompute(
        number=number,
        rules=rules,
        touched=told,
        started_at=now,
        finished_at=now if nothing else None,
    )


async def count_touched(connection: Connection, cases: Touched) -> int:
    """Count the cases that may be touched."""
    counted: int = await connection.fetchval(COUNT_TOUCHED_CASES, *columns(cases))
    return counted


@dataclass(frozen=True, slots=True, kw_only=True)
class Stretched:
    """The touched cases of the next stretch of the key, in order, and the last id of all in it."""

    case_ids: list[str]
    last: str


async def touched_case_ids(
    connection: Connection, after: str, cases: Touched, most: int
) -> Stretched | None:
    """Return the touched ones of the next cases after an id; None where there are no more."""
    row = await connection.fetchrow(TOUCHED_CASE_IDS, after, *columns(cases), most)
    if row is None or row["last"] is None:
        return None
    return Stretched(case_ids=row["case_ids"], last=row["last"])


async def note_touched(connection: Connection, number: int, cases: int, now: datetime) -> None:
    """Note how many cases a recompute may touch."""
    await connection.execute(NOTE_TOUCHED_CASES, number, cases, now)


async def note_done(
    connection: Connection, told: Recompute, done: int, changes: Changes, now: datetime
) -> None:
    """Note that the next `done` cases of a recompute, up to `told.done_through`, are done."""
    await connection.execute(
        NOTE_RECOMPUTED,
        told.number,
        done,
        told.done_through,
        now,
        changes.changed,
        changes.due_dates_moved,
        changes.breaches_made,
        changes.breaches_unmade,
    )


async def finish(connection: Connection, told: Recompute, now: datetime) -> None:
    """Finish a recompute: every case goes by its rules now."""
    await connection.execute(FINISH_RECOMPUTE, told.number, now)
    await connection.execute(DROP_COURSES, told.rules)
    await connection.execute(DROP_RULE_DAYS, told.rules)


def columns(cases: Touched) -> list[list[object]]:
    """Lay stretches out as columns: first, last, rests_from."""
    told = [(stretch.first, stretch.last, stretch.rests_from) for stretch in cases.stretches]
    return [[row[place] for row in told] for place in range(3)]
