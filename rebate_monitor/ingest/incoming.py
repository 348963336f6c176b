"""The events of one request, decoded once, each with its place and what its sender is bound to."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from rebate_monitor.domain.bounds import UNBOUND, Bounds
from rebate_monitor.ingest.wire import Rejection, decode_event
from rebate_monitor.storage.case_events import NewEvent


@dataclass(frozen=True, slots=True)
class Sender:
    """Who tells: the name of a key, a person or a command, and what they are bound to."""

    name: str
    bounds: Bounds = UNBOUND
    is_key: bool = False

    @property
    def kept_bounds(self) -> Bounds | None:
        """The bounds that are kept with what is refused; a key's are asked anew for a replay."""
        return None if self.is_key else self.bounds


@dataclass(frozen=True, slots=True, kw_only=True)
class Incoming:
    """One event of a request with its place in it and its bytes."""

    index: int
    body: bytes
    decoded: NewEvent | Rejection
    bounds: Bounds = UNBOUND


def read_batch(
    bodies: Sequence[bytes], sender: Sender, now: datetime, max_ahead: timedelta
) -> list[Incoming]:
    """Decode the bodies of a request; `now` is the service's clock."""
    return [
        Incoming(
            index=index,
            body=body,
            decoded=decode_event(body, now, max_ahead),
            bounds=sender.bounds,
        )
        for index, body in enumerate(bodies)
    ]
