"""Stored events: the append-only facts that every case is folded from."""

import hashlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, fields, replace
from datetime import UTC, datetime

import msgspec
from asyncpg import Record

from rebate_monitor.domain.event import (
    Accepted,
    Approved,
    Attributes,
    CaseEvent,
    Corrected,
    EventData,
    EventType,
    Plain,
    Retracted,
    Suspended,
)
from rebate_monitor.domain.known_then import Receipt
from rebate_monitor.storage.database import Connection
from rebate_monitor.storage.statements import statement

EVENTS_OF_CASES = statement("events_of_cases")
APPEND_EVENTS = statement("append_events")
RECEIPTS_OF_CASES = statement("receipts_of_cases")

ATTRIBUTE_NAMES = tuple(field.name for field in fields(Attributes))


@dataclass(frozen=True, slots=True, kw_only=True)
class NewEvent:
    """An event about to be stored: its fact, its canonical data and what it is compared by.

    `extensions` is a JSON object of CloudEvents extension attributes. They are kept as first told,
    and a repeat that differs in them alone is still a repeat: tracing headers change with a retry.
    """

    event: CaseEvent
    data: bytes
    digest: bytes
    extensions: bytes | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredEvent:
    """A stored fact with what it is compared by."""

    event: CaseEvent
    digest: bytes


def new_event(event: CaseEvent, extensions: bytes | None = None) -> NewEvent:
    """Prepare an event for storing."""
    data = encode_data(event.data)
    instant = event.time.astimezone(UTC).isoformat()
    content = f"{event.event_type}\n{instant}\n".encode() + data
    return NewEvent(
        event=event, data=data, digest=hashlib.sha256(content).digest(), extensions=extensions
    )


def without_identity(new: NewEvent) -> NewEvent:
    """Return an event without what says who it is about: taxpayer id and extension attributes.

    Its digest is that of what is left: one over the whole would give the taxpayer id away to
    whoever tries those of a public register.
    """
    match new.event.data:
        case Accepted(attributes=attributes):
            data: EventData = Accepted(attributes=replace(attributes, taxpayer_id=None))
        case Corrected(changes=changes):
            data = Corrected(changes={k: v for k, v in changes.items() if k != "taxpayer_id"})
        case other:
            data = other
    return new_event(replace(new.event, data=data))


def encode_data(data: EventData) -> bytes:
    """Encode event data as canonical JSON: what was not told is left out, the order is fixed."""
    match data:
        case Accepted(attributes=attributes):
            told = {name: getattr(attributes, name) for name in ATTRIBUTE_NAMES}
            return _JSON.encode({k: v for k, v in told.items() if v is not None})
        case Corrected(changes=changes):
            return _JSON.encode({k: changes[k] for k in ATTRIBUTE_NAMES if k in changes})
        case Retracted(id=id_, source=source):
            return _JSON.encode({"id": id_} | ({"source": source} if source else {}))
        case Suspended(reason=reason):
            return _JSON.encode({"reason": reason})
        case Approved(cash_refund=cash_refund):
            return _JSON.encode({"cash_refund": cash_refund})
        case Plain():
            return b"{}"


_JSON = msgspec.json.Encoder()
_ATTRIBUTES = msgspec.json.Decoder(Attributes)
_CHANGES = msgspec.json.Decoder(dict[str, str | bool | None])
_SUSPENDED = msgspec.json.Decoder(Suspended)
_APPROVED = msgspec.json.Decoder(Approved)
_RETRACTED = msgspec.json.Decoder(Retracted)

_DECODERS: Mapping[EventType, Callable[[bytes], EventData]] = {
    EventType.ACCEPTED: lambda raw: Accepted(attributes=_ATTRIBUTES.decode(raw)),
    EventType.CORRECTED: lambda raw: Corrected(changes=_CHANGES.decode(raw)),
    EventType.SUSPENDED: _SUSPENDED.decode,
    EventType.APPROVED: _APPROVED.decode,
    EventType.RETRACTED: _RETRACTED.decode,
}
_PLAIN = Plain()


def decode_data(event_type: EventType, data: bytes) -> EventData:
    """Decode what encode_data made."""
    decoder = _DECODERS.get(event_type)
    return decoder(data) if decoder else _PLAIN


async def events_of_cases(
    connection: Connection, case_ids: Iterable[str]
) -> dict[str, list[StoredEvent]]:
    """Return every stored event of these cases, in no order; a case without any is missing."""
    found: dict[str, list[StoredEvent]] = {}
    for row in await connection.fetch(EVENTS_OF_CASES, list(case_ids)):
        found.setdefault(row["case_id"], []).append(_stored_event(row))
    return found


async def receipts_of_case(connection: Connection, case_id: str) -> list[Receipt]:
    """Return every stored event of a case with the moment of its arrival, in no order."""
    found = await receipts_of_cases(connection, [case_id])
    return found.get(case_id, [])


async def receipts_of_cases(
    connection: Connection, case_ids: Iterable[str]
) -> dict[str, list[Receipt]]:
    """Return every stored event of these cases with the moment of its arrival, in no order."""
    found: dict[str, list[Receipt]] = {}
    for row in await connection.fetch(RECEIPTS_OF_CASES, list(case_ids)):
        receipt = Receipt(received_at=row["received_at"], event=_stored_event(row).event)
        found.setdefault(row["case_id"], []).append(receipt)
    return found


def _stored_event(row: Record) -> StoredEvent:
    event_type = EventType(row["event_type"])
    event = CaseEvent(
        case_id=row["case_id"],
        source=row["source"],
        id=row["id"],
        event_type=event_type,
        time=row["time"],
        data=decode_data(event_type, row["data"]),
    )
    return StoredEvent(event=event, digest=row["digest"])


async def append_events(
    connection: Connection, events: list[NewEvent], received_at: datetime
) -> None:
    """Append new events of locked cases, all in one statement."""
    facts = [new.event for new in events]
    await connection.execute(
        APPEND_EVENTS,
        [fact.case_id for fact in facts],
        [fact.source for fact in facts],
        [fact.id for fact in facts],
        [fact.event_type for fact in facts],
        [fact.time for fact in facts],
        [new.data for new in events],
        [new.extensions for new in events],
        [new.digest for new in events],
        received_at,
    )
