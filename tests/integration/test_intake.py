"""Requests share commits, and yet each is answered for its own events alone."""

import asyncio
import json
from collections.abc import Sequence
from dataclasses import replace

import pytest
from aiohttp.test_utils import TestClient, TestServer

from cloud_events import BATCH, ONE, STREAM, Json, accepted, event, ndjson
from conftest import ADMIN_KEY, Client, FixedClock
from rebate_monitor.api.service import Service
from rebate_monitor.domain.local_time import local_date
from rebate_monitor.ingest import intake
from rebate_monitor.ingest.decision import Outcome
from rebate_monitor.ingest.incoming import Incoming, Sender
from rebate_monitor.ingest.intake import Intake, QueueFullError
from rebate_monitor.ingest.wire import decode_event
from rebate_monitor.ingest.writer import Part, Writer
from rebate_monitor.server import application
from rebate_monitor.storage.database import Connection, Database
from rebate_monitor.storage.recount import compare_tallies

TIME = "2026-11-20T09:00:00"


def told(number: int) -> Json:
    """Accept a case of its own."""
    return accepted(TIME, subject=f"case-{number}", id=f"e-{number}")


def part(service: Service, name: str, *events: Json | bytes) -> Part:
    """Make the part that a request brings."""
    bodies = [body if isinstance(body, bytes) else json.dumps(body).encode() for body in events]
    now = service.now()
    batch = [
        Incoming(index=n, body=body, decoded=decode_event(body, now))
        for n, body in enumerate(bodies)
    ]
    return Part(batch=batch, received_from=name, at=now)


async def test_each_part_has_its_own_results(service: Service, database: Database) -> None:
    """Of one commit: what is new, told twice by two requests, in conflict and refused."""
    other = told(1) | {"time": "2026-11-19T09:00:00+08:00"}
    results = await service.writer.commit(
        [
            part(service, "one", told(1), told(2)),
            part(service, "two", told(1)),
            part(service, "three", b"garbage", other, told(3)),
        ]
    )

    assert [
        [(0, Outcome.ACCEPTED), (1, Outcome.ACCEPTED)],
        [(0, Outcome.DUPLICATE)],
        [(0, Outcome.REJECTED), (1, Outcome.CONFLICT), (2, Outcome.ACCEPTED)],
    ] == [
        [(result.index, result.outcome) for result in results_of_part]
        for results_of_part in results
        if not isinstance(results_of_part, Exception)
    ]
    async with database.connection() as connection:
        kept = await connection.fetch("SELECT received_from FROM quarantine")
    assert ["three", "three"] == [row["received_from"] for row in kept]
    assert [] == await compare_tallies(database, local_date(service.now()))


class Poisoned(Writer):
    """A writer that one case brings down, as a value that PostgreSQL refuses would."""

    async def _write(  # type: ignore[override]
        self, connection: Connection, batch: Sequence[Incoming], reception: object
    ) -> object:
        if any(b"poison" in incoming.body for incoming in batch):
            raise ValueError("poison")
        return await super()._write(connection, batch, reception)  # type: ignore[arg-type]


async def test_what_brings_a_commit_down_is_told_to_its_sender_alone(
    service: Service, database: Database
) -> None:
    """The others of the commit are stored, each by itself."""
    writer = Poisoned(
        database=database, rules=service.rules, clock=service.now, wake=service.writer.wake
    )
    bad = accepted(TIME, subject="poison", id="e-p")
    results = await writer.commit(
        [part(service, "a", told(1)), part(service, "b", bad), part(service, "c", told(2))]
    )

    assert [False, True, False] == [isinstance(result, ValueError) for result in results]
    async with database.connection() as connection:
        stored = await connection.fetch("SELECT case_id FROM case_event ORDER BY case_id")
    assert ["case-1", "case-2"] == [row["case_id"] for row in stored]


async def test_single_posts_share_commits(
    client: Client, service: Service, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A hundred at once need far fewer transactions than there are events, and all are durable."""
    sizes: list[int] = []
    commit = Writer.commit

    async def counting(self: Writer, parts: Sequence[Part]) -> object:
        sizes.append(len(parts))
        return await commit(self, parts)

    monkeypatch.setattr(Writer, "commit", counting)
    gathered = replace(service, intake=Intake(service.writer))
    headers = {"Authorization": f"Bearer {ADMIN_KEY}", **ONE}
    async with TestClient(TestServer(application(gathered)), headers=headers) as posting:

        async def post(number: int) -> int:
            async with posting.post("/v1/events", json=told(number)) as response:
                return response.status

        statuses = await asyncio.gather(*map(post, range(100)))

    assert [201] * 100 == statuses
    assert 100 == sum(sizes)
    assert len(sizes) < 60
    async with database.connection() as connection:
        assert 100 == await connection.fetchval("SELECT sum(events) FROM rebate_case")


async def test_a_full_queue_is_503_and_stores_nothing(
    client: Client, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever comes when too much waits is told when to come again; a stream waits for room."""
    monkeypatch.setattr(intake, "MOST_WAITING", 3)
    async with database.transaction() as connection:
        await connection.execute("LOCK TABLE rebate_case")  # commits wait for this transaction
        first = asyncio.create_task(
            client.post("/v1/events", json=[told(1), told(2)], headers=BATCH)
        )
        await asyncio.sleep(0.2)
        stream = asyncio.create_task(
            client.post("/v1/events", data=ndjson([told(3), told(4)]), headers=STREAM)
        )
        async with client.post("/v1/events", json=[told(5), told(6)], headers=BATCH) as refused:
            problem = await refused.json()
    answers = [await task for task in (first, stream)]

    assert (503, True) == (refused.status, "Retry-After" in refused.headers)
    assert "more events wait" in problem["detail"]
    assert [200, 200] == [answer.status for answer in answers]
    async with database.connection() as connection:
        stored = await connection.fetch("SELECT case_id FROM case_event ORDER BY case_id")
    assert ["case-1", "case-2", "case-3", "case-4"] == [row["case_id"] for row in stored]


async def test_a_request_larger_than_the_bound_is_taken_when_nothing_waits(
    service: Service, clock: FixedClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Otherwise it could never be taken at all."""
    monkeypatch.setattr(intake, "MOST_WAITING", 1)
    bodies = [json.dumps(told(number)).encode() for number in range(5)]
    report = await service.intake.take(bodies, sender=Sender("a"), now=clock())

    assert 5 == report.accepted
    with pytest.raises(QueueFullError):
        await asyncio.gather(
            *(service.intake.take(bodies, sender=Sender("a"), now=clock()) for _ in range(2))
        )


async def test_results_are_in_the_order_of_the_request(client: Client) -> None:
    """However its events are spread over lanes and commits, a batch is answered as it was sent."""
    events = [told(number) for number in range(50)]
    await client.post("/v1/events", json=events, headers=BATCH)
    mixed = [e for pair in zip(events, [event("nonsense", TIME)] * 50, strict=True) for e in pair]
    async with client.post("/v1/events", json=mixed, headers=BATCH) as response:
        answer = await response.json()

    assert (0, 50, 50) == (answer["accepted"], answer["duplicate"], answer["rejected"])
    assert list(range(100)) == [result["index"] for result in answer["results"]]
    assert ["duplicate", "rejected"] * 50 == [result["status"] for result in answer["results"]]
