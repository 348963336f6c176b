"""Read an evaluation: the cases of three periods, open ones by age, anomalies by source."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime

from rebate_monitor.domain.assessment import Verdict
from rebate_monitor.domain.case import Anomaly
from rebate_monitor.domain.evaluation import (
    Evaluated,
    Evaluation,
    OpenFor,
    Quality,
    anomaly_sources,
    data_quality,
    evaluate,
    open_for,
    stopped_after,
)
from rebate_monitor.domain.local_time import local_date
from rebate_monitor.domain.performance import Distributions, Key
from rebate_monitor.domain.periods import Days, Periods
from rebate_monitor.domain.policy import PolicyBook
from rebate_monitor.domain.standing import Period, open_workdays
from rebate_monitor.storage.case_events import events_of_cases
from rebate_monitor.storage.database import Connection
from rebate_monitor.storage.figures import (
    PLAN_FOR_ARGUMENTS,
    read_distributions,
    read_left_out,
    read_stopped,
)
from rebate_monitor.storage.rules import RulesInForce
from rebate_monitor.storage.statements import statement

REFILED_DISTRIBUTION = statement("refiled_distribution")
OPEN_AGEING = statement("open_ageing")
ANOMALOUS_CASES = statement("anomalous_cases")
ANOMALIES_BY_KIND = statement("anomalies_by_kind")

DEFAULT_MIN_CASES = 10
"""How many cases a group needs for a rank, unless told."""
MAX_SOURCES = 20
"""How many sources of one kind of anomaly are named."""
MAX_FOLDED = 2_000
"""How many cases are folded to find the sources of their anomalies: the latest ones."""
PAGE = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What to evaluate; open cases are as of `now`."""

    periods: Periods
    by: str
    min_cases: int
    now: datetime

    @property
    def today(self) -> date:
        """The day of which open cases are."""
        return local_date(self.now)


async def read_evaluation(connection: Connection, asked: Asked, rules: RulesInForce) -> Evaluation:
    """Evaluate stored cases; the connection sees one moment."""
    told, policies = await read_evaluated(connection, asked, rules), rules.rulebook.policies
    return Evaluation(
        groups=evaluate(told, policies, asked.min_cases),
        open_ageing=await _open_ageing(connection, asked, rules),
        distribution=stopped_after(told.this),
        data_quality=await _data_quality(connection, asked.periods.this, policies),
    )


async def read_evaluated(connection: Connection, asked: Asked, rules: RulesInForce) -> Evaluated:
    """Read the cases of a period, open ones included, and of what it is compared with."""
    periods, by, today = asked.periods, asked.by, asked.today
    this, previous, year_ago = (
        Period(first=days.first, last=days.last, by=by, today=today)
        for days in (periods.this, periods.previous, periods.year_ago)
    )
    return Evaluated(
        periods=periods,
        by=by,
        this=await read_distributions(connection, this, rules),
        previous=Distributions(stopped=await read_stopped(connection, previous)),
        year_ago=Distributions(stopped=await read_stopped(connection, year_ago)),
        refiled=await _refiled(connection, this),
    )


async def read_ended(connection: Connection, asked: Asked) -> Evaluated:
    """Read as much as a correction of a closed month needs: only cases whose clock ended in it."""
    await connection.execute(PLAN_FOR_ARGUMENTS)
    days = asked.periods.this
    period = Period(first=days.first, last=days.last, by=asked.by, today=asked.today)
    return Evaluated(
        periods=asked.periods,
        by=asked.by,
        this=Distributions(
            stopped=await read_stopped(connection, period),
            left_out=await read_left_out(connection, period),
        ),
        refiled=await _refiled(connection, period),
    )


async def _refiled(connection: Connection, period: Period) -> Mapping[Key, int]:
    rows = await connection.fetch(REFILED_DISTRIBUTION, period.first, period.last, period.by)
    return {(row["group"], row["category_1_2"]): row["cases"] for row in rows}


async def _open_ageing(
    connection: Connection, asked: Asked, rules: RulesInForce
) -> tuple[OpenFor, ...]:
    rows = await connection.fetch(OPEN_AGEING, asked.now, rules.settled)
    return open_for(
        (
            open_workdays(
                row["counted_workdays"],
                row["running_since"],
                asked.today,
                rules.calendar_of(row["rules"]),
            ),
            Verdict(row["verdict"]),
            row["cases"],
        )
        for row in rows
    )


async def _data_quality(
    connection: Connection, days: Days, policies: PolicyBook
) -> tuple[Quality, ...]:
    """Count anomalies by source; of more cases than are folded the rest has no source."""
    found = await _anomalies_of_the_latest(connection, days, policies)
    told: Counter[Anomaly] = Counter()
    for (anomaly, _), cases in found.items():
        told[anomaly] += cases
    for row in await connection.fetch(ANOMALIES_BY_KIND, days.first, days.last):
        anomaly = Anomaly(row["anomaly"])
        found[anomaly, None] += row["cases"] - told[anomaly]
    return data_quality(found, MAX_SOURCES)


async def _anomalies_of_the_latest(
    connection: Connection, days: Days, policies: PolicyBook
) -> Counter[tuple[Anomaly, str | None]]:
    rows = await connection.fetch(ANOMALOUS_CASES, days.first, days.last, MAX_FOLDED)
    listed = {row["case_id"]: [Anomaly(name) for name in row["anomalies"]] for row in rows}
    case_ids, found = list(listed), Counter[tuple[Anomaly, str | None]]()
    for start in range(0, len(case_ids), PAGE):
        stored = await events_of_cases(connection, case_ids[start : start + PAGE])
        for case_id, known in stored.items():
            sources = anomaly_sources(case_id, [told.event for told in known], policies)
            found.update((anomaly, sources.get(anomaly)) for anomaly in listed[case_id])
    return found
