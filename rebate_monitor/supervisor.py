"""Loops that run beside the service: an outage is waited out, a bug ends the process."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress

import structlog

from rebate_monitor.storage.database import DatabaseAwayError

log = structlog.get_logger()


async def every(
    seconds: float, work: Callable[[], Awaitable[object]], name: str, stop: asyncio.Event
) -> None:
    """Do work again and again until `stop` is set; only an outage is forgiven."""
    away = False
    while not stop.is_set():
        try:
            await work()
            away = _note(name, was_away=away, is_away=False)
        except DatabaseAwayError as error:
            away = _note(name, was_away=away, is_away=True, cause=str(error))
        with suppress(TimeoutError):
            await asyncio.wait_for(stop.wait(), seconds)


def _note(name: str, *, was_away: bool, is_away: bool, cause: str = "") -> bool:
    """Log the beginning and the end of an outage, not every try in between."""
    if is_away and not was_away:
        log.warning("database.away", loop=name, cause=cause)
    if was_away and not is_away:
        log.info("database.back", loop=name)
    return is_away
