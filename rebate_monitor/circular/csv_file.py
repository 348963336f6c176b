"""A circular as one tidy table, a row a figure, in UTF-8 with the mark that Excel needs."""

import csv
import io
from collections.abc import Iterator

from rebate_monitor.circular.document import NOTHING, Cell, Document, Table, Value

FIELDS = ("section", "group", "scope", "figure", "value", "suppressed", "name", "label")
"""Stable names as in the API, then what group and figure are called in the language."""
BEGINS_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")
"""What makes a spreadsheet take a text for a formula (OWASP, CSV injection)."""


def csv_file(document: Document) -> bytes:
    """Write a circular as CSV; numbers are in full, as the API tells them."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\r\n")
    writer.writerow(FIELDS)
    for row in _rows(document):
        writer.writerow(map(harmless, row))
    return out.getvalue().encode("utf-8-sig")


def harmless(value: str) -> str:
    """Return a text so that no spreadsheet takes it for a formula; numbers stay as they are."""
    return f"'{value}" if value.startswith(BEGINS_FORMULA) and not _is_number(value) else value


def _is_number(value: str) -> bool:
    try:
        float(value)
    except ValueError:
        return False
    return not value[0].isspace()


def _rows(document: Document) -> Iterator[tuple[str, ...]]:
    about = (document.title, document.subtitle)
    yield "report", "", "", "title", " ".join(about), "false", "", ""
    yield "report", "", "", "month", document.month, "false", "", ""
    for warning in document.warnings:
        yield "report", "", "", "warning", warning, "false", "", ""
    for fact in document.status:
        yield "report", "", "", fact.key, fact.text, "false", "", fact.label
    for table in document.tables:
        yield from _figures(table)


def _figures(table: Table) -> Iterator[tuple[str, ...]]:
    for row in table.rows:
        for column, cell in table.shown(row):
            if cell is not NOTHING:
                scope = column.scope or row.scope
                told = (_value(cell), "true" if cell.hidden else "false")
                yield (
                    table.section, row.group, scope, column.figure, *told, row.name, column.heading,
                )  # fmt: skip


def _value(cell: Cell) -> str:
    return _text(None if cell.hidden else cell.value)


def _text(value: Value) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)
