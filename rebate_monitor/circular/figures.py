"""The figures of a group: what each is, over which cases it is taken, and how it becomes a cell."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from rebate_monitor.circular.document import Cell, Kind, Tone, Value
from rebate_monitor.circular.facts import Base, Figures
from rebate_monitor.circular.wording import enough_decimals
from rebate_monitor.domain.performance import DECIMALS

PERCENT = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """One figure: it is hidden where any of the bases that it is taken over is."""

    kind: Kind
    bases: tuple[Base, ...] = (Base.STOPPED,)
    value: Callable[[Figures], Value]


def _excluded_share(told: Figures) -> float | None:
    excluded = told.evaluated.left_out.excluded
    ended = told.evaluated.performance.n + excluded
    return round(excluded / ended, DECIMALS) if ended else None


FIGURES: Mapping[str, Figure] = {
    "n": Figure(kind=Kind.COUNT, value=lambda told: told.evaluated.performance.n),
    "mean_workdays": Figure(
        kind=Kind.WORKDAYS, value=lambda told: told.evaluated.performance.mean_workdays
    ),
    "target_workdays": Figure(
        kind=Kind.WORKDAYS, bases=(), value=lambda told: told.evaluated.performance.target_workdays
    ),
    "meets_target": Figure(
        kind=Kind.FLAG, value=lambda told: told.evaluated.performance.meets_target
    ),
    "change_on_previous": Figure(
        kind=Kind.CHANGE,
        bases=(Base.STOPPED, Base.PREVIOUS),
        value=lambda told: told.evaluated.mean.change_on(told.evaluated.previous),
    ),
    "change_on_year": Figure(
        kind=Kind.CHANGE,
        bases=(Base.STOPPED, Base.YEAR_AGO),
        value=lambda told: told.evaluated.mean.change_on(told.evaluated.year_ago),
    ),
    "in_time_rate": Figure(
        kind=Kind.RATE,
        bases=(Base.STOPPED, Base.JUDGED),
        value=lambda told: told.evaluated.performance.in_time_rate,
    ),
    "same_day_rate": Figure(
        kind=Kind.RATE, value=lambda told: told.evaluated.performance.same_day_rate
    ),
    "amount_weighted_mean": Figure(
        kind=Kind.WORKDAYS, value=lambda told: told.evaluated.performance.amount_weighted_mean
    ),
    "median": Figure(kind=Kind.WORKDAYS, value=lambda told: told.evaluated.performance.median),
    "p90": Figure(kind=Kind.WORKDAYS, value=lambda told: told.evaluated.performance.p90),
    "open_n": Figure(
        kind=Kind.COUNT, bases=(Base.OPEN,), value=lambda told: told.evaluated.performance.open_n
    ),
    "open_mean_workdays": Figure(
        kind=Kind.WORKDAYS,
        bases=(Base.OPEN,),
        value=lambda told: told.evaluated.performance.open_mean_workdays,
    ),
    "mean_if_open_stopped_now": Figure(
        kind=Kind.WORKDAYS,
        bases=(Base.STOPPED, Base.OPEN),
        value=lambda told: told.evaluated.performance.mean_if_open_stopped_now,
    ),
    "excluded": Figure(
        kind=Kind.COUNT,
        bases=(Base.EXCLUDED,),
        value=lambda told: told.evaluated.left_out.excluded,
    ),
    "excluded_share": Figure(
        kind=Kind.RATE, bases=(Base.STOPPED, Base.EXCLUDED), value=_excluded_share
    ),
    "rejected": Figure(
        kind=Kind.COUNT,
        bases=(Base.REJECTED,),
        value=lambda told: told.evaluated.left_out.rejected,
    ),
    "withdrawn": Figure(
        kind=Kind.COUNT,
        bases=(Base.WITHDRAWN,),
        value=lambda told: told.evaluated.left_out.withdrawn,
    ),
    "refiled": Figure(
        kind=Kind.COUNT, bases=(Base.REFILED,), value=lambda told: told.evaluated.refiled
    ),
}
"""By the names that the API has for them; `excluded_share` is of normal and excluded ones."""

AGAINST_TARGET = frozenset({"mean_workdays", "mean_if_open_stopped_now"})


def cell_of(name: str, told: Figures) -> Cell:
    """Return a figure as a cell, with as many decimals as it takes."""
    figure = FIGURES[name]
    value = figure.value(told)
    performance = told.evaluated.performance
    if name in AGAINST_TARGET:
        mark = performance.target_workdays
        decimals = enough_decimals(_number(value), mark)
        return Cell(value=value, decimals=decimals, tone=_tone(told, name))
    if name == "target_workdays":
        return Cell(value=value, decimals=0 if value == int(value or 0) else 2)
    if name == "meets_target" and value is not None:
        return Cell(value=value, tone=Tone.GOOD if value else Tone.BAD)
    return Cell(value=value, decimals=decimals_of(value, figure.kind))


def _tone(told: Figures, name: str) -> Tone | None:
    meets = told.evaluated.performance.meets_target
    if name != "mean_workdays" or meets is None:
        return None
    return Tone.GOOD if meets else Tone.BAD


def decimals_of(value: Value, kind: Kind) -> int:
    """Return with how many decimals a number is written, so that it does not look like 0 or all."""
    told = _number(value)
    if kind is Kind.RATE and told is not None:
        return max(enough_decimals(told * PERCENT, mark) for mark in (0, PERCENT))
    return enough_decimals(told, None)


def _number(value: Value) -> float | None:
    return value if isinstance(value, int | float) else None
