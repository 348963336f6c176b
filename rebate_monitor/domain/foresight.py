"""Look ahead: what falls due when, where the month's mean will end, what a holiday does to it.

Pure arithmetic over counts of open cases, the distribution of workdays that cases took lately, the
calendar and today. Definitions and their sources: docs/foresight.md.
"""

from calendar import monthrange
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from enum import StrEnum
from fractions import Fraction
from typing import NamedTuple

from rebate_monitor.domain.event import Category
from rebate_monitor.domain.performance import rounded
from rebate_monitor.domain.policy import PolicyBook, Scope
from rebate_monitor.domain.tally import Deltas, Figure
from rebate_monitor.domain.work_calendar import DayKind, WorkCalendar

WORKDAYS_AHEAD = 10
PACE_DAYS = 90
"""Over how many days the usual pace is taken, today included."""
FEWEST_CASES = 30
"""How many cases a city's pace must rest on; with fewer the province's is taken."""
LEAST_DAYS_OFF = 3
"""A weekend has two: what is longer is a holiday block."""
WORKDAYS_BEFORE, WORKDAYS_AFTER = 2, 3
"""How many workdays before and after a holiday block are looked at."""
MAKEUP_WITHIN = timedelta(days=30)
"""How far from its block a make-up workday is looked for; none ever lay more than 11 days away."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenCases:
    """Open cases that have in common all that is asked of them here.

    `counted_workdays` held at the end of `running_since`, and every workday after it adds one;
    while a case is suspended `running_since` is None and the count stands. Suspended cases and
    those that no policy judges have no due date. Dates are Asia/Shanghai, told by the calendar in
    force unless `told_by` another, whose turn has not come.
    """

    city: str | None
    category: Category | None
    normal: bool
    counted_workdays: int
    running_since: date | None
    due_date: date | None
    at_risk_on: date | None
    breach_on: date | None
    cases: int
    told_by: WorkCalendar | None = None

    @property
    def suspended(self) -> bool:
        """Whether the clocks stand still."""
        return self.running_since is None

    def workdays_when(self, through: int, calendar: WorkCalendar) -> int:
        """Return the workdays counted at the end of a day whose W is `through`."""
        if self.running_since is None:
            return self.counted_workdays
        later = through - calendar.workdays_through(self.running_since)
        return max(0, self.counted_workdays + later)

    def over_limit_on(self, today: date) -> bool:
        """Say whether the limit is exceeded on a day (DESIGN 3.5)."""
        return self.breach_on is not None and self.breach_on <= today

    def at_risk(self, today: date) -> bool:
        """Say whether the warning day has come and the limit is not exceeded (DESIGN 3.5)."""
        come = self.at_risk_on is not None and self.at_risk_on <= today
        return come and not self.over_limit_on(today)


# --- what falls due ------------------------------------------------------------------------------


def next_workday_number(today: date, calendar: WorkCalendar) -> int:
    """Return W of the next workday: today, or on a rest day the first one after it.

    W of a due date less this is its place among the next workdays, 0 the first; negative: passed.
    So a due date on a rest day falls on the workday before it.
    """
    return calendar.workdays_through(today) + (not calendar.kind(today).is_workday)


def next_workdays(today: date, calendar: WorkCalendar) -> list[date]:
    """Return the next ten workdays, today included when it is one; fewer at the calendar's end."""
    first = next_workday_number(today, calendar)
    return _workdays(range(first, first + WORKDAYS_AHEAD), calendar)


def _workdays(numbers: range, calendar: WorkCalendar) -> list[date]:
    last = calendar.workdays_through(calendar.last)
    return [calendar.workday_number(number) for number in numbers if 1 <= number <= last]


@dataclass(frozen=True, slots=True, kw_only=True)
class Queue:
    """Open cases by when they fall due; all but `at_risk` add up to `open`.

    `due` has a place for each of the next workdays, and so has `at_risk`: how many of those are at
    risk already. `at_limit` are cases whose due date has passed without the limit being exceeded:
    on a rest day right after it, or when the clock was paused on it. `overdue` exceed their limit.
    `suspended` ones, and those `without_due_date` because no policy judges them, have none.
    """

    due: tuple[int, ...]
    at_risk: tuple[int, ...]
    at_limit: int
    overdue: int
    due_later: int
    suspended: int
    without_due_date: int

    @property
    def open(self) -> int:
        """All open cases."""
        beside = self.at_limit + self.overdue + self.due_later
        return sum(self.due) + beside + self.suspended + self.without_due_date


class _Place(StrEnum):
    """Where an open case is counted that is not due on one of the next workdays."""

    AT_LIMIT = "at_limit"
    OVERDUE = "overdue"
    DUE_LATER = "due_later"
    SUSPENDED = "suspended"
    WITHOUT_DUE_DATE = "without_due_date"


def queue(open_cases: Iterable[OpenCases], today: date, calendar: WorkCalendar) -> Queue:
    """Sort open cases by when they fall due."""
    counts: Counter[_Place | int] = Counter()
    at_risk: Counter[_Place | int] = Counter()
    for each in open_cases:
        place = _place(each, today, calendar)
        counts[place] += each.cases
        at_risk[place] += each.cases * each.at_risk(today)
    return Queue(
        due=tuple(counts[ahead] for ahead in range(WORKDAYS_AHEAD)),
        at_risk=tuple(at_risk[ahead] for ahead in range(WORKDAYS_AHEAD)),
        **{place.value: counts[place] for place in _Place},
    )


def _place(each: OpenCases, today: date, calendar: WorkCalendar) -> _Place | int:
    if each.suspended:
        return _Place.SUSPENDED
    if each.due_date is None:
        return _Place.WITHOUT_DUE_DATE
    if each.over_limit_on(today):
        return _Place.OVERDUE
    told_by = each.told_by or calendar
    ahead = told_by.workdays_through(each.due_date) - next_workday_number(today, told_by)
    if ahead < 0:
        return _Place.AT_LIMIT
    return ahead if ahead < WORKDAYS_AHEAD else _Place.DUE_LATER


def due_by_city(
    cells: Deltas, today: date, calendar_of: Callable[[int | None], WorkCalendar]
) -> Counter[tuple[str, int]]:
    """Count what falls due by (city, place among the next workdays), from the running tallies.

    `calendar_of` names the calendar by which the dates of a cell were told, by its rules.
    """
    counts: Counter[tuple[str, int]] = Counter()
    for cell, measures in cells.items():
        if cell.figure is Figure.OPEN and cell.due_on is not None:
            calendar = calendar_of(cell.rules)
            first = next_workday_number(today, calendar)
            ahead = calendar.workdays_through(cell.due_on) - first
            if 0 <= ahead < WORKDAYS_AHEAD:
                counts[cell.city or "", ahead] += measures.cases
    return counts


def due_beyond(cells: Deltas, calendar_of: Callable[[int | None], WorkCalendar]) -> Counter[date]:
    """Count what falls due after the last published day, by due date, from the running tallies.

    `calendar_of` names the calendar by which the dates of a cell were told, by its rules.
    """
    counts: Counter[date] = Counter()
    until: dict[int | None, date] = {}
    for cell, measures in cells.items():
        if cell.figure is Figure.OPEN and cell.due_on is not None:
            if cell.rules not in until:
                until[cell.rules] = calendar_of(cell.rules).published_until
            if cell.due_on > until[cell.rules]:
                counts[cell.due_on] += measures.cases
    return counts


# --- where the month's mean will end -------------------------------------------------------------


class Assumption(StrEnum):
    """What is assumed of the cases that are open."""

    STOPPED_NOW = "stopped_now"
    ON_DUE_DATE = "on_due_date"
    USUAL_PACE = "usual_pace"


@dataclass(frozen=True, slots=True, kw_only=True)
class Stops:
    """Normal cases that stopped, of a city and of categories I and II or not, by their workdays."""

    city: str | None
    category_1_2: bool
    workdays: int
    cases: int


class Pace:
    """How long the normal cases of the last 90 days took, by city and by categories I and II."""

    def __init__(self, stops: Iterable[Stops]) -> None:
        self._cities: dict[tuple[str | None, bool], Counter[int]] = defaultdict(Counter)
        self._province: dict[bool, Counter[int]] = defaultdict(Counter)
        for each in stops:
            self._cities[each.city, each.category_1_2][each.workdays] += each.cases
            self._province[each.category_1_2][each.workdays] += each.cases

    def of_at_least(
        self, workdays: int, city: str | None, *, category_1_2: bool
    ) -> Mapping[int, int]:
        """Return how many cases took how many workdays, of those that took at least as many.

        The city's own, or the province's where fewer than 30 of the city's took as long.
        """
        own = _at_least(self._cities[city, category_1_2], workdays)
        if sum(own.values()) >= FEWEST_CASES:
            return own
        return _at_least(self._province[category_1_2], workdays)


def _at_least(taken: Mapping[int, int], workdays: int) -> dict[int, int]:
    return {took: cases for took, cases in taken.items() if took >= workdays}


class Sums(NamedTuple):
    """A number of cases and their workdays in all; not whole where they are expected ones."""

    cases: Fraction | int = 0
    workdays: Fraction | int = 0

    def plus(self, other: "Sums") -> "Sums":
        """Return both together."""
        return Sums(self.cases + other.cases, self.workdays + other.workdays)


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """What a month's end is foreseen from.

    All open cases, the normal cases that stopped this month, by whether of categories I and II, and
    how long such cases took lately.
    """

    open_cases: Sequence[OpenCases]
    finished: Mapping[bool, Sums]
    pace: Pace

    def finished_of(self, scope: Scope) -> Sums:
        """Return what has finished this month in a scope."""
        own, others = (self.finished.get(category_1_2, Sums()) for category_1_2 in (True, False))
        return own.plus(others) if scope is Scope.ALL else own


@dataclass(frozen=True, slots=True, kw_only=True)
class Month:
    """The month of a day, with the calendar that counts it."""

    today: date
    calendar: WorkCalendar

    @property
    def first(self) -> date:
        """Its first day."""
        return self.today.replace(day=1)

    @property
    def last(self) -> date:
        """Its last day."""
        return self.today.replace(day=monthrange(self.today.year, self.today.month)[1])

    @property
    def pace_first(self) -> date:
        """The first day of those over which the usual pace is taken."""
        return self.today - timedelta(days=PACE_DAYS - 1)

    @property
    def provisional(self) -> bool:
        """Whether the rest of the month touches an estimated day (DESIGN 3.10)."""
        return self.calendar.is_provisional(self.today, self.last)

    @property
    def workdays_left(self) -> int:
        """How many of its workdays are still to be used, today included when it is one."""
        last = self.calendar.workdays_through(self.last)
        return last + 1 - next_workday_number(self.today, self.calendar)


@dataclass(frozen=True, slots=True, kw_only=True)
class Foreseen:
    """How a scope's month ends under one assumption, what has finished so far included.

    `n` and `left_open` are expected numbers of cases under the usual pace, hence not whole.
    `slack_workdays` is the processing time that is left under the target, `slack_per_case` its
    share for each case that is still to stop this month under the assumption. `left_open` are
    the normal open cases that do not stop this month. None: without a target, or without cases.
    """

    n: float
    mean_workdays: float | None
    meets_target: bool | None
    slack_workdays: float | None
    slack_per_case: float | None
    left_open: float


@dataclass(frozen=True, slots=True, kw_only=True)
class MonthEnd:
    """A scope's month so far (`n`, `mean_workdays` of normal cases) and where it may end.

    `slack_workdays` is the processing time that is left under the target (mean workdays), counting
    what has finished; `slack_per_case` its share for each of the `open_n` normal open cases: how
    much longer than the target they may take on average. None: without a target, or without cases.
    """

    scope: Scope
    target_workdays: float | None
    n: int
    mean_workdays: float | None
    slack_workdays: float | None
    slack_per_case: float | None
    open_n: int
    assumptions: Mapping[Assumption, Foreseen]


def month_end(scope: Scope, known: Known, month: Month, target: float | None) -> MonthEnd:
    """Foresee the mean of a scope against a target in mean workdays."""
    counted = [each for each in known.open_cases if each.normal and scope.covers(each.category)]
    open_n = sum(each.cases for each in counted)
    finished = known.finished_of(scope)
    still = {
        Assumption.STOPPED_NOW: _stopped_now(counted, month),
        Assumption.ON_DUE_DATE: _on_due_date(counted, month),
        Assumption.USUAL_PACE: _at_usual_pace(counted, known.pace, month),
    }
    left = slack(finished, target)
    return MonthEnd(
        scope=scope,
        target_workdays=target,
        n=int(finished.cases),
        mean_workdays=_ratio(finished.workdays, finished.cases),
        slack_workdays=_rounded(left),
        slack_per_case=_ratio(left, open_n),
        open_n=open_n,
        assumptions={a: _foreseen(finished, more, open_n, target) for a, more in still.items()},
    )


def month_ends(known: Known, month: Month, policies: PolicyBook) -> tuple[MonthEnd, ...]:
    """Foresee the mean of every scope against the target in force on the month's last day."""
    applied = policies.on(month.last)
    return tuple(month_end(scope, known, month, applied.target(scope)) for scope in Scope)


def slack(sums: Sums, target: float | None) -> Fraction | None:
    """Return the workdays of processing time left under a target, None where there is none."""
    return None if target is None else Fraction(str(target)) * sums.cases - sums.workdays


def _foreseen(finished: Sums, more: Sums, open_n: int, target: float | None) -> Foreseen:
    total = finished.plus(more)
    left = slack(total, target)
    return Foreseen(
        n=rounded(Fraction(total.cases)),
        mean_workdays=_ratio(total.workdays, total.cases),
        meets_target=None if left is None or not total.cases else left >= 0,
        slack_workdays=_rounded(left),
        slack_per_case=_ratio(left, more.cases),
        left_open=rounded(Fraction(open_n - more.cases)),
    )


def _ratio(numerator: Fraction | int | None, denominator: Fraction | int) -> float | None:
    if numerator is None or not denominator:
        return None
    return rounded(Fraction(numerator) / denominator)


def _rounded(value: Fraction | None) -> float | None:
    return None if value is None else rounded(value)


def _stopped_now(open_cases: Iterable[OpenCases], month: Month) -> Sums:
    """Stop every case today, suspended ones with the count at which they stand."""
    through = month.calendar.workdays_through(month.today)
    return _sum((each.cases, each.workdays_when(through, month.calendar)) for each in open_cases)


def _on_due_date(open_cases: Iterable[OpenCases], month: Month) -> Sums:
    """Stop every case on its due date, or today where that has passed; none after the month."""
    calendar = month.calendar
    ends = [
        (each, max(each.due_date, month.today)) for each in open_cases if each.due_date is not None
    ]
    return _sum(
        (each.cases, each.workdays_when(calendar.workdays_through(end), calendar))
        for each, end in ends
        if end <= month.last
    )


def _sum(counted: Iterable[tuple[int, int]]) -> Sums:
    told = list(counted)
    return Sums(sum(cases for cases, _ in told), sum(cases * took for cases, took in told))


def _at_usual_pace(open_cases: Iterable[OpenCases], pace: Pace, month: Month) -> Sums:
    """Let each case take as long as the cases of its city that took at least as long as it has.

    A suspended case has no pace. One that has taken longer than every case of the last 90 days has
    none either: nothing says that it stops this month.
    """
    through = next_workday_number(month.today, month.calendar)
    running: Counter[tuple[int, str | None, bool]] = Counter()
    for each in open_cases:
        if not each.suspended:
            begun = each.workdays_when(through, month.calendar)
            running[begun, each.city, Scope.CATEGORY_1_2.covers(each.category)] += each.cases
    total = Sums()
    for (begun, city, category_1_2), cases in running.items():
        taken = pace.of_at_least(begun, city, category_1_2=category_1_2)
        total = total.plus(_expected(cases, taken, begun + month.workdays_left))
    return total


def _expected(cases: int, taken: Mapping[int, int], too_long: int) -> Sums:
    """Return what is expected of cases when only those below a number of workdays count."""
    history = sum(taken.values())
    within = _sum((n, took) for took, n in taken.items() if took < too_long)
    if not history:
        return Sums()
    return Sums(*(Fraction(cases * part) / history for part in within))


# --- what the coming holiday does ----------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class HolidayBlock:
    """Three or more days off in a row, from `first` to `last`, with the make-up workdays for it.

    `workday_before` is W of the last workday before it. `provisional`: it is an estimate.
    """

    first: date
    last: date
    name: str
    makeup_workdays: tuple[date, ...]
    workday_before: int
    provisional: bool


def holiday_block(today: date, calendar: WorkCalendar) -> HolidayBlock | None:
    """Return the holiday block that is under way or comes next, None where none is known."""
    last_number = calendar.workdays_through(calendar.last)
    for number in range(max(1, calendar.workdays_through(today)), last_number):
        before, after = (calendar.workday_number(n) for n in (number, number + 1))
        if (after - before).days > LEAST_DAYS_OFF:
            return _block(before + timedelta(days=1), after - timedelta(days=1), number, calendar)
    return None


def _block(first: date, last: date, workday_before: int, calendar: WorkCalendar) -> HolidayBlock:
    names = list(
        dict.fromkeys(day.name for day in calendar.days(first, last) if day.name is not None)
    )
    around = calendar.days(
        max(calendar.first, first - MAKEUP_WITHIN), min(calendar.last, last + MAKEUP_WITHIN)
    )
    return HolidayBlock(
        first=first,
        last=last,
        name="、".join(_without_repeats(names)),
        makeup_workdays=tuple(
            day.date for day in around if day.kind is DayKind.MAKEUP_WORKDAY and day.name in names
        ),
        workday_before=workday_before,
        provisional=calendar.is_provisional(first - timedelta(days=1), last + timedelta(days=1)),
    )


def _without_repeats(names: Sequence[str]) -> list[str]:
    """Leave out a name that only adds to an earlier one, as estimates do: 春节（补假）."""
    return [
        name
        for place, name in enumerate(names)
        if not any(name.startswith(earlier) for earlier in names[:place])
    ]


@dataclass(frozen=True, slots=True, kw_only=True)
class DueOn:
    """How many open cases are due on a workday."""

    date: date
    cases: int


@dataclass(frozen=True, slots=True, kw_only=True)
class HolidayEffect:
    """What a holiday block does to the open cases.

    Those due on the last two workdays before it and on the first three after it, and how many of
    all would exceed their limit on the first workday after it if nobody worked until then.
    """

    block: HolidayBlock
    due_before: tuple[DueOn, ...]
    due_after: tuple[DueOn, ...]
    breaching: DueOn


def holiday_effect(
    open_cases: Sequence[OpenCases], today: date, calendar: WorkCalendar
) -> HolidayEffect | None:
    """Say what the holiday block that is under way or comes next does, None where none is known."""
    block = holiday_block(today, calendar)
    if block is None:
        return None
    after = block.workday_before + 1
    back = calendar.workday_number(after)
    breaching = sum(each.cases for each in open_cases if each.breach_on == back)
    return HolidayEffect(
        block=block,
        due_before=_due_on(open_cases, range(after - WORKDAYS_BEFORE, after), calendar),
        due_after=_due_on(open_cases, range(after, after + WORKDAYS_AFTER), calendar),
        breaching=DueOn(date=back, cases=breaching),
    )


def _due_on(
    open_cases: Iterable[OpenCases], numbers: range, calendar: WorkCalendar
) -> tuple[DueOn, ...]:
    """Count what is due on workdays; a due date on a rest day falls on the workday before it."""
    due: Counter[int] = Counter()
    for each in open_cases:
        if each.due_date is not None:
            due[calendar.workdays_through(each.due_date)] += each.cases
    return tuple(
        DueOn(date=day, cases=due[calendar.workdays_through(day)])
        for day in _workdays(numbers, calendar)
    )
