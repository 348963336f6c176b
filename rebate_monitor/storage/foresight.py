"""Read what foresight starts from, and keep what was foreseen of the month for every scrape."""

import asyncio
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta

from asyncpg import Record

from rebate_monitor.domain.event import Category
from rebate_monitor.domain.foresight import (
    Assumption,
    Known,
    Month,
    MonthEnd,
    OpenCases,
    Pace,
    Stops,
    Sums,
    month_ends,
)
from rebate_monitor.domain.local_time import local_date
from rebate_monitor.domain.policy import Scope
from rebate_monitor.storage.database import Connection, Database
from rebate_monitor.storage.rules import Rules, RulesInForce
from rebate_monitor.storage.statements import statement

OPEN_CASES_AHEAD = statement("open_cases_ahead")
FINISHED_SO_FAR = statement("finished_so_far")
PACE_OF_CITIES = statement("pace_of_cities")
MONTH_FORESEEN = statement("month_foreseen")
KEEP_MONTH_FORESEEN = statement("keep_month_foreseen")

FORESEE_EVERY = timedelta(minutes=1)
FRESH_FOR = timedelta(seconds=50)  # less, so that a timer that comes early does not wait twice


async def read_known(
    connection: Connection,
    month: Month,
    rules: RulesInForce,
    city: str | None = None,
    category: str | None = None,
) -> Known:
    """Read what a month's end is foreseen from, of one city or category where told.

    The pace is that of all cases: a small city goes by its province. `category` may be `unknown`.
    """
    finished = await connection.fetch(FINISHED_SO_FAR, month.first, month.today, city, category)
    return Known(
        open_cases=await _open_cases(connection, month, rules, city, category),
        finished={row["category_1_2"]: Sums(row["cases"], row["workdays"]) for row in finished},
        pace=Pace(
            Stops(
                city=row["city"],
                category_1_2=row["category_1_2"],
                workdays=row["workdays"],
                cases=row["cases"],
            )
            for row in await connection.fetch(PACE_OF_CITIES, month.pace_first, month.today)
        ),
    )


async def _open_cases(
    connection: Connection,
    month: Month,
    rules: RulesInForce,
    city: str | None,
    category: str | None,
) -> tuple[OpenCases, ...]:
    rows = await connection.fetch(OPEN_CASES_AHEAD, city, category, rules.settled)
    return tuple(_as_of(_open_case(row, rules), month.today) for row in rows)


def _open_case(row: Record, rules: RulesInForce) -> OpenCases:
    calendar = rules.calendar_of(row["rules"])
    return OpenCases(
        city=row["city"],
        category=Category(row["category"]) if row["category"] else None,
        normal=row["normal"],
        counted_workdays=row["counted_workdays"],
        running_since=row["running_since"],
        due_date=row["due_date"],
        at_risk_on=row["at_risk_on"],
        breach_on=row["breach_on"],
        cases=row["cases"],
        told_by=None if calendar is rules.rulebook.calendar else calendar,
    )


def _as_of(told: OpenCases, today: date) -> OpenCases:
    """Count cases whose turn has not come by their own calendar up to today, no further."""
    since = told.running_since
    if told.told_by is None or since is None or since >= today:
        return told
    workdays = told.workdays_when(told.told_by.workdays_through(today), told.told_by)
    return replace(told, counted_workdays=workdays, running_since=today)


@dataclass(frozen=True, slots=True, kw_only=True)
class MonthForeseen:
    """Means in workdays that the month will end with, by scope and assumption, as of `at`.

    A mean of no cases is None. Without `at` nobody has looked ahead in this month yet.
    """

    means: Mapping[tuple[Scope, Assumption], float | None] = field(default_factory=dict)
    at: datetime | None = None


async def month_foreseen(connection: Connection, today: date) -> MonthForeseen:
    """Return what was last foreseen of the month of a day."""
    rows = await connection.fetch(MONTH_FORESEEN, today.replace(day=1), today)
    return MonthForeseen(
        means={
            (Scope(row["scope"]), Assumption(row["assumption"])): row["mean_workdays"]
            for row in rows
        },
        at=min((row["foreseen_at"] for row in rows), default=None),
    )


async def look_ahead(database: Database, rules: Rules, now: datetime) -> bool:
    """Foresee the month and keep it for every scrape; return False when that was just done.

    Any replica may do it. Two at once both write what is true, and the later one stays.
    """
    today = local_date(now)
    async with database.transaction(snapshot=True) as connection:
        before = await month_foreseen(connection, today)
        if before.at is not None and abs(now - before.at) < FRESH_FOR:
            return False
        in_force = await rules.in_force(connection)
        rulebook = in_force.rulebook
        month = Month(today=today, calendar=rulebook.calendar)
        known = await read_known(connection, month, in_force)
    ends = await asyncio.to_thread(month_ends, known, month, rulebook.policies)
    async with database.connection() as connection:
        await connection.execute(KEEP_MONTH_FORESEEN, *_columns(ends), month.today, now)
    return True


def _columns(ends: Iterable[MonthEnd]) -> list[list[object]]:
    """Lay month ends out as columns: scope, assumption, mean."""
    rows = [
        (end.scope, assumption, foreseen.mean_workdays)
        for end in ends
        for assumption, foreseen in end.assumptions.items()
    ]
    return [list(column) for column in zip(*rows, strict=True)]
