"""A made-up province as dirty as can be, told in batches of random sizes, four at once."""

import asyncio
import random
from collections.abc import Callable

from cloud_events import BATCH, Json, accepted, event
from conftest import Client

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
