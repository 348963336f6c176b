"""From bytes to one event, or to the reason why not (DESIGN 4).

Every event is decoded by itself, so a bad one never takes its neighbours along. What PostgreSQL or
asyncpg could not hold (control characters, lone surrogates, years 1 and 9999) is refused here.
"""

import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Annotated, Any, Literal

import msgspec

from rebate_monitor.domain.event import (
    Accepted,
    Approved,
    Attributes,
    CaseEvent,
    Category,
    Corrected,
    EventData,
    EventType,
    Plain,
    RebateType,
    Retracted,
    Suspended,
    SuspensionReason,
)
from rebate_monitor.domain.local_time import SHANGHAI
from rebate_monitor.ingest.taxpayer_id import is_taxpayer_id
from rebate_monitor.storage.case_events import NewEvent, new_event

EARLIEST = datetime(2000, 1, 1, tzinfo=SHANGHAI)
LAST_YEAR = 9998  # converting the last hours of 9999 to another offset leaves the range of dates
MAX_AHEAD = timedelta(minutes=5)
MAX_NAME = 200
MAX_EVENT_BYTES = 1024 * 1024
MAX_TEXT = 64
MAX_SAID = 100
MAX_DETAIL = 500

OFFICE = re.compile(r"1[0-9]{10}")
AMOUNT = re.compile(r"(0|[1-9][0-9]{0,14})(\.[0-9]{1,2})?")
EXTENSION = re.compile(r"[a-z0-9]{1,64}")
UNSAFE = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]")
TAXPAYER_LIKE = re.compile(r"(?<![0-9A-Za-z])(?=[A-Za-z]*[0-9])[0-9A-Za-z]{15,20}(?![0-9A-Za-z])")
AT = re.compile(r"^(?P<problem>.*?)(?: - at `(?P<key>key in )?\$(?P<path>[^`]*)`)?$", re.DOTALL)

JSON_ERRORS = (msgspec.DecodeError, RecursionError, UnicodeDecodeError)


class NotJsonError(ValueError):
    """The bytes are not JSON at all."""


class RejectedError(ValueError):
    """The event breaks a rule; the message names the field, the problem and the rule."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rejection:
    """An event that was refused: why, its bytes whole, and its names as far as they can be read."""

    detail: str
    body: bytes
    case_id: str | None = None
    source: str | None = None
    id: str | None = None
    event_type: str | None = None


class EventEnvelope(msgspec.Struct, forbid_unknown_fields=True):
    """The CloudEvents 1.0 attributes that a rebate event carries."""

    specversion: Literal["1.0"]
    id: str
    source: str
    type: EventType
    subject: str
    time: Annotated[datetime, msgspec.Meta(tz=True)]
    data: msgspec.Raw = msgspec.Raw(b"{}")
    datacontenttype: str | None = None


ENVELOPE_FIELDS = frozenset(EventEnvelope.__struct_fields__)


class AcceptedData(msgspec.Struct, forbid_unknown_fields=True):
    """Data of `rebate.case.accepted`."""

    office: str
    category: Category | None = None
    rebate_type: RebateType | None = None
    amount_cny: str | None = None
    taxpayer_id: str | None = None
    period: str | None = None
    batch: str | None = None
    whitelisted: bool | None = None
    refiled_from: str | None = None


class CorrectedData(msgspec.Struct, forbid_unknown_fields=True, omit_defaults=True):
    """Data of `rebate.case.corrected`: what was not told stays as it was, null empties it."""

    office: str | msgspec.UnsetType = msgspec.UNSET
    category: Category | msgspec.UnsetType | None = msgspec.UNSET
    rebate_type: RebateType | msgspec.UnsetType | None = msgspec.UNSET
    amount_cny: str | msgspec.UnsetType | None = msgspec.UNSET
    taxpayer_id: str | msgspec.UnsetType | None = msgspec.UNSET
    period: str | msgspec.UnsetType | None = msgspec.UNSET
    batch: str | msgspec.UnsetType | None = msgspec.UNSET
    whitelisted: bool | msgspec.UnsetType | None = msgspec.UNSET
    refiled_from: str | msgspec.UnsetType | None = msgspec.UNSET


class SuspendedData(msgspec.Struct, forbid_unknown_fields=True):
    """Data of `rebate.case.suspended`."""

    reason: SuspensionReason


class ApprovedData(msgspec.Struct, forbid_unknown_fields=True):
    """Data of `rebate.case.approved`."""

    cash_refund: bool = True


class RetractedData(msgspec.Struct, forbid_unknown_fields=True):
    """Data of `rebate.event.retracted`."""

    id: str
    source: str | None = None


class NoData(msgspec.Struct, forbid_unknown_fields=True):
    """Data of the events that need none."""


NO_DATA, NULL = msgspec.Raw(b"{}"), msgspec.Raw(b"null")

_EVENT = msgspec.json.Decoder(EventEnvelope)
_OBJECT = msgspec.json.Decoder(dict[str, msgspec.Raw])
_DATA: dict[EventType, msgspec.json.Decoder[Any]] = {
    EventType.ACCEPTED: msgspec.json.Decoder(AcceptedData),
    EventType.CORRECTED: msgspec.json.Decoder(CorrectedData),
    EventType.SUSPENDED: msgspec.json.Decoder(SuspendedData),
    EventType.APPROVED: msgspec.json.Decoder(ApprovedData),
    EventType.RETRACTED: msgspec.json.Decoder(RetractedData),
}
_NO_DATA: msgspec.json.Decoder[Any] = msgspec.json.Decoder(NoData)


_DATA_FIELDS: dict[EventType, tuple[str, ...]] = {
    EventType.ACCEPTED: AcceptedData.__struct_fields__,
    EventType.CORRECTED: CorrectedData.__struct_fields__,
    EventType.SUSPENDED: SuspendedData.__struct_fields__,
    EventType.APPROVED: ApprovedData.__struct_fields__,
    EventType.RETRACTED: RetractedData.__struct_fields__,
}
ENVELOPE_RULE = "an event is a JSON object with specversion, id, source, type, subject, time, data"
RULES = {
    "specversion": 'must be "1.0"',
    "type": f"must be one of {', '.join(EventType)}",
    "time": "must be an RFC 3339 instant with its offset, such as 2026-11-20T09:15:00+08:00",
    "data.office": "must be 11 digits, `1`, a six-digit division and four digits",
    "data.category": f"must be one of {', '.join(Category)} or null",
    "data.rebate_type": f"must be one of {', '.join(RebateType)} or null",
    "data.reason": f"must be one of {', '.join(SuspensionReason)}",
    "data.amount_cny": "must be a decimal text of CNY such as 123456.78: up to 15 digits, then at "
    "most two decimals, no sign and no exponent",
    "data.taxpayer_id": "must be 18 characters with the check digit of GB 32100",
    "data.whitelisted": "must be true, false or null",
    "data.cash_refund": "must be true or false",
}


def decode_event(
    raw: bytes, now: datetime, max_ahead: timedelta = MAX_AHEAD
) -> NewEvent | Rejection:
    """Decode one event, or say why it is refused; `now` is the service's clock."""
    try:
        return _decode(raw, now, max_ahead)
    except (NotJsonError, RejectedError) as error:
        return _rejection(raw, TAXPAYER_LIKE.sub("(not shown)", str(error)))


def is_json(raw: bytes) -> bool:
    """Say whether the bytes are JSON at all."""
    try:
        msgspec.json.decode(raw)
    except JSON_ERRORS:
        return False
    return True


def _decode(raw: bytes, now: datetime, max_ahead: timedelta) -> NewEvent:
    if len(raw) > MAX_EVENT_BYTES:
        raise RejectedError(f"event: larger than {MAX_EVENT_BYTES} bytes, the most one may have")
    envelope, extensions = _decode_envelope(raw)
    _check_name("id", envelope.id)
    _check_name("source", envelope.source)
    _check_name("subject", envelope.subject)
    _check_text("datacontenttype", envelope.datacontenttype, MAX_NAME)
    _check_time(envelope.time, now, max_ahead)
    event = CaseEvent(
        case_id=envelope.subject,
        source=envelope.source,
        id=envelope.id,
        event_type=envelope.type,
        time=envelope.time.astimezone(SHANGHAI),
        data=_decode_data(envelope.type, envelope.data),
    )
    return new_event(event, extensions)


def _decode_envelope(raw: bytes) -> tuple[EventEnvelope, bytes | None]:
    """Decode the usual envelope in one step; only one with extensions is taken apart."""
    try:
        return _EVENT.decode(raw), None
    except msgspec.ValidationError as error:
        told = _split_extensions(raw)
        if told is None:
            raise RejectedError(_explain(error)) from error
    except JSON_ERRORS as error:
        raise NotJsonError(f"not JSON: {_first_line(error)}") from error
    known, extensions = told
    try:
        return _EVENT.decode(known), extensions
    except msgspec.ValidationError as error:
        raise RejectedError(_explain(error)) from error


def _split_extensions(raw: bytes) -> tuple[bytes, bytes] | None:
    """Split an event into its known attributes and its extensions; None without extensions."""
    try:
        told = _OBJECT.decode(raw)
    except msgspec.ValidationError:
        return None
    except JSON_ERRORS as error:
        raise NotJsonError(f"not JSON: {_first_line(error)}") from error
    extensions = {name: _extension(name, told[name]) for name in told.keys() - ENVELOPE_FIELDS}
    if not extensions:
        return None
    known = {name: value for name, value in told.items() if name in ENVELOPE_FIELDS}
    return msgspec.json.encode(known), msgspec.json.encode(extensions, order="sorted")


def _extension(name: str, raw: msgspec.Raw) -> str | int | bool | None:
    if name == "data_base64":
        raise RejectedError("data_base64: rebate data is JSON, send it as data")
    if not EXTENSION.fullmatch(name):
        shown = UNSAFE.sub("?", name)[:MAX_TEXT]
        raise RejectedError(
            f"{shown}: unknown field; an extension attribute is named by 1 to 64 of a-z and 0-9"
        )
    try:
        value: str | int | bool | None = msgspec.json.decode(raw, type=str | int | bool | None)
    except JSON_ERRORS as error:
        rule = "an extension attribute is a string, a whole number or a boolean"
        raise RejectedError(f"{name}: {rule}") from error
    if isinstance(value, str) and (UNSAFE.search(value) or len(value) > MAX_DETAIL):
        rule = f"up to {MAX_DETAIL} characters, none of them control characters"
        raise RejectedError(f"{name}: an extension attribute has {rule}")
    return value


def _check_name(field: str, value: str) -> None:
    if not 1 <= len(value) <= MAX_NAME:
        raise RejectedError(f"{field}: has {len(value)} characters, must have 1 to {MAX_NAME}")
    _check_safe(field, value)


def _check_safe(field: str, value: str) -> None:
    if UNSAFE.search(value):
        raise RejectedError(f"{field}: holds a control character, which no text may")


def _check_time(time: datetime, now: datetime, max_ahead: timedelta) -> None:
    if time.year < EARLIEST.year - 1 or (time.year <= LAST_YEAR and time < EARLIEST):
        raise RejectedError("time: lies before 2000-01-01 in Asia/Shanghai, the earliest allowed")
    if time.year > LAST_YEAR or time > now + max_ahead:
        seconds = int(max_ahead.total_seconds())
        raise RejectedError(
            f"time: lies more than {seconds} seconds ahead of this service's clock, which says "
            f"{now.astimezone(SHANGHAI).isoformat(timespec='seconds')}; "
            "check the sender's clock and offset"
        )


def _decode_data(event_type: EventType, raw: msgspec.Raw) -> EventData:
    try:
        told: Any = _DATA.get(event_type, _NO_DATA).decode(NO_DATA if raw == NULL else raw)
    except msgspec.ValidationError as error:
        raise RejectedError(_explain(error, event_type)) from error
    except JSON_ERRORS as error:
        raise RejectedError(f"data: not JSON: {_first_line(error)}") from error
    return _event_data(told)


def _event_data(told: Any) -> EventData:  # noqa: ANN401 - any of the data structs
    match told:
        case AcceptedData():
            _check_attributes(told)
            return Accepted(attributes=Attributes(**msgspec.structs.asdict(told)))
        case CorrectedData():
            _check_attributes(told)
            return Corrected(changes=msgspec.to_builtins(told))
        case SuspendedData(reason=reason):
            return Suspended(reason=reason)
        case ApprovedData(cash_refund=cash_refund):
            return Approved(cash_refund=cash_refund)
        case RetractedData(id=id_, source=source):
            _check_name("data.id", id_)
            if source is not None:
                _check_name("data.source", source)
            return Retracted(id=id_, source=source)
        case _:
            return Plain()


def _check_attributes(told: AcceptedData | CorrectedData) -> None:
    """Check what a type alone cannot say; values are never repeated, they may be confidential."""
    wrong = {
        "data.office": isinstance(told.office, str) and not OFFICE.fullmatch(told.office),
        "data.amount_cny": isinstance(told.amount_cny, str)
        and not AMOUNT.fullmatch(told.amount_cny),
        "data.taxpayer_id": isinstance(told.taxpayer_id, str)
        and not is_taxpayer_id(told.taxpayer_id),
    }
    for field, is_wrong in wrong.items():
        if is_wrong:
            raise RejectedError(f"{field}: {RULES[field]}")
    for name in ("period", "batch"):
        _check_text(f"data.{name}", getattr(told, name), MAX_TEXT)
    _check_text("data.refiled_from", told.refiled_from, MAX_NAME)


def _check_text(field: str, value: object, longest: int) -> None:
    if not isinstance(value, str):
        return
    if not 1 <= len(value) <= longest:
        raise RejectedError(f"{field}: has {len(value)} characters, must have 1 to {longest}")
    _check_safe(field, value)


def _explain(error: msgspec.ValidationError, event_type: EventType | None = None) -> str:
    """Turn `Expected X, got Y - at $.field` into `field: expected X, got Y; the rule`."""
    found = AT.match(str(error))
    problem, path = (found["problem"], found["path"] or "") if found else (str(error), "")
    within = f"data{path}" if event_type else path.lstrip(".")
    field, problem = _missing_or_unknown(within, problem)
    rule = RULES.get(field) or (event_type and _fields_rule(event_type)) or ENVELOPE_RULE
    if event_type and problem.startswith("Invalid enum value"):
        problem = "invalid value"  # data may be confidential, it is never repeated
    said = f"{problem[:1].lower()}{problem[1:MAX_SAID]}"
    return UNSAFE.sub("?", f"{field[:MAX_TEXT] or 'event'}: {said}; {rule}")[:MAX_DETAIL]


def _missing_or_unknown(within: str, problem: str) -> tuple[str, str]:
    """Name the field itself where msgspec names the object around it."""
    for said, meant in (
        ("Object missing required field `", "missing"),
        ("Object contains unknown field `", "unknown field"),
    ):
        if problem.startswith(said):
            return f"{within}.{problem[len(said) : -1]}".lstrip("."), meant
    return within, problem


def _fields_rule(event_type: EventType) -> str:
    names = _DATA_FIELDS.get(event_type, ())
    return (
        f"data of {event_type} has {', '.join(names)}" if names else f"{event_type} needs no data"
    )


def _first_line(error: BaseException) -> str:
    text = "nested too deeply" if isinstance(error, RecursionError) else str(error)
    return UNSAFE.sub("?", text.partition("\n")[0])[:MAX_DETAIL]


class _Names(msgspec.Struct):
    """Whatever names a refused event may still have."""

    id: Any = None
    subject: Any = None
    source: Any = None
    type: Any = None


_NAMES = msgspec.json.Decoder(_Names)


def _rejection(raw: bytes, detail: str) -> Rejection:
    try:
        names = _NAMES.decode(raw)
    except JSON_ERRORS:
        names = _Names()
    return Rejection(
        detail=detail,
        body=bytes(raw),
        case_id=_name(names.subject),
        source=_name(names.source),
        id=_name(names.id),
        event_type=_name(names.type),
    )


def _name(value: object) -> str | None:
    if not isinstance(value, str):
        return None
    return UNSAFE.sub("?", value)[:MAX_NAME] or None
