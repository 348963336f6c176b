"""Read notices of the work calendar: JSON of the shape of the public feed holiday-cn, or CSV.

JSON tells one year. CSV has the columns `date`, `kind` (`off` or `makeup_workday`), `year_notice`
and `source`, may have `name`, and tells any number of years. Which of both a file is follows from
what is in it.
"""

import csv
import io
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any, TypeVar

import msgspec

from rebate_monitor.domain.work_calendar import SATURDAY, DayKind, SpecialDay, YearNotice

FIRST_YEAR, LAST_YEAR = 2000, 2099
DECEMBER = 12
MAX_BYTES = 512 * 1024
MAX_DAYS = 400  # a year and a December
MAX_PAPERS = 20
MAX_NAME, MAX_PAPER = 100, 1000
MAX_SHOWN = 40
MOST_NAMED = 20
DAY_FIELDS = ("name", "date", "isOffDay")
COLUMNS = ("date", "kind", "year_notice", "source")
KNOWN_COLUMNS = (*COLUMNS, "name")
KINDS = {"off": DayKind.DAY_OFF, "makeup_workday": DayKind.MAKEUP_WORKDAY}
UNNAMED = {DayKind.DAY_OFF: "放假", DayKind.MAKEUP_WORKDAY: "调休上班"}
DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
YEAR = re.compile(r"[0-9]{4}")
UNSAFE = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]")

Read = TypeVar("Read")


class CalendarFileError(ValueError):
    """A notice is not what it should be.

    `problems` has all that is wrong, each with its place, what is there and the rule; the message
    names the first of them, one a line.
    """

    def __init__(self, problems: Iterable[str]) -> None:
        self.problems = tuple(problems)
        left = len(self.problems) - MOST_NAMED
        more = [f"and {left} more"] if left > 0 else []
        super().__init__("\n".join([*self.problems[:MOST_NAMED], *more]))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Place:
    """Where in a file something is told: an entry of a list, or a line."""

    name: str
    joint: str

    def of(self, name: str) -> str:
        """Name a field at this place."""
        return f"{self.name}{self.joint}{name}"


@dataclass(frozen=True, slots=True, kw_only=True)
class _ToldDay:
    """A day as a file tells it; what could not be read is None."""

    place: _Place
    year: int | None
    date: date | None
    kind: DayKind | None
    name: str | None
    paper: str | None


@dataclass(slots=True, kw_only=True)
class _Reading:
    """The days that were read of a file, and every problem met on the way."""

    problems: list[str] = field(default_factory=list)
    told: dict[tuple[int | None, date], _ToldDay] = field(default_factory=dict)

    def report(self, where: str, problem: str) -> None:
        """Note what is wrong at a place."""
        self.problems.append(f"{where}: {problem}")

    def read(self, where: str, reader: Callable[[object], Read], told: object) -> Read | None:
        """Return what a reader makes of a value; None where it is missing or wrong."""
        try:
            return reader(told)
        except ValueError as error:
            self.report(where, str(error))
            return None

    def add(self, day: _ToldDay) -> None:
        """Take a day in and check it against its year and the days before it."""
        if day.date is None:
            return
        key = (day.year, day.date)
        for problem in _date_problems(day, day.date, self.told.get(key)):
            self.report(day.place.of("date"), problem)
        self.told.setdefault(key, day)

    def notices(self) -> tuple[YearNotice, ...]:
        """Return what was read in order of the years; raise CalendarFileError."""
        if self.problems:
            raise CalendarFileError(self.problems)
        told = self.told.values()
        years = sorted({day.year for day in told if day.year is not None})
        return tuple(
            _year_notice(year, [day for day in told if day.year == year]) for year in years
        )


def read_notices(raw: bytes) -> tuple[YearNotice, ...]:
    """Read the notices of a file, one a year; raise CalendarFileError.

    A text is UTF-8, with or without a byte order mark, and half a MiB at most. Where the file names
    several papers of a year, a day that is not the first one's carries its own.
    """
    reading = _Reading()
    text = _text(raw)
    if text.lstrip().startswith(("{", "[")):
        _take_json(_decoded(text), reading)
    else:
        _take_csv(text, reading)
    return reading.notices()


def convert_notice(told: object) -> YearNotice:
    """Convert one year's notice that was decoded from JSON; raise CalendarFileError."""
    reading = _Reading()
    _take_json(told, reading)
    try:
        (notice,) = reading.notices()
    except CalendarFileError as error:
        raise CalendarFileError(f"calendar: {problem}" for problem in error.problems) from error
    return notice


def _text(raw: bytes) -> str:
    if len(raw) > MAX_BYTES:
        raise CalendarFileError([f"the file: {len(raw)} bytes; must be at most {MAX_BYTES}"])
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        problem = f"the file: byte {error.start} is not UTF-8; must be UTF-8 text"
        raise CalendarFileError([problem]) from error
    if not text.strip():
        raise CalendarFileError(["the file: empty; must be JSON or CSV of at least one day"])
    return text


def _decoded(text: str) -> object:
    try:
        return msgspec.json.decode(text)
    except msgspec.MsgspecError as error:
        raise CalendarFileError([f"the file: not JSON: {error}"]) from error
    except RecursionError as error:
        raise CalendarFileError(["the file: nested too deeply; a notice is flat"]) from error


def _take_json(told: object, reading: _Reading) -> None:
    if not isinstance(told, dict):
        rule = "must be an object with year, papers and days"
        reading.report("the notice", f"{_shown(told)} is no object; {rule}")
        return
    year = reading.read("year", _year, told.get("year", msgspec.UNSET))
    paper = _papers(told.get("papers", []), reading)
    days = reading.read("days", _days, told.get("days", msgspec.UNSET))
    for index, day in enumerate(days or []):
        place = _Place(name=f"days[{index}]", joint=".")
        if isinstance(day, dict):
            reading.add(_json_day(place, day, (year, paper), reading))
        else:
            rule = f"must be an object with {', '.join(DAY_FIELDS)}"
            reading.report(place.name, f"{_shown(day)} is no object; {rule}")


def _papers(told: object, reading: _Reading) -> str | None:
    listed = reading.read("papers", _list_of_papers, told) or []
    papers = [reading.read(f"papers[{n}]", _paper, paper) for n, paper in enumerate(listed)]
    return "; ".join(filter(None, papers)) or None


def _json_day(
    place: _Place,
    told: Mapping[Any, Any],
    notice: tuple[int | None, str | None],
    reading: _Reading,
) -> _ToldDay:
    for unknown in [name for name in told if name not in DAY_FIELDS]:
        known = ", ".join(DAY_FIELDS)
        reading.report(place.name, f"{_shown(unknown)} is unknown; must be one of {known}")
    name, on, is_off_day = (told.get(named, msgspec.UNSET) for named in DAY_FIELDS)
    return _ToldDay(
        place=place,
        year=notice[0],
        name=reading.read(place.of("name"), _name, name),
        date=reading.read(place.of("date"), _date, on),
        kind=reading.read(place.of("isOffDay"), _kind_of_flag, is_off_day),
        paper=notice[1],
    )


def _take_csv(text: str, reading: _Reading) -> None:
    rows = _rows(text, reading)
    line, header = next(rows, (1, []))
    if not _is_header(line, header, reading):
        return
    for line, cells in rows:
        place = _Place(name=f"line {line}", joint=": ")
        if len(cells) == len(header):
            reading.add(_csv_day(place, dict(zip(header, cells, strict=True)), reading))
        else:
            reading.report(place.name, f"{len(cells)} cells; must be {len(header)} as in line 1")
    if not reading.told and not reading.problems:
        reading.report("the file", "names no day; must name at least one")


def _rows(text: str, reading: _Reading) -> Iterator[tuple[int, list[str]]]:
    """Yield each line that is not blank, with its number."""
    rows = csv.reader(io.StringIO(text, newline=""), strict=True)
    try:
        for row in rows:
            cells = [cell.strip() for cell in row]
            if any(cells):
                yield rows.line_num, cells
    except csv.Error as error:
        reading.report(f"line {rows.line_num}", f"not CSV: {error}")


def _is_header(line: int, header: list[str], reading: _Reading) -> bool:
    problems = list(_header_problems(header))
    for problem in problems:
        reading.report(f"line {line}", problem)
    return not problems


def _header_problems(header: list[str]) -> Iterator[str]:
    missing = [name for name in COLUMNS if name not in header]
    if missing:
        yield (
            f"no column {', '.join(missing)}; must be JSON of one notice, or CSV whose first line "
            f"names the columns {', '.join(COLUMNS)}"
        )
    for name, times in Counter(header).items():
        if name not in KNOWN_COLUMNS:
            yield f"column {_shown(name)} is unknown; must be one of {', '.join(KNOWN_COLUMNS)}"
        if times > 1:
            yield f"column {_shown(name)} is named {times} times; must be named once"


def _csv_day(place: _Place, cells: Mapping[str, str], reading: _Reading) -> _ToldDay:
    kind = reading.read(place.of("kind"), _kind_of_word, cells["kind"])
    name = cells.get("name") or UNNAMED[kind or DayKind.DAY_OFF]
    return _ToldDay(
        place=place,
        date=reading.read(place.of("date"), _date, cells["date"]),
        kind=kind,
        year=reading.read(place.of("year_notice"), _year_of_word, cells["year_notice"]),
        name=reading.read(place.of("name"), _name, name),
        paper=reading.read(place.of("source"), _paper, cells["source"]),
    )


def _date_problems(day: _ToldDay, on: date, earlier: _ToldDay | None) -> Iterator[str]:
    """Say what no notice does: another year's day, work on a plain workday, a day told twice."""
    if day.year is not None and not _may_name(day.year, on):
        yield f"{on} is neither in {day.year} nor in December of {day.year - 1}"
    if day.kind is DayKind.MAKEUP_WORKDAY and on.weekday() < SATURDAY:
        yield f"{on} is a weekday; a make-up workday is a Saturday or Sunday"
    if earlier is not None:
        yield _repetition(day, on, earlier)


def _may_name(year: int, on: date) -> bool:
    return on.year == year or (on.year == year - 1 and on.month == DECEMBER)


def _repetition(day: _ToldDay, on: date, earlier: _ToldDay) -> str:
    if day.kind and earlier.kind and day.kind != earlier.kind:
        at = earlier.place.name
        return f"{on} is a day off and a make-up workday, see {at}; a day is one of both"
    return f"{on} is told twice, first at {earlier.place.name}; a day is told once"


def _year_notice(year: int, told: list[_ToldDay]) -> YearNotice:
    paper = next((day.paper for day in told if day.paper), None)
    return YearNotice(
        year=year,
        days={
            day.date: SpecialDay(
                kind=day.kind,
                name=day.name,
                notice=day.paper if day.paper and day.paper != paper else None,
            )
            for day in told
            if day.date and day.kind and day.name
        },
        notice=paper,
    )


def _year(told: object) -> int:
    if isinstance(told, int) and FIRST_YEAR <= told <= LAST_YEAR:
        return told
    raise _wrong(told, "no year", f"from {FIRST_YEAR} to {LAST_YEAR}")


def _year_of_word(told: object) -> int:
    return _year(int(told) if isinstance(told, str) and YEAR.fullmatch(told) else told)


def _days(told: object) -> list[object]:
    if isinstance(told, list) and 1 <= len(told) <= MAX_DAYS:
        return told
    raise _wrong(told, "no list of days", f"a list of 1 to {MAX_DAYS} days")


def _list_of_papers(told: object) -> list[object]:
    if isinstance(told, list) and len(told) <= MAX_PAPERS:
        return told
    raise _wrong(told, "no list of papers", f"a list of up to {MAX_PAPERS} texts")


def _date(told: object) -> date:
    try:
        if isinstance(told, str) and DATE.fullmatch(told):
            return date.fromisoformat(told)
    except ValueError:  # a 30 February
        pass
    raise _wrong(told, "no date", "written like 2026-10-01")


def _kind_of_flag(told: object) -> DayKind:
    if isinstance(told, bool):
        return DayKind.DAY_OFF if told else DayKind.MAKEUP_WORKDAY
    raise _wrong(told, "no truth value", "true or false")


def _kind_of_word(told: object) -> DayKind:
    if isinstance(told, str) and told in KINDS:
        return KINDS[told]
    raise _wrong(told, "no kind", f"one of {', '.join(KINDS)}")


def _name(told: object) -> str:
    name = told.strip() if isinstance(told, str) else ""
    if 1 <= len(name) <= MAX_NAME and not UNSAFE.search(name):
        return name
    raise _wrong(told, "no name", f"1 to {MAX_NAME} characters, none of them control characters")


def _paper(told: object) -> str:
    if isinstance(told, str) and len(told) <= MAX_PAPER and not UNSAFE.search(told):
        return told.strip()
    raise _wrong(told, "no paper", f"up to {MAX_PAPER} characters, none of them control characters")


def _wrong(told: object, what: str, rule: str) -> ValueError:
    fault = "is missing" if told is msgspec.UNSET else f"{_shown(told)} is {what}"
    return ValueError(f"{fault}; must be {rule}")


def _shown(told: object) -> str:
    """Show a stranger's value in few characters, none of which a terminal obeys."""
    if isinstance(told, str):
        return repr(told if len(told) <= MAX_SHOWN else f"{told[:MAX_SHOWN]}…")
    if told is None or isinstance(told, bool):
        return {None: "null", True: "true", False: "false"}[told]
    if isinstance(told, int | float):
        return str(told)[:MAX_SHOWN]
    if isinstance(told, list):
        return f"a list of {len(told)}" if told else "an empty list"
    return "an object"
