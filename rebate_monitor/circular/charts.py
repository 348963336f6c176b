"""The charts of a circular's tables as SVG."""

from collections.abc import Sequence
from typing import assert_never

from markupsafe import Markup

from rebate_monitor import svg
from rebate_monitor.circular.document import Chart, ChartKind, Row, Series, Table
from rebate_monitor.circular.wording import Wording


def chart_of(table: Table) -> Chart | None:
    """Return the chart of a table, None where there is nothing to be seen in it."""
    if table.chart is None:
        return None
    places = [
        table.column(series.figure, series.scope)
        for series in table.chart.series
        if not series.is_target
    ]
    values = (row.cells[place].value for row in table.charted() for place in places)
    return table.chart if any(value is not None for value in values) else None


def picture(table: Table, chart: Chart, words: Wording) -> Markup:
    """Draw the chart of a table."""
    rows = table.charted()
    measures = [series for series in chart.series if not series.is_target]
    targets = [series for series in chart.series if series.is_target]
    told = svg.Picture(
        title=chart.title,
        unit=chart.unit,
        labels=[row.name for row in rows],
        lines=_lines(table, rows, measures, words, "line"),
        targets=_lines(table, rows, targets, words, "goal"),
    )
    match chart.kind:
        case ChartKind.BARS:
            return svg.bars(told)
        case ChartKind.COLUMNS:
            return svg.columns(told)
        case ChartKind.LINES:
            return svg.lines(told)
        case _:
            assert_never(chart.kind)


def _lines(
    table: Table, rows: Sequence[Row], series: Sequence[Series], words: Wording, css: str
) -> list[svg.Line]:
    return [
        _line(table, rows, one, words, one.tone or f"{css}-{number}")
        for number, one in enumerate(series, 1)
    ]


def _line(table: Table, rows: Sequence[Row], series: Series, words: Wording, css: str) -> svg.Line:
    place = table.column(series.figure, series.scope)
    kind = table.columns[place].kind
    cells = [row.cells[place] for row in rows]
    values = [cell.value for cell in cells]
    return svg.Line(
        name=series.name,
        values=[value if isinstance(value, int | float) else None for value in values],
        css=css,
        texts=[words.cell(cell, kind) for cell in cells],
    )
