"""The work calendar: W(d), the number of workdays up to and including a date (DESIGN 3.2, 3.10)."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from enum import StrEnum
from hashlib import sha256
from itertools import dropwhile, takewhile
from types import MappingProxyType

from rebate_monitor.domain.local_time import local_date

SATURDAY = 5
VERSION_DIGITS = 8


class DayKind(StrEnum):
    """What a calendar day is under the State Council notices."""

    WORKDAY = "workday"
    WEEKEND = "weekend"
    DAY_OFF = "day_off"
    MAKEUP_WORKDAY = "makeup_workday"

    @property
    def is_workday(self) -> bool:
        """Whether work is done on such a day."""
        return self in (DayKind.WORKDAY, DayKind.MAKEUP_WORKDAY)


@dataclass(frozen=True, slots=True, kw_only=True)
class SpecialDay:
    """A day that a notice takes out of the plain week: a day off or a make-up workday.

    `notice` is the paper that says so, where it is not the one of the year.
    """

    kind: DayKind
    name: str
    notice: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class YearNotice:
    """The days off and make-up workdays of one year, as one source tells them.

    A notice may also name days of the previous December. `provisional` marks an estimate for a
    year that nobody has published.
    """

    year: int
    days: Mapping[date, SpecialDay]
    notice: str | None
    provisional: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class CalendarDay:
    """One day with what it is and which notice says so."""

    date: date
    kind: DayKind
    name: str | None
    notice: str | None
    provisional: bool

    @property
    def workday(self) -> bool:
        """Whether the day is worked."""
        return self.kind.is_workday


class CalendarRangeError(ValueError):
    """A day lies outside the years that the calendar covers."""

    def __init__(self, day: date | None, first: date, last: date) -> None:
        super().__init__(f"{day or 'a day'} is outside the calendar, {first} to {last}")
        self.day, self.first, self.last = day, first, last


class WorkCalendar:
    """Workdays from 1 January of the first notice's year to 31 December of the last's.

    Takes one notice a year, every year between the first and the last; which source speaks for
    a year is decided before (DESIGN 3.10). All dates are Asia/Shanghai dates. `version` is a digest
    of which days are worked.
    """

    def __init__(self, notices: Iterable[YearNotice]) -> None:
        self._notices = {notice.year: notice for notice in sorted(notices, key=lambda n: n.year)}
        years = list(self._notices)
        if not years or years != list(range(years[0], years[-1] + 1)):
            raise ValueError(f"a calendar needs one notice for every year, got {years}")
        self.first, self.last = date(years[0], 1, 1), date(years[-1], 12, 31)
        self._origin = self.first.toordinal()
        self._special = _special_days(self._notices.values())
        self._through, self._workdays = self._count()
        self.version = self._digest()

    def _digest(self) -> str:
        """Name this state of the calendar: the same days always have the same version."""
        days = [(day, special[0].kind.value) for day, special in sorted(self._special.items())]
        return sha256(repr((self.first, self.last, days)).encode()).hexdigest()[:VERSION_DIGITS]

    def _count(self) -> tuple[list[int], list[date]]:
        through: list[int] = []
        workdays: list[date] = []
        for ordinal in range(self._origin, self.last.toordinal() + 1):
            day = date.fromordinal(ordinal)
            if self.kind(day).is_workday:
                workdays.append(day)
            through.append(len(workdays))
        return through, workdays

    def covers(self, instant: datetime) -> bool:
        """Say whether the Asia/Shanghai date of an instant lies within the calendar."""
        try:
            return self.first <= local_date(instant) <= self.last
        except OverflowError:
            return False

    def kind(self, day: date) -> DayKind:
        """Return what a day is."""
        special = self._special.get(day)
        if special is not None:
            return special[0].kind
        return DayKind.WEEKEND if day.weekday() >= SATURDAY else DayKind.WORKDAY

    def day(self, day: date) -> CalendarDay:
        """Return a day with its name, notice and whether it is an estimate."""
        self.workdays_through(day)
        special, notice = self._special.get(day, (None, self._notices[day.year]))
        return CalendarDay(
            date=day,
            kind=self.kind(day),
            name=special.name if special else None,
            notice=special.notice or notice.notice if special else None,
            provisional=self._notices[day.year].provisional,
        )

    def days(self, first: date, last: date) -> Iterator[CalendarDay]:
        """Yield each day from first to last, both included."""
        for ordinal in range(first.toordinal(), last.toordinal() + 1):
            yield self.day(date.fromordinal(ordinal))

    def workdays_through(self, day: date) -> int:
        """Return W(day), in workdays; raise CalendarRangeError outside the calendar."""
        index = day.toordinal() - self._origin
        if 0 <= index < len(self._through):
            return self._through[index]
        raise CalendarRangeError(day, self.first, self.last)

    def workdays_between(self, start: date, end: date) -> int:
        """Return W(end) - W(start): workdays after start up to and including end.

        Raises CalendarRangeError outside the calendar.
        """
        # Two look-ups and no call: everything is counted by this.
        through, origin = self._through, self._origin
        before, after = start.toordinal() - origin, end.toordinal() - origin
        days = len(through)
        if 0 <= before < days and 0 <= after < days:
            return through[after] - through[before]
        raise CalendarRangeError(end if 0 <= before < days else start, self.first, self.last)

    def workday_number(self, number: int) -> date:
        """Return the workday whose W is `number`; raise CalendarRangeError past the end."""
        if 1 <= number <= len(self._workdays):
            return self._workdays[number - 1]
        raise CalendarRangeError(None, self.first, self.last)

    def workday_on_or_after(self, day: date) -> date:
        """Return the first workday that is not before a day."""
        if self.kind(day).is_workday:
            return day
        return self.workday_number(self.workdays_through(day) + 1)

    def is_provisional(self, first: date, last: date) -> bool:
        """Say whether any day from first to last is an estimate (DESIGN 3.10)."""
        years = range(first.year, last.year + 1)
        return any(self._notices[year].provisional for year in years if year in self._notices)

    @property
    def published_until(self) -> date:
        """The last day before the first estimated year that follows a published one."""
        from_published = dropwhile(lambda notice: notice.provisional, self._notices.values())
        years = [n.year for n in takewhile(lambda notice: not notice.provisional, from_published)]
        return date(years[-1], 12, 31) if years else self.first - timedelta(days=1)

    @property
    def notices(self) -> Mapping[int, YearNotice]:
        """The notice that speaks for each year."""
        return MappingProxyType(self._notices)


def _special_days(
    notices: Iterable[YearNotice],
) -> dict[date, tuple[SpecialDay, YearNotice]]:
    """Lay the notices over each other, the later year's above the earlier's.

    Five notices also changed days of the previous December (DESIGN 3.10, LIBRARIES calendar row).
    """
    return {day: (special, notice) for notice in notices for day, special in notice.days.items()}
