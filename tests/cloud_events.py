"""Builders of events as producers send them."""

import itertools
import json
from typing import Any
from urllib.parse import quote

OFFICE = "14301000000"
SOURCE = f"/hunan/{OFFICE}"
ONE = {"Content-Type": "application/cloudevents+json"}
BATCH = {"Content-Type": "application/cloudevents-batch+json"}
STREAM = {"Content-Type": "application/x-ndjson"}
STRICT = {"Prefer": "handling=strict"}
_numbers = itertools.count(1)

Json = dict[str, Any]


def event(
    kind: str,
    time: str,
    *,
    subject: str = "case-1",
    id: str | None = None,  # noqa: A002 - the name in CloudEvents
    source: str = SOURCE,
    **data: object,
) -> Json:
    """Build an event; `kind` is the last word of its type, `time` may leave out the offset."""
    prefix = "rebate.event" if kind == "retracted" else "rebate.case"
    return {
        "specversion": "1.0",
        "id": id or f"e-{next(_numbers)}",
        "source": source,
        "type": f"{prefix}.{kind}",
        "subject": subject,
        "time": time if time.endswith("Z") or "+" in time else f"{time}+08:00",
        "data": data,
    }


def accepted(time: str, *, subject: str = "case-1", **data: object) -> Json:
    """Build an acceptance of a category I case unless told otherwise."""
    told: Json = {"category": "I", "office": OFFICE, **data}
    id_ = told.pop("id", None)
    return event("accepted", time, subject=subject, id=id_, **told)


def ndjson(events: list[Json]) -> bytes:
    """Encode events one a line."""
    return b"".join(json.dumps(told).encode() + b"\n" for told in events)


def binary_headers(told: Json) -> dict[str, str]:
    """Return the ce-* headers of an event's binary form; its data becomes the body."""
    return {f"ce-{name}": quote(str(told[name]), safe="/:+") for name in told.keys() - {"data"}}
