"""One value from a column, as panels show a series by its last."""

import statistics
from collections.abc import Callable, Sequence
from math import isnan

from grafana.panels.frames import Cell, Field

__all__ = ["present_numbers", "reduced"]


def reduced(field: Field, calculation: str) -> Cell:
    """Return one value of a field, none where it has none; KeyError for what is unknown here."""
    if calculation == "lastNotNull":
        present = (each for each in reversed(field.values) if each is not None)
        return next((each for each in present if not _is_nan(each)), None)
    numbers = present_numbers(field)
    return CALCULATIONS[calculation](numbers) if numbers else None


def present_numbers(field: Field) -> list[float]:
    """Return the numbers of a field without gaps."""
    return [each for each in field.values if isinstance(each, float) and not isnan(each)]


def _is_nan(value: Cell) -> bool:
    return isinstance(value, float) and isnan(value)


CALCULATIONS: dict[str, Callable[[Sequence[float]], float]] = {
    "max": max,
    "mean": statistics.fmean,
    "min": min,
    "sum": sum,
}
