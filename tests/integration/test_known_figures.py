"""Figures as known then: what folding everything that had arrived would give, and nothing else."""

import random
import statistics
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from decimal import Decimal

import numpy as np
import pytest

from cloud_events import BATCH, Json, accepted, event
from conftest import Client, FixedClock
from late_arrivals import END, arrivals, tell
from rebate_monitor.api.service import Service
from rebate_monitor.domain.assessment import Assessment, judge
from rebate_monitor.domain.case import Case, Status
from rebate_monitor.domain.known_then import Receipt, received_by
from rebate_monitor.domain.local_time import SHANGHAI, local_date
from rebate_monitor.domain.policy import PolicyBook, Scope, StopAt
from rebate_monitor.domain.rulebook import Rulebook
from rebate_monitor.storage.case_events import receipts_of_cases
from rebate_monitor.storage.database import Database
from rebate_monitor.storage.standings import LATE_CASES
from turning import turn_and_recompute

OCTOBER = (date(2026, 10, 1), date(2026, 10, 31))
PERIODS = (OCTOBER, (date(2026, 9, 20), date(2026, 11, 10)))
TURN = datetime(2026, 11, 10, tzinfo=SHANGHAI)
MOMENTS = tuple(
    datetime(2026, month, day, 7, 30, tzinfo=SHANGHAI)
    for month, day in ((9, 2), (10, 8), (10, 31), (11, 5), (11, 12), (12, 1), (12, 20))
)


@dataclass(frozen=True)
class Known:
    """A case as it was known at a moment."""

    case: Case
    assessment: Assessment
    workdays: int | None

    def group(self, by: str, today: date) -> str | None:
        told = self.case.attributes
        assert told is not None
        ended = self.case.ended_at
        return {
            "none": None,
            "category": str(told.category or "unknown"),
            "city": told.city,
            "office": told.office,
            "rebate_type": str(told.rebate_type or "unknown"),
            "month": f"{local_date(ended) if ended else today:%Y-%m}",
        }[by]


def known_cases(
    receipts: dict[str, list[Receipt]], rules: Rulebook, known_at: datetime
) -> list[Known]:
    """Fold everything that had arrived, case by case."""
    found = []
    for case_id, told in receipts.items():
        case, assessment = rules.assess(case_id, received_by(told, known_at))
        if case.accepted_at is not None:
            workdays = judge(case, assessment, rules.calendar, known_at).workdays
            found.append(Known(case, assessment, workdays))
    return found


def rounded(value: float | Decimal | None) -> object:
    return value if value is None else pytest.approx(float(value), abs=1e-6)


def mean(days: Sequence[int]) -> object:
    return rounded(statistics.fmean(days)) if days else None


def naive_figures(cases: Sequence[Known], first: date, last: date) -> Json:
    """Compute a group's figures over its cases, one by one."""
    ended = [c for c in cases if c.case.ended_at and first <= local_date(c.case.ended_at) <= last]
    stopped = [c for c in ended if c.case.status is Status.STOPPED]
    normal = [c for c in stopped if c.assessment.normal]
    still_open = [c for c in cases if c.case.status.is_open and c.assessment.normal]
    days, running = [c.workdays or 0 for c in normal], [c.workdays or 0 for c in still_open]
    judged = [c.assessment.in_time for c in normal if c.assessment.in_time is not None]
    amounts = [Decimal(c.case.attributes.amount_cny or 0) for c in normal if c.case.attributes]
    weighted = sum((d * amount for d, amount in zip(days, amounts, strict=True)), start=Decimal(0))
    return {
        "n": len(normal),
        "mean_workdays": mean(days),
        "median": rounded(statistics.median(days)) if days else None,
        "p90": rounded(float(np.percentile(days, 90))) if days else None,
        "in_time_rate": rounded(sum(judged) / len(judged)) if judged else None,
        "same_day_rate": mean([bool(c.assessment.same_day) for c in normal]),
        "amount_weighted_mean": rounded(weighted / sum(amounts)) if sum(amounts) else None,
        "open_n": len(still_open),
        "open_mean_workdays": mean(running),
        "mean_if_open_stopped_now": mean(days + running),
        "excluded": len(stopped) - len(normal),
        "rejected": sum(c.case.status is Status.REJECTED for c in ended),
        "withdrawn": sum(c.case.status is Status.WITHDRAWN for c in ended),
    }


Groups = dict[tuple[str | None, str], Json]


def naive_groups(cases: Sequence[Known], first: date, last: date, by: str, today: date) -> Groups:
    """Compute all groups that have anything to show."""
    named = {case.group(by, today) for case in cases}
    told = {
        (group, str(scope)): naive_figures(
            [
                c
                for c in cases
                if c.group(by, today) == group
                and c.case.attributes
                and scope.covers(c.case.attributes.category)
            ],
            first,
            last,
        )
        for group in named
        for scope in Scope
    }
    return {key: figures for key, figures in told.items() if shows(figures)}


def shows(figures: Json) -> bool:
    return any(figures[name] for name in ("n", "open_n", "excluded", "rejected", "withdrawn"))


async def answered(client: Client, query: str, names: Sequence[str]) -> Groups:
    """Ask for figures; return those of groups that have anything to show."""
    async with client.get(f"/v1/performance?{query}") as response:
        assert response.status == 200, await response.text()
        groups = (await response.json())["groups"]
    return {
        (group["group"], group["scope"]): {name: group[name] for name in names}
        for group in groups
        if shows(group)
    }


async def every_receipt(database: Database) -> dict[str, list[Receipt]]:
    async with database.transaction(snapshot=True) as connection:
        rows = await connection.fetch("SELECT case_id FROM rebate_case")
        return await receipts_of_cases(connection, [row["case_id"] for row in rows])


async def compare(
    client: Client, database: Database, rules: dict[datetime, Rulebook], moments: Sequence[datetime]
) -> None:
    """Compare every answer with a fold of everything; `rules` by since when they were known."""
    receipts = await every_receipt(database)
    for moment in moments:
        then = rules[max((since for since in rules if since <= moment), default=min(rules))]
        cases, today = known_cases(receipts, then, moment), local_date(moment)
        for first, last in PERIODS:
            for by in ("none", "category", "city", "office", "rebate_type", "month"):
                expected = naive_groups(cases, first, last, by, today)
                if by == "month":  # open cases of a month outside the period are not shown
                    months = {f"{first:%Y-%m}", f"{last:%Y-%m}", "2026-10"}
                    expected = {k: v for k, v in expected.items() if k[0] in months}
                at = moment.isoformat().replace("+", "%2B")
                query = f"from={first}&to={last}&by={by}&known_at={at}"
                names = list(naive_figures([], first, last))
                assert (query, expected) == (query, await answered(client, query, names))


@pytest.mark.parametrize("seed", [11, 12, 13])
async def test_figures_as_known_then_are_a_fold_of_what_had_arrived(
    client: Client, database: Database, service: Service, clock: FixedClock, seed: int
) -> None:
    """However late facts arrive, figures of a moment are those of the facts that had come."""
    await tell(client, clock, arrivals(random.Random(seed), cases=60))
    clock.instant = END

    await compare(client, database, {TURN: service.rules.own}, MOMENTS)


@pytest.fixture
def other_rules(service: Service) -> Rulebook:
    """Return rules of which a policy pauses what ran, stops elsewhere and sets other limits."""
    (policy,) = service.rules.own.policies.policies
    stricter = replace(
        policy,
        default_limit=2,
        limits={},
        rules=replace(policy.rules, stop_at=StopAt.APPROVED, immediate_within_workdays=1),
    )
    return replace(service.rules.own, policies=PolicyBook([stricter]))


@pytest.mark.parametrize("seed", [21, 22])
async def test_by_the_rules_of_then(  # noqa: PLR0917 - fixtures arrive as arguments
    client: Client,
    database: Database,
    service: Service,
    other_rules: Rulebook,
    clock: FixedClock,
    seed: int,
) -> None:
    """Before the rules changed figures are by the old ones, from then on by the new ones."""
    told = arrivals(random.Random(seed), cases=40)
    await tell(client, clock, [arrival for arrival in told if arrival[0] < TURN])
    clock.instant = TURN
    await turn_and_recompute(service, other_rules)
    await tell(client, clock, [arrival for arrival in told if arrival[0] >= TURN])
    clock.instant = END

    rules = {TURN - timedelta(days=90): service.rules.own, TURN: other_rules}
    await compare(client, database, rules, MOMENTS[2:6])


async def test_what_is_known_now_is_the_figure_of_today(client: Client, clock: FixedClock) -> None:
    """As known at this moment the figures are those that are answered without a moment."""
    await tell(client, clock, arrivals(random.Random(31), cases=40))
    now = clock.instant.isoformat().replace("+", "%2B")

    for by in ("none", "city", "month"):
        query = f"/v1/performance?from=2026-10-01&to=2026-12-31&by={by}"
        async with client.get(query) as plain, client.get(f"{query}&known_at={now}") as known:
            assert await plain.json() == await known.json()


async def test_the_period_is_the_month_of_then(client: Client) -> None:
    """Without days it is the month of that moment, up to that day."""
    async with client.get("/v1/performance?known_at=2026-10-15T12:00:00%2B08:00") as response:
        told = await response.json()

    assert ("2026-10-01", "2026-10-15") == (told["from"], told["to"])


async def test_a_late_voucher_was_not_known(client: Client, clock: FixedClock) -> None:
    """A case that was stopped weeks before that was told is open until it was told."""
    clock.instant = datetime(2026, 11, 2, 9, 0, tzinfo=SHANGHAI)
    await client.post("/v1/events", json=[accepted("2026-11-02T08:00:00")], headers=BATCH)
    clock.instant = datetime(2026, 11, 23, 9, 0, tzinfo=SHANGHAI)
    late = [event("voucher_issued", "2026-11-03T08:00:00")]
    await client.post("/v1/events", json=late, headers=BATCH)
    query = "from=2026-11-01&to=2026-11-30&known_at=2026-11-23T08:59:59.999999%2B08:00"

    then = await answered(client, query, ["n", "open_n", "open_mean_workdays"])
    now = await answered(client, "from=2026-11-01&to=2026-11-30", ["n", "open_n", "mean_workdays"])

    assert {"n": 0, "open_n": 1, "open_mean_workdays": 15.0} == then[None, "all"]
    assert {"n": 1, "open_n": 0, "mean_workdays": 1.0} == now[None, "all"]


async def test_late_cases_are_found_by_when_they_heard(database: Database) -> None:
    """What has heard of something since is read off the index of arrivals, not off all events."""
    async with database.connection() as connection:
        await connection.execute(
            "INSERT INTO case_event (case_id, source, id, event_type, time, data, digest,"
            " received_at) SELECT 'case-' || n, '/s', 'e', 'rebate.case.accepted', at, '{}', '',"
            " at FROM (SELECT n, timestamptz '2020-01-01' + n * interval '1 hour' AS at"
            " FROM generate_series(1, 30000) AS n) AS told ORDER BY at"
        )
        await connection.execute("VACUUM ANALYZE case_event")
        moments = [datetime(2023, month, 1, tzinfo=SHANGHAI) for month in (5, 4, 5)]
        plan = await connection.fetch(f"EXPLAIN {LATE_CASES}", *moments, True)

    assert "Bitmap Index Scan on case_event_received" in "\n".join(row[0] for row in plan)


WRONG = {
    "known_at=": "known_at",
    "known_at=2026-11-20": "known_at",
    "known_at=2026-11-20T09:00:00": "known_at",
    "known_at=2026-11-23T10:00:00.000001%2B08:00": "known_at",
    "known_at=1999-12-31T23:00:00%2B08:00": "known_at",
    "known_at=0001-01-01T00:00:00%2B14:00": "known_at",
    "known_at=9999-12-31T23:59:59-14:00": "known_at",
    "known_at=2026-11-20T09:00:00Z&from=0001-01-01": "from",
    "known_at=2026-11-20T09:00:00Z&to=9999-12-31": "to",
    "known_at=2026-11-20T09:00:00Z&known_at=2026-11-20T09:00:00Z": "known_at",
}


async def test_what_cannot_be_known_is_refused(client: Client) -> None:
    """A moment that is none, lies ahead, or lies beyond the calendar is a 422 that names it."""
    for query, name in WRONG.items():
        async with client.get(f"/v1/performance?{query}") as response:
            told = await response.json(content_type="application/problem+json")
            assert (query, 422, name) == (query, response.status, told["detail"].partition(":")[0])
