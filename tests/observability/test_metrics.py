"""/metrics (DESIGN 6): the names to the letter, figures as the API says, and nobody named.

The clock of these tests stands at Monday 2026-11-23 10:00; November 2026 has no holidays.
"""

from collections.abc import Iterable
from datetime import datetime, timedelta

import pytest
from aiohttp.test_utils import TestClient, TestServer
from prometheus_client.openmetrics import parser as openmetrics
from prometheus_client.parser import text_string_to_metric_families

from cloud_events import BATCH, ONE, Json, accepted, event
from conftest import Client, FixedClock
from observability_servers import check_with_promtool
from rebate_monitor.api.service import Service
from rebate_monitor.domain.local_time import SHANGHAI
from rebate_monitor.places import HUNAN
from rebate_monitor.server import application, compose
from rebate_monitor.settings import Settings
from rebate_monitor.storage.database import Database, open_database
from rebate_monitor.storage.foresight import look_ahead
from rebate_monitor.storage.tallies import compact
from turning import recomputer

Labels = tuple[tuple[str, str], ...]
Samples = dict[tuple[str, Labels], float]

LABELS = {
    "rebate_events_total": {"event_type", "outcome"},
    "rebate_open_cases": {"category", "city", "verdict"},
    "rebate_open_cases_due": {"category", "due_in_workdays"},
    "rebate_case_processing_workdays_bucket": {"category", "le"},
    "rebate_case_processing_workdays_count": {"category"},
    "rebate_case_processing_workdays_sum": {"category"},
    "rebate_processing_workdays_mean": {"scope", "window"},
    "rebate_processing_workdays_target": {"scope"},
    "rebate_same_day_ratio": {"scope", "window"},
    "rebate_in_time_ratio": {"scope", "window"},
    "rebate_case_limit_workdays": {"category"},
    "rebate_sla_breaches_total": {"category", "city"},
    "rebate_calendar_is_workday": set(),
    "rebate_calendar_published_until_timestamp_seconds": set(),
    "rebate_open_cases_beyond_calendar": set(),
    "rebate_rules_version": set(),
    "rebate_recompute_pending_cases": set(),
    "rebate_recompute_last_progress_timestamp_seconds": set(),
    "rebate_policy_lapsed": {"policy"},
    "rebate_city_info": {"city", "name_zh", "name_en"},
    "rebate_due_cases": {"city", "workdays_ahead"},
    "rebate_month_mean_foreseen_workdays": {"scope", "assumption"},
    "rebate_month_foreseen_timestamp_seconds": set(),
    "rebate_month_slack_workdays": {"scope"},
    "rebate_next_holiday_block_start_timestamp_seconds": set(),
    "rebate_next_holiday_block_end_timestamp_seconds": set(),
    "rebate_quarantined_events": set(),
    "rebate_snapshot_timestamp_seconds": set(),
    "rebate_ingest_commit_seconds_bucket": {"le"},
    "rebate_ingest_commit_seconds_count": set(),
    "rebate_ingest_commit_seconds_sum": set(),
    "http_request_duration_seconds_bucket": {"method", "route", "code", "le"},
    "http_request_duration_seconds_count": {"method", "route", "code"},
    "http_request_duration_seconds_sum": {"method", "route", "code"},
}
LATER = ("rebate_notifications", "rebate_outbox_", "rebate_sweep_")
"""What comes with the alerts is none of this test's business."""
ITS_OWN = ("process_", "http_", "rebate_ingest_commit_seconds")
"""What a process says of itself and replicas need not agree on."""

TAXPAYER = "91350100M000100Y43"
NAMED = {
    "case": "case-of-nobody",
    "taxpayer": TAXPAYER,
    "amount": "7654321.09",
    "office": "14301028888",
    "period": "202611-x",
    "batch": "batch-77",
    "source": "/hunan/nobody",
    "id": "event-of-nobody",
}


def stopped(name: str, start: str, end: str, **data: object) -> list[Json]:
    """Tell of a case accepted and stopped on two days of 2026."""
    return [
        accepted(f"2026-{start}T09:00:00", subject=name, **data),
        event("voucher_issued", f"2026-{end}T09:00:00", subject=name),
    ]


PROVINCE = [
    *stopped("same-day", "11-09", "11-09"),
    *stopped("met", "11-09", "11-12"),
    *stopped("missed", "11-09", "11-16", category="II", office="14302000000"),
    *stopped("four", "11-09", "11-13", category="III", office="14302000000"),
    *stopped("unknown", "11-09", "11-17", category=None),
    *stopped("october", "10-22", "10-26"),
    *stopped("just-before-the-30-days", "10-19", "10-24", category="II"),
    *stopped("january", "01-05", "01-12"),
    *stopped("excluded", "11-02", "11-20", category="II"),
    event("suspended", "2026-11-03T09:00:00", subject="excluded", reason="hold"),
    event("resumed", "2026-11-19T09:00:00", subject="excluded"),
    accepted("2026-11-16T09:00:00", subject="overdue"),
    accepted("2026-11-18T09:00:00", subject="due-0"),
    accepted("2026-11-19T09:00:00", subject="due-1"),
    accepted("2026-11-20T09:00:00", subject="due-2"),
    accepted("2026-11-23T09:00:00", subject="due-3"),
    accepted("2026-11-23T09:00:00", subject="due-4", category="IV", office="14331270000"),
    accepted("2026-11-16T09:00:00", subject="suspended", category="III"),
    event("suspended", "2026-11-18T09:00:00", subject="suspended", reason="other"),
    accepted("2026-11-16T09:00:00", subject="rejected"),
    event("rejected", "2026-11-17T09:00:00", subject="rejected"),
    event("reviewed", "2026-11-17T09:00:00", subject="unaccepted"),
]


async def tell(client: Client, events: Iterable[Json]) -> None:
    """Post events that must all be taken."""
    async with client.post("/v1/events", json=list(events), headers=BATCH) as response:
        assert response.status == 200, await response.text()


async def exposition(client: Client) -> str:
    """Return the text that Prometheus scrapes."""
    async with client.get("/metrics") as response:
        assert response.status == 200
        assert response.headers["Content-Type"].startswith("text/plain; version=")
        return await response.text()


async def samples(client: Client, prefix: str = "rebate_") -> Samples:
    """Return the samples whose name begins so."""
    families = text_string_to_metric_families(await exposition(client))
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in families
        for sample in family.samples
        if sample.name.startswith(prefix)
    }


async def figures(client: Client) -> Samples:
    """Return the samples that are read from the database."""
    return {
        key: value
        for key, value in (await samples(client)).items()
        if not key[0].startswith(ITS_OWN)
    }


async def values(client: Client, name: str, *labels: str) -> dict[str | tuple[str, ...], float]:
    """Return the values of one metric by the values of these labels."""
    found: dict[str | tuple[str, ...], float] = {}
    for (metric, told), value in (await samples(client, name)).items():
        if metric == name:
            key = tuple(dict(told)[label] for label in labels)
            found[key[0] if len(key) == 1 else key] = value
    return found


# --- form --------------------------------------------------------------------------------------


async def test_promtool_finds_nothing_to_say(
    client: Client, service: Service, promtool: str
) -> None:
    """Prometheus's own linter is content, with a province in the database."""
    await tell(client, PROVINCE)
    await look_ahead(service.database, service.rules, service.now())
    await client.post("/v1/events", json={}, headers=ONE)

    checked = check_with_promtool(promtool, await exposition(client))

    assert (0, "", "") == (checked.returncode, checked.stdout, checked.stderr)


async def test_promtool_finds_nothing_to_say_of_an_empty_database(
    client: Client, promtool: str
) -> None:
    """The same before the first event."""
    checked = check_with_promtool(promtool, await exposition(client))

    assert (0, "", "") == (checked.returncode, checked.stdout, checked.stderr)


async def test_names_and_labels_to_the_letter(client: Client, service: Service) -> None:
    """Every metric of the contract is there with its labels, and no other rebate_ metric."""
    await tell(client, PROVINCE)
    await look_ahead(service.database, service.rules, service.now())
    await recomputer(service).begin()
    told = await samples(client, "")

    found: dict[str, set[str]] = {}
    for name, labels in told:
        if name.startswith(("rebate_", "http_")) and not name.startswith(LATER):
            found.setdefault(name, {label for label, _ in labels})
            assert (name, found[name]) == (name, {label for label, _ in labels})
    assert found == LABELS


async def test_openmetrics_when_asked_for(client: Client) -> None:
    """A scraper that speaks OpenMetrics gets it, with the same figures."""
    await tell(client, PROVINCE)
    accept = {"Accept": "application/openmetrics-text; version=1.0.0"}

    async with client.get("/metrics", headers=accept) as response:
        assert response.content_type == "application/openmetrics-text"
        text = await response.text()
        families = list(openmetrics.text_string_to_metric_families(text))  # type: ignore[no-untyped-call] # it has no types

    told = {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in families
        for sample in family.samples
        if sample.name.startswith("rebate_") and not sample.name.startswith(ITS_OWN)
    }
    assert await figures(client) == told


async def test_every_metric_has_its_help(client: Client) -> None:
    """Each family says in a sentence what it is."""
    await tell(client, PROVINCE)

    for family in text_string_to_metric_families(await exposition(client)):
        if family.name.startswith(("rebate_", "http_")):
            assert (family.name, ".") == (family.name, family.documentation[-1:])


async def test_it_needs_no_key(stranger: Client) -> None:
    """Prometheus scrapes without a key."""
    assert "rebate_open_cases_due" in await exposition(stranger)


async def test_nobody_is_named(client: Client) -> None:
    """No case, enterprise, amount or path of a request is in the exposition."""
    told = accepted(
        "2026-11-16T09:00:00",
        subject=NAMED["case"],
        id=NAMED["id"],
        source=NAMED["source"],
        taxpayer_id=TAXPAYER,
        amount_cny=NAMED["amount"],
        office=NAMED["office"],
        period=NAMED["period"],
        batch=NAMED["batch"],
    )
    await tell(client, [told])
    await client.post("/v1/events", json=told | {"type": TAXPAYER, "id": "2"}, headers=ONE)
    for path in (f"/v1/cases/{NAMED['case']}", f"/{TAXPAYER}", f"/v1/cases?office={TAXPAYER}"):
        await client.get(path)
    await client.delete(f"/v1/cases/{NAMED['case']}")

    text = await exposition(client)

    assert {} == {what: name for what, name in NAMED.items() if name in text}


async def test_requests_are_counted_by_route(client: Client) -> None:
    """A route is named by its template, and whatever has none is one."""
    await client.post("/v1/events", json=accepted("2026-11-16T09:00:00"), headers=ONE)
    for path in ("/v1/cases/case-1", "/v1/cases/b", "/nowhere", "/elsewhere"):
        await client.get(path)
    await client.delete("/v1/cases")

    name = "http_request_duration_seconds_count"
    assert {
        ("POST", "/v1/events", "201"): 1.0,
        ("GET", "/v1/cases/{case_id}", "200"): 1.0,
        ("GET", "/v1/cases/{case_id}", "404"): 1.0,
        ("ANY", "unrouted", "404"): 2.0,
        ("ANY", "unrouted", "405"): 1.0,
    } == await values(client, name, "method", "route", "code")


# --- figures -----------------------------------------------------------------------------------


async def test_open_cases_by_verdict(client: Client) -> None:
    """Open cases are counted by category, city and verdict; what has ended is not."""
    await tell(client, PROVINCE)

    assert {
        ("I", "430100", "breached"): 1.0,
        ("I", "430100", "at_risk"): 2.0,
        ("I", "430100", "on_track"): 2.0,
        ("III", "430100", "on_track"): 1.0,
        ("IV", "433100", "on_track"): 1.0,
    } == await values(client, "rebate_open_cases", "category", "city", "verdict")


async def test_open_cases_by_workdays_left(client: Client) -> None:
    """Running cases are counted by the workdays until they are due; every bucket is there."""
    await tell(client, PROVINCE)
    buckets = ("overdue", "0", "1", "2", "3_or_more")

    told = await values(client, "rebate_open_cases_due", "category", "due_in_workdays")

    categories = ("I", "II", "III", "IV", "unknown")
    assert {(c, b) for c in categories for b in buckets} == set(told)
    assert {("I", b) for b in buckets} | {("IV", "3_or_more")} == {k for k, v in told.items() if v}
    assert sum(told.values()) == 6


async def test_breaches(client: Client) -> None:
    """Cases over their limit are counted, open or stopped."""
    await tell(client, PROVINCE)

    assert {
        ("I", "430100"): 2.0,
        ("II", "430100"): 1.0,
        ("II", "430200"): 1.0,
        ("unknown", "430100"): 1.0,
    } == await values(client, "rebate_sla_breaches_total", "category", "city")


async def test_processing_workdays(client: Client) -> None:
    """The histogram counts the workdays of stopped normal cases, each bucket with those before."""
    await tell(client, PROVINCE)
    name = "rebate_case_processing_workdays"

    buckets = await values(client, f"{name}_bucket", "category", "le")

    assert {"0.0": 1, "1.0": 1, "2.0": 2, "3.0": 3, "4.0": 3, "5.0": 4, "+Inf": 4} == {
        le: buckets["I", le] for le in ("0.0", "1.0", "2.0", "3.0", "4.0", "5.0", "+Inf")
    }
    counts = await values(client, f"{name}_count", "category")
    sums = await values(client, f"{name}_sum", "category")
    assert {"I": 4, "II": 2, "III": 1, "unknown": 1} == counts
    assert {"I": 10, "II": 9, "III": 4, "unknown": 6} == sums


WINDOWS = {
    "month": "from=2026-11-01&to=2026-11-23",
    "year": "from=2026-01-01&to=2026-11-23",
    "rolling_30d": "from=2026-10-25&to=2026-11-23",
}
BESIDE = {
    "rebate_processing_workdays_mean": "mean_workdays",
    "rebate_same_day_ratio": "same_day_rate",
    "rebate_in_time_ratio": "in_time_rate",
}


async def test_figures_of_a_window_are_those_of_the_api(client: Client) -> None:
    """Means and ratios of each window and scope equal /v1/performance of the same days."""
    await tell(client, PROVINCE)

    seen = set()
    for window, period in WINDOWS.items():
        answer = await (await client.get(f"/v1/performance?{period}")).json()
        for metric, name in BESIDE.items():
            told = await values(client, metric, "scope", "window")
            for group in answer["groups"]:
                assert group[name] == round(told[group["scope"], window], 6)
                seen.add((window, group["scope"], group["n"]))
    assert {("month", "all", 5), ("rolling_30d", "all", 6), ("year", "all", 8)} <= seen


async def test_open_figures_are_those_of_the_api(client: Client) -> None:
    """Open cases by verdict are as many as the lists show."""
    await tell(client, PROVINCE)
    told = await values(client, "rebate_open_cases", "category", "city", "verdict")

    for verdict in ("on_track", "at_risk", "breached"):
        page = await (await client.get(f"/v1/cases?verdict={verdict}&limit=500")).json()
        listed = [c for c in page["cases"] if c["status"] in ("running", "suspended")]
        counted = sum(value for key, value in told.items() if key[-1] == verdict)
        assert (verdict, len(listed)) == (verdict, counted)


async def test_a_window_without_cases_has_no_mean(client: Client) -> None:
    """No mean is better than a mean of nothing."""
    await tell(client, stopped("d", "11-09", "11-13", category="III"))

    assert {("all", "month"), ("all", "year"), ("all", "rolling_30d")} == set(
        await values(client, "rebate_processing_workdays_mean", "scope", "window")
    )


async def test_events_by_outcome(client: Client) -> None:
    """Events are counted by type and outcome; a type nobody knows is `unknown`."""
    told = accepted("2026-11-20T09:00:00", id="e-1")
    await tell(client, [told, told, event("reviewed", "2026-11-20T10:00:00")])
    conflict = accepted("2026-11-20T09:00:00", id="e-1", category="II")
    refused = [conflict, event("opened", "2026-11-20T09:00:00"), {}, accepted("2026", id="e-2")]
    await client.post("/v1/events", json=refused, headers=BATCH)

    assert {
        ("rebate.case.accepted", "accepted"): 1.0,
        ("rebate.case.accepted", "duplicate"): 1.0,
        ("rebate.case.accepted", "conflict"): 1.0,
        ("rebate.case.accepted", "rejected"): 1.0,
        ("rebate.case.reviewed", "accepted"): 1.0,
        ("unknown", "rejected"): 2.0,
    } == await values(client, "rebate_events_total", "event_type", "outcome")
    assert {(): 4.0} == await values(client, "rebate_quarantined_events")


async def test_rules_and_calendar(client: Client) -> None:
    """Targets, limits, the calendar and the policy are told as they stand today."""
    assert {"all": 4.0, "category_1_2": 3.0} == await values(
        client, "rebate_processing_workdays_target", "scope"
    )
    assert {"I": 3.0, "II": 3.0, "III": 4.0, "IV": 4.0, "unknown": 4.0} == await values(
        client, "rebate_case_limit_workdays", "category"
    )
    assert {"hunan-2023-46": 1.0} == await values(client, "rebate_policy_lapsed", "policy")
    published = datetime(2027, 1, 1, tzinfo=SHANGHAI).timestamp()
    assert {(): published} == await values(
        client, "rebate_calendar_published_until_timestamp_seconds"
    )


async def test_today_is_shanghai_s(client: Client, clock: FixedClock) -> None:
    """A day is a workday from midnight to midnight in Asia/Shanghai."""
    seen = []
    for instant in (
        datetime(2026, 10, 9, 23, 59, tzinfo=SHANGHAI),  # Friday
        datetime(2026, 10, 10, 0, 0, tzinfo=SHANGHAI),  # a make-up Saturday
        datetime(2026, 10, 11, 0, 0, tzinfo=SHANGHAI),  # Sunday
    ):
        clock.instant = instant
        seen.append((await values(client, "rebate_calendar_is_workday"))[()])

    assert [1.0, 1.0, 0.0] == seen


async def test_the_time_of_the_snapshot(client: Client, clock: FixedClock) -> None:
    """The figures say when they were read."""
    expected = {(): clock.instant.timestamp()}

    assert expected == await values(client, "rebate_snapshot_timestamp_seconds")


async def test_names_of_cities(client: Client) -> None:
    """Each city of Hunan has its names."""
    names = await values(client, "rebate_city_info", "city", "name_zh", "name_en")

    assert dict.fromkeys(HUNAN, 1.0) == names


async def test_a_city_without_a_name_is_other(client: Client) -> None:
    """Cities that are not configured share one label, so that labels stay few."""
    for n, office in enumerate(("15301000000", "14401000000", "14399000000")):
        told = accepted("2026-11-16T09:00:00", subject=f"case-{n}", office=office)
        await tell(client, [told])

    open_cases = await values(client, "rebate_open_cases", "city")
    breaches = await values(client, "rebate_sla_breaches_total", "city")

    assert {"other": 3.0} == open_cases == breaches


# --- the same everywhere, and at every moment --------------------------------------------------


async def test_two_replicas_show_the_same(
    client: Client, database: Database, settings: Settings, clock: FixedClock
) -> None:
    """Figures come from the database, whichever replica took the events."""
    other = compose(settings, database, clock)
    headers = dict(client.session.headers)
    async with TestClient(TestServer(application(other)), headers=headers) as second:
        await tell(client, PROVINCE[::2])
        await tell(second, PROVINCE[1::2])

        assert await figures(client) == await figures(second)


async def test_a_restart_shows_the_same(
    client: Client, dsn: str, settings: Settings, clock: FixedClock
) -> None:
    """A process that starts anew counts on from where the last one was."""
    await tell(client, PROVINCE)
    before = await figures(client)

    async with open_database(dsn) as database:
        again = compose(settings, database, clock)
        headers = dict(client.session.headers)
        async with TestClient(TestServer(application(again)), headers=headers) as restarted:
            assert before == await figures(restarted)


async def test_the_order_of_events_makes_no_difference(client: Client, database: Database) -> None:
    """The last event first gives the same figures."""
    await tell(client, PROVINCE)
    before = await figures(client)
    async with database.connection() as connection:
        await connection.execute("TRUNCATE case_event, rebate_case, tally, tally_delta")

    for told in reversed(PROVINCE):
        await tell(client, [told])

    assert before == await figures(client)


async def test_compaction_changes_nothing(
    client: Client, database: Database, service: Service
) -> None:
    """Figures are the same before and after the tallies were compacted, and while more comes."""
    half = len(PROVINCE) // 2
    await tell(client, PROVINCE)
    expected = await figures(client)
    async with database.connection() as connection:
        await connection.execute("TRUNCATE case_event, rebate_case, tally, tally_delta")

    await tell(client, PROVINCE[:half])
    assert await compact(database, service.now())
    await tell(client, PROVINCE[half:])
    before = await figures(client)
    assert await compact(database, service.now())

    assert expected == before
    assert expected == await figures(client)


async def test_verdicts_move_at_midnight(client: Client, clock: FixedClock) -> None:
    """An open case comes at risk and breaches without any event, at 00:00 in Shanghai."""
    await tell(client, [accepted("2026-11-23T09:00:00")])
    seen = []
    for day in (23, 24, 25, 26, 27):
        for hour, minute in ((0, 0), (23, 59)):
            clock.instant = clock.instant.replace(day=day, hour=hour, minute=minute)
            (verdict,) = await values(client, "rebate_open_cases", "verdict")
            breaches = await values(client, "rebate_sla_breaches_total", "category")
            due = await values(client, "rebate_open_cases_due", "category", "due_in_workdays")
            (bucket,) = [key[1] for key, value in due.items() if value]
            seen.append((day, verdict, bucket, breaches))

    expected = {
        23: ("on_track", "3_or_more", {}),
        24: ("on_track", "2", {}),
        25: ("at_risk", "1", {}),
        26: ("at_risk", "0", {}),
        27: ("breached", "overdue", {"I": 1.0}),
    }
    assert [(day, *told) for day, told in expected.items() for _ in range(2)] == seen


async def test_an_old_breach_is_still_one(
    client: Client, database: Database, service: Service, clock: FixedClock
) -> None:
    """A case that breached weeks ago is counted on, compacted or not."""
    await tell(client, [accepted("2026-11-16T09:00:00")])
    clock.instant += timedelta(days=21)
    before = await figures(client)
    for _ in range(2):
        assert await compact(database, service.now())

    assert before == await figures(client)
    assert {"breached": 1.0} == await values(client, "rebate_open_cases", "verdict")


async def test_a_label_set_that_vanished_vanishes(client: Client) -> None:
    """When the last open case of a city has ended, its label set is gone."""
    await tell(client, [accepted("2026-11-16T09:00:00", office="14307000000")])
    before = await values(client, "rebate_open_cases", "city")

    await tell(client, [event("voucher_issued", "2026-11-23T09:00:00")])

    assert {"430700": 1.0} == before
    assert {} == await values(client, "rebate_open_cases", "city")
    assert {"430700": 1.0} == await values(client, "rebate_sla_breaches_total", "city")


async def test_a_correction_moves_a_case(client: Client) -> None:
    """A case corrected to another category and city is counted there and nowhere else."""
    await tell(client, [accepted("2026-11-16T09:00:00")])
    await tell(
        client, [event("corrected", "2026-11-23T09:00:00", category="IV", office="14307000000")]
    )

    expected = {("IV", "430700", "breached"): 1.0}
    assert expected == await values(client, "rebate_open_cases", "category", "city", "verdict")


COUNTERS = {"rebate_events_total", "rebate_sla_breaches_total"}


async def test_a_retraction_takes_everything_back(client: Client) -> None:
    """After the stop and the acceptance were retracted, no gauge has the case; counters go on."""
    nothing = await figures(client)
    told = stopped("case-1", "11-09", "11-16")
    await tell(client, told)
    await tell(
        client,
        [event("retracted", "2026-11-23T09:00:00") | {"data": {"id": one["id"]}} for one in told],
    )

    def uncounted(samples: Samples) -> Samples:
        return {key: value for key, value in samples.items() if key[0] not in COUNTERS}

    assert uncounted(nothing) == uncounted(await figures(client))


@pytest.mark.parametrize("postgres_version", ["15", "18"], indirect=True)
async def test_every_postgresql_shows_the_same(client: Client) -> None:
    """The figures of the province are the same on the oldest and the newest server."""
    await tell(client, PROVINCE)
    told = await figures(client)

    mean = told["rebate_processing_workdays_mean", (("scope", "all"), ("window", "year"))]
    assert len([name for name, _ in told if name == "rebate_open_cases"]) == 5
    assert mean == 3.625
