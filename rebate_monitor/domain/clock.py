"""The working-day clock of one case: workdays over its running spans (DESIGN 3.2 to 3.5)."""

from dataclasses import dataclass
from datetime import date

from rebate_monitor.domain.policy import Counting, NonWorkdayStart, StartDay
from rebate_monitor.domain.work_calendar import WorkCalendar


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """A stretch in which the clock runs, from a date up to a date, or on and on without one."""

    start: date
    end: date | None = None


class Clock:
    """Counts the workdays of a case.

    The spans are in order of time and do not overlap; the first begins on the day of acceptance.
    All counts are workdays, all dates Asia/Shanghai dates.
    """

    __slots__ = ("_base", "_calendar", "accepted_on", "counts_from", "spans")

    def __init__(self, calendar: WorkCalendar, counting: Counting, spans: tuple[Span, ...]) -> None:
        self._calendar, self.spans = calendar, spans
        self.accepted_on = spans[0].start
        self.counts_from = _first_day(calendar, counting, self.accepted_on)
        included = counting.start_day is StartDay.INCLUDED
        self._base = calendar.workdays_through(self.counts_from) - included

    def gross_on(self, day: date) -> int:
        """Return the workdays from acceptance to the end of a day, pauses included."""
        if day < self.accepted_on:
            return 0
        return max(0, self._calendar.workdays_through(day) - self._base)

    def workdays_on(self, day: date) -> int:
        """Return the workdays that the clock has run at the end of a day."""
        return sum(
            self._span_count(span, _earlier(span.end, day))
            for span in self.spans
            if span.start <= day
        )

    def day_reaching(self, count: int) -> date | None:
        """Return the first day whose count is at least `count`, if the clock ever gets there.

        That is a workday, or the day of acceptance itself. A clock whose last span has no end gets
        everywhere. Raises CalendarRangeError when that day lies beyond the calendar.
        """
        before = 0
        for span in self.spans:
            if span.end is None or before + self._span_count(span, span.end) >= count:
                return self._day_in(span, count - before)
            before += self._span_count(span, span.end)
        return None

    def _day_in(self, span: Span, count: int) -> date:
        if self._span_count(span, span.start) >= count:
            return span.start
        return self._calendar.workday_number(self._base + self._floor(span) + count)

    def _span_count(self, span: Span, end: date) -> int:
        return self.gross_on(end) - self._floor(span)

    def _floor(self, span: Span) -> int:
        """Return what the span starts from: the first may count its own start day."""
        return 0 if span is self.spans[0] else self.gross_on(span.start)


def _first_day(calendar: WorkCalendar, counting: Counting, accepted_on: date) -> date:
    if counting.non_workday_start is NonWorkdayStart.DAY_0:
        return calendar.workday_on_or_after(accepted_on)
    return accepted_on


def _earlier(end: date | None, day: date) -> date:
    return day if end is None else min(end, day)
