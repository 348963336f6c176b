"""What is ahead on /metrics: as GET /v1/foresight says it, on every replica the same.

The clock of these tests stands at Monday 2026-11-23 10:00; November 2026 has no holidays.
"""

from collections import Counter
from datetime import datetime

import pytest
from aiohttp.test_utils import TestClient, TestServer
from prometheus_client.parser import text_string_to_metric_families

from cloud_events import BATCH, Json, accepted, event
from conftest import Client, FixedClock
from rebate_monitor.api.service import Service
from rebate_monitor.domain.foresight import WORKDAYS_AHEAD, Assumption
from rebate_monitor.domain.local_time import SHANGHAI
from rebate_monitor.domain.policy import Scope
from rebate_monitor.places import HUNAN
from rebate_monitor.server import application, compose
from rebate_monitor.settings import Settings
from rebate_monitor.storage.database import Database
from rebate_monitor.storage.foresight import look_ahead
from rebate_monitor.storage.tallies import compact

ZHUZHOU, ELSEWHERE = "14302000000", "15301000000"
DUE, MEAN = "rebate_due_cases", "rebate_month_mean_foreseen_workdays"
SLACK, FORESEEN_AT = "rebate_month_slack_workdays", "rebate_month_foreseen_timestamp_seconds"
START = "rebate_next_holiday_block_start_timestamp_seconds"
END = "rebate_next_holiday_block_end_timestamp_seconds"

PROVINCE = [
    accepted("2026-11-09T09:00:00", subject="finished"),
    event("voucher_issued", "2026-11-12T09:00:00", subject="finished"),
    accepted("2026-11-09T09:00:00", subject="slow", category="III"),
    event("voucher_issued", "2026-11-20T09:00:00", subject="slow"),
    accepted("2026-11-02T09:00:00", subject="overdue for weeks"),
    accepted("2026-11-18T09:00:00", subject="due today"),
    accepted("2026-11-20T09:00:00", subject="due on the 25th", office=ZHUZHOU),
    accepted("2026-11-20T09:00:00", subject="due on the 26th", category=None, office=ELSEWHERE),
    accepted("2026-11-16T09:00:00", subject="paused", category="III"),
    event("suspended", "2026-11-18T09:00:00", subject="paused", reason="other"),
]


async def tell(client: Client, events: list[Json]) -> None:
    """Post events that must all be taken."""
    async with client.post("/v1/events", json=events, headers=BATCH) as response:
        assert response.status == 200, await response.text()


async def values(client: Client, name: str, *labels: str) -> dict[tuple[str, ...], float]:
    """Return the values of one metric by the values of its labels."""
    async with client.get("/metrics") as response:
        families = text_string_to_metric_families(await response.text())
        samples = [s for family in families for s in family.samples if s.name == name]
    assert all(set(labels) == set(sample.labels) for sample in samples)
    return {tuple(s.labels[label] for label in labels): s.value for s in samples}


async def ahead(client: Client) -> Json:
    """Return what the API says of what is ahead."""
    answer: Json = await (await client.get("/v1/foresight")).json()
    return answer


async def look(service: Service) -> None:
    """Do what the service does once a minute."""
    assert await look_ahead(service.database, service.rules, service.now())


async def test_due_cases(client: Client) -> None:
    """Every city has all ten workdays; cities without a name share one label."""
    await tell(client, PROVINCE)

    told = await values(client, DUE, "city", "workdays_ahead")

    cities = {code for code, _, _ in HUNAN} | {"other"}
    assert {(city, str(n)) for city in cities for n in range(WORKDAYS_AHEAD)} == set(told)
    assert {("430100", "0"): 1, ("430200", "2"): 1, ("other", "3"): 1} == {
        key: value for key, value in told.items() if value
    }


async def test_due_cases_are_those_of_the_api(
    client: Client, database: Database, service: Service
) -> None:
    """Day for day the tallies say what the cases say, compacted or not."""
    await tell(client, PROVINCE)
    groups = (await ahead(client))["groups"]
    expected: Counter[tuple[str, str]] = Counter()
    for group in groups:
        for n, cases in enumerate(group["due"]):
            expected[service.places.city_label(group["city"]), str(n)] += cases

    before = await values(client, DUE, "city", "workdays_ahead")
    assert await compact(database, service.now())
    after = await values(client, DUE, "city", "workdays_ahead")

    assert before == after
    assert +expected == {key: value for key, value in before.items() if value}


@pytest.mark.parametrize(
    ("at", "place"),
    [
        (datetime(2026, 11, 25, 23, 59, tzinfo=SHANGHAI), "0"),
        (datetime(2026, 11, 26, 0, 0, tzinfo=SHANGHAI), None),
    ],
)
async def test_days_pass_without_an_event(
    client: Client, clock: FixedClock, at: datetime, place: str | None
) -> None:
    """What was due yesterday has left the days ahead at midnight, nobody having done anything."""
    await tell(client, [accepted("2026-11-20T09:00:00")])
    clock.instant = at

    told = await values(client, DUE, "city", "workdays_ahead")

    assert ([("430100", place)] if place else []) == [key for key, value in told.items() if value]


async def test_the_month_is_what_the_api_says(client: Client, service: Service) -> None:
    """Means of every assumption, slack of every scope, and when they were found."""
    await tell(client, PROVINCE)
    await look(service)

    means = await values(client, MEAN, "scope", "assumption")
    slack = await values(client, SLACK, "scope")

    scopes = (await ahead(client))["month"]["scopes"]
    assert {
        (end["scope"], each["assumption"]): each["mean_workdays"]
        for end in scopes
        for each in end["assumptions"]
    } == means
    assert {(end["scope"],): end["slack_workdays"] for end in scopes} == slack
    assert {(scope, assumption) for scope in Scope for assumption in Assumption} == set(means)
    assert {(): service.now().timestamp()} == await values(client, FORESEEN_AT)


async def test_before_anybody_looked_ahead(client: Client) -> None:
    """There is no mean and no time until it was looked for; the slack is read with each scrape."""
    await tell(client, PROVINCE)

    assert {} == await values(client, MEAN, "scope", "assumption")
    assert {} == await values(client, FORESEEN_AT)
    assert {("all",): -4.0, ("category_1_2",): 0.0} == await values(client, SLACK, "scope")


async def test_an_empty_month(client: Client, service: Service) -> None:
    """No cases have no mean; all of the slack is there, which is none."""
    await look(service)

    assert {} == await values(client, MEAN, "scope", "assumption")
    assert {("all",): 0.0, ("category_1_2",): 0.0} == await values(client, SLACK, "scope")


async def test_without_a_target_there_is_no_slack(client: Client, clock: FixedClock) -> None:
    """Before the first policy there was nothing to stay under."""
    clock.instant = datetime(2023, 9, 25, 10, 0, tzinfo=SHANGHAI)

    assert {} == await values(client, SLACK, "scope")


async def test_replicas_agree(
    client: Client, service: Service, database: Database, settings: Settings, clock: FixedClock
) -> None:
    """One replica looks ahead, and all show what it found."""
    other = compose(settings, database, clock)
    await tell(client, PROVINCE)
    await look(other)
    async with TestClient(TestServer(application(other))) as second:
        for name, labels in ((MEAN, ("scope", "assumption")), (FORESEEN_AT, ())):
            told = await values(client, name, *labels)
            assert told == await values(second, name, *labels)
            assert told


@pytest.mark.parametrize(
    ("today", "start", "end"),
    [
        ((2026, 9, 30), (2026, 10, 1), (2026, 10, 8)),
        ((2026, 10, 7), (2026, 10, 1), (2026, 10, 8)),
        ((2026, 10, 8), (2027, 1, 1), (2027, 1, 4)),
    ],
)
async def test_the_next_holiday(
    client: Client,
    clock: FixedClock,
    today: tuple[int, int, int],
    start: tuple[int, int, int],
    end: tuple[int, int, int],
) -> None:
    """National Day 2026 is told until it is over, from its first midnight to its last."""
    clock.instant = datetime(*today, 10, 0, tzinfo=SHANGHAI)

    assert {(): datetime(*start, tzinfo=SHANGHAI).timestamp()} == await values(client, START)
    assert {(): datetime(*end, tzinfo=SHANGHAI).timestamp()} == await values(client, END)
