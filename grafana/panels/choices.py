"""What can be selected on a dashboard, and what is: variables with their options."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from grafana.panels.answers import Sources
from grafana.panels.files import Dashboard, Variable
from grafana.panels.frames import FieldType, Frame
from grafana.panels.interpolation import (
    ALL,
    Choice,
    interpolate,
    postgresql_format,
    prometheus_format,
)

__all__ = ["Option", "Options", "choices", "options"]

ALL_TEXT = "All"
LABEL_VALUES = re.compile(r"label_values\((?:(?P<series>.+),\s*)?(?P<label>\w+)\)\s*")
QUERY_RESULT = re.compile(r"query_result\((?P<query>.+)\)\s*")
CSV = re.compile(r"(?:\\,|[^,])+")
NAMED = re.compile(r"\s*(.+)\s:\s(.+)")

Option = tuple[str, str]
Options = Mapping[str, Sequence[Option]]
"""Texts and values by the name of the variable."""


async def options(dashboard: Dashboard, sources: Sources) -> dict[str, list[Option]]:
    """Return what can be selected, each query asked with what is selected above it."""
    found: dict[str, list[Option]] = {}
    for variable in dashboard.variables:
        above = choices(dashboard.variables[: len(found)], found)
        found[variable.name] = await _options(variable, sources, above)
    return found


async def _options(
    variable: Variable, sources: Sources, above: Mapping[str, Choice]
) -> list[Option]:
    if variable.kind != "query":
        return _told(variable)
    if variable.source_kind == "prometheus":
        found = await _of_prometheus(interpolate(variable.query, above, prometheus_format), sources)
    else:
        frame = await sources.select(interpolate(variable.query, above, postgresql_format))
        found = _of_rows(frame)
    return _sorted(variable, _matching(variable, found))


def _told(variable: Variable) -> list[Option]:
    """Return the options that stand in the dashboard itself."""
    if variable.kind == "custom":
        return [_named(text.replace("\\,", ",")) for text in CSV.findall(variable.query)]
    return [(variable.query, variable.query)]


def _named(text: str) -> Option:
    found = NAMED.fullmatch(text)
    return (found[1].strip(), found[2].strip()) if found else (text.strip(), text.strip())


async def _of_prometheus(query: str, sources: Sources) -> list[Option]:
    if found := LABEL_VALUES.fullmatch(query):
        series = await sources.prometheus_data(
            "/api/v1/series", {"match[]": found["series"] or f'{{{found["label"]}!=""}}'}
        )
        values = sorted({each[found["label"]] for each in series if found["label"] in each})
        return [(value, value) for value in values]
    if found := QUERY_RESULT.fullmatch(query):
        data = await sources.prometheus_data("/api/v1/query", {"query": found["query"]})
        return [(text, text) for text in map(_series_text, data["result"])]
    raise ValueError(f"{query!r} is neither label_values() nor query_result()")


def _series_text(result: Mapping[str, Mapping[str, str]]) -> str:
    metric, (instant, value) = result["metric"], result["value"]
    labels = ",".join(f'{name}="{text}"' for name, text in metric.items() if name != "__name__")
    return f"{metric.get('__name__', '')}{{{labels}}} {value} {float(instant) * 1000:.0f}"


def _of_rows(frame: Frame) -> list[Option]:
    """Return options from the columns __text and __value, or from the only one."""
    names = [each.name.removeprefix("__") for each in frame.fields]
    usable = [each.type in {FieldType.STRING, FieldType.NUMBER} for each in frame.fields]
    first = usable.index(True)
    value = names.index("value") if "value" in names else None
    text = names.index("text") if "text" in names else None
    text, value = _either(text, value, first), _either(value, text, first)
    return [(_plain(row[text]), _plain(row[value])) for row in frame.rows()]


def _either(*columns: int | None) -> int:
    return next(column for column in columns if column is not None)


def _plain(value: object) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)


def _matching(variable: Variable, found: Iterable[Option]) -> list[Option]:
    """Keep what a variable's regular expression matches, with its groups `text` and `value`."""
    if not variable.regex:
        return list(dict.fromkeys(found))
    pattern = re.compile(variable.regex.strip("/").replace("(?<", "(?P<"))
    matches = (pattern.search(value) for _, value in found)
    return list(dict.fromkeys(_groups(match) for match in matches if match))


def _groups(match: re.Match[str]) -> Option:
    named = match.groupdict()
    value = named.get("value") or named.get("text") or (match[1] if match.re.groups else match[0])
    return named.get("text") or value, value


def _sorted(variable: Variable, found: list[Option]) -> list[Option]:
    """Return options in Grafana's numbered orders: odd ascending, even descending."""
    if not variable.sort:
        return found
    is_number = variable.sort in {3, 4}
    by_number = sorted(found, key=lambda option: _number_in(option[0]))
    ordered = by_number if is_number else sorted(found)
    return ordered if variable.sort % 2 else ordered[::-1]


def _number_in(text: str) -> int:
    found = re.search(r"\d+", text)
    return int(found[0]) if found else -1


def choices(variables: Sequence[Variable], known: Options) -> dict[str, Choice]:
    """Return what is selected when the dashboard is opened."""
    return {each.name: _choice(each, known[each.name]) for each in variables}


def _choice(variable: Variable, known: Sequence[Option]) -> Choice:
    current = variable.current or (known[0][1] if known else "")
    made = Choice(
        name=variable.name,
        value=current,
        text=_text_of(current, known),
        multi=variable.multi,
        include_all=variable.include_all,
    )
    if ALL in ((current,) if isinstance(current, str) else current):
        values = tuple(value for _, value in known)
        return replace(made, value=values, text=ALL_TEXT, custom=variable.all_value)
    return made


def selected(choice: Choice, value: str, known: Sequence[Option]) -> Choice:
    """Return the choice of one value instead."""
    return replace(
        choice,
        value=(value,) if choice.multi else value,
        text=_text_of(value, known),
        custom="",
    )


def _text_of(value: str | tuple[str, ...], known: Sequence[Option]) -> str:
    texts = {told: text for text, told in known}
    several = (value,) if isinstance(value, str) else value
    return " + ".join(texts.get(each, each) for each in several)
