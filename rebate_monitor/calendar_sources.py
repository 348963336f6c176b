"""Which source speaks for each year of the work calendar (DESIGN 3.10).

In order of truth: notices imported by operations, the published calendar (`chinesecalendar`), and
for a year nobody has published an estimate (`holidays`), marked provisional.
"""

from collections.abc import Iterable
from datetime import date

import holidays
from chinese_calendar.constants import holidays as published_days_off
from chinese_calendar.constants import workdays as published_makeup_workdays

from rebate_monitor.domain.work_calendar import (
    DayKind,
    SpecialDay,
    WorkCalendar,
    YearNotice,
)

FIRST_YEAR, LAST_YEAR = 2000, 2099
DECEMBER = 12
CHINESE_NAMES = {
    "New Year's Day": "元旦",
    "Spring Festival": "春节",
    "Tomb-sweeping Day": "清明节",
    "Labour Day": "劳动节",
    "Dragon Boat Festival": "端午节",
    "Mid-autumn Festival": "中秋节",
    "National Day": "国庆节",
    "Anti-Fascist 70th Day": "中国人民抗日战争暨世界反法西斯战争胜利70周年纪念日",
}


def work_calendar(imported: Iterable[YearNotice] = ()) -> WorkCalendar:
    """Build the calendar of the years 2000 to 2099 from the best source for each."""
    notices = estimated_notices() | published_notices() | {n.year: n for n in imported}
    return WorkCalendar(notices.values())


def published_notices() -> dict[int, YearNotice]:
    """Return the State Council's notices by year, as `chinesecalendar` has them."""
    days: dict[int, dict[date, SpecialDay]] = {}
    sources = (
        (published_days_off, DayKind.DAY_OFF),
        (published_makeup_workdays, DayKind.MAKEUP_WORKDAY),
    )
    for source, kind in sources:
        for day, name in source.items():
            special = SpecialDay(kind=kind, name=CHINESE_NAMES.get(name, name))
            days.setdefault(_notice_year(day, name), {})[day] = special
    last = max(published_days_off).year
    return {
        year: YearNotice(
            year=year, days=named, notice=f"国务院办公厅关于{year}年部分节假日安排的通知"
        )
        for year, named in sorted(days.items())
        if year <= last
    }


def _notice_year(day: date, name: str) -> int:
    """Return whose notice a day belongs to: New Year's days in December are the next year's."""
    return day.year + (day.month == DECEMBER and name == "New Year's Day")


def estimated_notices() -> dict[int, YearNotice]:
    """Estimate every year from its statutory holidays, with the days given back for weekends.

    Bridge days and the make-up workdays for them are the State Council's choice: nobody can know.
    """
    years = range(FIRST_YEAR, LAST_YEAR + 1)
    statutory = holidays.country_holidays("CN", years=years, language="zh_CN")
    days: dict[int, dict[date, SpecialDay]] = {year: {} for year in years}
    for day, name in statutory.items():
        if day.year in days:
            days[day.year][day] = SpecialDay(kind=DayKind.DAY_OFF, name=name)
    return {
        year: YearNotice(year=year, days=named, notice=None, provisional=True)
        for year, named in days.items()
    }
