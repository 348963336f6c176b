"""What producers send, and when: a province's month, late, reordered, repeated and contradicted.

Everything follows from the scale's seed: which request holds what, when it is sent and to whom
first. Which of two requests of one hour arrives first is left to the machine.
"""

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from itertools import groupby
from random import Random
from typing import Any

from rebate_monitor.calendar_sources import work_calendar
from rebate_monitor.domain.local_time import SHANGHAI
from rebate_monitor.simulation.province import Event, Province

BEGIN = datetime(2026, 9, 21, tzinfo=SHANGHAI)
"""A month with a week of holidays and make-up workdays in it."""
STEP = timedelta(hours=1)
DIRT = 4.0
LATE, AGAIN, REWORDED, CONTRADICTED, SENSELESS = 0.04, 0.03, 0.02, 0.01, 0.004
MEAN_DELAY = timedelta(hours=18)
REPLICAS = 2


class Way(StrEnum):
    """How events are sent."""

    SINGLE = "single"
    BINARY = "binary"
    BATCH = "batch"
    STREAM = "stream"
    STRICT = "strict batch"


WAYS: dict[Way, tuple[float, int]] = {
    Way.SINGLE: (12, 1),
    Way.BINARY: (4, 1),
    Way.BATCH: (2, 120),
    Way.STREAM: (1, 240),
    Way.STRICT: (1, 40),
}
"""How often each way is taken, and how many events it carries at most."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scale:
    """How much of a province's month is sent: cases a month, days from BEGIN, and the seed."""

    cases_per_month: int
    days: int = 30
    seed: int = 1

    @property
    def end(self) -> datetime:
        """When the last event is sent at the latest."""
        return BEGIN + timedelta(days=self.days)


@dataclass(frozen=True, slots=True, kw_only=True)
class Telling:
    """One event on its way: when it is sent, its bytes, and what was done to it."""

    at: datetime
    body: bytes
    dirt: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """One request; `replica` is asked first."""

    way: Way
    events: Sequence[bytes]
    replica: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Hour:
    """What is sent at one moment, all at once."""

    at: datetime
    deliveries: Sequence[Delivery]


def tellings(scale: Scale) -> list[Telling]:
    """Return every event of the month in the order of sending, with all that goes wrong on the way.

    What would be sent after the end is left out: its case stays as it was.
    """
    rng = Random(f"{scale.seed}-tellings")
    province = Province(
        seed=scale.seed,
        calendar=work_calendar(),
        cases_per_month=scale.cases_per_month,
        dirt=DIRT,
    )
    told = [t for arrived in _arrivals(province, scale.end) for t in _spoilt(rng, *arrived)]
    return sorted((t for t in told if t.at < scale.end), key=lambda telling: telling.at)


def _arrivals(province: Province, end: datetime) -> Iterator[tuple[datetime, Event]]:
    """Yield a province's events with the moment of arrival, as far as their order tells it."""
    arrival = BEGIN
    for event in province.history(BEGIN, end):
        until, happened = province.told_until or end, _instant(event["time"])
        if happened is not None and happened <= until:
            arrival = max(arrival, happened)
        yield arrival, event


def _instant(text: str) -> datetime | None:
    told = datetime.fromisoformat(text)
    return told if told.tzinfo else None


def _spoilt(rng: Random, arrival: datetime, event: Event) -> Iterator[Telling]:
    """Yield one event as it is sent: perhaps late, again, in other words, or contradicted."""
    first = Telling(at=arrival, body=_encoded(event))
    if rng.random() < LATE:
        first = replace(first, at=arrival + _delay(rng), dirt="late")
    yield first
    for share, dirt, change in COPIES:
        if rng.random() < share:
            body = change(rng, event)
            at = first.at + rng.choice((timedelta(0), _delay(rng)))
            yield Telling(at=at, body=body, dirt=dirt)


def _delay(rng: Random) -> timedelta:
    return MEAN_DELAY * rng.expovariate(1)


def _encoded(event: Event) -> bytes:
    return json.dumps(event, ensure_ascii=False, separators=(",", ":")).encode()


def _reworded(rng: Random, event: Event) -> bytes:
    """Say the same with its fields in another order, spaced, and by another offset."""
    names = list(event)
    rng.shuffle(names)
    other = {name: event[name] for name in names}
    instant = _instant(event["time"])
    if instant is not None and instant.year < 2100:
        other["time"] = instant.astimezone(UTC).isoformat()
    return json.dumps(other, indent=None, separators=(", ", ": ")).encode()


def _contradicted(rng: Random, event: Event) -> bytes:
    """Say something else under the same id."""
    instant = _instant(event["time"])
    if instant is None or instant.year >= 2100:
        return _senseless(rng, event)
    return _encoded(
        {**event, "time": (instant - timedelta(seconds=rng.randint(1, 99))).isoformat()}
    )


SENSELESS_EVENTS: Sequence[Callable[[Event], Any]] = (
    lambda event: {**event, "type": "rebate.case.eaten"},
    lambda event: {**event, "time": "yesterday"},
    lambda event: {**event, "subject": ""},
    lambda event: {**event, "data": {"unknown": 1}},
    lambda event: [event],
    lambda event: event["id"],
    lambda _event: {},
    lambda _event: None,
)


def _senseless(rng: Random, event: Event) -> bytes:
    return _encoded(rng.choice(SENSELESS_EVENTS)(event))


COPIES: Sequence[tuple[float, str, Callable[[Random, Event], bytes]]] = (
    (AGAIN, "again", lambda _rng, event: _encoded(event)),
    (REWORDED, "in other words", _reworded),
    (CONTRADICTED, "contradicted", _contradicted),
    (SENSELESS, "senseless", _senseless),
)
"""What is sent beside an event, how often, and what it is called in the table."""


def hours(scale: Scale, told: Iterable[Telling]) -> Iterator[Hour]:
    """Yield the month hour by hour, empty ones too: requests of one hour are sent at once.

    An event is sent at the end of its hour, so that it never lies ahead of the clock.
    """
    rng = Random(f"{scale.seed}-requests")
    by_hour = {
        number: list(group) for number, group in groupby(told, lambda telling: _hour(telling.at))
    }
    for number in range(_hour(scale.end)):
        events = [telling.body for telling in by_hour.get(number, ())]
        rng.shuffle(events)
        yield Hour(at=BEGIN + (number + 1) * STEP, deliveries=list(_requests(rng, events)))


def _hour(at: datetime) -> int:
    return (at - BEGIN) // STEP


def _requests(rng: Random, events: list[bytes]) -> Iterator[Delivery]:
    weights = [weight for weight, _ in WAYS.values()]
    left = 0
    while left < len(events):
        way = rng.choices(list(WAYS), weights)[0]
        size = rng.randint(1, WAYS[way][1])
        yield Delivery(way=way, events=events[left : left + size], replica=rng.randrange(REPLICAS))
        left += size


@dataclass(frozen=True, slots=True, kw_only=True)
class Garbage:
    """A request that no service may take, and what it is answered with."""

    content_type: str
    body: bytes
    status: int
    headers: tuple[tuple[str, str], ...] = ()


GARBAGE: Sequence[Garbage] = (
    Garbage(content_type="application/cloudevents+json", body=b"{", status=400),
    Garbage(content_type="application/cloudevents+json", body=b'{"a": NaN}', status=400),
    Garbage(content_type="application/cloudevents+json", body=b"{}", status=422),
    Garbage(content_type="application/cloudevents+json", body=b" " * (2**20 + 1), status=413),
    Garbage(content_type="application/cloudevents-batch+json", body=b'{"a": 1}', status=400),
    Garbage(content_type="application/cloudevents-batch+json", body=b'[{"a": NaN}]', status=422),
    Garbage(
        content_type="application/cloudevents-batch+json",
        body=b"[" + b",".join([b"{}"] * 5001) + b"]",
        status=413,
    ),
    Garbage(content_type="application/x-ndjson", body=b"\xff\xfe\n{{{\n", status=422),
    Garbage(
        content_type="application/x-ndjson",
        body=b"no gzip at all",
        status=400,
        headers=(("Content-Encoding", "gzip"),),
    ),
    Garbage(content_type="text/plain", body=b"hello", status=415),
    Garbage(
        content_type="application/cloudevents+json",
        body=b"{}",
        status=401,
        headers=(("Authorization", "Bearer not-a-key"),),
    ),
)
