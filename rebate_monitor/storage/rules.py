"""The rules that are in force, read from the database that all replicas share."""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime

from rebate_monitor.domain.frozen import judge_alike
from rebate_monitor.domain.known_then import BroughtBy
from rebate_monitor.domain.rulebook import Rulebook
from rebate_monitor.domain.work_calendar import WorkCalendar
from rebate_monitor.storage.database import Connection, Database, DatabaseAwayError
from rebate_monitor.storage.patience import LockedError, patiently
from rebate_monitor.storage.rulebooks import Published, Version, publish, read_rulebooks
from rebate_monitor.storage.statements import statement

RULES_IN_FORCE = statement("rules_in_force")
START = BroughtBy(because="start")


@dataclass(frozen=True, slots=True, kw_only=True)
class RulesInForce:
    """The version in force and, while a recompute is under way, those that cases still go by.

    Every case that was last laid down by a version up to `settled` comes out as `settled` has it.
    """

    number: int
    settled: int
    versions: Mapping[int, Rulebook]

    @property
    def rulebook(self) -> Rulebook:
        """The rules by which every case is laid down from now on."""
        return self.versions[self.number]

    def all_go_by(self, rulebook: Rulebook) -> bool:
        """Say whether every case goes by rules that judge as these do."""
        return self.settled == self.number and judge_alike(rulebook, self.rulebook)

    def of_row(self, rules: int | None) -> Rulebook:
        """Return the rules that a row goes by: a case is wholly old until its turn has come."""
        return self.versions.get(max(rules or 0, self.settled), self.rulebook)

    def calendar_of(self, rules: int | None) -> WorkCalendar:
        """Return the calendar by which the count of a row goes on."""
        return self.of_row(rules).calendar


class Rules:
    """The rules as the database has them; each version is read once.

    `own` are those that this process comes with, by its package and its configuration. They serve
    until the database has any, and are published by `bring` where they say anything new.
    """

    def __init__(self, own: Rulebook) -> None:
        self.own = own
        self._read: dict[int, Rulebook] = {}
        self._reading = asyncio.Lock()
        self._latest = RulesInForce(number=0, settled=0, versions={0: own})

    @property
    def latest(self) -> RulesInForce:
        """The rules in force when the database was last asked."""
        return self._latest

    @property
    def calendar(self) -> WorkCalendar:
        """The calendar in force when the database was last asked."""
        return self._latest.rulebook.calendar

    async def in_force(self, connection: Connection) -> RulesInForce:
        """Return the rules that a transaction sees."""
        row = await connection.fetchrow(RULES_IN_FORCE)
        if row is None or row["number"] is None:
            return RulesInForce(number=0, settled=0, versions={0: self.own})
        return await self._kept(connection, row["number"], row["settled"])

    async def rulebook(self, connection: Connection, number: int | None) -> tuple[int, Rulebook]:
        """Return a version by its number, of a writer that holds the rules.

        Where there are none yet its own ones become the first. No case can have been laid down by
        others, so that nobody has to be waited for.
        """
        if number is None:
            number = await self._first(connection)
        await self._read_from(connection, number)
        return number, self._read[number]

    async def bring(self, database: Database, now: Callable[[], datetime]) -> Published | None:
        """Publish the rules of this process, what operations have brought laid over them.

        Raises OverlappingPoliciesError where the two contradict each other; then the rules that are
        in force stay.
        """
        async with database.connection() as connection:
            try:
                return await patiently(
                    connection, lambda told: publish(told, self._laid_over, START, now())
                )
            except LockedError as error:
                raise DatabaseAwayError(str(error)) from error

    async def _read_from(self, connection: Connection, *numbers: int) -> None:
        """Read versions where one is missing; whoever asks meanwhile waits for the one reading."""
        if all(number in self._read for number in numbers):
            return
        async with self._reading:
            if any(number not in self._read for number in numbers):
                self._read |= await read_rulebooks(connection, min(numbers))

    def _laid_over(self, before: Version | None) -> Version:
        return before.laid_over(self.own) if before else Version(rulebook=self.own)

    async def _first(self, connection: Connection) -> int:
        now = await connection.fetchval("SELECT clock_timestamp()")
        await publish(connection, lambda told: told or Version(rulebook=self.own), START, now)
        number: int = await connection.fetchval(RULES_IN_FORCE)
        return number

    async def _kept(self, connection: Connection, number: int, settled: int) -> RulesInForce:
        known = self._latest
        if (known.number, known.settled) == (number, settled):
            return known
        await self._read_from(connection, settled, number)
        versions = {told: book for told, book in self._read.items() if settled <= told <= number}
        kept = RulesInForce(number=number, settled=settled, versions=versions)
        if (number, settled) > (known.number, known.settled):
            self._latest = kept
        return kept
