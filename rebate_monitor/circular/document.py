"""A circular as it is laid out, whatever it is written as: text, tables of cells, and charts."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from rebate_monitor.catalogue import Language
from rebate_monitor.circular.sections import Section

Value = str | int | float | bool | None


class Kind(StrEnum):
    """What the values of a column are; means and changes are workdays, rates 0 to 1."""

    TEXT = "text"
    COUNT = "count"
    RANK = "rank"
    WORKDAYS = "workdays"
    CHANGE = "change"
    RATE = "rate"
    FLAG = "flag"


class Tone(StrEnum):
    """What a value means against its target."""

    GOOD = "good"
    BAD = "bad"


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """One value; None where there is none to tell, hidden where it is not told.

    `decimals` are as many as it takes to see on which side of a target it lies.
    """

    value: Value = None
    hidden: bool = False
    decimals: int = 2
    tone: Tone | None = None


HIDDEN = Cell(hidden=True)
NOTHING = Cell()
"""Where a row of totals has no figure."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """A figure with its heading; a scope where it is not the row's.

    `for_chart`: it is there for a chart only.
    """

    figure: str
    kind: Kind
    heading: str
    scope: str | None = None
    for_chart: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A group with one cell a column; `is_total`: all groups together."""

    group: str
    name: str
    cells: tuple[Cell, ...]
    scope: str
    is_total: bool = False


class ChartKind(StrEnum):
    """How a chart shows its rows: bars lie, columns stand on each other, lines go through time."""

    BARS = "bars"
    COLUMNS = "columns"
    LINES = "lines"


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """A column that a chart shows, by its figure and scope; a target is drawn as a line."""

    figure: str
    name: str
    scope: str | None = None
    is_target: bool = False
    tone: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Chart:
    """A picture of some columns of its table; a line of text says what is to be seen."""

    kind: ChartKind
    title: str
    unit: str
    series: tuple[Series, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """One table with its chart and notes; `stub` heads the column of names."""

    section: Section
    title: str
    stub: str
    columns: tuple[Column, ...]
    rows: tuple[Row, ...]
    notes: tuple[str, ...] = ()
    chart: Chart | None = None

    def column(self, figure: str, scope: str | None = None) -> int:
        """Return the place of a column."""
        return next(
            place
            for place, column in enumerate(self.columns)
            if (column.figure, column.scope) == (figure, scope)
        )

    def heads(self) -> list[Column]:
        """Return the columns that are read, those for a chart left out."""
        return [column for column in self.columns if not column.for_chart]

    def shown(self, row: Row) -> list[tuple[Column, Cell]]:
        """Return the cells of a row that are read, with their columns."""
        cells = zip(self.columns, row.cells, strict=True)
        return [(column, cell) for column, cell in cells if not column.for_chart]

    def charted(self) -> Sequence[Row]:
        """Return the rows that a chart shows."""
        return [row for row in self.rows if not row.is_total]


@dataclass(frozen=True, slots=True, kw_only=True)
class Fact:
    """A line of the status: a stable name, what it is called, and what it is."""

    key: str
    label: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """A whole circular in one language."""

    language: Language
    title: str
    subtitle: str
    month: str
    status: tuple[Fact, ...]
    warnings: tuple[str, ...]
    overview: tuple[str, ...]
    tables: tuple[Table, ...]
    definitions: tuple[tuple[str, str], ...]
    footer: str
    internal: bool = False
    labels: Mapping[str, str] = field(default_factory=dict)
