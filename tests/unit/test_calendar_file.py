"""Notices are read from JSON or CSV; whatever is wrong with a file is named, all of it."""

import csv
import io
import json
from datetime import date, timedelta
from random import Random
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from domain_builders import day
from rebate_monitor.calendar_file import (
    CalendarFileError,
    convert_notice,
    read_notices,
)
from rebate_monitor.domain.work_calendar import DayKind, SpecialDay, YearNotice

PAPERS = ["https://example.gov.cn/2030/1", "https://example.gov.cn/2030/2"]
NEW_YEAR: dict[str, Any] = {"name": "元旦", "date": "2030-01-01", "isOffDay": True}
SATURDAY_WORKED: dict[str, Any] = {"name": "春节", "date": "2030-01-26", "isOffDay": False}
NOTICE: dict[str, Any] = {
    "$schema": "https://example.org/schema.json",
    "$id": "https://example.org/2030.json",
    "year": 2030,
    "papers": PAPERS,
    "days": [NEW_YEAR, SATURDAY_WORKED],
}
HEADER = "date,kind,year_notice,source\n"
OFF, WORKED = DayKind.DAY_OFF, DayKind.MAKEUP_WORKDAY


def feed(told: object = None, **changes: object) -> bytes:
    """Return a notice as the feed tells it, with other top-level values."""
    whole = {**NOTICE, **changes} if told is None else told
    return json.dumps(whole, ensure_ascii=False).encode()


def feed_of(*days: object) -> bytes:
    """Return a notice of 2030 with these days."""
    return feed(days=list(days))


def table(*rows: str, header: str = HEADER) -> bytes:
    """Return a CSV file of these rows."""
    return (header + "\n".join(rows)).encode()


def refusal(raw: bytes) -> tuple[str, ...]:
    """Return everything that is wrong with a file."""
    with pytest.raises(CalendarFileError) as raised:
        read_notices(raw)
    return raised.value.problems


class TestFeed:
    expected = YearNotice(
        year=2030,
        days={
            day("2030-01-01"): SpecialDay(kind=OFF, name="元旦"),
            day("2030-01-26"): SpecialDay(kind=WORKED, name="春节"),
        },
        notice="; ".join(PAPERS),
    )

    @pytest.mark.parametrize("before", [b"", b"\xef\xbb\xbf", b" \r\n"])
    def test_a_notice_of_the_feed(self, before: bytes) -> None:
        """The feed's keys that say nothing of days are allowed, and so is a byte order mark."""
        assert (self.expected,) == read_notices(before + feed())

    def test_decoded_json(self) -> None:
        """The same notice is taken as part of a larger request."""
        assert self.expected == convert_notice(NOTICE)

    @pytest.mark.parametrize("papers", [[], [""], [" "]])
    def test_no_paper(self, papers: list[str]) -> None:
        """A notice may name no paper."""
        (notice,) = read_notices(feed(papers=papers))

        assert notice.notice is None

    def test_papers_may_be_left_out(self) -> None:
        """A notice without the key has no paper either."""
        assert convert_notice({"year": 2030, "days": [NEW_YEAR]}).notice is None

    def test_the_longest_texts(self) -> None:
        """A name has up to 100 characters, a paper up to 1000."""
        (notice,) = read_notices(feed(papers=["p" * 1000], days=[{**NEW_YEAR, "name": "n" * 100}]))

        assert "p" * 1000 == notice.notice
        assert ["n" * 100] == [special.name for special in notice.days.values()]

    def test_the_december_before(self) -> None:
        """A notice may name days of the previous December."""
        (notice,) = read_notices(feed_of({**NEW_YEAR, "date": "2029-12-01"}))

        assert [day("2029-12-01")] == list(notice.days)


class TestTable:
    def test_several_years(self) -> None:
        """One file tells several years, each of its own paper, in order of the years."""
        later, earlier = read_notices(
            table("2031-01-01,off,2031,paper 2031", "2030-01-26,makeup_workday,2030,paper 2030")
        )[::-1]

        assert (2030, "paper 2030") == (earlier.year, earlier.notice)
        assert (2031, "paper 2031") == (later.year, later.notice)
        assert {day("2030-01-26"): WORKED} == {on: s.kind for on, s in earlier.days.items()}

    def test_one_day_in_two_years_notices(self) -> None:
        """A December day that both years' notices name is no repetition."""
        notices = read_notices(table("2030-12-31,off,2030,", "2030-12-31,off,2031,"))

        assert [2030, 2031] == [notice.year for notice in notices]

    def test_a_day_of_an_amendment_has_its_own_paper(self) -> None:
        """The first paper is the year's; a day that another one names carries that one."""
        (notice,) = read_notices(
            table("2030-05-01,off,2030,first", "2030-05-02,off,2030,second", "2030-05-03,off,2030,")
        )

        assert "first" == notice.notice
        assert [None, "second", None] == [special.notice for special in notice.days.values()]

    def test_unnamed_days(self) -> None:
        """A day without a name is named by what it is."""
        (notice,) = read_notices(table("2030-05-01,off,2030,", "2030-05-04,makeup_workday,2030,"))

        assert ["放假", "调休上班"] == [special.name for special in notice.days.values()]

    def test_named_days(self) -> None:
        """Columns come in any order, with a name where there is one; blank lines are nothing."""
        (notice,) = read_notices(
            table(
                "",
                " 劳动节 ,2030, 2030-05-01 ,x, off",
                ",,,,",
                ",2030,2030-05-02,x,off",
                header="name,year_notice,date,source,kind\r\n",
            )
        )

        assert ["劳动节", "放假"] == [special.name for special in notice.days.values()]

    def test_a_byte_order_mark(self) -> None:
        """What a spreadsheet writes before the first column is no part of its name."""
        (notice,) = read_notices(b"\xef\xbb\xbf" + table("2030-05-01,off,2030,x"))

        assert [day("2030-05-01")] == list(notice.days)


NOTICE_RULE = "must be an object with year, papers and days"
NAME_RULE = "must be 1 to 100 characters, none of them control characters"
COLUMN_RULE = (
    "must be JSON of one notice, or CSV whose first line names the columns "
    "date, kind, year_notice, source"
)
PAPER_RULE = "must be up to 1000 characters, none of them control characters"
KNOWN_RULE = "must be one of date, kind, year_notice, source, name"
BOTH = "is a day off and a make-up workday"
LONG = "x" * 101
WRONG: dict[str, tuple[bytes, list[str]]] = {
    "empty": (b"", ["the file: empty; must be JSON or CSV of at least one day"]),
    "blank": (
        b"\xef\xbb\xbf \n",
        ["the file: empty; must be JSON or CSV of at least one day"],
    ),
    "latin": (b'{"year": "\xe9"}', ["the file: byte 10 is not UTF-8; must be UTF-8 text"]),
    "huge": (b"x" * 524_289, ["the file: 524289 bytes; must be at most 524288"]),
    "deep": (b"[" * 100_000, ["the file: nested too deeply; a notice is flat"]),
    "nan": (
        b'{"year": NaN}',
        ["the file: not JSON: JSON is malformed: invalid character (byte 9)"],
    ),
    "infinite": (
        b'{"year": 1e999}',
        ["the file: not JSON: Number out of range - at `$[...]`"],
    ),
    "cut off": (b'{"year": 2030', ["the file: not JSON: Input data was truncated"]),
    "list": (b"[]", [f"the notice: an empty list is no object; {NOTICE_RULE}"]),
    "nothing": (
        b"{}",
        [
            "year: is missing; must be from 2000 to 2099",
            "days: is missing; must be a list of 1 to 400 days",
        ],
    ),
    "year below": (feed(year=1999), ["year: 1999 is no year; must be from 2000 to 2099"]),
    "year above": (feed(year=2100), ["year: 2100 is no year; must be from 2000 to 2099"]),
    "year as text": (feed(year="2030"), ["year: '2030' is no year; must be from 2000 to 2099"]),
    "year as fraction": (feed(year=2030.5), ["year: 2030.5 is no year; must be from 2000 to 2099"]),
    "year as flag": (feed(year=True), ["year: true is no year; must be from 2000 to 2099"]),
    "no days": (
        feed_of(),
        ["days: an empty list is no list of days; must be a list of 1 to 400 days"],
    ),
    "too many days": (
        feed_of(*[NEW_YEAR] * 401),
        ["days: a list of 401 is no list of days; must be a list of 1 to 400 days"],
    ),
    "days as object": (
        feed(days={"2030-01-01": True}),
        ["days: an object is no list of days; must be a list of 1 to 400 days"],
    ),
    "papers as text": (
        feed(papers="x"),
        ["papers: 'x' is no list of papers; must be a list of up to 20 texts"],
    ),
    "too many papers": (
        feed(papers=["x"] * 21),
        ["papers: a list of 21 is no list of papers; must be a list of up to 20 texts"],
    ),
    "papers null": (
        feed(papers=None),
        ["papers: null is no list of papers; must be a list of up to 20 texts"],
    ),
    "paper": (
        feed(papers=["x", "y" * 1001, 3, "\x00"]),
        [
            f"papers[1]: '{'y' * 40}…' is no paper; {PAPER_RULE}",
            f"papers[2]: 3 is no paper; {PAPER_RULE}",
            f"papers[3]: '\\x00' is no paper; {PAPER_RULE}",
        ],
    ),
    "day as text": (
        feed_of("2030-01-01"),
        ["days[0]: '2030-01-01' is no object; must be an object with name, date, isOffDay"],
    ),
    "day without fields": (
        feed_of({}),
        [
            f"days[0].name: is missing; {NAME_RULE}",
            "days[0].date: is missing; must be written like 2026-10-01",
            "days[0].isOffDay: is missing; must be true or false",
        ],
    ),
    "unknown field": (
        feed_of({**NEW_YEAR, "note": "x"}),
        ["days[0]: 'note' is unknown; must be one of name, date, isOffDay"],
    ),
    "every field of a day": (
        feed_of(NEW_YEAR, {"name": [], "date": "2030-02-30", "isOffDay": 1}),
        [
            f"days[1].name: an empty list is no name; {NAME_RULE}",
            "days[1].date: '2030-02-30' is no date; must be written like 2026-10-01",
            "days[1].isOffDay: 1 is no truth value; must be true or false",
        ],
    ),
    "names": (
        feed_of(
            {**NEW_YEAR, "name": ""},
            {**SATURDAY_WORKED, "name": LONG},
            {**SATURDAY_WORKED, "date": "2030-01-27", "name": "春\u0085节"},
        ),
        [
            f"days[0].name: '' is no name; {NAME_RULE}",
            f"days[1].name: '{LONG[:40]}…' is no name; {NAME_RULE}",
            f"days[2].name: '春\\x85节' is no name; {NAME_RULE}",
        ],
    ),
    "dates": (
        feed_of({**NEW_YEAR, "date": "20300101"}, {**NEW_YEAR, "date": 20300101}),
        [
            "days[0].date: '20300101' is no date; must be written like 2026-10-01",
            "days[1].date: 20300101 is no date; must be written like 2026-10-01",
        ],
    ),
    "other years": (
        feed_of(
            *({**NEW_YEAR, "date": on} for on in ("2031-01-01", "2029-11-30", "2028-12-31")),
        ),
        [
            f"days[{n}].date: {on} is neither in 2030 nor in December of 2029"
            for n, on in enumerate(("2031-01-01", "2029-11-30", "2028-12-31"))
        ],
    ),
    "worked weekday": (
        feed_of({**SATURDAY_WORKED, "date": "2030-01-25"}),
        [
            "days[0].date: 2030-01-25 is a weekday; a make-up workday is a Saturday or Sunday",
        ],
    ),
    "twice": (
        feed_of(NEW_YEAR, SATURDAY_WORKED, NEW_YEAR),
        ["days[2].date: 2030-01-01 is told twice, first at days[0]; a day is told once"],
    ),
    "contradiction": (
        feed_of(SATURDAY_WORKED, {**SATURDAY_WORKED, "isOffDay": True}),
        [
            f"days[1].date: 2030-01-26 {BOTH}, see days[0]; a day is one of both",
        ],
    ),
    "without a year days are checked, too": (
        feed(year=0, days=[{**SATURDAY_WORKED, "date": "2030-01-25"}]),
        [
            "year: 0 is no year; must be from 2000 to 2099",
            "days[0].date: 2030-01-25 is a weekday; a make-up workday is a Saturday or Sunday",
        ],
    ),
    "garbage": (
        b"hello",
        [
            f"line 1: no column date, kind, year_notice, source; {COLUMN_RULE}",
            f"line 1: column 'hello' is unknown; {KNOWN_RULE}",
        ],
    ),
    "columns": (
        table(header="date,kind,kind,year,\n"),
        [
            f"line 1: no column year_notice, source; {COLUMN_RULE}",
            "line 1: column 'kind' is named 2 times; must be named once",
            f"line 1: column 'year' is unknown; {KNOWN_RULE}",
            f"line 1: column '' is unknown; {KNOWN_RULE}",
        ],
    ),
    "no line": (table(), ["the file: names no day; must name at least one"]),
    "cells": (
        table("2030-05-01,off,2030", "2030-05-02,off,2030,x,y"),
        [
            "line 2: 3 cells; must be 4 as in line 1",
            "line 3: 5 cells; must be 4 as in line 1",
        ],
    ),
    "every cell of a line": (
        table("", "1/5/2030,work,30," + "x" * 1001),
        [
            "line 3: kind: 'work' is no kind; must be one of off, makeup_workday",
            "line 3: date: '1/5/2030' is no date; must be written like 2026-10-01",
            "line 3: year_notice: '30' is no year; must be from 2000 to 2099",
            f"line 3: source: '{'x' * 40}…' is no paper; {PAPER_RULE}",
        ],
    ),
    "year of a line": (
        table("2030-05-01,off,1999,"),
        ["line 2: year_notice: 1999 is no year; must be from 2000 to 2099"],
    ),
    "name of a line": (
        table(f"2030-05-01,off,2030,,{LONG}", header="date,kind,year_notice,source,name\n"),
        [f"line 2: name: '{LONG[:40]}…' is no name; {NAME_RULE}"],
    ),
    "lines against each other": (
        table(
            "2030-05-04,off,2030,",
            "2030-05-04,makeup_workday,2030,",
            "2032-05-01,off,2031,",
            "2030-05-04,off,2030,",
            "2030-05-03,makeup_workday,2030,",
        ),
        [
            f"line 3: date: 2030-05-04 {BOTH}, see line 2; a day is one of both",
            "line 4: date: 2032-05-01 is neither in 2031 nor in December of 2030",
            "line 5: date: 2030-05-04 is told twice, first at line 2; a day is told once",
            "line 6: date: 2030-05-03 is a weekday; a make-up workday is a Saturday or Sunday",
        ],
    ),
    "open quote": (
        table("2030-05-01,off,2030,x", '2030-05-02,off,2030,"x'),
        ["line 3: not CSV: unexpected end of data"],
    ),
    "huge cell": (
        table("2030-05-01,off,2030," + "x" * 200_000),
        ["line 2: not CSV: field larger than field limit (131072)"],
    ),
}


@pytest.mark.parametrize("name", WRONG)
def test_everything_wrong_is_named(name: str) -> None:
    """Each problem names its place, what is there and the rule; none hides another."""
    raw, problems = WRONG[name]

    assert problems == list(refusal(raw))


def test_part_of_a_request_is_named() -> None:
    """What is wrong with a calendar inside a request says so before its place."""
    with pytest.raises(CalendarFileError) as raised:
        convert_notice({"year": 2030, "days": [{**NEW_YEAR, "isOffDay": None}, 1]})

    assert (
        "calendar: days[0].isOffDay: null is no truth value; must be true or false",
        "calendar: days[1]: 1 is no object; must be an object with name, date, isOffDay",
    ) == raised.value.problems


@pytest.mark.parametrize(("wrong", "last"), [(20, "days[19]"), (21, "and 1 more"), (99, "and 79")])
def test_the_message_names_twenty_problems(wrong: int, last: str) -> None:
    """A file that is wrong throughout does not fill a screen; all of it can still be asked for."""
    error = CalendarFileError(refusal(feed_of(*range(wrong))))

    assert wrong == len(error.problems)
    assert min(wrong, 21) == len(str(error).splitlines())
    assert str(error).splitlines()[-1].startswith(last)


Outcome = tuple[tuple[YearNotice, ...], tuple[str, ...]]


def outcome(raw: bytes) -> Outcome:
    """Return the notices of a file that may be anything, or what is wrong with it."""
    try:
        return read_notices(raw), ()
    except CalendarFileError as error:
        return (), tuple(str(error).encode().decode().splitlines())


def converted(told: object) -> Outcome:
    """Return the notice that a value may be, or what is wrong with it."""
    try:
        return (convert_notice(told),), ()
    except CalendarFileError as error:
        return (), error.problems


def is_one_of_both(told: Outcome) -> bool:
    """Say whether there are either notices, each of at least a day, or problems."""
    notices, problems = told
    return bool(notices) != bool(problems) and all(notice.days for notice in notices)


scalars = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text()
    | st.sampled_from(["2030-01-01", "2029-12-31", "off", 2030])
)
anything = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(["year", "papers", "days", "name", "date", "isOffDay"]) | st.text(),
            inner,
            max_size=6,
        )
    ),
    max_leaves=20,
)
nearly_days = st.fixed_dictionaries(
    {},
    optional={
        "name": st.just("元旦") | anything,
        "date": st.sampled_from(["2030-01-01", "2030-01-05", "2029-12-30"]) | anything,
        "isOffDay": st.booleans() | anything,
    },
)
nearly_notices = st.fixed_dictionaries(
    {},
    optional={
        "year": st.just(2030) | anything,
        "papers": st.just(PAPERS) | anything,
        "days": st.lists(nearly_days, max_size=4) | anything,
    },
)
cells = st.sampled_from(["2030-01-01", "off", "makeup_workday", "2030", "", '"']) | st.text()


class TestGarbage:
    @given(st.binary())
    @example(b"\xff\xfe{\x00")
    @example(b"{" * 5000)
    @example(b'{"days":[' + b"[" * 900 + b"]" * 900 + b"]}")
    @example(b'{"year": "\\ud800"}')
    @example(b'{"year": ' + b"9" * 5000 + b"}")
    @example(HEADER.encode() + b"\x00,\r,\n")
    def test_bytes(self, raw: bytes) -> None:
        """Any bytes are read or refused, and nothing else."""
        assert is_one_of_both(outcome(raw))

    @given(anything | nearly_notices)
    def test_json(self, told: object) -> None:
        """Any JSON is read or refused, and nothing else."""
        assert is_one_of_both(outcome(json.dumps(told).encode()))

    @given(nearly_notices)
    def test_decoded(self, told: object) -> None:
        """Any decoded value is converted or refused, and nothing else."""
        assert is_one_of_both(converted(told))

    @given(st.lists(st.lists(cells, max_size=6), max_size=6))
    def test_tables(self, rows: list[list[str]]) -> None:
        """Any table is read or refused, and nothing else."""
        lines = "\n".join(",".join(row) for row in rows)

        assert is_one_of_both(outcome((HEADER + lines).encode("utf-8", "replace")))


@st.composite
def whole_notices(draw: st.DrawFn, year: int) -> YearNotice:
    """Draw a notice that breaks no rule."""
    offsets = draw(st.sets(st.integers(-31, 364), min_size=1, max_size=30))
    days = sorted(date(year, 1, 1) + timedelta(days=n) for n in offsets)
    return YearNotice(
        year=year,
        days={
            on: SpecialDay(
                kind=draw(st.sampled_from([OFF, WORKED])) if on.weekday() >= 5 else OFF,
                name=draw(st.sampled_from(["元旦", "春节", "国庆节、中秋节", 'a "name", quoted'])),
            )
            for on in days
        },
        notice=draw(st.sampled_from([None, "https://example.gov.cn/1"])),
    )


years = st.integers(2000, 2099)
some_years = st.sets(years, min_size=1, max_size=3).flatmap(
    lambda some: st.tuples(*(whole_notices(year) for year in sorted(some)))
)


class TestWholeNotices:
    @given(years.flatmap(whole_notices))
    def test_json_keeps_what_a_notice_says(self, notice: YearNotice) -> None:
        """Whatever breaks no rule is read as it was written."""
        told = {
            "year": notice.year,
            "papers": [notice.notice] if notice.notice else [],
            "days": [
                {"name": special.name, "date": on.isoformat(), "isOffDay": special.kind is OFF}
                for on, special in notice.days.items()
            ],
        }

        assert (notice,) == read_notices(json.dumps(told).encode())

    @given(some_years, st.randoms())
    def test_csv_keeps_what_notices_say(
        self, notices: tuple[YearNotice, ...], shuffled: Random
    ) -> None:
        """Several years are read as they were written, in whatever order the lines are."""
        kinds = {OFF: "off", WORKED: "makeup_workday"}
        rows = [
            [on.isoformat(), kinds[special.kind], notice.year, notice.notice, special.name]
            for notice in notices
            for on, special in notice.days.items()
        ]
        shuffled.shuffle(rows)
        file = io.StringIO(newline="")
        csv.writer(file).writerows([["date", "kind", "year_notice", "source", "name"], *rows])

        assert notices == read_notices(file.getvalue().encode())
