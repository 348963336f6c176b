"""The time range of a dashboard and what follows from it, as Grafana works it out."""

import re
from dataclasses import dataclass
from datetime import datetime, timedelta

from rebate_monitor.domain.local_time import SHANGHAI

__all__ = ["TimeRange", "duration_text", "seconds_of", "time_range"]

SECONDS = {
    "ms": 0.001,
    "s": 1,
    "m": 60,
    "h": 3600,
    "d": 86400,
    "w": 604800,
    "M": 2592000,
    "y": 31536000,
}
DURATION = re.compile(r"(\d+)\s*(ms|[smhdwMy])")
RELATIVE = re.compile(r"now(?:-(?P<count>\d+)(?P<unit>[smhdwMy]))?(?:/(?P<to>[hdwMy]))?")
ROUND_STEPS = (
    1, 2, 5, 10, 15, 20, 30, 60, 120, 300, 600, 900, 1200, 1800, 3600, 7200, 10800, 21600, 43200,
    86400, 604800, 2592000,
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class TimeRange:
    """What a dashboard looks at, both ends included."""

    begin: datetime
    end: datetime

    @property
    def seconds(self) -> float:
        """How long it is."""
        return (self.end - self.begin).total_seconds()

    def step(self, points: int, at_least: float) -> float:
        """Return the seconds between points: Grafana's `$__interval`, rounded up."""
        wanted = self.seconds / points
        rounded = next((step for step in ROUND_STEPS if step >= wanted), ROUND_STEPS[-1])
        return max(rounded, at_least)


def time_range(begin: str, end: str, now: datetime) -> TimeRange:
    """Return the range that two texts such as `now-30d` and `now` mean."""
    return TimeRange(begin=_instant(begin, now, is_end=False), end=_instant(end, now, is_end=True))


def _instant(text: str, now: datetime, *, is_end: bool) -> datetime:
    found = RELATIVE.fullmatch(text)
    if found is None:
        raise ValueError(f"{text!r} is no time that is understood here: now-30d, now/M")
    instant = now.astimezone(SHANGHAI)
    if found["count"]:
        instant = _before(instant, int(found["count"]), found["unit"])
    if found["to"]:
        return _end_of(instant, found["to"]) if is_end else _begin_of(instant, found["to"])
    return instant


def _before(instant: datetime, count: int, unit: str) -> datetime:
    if unit in "My":
        months = instant.year * 12 + instant.month - 1 - count * (12 if unit == "y" else 1)
        day = min(instant.day, 28)
        return instant.replace(year=months // 12, month=months % 12 + 1, day=day)
    return instant - timedelta(seconds=count * SECONDS[unit])


def _begin_of(instant: datetime, unit: str) -> datetime:
    hour = instant.replace(minute=0, second=0, microsecond=0)
    day = hour.replace(hour=0)
    begins = {
        "h": hour,
        "d": day,
        "w": day - timedelta(days=day.weekday()),
        "M": day.replace(day=1),
        "y": day.replace(month=1, day=1),
    }
    return begins[unit]


def _end_of(instant: datetime, unit: str) -> datetime:
    longer = {"h": 1, "d": 24, "w": 7 * 24, "M": 31 * 24, "y": 366 * 24}[unit]
    after = _begin_of(_begin_of(instant, unit) + timedelta(hours=longer), unit)
    return after - timedelta(milliseconds=1)


def seconds_of(duration: str) -> float:
    """Return the seconds of a duration such as `1d` or `5m`."""
    found = DURATION.fullmatch(duration.strip())
    if found is None:
        raise ValueError(f"{duration!r} is no duration: 30s, 5m, 1d")
    return int(found[1]) * SECONDS[found[2]]


def duration_text(seconds: float) -> str:
    """Return a duration for PromQL."""
    return f"{seconds:.0f}s" if seconds >= 1 else f"{seconds * 1000:.0f}ms"
