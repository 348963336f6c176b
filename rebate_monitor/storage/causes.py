"""Why a case or an alert changed, as it is kept beside it: an event, new rules, or time."""

import msgspec

from rebate_monitor.domain.event import CaseEvent


class Cause(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What made a case or an alert as it is.

    `because` is `event` (then `source`, `id` and `event_type` name it), `policy` or `calendar`
    (then `version` does, and `rules` is the number of all rules by which the case came out so), or
    `time`: nothing happened, and that was enough.
    """

    because: str
    source: str | None = None
    id: str | None = None
    event_type: str | None = None
    version: str | None = None
    rules: int | None = None


TIME = Cause(because="time")
_DECODER = msgspec.json.Decoder(Cause)


def event_cause(event: CaseEvent) -> Cause:
    """Name an event as the cause."""
    return Cause(
        because="event", source=event.source, id=event.id, event_type=event.event_type.value
    )


def policy_cause(version: str | None, rules: int) -> Cause:
    """Name a version of a policy as the cause."""
    return Cause(because="policy", version=version, rules=rules)


def calendar_cause(version: str, rules: int) -> Cause:
    """Name a version of the calendar as the cause."""
    return Cause(because="calendar", version=version, rules=rules)


def encode_cause(cause: Cause) -> bytes:
    """Encode a cause for its jsonb column."""
    return msgspec.json.encode(cause)


def decode_cause(stored: bytes) -> Cause:
    """Decode what encode_cause made."""
    return _DECODER.decode(stored)
