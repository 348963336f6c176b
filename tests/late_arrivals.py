"""A made-up province whose facts arrive late: each event with the moment at which it is told."""

import random
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime, timedelta
from itertools import groupby

from cloud_events import BATCH, Json, accepted, event
from conftest import Client, FixedClock
from rebate_monitor.domain.local_time import SHANGHAI

BEGIN = datetime(2026, 9, 1, tzinfo=SHANGHAI)
END = datetime(2026, 12, 31, tzinfo=SHANGHAI)
STEP = timedelta(hours=36)
OFFICES = ("14301000000", "14301210000", "14302000000", "14331000000")
TYPES = ("exempt_refund", "agency", None)
CATEGORIES = ("I", "II", "III", None)
REASONS = ("supplement", "verification", "hold", "other")
Arrival = tuple[datetime, Json]


def arrivals(rng: random.Random, cases: int) -> list[Arrival]:
    """Make up a province, in the order of arrival; told in steps of one and a half days."""
    told = [arrival for number in range(cases) for arrival in _case(rng, f"case-{number:04}")]
    return sorted(told, key=lambda arrival: arrival[0])


def _case(rng: random.Random, subject: str) -> Iterator[Arrival]:
    """Make up a case as dirty as can be: any event may be missing, double, late or taken back."""
    start = BEGIN + timedelta(hours=rng.randint(0, 24 * 75))

    def moment() -> str:
        return (start + timedelta(hours=rng.randint(0, 24 * 12))).isoformat()

    makers: list[Callable[[], Json]] = [
        lambda: accepted(moment(), subject=subject, **_attributes(rng)),
        lambda: event("suspended", moment(), subject=subject, reason=rng.choice(REASONS)),
        lambda: event("approved", moment(), subject=subject, cash_refund=rng.random() < 0.9),
        lambda: event("corrected", moment(), subject=subject, **_correction(rng)),
    ]
    makers += [
        lambda kind=kind: event(kind, moment(), subject=subject)  # type: ignore[misc]
        for kind in ("resumed", "reviewed", "voucher_issued", "paid", "rejected", "withdrawn")
    ]
    weights = (6, 2, 2, 2, 2, 2, 6, 2, 0.5, 0.5)
    events = [makers[0](), *(make() for make in rng.choices(makers, weights, k=rng.randint(0, 6)))]
    if rng.random() < 0.2:
        taken_back = rng.choice(events)["id"]
        events.append(event("retracted", moment(), subject=subject))
        events[-1]["data"] = {"id": taken_back}
    for told in events:
        delay = rng.choice((0, 0, rng.randint(0, 5), rng.randint(0, 40)))
        yield _arrival(datetime.fromisoformat(told["time"]) + timedelta(days=delay)), told


def _attributes(rng: random.Random) -> Json:
    return {
        "office": rng.choice(OFFICES),
        "category": rng.choice(CATEGORIES),
        "rebate_type": rng.choice(TYPES),
        "amount_cny": rng.choice((None, f"{rng.randint(1, 10**6)}.{rng.randint(10, 99)}")),
        "refiled_from": rng.choice((None, None, "another")),
    }


def _correction(rng: random.Random) -> Json:
    name = rng.choice(("office", "category", "rebate_type", "amount_cny", "refiled_from"))
    return {name: _attributes(rng)[name] or ("I" if name == "category" else None)} | (
        {"office": rng.choice(OFFICES)} if name == "office" else {}
    )


def _arrival(at: datetime) -> datetime:
    """Return the first step that is not before a moment."""
    return BEGIN + -((BEGIN - at) // STEP) * STEP


async def tell(client: Client, clock: FixedClock, told: Iterable[Arrival]) -> None:
    """Post what arrived, each batch at its moment of the service's clock."""
    for moment, batch in groupby(told, key=lambda arrival: arrival[0]):
        clock.instant = moment
        async with client.post(
            "/v1/events", json=[event for _, event in batch], headers=BATCH
        ) as response:
            assert response.status == 200, await response.text()
