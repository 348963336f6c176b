"""What other rules come to on the stored cases, before they are published: nothing is written."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime

from rebate_monitor.domain.performance import Mean
from rebate_monitor.domain.periods import named_month
from rebate_monitor.domain.policy import Scope
from rebate_monitor.domain.rulebook import Rulebook
from rebate_monitor.domain.rules_difference import MonthDifference, RulesDifference
from rebate_monitor.domain.standing import Period
from rebate_monitor.domain.touched import Touched, touched
from rebate_monitor.ingest.recompute import fresh_row
from rebate_monitor.storage.case_events import events_of_cases
from rebate_monitor.storage.case_rows import stored_cases
from rebate_monitor.storage.course_rows import compare_courses
from rebate_monitor.storage.database import Connection
from rebate_monitor.storage.figures import read_stopped
from rebate_monitor.storage.frozen import frozen_months
from rebate_monitor.storage.recomputes import (
    Recompute,
    count_touched,
    touched_case_ids,
    under_way,
)
from rebate_monitor.storage.rules import RulesInForce

PAGE = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """What other rules come to: the difference, each official mean that changes, and what is so.

    `closed` are the months that were closed: they stay as reported, the change is a correction.
    `pending` is a recompute that was under way, whose cases are among those looked at.
    """

    difference: RulesDifference
    means: tuple[MonthDifference, ...]
    closed: frozenset[str]
    pending: Recompute | None = None

    @property
    def closed_touched(self) -> list[str]:
        """The closed months whose means change, in order."""
        return sorted({told.month for told in self.means} & self.closed)


class DryRun:
    """Tries other rules on the cases that they may touch; the connection sees one moment.

    `progress` is told how many of how many cases are done.
    """

    def __init__(
        self,
        connection: Connection,
        rules: RulesInForce,
        now: datetime,
        progress: Callable[[int, int], None] = lambda _done, _cases: None,
    ) -> None:
        self._connection, self._rules, self._now = connection, rules, now
        self._progress = progress

    async def trial(self, proposed: Rulebook) -> Trial:
        """Return all that the proposed rules come to."""
        difference = await self.difference(proposed)
        return Trial(
            difference=difference,
            means=await self.means(difference),
            closed=frozenset(month.month for month in await frozen_months(self._connection)),
            pending=await under_way(self._connection),
        )

    async def difference(self, proposed: Rulebook) -> RulesDifference:
        """Return what the proposed rules come to, against cases as they stand."""
        cases = touched(self._rules.rulebook, proposed)
        pending = await under_way(self._connection)
        if pending is not None:
            cases = cases.plus(pending.touched)
        told = RulesDifference(now=self._now)
        if cases.refolds:
            await self._by_events(told, cases, proposed)
        elif cases.stretches:
            await self._by_course(told, cases, proposed)
        return told

    async def means(self, told: RulesDifference) -> tuple[MonthDifference, ...]:
        """Return the official means that change, month by month."""
        return told.means(await self._stored_means(told.months)) if told.months else ()

    async def _by_course(self, told: RulesDifference, cases: Touched, proposed: Rulebook) -> None:
        for compared in await compare_courses(self._connection, cases, proposed):
            change = compared.change
            if compared.is_changed:
                moved = change.due_date_moved
                told.add(change.before, change.after, change.cases, due_date_moved=moved)
            else:
                told.look_at(change.cases)
        self._progress(told.cases, told.cases)

    async def _by_events(self, told: RulesDifference, cases: Touched, proposed: Rulebook) -> None:
        last, total = "", await count_touched(self._connection, cases)
        while page := await touched_case_ids(self._connection, last, cases, PAGE):
            rows = await stored_cases(self._connection, page.case_ids)
            stored = await events_of_cases(self._connection, page.case_ids)
            for case_id, events in stored.items():
                before = rows[case_id]
                after = fresh_row(proposed, self._rules.number, before, events)
                if before.stands_as(after):
                    told.look_at(1)
                else:
                    told.add(before, after, due_date_moved=before.due_date != after.due_date)
            last = page.last
            self._progress(told.cases, total)

    async def _stored_means(self, months: tuple[str, ...]) -> Mapping[tuple[str, Scope], Mean]:
        first, last = named_month(months[0]).first, named_month(months[-1]).last
        period = Period(first=first, last=last, by="month", today=last)
        found: dict[tuple[str, Scope], Mean] = {}
        for (month, is_1_2), rows in (await read_stopped(self._connection, period)).items():
            for scope in (Scope.ALL, Scope.CATEGORY_1_2) if is_1_2 else (Scope.ALL,):
                before = found.get((month or "", scope), Mean())
                found[month or "", scope] = Mean(
                    n=before.n + sum(row.cases for row in rows),
                    workdays_sum=before.workdays_sum
                    + sum(row.cases * row.workdays for row in rows),
                )
        return found
