"""The performance of a scope over a period (DESIGN 5), exact from a distribution of cases."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction

DECIMALS = 6
MEDIAN, P90 = Fraction(1, 2), Fraction(9, 10)


@dataclass(frozen=True, slots=True, kw_only=True)
class Stopped:
    """How many normal cases of a group took `workdays`, with what they weigh.

    `judged` are those with a limit, `in_time` those within it; `amount_cny` is their sum in CNY.
    """

    workdays: int
    cases: int
    judged: int
    in_time: int
    same_day: int
    amount_cny: Decimal = Decimal(0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Open:
    """How many normal open cases of a group have run `workdays` so far."""

    workdays: int
    cases: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Performance:
    """Figures of one group and scope; rates are 0 to 1, means workdays, None where n is 0."""

    n: int
    mean_workdays: float | None
    median: float | None
    p90: float | None
    in_time_rate: float | None
    same_day_rate: float | None
    amount_weighted_mean: float | None
    target_workdays: float | None
    meets_target: bool | None
    open_n: int
    open_mean_workdays: float | None
    mean_if_open_stopped_now: float | None


def performance(
    stopped: Sequence[Stopped], still_open: Sequence[Open], target: float | None
) -> Performance:
    """Sum up a group; `meets_target` compares the exact mean, not the rounded one."""
    n, total = _count(stopped), _total(stopped)
    open_n, open_total = _count(still_open), _total(still_open)
    return Performance(
        n=n,
        mean_workdays=_ratio(total, n),
        median=_percentile(stopped, MEDIAN),
        p90=_percentile(stopped, P90),
        in_time_rate=_ratio(sum(s.in_time for s in stopped), sum(s.judged for s in stopped)),
        same_day_rate=_ratio(sum(s.same_day for s in stopped), n),
        amount_weighted_mean=_amount_weighted_mean(stopped),
        target_workdays=target,
        meets_target=None if target is None or not n else total <= Fraction(str(target)) * n,
        open_n=open_n,
        open_mean_workdays=_ratio(open_total, open_n),
        mean_if_open_stopped_now=_ratio(total + open_total, n + open_n),
    )


def _count(parts: Iterable[Stopped | Open]) -> int:
    return sum(part.cases for part in parts)


def _total(parts: Iterable[Stopped | Open]) -> int:
    return sum(part.cases * part.workdays for part in parts)


def _ratio(numerator: int, denominator: int) -> float | None:
    return round(numerator / denominator, DECIMALS) if denominator else None


def _amount_weighted_mean(stopped: Iterable[Stopped]) -> float | None:
    weights = [(part.workdays, part.amount_cny) for part in stopped]
    amount = sum((weight for _, weight in weights), Decimal(0))
    if not amount:
        return None
    return round(float(sum(days * weight for days, weight in weights) / amount), DECIMALS)


def _percentile(stopped: Iterable[Stopped], share: Fraction) -> float | None:
    """Return a percentile with linear interpolation, as SQL's `percentile_cont` does."""
    counted = sorted((part.workdays, part.cases) for part in stopped)
    n = sum(cases for _, cases in counted)
    if not n:
        return None
    place = share * (n - 1)
    low, high = _nth(counted, int(place)), _nth(counted, min(int(place) + 1, n - 1))
    return round(float(low + (place - int(place)) * (high - low)), DECIMALS)


def _nth(counted: Iterable[tuple[int, int]], place: int) -> int:
    seen = 0
    for workdays, cases in counted:
        seen += cases
        if place < seen:
            return workdays
    raise IndexError(place)
