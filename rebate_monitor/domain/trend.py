"""Means of the last months, of each city and of all together."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date

from rebate_monitor.domain.performance import Mean
from rebate_monitor.domain.periods import months_earlier
from rebate_monitor.domain.policy import Scope

MONTHS = 12


@dataclass(frozen=True, slots=True, kw_only=True)
class MonthSums:
    """Normal cases of a city that stopped in a month, of categories I and II or not.

    `month` is its first day, `workdays` their sum.
    """

    city: str | None
    month: date
    category_1_2: bool
    cases: int
    workdays: int


def last_months(today: date) -> tuple[date, ...]:
    """Return the first days of the last twelve months, that of today the last."""
    first = today.replace(day=1)
    return tuple(months_earlier(first, back) for back in reversed(range(MONTHS)))


class Trend:
    """The means of `months`, by city and scope; None as a city stands for all of them."""

    def __init__(self, months: Sequence[date], sums: Iterable[MonthSums]) -> None:
        self.months = tuple(months)
        self._sums: dict[tuple[str | None, Scope, date], list[int]] = defaultdict(lambda: [0, 0])
        for told in sums:
            self._add(told)

    def _add(self, told: MonthSums) -> None:
        scopes = [scope for scope in Scope if scope is Scope.ALL or told.category_1_2]
        for scope in scopes:
            for city in {told.city, None}:
                sums = self._sums[city, scope, told.month]
                sums[0] += told.cases
                sums[1] += told.workdays

    @property
    def cities(self) -> list[str]:
        """The cities in which a case stopped, in order."""
        return sorted({city for city, _, _ in self._sums if city is not None})

    def means(self, city: str | None, scope: Scope) -> list[float | None]:
        """Return the mean workdays of each month, None where no case stopped."""
        return [self.mean(city, scope, month).workdays for month in self.months]

    def mean(self, city: str | None, scope: Scope, month: date) -> Mean:
        """Return the mean of one month, before it is rounded."""
        cases, workdays = self._sums.get((city, scope, month), (0, 0))
        return Mean(n=cases, workdays_sum=workdays)
