"""Panels with axes: time series and bar chart."""

import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from grafana.panels.canvas import Box, Page
from grafana.panels.colors import GRID, MUTED, contrast
from grafana.panels.field_config import is_hidden, series_color, shown
from grafana.panels.files import Panel
from grafana.panels.frames import Cell, Field, FieldType, Frame, display_name
from grafana.panels.reducers import reduced
from grafana.panels.time_range import TimeRange
from rebate_monitor.domain.local_time import SHANGHAI

__all__ = ["draw_bars", "draw_series"]

SIZE, LEGEND, TICKS_APART = 12.0, 24.0, 44.0
MOST_DECIMALS = 4
NICE = (1, 2, 2.5, 5, 10)
NUMBER = re.compile(r"-?[\d.]+")
TIME_STEPS = (
    (timedelta(seconds=1), "%H:%M:%S"), (timedelta(seconds=5), "%H:%M:%S"),
    (timedelta(seconds=15), "%H:%M:%S"), (timedelta(seconds=30), "%H:%M:%S"),
    (timedelta(minutes=1), "%H:%M"), (timedelta(minutes=5), "%H:%M"),
    (timedelta(minutes=30), "%H:%M"), (timedelta(hours=1), "%H:%M"), (timedelta(hours=3), "%H:%M"),
    (timedelta(hours=6), "%m-%d %H:%M"), (timedelta(days=1), "%m-%d"), (timedelta(days=7), "%m-%d"),
    (timedelta(days=30.44), "%Y-%m"),
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """One line, or one kind of bars."""

    name: str
    field: Field
    color: str
    last: str

    @property
    def custom(self) -> dict[str, object]:
        """What its own kind of panel is told of it."""
        return dict(self.field.config.get("custom", {}))


@dataclass(frozen=True, slots=True, kw_only=True)
class Axis:
    """Numbers from `least` to `most`, with those that are written beside it."""

    least: float
    most: float
    ticks: tuple[float, ...]

    def share(self, value: float) -> float:
        """Return where a value is, 0 to 1."""
        return (value - self.least) / (self.most - self.least)


def axis(least: float, most: float, count: float, field: Field) -> Axis:
    """Return an axis with about so many numbers that are round in the unit of a field."""
    span = (most - least) or abs(most) or 1.0
    rough = span / max(count, 1)
    if field.config.get("unit") == "bytes":
        step = 2.0 ** math.ceil(math.log2(rough))
    else:
        size = 10.0 ** math.floor(math.log10(rough))
        step = next(nice * size for nice in NICE if nice * size >= rough)
    first, last = math.floor(least / step + 1e-9), math.ceil(most / step - 1e-9)
    ticks = tuple(step * i for i in range(first, max(last, first + 1) + 1))
    return Axis(least=ticks[0], most=ticks[-1], ticks=ticks)


def _tick_texts(numbers: Axis, field: Field) -> list[str]:
    """Return the numbers of an axis, all with as many decimals as they need."""
    exact = _written(numbers, field, MOST_DECIMALS)
    for decimals in range(MOST_DECIMALS):
        texts = _written(numbers, field, decimals)
        if all(
            _number_in(text) == _number_in(long) for text, long in zip(texts, exact, strict=True)
        ):
            return texts
    return exact


def _written(numbers: Axis, field: Field, decimals: int) -> list[str]:
    told = replace(field, config={**field.config, "decimals": decimals})
    return [shown(told, tick).text for tick in numbers.ticks]


def _number_in(text: str) -> float:
    return float(NUMBER.findall(text)[0])


def _series(frames: Sequence[Frame]) -> list[tuple[Series, Sequence[Cell]]]:
    """Return the columns of numbers with the times or names beside them."""
    found = [
        (each, frame)
        for frame in frames
        for each in frame.of_type(FieldType.NUMBER)
        if not is_hidden(each)
    ]
    return [
        (
            Series(
                name=display_name(each, frame, frames),
                field=each,
                color=series_color(each, index),
                last=shown(each, reduced(each, "lastNotNull")).text,
            ),
            frame.fields[0].values,
        )
        for index, (each, frame) in enumerate(found)
    ]


def _legend(page: Page, box: Box, panel: Panel, series: Sequence[Series]) -> Box:
    """Write the legend below and return what is left of the box."""
    told = panel.options.get("legend", {})
    if not told.get("showLegend", True) or not series:
        return box
    has_last = "lastNotNull" in told.get("calcs", [])
    x, y = box.x + 4, box.bottom - LEGEND / 2
    for each in series:
        text = f"{each.name}  {each.last}" if has_last else each.name
        width = page.text_width(text, SIZE) + 36
        if x + width > box.right + 16 and x > box.x + 4:
            page.text(x, y, "…", SIZE, MUTED)
            break
        page.box(Box(x=x, y=y - 2, w=14, h=4), each.color, radius=2)
        page.text(x + 20, y, page.cut(text, box.right - x - 20, SIZE), SIZE)
        x += width
    return box.inner(0, 0, 0, LEGEND + 2)


def _upright_axis(page: Page, box: Box, numbers: Axis, field: Field) -> Box:
    """Write numbers at the left, with lines across; return the box of the plot."""
    texts = _tick_texts(numbers, field)
    width = max(page.text_width(text, SIZE) for text in texts) + 10
    plot = box.inner(width, 6, 6, 0)
    for tick, text in zip(numbers.ticks, texts, strict=True):
        y = plot.bottom - plot.h * numbers.share(tick)
        page.line([(plot.x, y), (plot.right, y)], GRID, 1)
        page.text(plot.x - 8, y, text, SIZE, MUTED, across="right")
    return plot


# Time series


def draw_series(
    page: Page, box: Box, panel: Panel, frames: Sequence[Frame], period: TimeRange
) -> None:
    """Draw lines over time, one upon another where the panel stacks them."""
    found = _series(frames)
    plot = _legend(page, box, panel, [each for each, _ in found]).inner(0, 0, 0, 22)
    lines = _stacked(found) if _is_stacked(panel) else [_points(each, at) for each, at in found]
    field = found[0][0].field
    numbers = _range(field, [y for line in lines for _, y in line], plot.h / TICKS_APART)
    plot = _upright_axis(page, plot, numbers, field)
    _time_axis(page, plot, period)
    below: list[tuple[float, float]] = []
    for (each, _), line in zip(found, lines, strict=True):
        points = [
            (
                plot.x + plot.w * (at - period.begin.timestamp()) / period.seconds,
                plot.bottom - plot.h * numbers.share(y),
            )
            for at, y in line
        ]
        ground = below or [(x, plot.bottom) for x, _ in points]
        _draw_line(page, each, points, ground)
        below = points if _is_stacked(panel) else []


def _is_stacked(panel: Panel) -> bool:
    stacking = panel.defaults.get("custom", {}).get("stacking", {})
    return bool(stacking.get("mode", "none") == "normal")


def _points(series: Series, times: Sequence[Cell]) -> list[tuple[float, float]]:
    return [
        (at.timestamp(), value)
        for at, value in zip(times, series.field.values, strict=True)
        if isinstance(at, datetime) and isinstance(value, float) and not math.isnan(value)
    ]


def _stacked(found: Sequence[tuple[Series, Sequence[Cell]]]) -> list[list[tuple[float, float]]]:
    """Return each line upon the sum of those before it."""
    below: dict[float, float] = {}
    lines = []
    for series, times in found:
        points = _points(series, times)
        line = [(at, value + below.get(at, 0.0)) for at, value in points]
        below |= dict(line)
        lines.append(line)
    return lines


def _range(field: Field, values: Sequence[float], count: float) -> Axis:
    least, most = field.config.get("min"), field.config.get("max")
    least = min(values, default=0.0) if least is None else float(least)
    most = max(values, default=1.0) if most is None else float(most)
    return axis(least, max(most, least), count, field)


def _draw_line(
    page: Page,
    series: Series,
    points: Sequence[tuple[float, float]],
    ground: Sequence[tuple[float, float]],
) -> None:
    opacity = float(str(series.custom.get("fillOpacity", 0))) / 100
    if opacity and len(points) > 1:
        page.area([*points, *reversed(ground)], series.color, opacity)
    style = series.custom.get("lineStyle")
    is_dashed = isinstance(style, dict) and style.get("fill") == "dash"
    width = float(str(series.custom.get("lineWidth", 1)))
    if len(points) > 1:
        page.line(points, series.color, width, dashed=is_dashed)
    if series.custom.get("showPoints") == "always" or len(points) == 1:
        for x, y in points:
            page.dot(x, y, series.color, float(str(series.custom.get("pointSize", 5))))


def _time_axis(page: Page, plot: Box, period: TimeRange) -> None:
    wanted = timedelta(seconds=period.seconds / max(plot.w / 90, 1))
    step, pattern = next((each for each in TIME_STEPS if each[0] >= wanted), TIME_STEPS[-1])
    for at in _time_ticks(period, step):
        x = plot.x + plot.w * (at - period.begin).total_seconds() / period.seconds
        text = f"{at.astimezone(SHANGHAI):{pattern}}"
        page.line([(x, plot.y), (x, plot.bottom)], GRID, 1)
        half = page.text_width(text, SIZE) / 2
        if plot.x - 6 <= x - half and x + half <= plot.right + 6:
            page.text(x, plot.bottom + 13, text, SIZE, MUTED, across="center")


def _time_ticks(period: TimeRange, step: timedelta) -> list[datetime]:
    """Return round times in Shanghai; months begin on their first day."""
    if step > timedelta(days=28):
        return _months(period)
    midnight = period.begin.astimezone(SHANGHAI).replace(hour=0, minute=0, second=0, microsecond=0)
    first = math.ceil((period.begin - midnight) / step)
    count = int(period.seconds / step.total_seconds()) + 2
    ticks = (midnight + step * (first + i) for i in range(count))
    return [tick for tick in ticks if period.begin <= tick <= period.end]


def _months(period: TimeRange) -> list[datetime]:
    begin, end = period.begin.astimezone(SHANGHAI), period.end.astimezone(SHANGHAI)
    first = begin.replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    months = range(first.year * 12 + first.month, end.year * 12 + end.month)
    return [first.replace(year=month // 12, month=month % 12 + 1) for month in months]


# Bar chart


def draw_bars(page: Page, box: Box, panel: Panel, frames: Sequence[Frame]) -> None:
    """Draw a group of bars for each row, standing or lying, beside or upon each other."""
    frame = frames[0]
    names = _row_names(frame, panel.options.get("xField"), frames)
    series = [each for each, _ in _series([frame])]
    plot = _legend(page, box, panel, series)
    is_stacked = panel.options.get("stacking", "none") != "none"
    rows = [[_number(each.field.values[row]) for each in series] for row in range(len(frame))]
    sums = [sum(row) for row in rows] if is_stacked else [max(row, default=0.0) for row in rows]
    draw = _lying_bars if panel.options.get("orientation") == "horizontal" else _standing_bars
    draw(
        page, plot, Bars(names=names, series=series, rows=rows, most=max(sums), stacked=is_stacked)
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Bars:
    """What a bar chart shows: a name and a number of each series for each row."""

    names: Sequence[str]
    series: Sequence[Series]
    rows: Sequence[Sequence[float]]
    most: float
    stacked: bool


def _number(value: Cell) -> float:
    return value if isinstance(value, float) and not math.isnan(value) else 0.0


def _row_names(frame: Frame, wanted: object, frames: Sequence[Frame]) -> list[str]:
    named = {display_name(each, frame, frames): each for each in frame.fields}
    field = named.get(str(wanted)) or next(
        each for each in frame.fields if each.type in {FieldType.STRING, FieldType.TIME}
    )
    return [shown(field, value).text for value in field.values]


def _standing_bars(page: Page, box: Box, bars: Bars) -> None:
    field = bars.series[0].field
    numbers = axis(0.0, bars.most, (box.h - 22) / TICKS_APART, field)
    plot = _upright_axis(page, box.inner(0, 10, 0, 22), numbers, field)
    columns = plot.columns(len(bars.rows), 0)
    for name, row, column in zip(bars.names, bars.rows, columns, strict=True):
        middle = column.x + column.w / 2
        text = page.cut(name, column.w - 4, SIZE)
        page.text(middle, plot.bottom + 12, text, SIZE, MUTED, across="center")
        group = column.inner(column.w * 0.15, 0, column.w * 0.15, 0)
        for place, begin, end, series in _parts(group.columns, row, bars):
            top, bottom = (plot.bottom - plot.h * numbers.share(each) for each in (end, begin))
            bar = Box(x=place.x, y=top, w=place.w, h=bottom - top)
            page.box(bar, series.color)
            _standing_text(page, bar, shown(series.field, end - begin).text, series, bars)


def _standing_text(page: Page, bar: Box, text: str, series: Series, bars: Bars) -> None:
    """Write a bar's number where it fits: upon it, or in it where another stands upon it."""
    width = page.text_width(text, SIZE)
    middle = bar.x + bar.w / 2
    if bars.stacked and bar.h > SIZE + 4 and width < bar.w:
        page.text(middle, bar.y + bar.h / 2, text, SIZE, contrast(series.color), across="center")
    elif not bars.stacked and bar.h > 0 and width < bar.w + 6:
        page.text(middle, bar.y - 8, text, SIZE, across="center")


def _lying_bars(page: Page, box: Box, bars: Bars) -> None:
    names = min(max(page.text_width(name, SIZE) for name in bars.names), box.w * 0.35) + 10
    field = bars.series[0].field
    plot = box.inner(names, 4, page.text_width(shown(field, bars.most).text, SIZE) / 2 + 12, 22)
    numbers = axis(0.0, bars.most, plot.w / 80, field)
    for tick, text in zip(numbers.ticks, _tick_texts(numbers, field), strict=True):
        x = plot.x + plot.w * numbers.share(tick)
        page.line([(x, plot.y), (x, plot.bottom)], GRID, 1)
        page.text(x, plot.bottom + 12, text, SIZE, MUTED, across="center")
    for name, row, line in zip(bars.names, bars.rows, plot.rows(len(bars.rows), 0), strict=True):
        text = page.cut(name, names - 10, SIZE)
        page.text(plot.x - 8, line.y + line.h / 2, text, SIZE, MUTED, across="right")
        group = line.inner(0, line.h * 0.15, 0, line.h * 0.15)
        for place, begin, end, series in _parts(group.rows, row, bars):
            left, right = (plot.x + plot.w * numbers.share(each) for each in (begin, end))
            bar = Box(x=left, y=place.y, w=right - left, h=place.h)
            page.box(bar, series.color)
            _lying_text(page, bar, shown(series.field, end - begin).text, series)


def _lying_text(page: Page, bar: Box, text: str, series: Series) -> None:
    if page.text_width(text, SIZE) + 8 < bar.w and bar.h > SIZE:
        x, y = bar.x + bar.w / 2, bar.y + bar.h / 2
        page.text(x, y, text, SIZE, contrast(series.color), across="center")


Splitting = Callable[[int, float], list[Box]]
Part = tuple[Box, float, float, Series]


def _parts(split: Splitting, row: Sequence[float], bars: Bars) -> list[Part]:
    """Return the bars of a row: the place across, where each begins and ends, and its series."""
    if not bars.stacked:
        places = split(len(row), 2)
        return [(p, 0.0, v, s) for p, v, s in zip(places, row, bars.series, strict=True)]
    (place,) = split(1, 0)
    ends = [sum(row[: i + 1]) for i in range(len(row))]
    return [
        (place, end - value, end, series)
        for end, value, series in zip(ends, row, bars.series, strict=True)
    ]
