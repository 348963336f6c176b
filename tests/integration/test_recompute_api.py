"""GET /v1/recompute, and what every place says of cases while a recompute is half done.

The clock of these tests stands at Monday 2026-11-23 10:00.
"""

from collections import Counter
from datetime import timedelta

import pytest
from prometheus_client.parser import text_string_to_metric_families

from cloud_events import BATCH, Json, accepted, event
from conftest import Client, FixedClock
from holiday_cn import published, put
from rebate_monitor.api import recompute as module
from rebate_monitor.api.service import Service
from rebate_monitor.ingest import recompute
from turning import drain, recompute_all, recomputer

NOW = "2026-11-23T10:00:00+08:00"
STOPPED = [
    told
    for n in range(3)
    for told in (
        accepted("2026-11-16T09:00:00", subject=f"stopped-{n}", category="III"),
        event("voucher_issued", f"2026-11-{19 + n}T09:00:00", subject=f"stopped-{n}"),
    )
]
OPEN = [
    accepted(f"2026-11-{day}T09:00:00", subject=f"open-{day}", category=category)
    for day, category in ((13, "III"), (16, "III"), (17, "I"))
]
WEDNESDAY_OFF = published(2026, off=["2026-11-18"])
TUESDAY_OFF_TOO = published(2026, off=["2026-11-17", "2026-11-18"])


async def get(client: Client, path: str) -> Json:
    """Return an answer."""
    async with client.get(path) as response:
        assert response.status == 200, await response.text()
        told: Json = await response.json()
        return told


@pytest.fixture
async def filled(client: Client, monkeypatch: pytest.MonkeyPatch) -> Client:
    """Return a client of a service with six cases, which a recompute takes one by one."""
    monkeypatch.setattr(recompute, "BY_COURSE", 1)
    async with client.post("/v1/events", json=[*STOPPED, *OPEN], headers=BATCH) as response:
        assert response.status == 200, await response.text()
    return client


async def test_nothing_is_under_way(client: Client) -> None:
    """Before any rules have changed there is nothing to tell but that nothing had to be done."""
    told = await get(client, "/v1/recompute")

    assert None is told["under_way"]
    assert [("finished", 1, "start", None)] == [
        (one["state"], one["rules"], one["because"], one["by"]) for one in told["latest"]
    ]


async def test_how_far_it_is(filled: Client, service: Service, clock: FixedClock) -> None:
    """First uncounted, then page by page, at last finished with what it came to."""
    begun = (await put(filled, WEDNESDAY_OFF))["recompute"]
    seen = []
    while True:
        told = await get(filled, "/v1/recompute")
        one = told["under_way"] or told["latest"][0]
        seen.append((one["state"], one["cases"], one["done"], one["due_dates_moved"]))
        if told["under_way"] is None:
            break
        clock.instant += timedelta(minutes=1)
        await recomputer(service).turn()

    assert [
        ("under_way", None, 0, 0),
        ("under_way", 6, 0, 0),
        *(("under_way", 6, done, done) for done in range(1, 7)),
        ("finished", 6, 6, 6),
    ] == seen
    assert begun["number"] == told["latest"][0]["number"]
    assert {
        "number": 2,
        "rules": 2,
        "because": "import",
        "by": "REBATE_ADMIN_KEY",
        "state": "finished",
        "superseded_by": None,
        "started_at": NOW,
        "progressed_at": "2026-11-23T10:08:00+08:00",
        "finished_at": "2026-11-23T10:08:00+08:00",
        "cases": 6,
        "done": 6,
        "changed": 6,
        "due_dates_moved": 6,
        "breaches_made": 0,
        "breaches_unmade": 2,
    } == told["latest"][0]


async def test_a_later_one_takes_over(filled: Client, service: Service) -> None:
    """Rules that change again leave one recompute under way; the other says which took over."""
    await put(filled, WEDNESDAY_OFF)
    for _ in range(3):
        await recomputer(service).turn()
    later = await put(filled, TUESDAY_OFF_TOO)
    told = await get(filled, "/v1/recompute")

    assert later["recompute"] == told["under_way"] == told["latest"][0]
    assert [("under_way", None), ("superseded", 3), ("finished", None)] == [
        (one["state"], one["superseded_by"]) for one in told["latest"]
    ]
    assert 6 == (await drain(recomputer(service), 3)).done


async def test_only_the_latest_are_listed(
    client: Client, service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A long life of the rules does not make a long answer."""
    monkeypatch.setattr(module, "SHOWN", 2)
    for _ in range(3):
        await recompute_all(service)
    told = await get(client, "/v1/recompute")

    assert [4, 3] == [one["number"] for one in told["latest"]]


async def test_what_is_wrong_is_named(client: Client) -> None:
    """There are no parameters."""
    async with client.get("/v1/recompute?limit=1") as response:
        assert (422, "limit: unknown parameter; known: ") == (
            response.status,
            (await response.json())["detail"],
        )


async def test_a_key_is_needed(stranger: Client) -> None:
    """How the rules changed is not for everybody."""
    async with stranger.get("/v1/recompute") as response:
        assert 401 == response.status


async def details(client: Client) -> dict[str, Json]:
    """Return every case as the API has it, one by one."""
    cases = {told["subject"] for told in (*STOPPED, *OPEN)}
    return {case_id: await get(client, f"/v1/cases/{case_id}") for case_id in sorted(cases)}


async def listed(client: Client) -> dict[str, Json]:
    """Return every case as the list has it."""
    return {case["case_id"]: case for case in (await get(client, "/v1/cases"))["cases"]}


async def samples(client: Client, name: str) -> dict[tuple[str, ...], float]:
    """Return the samples of a metric by the values of their labels, those that are not 0."""
    async with client.get("/metrics") as response:
        families = text_string_to_metric_families(await response.text())
        return {
            tuple(sample.labels.values()): sample.value
            for family in families
            for sample in family.samples
            if sample.name == name and sample.value
        }


async def test_every_place_says_the_same_while_it_is_half_done(
    filled: Client, service: Service
) -> None:
    """Case by case wholly old or wholly new: detail, list, explanation, performance, metrics."""
    old = await details(filled)
    await put(filled, WEDNESDAY_OFF)
    seen = [old]
    while (await recomputer(service).turn()).recompute is not None:
        seen.append(await details(filled))
        await agree(filled, seen[-1])
    new = seen[-1]

    assert all(old[case_id] != new[case_id] for case_id in old)
    assert [old, *(partly(new, old, done) for done in range(7)), new] == seen


def partly(new: dict[str, Json], old: dict[str, Json], done: int) -> dict[str, Json]:
    """Return the first cases in the order of their ids as new, the rest as old."""
    return {id_: (new if place < done else old)[id_] for place, id_ in enumerate(sorted(old))}


async def agree(client: Client, cases: dict[str, Json]) -> None:
    """Check every other place against the cases one by one."""
    shown = await listed(client)
    stopped = [case for case in cases.values() if case["status"] == "stopped"]
    running = [case for case in cases.values() if case["status"] == "running"]
    (performance, _) = (await get(client, "/v1/performance"))["groups"]
    means = await samples(client, "rebate_processing_workdays_mean")
    mean = pytest.approx(sum(case["workdays"] for case in stopped) / len(stopped), abs=1e-6)
    open_mean = pytest.approx(sum(case["workdays"] for case in running) / len(running), abs=1e-6)

    assert {c: {n: case[n] for n in shown[c]} for c, case in cases.items()} == shown
    for case_id, case in cases.items():
        days = (await get(client, f"/v1/cases/{case_id}/explanation"))["days"]
        assert (case_id, case["workdays"]) == (case_id, sum(day["counted"] for day in days))
    assert (mean, open_mean) == (performance["mean_workdays"], performance["open_mean_workdays"])
    assert mean == means["all", "month"]
    assert Counter(
        (case["attributes"]["category"], case["attributes"]["city"], case["verdict"])
        for case in running
    ) == await samples(client, "rebate_open_cases")
