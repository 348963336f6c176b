"""The two years whose notice was amended while they ran: as first published, and as amended.

The published calendar holds them as amended. 2019 Labour Day was one day off until March 2019, the
Spring Festival of 2020 three days shorter until 27 January 2020.
"""

from collections.abc import Iterable
from dataclasses import replace

from domain_builders import day
from rebate_monitor.calendar_sources import published_notices
from rebate_monitor.domain.work_calendar import DayKind, SpecialDay, YearNotice


def labour_day_2019_first() -> YearNotice:
    """Return 2019 by the notice of December 2018: 1 May only."""
    return _retold(2019, "劳动节", off=["2019-05-01"])


def labour_day_2019_amended() -> YearNotice:
    """Return 2019 as amended in March 2019: four days, worked off on two Sundays."""
    return _retold(
        2019,
        "劳动节",
        off=["2019-05-01", "2019-05-02", "2019-05-03", "2019-05-04"],
        worked=["2019-04-28", "2019-05-05"],
    )


def spring_festival_2020_first() -> YearNotice:
    """Return 2020 by the notice of November 2019: seven days, to 30 January."""
    return _retold(2020, "春节", off=_january_2020(30), worked=["2020-01-19", "2020-02-01"])


def spring_festival_2020_amended() -> YearNotice:
    """Return 2020 as extended in January 2020: to 2 February, and 1 February is not worked."""
    extended = [*_january_2020(31), "2020-02-01", "2020-02-02"]
    return _retold(2020, "春节", off=extended, worked=["2020-01-19"])


def _january_2020(last: int) -> list[str]:
    return [f"2020-01-{number}" for number in range(24, last + 1)]


def _retold(year: int, name: str, off: Iterable[str], worked: Iterable[str] = ()) -> YearNotice:
    """Tell one holiday of a published year otherwise."""
    published = published_notices()[year]
    days = {on: special for on, special in published.days.items() if special.name != name}
    days |= {day(text): SpecialDay(kind=DayKind.DAY_OFF, name=name) for text in off}
    days |= {day(text): SpecialDay(kind=DayKind.MAKEUP_WORKDAY, name=name) for text in worked}
    return replace(published, days=days)
