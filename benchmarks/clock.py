"""W(b) - W(a) against numpy's busday_count (scalar) and a count by the `holidays` package."""

import random
import timeit
from collections.abc import Callable
from datetime import date, timedelta

import holidays
import numpy as np

from rebate_monitor.calendar_sources import work_calendar
from rebate_monitor.domain.work_calendar import DayKind

PAIRS = 2_000
ROUNDS = 5


def run() -> None:
    """Print nanoseconds for one difference on each side, and the ratios."""
    calendar = work_calendar()
    pairs = _pairs()
    days_off = [
        day.date
        for day in calendar.days(date(2007, 1, 1), date(2026, 12, 31))
        if day.kind is DayKind.DAY_OFF
    ]
    busdays = np.busdaycalendar(holidays=[np.datetime64(day) for day in days_off])
    china = holidays.country_holidays("CN", years=range(2007, 2027))

    ours = _nanoseconds(lambda: [calendar.workdays_between(a, b) for a, b in pairs])
    theirs = _nanoseconds(lambda: [np.busday_count(a, b, busdaycal=busdays) for a, b in pairs])
    package = _nanoseconds(lambda: [china.get_working_days_count(a, b) for a, b in pairs])
    print(f"  this calendar             {ours:10.0f} ns")
    print(f"  numpy.busday_count scalar {theirs:10.0f} ns   ratio {theirs / ours:8.1f}")
    print(f"  holidays count            {package:10.0f} ns   ratio {package / ours:8.1f}")


def _pairs() -> list[tuple[date, date]]:
    rng = random.Random(1)
    starts = [date(2007, 1, 1) + timedelta(days=rng.randrange(7000)) for _ in range(PAIRS)]
    return [(start, start + timedelta(days=rng.randrange(30))) for start in starts]


def _nanoseconds(work: Callable[[], object]) -> float:
    return min(timeit.repeat(work, number=1, repeat=ROUNDS)) / PAIRS * 1e9
