"""What one case adds to the running tallies behind the figures (DESIGN 6).

A case contributes to a handful of cells, read off its stored row alone. A change of the case adds
the difference between the cells it had and the cells it has, so the tallies always equal a full
recount, and figures cost the same however many cases are stored.
"""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from typing import NamedTuple, Protocol

from rebate_monitor.domain.alert import AlertKind
from rebate_monitor.domain.assessment import Verdict
from rebate_monitor.domain.case import Status
from rebate_monitor.domain.local_time import local_date

UNKNOWN_CATEGORY = "unknown"
ACKNOWLEDGED, UNACKNOWLEDGED = "acknowledged", "unacknowledged"


class Figure(StrEnum):
    """Which figure a cell belongs to."""

    OPEN = "open"
    STOPPED = "stopped"
    PROCESSED = "processed"
    MISSED = "missed"
    EVENTS = "events"
    UNDONE = "undone"
    ALERTS = "alerts"


class Cell(NamedTuple):
    """One cell of one figure; dimensions that the figure does not use are None.

    `open`: category, city, verdict (while settled), at_risk_on, due_on, breach_on, and rules, the
    number of the rules by which these dates were told.
    `stopped` (normal cases): category, stopped_on. `processed` (normal cases): category, workdays.
    `missed`: category, city. `events`: event_type, outcome. `undone`: category, city. `alerts`
    (open ones): alert_kind, city, outcome. Dates are Asia/Shanghai dates.
    """

    figure: Figure
    event_type: str | None = None
    outcome: str | None = None
    category: str | None = None
    city: str | None = None
    verdict: Verdict | None = None
    at_risk_on: date | None = None
    due_on: date | None = None
    breach_on: date | None = None
    stopped_on: date | None = None
    workdays: int | None = None
    alert_kind: AlertKind | None = None
    rules: int | None = None


class Measures(NamedTuple):
    """What is summed: cases, their workdays, and how many had a limit, kept it, were same-day."""

    cases: int = 0
    workdays_sum: int = 0
    judged: int = 0
    in_time: int = 0
    same_day: int = 0

    def plus(self, other: "Measures", times: int = 1) -> "Measures":
        """Return the sum, with the other counted several times; -1 takes it away."""
        return Measures(
            self.cases + times * other.cases,
            self.workdays_sum + times * other.workdays_sum,
            self.judged + times * other.judged,
            self.in_time + times * other.in_time,
            self.same_day + times * other.same_day,
        )


NOTHING = Measures()


class Tallied(Protocol):
    """The columns of the stored case row that its cells are read off."""

    @property
    def status(self) -> Status | None: ...  # noqa: D102
    @property
    def settled_verdict(self) -> Verdict | None: ...  # noqa: D102
    @property
    def normal(self) -> bool: ...  # noqa: D102
    @property
    def category(self) -> str | None: ...  # noqa: D102
    @property
    def city(self) -> str | None: ...  # noqa: D102
    @property
    def counted_workdays(self) -> int | None: ...  # noqa: D102
    @property
    def stopped_on(self) -> date | None: ...  # noqa: D102
    @property
    def at_risk_at(self) -> datetime | None: ...  # noqa: D102
    @property
    def due_date(self) -> date | None: ...  # noqa: D102
    @property
    def breach_at(self) -> datetime | None: ...  # noqa: D102
    @property
    def in_time(self) -> bool | None: ...  # noqa: D102
    @property
    def same_day(self) -> bool | None: ...  # noqa: D102
    @property
    def rules(self) -> int | None: ...  # noqa: D102


Deltas = dict[Cell, Measures]


def contribution(row: Tallied) -> Iterator[tuple[Cell, Measures]]:
    """Yield what one stored case adds to the tallies."""
    category = row.category or UNKNOWN_CATEGORY
    if row.status is not None and row.status.is_open:
        yield _open_cell(row, category), Measures(cases=1)
    if row.status is not Status.STOPPED:
        return
    if row.settled_verdict is Verdict.MISSED:
        yield Cell(figure=Figure.MISSED, category=category, city=row.city), Measures(cases=1)
    if row.normal and row.counted_workdays is not None:
        yield from _normal_cells(row, category, row.counted_workdays)


def _normal_cells(row: Tallied, category: str, workdays: int) -> Iterator[tuple[Cell, Measures]]:
    measures = Measures(
        cases=1,
        workdays_sum=workdays,
        judged=row.in_time is not None,
        in_time=bool(row.in_time),
        same_day=bool(row.same_day),
    )
    yield Cell(figure=Figure.STOPPED, category=category, stopped_on=row.stopped_on), measures
    yield Cell(figure=Figure.PROCESSED, category=category, workdays=workdays), measures


def _open_cell(row: Tallied, category: str) -> Cell:
    return Cell(
        figure=Figure.OPEN,
        category=category,
        city=row.city,
        verdict=row.settled_verdict,
        at_risk_on=local_date(row.at_risk_at) if row.at_risk_at else None,
        due_on=row.due_date,
        breach_on=local_date(row.breach_at) if row.breach_at else None,
        rules=row.rules,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """Stored cases that were all alike and have all become alike."""

    before: Tallied
    after: Tallied
    cases: int = 1


def difference(before: Iterable[Tallied], after: Iterable[Tallied]) -> Deltas:
    """Return what the cells change by when stored cases go from `before` to `after`."""
    return _summed([*((row, -1) for row in before), *((row, 1) for row in after)])


def _summed(rows: Iterable[tuple[Tallied, int]]) -> Deltas:
    deltas: Deltas = {}
    for row, times in rows:
        for cell, measures in contribution(row):
            deltas[cell] = deltas.get(cell, NOTHING).plus(measures, times)
    return {cell: measures for cell, measures in deltas.items() if any(measures)}


def change_of(changes: Iterable[Change], today: date) -> Deltas:
    """Return all that the tallies change by when stored cases change on a day."""
    told = list(changes)
    before = [(change.before, -change.cases) for change in told]
    after = [(change.after, change.cases) for change in told]
    return _summed([*before, *after]) | undone_breaches(told, today)


def undone_breaches(changes: Iterable[Change], today: date) -> Deltas:
    """Count breaches that a change of stored cases takes back, so that their total never falls.

    A breach that goes over to another category or city counts as taken back where it was.
    """
    undone: Counter[tuple[str, str | None]] = Counter()
    for change in changes:
        label = _breach(change.before, today)
        if label is not None and label != _breach(change.after, today):
            undone[label] += change.cases
    return {
        Cell(figure=Figure.UNDONE, category=category, city=city): Measures(cases=count)
        for (category, city), count in undone.items()
    }


def _breach(row: Tallied, today: date) -> tuple[str, str | None] | None:
    """Return where a case counts as a breach on a day, or None where it does not."""
    if row.status is None or not row.status.is_open:
        is_breach = row.settled_verdict is Verdict.MISSED
    elif row.settled_verdict is not None:
        is_breach = row.settled_verdict is Verdict.BREACHED
    else:
        is_breach = row.breach_at is not None and local_date(row.breach_at) <= today
    return (row.category or UNKNOWN_CATEGORY, row.city) if is_breach else None


def alert_cell(kind: AlertKind, city: str | None, *, acknowledged: bool) -> Cell:
    """Return the cell that an open alert is counted in."""
    outcome = ACKNOWLEDGED if acknowledged else UNACKNOWLEDGED
    return Cell(figure=Figure.ALERTS, alert_kind=kind, city=city, outcome=outcome)


def open_by_verdict(cells: Deltas, today: date) -> Counter[tuple[str, str, Verdict]]:
    """Count open cases by (category, city, verdict) on a day."""
    counts: Counter[tuple[str, str, Verdict]] = Counter()
    for cell, measures in cells.items():
        if cell.figure is Figure.OPEN:
            place = cell.category or UNKNOWN_CATEGORY, cell.city or ""
            counts[*place, _verdict_on(cell, today)] += measures.cases
    return counts


def _verdict_on(cell: Cell, today: date) -> Verdict:
    if cell.verdict is not None:
        return cell.verdict
    if cell.breach_on is not None and today >= cell.breach_on:
        return Verdict.BREACHED
    if cell.at_risk_on is not None and today >= cell.at_risk_on:
        return Verdict.AT_RISK
    return Verdict.ON_TRACK
