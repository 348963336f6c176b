"""Read `[alerts]`, `[[channel]]` and `[[route]]` of REBATE_CONFIG: who is told what, and how."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Annotated, Any

import msgspec

from rebate_monitor.alerting.channels.block import convert_channel
from rebate_monitor.alerting.channels.channel import Channel
from rebate_monitor.alerting.fields import base_address, convert_fields
from rebate_monitor.alerting.routes import Route, convert_route
from rebate_monitor.domain.local_time import midnight
from rebate_monitor.places import Places

__all__ = ["AlertSettings", "Channel", "ConfigurationError", "Route", "alert_settings"]


class ConfigurationError(ValueError):
    """A block about alerts is wrong: the message has block, field, problem, rule, and no secret."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertSettings:
    """Who is told of named cases, and how.

    Nobody is told of a transition before `enforce_from`. `link` is where messages point, without
    a slash at its end. Messages that were sent, or given up, are kept for `retention`.
    """

    enforce_from: datetime | None = None
    link: str | None = None
    max_attempts: int = 20
    request_timeout: timedelta = timedelta(seconds=10)
    retention: timedelta = timedelta(days=90)
    channels: tuple[Channel, ...] = ()
    routes: tuple[Route, ...] = ()

    def routes_of(self, channel_name: str) -> tuple[Route, ...]:
        """Return the routes that lead to a channel."""
        return tuple(route for route in self.routes if channel_name in route.channels)


class _Alerts(msgspec.Struct, kw_only=True):
    enforce_from: Any = None  # a TOML instant or a TOML date, which no one type takes
    link: Annotated[str, msgspec.Meta(max_length=1000)] | None = None
    max_attempts: Annotated[int, msgspec.Meta(ge=1, le=1000)] = 20
    request_timeout_seconds: Annotated[float, msgspec.Meta(ge=0.1, le=60)] = 10
    retention_days: Annotated[int, msgspec.Meta(ge=1, le=3650)] = 90


def alert_settings(config: Mapping[str, Any] | None, places: Places) -> AlertSettings:
    """Convert the blocks about alerts of a parsed configuration; raise ConfigurationError."""
    told = config or {}
    channels = _channels(told)
    routes = _routes(told, [channel.name for channel in channels], places)
    _refuse_deaf_channels(channels, routes)
    with _block("[alerts]"):
        return _settings(told.get("alerts", {}), channels, routes)


def _settings(
    block: object, channels: tuple[Channel, ...], routes: tuple[Route, ...]
) -> AlertSettings:
    if not isinstance(block, dict):
        raise ValueError("must be one table, written [alerts]")  # noqa: TRY004 - told to a reader
    told = convert_fields(block, _Alerts)
    return AlertSettings(
        enforce_from=_instant(told.enforce_from),
        link=None if told.link is None else base_address("link", told.link),
        max_attempts=told.max_attempts,
        request_timeout=timedelta(seconds=told.request_timeout_seconds),
        retention=timedelta(days=told.retention_days),
        channels=channels,
        routes=routes,
    )


def _instant(told: object) -> datetime | None:
    match told:
        case None:
            return None
        case datetime(tzinfo=tz) if tz is not None:
            return told
        case date() if not isinstance(told, datetime):
            return midnight(told)
        case _:
            raise ValueError(
                "enforce_from: must be an instant with an offset, such as "
                "2026-12-01T00:00:00+08:00, or a date, which is its 00:00 in Asia/Shanghai; "
                "neither in quotation marks"
            )


def _channels(told: Mapping[str, Any]) -> tuple[Channel, ...]:
    channels: dict[str, Channel] = {}
    for number, block in enumerate(_tables(told, "channel"), 1):
        with _block(_channel_title(number, block)):
            channel = convert_channel(block)
            if channel.name in channels:
                raise ValueError("name: is given twice; every channel needs a name of its own")
        channels[channel.name] = channel
    return tuple(channels.values())


def _channel_title(number: int, block: Mapping[str, Any]) -> str:
    name = block.get("name")
    return f"[[channel]] {name!r}" if isinstance(name, str) else f"[[channel]] number {number}"


def _routes(told: Mapping[str, Any], channels: Sequence[str], places: Places) -> tuple[Route, ...]:
    routes = []
    for number, block in enumerate(_tables(told, "route"), 1):
        with _block(f"[[route]] number {number}"):
            routes.append(convert_route(block, channels, places))
    return tuple(routes)


def _refuse_deaf_channels(channels: Sequence[Channel], routes: Sequence[Route]) -> None:
    told = {name for route in routes for name in route.channels}
    for channel in channels:
        if channel.name not in told:
            raise ConfigurationError(
                f"[[channel]] {channel.name!r}: no [[route]] names it, so it would never be told "
                "anything; name it in the channels of a route"
            )


def _tables(told: Mapping[str, Any], name: str) -> list[dict[str, Any]]:
    tables = told.get(name, [])
    if isinstance(tables, list) and all(isinstance(table, dict) for table in tables):
        return tables
    raise ConfigurationError(f"[[{name}]]: must be tables, each written [[{name}]]")


@contextmanager
def _block(title: str) -> Iterator[None]:
    try:
        yield
    except ValueError as error:
        raise ConfigurationError(f"{title}: {error}") from None
