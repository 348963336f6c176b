"""The charts of a workbook: Excel's own, drawn from a sheet that has nothing but their data.

The tables themselves will not do, since Excel draws a text, such as the mark of what is hidden, as
a zero; in the sheet of the charts what is not told is an empty cell, and a gap in the picture.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import cycle
from typing import Any

from xlsxwriter.worksheet import Worksheet

from rebate_monitor.circular.document import Chart, ChartKind, Series, Table, Tone

FONT = "Microsoft YaHei"
GRID = "#D5DAE1"
COLOURS, TARGET_COLOURS = ("#1F5FA8", "#C2751B"), ("#B3261E", "#7D5A9E")
TONES = {Tone.GOOD.value: "#4F9D76", Tone.BAD.value: "#CF5B52"}
TYPES = {
    ChartKind.BARS: {"type": "column"},
    ChartKind.COLUMNS: {"type": "column", "subtype": "stacked"},
    ChartKind.LINES: {"type": "line"},
}
WIDTH, HEIGHT = 500, 310

Options = Mapping[str, Any]


@dataclass(kw_only=True)
class Charts:
    """Makes charts one after the other; `row` is the next free one of the sheet of their data."""

    book: Any
    sheet: Worksheet
    row: int = 0

    def chart(self, table: Table, told: Chart) -> Any:  # noqa: ANN401 - the library has no types
        """Make the chart of a table."""
        ranges = self._write_data(table, told)
        chart = self.book.add_chart(TYPES[told.kind])
        measures = [series for series in told.series if not series.is_target]
        for series, colour in zip(measures, cycle(COLOURS)):
            look = _look(told.kind, TONES.get(series.tone, colour))
            chart.add_series({**ranges[series], **look})
        self._add_targets(chart, told, ranges)
        _lay_out(chart, told)
        return chart

    def _add_targets(
        self,
        chart: Any,  # noqa: ANN401
        told: Chart,
        ranges: Mapping[Series, Options],
    ) -> None:
        targets = [series for series in told.series if series.is_target]
        if not targets:
            return
        is_line = told.kind is ChartKind.LINES
        lines = chart if is_line else self.book.add_chart({"type": "line"})
        for series, colour in zip(targets, TARGET_COLOURS, strict=False):
            dashed = {"color": colour, "width": 1.75, "dash_type": "dash"}
            lines.add_series({**ranges[series], "line": dashed, "marker": {"type": "none"}})
        if not is_line:
            chart.combine(lines)

    def _write_data(self, table: Table, told: Chart) -> dict[Series, Options]:
        """Write labels and values; return where the values of each series are."""
        top, rows = self.row + 2, table.charted()
        self.sheet.write_string(self.row, 0, told.title)
        for number, row in enumerate(rows, top):
            self.sheet.write_string(number, 0, row.name)
        for place, series in enumerate(told.series, 1):
            self.sheet.write_string(top - 1, place, series.name)
            column = table.column(series.figure, series.scope)
            self._write_values(top, place, [row.cells[column].value for row in rows])
        self.row = top + len(rows) + 1
        return {
            series: self._range(series, (top, self.row - 2), place)
            for place, series in enumerate(told.series, 1)
        }

    def _write_values(self, top: int, place: int, values: Sequence[object]) -> None:
        for number, value in enumerate(values, top):
            if isinstance(value, int | float):
                self.sheet.write_number(number, place, value)

    def _range(self, series: Series, rows: tuple[int, int], place: int) -> Options:
        first, last = rows
        return {
            "name": series.name,
            "categories": [self.sheet.name, first, 0, last, 0],
            "values": [self.sheet.name, first, place, last, place],
        }


def _look(kind: ChartKind, colour: str) -> Options:
    if kind is ChartKind.LINES:
        marker = {"type": "circle", "size": 5, "fill": {"color": colour}}
        return {"line": {"color": colour, "width": 2.25}, "marker": marker}
    return {"fill": {"color": colour}, "border": {"none": True}, "gap": 60}


def _lay_out(chart: Any, told: Chart) -> None:  # noqa: ANN401
    font = {"name": FONT, "size": 9}
    grid = {"visible": True, "line": {"color": GRID}}
    chart.set_title({"name": told.title, "name_font": {**font, "size": 12}})
    chart.set_y_axis(
        {"name": told.unit, "min": 0, "num_font": font, "name_font": font, "major_gridlines": grid}
    )
    chart.set_x_axis({"num_font": font})
    chart.set_legend(
        {"none": True} if len(told.series) == 1 else {"position": "bottom", "font": font}
    )
    chart.set_size({"width": WIDTH, "height": HEIGHT})
