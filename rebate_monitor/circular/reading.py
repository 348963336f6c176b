"""Read what a circular tells: the figures that the API answers, and where cases spent time."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from asyncpg import Record

from rebate_monitor.circular.facts import (
    STAGES,
    Closed,
    Facts,
    Group,
    StageTime,
    Suspensions,
)
from rebate_monitor.circular.grouping import CATEGORIES, REBATE_TYPES, groups, listed_cities
from rebate_monitor.domain.evaluation import Evaluated, Quality, stopped_after
from rebate_monitor.domain.event import SuspensionReason
from rebate_monitor.domain.local_time import local_date
from rebate_monitor.domain.periods import (
    Days,
    PeriodName,
    Periods,
    month_name,
    months_earlier,
    named_periods,
    whole_month,
)
from rebate_monitor.places import Places
from rebate_monitor.storage.database import Connection
from rebate_monitor.storage.evaluation import (
    DEFAULT_MIN_CASES,
    Asked,
    read_ended,
    read_evaluated,
    read_evaluation,
)
from rebate_monitor.storage.frozen import frozen_month, has_changed
from rebate_monitor.storage.rules import RulesInForce
from rebate_monitor.storage.statements import statement

STAGES_OF_MONTH = statement("stages_of_month")
SUSPENSIONS_OF_MONTH = statement("suspensions_of_month")
SUSPENDED_CASES_OF_MONTH = statement("suspended_cases_of_month")

TREND_MONTHS = 12


@dataclass(frozen=True, slots=True, kw_only=True)
class MonthAsked:
    """Which month to read, as of when, by which rules; anomalies by source take longest."""

    month: Days
    now: datetime
    rules: RulesInForce
    places: Places
    with_quality: bool


async def read_facts(connection: Connection, asked: MonthAsked) -> Facts:
    """Read all of a month; the connection sees one moment."""
    return await _Reader(connection=connection, asked=asked).facts()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Reader:
    """Reads one month."""

    connection: Connection
    asked: MonthAsked

    async def facts(self) -> Facts:
        month, rules = self.asked.month, self.asked.rules.rulebook
        none = await self._evaluated("none")
        return Facts(
            month=month,
            as_of=self.asked.now,
            policy=rules.policies.on(self._periods.this.last),
            provisional=rules.calendar.is_provisional(month.first, month.last),
            closed=await self._closed(),
            whole=self._groups(none)[0],
            cities=await self._cities(),
            offices=self._groups(await self._evaluated("office")),
            categories=self._groups(await self._evaluated("category"), CATEGORIES),
            rebate_types=self._groups(await self._evaluated("rebate_type"), REBATE_TYPES),
            trend=await self._trend(),
            distribution=stopped_after(none.this),
            stages=await self._stages(),
            suspensions=await self._suspensions(),
            data_quality=await self._data_quality() if self.asked.with_quality else (),
        )

    @property
    def _periods(self) -> Periods:
        """The month against whole months; while it lasts, what there is of it against as much."""
        today = local_date(self.asked.now)
        if today <= self.asked.month.last:
            return named_periods(PeriodName.MONTH, today)
        return whole_month(self.asked.month)

    def _evaluation(self, by: str, periods: Periods) -> Asked:
        return Asked(periods=periods, by=by, min_cases=DEFAULT_MIN_CASES, now=self.asked.now)

    async def _evaluated(self, by: str) -> Evaluated:
        asked = self._evaluation(by, self._periods)
        return await read_evaluated(self.connection, asked, self.asked.rules)

    def _groups(self, told: Evaluated, wanted: Iterable[str] = ()) -> tuple[Group, ...]:
        return groups(told, self.asked.rules.rulebook.policies, wanted)

    async def _cities(self) -> tuple[Group, ...]:
        told = await self._evaluated("city")
        return self._groups(told, listed_cities(self._groups(told), self.asked.places))

    async def _trend(self) -> tuple[Group, ...]:
        this = self.asked.month.first
        firsts = [months_earlier(this, back) for back in reversed(range(TREND_MONTHS))]
        days = Days(first=firsts[0], last=self._periods.this.last)
        periods = Periods(this=days, previous=days, year_ago=days)
        told = await read_ended(self.connection, self._evaluation("month", periods))
        return self._groups(told, [month_name(first) for first in firsts])

    async def _closed(self) -> Closed | None:
        frozen = await frozen_month(self.connection, month_name(self.asked.month.first))
        if frozen is None:
            return None
        rules, now = self.asked.rules, self.asked.now
        changed = await has_changed(self.connection, frozen, rules, now)
        return Closed(closed_at=frozen.closed_at, differs=changed)

    async def _rows(self, query: str) -> list[Record]:
        days = self.asked.month
        return await self.connection.fetch(query, days.first, days.last)

    async def _stages(self) -> tuple[StageTime, ...]:
        rows = await self._rows(STAGES_OF_MONTH)
        found = {row["case_stage"]: (row["cases"], row["workdays"]) for row in rows}
        return tuple(
            StageTime(case_stage=name, n=n, workdays_sum=workdays)
            for name in STAGES
            for n, workdays in [found.get(name, (0, 0))]
        )

    async def _suspensions(self) -> tuple[Suspensions, ...]:
        spans = await self._rows(SUSPENSIONS_OF_MONTH)
        cases = {row["reason"]: row for row in await self._rows(SUSPENDED_CASES_OF_MONTH)}
        return tuple(
            self._suspended(reason, [row for row in spans if row["reason"] == reason], cases)
            for reason in SuspensionReason
        )

    def _suspended(
        self, reason: SuspensionReason, spans: Sequence[Record], cases: Mapping[str, Record]
    ) -> Suspensions:
        if reason not in cases:
            return Suspensions(reason=reason)
        counted = cases[reason]
        return Suspensions(
            reason=reason,
            n=sum(row["suspensions"] for row in spans),
            lasting=sum(row["suspensions"] for row in spans if row["last"] is None),
            workdays_sum=sum(row["suspensions"] * self._length(row) for row in spans),
            cases=counted["cases"],
            lasting_cases=counted["lasting_cases"],
            ended_cases=counted["ended_cases"],
        )

    def _length(self, span: Record) -> int:
        """Return the workdays of a suspension; one that lasts goes on to today."""
        last = span["last"] or local_date(self.asked.now)
        return self.asked.rules.rulebook.calendar.workdays_between(span["first"], last)

    async def _data_quality(self) -> tuple[Quality, ...]:
        asked = self._evaluation("none", self._periods)
        told = await read_evaluation(self.connection, asked, self.asked.rules)
        return told.data_quality
