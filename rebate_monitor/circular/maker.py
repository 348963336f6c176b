"""What all tables of a circular are made with: columns and cells by figure, ranks, and totals."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from rebate_monitor.circular.document import (
    HIDDEN,
    NOTHING,
    Cell,
    Chart,
    Column,
    Kind,
    Row,
    Table,
)
from rebate_monitor.circular.facts import Base, Facts, Group
from rebate_monitor.circular.figures import FIGURES, cell_of
from rebate_monitor.circular.secrecy import Secrets
from rebate_monitor.circular.sections import Section
from rebate_monitor.circular.wording import Wording
from rebate_monitor.domain.evaluation import ranked
from rebate_monitor.domain.policy import Scope

ALL, LOW = Scope.ALL, Scope.CATEGORY_1_2
TOTAL = "all"
"""What all groups together are called among the groups of the CSV."""
SHOWN_BASES = (Base.STOPPED, Base.OPEN)
"""What groups are shown of outside the office."""

Runs = Sequence[tuple[Scope, Sequence[str]]]
"""Figures beside each other, by the scope that they are of."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Maker:
    """Makes the tables of one circular; whoever finished fewer than `min_cases` has no rank."""

    facts: Facts
    secrets: Secrets
    words: Wording
    internal: bool
    min_cases: int

    def table(
        self,
        section: Section,
        columns: Iterable[Column],
        rows: Iterable[Row],
        notes: Iterable[str] = (),
        chart: Chart | None = None,
    ) -> Table:
        """Put a table together; where it hides anything it says so."""
        told = tuple(rows)
        is_hiding = any(cell.hidden for row in told for cell in row.cells)
        legend = (self.words.say("note.hidden"),) if is_hiding else ()
        return Table(
            section=section,
            title=self.words.say(f"section.{section}"),
            stub=self.words.say(f"stub.{section}"),
            columns=tuple(columns),
            rows=told,
            notes=(*notes, *legend),
            chart=chart,
        )

    def column(self, figure: str, kind: Kind, heading: str | None = None) -> Column:
        """Return the column of a figure that is not one of a group's."""
        told = self.words.say(f"figure.{heading or figure}")
        return Column(figure=figure, kind=kind, heading=told)

    def columns(self, runs: Runs) -> Iterator[Column]:
        """Yield the columns of figures of groups."""
        for scope, names in runs:
            for name in names:
                column = self.column(name, FIGURES[name].kind)
                yield column if scope is ALL else self._of_low(column)

    def _of_low(self, column: Column) -> Column:
        heading = self.words.say("figure.category_1_2", figure=column.heading)
        return replace(column, heading=heading, scope=LOW)

    def cells(
        self, section: Section, group: Group, runs: Runs, *, toned: bool = True
    ) -> Iterator[Cell]:
        """Yield the figures of a group; `toned`: they are seen against the target."""
        for scope, names in runs:
            for name in names:
                if self.secrets.hides((section, group.code, scope), FIGURES[name].bases):
                    yield HIDDEN
                else:
                    cell = cell_of(name, group.scopes[scope])
                    yield cell if toned else replace(cell, tone=None)

    def figure(self, name: str, scope: Scope = ALL) -> Cell:
        """Return one figure of all groups together."""
        return next(self.cells(Section.MEANS, self.facts.whole, [(scope, [name])]))

    def total(self, runs: Runs, *, before: int = 0, toned: bool = True) -> Row:
        """Return all groups together as the last row of a table, after some cells without a sum."""
        cells = self.cells(Section.MEANS, self.facts.whole, runs, toned=toned)
        return Row(
            group=TOTAL,
            name=self.words.say("place.total"),
            cells=(*[NOTHING] * before, *cells),
            scope=ALL,
            is_total=True,
        )

    def inside(self, names: Sequence[str]) -> Sequence[str]:
        """Return figures that only those in the office see."""
        return names if self.internal else ()

    def ranked(self, section: Section, groups: Sequence[Group]) -> Iterator[tuple[Group, Cell]]:
        """Yield groups with their ranks: ranked ones, those with too few cases, hidden ones.

        Hidden ones take no rank away: a missing rank would tell between which others they are.
        """
        hidden = {group.code for group in groups if self.is_hidden(section, group, Base.STOPPED)}
        means = {
            group.code: group.scopes[ALL].evaluated.mean
            for group in groups
            if group.code not in hidden
        }
        ranks = ranked(means, self.min_cases)

        def order(group: Group) -> tuple[bool, int, bool, str]:
            is_hidden = group.code in hidden
            has_none = not is_hidden and not group.count(Base.STOPPED)
            return is_hidden, ranks.get(group.code, len(groups) + 1), has_none, str(group.code)

        for group in sorted(groups, key=order):
            yield group, HIDDEN if group.code in hidden else Cell(value=ranks.get(group.code))

    def is_hidden(self, section: Section, group: Group, base: Base) -> bool:
        """Say whether figures over a base are hidden of a group."""
        return self.secrets.hides((section, group.code, ALL), [base])
