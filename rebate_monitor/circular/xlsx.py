"""A circular as an Excel workbook: a summary with native charts, and a sheet a table.

Every text is written as text, so that nothing in it is taken for a formula or a link, and no cell
holds a formula: what is printed is what was counted.
"""

import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import xlsxwriter
from xlsxwriter.format import Format
from xlsxwriter.worksheet import Worksheet

from rebate_monitor.circular.charts import chart_of
from rebate_monitor.circular.document import (
    Cell,
    Column,
    Document,
    Kind,
    Row,
    Table,
    Tone,
)
from rebate_monitor.circular.sections import Section
from rebate_monitor.circular.wording import Wording
from rebate_monitor.circular.xlsx_charts import FONT, Charts
from rebate_monitor.domain.local_time import SHANGHAI
from rebate_monitor.svg import text_width

A4 = 9
RED, GRAY, FAINT = "#B3261E", "#5B6675", "#F3F5F8"
NARROWEST, WIDEST = 9, 46
SUMMARY_WIDTHS = (22, 12, 13, 12, 12, 12, 13, 12, 12, 16)
ON_SUMMARY = (Section.MEANS, Section.BEHIND)
HEAD_ROW = 2
CHARTS_BESIDE, CHART_ROWS, CHART_COLUMNS = 2, 16, 5
CLASSIC_NAME = 31
"""How long the name of a sheet may be."""


def xlsx_file(document: Document, words: Wording, made_at: datetime) -> bytes:
    """Write a circular as XLSX."""
    out = io.BytesIO()
    options = {
        "in_memory": True,
        "strings_to_formulas": False,
        "strings_to_urls": False,
        "strings_to_numbers": False,
    }
    with xlsxwriter.Workbook(out, options) as book:
        book.set_properties(
            {
                "title": f"{document.title} {document.subtitle}",
                "created": made_at.astimezone(SHANGHAI).replace(tzinfo=None),
                "comments": document.footer,
            }
        )
        _Writer(book=book, document=document, words=words).write()
    return out.getvalue()


@dataclass(kw_only=True)
class _Writer:
    """Writes one workbook."""

    book: Any
    document: Document
    words: Wording
    formats: dict[tuple[tuple[str, Any], ...], Format] = field(default_factory=dict)

    def write(self) -> None:
        summary = self._sheet(self.document.labels["sheet.summary"])
        sheets = {table.section: self._sheet(table.title) for table in self.document.tables}
        for table in self.document.tables:
            self._write_table_sheet(sheets[table.section], table)
        self._write_definitions(self._sheet(self.document.labels["sheet.definitions"]))
        data = self._sheet(self.document.labels["sheet.chart_data"])
        self._write_summary(summary, Charts(book=self.book, sheet=data))

    def _sheet(self, name: str) -> Worksheet:
        sheet: Worksheet = self.book.add_worksheet(name[:CLASSIC_NAME])
        sheet.set_paper(A4)
        sheet.set_landscape()
        sheet.fit_to_pages(1, 0)
        sheet.set_margins(left=0.5, right=0.5, top=0.7, bottom=0.7)
        sheet.set_footer(f"&L{_for_footer(self.document)}&R{self.document.labels['page.of']}")
        sheet.hide_gridlines(2)
        return sheet

    def _format(self, **told: Any) -> Format:  # noqa: ANN401 - the names of Excel's formats
        key = tuple(sorted(told.items()))
        if key not in self.formats:
            plain = {"font_name": FONT, "font_size": 10, "valign": "vcenter"}
            self.formats[key] = self.book.add_format({**plain, **told})
        return self.formats[key]

    # Tables.

    def _write_table_sheet(self, sheet: Worksheet, table: Table) -> None:
        title = f"{table.title} — {self.document.title} {self.document.subtitle}"
        sheet.write_string(0, 0, title, self._format(bold=True, font_size=14, font_color=RED))
        bottom = self._write_table(sheet, table, HEAD_ROW)
        for place, note in enumerate(table.notes):
            sheet.write_string(bottom + 1 + place, 0, note, self._format(font_color=GRAY))
        sheet.freeze_panes(HEAD_ROW + 1, 1)
        sheet.repeat_rows(HEAD_ROW)
        for place, width in enumerate(_widths(table, self.words)):
            sheet.set_column(place, place, width)

    def _write_table(self, sheet: Worksheet, table: Table, top: int) -> int:
        """Write heading and rows from a row on; return the row after the last."""
        head = {"bold": True, "text_wrap": True, "bottom": 1, "top": 2, "bg_color": FAINT}
        sheet.set_row(top, 32)
        sheet.write_string(top, 0, table.stub, self._format(**head))
        for place, column in enumerate(table.heads(), 1):
            align = "left" if column.kind is Kind.TEXT else "right"
            sheet.write_string(top, place, column.heading, self._format(**head, align=align))
        for number, row in enumerate(table.rows, top + 1):
            is_last = number == top + len(table.rows)
            self._write_row(sheet, number, table, row, _border(row, is_last=is_last))
        return top + 1 + len(table.rows)

    def _write_row(
        self, sheet: Worksheet, number: int, table: Table, row: Row, border: dict[str, Any]
    ) -> None:
        sheet.write_string(number, 0, row.name, self._format(**border))
        for place, (column, cell) in enumerate(table.shown(row), 1):
            self._write_cell(sheet, (number, place), cell, column, border)

    def _write_cell(
        self,
        sheet: Worksheet,
        at: tuple[int, int],
        cell: Cell,
        column: Column,
        border: dict[str, Any],
    ) -> None:
        colour = {"font_color": RED} if cell.tone is Tone.BAD else {}
        if isinstance(cell.value, str):
            sheet.write_string(*at, cell.value, self._format(**border))
        elif cell.value is None and not cell.hidden and column.kind is Kind.RANK:
            sheet.write_blank(*at, None, self._format(**border))
        elif isinstance(cell.value, bool) or cell.value is None:
            text = self.words.cell(cell, column.kind)
            sheet.write_string(*at, text, self._format(**border, **colour, align="right"))
        else:
            shown = _number_format(column.kind, cell.decimals)
            number = self._format(**border, **colour, num_format=shown)
            sheet.write_number(*at, cell.value, number)

    # The summary.

    def _write_summary(self, sheet: Worksheet, charts: Charts) -> None:
        last = len(SUMMARY_WIDTHS) - 1
        for place, width in enumerate(SUMMARY_WIDTHS):
            sheet.set_column(place, place, width)
        big = self._format(bold=True, font_size=18, align="center", font_color=RED)
        small = self._format(font_size=13, align="center", bottom=5, bottom_color=RED)
        _merged(sheet, 0, last, self.document.title, big)
        _merged(sheet, 1, last, self.document.subtitle, small)
        sheet.set_row(0, 34)
        sheet.set_row(1, 24)
        row = self._write_lines(sheet, 2, last)
        for table in self._tables_of(ON_SUMMARY):
            heading = self._format(bold=True, font_size=12, font_color=RED)
            sheet.write_string(row + 1, 0, table.title, heading)
            row = self._write_table(sheet, table, row + 2)
        self._write_charts(sheet, charts, row + 1)
        sheet.activate()

    def _write_lines(self, sheet: Worksheet, row: int, last: int) -> int:
        """Write warnings, status and sentences; return the row after them."""
        warning = self._format(bold=True, text_wrap=True, bg_color="#FDF3DC")
        plain = self._format(text_wrap=True)
        status = (
            self.words.say("status.line", label=fact.label, text=fact.text)
            for fact in self.document.status
        )
        lines = [
            *((text, warning) for text in self.document.warnings),
            *((text, plain) for text in self.document.overview),
            *((text, self._format(text_wrap=True, font_color=GRAY)) for text in status),
        ]
        for place, (text, shown) in enumerate(lines, row):
            _merged(sheet, place, last, text, shown)
            sheet.set_row(place, 16 * _lines_of(text, sum(SUMMARY_WIDTHS)))
        return row + len(lines)

    def _tables_of(self, sections: Sequence[Section]) -> Iterator[Table]:
        yield from (table for table in self.document.tables if table.section in sections)

    def _write_charts(self, sheet: Worksheet, charts: Charts, top: int) -> None:
        """Put the charts on a page of their own, two beside each other."""
        sheet.set_h_pagebreaks([top])
        told = ((table, chart_of(table)) for table in self.document.tables)
        for number, (table, chart) in enumerate((t, chart) for t, chart in told if chart):
            row, place = divmod(number, CHARTS_BESIDE)
            at = top + row * CHART_ROWS, place * CHART_COLUMNS
            sheet.insert_chart(*at, charts.chart(table, chart))

    def _write_definitions(self, sheet: Worksheet) -> None:
        sheet.set_column(0, 0, 22)
        sheet.set_column(1, 1, 110)
        heading = self._format(bold=True, font_size=14, font_color=RED)
        sheet.write_string(0, 0, self.document.labels["title.definitions"], heading)
        for row, (term, text) in enumerate(self.document.definitions, HEAD_ROW):
            sheet.write_string(row, 0, term, self._format(bold=True, valign="top"))
            sheet.write_string(row, 1, text, self._format(text_wrap=True))
            sheet.set_row(row, 16 * _lines_of(text, 110))
        bottom = HEAD_ROW + len(self.document.definitions) + 1
        sheet.write_string(bottom, 0, self.document.footer, self._format(font_color=GRAY))


def _merged(sheet: Worksheet, row: int, last: int, text: str, shown: Format) -> None:
    sheet.merge_range(row, 0, row, last, "", shown)
    sheet.write_string(row, 0, text, shown)


def _border(row: Row, *, is_last: bool) -> dict[str, Any]:
    told: dict[str, Any] = {"bold": True, "top": 1} if row.is_total else {}
    return {**told, "bottom": 2} if is_last else told


def _number_format(kind: Kind, decimals: int) -> str:
    places = f".{'0' * decimals}" if decimals else ""
    match kind:
        case Kind.COUNT | Kind.RANK:
            return "#,##0"
        case Kind.RATE:
            return f"0{places}%"
        case Kind.CHANGE:
            return f"[>={_least(decimals)}]+0{places};[<=-{_least(decimals)}]-0{places};0{places}"
        case _:
            return f"0{places}"


def _least(decimals: int) -> str:
    """Return the least change that is not shown as none."""
    return f"0.{'0' * decimals}5"


def _widths(table: Table, words: Wording) -> Iterator[float]:
    """Yield how wide each column has to be, Chinese characters counted as two."""
    yield _width([table.stub, *(row.name for row in table.rows)])
    for place, column in enumerate(table.heads()):
        cells = (table.shown(row)[place][1] for row in table.rows)
        half = column.heading[: len(column.heading) // 2 + 1]  # headings wrap
        yield _width([half, *(words.cell(cell, column.kind) for cell in cells)])


def _width(texts: Sequence[str]) -> float:
    widest = max(text_width(text, 2) for text in texts)
    return min(WIDEST, max(NARROWEST, widest + 3))


def _lines_of(text: str, width: float) -> int:
    return 1 + int(text_width(text, 2.1) // width)


def _for_footer(document: Document) -> str:
    """Return title and month for the foot of a page, where & begins a command."""
    return f"{document.title} {document.subtitle}".replace("&", "&&")
