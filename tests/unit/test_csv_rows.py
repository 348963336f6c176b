"""Rows of a CSV export become events, so that a table needs no programmer."""

import csv
import io
from datetime import datetime

import msgspec
import pytest

from cloud_events import OFFICE, Json
from rebate_monitor.domain.event import Accepted, Category, Retracted
from rebate_monitor.domain.local_time import SHANGHAI
from rebate_monitor.ingest.csv_rows import CsvDefaults, CsvHeaderError, check_header, csv_events
from rebate_monitor.ingest.wire import Rejection, decode_event
from rebate_monitor.storage.case_events import NewEvent

NOW = datetime(2026, 11, 23, 10, 0, tzinfo=SHANGHAI)
DEFAULTS = CsvDefaults(source="/import/export.csv")
IN_SHANGHAI = CsvDefaults(source="/import/export.csv", offset="+08:00")


def events(table: str, defaults: CsvDefaults = IN_SHANGHAI) -> list[Json]:
    """Return the events of a table."""
    rows: list[dict[str | None, str | list[str] | None]] = list(csv.DictReader(io.StringIO(table)))
    return [msgspec.json.decode(told) for told in csv_events(rows, defaults)]


def taken(table: str, defaults: CsvDefaults = IN_SHANGHAI) -> NewEvent | Rejection:
    """Return what the service makes of a table's only row."""
    (told,) = events(table, defaults)
    return decode_event(msgspec.json.encode(told), NOW)


def test_a_whole_row() -> None:
    """Columns of the envelope and of the data reach their places."""
    (told,) = events(
        "id,source,type,subject,time,office,category,amount_cny,whitelisted\n"
        f"e-1,/s,rebate.case.accepted,case-1,2026-11-20T09:15:00+08:00,{OFFICE},I,123.45,true\n"
    )

    assert told == {
        "specversion": "1.0",
        "id": "e-1",
        "source": "/s",
        "type": "rebate.case.accepted",
        "subject": "case-1",
        "time": "2026-11-20T09:15:00+08:00",
        "data": {"office": OFFICE, "category": "I", "amount_cny": "123.45", "whitelisted": True},
    }


def test_a_row_is_an_event_to_the_service() -> None:
    """What a row becomes is taken like any event."""
    new = taken(
        f"case_id,type,time,office,category\ncase-1,accepted,2026-11-20 09:15:00,{OFFICE},II\n"
    )

    assert isinstance(new, NewEvent)
    assert isinstance(new.event.data, Accepted)
    assert Category.II == new.event.data.attributes.category
    assert datetime(2026, 11, 20, 9, 15, tzinfo=SHANGHAI) == new.event.time


def test_a_short_type_and_the_name_case_id() -> None:
    """A type may leave out `rebate.case.`, and `case_id` is `subject`."""
    (told,) = events("case_id,type,time\ncase-1,voucher_issued,2026-11-20 09:15:00\n")

    assert ("case-1", "rebate.case.voucher_issued") == (told["subject"], told["type"])


@pytest.mark.parametrize(
    ("time", "expected"),
    [
        ("2026-11-20 09:15:00", "2026-11-20T09:15:00+08:00"),
        ("2026-11-20T09:15:00", "2026-11-20T09:15:00+08:00"),
        ("2026-11-20T01:15:00Z", "2026-11-20T01:15:00Z"),
        ("2026-11-20 09:15:00+08:00", "2026-11-20T09:15:00+08:00"),
        ("2026-11-19 20:15:00-05:00", "2026-11-19T20:15:00-05:00"),
    ],
)
def test_an_offset_is_added_only_where_there_is_none(time: str, expected: str) -> None:
    """The offset that was told for the file never replaces one that a row has."""
    (told,) = events(f"subject,type,time\ncase-1,paid,{time}\n")

    assert expected == told["time"]


def test_no_offset_is_ever_guessed() -> None:
    """Without an offset in the row or for the file, the event is refused as any other."""
    refused = taken("subject,type,time\ncase-1,paid,2026-11-20 09:15:00\n", DEFAULTS)

    assert isinstance(refused, Rejection)
    assert refused.detail.startswith("time: expected `datetime` with a timezone component")


def test_an_empty_cell_was_not_told() -> None:
    """Empty and blank cells are left out."""
    (told,) = events(
        "subject,type,time,category,amount_cny,id\ncase-1,corrected,2026-11-20 09:15:00,, ,\n"
    )

    assert {} == told["data"]
    assert told["id"].startswith("row-")


@pytest.mark.parametrize(
    ("cell", "expected"),
    [("true", True), ("FALSE", False), ("1", True), ("0", False), ("是", True), ("否", False)],
)
def test_booleans_as_people_write_them(cell: str, expected: bool) -> None:  # noqa: FBT001 - a cell's value
    """A yes or no may be written in English, Chinese or digits."""
    (told,) = events(f"subject,type,time,cash_refund\nc,approved,2026-11-20 09:15:00,{cell}\n")

    assert {"cash_refund": expected} == told["data"]


def test_what_is_no_boolean_is_refused_by_the_wire() -> None:
    """A cell that is neither yes nor no is sent on as it is, and refused with the rule."""
    refused = taken("subject,type,time,cash_refund\nc,approved,2026-11-20 09:15:00,maybe\n")

    assert isinstance(refused, Rejection)
    assert refused.detail.startswith("data.cash_refund: expected `bool`, got `str`")


def test_a_digit_is_only_a_boolean_where_one_is_meant() -> None:
    """A batch `1` stays a text."""
    (told,) = events("subject,type,time,batch\nc,corrected,2026-11-20 09:15:00,1\n")

    assert {"batch": "1"} == told["data"]


def test_a_row_without_an_id_is_known_by_its_content() -> None:
    """Importing a file twice takes each row once, whatever the order of its columns."""
    (one,) = events("subject,type,time\ncase-1,paid,2026-11-20 09:15:00\n")
    (other,) = events("time,type,subject\n2026-11-20 09:15:00,paid,case-1\n")
    (changed,) = events("subject,type,time\ncase-1,paid,2026-11-20 09:15:01\n")

    assert one["id"] == other["id"]
    assert one["id"] != changed["id"]


def test_a_retraction() -> None:
    """The event taken back has columns of its own."""
    new = taken(
        "subject,type,time,retracts_id,retracts_source\n"
        "case-1,retracted,2026-11-20 09:15:00,e-1,/other\n"
    )

    assert isinstance(new, NewEvent)
    assert Retracted(id="e-1", source="/other") == new.event.data


def test_a_retraction_of_nothing_is_refused() -> None:
    """A retraction that names no event is refused with the rule."""
    refused = taken("subject,type,time\ncase-1,retracted,2026-11-20 09:15:00\n")

    assert isinstance(refused, Rejection)
    assert refused.detail == "data.id: has 0 characters, must have 1 to 200"


def test_a_row_longer_or_shorter_than_the_header() -> None:
    """A cell without a column makes the row refused; a column without a cell is not told."""
    long, short = events(
        "subject,type,time,category\nc,paid,2026-11-20 09:15:00,,x,y\nc,paid,2026-11-20 09:15:00\n"
    )

    assert ({"cell_without_a_column": "told"}, {}) == (long["data"], short["data"])


def test_a_column_that_no_event_has_is_refused_by_the_wire() -> None:
    """A column nobody knows is not silently dropped."""
    refused = taken("subject,type,time,colour\ncase-1,paid,2026-11-20 09:15:00,red\n")

    assert isinstance(refused, Rejection)
    assert refused.detail.startswith("data.colour: unknown field")


@pytest.mark.parametrize(
    "header",
    [["subject", "type", "time"], ["case_id", "type", "time", "x"], [" subject ", "type ", "time"]],
)
def test_headers_that_will_do(header: list[str]) -> None:
    """The three needed columns are found under either name, with blanks around."""
    check_header(header)


@pytest.mark.parametrize(
    ("header", "missing"),
    [(["subject", "type"], "time"), (["a"], "subject, type, time"), ([], "subject, type, time")],
)
def test_headers_that_lack_a_column(header: list[str], missing: str) -> None:
    """A header without a needed column names what is missing and what was found."""
    with pytest.raises(CsvHeaderError, match=f"missing: {missing} "):
        check_header(header)


def test_a_time_to_the_minute_is_completed() -> None:
    """Spreadsheets write times without seconds; with the offset told they are instants."""
    row: dict[str | None, str | list[str] | None] = {"subject": "c", "type": "paid"}
    row["time"] = "2026-11-20 09:15"
    told = list(csv_events([row], CsvDefaults(source="/x", offset="+08:00")))

    assert '"2026-11-20T09:15:00+08:00"' in told[0].decode()


def test_a_row_is_known_however_it_is_spelled() -> None:
    """The same row written by another program is the same event; another row is another."""
    first, again, other = events(
        "subject,type,time,amount_cny,office\n"
        'c,accepted,2026/11/2 9:00,"1,234.50",14301000000\n'
        "c,rebate.case.accepted,2026-11-02 09:00:00,1234.50,14301000000\n"
        "c,accepted,2026-11-02 09:00:01,1234.50,14301000000\n"
    )

    assert first["id"] == again["id"]
    assert first["id"] != other["id"]
