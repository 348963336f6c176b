"""Values as Grafana writes them: its units, and its rounding where no decimals are told."""

import math
from collections.abc import Callable, Sequence
from datetime import UTC, datetime

from rebate_monitor.domain.local_time import SHANGHAI

__all__ = ["known_unit", "time_text", "value_text"]

Written = Callable[[float, int | None], str]
DAY, HOUR, MINUTE = 86400, 3600, 60
PATTERNS = {"YYYY": "%Y", "MM": "%m", "DD": "%d", "HH": "%H", "mm": "%M", "ss": "%S"}


def value_text(value: float, unit: str, decimals: int | None) -> str:
    """Return a number with its unit."""
    if math.isnan(value):
        return "NaN"
    if unit in UNITS:
        return UNITS[unit](value, decimals)
    kind, _, told = unit.partition(":")
    if kind == "prefix":
        return told + fixed(value, decimals)
    if kind == "time" or unit in TIMES:
        return time_text(datetime.fromtimestamp(value / 1000, UTC), unit)
    return f"{fixed(value, decimals)} {told.strip() if kind == 'suffix' else unit}"


def known_unit(unit: str) -> bool:
    """Tell whether it is a unit of Grafana that is known here, or one that says itself."""
    return unit in UNITS or unit in TIMES or ":" in unit


def time_text(instant: datetime, unit: str) -> str:
    """Return an instant in Shanghai's time."""
    kind, _, pattern = unit.partition(":")
    if kind == "time" and pattern:
        return _pattern_text(instant, pattern)
    return _pattern_text(instant, TIMES.get(unit, TIMES["dateTimeAsSystem"]))


def _pattern_text(instant: datetime, pattern: str) -> str:
    for told, ours in PATTERNS.items():
        pattern = pattern.replace(told, ours)
    return instant.astimezone(SHANGHAI).strftime(pattern)


def fixed(value: float, decimals: int | None) -> str:
    """Return a number with decimals; without a number of them, those that matter."""
    if math.isinf(value):
        return "∞" if value > 0 else "-∞"
    places = _decimals(value) if decimals is None else decimals
    return f"{_half_up(value, places):.{places}f}"


def _half_up(value: float, places: int) -> float:
    """Round as JavaScript does, a half upwards."""
    return math.floor(value * 10.0**places + 0.5) / 10.0**places


def _decimals(value: float) -> int:
    if value == 0 or value % 1 == 0:
        return 0
    return max(0, 2 - math.floor(math.log10(abs(value))))


def _percent(value: float, decimals: int | None) -> str:
    return f"{fixed(value, decimals)}%"


def _scaled(factor: float, names: Sequence[str]) -> Written:
    def scaled(value: float, decimals: int | None) -> str:
        size = 0 if value == 0 else math.floor(math.log(abs(value), factor) + 1e-9)
        size = max(0, min(size, len(names) - 1))
        return fixed(value / factor**size, decimals) + names[size]

    return scaled


def _seconds(value: float, decimals: int | None) -> str:
    """Return a duration in its largest unit, as Grafana's unit `s`."""
    size = abs(value)
    if 0 < size < 1:
        return _small_seconds(value, decimals)
    for least, name in ((DAY * 365, "year"), (DAY * 7, "week"), (DAY, "day"), (HOUR, "hour")):
        if size >= least:
            text = fixed(value / least, decimals)
            return f"{text} {name}{'s' if size / least > 1 else ''}"
    if size >= MINUTE:
        return f"{fixed(value / MINUTE, decimals)} min{'s' if size > MINUTE else ''}"
    return f"{fixed(value, decimals)} s"


def _small_seconds(value: float, decimals: int | None) -> str:
    if abs(value) >= 0.001:  # noqa: PLR2004 - a millisecond
        return f"{fixed(value * 1000, decimals)} ms"
    return f"{fixed(value * 1_000_000, decimals)} µs"


def _locale(value: float, decimals: int | None) -> str:
    text = f"{_half_up(value, 3 if decimals is None else decimals):,.{decimals or 3}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


UNITS: dict[str, Written] = {
    "": fixed,
    "none": fixed,
    "string": lambda value, _: f"{value:g}",
    "short": _scaled(1000, ["", " K", " Mil", " Bil", " Tri"]),
    "locale": _locale,
    "percent": _percent,
    "percentunit": lambda value, decimals: _percent(
        value * 100, _decimals(value * 100) if decimals is None else decimals
    ),
    "bytes": _scaled(1024, [" B", " KiB", " MiB", " GiB", " TiB"]),
    "decbytes": _scaled(1000, [" B", " kB", " MB", " GB", " TB"]),
    "currencyCNY": lambda value, decimals: (
        "¥" + _scaled(1000, ["", "K", "M", "B"])(value, decimals)
    ),
    "s": _seconds,
    "ms": lambda value, decimals: _seconds(value / 1000, decimals),
    "cps": _scaled(1000, [" c/s", "K c/s", "M c/s"]),
    "ops": _scaled(1000, [" ops/s", "K ops/s", "M ops/s"]),
    "reqps": _scaled(1000, [" req/s", "K req/s", "M req/s"]),
    "eps": _scaled(1000, [" evt/s", "K evt/s", "M evt/s"]),
}
TIMES = {
    "dateTimeAsIso": "YYYY-MM-DD HH:mm:ss",
    "dateTimeAsIsoNoDateIfToday": "YYYY-MM-DD HH:mm:ss",
    "dateTimeAsLocal": "YYYY-MM-DD HH:mm:ss",
    "dateTimeAsSystem": "YYYY-MM-DD HH:mm:ss",
    "dateTimeFromNow": "YYYY-MM-DD HH:mm:ss",
}
