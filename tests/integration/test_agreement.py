"""All figures agree with each other everywhere, and with the days that were counted one by one."""

import csv
import io
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import NamedTuple

import pytest
from prometheus_client.parser import text_string_to_metric_families

from cloud_events import STREAM, Json, ndjson
from conftest import Client, FixedClock
from rebate_monitor.api.service import Service
from rebate_monitor.catalogue import Language
from rebate_monitor.circular.compose import Wanted, compose
from rebate_monitor.circular.csv_file import csv_file
from rebate_monitor.circular.reading import MonthAsked, read_facts
from rebate_monitor.domain.local_time import SHANGHAI, local_date
from rebate_monitor.domain.periods import named_month
from rebate_monitor.simulation.province import Province
from rebate_monitor.storage.lookups import Lookups

SCOPES = {"all": ("I", "II", "III", "IV", None), "category_1_2": ("I", "II")}
EXACT = 1e-6


class Told(NamedTuple):
    """The official figures of a month in one scope, as one place tells them."""

    mean_workdays: float
    in_time_rate: float
    same_day_rate: float


@pytest.fixture
def clock() -> FixedClock:
    """Return the real time, which views go by."""
    return FixedClock(datetime.now(SHANGHAI))


@pytest.fixture
async def province(client: Client, service: Service, clock: FixedClock) -> None:
    """Tell of three dirty months of a made-up province up to now."""
    await Lookups(service.places, "x").publish(service.database)
    made_up = Province(calendar=service.rules.own.calendar, seed=5, cases_per_month=120, dirt=5.0)
    history = made_up.history(clock() - timedelta(days=95), clock())
    async with client.post(
        "/v1/events", data=io.BytesIO(ndjson(list(history))), headers=STREAM
    ) as response:
        assert response.status == 207, await response.text()


async def answer(client: Client, path: str) -> Json:
    async with client.get(path) as response:
        assert response.status == 200, await response.text()
        told: Json = await response.json()
        return told


def _told(group: Json) -> Told:
    return Told(group["mean_workdays"], group["in_time_rate"], group["same_day_rate"])


async def by_performance(client: Client, first: str, last: str) -> dict[str, Told]:
    told = await answer(client, f"/v1/performance?from={first}&to={last}")
    return {group["scope"]: _told(group) for group in told["groups"]}


async def by_evaluation(client: Client) -> dict[str, Told]:
    told = await answer(client, "/v1/evaluation?period=rolling_30d")
    return {group["scope"]: _told(group) for group in told["groups"]}


async def by_metrics(client: Client) -> dict[str, Told]:
    async with client.get("/metrics") as response:
        families = {f.name: f for f in text_string_to_metric_families(await response.text())}
    names = ("rebate_processing_workdays_mean", "rebate_in_time_ratio", "rebate_same_day_ratio")
    return {
        scope: Told(
            *(
                sample.value
                for name in names
                for sample in families[name].samples
                if sample.labels == {"scope": scope, "window": "rolling_30d"}
            )
        )
        for scope in SCOPES
    }


async def by_view(service: Service) -> dict[str, Told]:
    async with service.database.connection() as connection:
        rows = await connection.fetch(
            "SELECT scope.scope, sum(workdays_sum) / sum(n), sum(in_time) / sum(judged),"
            " sum(same_day) / sum(n) FROM reporting.ended JOIN reporting.scope USING (category)"
            " WHERE period = 'rolling_30d' AND part = 'this' GROUP BY scope.scope"
        )
    return {row[0]: Told(*map(float, tuple(row)[1:])) for row in rows}


async def by_counting_days(client: Client, first: str, last: str) -> dict[str, Told]:
    """Take every case apart by day, and add up the days that were counted."""
    cases = await stopped_cases(client)
    normal = [c for c in cases if c["normal"] and first <= c["stopped_at"][:10] <= last]
    counted = {case["case_id"]: await counted_days(client, case["case_id"]) for case in normal}
    return {
        scope: counted_by_hand([c for c in normal if c["attributes"]["category"] in known], counted)
        for scope, known in SCOPES.items()
    }


async def stopped_cases(client: Client) -> list[Json]:
    found, cursor = list[Json](), ""
    while True:
        told = await answer(client, f"/v1/cases?status=stopped&limit=500{cursor}")
        found += told["cases"]
        if told["next"] is None:
            return found
        cursor = f"&cursor={told['next']}"


async def counted_days(client: Client, case_id: str) -> int:
    told = await answer(client, f"/v1/cases/{case_id}/explanation")
    return sum(day["counted"] for day in told["days"])


def counted_by_hand(cases: list[Json], counted: dict[str, int]) -> Told:
    judged = [case for case in cases if case["policy"]["limit_workdays"] is not None]
    return Told(
        mean(counted[case["case_id"]] for case in cases),
        mean(counted[c["case_id"]] <= c["policy"]["limit_workdays"] for c in judged),
        mean(counted[case["case_id"]] == 0 for case in cases),
    )


def mean(values: Iterable[float]) -> float:
    told = list(values)
    return sum(told) / len(told)


async def test_every_place_tells_the_same(client: Client, service: Service, province: None) -> None:
    """The last 30 days by API, evaluation, metrics and views are the days counted one by one."""
    last = service.today()
    first = last - timedelta(days=29)
    expected = await by_counting_days(client, f"{first}", f"{last}")
    places = {
        "performance": await by_performance(client, f"{first}", f"{last}"),
        "evaluation": await by_evaluation(client),
        "metrics": await by_metrics(client),
        "view": await by_view(service),
    }

    for place, told in places.items():
        for scope, figures in expected.items():
            assert tuple(figures) == pytest.approx(tuple(told[scope]), abs=EXACT), (place, scope)


async def test_a_report_tells_the_same(client: Client, service: Service, province: None) -> None:
    """The report on the last whole month has its official means as the API answers them."""
    last = local_date(service.now()).replace(day=1) - timedelta(days=1)
    months = await by_performance(client, f"{last.replace(day=1)}", f"{last}")
    async with service.database.transaction(snapshot=True) as connection:
        asked = MonthAsked(
            month=named_month(f"{last:%Y-%m}"),
            now=service.now(),
            rules=await service.rules.in_force(connection),
            places=service.places,
            with_quality=True,
        )
        facts = await read_facts(connection, asked)
    wanted = Wanted(language=Language.EN, internal=True, min_cases=1)
    rows = csv.DictReader(
        io.StringIO(csv_file(compose(facts, service.places, wanted)).decode("utf-8-sig"))
    )
    means = {
        row["scope"]: float(row["value"])
        for row in rows
        if (row["section"], row["figure"]) == ("means", "mean_workdays")
    }

    assert {s: pytest.approx(told.mean_workdays, abs=EXACT) for s, told in months.items()} == means
