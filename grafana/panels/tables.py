"""Panels of rows: table, and the list of alerts."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from grafana.panels.canvas import Box, Page
from grafana.panels.colors import BORDER, LINK, MUTED, TEXT, contrast
from grafana.panels.field_config import Shown, is_hidden, shown
from grafana.panels.files import Panel
from grafana.panels.frames import Field, FieldType, Frame, display_name

__all__ = ["draw_alerts", "draw_table"]

SIZE, HEADER, ROW, PAD = 13.0, 30.0, 28.0, 7.0
LEAST = 24.0  # of a name, where there is little room
HIGH_HEADER, REST, ALERT = 46.0, 20.0, 27.0
SEVERITIES = {"critical": "#E02F44", "warning": "#FF780A", "info": "#3274D9"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """One column as it is drawn."""

    name: str
    field: Field
    cells: tuple[Shown, ...]
    width: float

    @property
    def is_right(self) -> bool:
        """Tell whether it stands at the right side: numbers do, unless told otherwise."""
        told = self.field.config.get("custom", {}).get("align", "auto")
        return told == "right" or (told == "auto" and self.field.type is FieldType.NUMBER)

    @property
    def cell_kind(self) -> str:
        """How its cells are coloured."""
        return str(self.field.config.get("custom", {}).get("cellOptions", {}).get("type", "auto"))


def draw_table(page: Page, box: Box, panel: Panel, frames: Sequence[Frame]) -> None:
    """Draw the first rows of the first answer."""
    frame = frames[0]
    header = HIGH_HEADER if panel.defaults.get("custom", {}).get("wrapHeaderText") else HEADER
    room = int((box.h - header) // ROW)
    count = len(frame) if len(frame) <= room else int((box.h - header - REST) // ROW)
    columns = _columns(page, box.w, frame, frames, count)
    _draw_columns(page, box, columns, count, header)
    if count < len(frame):
        text = f"… {count} / {len(frame)}"
        page.text(box.right - PAD, box.bottom - 8, text, 11, MUTED, across="right")


def _columns(
    page: Page, width: float, frame: Frame, frames: Sequence[Frame], count: int
) -> list[Column]:
    """Return the columns of a table, the width spread over them."""
    found = [
        _column(page, each, display_name(each, frame, frames), count)
        for each in frame.fields
        if not is_hidden(each)
    ]
    cells = [each.width for each in found]
    names = [
        max(each.width, page.text_width(each.name, SIZE, bold=True) + 2 * PAD) for each in found
    ]
    widths = _between(cells, names, width)
    return [replace(each, width=w) for each, w in zip(found, widths, strict=True)]


def _column(page: Page, field: Field, name: str, count: int) -> Column:
    cells = tuple(shown(field, value) for value in field.values[:count])
    least = min(page.text_width(name, SIZE, bold=True), LEAST)
    width = max([least, *(page.text_width(cell.text, SIZE) for cell in cells)]) + 2 * PAD
    return Column(name=name, field=field, cells=cells, width=width)


def _between(least: Sequence[float], wanted: Sequence[float], width: float) -> list[float]:
    """Return widths that fill a width: those wanted or more, or what there is room for."""
    more = width - sum(wanted)
    if more >= 0:
        return [each + more / len(wanted) for each in wanted]
    room = width - sum(least)
    part = room / (sum(wanted) - sum(least)) if room > 0 else 0.0
    scale = 1.0 if room > 0 else width / sum(least)
    return [low * scale + (high - low) * part for low, high in zip(least, wanted, strict=True)]


def _draw_columns(
    page: Page, box: Box, columns: Sequence[Column], count: int, header: float
) -> None:
    x = box.x
    for column in columns:
        _write_name(page, Box(x=x, y=box.y, w=column.width, h=header), column)
        for row, cell in enumerate(column.cells):
            place = Box(x=x, y=box.y + header + row * ROW, w=column.width, h=ROW)
            _draw_cell(page, place, column, cell)
        x += column.width
    for row in range(count + 1):
        y = box.y + header + row * ROW
        page.line([(box.x, y), (box.right, y)], BORDER, 0.8)


def _write_name(page: Page, box: Box, column: Column) -> None:
    """Write a column's name, in two lines where the table is told to break names."""
    if box.h == HEADER:
        _write(page, box, column, Shown(text=column.name, color=MUTED), bold=True)
        return
    first, *rest = page.wrapped(column.name, box.w - 2 * PAD + 1, SIZE, bold=True)
    lines = [first, "".join(rest)] if rest else [first]
    for line, place in zip(lines, box.inner(0, 4, 0, 4).rows(len(lines), 0), strict=True):
        _write(page, place, column, Shown(text=line, color=MUTED), bold=True)


def _draw_cell(page: Page, box: Box, column: Column, cell: Shown) -> None:
    if column.cell_kind == "color-background" and cell.color:
        page.box(box.inner(1, 1, 1, 1), cell.color)
        _write(page, box, column, replace(cell, color=contrast(cell.color)))
        return
    is_colored = column.cell_kind == "color-text"
    color = cell.color if is_colored else LINK if column.field.config.get("links") else TEXT
    _write(page, box, column, replace(cell, color=color))


def _write(page: Page, box: Box, column: Column, cell: Shown, *, bold: bool = False) -> None:
    text = page.cut(cell.text, box.w - 2 * PAD + 1, SIZE, bold=bold)
    x = box.right - PAD if column.is_right else box.x + PAD
    across = "right" if column.is_right else "left"
    page.text(x, box.y + box.h / 2, text, SIZE, cell.color or TEXT, bold=bold, across=across)


# Alerts


def draw_alerts(page: Page, box: Box, panel: Panel, frames: Sequence[Frame]) -> None:
    """Draw the alerts that fire, as many as there is room for: name, severity, how many of it."""
    rows = frames[0].rows()
    most = min(len(rows), int(panel.options.get("maxItems", len(rows))), int(box.h // ALERT))
    for row, (name, severity, count) in enumerate(rows[:most]):
        middle, color = box.y + (row + 0.5) * ALERT, SEVERITIES.get(str(severity), MUTED)
        page.box(Box(x=box.x, y=middle - 9, w=4, h=18), color, radius=2)
        text = page.cut(f"{name}", box.w - 130, SIZE)
        page.text(box.x + 14, middle, text, SIZE)
        page.text(box.right, middle, f"{severity} × {count:.0f}", 12, color, across="right")
    if most < len(rows):
        page.text(box.x + 14, box.bottom, f"… {most} / {len(rows)}", 11, MUTED)
