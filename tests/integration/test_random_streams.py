"""The promise of the house: whatever comes in whatever order, cases and tallies are the same."""

import asyncio
import json
import random
from collections.abc import Callable

import pytest

from cloud_events import Json, accepted, event, ndjson
from conftest import Client, FixedClock
from rebate_monitor.api.service import Service
from rebate_monitor.domain.local_time import local_date
from rebate_monitor.ingest.recompute import recompute
from rebate_monitor.storage.database import Database
from rebate_monitor.storage.recount import compare_tallies
from rebate_monitor.storage.tallies import compact

BATCH = {"Content-Type": "application/cloudevents-batch+json"}
ON_BOTH = pytest.mark.parametrize("postgres_version", ["15", "18"], indirect=True)
REASONS = ("supplement", "verification", "correspondence", "onsite", "hold", "other")
OFFICES = ("14301000000", "14302000000", "14331000000")


def random_case(rng: random.Random, subject: str) -> list[Json]:
    """Make up a case as dirty as can be: any event may be missing, double, early or late."""
    day = rng.randint(1, 20)

    def moment() -> str:
        month, on, hour = rng.choice((9, 10, 11)), rng.randint(day, 22), rng.randint(0, 23)
        return f"2026-{month:02}-{on:02}T{hour:02}:00:00"

    makers: list[Callable[[], Json]] = [
        lambda: accepted(
            moment(),
            subject=subject,
            office=rng.choice(OFFICES),
            category=rng.choice(("I", "II", "III", "IV", None)),
            amount_cny=f"{rng.randint(1, 10**6)}.{rng.randint(10, 99)}",
        ),
        lambda: event("suspended", moment(), subject=subject, reason=rng.choice(REASONS)),
        lambda: event("approved", moment(), subject=subject, cash_refund=rng.random() < 0.9),
        lambda: event(
            "corrected", moment(), subject=subject, category=rng.choice(("I", "III", None))
        ),
    ]
    makers += [
        lambda kind=kind: event(kind, moment(), subject=subject)  # type: ignore[misc]
        for kind in ("resumed", "reviewed", "voucher_issued", "paid", "rejected", "withdrawn")
    ]
    weights = (6, 2, 3, 1, 2, 3, 4, 3, 0.4, 0.3)
    events = [make() for make in rng.choices(makers, weights, k=rng.randint(1, 9))]
    if rng.random() < 0.3:
        taken_back = rng.choice(events)["id"]
        events.append(event("retracted", moment(), subject=subject, id=taken_back + "-r"))
        events[-1]["data"] = {"id": taken_back}
    return events


def random_province(rng: random.Random, cases: int) -> list[Json]:
    """Make up the events of many cases, some told twice."""
    events = [e for n in range(cases) for e in random_case(rng, f"case-{n:04}")]
    return events + rng.sample(events, k=len(events) // 10)


async def post_batches(client: Client, events: list[Json], rng: random.Random) -> None:
    """Post all events in batches of random sizes, four at once."""
    queue = list(events)
    batches = []
    while queue:
        size = rng.randint(1, 60)
        batches.append(queue[:size])
        queue = queue[size:]
    gate = asyncio.Semaphore(4)

    async def post(batch: list[Json]) -> None:
        async with gate, client.post("/v1/events", json=batch, headers=BATCH) as response:
            assert response.status == 200, await response.text()

    await asyncio.gather(*map(post, batches))


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
        *(compact(database, service.today()) for _ in range(5)),
        recompute(database, service.rulebook, clock),
    )

    assert await compare_tallies(database, local_date(clock())) == []
    while not await compact(database, service.today()):
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
