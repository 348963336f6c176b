"""Dashboards as they lie in their files: what this project reads of them, and the rest as it is."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from grafana.panels.json_text import json_text

__all__ = [
    "DASHBOARDS",
    "Dashboard",
    "Json",
    "Panel",
    "Place",
    "Query",
    "Variable",
    "dashboard",
    "dashboards",
    "read_json",
    "write_json",
]

Json = dict[str, Any]

DASHBOARDS = Path(__file__).parent.parent / "dashboards"
PROMETHEUS, ROW = "prometheus", "row"


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a panel is: columns of 24 and rows of 30 pixels."""

    x: int
    y: int
    w: int
    h: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """One question of a panel to a data source: PromQL or SQL."""

    ref_id: str
    kind: str
    uid: str
    text: str
    format: str
    instant: bool
    legend: str
    hidden: bool

    @property
    def is_promql(self) -> bool:
        """Tell whether it asks Prometheus."""
        return self.kind == PROMETHEUS


@dataclass(frozen=True, slots=True, kw_only=True)
class Panel:
    """One panel; a row is a panel of kind `row` without queries."""

    number: int
    kind: str
    title: str
    description: str
    place: Place
    queries: tuple[Query, ...]
    raw: Json

    @property
    def is_row(self) -> bool:
        """Tell whether it is only the heading of those below it."""
        return self.kind == ROW

    @property
    def options(self) -> Json:
        """What the panel's own kind is told."""
        return dict(self.raw.get("options", {}))

    @property
    def defaults(self) -> Json:
        """What holds for all fields."""
        return dict(self.raw.get("fieldConfig", {}).get("defaults", {}))

    @property
    def overrides(self) -> list[Json]:
        """What holds for some fields."""
        return list(self.raw.get("fieldConfig", {}).get("overrides", []))

    @property
    def transformations(self) -> list[Json]:
        """What is done to the answers before they are shown."""
        return [
            step for step in self.raw.get("transformations", []) if not step.get("disabled", False)
        ]


@dataclass(frozen=True, slots=True, kw_only=True)
class Variable:
    """One thing that a reader of the dashboard selects."""

    name: str
    kind: str
    label: str
    query: str
    source_kind: str
    multi: bool
    include_all: bool
    all_value: str
    current: str | tuple[str, ...]
    regex: str
    sort: int
    hidden: bool
    raw: Json


@dataclass(frozen=True, slots=True, kw_only=True)
class Dashboard:
    """One dashboard of one language; `panels` has those in closed rows, too."""

    path: Path
    uid: str
    title: str
    panels: tuple[Panel, ...]
    variables: tuple[Variable, ...]
    raw: Json

    @property
    def name(self) -> str:
        """Its file's name, which both languages share."""
        return self.path.stem

    @property
    def language(self) -> str:
        """Its folder's name."""
        return self.path.parent.name

    def __str__(self) -> str:
        return f"{self.language}/{self.name}"


def read_json(path: Path) -> Json:
    """Read a dashboard's file as it is."""
    return dict(json.loads(path.read_text(encoding="utf-8")))


def write_json(path: Path, content: Json) -> None:
    """Write a dashboard's file in the form that all of them have."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json_text(content), encoding="utf-8")


def dashboards(folder: Path = DASHBOARDS) -> Iterator[Dashboard]:
    """Read the dashboards of all languages."""
    for path in sorted(folder.glob("??/*.json"), reverse=True):
        yield dashboard(path)


def dashboard(path: Path) -> Dashboard:
    """Read one dashboard."""
    raw = read_json(path)
    return Dashboard(
        path=path,
        uid=raw.get("uid", ""),
        title=raw.get("title", ""),
        panels=tuple(_panel(panel) for panel in _with_nested(raw.get("panels", []))),
        variables=tuple(map(_variable, raw.get("templating", {}).get("list", []))),
        raw=raw,
    )


def _with_nested(panels: Sequence[Json]) -> Iterator[Json]:
    for panel in panels:
        yield panel
        yield from _with_nested(panel.get("panels", []))


def _panel(raw: Json) -> Panel:
    place = raw.get("gridPos", {})
    return Panel(
        number=raw.get("id", 0),
        kind=raw.get("type", ""),
        title=raw.get("title", ""),
        description=raw.get("description", ""),
        place=Place(**{side: place.get(side, 0) for side in ("x", "y", "w", "h")}),
        queries=tuple(_query(target, raw) for target in raw.get("targets", [])),
        raw=raw,
    )


def _query(target: Json, panel: Json) -> Query:
    source = target.get("datasource") or panel.get("datasource") or {}
    return Query(
        ref_id=target.get("refId", ""),
        kind=source.get("type", ""),
        uid=source.get("uid", ""),
        text=target.get("expr") or target.get("rawSql") or "",
        format=target.get("format", "time_series"),
        instant=bool(target.get("instant", False)),
        legend=target.get("legendFormat", ""),
        hidden=bool(target.get("hide", False)),
    )


def _variable(raw: Json) -> Variable:
    current = raw.get("current", {}).get("value", "")
    return Variable(
        name=raw.get("name", ""),
        kind=raw.get("type", ""),
        label=raw.get("label", ""),
        query=_query_text(raw.get("query", "")),
        source_kind=(raw.get("datasource") or {}).get("type", ""),
        multi=bool(raw.get("multi", False)),
        include_all=bool(raw.get("includeAll", False)),
        all_value=raw.get("allValue") or "",
        current=tuple(current) if isinstance(current, list) else str(current),
        regex=raw.get("regex") or "",
        sort=int(raw.get("sort") or 0),
        hidden=raw.get("hide", 0) == 2,  # noqa: PLR2004 - Grafana's number for it
        raw=raw,
    )


def _query_text(query: str | Mapping[str, Any]) -> str:
    """Return the text of a variable's query, which old and new editors write differently."""
    if isinstance(query, str):
        return query
    return str(query.get("rawSql") or query.get("query") or "")
