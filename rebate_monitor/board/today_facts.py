"""Read what the page of today shows, all of it of one moment."""

import asyncio
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from rebate_monitor.api.evaluation import EvaluatedGroupView, evaluated_group_view
from rebate_monitor.api.foresight import Asked as AskedForesight
from rebate_monitor.api.foresight import ForesightView, foresight_view
from rebate_monitor.api.service import Service
from rebate_monitor.board.notices import Notice, State, notices
from rebate_monitor.domain.evaluation import Evaluated, evaluate
from rebate_monitor.domain.foresight import Known, Month
from rebate_monitor.domain.local_time import local_date
from rebate_monitor.domain.periods import PeriodName, month_of, named_periods
from rebate_monitor.domain.policy import PolicyBook, Scope
from rebate_monitor.domain.trend import MonthSums, last_months
from rebate_monitor.storage.evaluation import DEFAULT_MIN_CASES, Asked, read_evaluated
from rebate_monitor.storage.foresight import read_known
from rebate_monitor.storage.outbox import outbox_figures
from rebate_monitor.storage.quarantine import count_quarantine
from rebate_monitor.storage.recomputes import has_cases, under_way
from rebate_monitor.storage.tallies import heard_at
from rebate_monitor.storage.trend import read_month_sums

BY = "city"


@dataclass(frozen=True, slots=True, kw_only=True)
class TodayFacts:
    """What is known today; `groups` are all cases together and those of each city.

    `targets` are those of the last twelve months.
    """

    at: datetime
    has_cases: bool
    heard_at: datetime | None
    swept_at: datetime | None
    quarantined: int
    ahead: ForesightView
    groups: list[EvaluatedGroupView]
    targets: Mapping[Scope, list[float | None]]
    notices: list[Notice]

    @property
    def overdue(self) -> Mapping[str | None, int]:
        """How many open cases exceed their limit, by city."""
        counts: Counter[str | None] = Counter()
        for group in self.ahead.groups:
            counts[group.city] += group.overdue
        return counts


async def read_today(service: Service) -> TodayFacts:
    """Read the facts of today."""
    now, today = service.now(), service.today()
    asked = Asked(
        periods=named_periods(PeriodName.MONTH, today), by=BY, min_cases=DEFAULT_MIN_CASES, now=now
    )
    async with service.database.transaction(snapshot=True) as connection:
        rules = await service.rules.in_force(connection)
        month = Month(today=today, calendar=rules.rulebook.calendar)
        known = await read_known(connection, month, rules)
        evaluated = await read_evaluated(connection, asked, rules)
        state = State(
            now=now,
            month=month,
            policy=rules.rulebook.policies.on(today),
            outbox=await outbox_figures(connection),
            quarantined=await count_quarantine(connection),
            recompute=await under_way(connection),
            heard_at=await heard_at(connection),
            has_cases=await has_cases(connection),
        )
    return await asyncio.to_thread(
        _facts, service, state, known, evaluated, rules.rulebook.policies
    )


def _facts(
    service: Service, state: State, known: Known, evaluated: Evaluated, policies: PolicyBook
) -> TodayFacts:
    groups = [
        *evaluate(evaluated.together(), policies, DEFAULT_MIN_CASES),
        *evaluate(evaluated, policies, DEFAULT_MIN_CASES),
    ]
    return TodayFacts(
        at=state.now,
        has_cases=state.has_cases,
        heard_at=state.heard_at,
        swept_at=state.outbox.swept_at,
        quarantined=state.quarantined,
        ahead=foresight_view(AskedForesight(), known, state.month, policies),
        groups=[evaluated_group_view(service.places, BY, group) for group in groups],
        targets={scope: targets_of(policies, scope, state.month.today) for scope in Scope},
        notices=notices(state),
    )


def targets_of(policies: PolicyBook, scope: Scope, today: date) -> list[float | None]:
    """Return the targets in force at the end of each of the last months, this one's today."""
    ends = [min(month_of(first).last, today) for first in last_months(today)]
    return [policies.on(end).target(scope) for end in ends]


async def read_earlier_months(service: Service) -> list[MonthSums]:
    """Read the cases of the last twelve months before this one."""
    months = last_months(local_date(service.now()))
    async with service.database.connection() as connection:
        return await read_month_sums(connection, months[0], months[-1] - timedelta(days=1))
