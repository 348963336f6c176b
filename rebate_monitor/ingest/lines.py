"""Cut a byte stream into lines, with bounded memory however long a line is."""

from collections.abc import AsyncIterable, AsyncIterator
from dataclasses import dataclass

from rebate_monitor.ingest.wire import MAX_EVENT_BYTES


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One line that is not blank, with its number in the stream counted from 0.

    Of an event over MAX_EVENT_BYTES only one byte more is kept: enough to be refused for it.
    """

    number: int
    body: bytes


async def lines(chunks: AsyncIterable[bytes]) -> AsyncIterator[Line]:
    """Yield the lines of a stream."""
    number, held = 0, bytearray()
    async for chunk in chunks:
        *ended, rest = chunk.split(b"\n")
        for part in ended:
            _hold(held, part)
            if held.strip():
                yield Line(number=number, body=bytes(held))
            held.clear()
            number += 1
        _hold(held, rest)
    if held.strip():
        yield Line(number=number, body=bytes(held))


def _hold(held: bytearray, part: bytes) -> None:
    held += part[: max(0, MAX_EVENT_BYTES + 1 - len(held))]
