"""The promise of the house: whatever comes in whatever order, cases and tallies are the same."""

import asyncio
import json
import random

import pytest

from cloud_events import accepted, ndjson
from conftest import Client, FixedClock
from random_streams import post_batches, random_province
from rebate_monitor.api.service import Service
from rebate_monitor.domain.local_time import local_date
from rebate_monitor.storage.database import Database
from rebate_monitor.storage.recount import compare_tallies
from rebate_monitor.storage.tallies import compact
from turning import recompute_all

BATCH = {"Content-Type": "application/cloudevents-batch+json"}
ON_BOTH = pytest.mark.parametrize("postgres_version", ["15", "18"], indirect=True)


async def every_case(client: Client) -> dict[str, bytes]:
    """Read every case's JSON, byte for byte."""
    cases: dict[str, bytes] = {}
    cursor: str | None = ""
    while cursor is not None:
        response = await client.get(
            f"/v1/cases?limit=500&cursor={cursor}" if cursor else "/v1/cases?limit=500"
        )
        page = await response.json()
        for case in page["cases"]:
            one = await client.get(f"/v1/cases/{case['case_id']}")
            cases[case["case_id"]] = await one.read()
        cursor = page["next"]
    return cases


async def forget_everything(database: Database) -> None:
    async with database.connection() as connection:
        await connection.execute("TRUNCATE case_event, rebate_case, tally, tally_delta")


@ON_BOTH
@pytest.mark.parametrize("seed", [1, 2])
async def test_arrival_order_does_not_matter(client: Client, database: Database, seed: int) -> None:
    """Late, repeated, reordered and concurrent batches give the same cases byte for byte."""
    rng = random.Random(seed)
    events = random_province(rng, cases=60)
    in_order = sorted(events, key=lambda e: e["time"])
    await client.post(
        "/v1/events", data=ndjson(in_order), headers={"Content-Type": "application/x-ndjson"}
    )
    expected = await every_case(client)
    await forget_everything(database)

    rng.shuffle(events)
    await post_batches(client, events, rng)
    actual = await every_case(client)

    assert len(expected) == 60
    assert expected == actual


@ON_BOTH
@pytest.mark.parametrize("seed", [3, 4])
async def test_tallies_equal_a_recount_after_any_stream(
    client: Client, service: Service, database: Database, clock: FixedClock, seed: int
) -> None:
    """Corrections, retractions and concurrent writers leave the tallies equal to a recount."""
    rng = random.Random(seed)
    events = random_province(rng, cases=120)
    rng.shuffle(events)
    half = len(events) // 2

    await post_batches(client, events[:half], rng)
    await asyncio.gather(
        post_batches(client, events[half:], rng),
        *(compact(database, service.now()) for _ in range(5)),
        recompute_all(service),
    )

    assert await compare_tallies(database, local_date(clock())) == []
    while not await compact(database, service.now()):
        pass
    assert await compare_tallies(database, local_date(clock())) == []


async def test_the_recount_notices_a_wrong_tally(
    client: Client, database: Database, clock: FixedClock
) -> None:
    """A single wrong cell is found, so that the equality above can fail."""
    await client.post("/v1/events", json=[accepted("2026-11-20T09:00:00")], headers=BATCH)
    async with database.connection() as connection:
        await connection.execute("UPDATE tally_delta SET cases = cases + 1 WHERE figure = 'open'")

    differences = await compare_tallies(database, local_date(clock()))

    assert [d.tallied.cases - d.recounted.cases for d in differences] == [1]


async def test_the_list_agrees_with_each_case(client: Client) -> None:
    """A case in a list is the case by itself, without stages and suspensions."""
    rng = random.Random(5)
    await post_batches(client, random_province(rng, cases=40), rng)
    listed = (await (await client.get("/v1/cases?limit=500")).json())["cases"]
    single = await every_case(client)

    for case in listed:
        whole = json.loads(single[case["case_id"]])
        del whole["stages"], whole["suspensions"]
        assert whole == case


async def test_open_figures_agree_with_the_cases(client: Client) -> None:
    """The means and the open counts of the performance answer follow from the listed cases."""
    rng = random.Random(6)
    await post_batches(client, random_province(rng, cases=80), rng)
    cases = (await (await client.get("/v1/cases?limit=500")).json())["cases"]
    answer = await client.get("/v1/performance?from=2026-01-01&to=2026-11-23")
    figures = (await answer.json())["groups"][0]

    stopped = [c["workdays"] for c in cases if c["status"] == "stopped" and c["normal"]]
    still_open = [
        c["workdays"] for c in cases if c["status"] in ("running", "suspended") and c["normal"]
    ]
    assert len(stopped) == figures["n"]
    assert round(sum(stopped) / len(stopped), 4) == round(figures["mean_workdays"], 4)
    assert len(still_open) == figures["open_n"]
    assert round(sum(still_open) / len(still_open), 4) == round(figures["open_mean_workdays"], 4)
