"""Ask a real Prometheus and a real PostgreSQL what a panel asks them through Grafana."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import aiohttp
import asyncpg

from grafana.panels import macros
from grafana.panels.files import Json, Panel, Query
from grafana.panels.frames import TIME, VALUE, Cell, Field, FieldType, Frame, frame_of_rows
from grafana.panels.interpolation import (
    Choice,
    glob_format,
    interpolate,
    postgresql_format,
    prometheus_format,
)
from grafana.panels.time_range import TimeRange, seconds_of, time_range

__all__ = ["AnswerError", "Asked", "Sources", "as_series"]

PIXELS_A_COLUMN = 60
TABLE, SERIES = "table", "time_series"
TIME_COLUMNS, METRIC_COLUMN = ("time", "time_sec"), "metric"
LEGEND_LABEL = re.compile(r"\{\{\s*(.+?)\s*\}\}")
DATABASE_SECONDS = 60
ALERTS = 'count by (alertname, severity) (ALERTS{alertstate="firing"})'


class AnswerError(Exception):
    """A data source refused a query; the message has its words and the query."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What the queries of a dashboard are asked with: the selection, and the time it looks at.

    `since` is when a Prometheus began that is younger than that time: nothing older is asked of it.
    """

    choices: Mapping[str, Choice]
    period: TimeRange
    since: datetime | None = None

    def period_of(self, panel: Panel) -> TimeRange:
        """Return the time that a panel looks at, which may be its own."""
        own = panel.raw.get("timeFrom")
        period = time_range(f"now-{own}", "now", self.period.end) if own else self.period
        is_young = self.since and self.since > period.begin
        if self.since and is_young and any(query.is_promql for query in panel.queries):
            return TimeRange(begin=self.since, end=period.end)
        return period


@dataclass(frozen=True, slots=True, kw_only=True)
class Sources:
    """The data sources of the dashboards; Prometheus scrapes every so many seconds."""

    session: aiohttp.ClientSession
    prometheus: str
    database: "asyncpg.Connection[asyncpg.Record]"
    scrape_seconds: float

    async def ask(self, panel: Panel, asked: Asked) -> list[Frame]:
        """Return the answers to a panel's queries; raise AnswerError."""
        if panel.kind == "alertlist":
            return [await self._alerts()]
        visible = [query for query in panel.queries if not query.hidden]
        answers = [frame for query in visible for frame in await self._ask(panel, query, asked)]
        return _table_names(visible, answers)

    async def _alerts(self) -> Frame:
        """Return the alerts that fire: name, severity, how many of it."""
        data = await self.prometheus_data("/api/v1/query", {"query": ALERTS})
        rows = [
            (result["metric"]["alertname"], result["metric"]["severity"], float(result["value"][1]))
            for result in data["result"]
        ]
        types = [FieldType.STRING, FieldType.STRING, FieldType.NUMBER]
        return frame_of_rows("A", ["alertname", "severity", "count"], types, sorted(rows))

    async def _ask(self, panel: Panel, query: Query, asked: Asked) -> list[Frame]:
        period = asked.period_of(panel)
        if query.is_promql:
            return await self._ask_prometheus(panel, query, asked, period)
        text = interpolate(query.text, asked.choices, postgresql_format)
        step = _step(panel, period, DATABASE_SECONDS)
        frame = await self.select(macros.sql(text, period, step), query.ref_id)
        return [as_series(frame) if query.format == SERIES else frame]

    async def select(self, text: str, ref_id: str = "A") -> Frame:
        """Return the rows of SQL as they are; raise AnswerError."""
        try:
            prepared = await self.database.prepare(text)
            rows = await prepared.fetch()
        except (asyncpg.PostgresError, asyncpg.InterfaceError) as error:
            raise AnswerError(f"{error}\n{text}") from error
        columns = prepared.get_attributes()
        cells = [[_cell(value) for value in row] for row in rows]
        types = [_column_type(column.type.name) for column in columns]
        return frame_of_rows(ref_id, [column.name for column in columns], types, cells)

    async def _ask_prometheus(
        self, panel: Panel, query: Query, asked: Asked, period: TimeRange
    ) -> list[Frame]:
        step = _step(panel, period, self.scrape_seconds)
        text = interpolate(query.text, _with_times(asked), prometheus_format)
        text = macros.promql(text, period, step, self.scrape_seconds)
        data = await self.prometheus_data(*_request(query, text, period, step))
        legend = interpolate(query.legend, asked.choices, glob_format)
        frames = [_series_of(each, query.ref_id, legend) for each in _results(data)]
        return [_table(frames, query.ref_id)] if query.format == TABLE else frames

    async def prometheus_data(self, path: str, parameters: Mapping[str, str]) -> Any:  # noqa: ANN401 - any JSON
        """Return the data of an answer of Prometheus' API; raise AnswerError."""
        async with self.session.post(f"{self.prometheus}{path}", data=parameters) as response:
            answer = await response.json()
        if answer["status"] != "success":
            raise AnswerError(f"{answer['error']}\n{parameters}")
        return answer["data"]


def _step(panel: Panel, period: TimeRange, least: float) -> float:
    points = panel.raw.get("maxDataPoints") or panel.place.w * PIXELS_A_COLUMN
    told = panel.raw.get("interval")
    return period.step(points, seconds_of(told) if told else least)


def _with_times(asked: Asked) -> dict[str, Choice]:
    """Return the selection and, in milliseconds, when the time range begins and ends."""
    ends = {"__from": asked.period.begin, "__to": asked.period.end}
    texts = {name: f"{instant.timestamp() * 1000:.0f}" for name, instant in ends.items()}
    times = {name: Choice(name=name, value=text, text=text) for name, text in texts.items()}
    return {**asked.choices, **times}


# Prometheus


def _request(query: Query, text: str, period: TimeRange, step: float) -> tuple[str, dict[str, str]]:
    if query.instant:
        return "/api/v1/query", {"query": text, "time": f"{period.end.timestamp()}"}
    begin, end = (instant.timestamp() // step * step for instant in (period.begin, period.end))
    return "/api/v1/query_range", {
        "query": text,
        "start": f"{begin}",
        "end": f"{end}",
        "step": f"{step}",
    }


def _results(data: Json) -> list[Json]:
    if data["resultType"] in {"scalar", "string"}:
        return [{"metric": {}, "value": data["result"]}]
    return list(data["result"])


def _series_of(result: Json, ref_id: str, legend: str) -> Frame:
    """Return one series; it is named by its legend, or else by metric and labels."""
    points = result.get("values") or [result["value"]]
    labels = {name: text for name, text in result["metric"].items() if name != "__name__"}
    told = _legend(legend, labels)
    times = tuple(datetime.fromtimestamp(float(instant), UTC) for instant, _ in points)
    values = tuple(float(value) for _, value in points)
    fields = (
        Field(name=TIME, type=FieldType.TIME, values=times),
        Field(name=VALUE, type=FieldType.NUMBER, values=values, labels=labels, legend=told),
    )
    return Frame(ref_id=ref_id, fields=fields, name=told or _metric_text(result["metric"]))


def _legend(legend: str, labels: Mapping[str, str]) -> str:
    if legend == "__auto":
        return next(iter(labels.values())) if len(labels) == 1 else ""
    return LEGEND_LABEL.sub(lambda found: labels.get(found[1], ""), legend)


def _metric_text(metric: Mapping[str, str]) -> str:
    labels = ", ".join(f'{name}="{text}"' for name, text in metric.items() if name != "__name__")
    return metric.get("__name__", "") + (f"{{{labels}}}" if labels else "")


def _table(frames: Sequence[Frame], ref_id: str) -> Frame:
    """Return series as one table with a column for each label."""
    labels = list(
        dict.fromkeys(name for frame in frames for name in sorted(frame.fields[1].labels))
    )
    names = [TIME, *labels, VALUE]
    types = [FieldType.TIME, *[FieldType.STRING] * len(labels), FieldType.NUMBER]
    rows = [
        [instant, *(frame.fields[1].labels.get(name, "") for name in labels), value]
        for frame in frames
        for instant, value in frame.rows()
    ]
    return frame_of_rows(ref_id, names, types, rows)


def _table_names(queries: Sequence[Query], frames: Sequence[Frame]) -> list[Frame]:
    """Name the values of several PromQL tables after their queries, as Grafana does."""
    tables = {each.ref_id for each in queries if each.is_promql and each.format == TABLE}
    if len(tables) < 2:  # noqa: PLR2004 - several
        return list(frames)
    return [_renamed_value(each) if each.ref_id in tables else each for each in frames]


def _renamed_value(frame: Frame) -> Frame:
    *others, value = frame.fields
    return replace(frame, fields=(*others, replace(value, name=f"{VALUE} #{frame.ref_id}")))


# PostgreSQL


def _column_type(name: str) -> FieldType:
    if name in {"timestamptz", "timestamp", "date", "time", "timetz"}:
        return FieldType.TIME
    if name in {"int2", "int4", "int8", "float4", "float8", "numeric"}:
        return FieldType.NUMBER
    return FieldType.BOOLEAN if name == "bool" else FieldType.STRING


def _cell(value: object) -> Cell:
    """Return a value as Grafana gets it: a date is an instant in UTC there."""
    if isinstance(value, bool | str | datetime | None):
        return value
    if isinstance(value, int | float | Decimal):
        return float(value)
    if isinstance(value, date):
        return datetime(value.year, value.month, value.day, tzinfo=UTC)
    return str(value)


def as_series(frame: Frame) -> Frame:
    """Return rows of a query of time series as Grafana forms them; raise AnswerError."""
    names = [each.name for each in frame.fields]
    time = next((each for each in frame.fields if each.name in TIME_COLUMNS), None)
    if time is None:
        raise AnswerError(f"a query of time series has no column time: {', '.join(names)}")
    if frame.of_type(FieldType.STRING):
        return _wide(frame, time)
    others = (each for each in frame.fields if each is not time)
    return replace(frame, fields=(replace(time, name=TIME), *others))


def _wide(frame: Frame, time: Field) -> Frame:
    """Return a column for each value of the texts beside the time: long rows made wide."""
    texts = [each.name for each in frame.of_type(FieldType.STRING)]
    rows = [
        dict(zip((each.name for each in frame.fields), row, strict=True)) for row in frame.rows()
    ]
    instants = dict.fromkeys(time.values)
    found = {(row[time.name], *(row[text] for text in texts)): row for row in rows}
    labels = dict.fromkeys(key[1:] for key in found)
    wide = [
        Field(
            name=number.name,
            type=FieldType.NUMBER,
            values=tuple(found.get((at, *each), {}).get(number.name) for at in instants),
            labels={name: str(text) for name, text in zip(texts, each, strict=True)},
        )
        for number in frame.of_type(FieldType.NUMBER)
        for each in labels
    ]
    if texts == [METRIC_COLUMN] and len(frame.fields) == 3:  # noqa: PLR2004 - as Grafana does
        wide = [replace(each, name=each.labels[METRIC_COLUMN], labels={}) for each in wide]
    return replace(
        frame, fields=(Field(name=TIME, type=FieldType.TIME, values=tuple(instants)), *wide)
    )
