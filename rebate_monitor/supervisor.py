"""Loops that run beside the service: an outage is waited out, a bug ends the process."""

import asyncio
from collections.abc import Awaitable, Callable

import structlog

from rebate_monitor.storage.database import DatabaseAwayError

AWAY_SECONDS = 1.0

log = structlog.get_logger()


Work = Callable[[], Awaitable[object]]


async def every(seconds: float, work: Work, name: str, stop: asyncio.Event) -> None:
    """Do work again and again until `stop` is set; only an outage is forgiven."""
    await again(work, lambda: asyncio.sleep(seconds), name, stop)


async def again(work: Work, rest: Work, name: str, stop: asyncio.Event) -> None:
    """Do work, rest, and do it again until `stop` is set; only an outage is forgiven."""
    away = False
    while not stop.is_set():
        try:
            await work()
            away = _note(name, was_away=away, is_away=False)
            await _unless(stop, rest)
        except DatabaseAwayError as error:
            away = _note(name, was_away=away, is_away=True, cause=str(error))
            await _unless(stop, lambda: asyncio.sleep(AWAY_SECONDS))


async def _unless(stop: asyncio.Event, rest: Work) -> None:
    """Rest, but not longer than until `stop` is set."""
    resting, stopping = asyncio.ensure_future(rest()), asyncio.ensure_future(stop.wait())
    try:
        await asyncio.wait((resting, stopping), return_when=asyncio.FIRST_COMPLETED)
    finally:
        stopping.cancel()
        if not resting.done():
            resting.cancel()
    if resting.done() and not resting.cancelled():
        resting.result()  # an error is not rest


def _note(name: str, *, was_away: bool, is_away: bool, cause: str = "") -> bool:
    """Log the beginning and the end of an outage, not every try in between."""
    if is_away and not was_away:
        log.warning("database.away", loop=name, cause=cause)
    if was_away and not is_away:
        log.info("database.back", loop=name)
    return is_away
