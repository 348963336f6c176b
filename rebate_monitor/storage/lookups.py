"""Look-up tables for reports: what the rules say of each day, and the names of places."""

import hashlib
from collections.abc import Iterable
from datetime import datetime
from decimal import Decimal
from typing import Any

from rebate_monitor.domain.policy import Scope
from rebate_monitor.domain.rulebook import Rulebook
from rebate_monitor.domain.work_calendar import CalendarDay
from rebate_monitor.places import Place, Places
from rebate_monitor.storage.database import Database
from rebate_monitor.storage.rulebooks import note_rulebook
from rebate_monitor.storage.statements import statement

LOCK_LOOKUPS = statement("lock_lookups")
DROP_RULE_DAYS = statement("drop_rule_days")
DROP_PLACES = statement("drop_places")
NOTE_LOOKUPS = statement("note_lookups")
RULE_DAY_COLUMNS = (
    "day", "kind", "name", "notice", "provisional", "workday_number", "policy_id", "lapsed",
    "target_all", "target_category_1_2",
)  # fmt: skip
PLACE_COLUMNS = ("code", "name_zh", "name_en")

Row = tuple[Any, ...]


class Lookups:
    """The look-up tables as this process would have them; `link` is where people reach it."""

    def __init__(self, rulebook: Rulebook, places: Places, link: str) -> None:
        calendar = rulebook.calendar
        self._days = [
            _day_row(day, calendar.workdays_through(day.date), rulebook)
            for day in calendar.days(calendar.first, calendar.last)
        ]
        self._places = [*_place_rows(places.cities.values()), *_place_rows(places.offices.values())]
        self._rulebook, self._link = rulebook, link
        self._version = _digest([*self._days, *self._places, (link,)])

    async def publish(self, database: Database, now: datetime) -> bool:
        """Write them where the stored ones differ; say whether they did."""
        async with database.transaction() as connection:
            stored = await connection.fetchval(LOCK_LOOKUPS)
            await note_rulebook(connection, self._rulebook, now)
            if stored == self._version:
                return False
            await connection.execute(DROP_RULE_DAYS)
            await connection.execute(DROP_PLACES)
            await connection.copy_records_to_table(
                "rule_day", records=self._days, columns=RULE_DAY_COLUMNS
            )
            await connection.copy_records_to_table(
                "place", records=self._places, columns=PLACE_COLUMNS
            )
            await connection.execute(NOTE_LOOKUPS, self._version, self._link)
            return True


def _day_row(day: CalendarDay, workday_number: int, rulebook: Rulebook) -> Row:
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


def _place_rows(places: Iterable[Place]) -> list[Row]:
    return [(place.code, place.name_zh, place.name_en) for place in places]


def _digest(rows: list[Row]) -> str:
    return hashlib.sha256(repr(rows).encode()).hexdigest()
