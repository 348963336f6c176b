"""The living rules on /metrics: the version, a recompute on its way, due dates that are estimates.

The clock of these tests stands at Tuesday 2026-12-29 10:00. 2027 is not published: 1 January is a
Friday off by estimate, so that the first workday of 2027 is Monday the 4th.
"""

from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from aiohttp.test_utils import TestClient, TestServer
from prometheus_client.parser import text_string_to_metric_families

from cloud_events import BATCH, Json, accepted, event
from conftest import Client, FixedClock
from domain_builders import year_notice
from observability_servers import check_with_promtool
from rebate_monitor.api.service import Service
from rebate_monitor.domain.calendar_change import with_notice
from rebate_monitor.domain.local_time import SHANGHAI
from rebate_monitor.domain.rulebook import Rulebook
from rebate_monitor.server import application, compose
from rebate_monitor.settings import Settings
from rebate_monitor.storage.database import Database
from rebate_monitor.storage.tallies import compact
from turning import drain, recompute_all, recomputer, turn, turn_and_recompute

VERSION = "rebate_rules_version"
PENDING = "rebate_recompute_pending_cases"
PROGRESS = "rebate_recompute_last_progress_timestamp_seconds"
BEYOND = "rebate_open_cases_beyond_calendar"
UNTIL = "rebate_calendar_published_until_timestamp_seconds"
SEEN = (VERSION, PENDING, PROGRESS, BEYOND)

YEAR_END = [
    accepted("2026-12-28T09:00:00", subject="due on 31 December"),
    accepted("2026-12-29T09:00:00", subject="due on 4 January"),
    accepted("2026-12-29T09:00:00", subject="due on 5 January", category="III"),
    accepted("2026-12-29T09:00:00", subject="paused"),
    event("suspended", "2026-12-29T09:30:00", subject="paused", reason="other"),
    accepted("2026-12-29T09:00:00", subject="finished"),
    event("voucher_issued", "2026-12-29T09:30:00", subject="finished"),
]


@pytest.fixture
def clock() -> FixedClock:
    """Return the service's clock: the last days of the year."""
    return FixedClock(datetime(2026, 12, 29, 10, 0, tzinfo=SHANGHAI))


def next_year_published(service: Service) -> Rulebook:
    """Return the rules in force with a made-up notice for 2027: 1 and 4 January are off."""
    own = service.rules.own
    notice = year_notice(2027, off=["2027-01-01", "2027-01-04"])
    return replace(own, calendar=with_notice(own.calendar, [notice]))


async def tell(client: Client, events: list[Json]) -> None:
    """Post events that must all be taken."""
    async with client.post("/v1/events", json=events, headers=BATCH) as response:
        assert response.status == 200, await response.text()


async def exposition(client: Client) -> str:
    """Return the text that Prometheus scrapes."""
    async with client.get("/metrics") as response:
        return await response.text()


async def seen(client: Client) -> dict[str, float]:
    """Return the metrics of the rules, those without a sample left out."""
    families = text_string_to_metric_families(await exposition(client))
    return {s.name: s.value for family in families for s in family.samples if s.name in SEEN}


async def value(client: Client, name: str) -> float:
    """Return a metric that has one sample and no label."""
    families = text_string_to_metric_families(await exposition(client))
    (sample,) = [s for family in families for s in family.samples if s.name == name]
    assert {} == sample.labels
    return sample.value


async def test_nothing_is_under_way(client: Client) -> None:
    """At rest nothing is pending, nothing has progressed, and no due date is an estimate."""
    assert {VERSION: 1, PENDING: 0, BEYOND: 0} == await seen(client)


async def test_the_version_of_the_rules(client: Client, service: Service) -> None:
    """Each version that is published has a higher number, and the service says it at once."""
    before = await value(client, VERSION)
    published = await turn(service, next_year_published(service))
    after = await value(client, VERSION)

    assert before < published.number == after


async def test_a_recompute_under_way(client: Client, service: Service, clock: FixedClock) -> None:
    """What is pending sinks to nothing, and each page is progress."""
    await tell(client, YEAR_END)
    begun = clock.instant
    await turn(service, next_year_published(service))
    worker, told = recomputer(service), []
    told.append(await seen(client))  # nobody has counted the cases
    for _ in range(3):  # they are counted, the only page is done, its end is noted
        clock.instant += timedelta(minutes=1)
        await worker.turn()
        told.append(await seen(client))

    assert [1, 4, 1, 0] == [each[PENDING] for each in told]
    assert [
        begun.timestamp(),
        (begun + timedelta(minutes=1)).timestamp(),
        (begun + timedelta(minutes=2)).timestamp(),
        None,
    ] == [each.get(PROGRESS) for each in told]


async def test_a_recompute_that_was_asked_for(client: Client, service: Service) -> None:
    """`rebate-monitor recompute` shows like one that new rules bring, and the version stays."""
    await tell(client, YEAR_END)
    version = await value(client, VERSION)
    begun = await recomputer(service).begin()
    pending = await value(client, PENDING)
    await drain(recomputer(service), begun.number)

    assert (1, 0) == (pending, await value(client, PENDING))
    assert version == await value(client, VERSION)


async def test_due_dates_beyond_the_calendar(client: Client) -> None:
    """Open cases due after 31 December count; one due that day, paused or finished does not."""
    await tell(client, YEAR_END)

    assert 2 == await value(client, BEYOND)


async def test_the_notice_takes_them_back_case_by_case(client: Client, service: Service) -> None:
    """Each case counts by the calendar that it goes by, until its turn has come."""
    await tell(client, YEAR_END)
    published = await turn(service, next_year_published(service))
    until, pending = await value(client, UNTIL), await value(client, BEYOND)
    await tell(client, [accepted("2026-12-29T09:45:00", subject="by the new calendar")])
    beside = await value(client, BEYOND)
    await drain(recomputer(service), published.recompute)

    assert datetime(2028, 1, 1, tzinfo=SHANGHAI).timestamp() == until
    assert (2, 2, 0) == (pending, beside, await value(client, BEYOND))


async def test_they_count_whatever_the_month(client: Client, service: Service) -> None:
    """A year that is given up is missing at once, not only from December on."""
    calendar = service.rules.own.calendar
    estimate = year_notice(2026, off=["2026-01-01"], provisional=True)
    await tell(client, [accepted("2026-12-28T09:00:00")])
    before = await value(client, BEYOND)
    await turn_and_recompute(
        service, replace(service.rules.own, calendar=with_notice(calendar, [estimate]))
    )

    assert (0, 1) == (before, await value(client, BEYOND))


async def test_compaction_and_a_recount_change_nothing(
    client: Client, database: Database, service: Service
) -> None:
    """The tallies say the same compacted, and after every case was folded anew."""
    await tell(client, YEAR_END)
    before = await value(client, BEYOND)
    assert await compact(database, service.now())
    compacted = await value(client, BEYOND)
    await recompute_all(service)

    assert before == compacted == await value(client, BEYOND) == 2


async def test_every_replica_says_the_same(
    client: Client, service: Service, database: Database, settings: Settings, clock: FixedClock
) -> None:
    """The rules and the recompute are in the database, whichever replica is asked."""
    await tell(client, YEAR_END)
    await turn(service, next_year_published(service))
    await recomputer(service).turn()
    other = compose(settings, database, clock)
    headers = dict(client.session.headers)
    async with TestClient(TestServer(application(other)), headers=headers) as second:
        told = await seen(second)

    assert set(SEEN) == set(told)
    assert told == await seen(client)


async def test_promtool_has_nothing_to_say_of_a_recompute(
    client: Client, service: Service, promtool: str
) -> None:
    """Prometheus's own linter is content while one is under way."""
    await turn(service, next_year_published(service))
    await recomputer(service).begin()
    text = await exposition(client)

    checked = check_with_promtool(promtool, text)

    assert f"\n{PROGRESS} " in text
    assert (0, "", "") == (checked.returncode, checked.stdout, checked.stderr)
