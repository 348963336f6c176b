"""A circular as one HTML file that asks for nothing else: style and charts stand in it."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources

from jinja2 import Environment, StrictUndefined, Template
from markupsafe import Markup

from rebate_monitor.circular.charts import chart_of, picture
from rebate_monitor.circular.document import Cell, Column, Document, Kind, Row, Table
from rebate_monitor.circular.sections import Section
from rebate_monitor.circular.wording import Wording

HTML_LANGUAGES = {"zh": "zh-CN", "en": "en"}
SHORT_ROWS = 20
NUMBERS = frozenset(Kind) - {Kind.TEXT, Kind.FLAG}


@dataclass(frozen=True, slots=True, kw_only=True)
class Card:
    """One of the two official means, large."""

    title: str
    mean: str
    tone: str
    lines: Sequence[tuple[str, str]]


def html_file(document: Document, words: Wording) -> bytes:
    """Write a circular as HTML, in UTF-8."""
    page = _template().render(
        document=document,
        language=HTML_LANGUAGES[document.language],
        label=document.labels.__getitem__,
        style=Markup(_packaged("page.css")),  # noqa: S704 - the package's own file
        cards=list(_cards(document, words)),
        sections=[_Shown(table=table, words=words) for table in document.tables],
    )
    return page.encode()


@cache
def _template() -> Template:
    environment = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    return environment.from_string(_packaged("page.html.jinja"))


def _packaged(name: str) -> str:
    return (resources.files("rebate_monitor") / "circular" / name).read_text("utf-8")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Shown:
    """A table as the page shows it."""

    table: Table
    words: Wording

    @property
    def svg(self) -> Markup | None:
        chart = chart_of(self.table)
        return picture(self.table, chart, self.words) if chart else None

    @property
    def is_short(self) -> bool:
        """Whether it is to stand on one printed page."""
        return len(self.table.rows) <= SHORT_ROWS

    def cells(self, row: Row) -> list[tuple[str, str]]:
        """Return the text and the classes of each cell that is shown."""
        return [
            (self._text(row, cell, column), _classes(cell, column))
            for column, cell in self.table.shown(row)
        ]

    def _text(self, row: Row, cell: Cell, column: Column) -> str:
        is_blank = row.is_total and cell.value is None and column.kind in (Kind.TEXT, Kind.RANK)
        return "" if is_blank else self.words.cell(cell, column.kind)


def _classes(cell: Cell, column: Column) -> str:
    number = "number" if column.kind in NUMBERS else ""
    return " ".join(filter(None, [number, cell.tone or "", "hidden" if cell.hidden else ""]))


def _cards(document: Document, words: Wording) -> Iterator[Card]:
    table = next(table for table in document.tables if table.section is Section.MEANS)
    for row in table.rows:
        told = {
            column.figure: (column, cell)
            for column, cell in zip(table.columns, row.cells, strict=True)
        }
        texts = {name: words.cell(cell, column.kind) for name, (column, cell) in told.items()}
        yield Card(
            title=row.name,
            mean=texts["mean_workdays"],
            tone=told["mean_workdays"][1].tone or "",
            lines=[(told[name][0].heading, texts[name]) for name in CARD_LINES],
        )


CARD_LINES = ("target_workdays", "meets_target", "change_on_previous", "change_on_year")
