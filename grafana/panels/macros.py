"""What Grafana's back end puts into a query that has no variables left: intervals and macros."""

import re
from collections.abc import Callable
from datetime import UTC, datetime

from grafana.panels.time_range import TimeRange, duration_text, seconds_of

__all__ = ["MacroError", "promql", "sql"]

MACRO = re.compile(r"\$([_a-zA-Z0-9]+)\(([^)]*)\)")


class MacroError(ValueError):
    """A macro is unknown or has the wrong arguments."""


def promql(text: str, period: TimeRange, step: float, scrape_seconds: float) -> str:
    """Return PromQL with Grafana's intervals put in."""
    rate = max(step + scrape_seconds, 4 * scrape_seconds)
    texts = {
        "interval": duration_text(step),
        "interval_ms": f"{step * 1000:.0f}",
        "range": duration_text(round(period.seconds)),
        "range_ms": f"{period.seconds * 1000:.0f}",
        "range_s": f"{round(period.seconds)}",
        "rate_interval": duration_text(rate),
        "rate_interval_ms": f"{rate * 1000:.0f}",
    }
    return re.sub(
        r"\$__(\w+)|\$\{__(\w+)\}",
        lambda found: texts.get(found[1] or found[2], found[0]),
        text,
        flags=re.ASCII,
    )


def sql(text: str, period: TimeRange, step: float) -> str:
    """Return SQL with the PostgreSQL data source's macros put in; raise MacroError."""
    texts = {"$__interval_ms": f"{step * 1000:.0f}", "$__interval": duration_text(step)}
    for name, value in texts.items():
        text = text.replace(name, value)
    return MACRO.sub(lambda found: _macro(_alias(found), found[2], period), text)


def _alias(found: re.Match[str]) -> str:
    """Return a macro's name; a group before a comma is given its name `time`, as it once was."""
    is_old = found[1] == "__timeGroup" and found.string[found.end() :].startswith(",")
    return "__timeGroupAlias" if is_old else found[1]


def _macro(name: str, told: str, period: TimeRange) -> str:
    if name not in MACROS:
        raise MacroError(f"unknown macro ${name}")
    arguments = [each.strip() for each in told.split(",")]
    if not arguments[0] and not name.endswith(("From", "To")):
        raise MacroError(f"missing time column argument for macro ${name}")
    return MACROS[name](arguments, period)


def _group(arguments: list[str], _: TimeRange) -> str:
    if len(arguments) != 2:  # noqa: PLR2004 - a third would fill gaps, which nobody here wants
        raise MacroError("$__timeGroup takes a column and an interval")
    seconds = f"{seconds_of(arguments[1].strip(chr(39))):.0f}"
    return f"floor(extract(epoch from {arguments[0]})/{seconds})*{seconds}"


def _literal(instant: datetime) -> str:
    return f"'{instant.astimezone(UTC):%Y-%m-%dT%H:%M:%S.%fZ}'"


MACROS: dict[str, Callable[[list[str], TimeRange], str]] = {
    "__time": lambda told, _: f'{told[0]} AS "time"',
    "__timeFilter": lambda told, period: (
        f"{told[0]} BETWEEN {_literal(period.begin)} AND {_literal(period.end)}"
    ),
    "__timeFrom": lambda _, period: _literal(period.begin),
    "__timeGroup": _group,
    "__timeGroupAlias": lambda told, period: f'{_group(told, period)} AS "time"',
    "__timeTo": lambda _, period: _literal(period.end),
}
