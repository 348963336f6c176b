"""The wire (DESIGN 4): every rule of an event, and that no bytes at all can break the decoder."""

import json
from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloud_events import OFFICE, SOURCE, Json, accepted, event
from rebate_monitor.domain.event import (
    Accepted,
    Approved,
    Attributes,
    Category,
    Corrected,
    EventType,
    Plain,
    RebateType,
    Retracted,
    Suspended,
    SuspensionReason,
)
from rebate_monitor.domain.local_time import SHANGHAI
from rebate_monitor.ingest.array import elements
from rebate_monitor.ingest.wire import MAX_EVENT_BYTES, UNSAFE, Rejection, decode_event, is_json
from rebate_monitor.storage.case_events import NewEvent, decode_data, encode_data

NOW = datetime(2026, 11, 23, 10, 0, tzinfo=SHANGHAI)
TIME = "2026-11-20T09:15:00"
TAXPAYER = "91350100M000100Y43"
DEEP = "[" * 100_000 + "]" * 100_000
REFUSED_TEXTS = {
    "nul": "a\u0000b",
    "newline": "a\nb",
    "delete": "a\u007fb",
    "c1-control": "a\u0085b",
    "noncharacter": "a\uffff",
}
NAMES = ("id", "source", "subject")
TEXTS = ("period", "batch", "refiled_from")


def encode(told: object) -> bytes:
    return json.dumps(told).encode()


def decode(told: Json | bytes | str) -> NewEvent | Rejection:
    """Decode an event told as a builder's dictionary, as text or as bytes."""
    raw = told if isinstance(told, bytes) else encode(told) if isinstance(told, dict) else None
    return decode_event(raw if raw is not None else str(told).encode(), NOW)


def taken(told: Json | bytes | str) -> NewEvent:
    decoded = decode(told)
    assert isinstance(decoded, NewEvent), decoded
    return decoded


def refusal(told: Json | bytes | str) -> str:
    decoded = decode(told)
    assert isinstance(decoded, Rejection), decoded
    return decoded.detail


# --- what an event says ------------------------------------------------------------------------


def test_the_example_of_the_contract() -> None:
    """The event of DESIGN section 4 is taken with everything it says."""
    told = accepted(
        TIME,
        subject="4301-202611-000123",
        id="e-1",
        rebate_type="exempt_refund",
        amount_cny="123456.78",
        taxpayer_id=TAXPAYER,
        period="202610",
        batch="001",
        whitelisted=False,
    )

    fact = taken(told).event

    assert ("4301-202611-000123", SOURCE, "e-1") == (fact.case_id, fact.source, fact.id)
    assert EventType.ACCEPTED == fact.event_type
    assert datetime(2026, 11, 20, 9, 15, tzinfo=SHANGHAI) == fact.time
    assert (
        Accepted(
            attributes=Attributes(
                office=OFFICE,
                category=Category.I,
                rebate_type=RebateType.EXEMPT_REFUND,
                amount_cny="123456.78",
                taxpayer_id=TAXPAYER,
                period="202610",
                batch="001",
                whitelisted=False,
            )
        )
        == fact.data
    )


@pytest.mark.parametrize(
    ("kind", "data", "expected"),
    [
        ("accepted", {"office": OFFICE}, Accepted(attributes=Attributes(office=OFFICE))),
        (
            "accepted",
            {"office": OFFICE, "category": None},
            Accepted(attributes=Attributes(office=OFFICE)),
        ),
        ("corrected", {}, Corrected(changes={})),
        (
            "corrected",
            {"category": "III", "amount_cny": None},
            Corrected(changes={"category": "III", "amount_cny": None}),
        ),
        ("suspended", {"reason": "hold"}, Suspended(reason=SuspensionReason.HOLD)),
        ("approved", {}, Approved(cash_refund=True)),
        ("approved", {"cash_refund": False}, Approved(cash_refund=False)),
        ("retracted", {"id": "e-9"}, Retracted(id="e-9")),
        ("retracted", {"id": "e-9", "source": "/s"}, Retracted(id="e-9", source="/s")),
        ("resumed", {}, Plain()),
        ("reviewed", {}, Plain()),
        ("voucher_issued", {}, Plain()),
        ("paid", {}, Plain()),
        ("rejected", {}, Plain()),
        ("withdrawn", {}, Plain()),
    ],
)
def test_data_of_every_type(kind: str, data: Json, expected: object) -> None:
    """Each event type is taken with its data, and comes back the same from what is stored."""
    new = taken(event(kind, TIME) | {"data": data})

    assert expected == new.event.data
    assert expected == decode_data(new.event.event_type, encode_data(new.event.data))


@pytest.mark.parametrize(
    "kind",
    ["approved", "corrected", "resumed", "reviewed", "voucher_issued", "paid", "withdrawn"],
)
def test_data_may_be_left_out(kind: str) -> None:
    """An event that needs no data is taken without any."""
    told = event(kind, TIME)
    del told["data"]

    assert taken(told).event.event_type.endswith(kind)


@pytest.mark.parametrize("kind", ["resumed", "reviewed", "voucher_issued", "paid", "rejected"])
def test_null_is_no_data(kind: str) -> None:
    """An event without data may say so with null."""
    assert Plain() == taken(event(kind, TIME) | {"data": None}).event.data


@pytest.mark.parametrize(
    ("kind", "field"),
    [("accepted", "data.office"), ("suspended", "data.reason"), ("retracted", "data.id")],
)
def test_needed_data_may_not_be_left_out(kind: str, field: str) -> None:
    """An event that needs data names the field that is missing."""
    told = event(kind, TIME)
    del told["data"]

    assert refusal(told).startswith(f"{field}: missing; ")


@pytest.mark.parametrize("category", ["I", "II", "III", "IV", None])
def test_every_category_is_taken(category: str | None) -> None:
    """The four categories are taken, and one that is unknown."""
    data = taken(accepted(TIME, category=category)).event.data

    assert isinstance(data, Accepted)
    assert category == data.attributes.category


@pytest.mark.parametrize(
    "amount", ["0", "0.0", "0.01", "1", "123456.78", "999999999999999.99", "100000000000000"]
)
def test_amounts_that_are_taken(amount: str) -> None:
    """A decimal text up to 15 digits and two decimals is kept as it was told."""
    data = taken(accepted(TIME, amount_cny=amount)).event.data

    assert isinstance(data, Accepted)
    assert amount == data.attributes.amount_cny


@pytest.mark.parametrize(
    "case_id", ["a/b", "a b", "案件-1", "100%", "x" * 200, "e\u0301", "😀", "'; DROP TABLE x"]
)
def test_names_that_are_taken(case_id: str) -> None:
    """Whatever has no control character names a case."""
    assert case_id == taken(accepted(TIME, subject=case_id)).event.case_id


@pytest.mark.parametrize(
    ("time", "expected"),
    [
        ("2026-11-20T01:15:00Z", datetime(2026, 11, 20, 9, 15, tzinfo=SHANGHAI)),
        ("2026-11-19T20:15:00-05:00", datetime(2026, 11, 20, 9, 15, tzinfo=SHANGHAI)),
        ("2026-11-20T09:15:00.123456+08:00", datetime(2026, 11, 20, 9, 15, 0, 123456, SHANGHAI)),
        ("2000-01-01T00:00:00+08:00", datetime(2000, 1, 1, tzinfo=SHANGHAI)),
        ("1999-12-31T16:00:00Z", datetime(2000, 1, 1, tzinfo=SHANGHAI)),
        ("2026-11-23T10:05:00+08:00", NOW + timedelta(minutes=5)),
    ],
)
def test_times_that_are_taken(time: str, expected: datetime) -> None:
    """Any offset is taken, from 2000 in Shanghai to exactly five minutes ahead."""
    fact = taken(event("paid", TIME) | {"time": time}).event

    assert expected == fact.time
    assert fact.time.utcoffset() == timedelta(hours=8)


def test_how_far_ahead_is_a_setting() -> None:
    """A service that allows nothing ahead refuses what the usual one takes."""
    raw = encode(event("paid", "2026-11-23T10:00:01"))

    assert isinstance(decode_event(raw, NOW), NewEvent)
    refused = decode_event(raw, NOW, timedelta(0))
    assert isinstance(refused, Rejection)
    assert refused.detail.startswith("time: lies more than 0 seconds ahead")


# --- extension attributes ----------------------------------------------------------------------


def test_extensions_are_kept() -> None:
    """Extension attributes are stored beside the fact, sorted by name."""
    new = taken(accepted(TIME) | {"traceparent": "00-ab", "partitionkey": "7", "n": 3, "ok": True})

    assert new.extensions is not None
    assert json.loads(new.extensions) == {
        "n": 3,
        "ok": True,
        "partitionkey": "7",
        "traceparent": "00-ab",
    }


@pytest.mark.parametrize("extension", [{"a": [1]}, {"a": {"b": 1}}, {"a": 1.5}])
def test_an_extension_has_a_plain_value(extension: Json) -> None:
    """An extension attribute is a string, a whole number or a boolean."""
    rule = "a: an extension attribute is a string, a whole number or a boolean"

    assert rule == refusal(accepted(TIME) | extension)


@pytest.mark.parametrize(
    "name", ["Upper", "with-dash", "with space", "x" * 65, "案", "", "a\u0000"]
)
def test_an_extension_has_a_plain_name(name: str) -> None:
    """An unknown field that no extension could be called is refused as unknown."""
    detail = refusal(accepted(TIME) | {name: "x"})

    assert ": unknown field; an extension attribute is named by 1 to 64 of a-z and 0-9" in detail


@pytest.mark.parametrize("text", [*REFUSED_TEXTS.values(), "x" * 501])
def test_an_extension_has_a_plain_text(text: str) -> None:
    """An extension attribute holds no control characters and is not endless."""
    detail = refusal(accepted(TIME) | {"trace": text})

    assert detail.startswith("trace: an extension attribute has up to 500 characters")


def test_binary_data_is_refused() -> None:
    """Rebate data is JSON, not base64."""
    assert refusal(accepted(TIME) | {"data_base64": "eA=="}).startswith("data_base64: ")


# --- refusals name the field and the rule ------------------------------------------------------

ENVELOPE_REFUSALS = [
    ("specversion", "0.3", "specversion: invalid enum value '0.3'; must be \"1.0\""),
    ("specversion", 1.0, "specversion: "),
    ("type", "rebate.case.opened", "type: invalid enum value 'rebate.case.opened'; must be one of"),
    ("type", "x" * 5000, "type: "),
    ("type", None, "type: expected `str`, got `null`; must be one of"),
    ("id", 7, "id: expected `str`, got `int`"),
    ("id", "", "id: has 0 characters, must have 1 to 200"),
    ("id", "x" * 201, "id: has 201 characters, must have 1 to 200"),
    ("source", "x" * 201, "source: has 201 characters, must have 1 to 200"),
    ("source", None, "source: expected `str`, got `null`"),
    ("subject", "", "subject: has 0 characters, must have 1 to 200"),
    ("subject", "x" * 201, "subject: has 201 characters, must have 1 to 200"),
    ("subject", ["a"], "subject: expected `str`, got `array`"),
    ("data", "text", "data: expected `object`, got `str`; data of rebate.case.accepted has office"),
    ("data", [], "data: expected `object`, got `array`"),
    ("data", None, "data.office: missing; must be 11 digits"),
    ("datacontenttype", 1, "datacontenttype: expected `str | null`, got `int`"),
]


@pytest.mark.parametrize(("field", "value", "expected"), ENVELOPE_REFUSALS)
def test_refusals_of_the_envelope(field: str, value: object, expected: str) -> None:
    """A wrong attribute of the envelope is named with its rule."""
    detail = refusal(accepted(TIME) | {field: value})

    assert expected == detail[: len(expected)]
    assert "must" in detail or "an event is a JSON object" in detail or "data of" in detail


@pytest.mark.parametrize("field", ["specversion", "id", "source", "type", "subject", "time"])
def test_every_attribute_of_the_envelope_is_needed(field: str) -> None:
    """A missing attribute of the envelope is named."""
    told = accepted(TIME)
    del told[field]

    assert refusal(told).startswith(f"{field}: missing; ")


TIME_REFUSALS = {
    "naive": ("2026-11-20T09:15:00", "with a timezone component; must be an RFC 3339 instant"),
    "date": ("2026-11-20", "must be an RFC 3339 instant with its offset"),
    "number": (1_790_000_000, "must be an RFC 3339 instant with its offset"),
    "null": (None, "must be an RFC 3339 instant with its offset"),
    "empty": ("", "must be an RFC 3339 instant with its offset"),
    "chinese": ("2026年11月20日", "must be an RFC 3339 instant with its offset"),
    "no-such-day": ("2026-02-29T00:00:00Z", "must be an RFC 3339 instant with its offset"),
    "24-o-clock": ("2026-11-20T24:00:00Z", "must be an RFC 3339 instant with its offset"),
    "leap-second": ("2016-12-31T23:59:60Z", "must be an RFC 3339 instant with its offset"),
    "year-1": ("0001-01-01T00:00:00Z", "lies before 2000-01-01 in Asia/Shanghai"),
    "year-1-east": ("0001-01-01T00:00:00+14:00", "lies before 2000-01-01 in Asia/Shanghai"),
    "year-1-west": ("0001-01-01T00:00:00-23:59", "lies before 2000-01-01 in Asia/Shanghai"),
    "year-0": ("0000-01-01T00:00:00Z", "must be an RFC 3339 instant with its offset"),
    "1999": ("1999-12-31T23:59:59.999999+08:00", "lies before 2000-01-01 in Asia/Shanghai"),
    "1999-utc": ("1999-12-31T15:59:59Z", "lies before 2000-01-01 in Asia/Shanghai"),
    "ahead": ("2026-11-23T10:05:00.000001+08:00", "lies more than 300 seconds ahead"),
    "ahead-utc": ("2026-11-23T10:00:00Z", "lies more than 300 seconds ahead"),
    "year-9999": ("9999-12-31T23:59:59Z", "lies more than 300 seconds ahead"),
    "year-9999-west": ("9999-12-31T23:59:59-23:59", "lies more than 300 seconds ahead"),
    "year-9998": ("9998-12-31T23:59:59-23:59", "lies more than 300 seconds ahead"),
}


@pytest.mark.parametrize(("time", "rule"), TIME_REFUSALS.values(), ids=list(TIME_REFUSALS))
def test_refusals_of_time(time: object, rule: str) -> None:
    """An instant is refused without an offset, before 2000 and ahead of the clock."""
    detail = refusal(accepted(TIME) | {"time": time})

    assert detail.startswith("time: ")
    assert rule in detail


def test_a_wrong_producer_clock_is_told_so() -> None:
    """A time too far ahead is answered with what the service's clock says."""
    expected = (
        "time: lies more than 300 seconds ahead of this service's clock, which says "
        "2026-11-23T10:00:00+08:00; check the sender's clock and offset"
    )

    assert expected == refusal(accepted("2026-11-23T18:00:00"))


OFFICES = ["", "1430100000", "143010000000", "24301000000", "1430100000a", "１４３０１０００００１"]
AMOUNTS = [
    "", "NaN", "nan", "Infinity", "-Infinity", "inf", "1e5", "1E5", "-1", "+1", "01", "1.", ".5",
    "1.234", "1,000", " 1", "1 ", "１", "1000000000000000", "0x1", "1_0", "12345678901234567890.00",
]  # fmt: skip
DATA_REFUSALS = [
    *(("office", value, "must be 11 digits") for value in OFFICES),
    ("office", None, "expected `str`, got `null`; must be 11 digits"),
    ("office", 14_301_000_000, "expected `str`, got `int`; must be 11 digits"),
    *(("amount_cny", value, "must be a decimal text of CNY") for value in AMOUNTS),
    ("amount_cny", 123.45, "expected `str | null`, got `float`; must be a decimal text of CNY"),
    ("category", "V", "must be one of I, II, III, IV or null"),
    ("category", "i", "must be one of I, II, III, IV or null"),
    ("category", 1, "must be one of I, II, III, IV or null"),
    ("category", "", "must be one of I, II, III, IV or null"),
    ("rebate_type", "refund", "must be one of exempt_refund, exempt_credit_refund, agency, other"),
    ("taxpayer_id", TAXPAYER[:-1] + "4", "must be 18 characters with the check digit of GB 32100"),
    ("taxpayer_id", TAXPAYER.lower(), "must be 18 characters with the check digit of GB 32100"),
    ("taxpayer_id", TAXPAYER[:-1], "must be 18 characters with the check digit of GB 32100"),
    ("taxpayer_id", "", "must be 18 characters with the check digit of GB 32100"),
    ("taxpayer_id", 913501000001000043, "expected `str | null`, got `int`; must be 18 characters"),
    ("whitelisted", "yes", "must be true, false or null"),
    ("whitelisted", 1, "must be true, false or null"),
    ("period", 202610, "expected `str | null`, got `int`"),
    ("period", "", "has 0 characters, must have 1 to 64"),
    ("batch", "x" * 65, "has 65 characters, must have 1 to 64"),
    ("refiled_from", "x" * 201, "has 201 characters, must have 1 to 200"),
    ("amount", "1", "unknown field; data of rebate.case."),
    ("", "1", "unknown field; data of rebate.case."),
]  # fmt: skip


@pytest.mark.parametrize("kind", ["accepted", "corrected"])
@pytest.mark.parametrize(("field", "value", "rule"), DATA_REFUSALS)
def test_refusals_of_attributes(kind: str, field: str, value: object, rule: str) -> None:
    """A wrong attribute is named with its rule, at acceptance and in a correction alike."""
    told = event(kind, TIME) | {"data": {"office": OFFICE, field: value}}

    detail = refusal(told)

    assert detail.startswith(f"data.{field}: ")
    assert rule in detail.replace("str | unset", "str").replace("Unset", "str")


@pytest.mark.parametrize(
    ("kind", "data", "expected"),
    [
        ("suspended", {"reason": "lunch"}, "data.reason: invalid value; must be one"),
        ("suspended", {"reason": None}, "data.reason: "),
        ("suspended", {"reason": "hold", "why": "x"}, "data.why: unknown field; data of"),
        ("approved", {"cash_refund": "no"}, "data.cash_refund: expected `bool`, got `str`; must"),
        ("approved", {"cash_refund": None}, "data.cash_refund: "),
        ("retracted", {"id": ""}, "data.id: has 0 characters, must have 1 to 200"),
        ("retracted", {"id": "x" * 201}, "data.id: has 201 characters, must have 1 to 200"),
        ("retracted", {"id": "a\u0000"}, "data.id: holds a control character, which no text may"),
        ("retracted", {"id": "a", "source": "\n"}, "data.source: holds a control character"),
        ("paid", {"amount": 1}, "data.amount: unknown field; rebate.case.paid needs no data"),
        ("resumed", [], "data: expected `object`, got `array`; rebate.case.resumed needs no data"),
    ],
)
def test_refusals_of_data(kind: str, data: object, expected: str) -> None:
    """Wrong data of the other types is named with its rule."""
    detail = refusal(event(kind, TIME) | {"data": data})

    assert expected == detail[: len(expected)]


@pytest.mark.parametrize("text", REFUSED_TEXTS.values(), ids=list(REFUSED_TEXTS))
@pytest.mark.parametrize("field", [*NAMES, "datacontenttype"])
def test_no_control_characters_in_names(field: str, text: str) -> None:
    """What PostgreSQL or a reader could not hold is refused by name."""
    expected = f"{field}: holds a control character, which no text may"

    assert expected == refusal(accepted(TIME) | {field: text})


@pytest.mark.parametrize("text", REFUSED_TEXTS.values(), ids=list(REFUSED_TEXTS))
@pytest.mark.parametrize("field", TEXTS)
def test_no_control_characters_in_data(field: str, text: str) -> None:
    """The texts of the data are held to the same."""
    expected = f"data.{field}: holds a control character, which no text may"

    assert expected == refusal(accepted(TIME, **{field: text}))


@pytest.mark.parametrize("field", ["type", "specversion", "time"])
def test_a_nul_in_a_word_is_refused(field: str) -> None:
    """A NUL in an attribute that has its own rule is refused by that rule."""
    detail = refusal(accepted(TIME) | {field: "a\u0000b"})

    assert detail.startswith(f"{field}: ")
    assert "\u0000" not in detail


@pytest.mark.parametrize(
    "field", ["office", "category", "rebate_type", "amount_cny", "taxpayer_id"]
)
def test_a_nul_in_data_that_has_a_rule_is_refused(field: str) -> None:
    """A NUL in a field of the data that has its own rule is refused by that rule."""
    detail = refusal(accepted(TIME, **{field: "a\u0000b"}))

    assert detail.startswith(f"data.{field}: ")
    assert "\u0000" not in detail


@pytest.mark.parametrize("field", [*NAMES, "type", "time", "datacontenttype", "trace"])
def test_lone_surrogates_are_refused(field: str) -> None:
    """Half a character is no text."""
    assert refusal(accepted(TIME) | {field: "\ud800"}).startswith("not JSON: ")


# --- what is not even JSON ---------------------------------------------------------------------

WHOLE = json.dumps(accepted(TIME, id="e-whole"))
BROKEN = {
    "empty": (b"", "not JSON: "),
    "word": (b"hello", "not JSON: "),
    "cut": (WHOLE[:-1].encode(), "not JSON: "),
    "two": (WHOLE.encode() * 2, "not JSON: "),
    "bom": (b"\xef\xbb\xbf" + WHOLE.encode(), "not JSON: "),
    "utf-16": (WHOLE.encode("utf-16"), "not JSON: "),
    "latin-1": (WHOLE.replace("case-1", "\xe9").encode("latin-1"), "not JSON: "),
    "half-utf-8": (WHOLE.encode().replace(b"case-1", "案".encode()[:2]), "not JSON: "),
    "surrogate-bytes": (WHOLE.encode().replace(b"case-1", b"\xed\xa0\x80"), "not JSON: "),
    "surrogate-in-data": (WHOLE.replace('"I"', '"\\ud800"').encode(), "not JSON: "),
    "nan": (WHOLE.replace('"I"', "NaN").encode(), "not JSON: "),
    "infinity": (WHOLE.replace('"I"', "-Infinity").encode(), "not JSON: "),
    "huge-exponent": (WHOLE.replace('"I"', "1e400").encode(), "data.category: number out of range"),
    "5,000-digits": (WHOLE.replace('"I"', "1" * 5000).encode(), "data.category: "),
    "null": (b"null", "event: expected `object`, got `null`; an event is a JSON object with"),
    "array": (b"[]", "event: expected `object`, got `array`; an event is a JSON object with"),
    "text": (b'"x"', "event: expected `object`, got `str`; an event is a JSON object with"),
    "deep": (DEEP.encode(), "event: expected `object`, got `array`"),
    "deep-and-cut": (b"[" * 100_000, "event: expected `object`, got `array`"),
    "deep-in-data": (WHOLE.replace('"I"', DEEP).encode(), "not JSON: nested too deeply"),
    "deep-data": (b'{"data": ' + DEEP.encode() + b"}", "not JSON: nested too deeply"),
    "deep-extension": (
        f'{WHOLE[:-1]}, "trace": {DEEP}}}'.encode(),
        "not JSON: nested too deeply",
    ),
    "deep-objects": (b'{"data":' * 100_000, "not JSON: nested too deeply"),
    "cut-extension": (f'{WHOLE[:-1]}, "trace": "x'.encode(), "not JSON: "),
}


@pytest.mark.parametrize(("raw", "expected"), BROKEN.values(), ids=list(BROKEN))
def test_bytes_that_are_no_event(raw: bytes, expected: str) -> None:
    """Whatever the bytes are, the refusal says why, and they are kept whole."""
    decoded = decode(raw)

    assert isinstance(decoded, Rejection)
    assert expected == decoded.detail[: len(expected)]
    assert raw == decoded.body


def test_an_event_has_a_bounded_size() -> None:
    """An event over a mebibyte is refused before it is read; one of exactly that size is read."""
    told = accepted(TIME)
    fits = encode(told) + b" " * (MAX_EVENT_BYTES - len(encode(told)))

    assert isinstance(decode(fits), NewEvent)
    assert refusal(fits + b" ").startswith("event: larger than 1048576 bytes")


def test_a_refusal_keeps_the_names_that_can_be_read() -> None:
    """A refused event is still named by its case, source, id and type."""
    decoded = decode(accepted(TIME, id="e-7", subject="案\u0000件", office="x"))

    assert isinstance(decoded, Rejection)
    assert ("案?件", SOURCE, "e-7") == (decoded.case_id, decoded.source, decoded.id)
    assert decoded.event_type == "rebate.case.accepted"


def test_a_refusal_has_no_names_that_are_not_text() -> None:
    """Names of another type are left out."""
    decoded = decode({"id": 1, "source": None, "subject": {"a": 1}, "type": ""})

    assert isinstance(decoded, Rejection)
    assert (None,) * 4 == (decoded.id, decoded.source, decoded.case_id, decoded.event_type)


@pytest.mark.parametrize("event_id", ["x" * 10_000, "长" * 300])
def test_names_of_a_refusal_are_cut(event_id: str) -> None:
    """An endless name is cut to the longest that an event may have."""
    decoded = decode(accepted(TIME, id=event_id))

    assert isinstance(decoded, Rejection)
    assert event_id[:200] == decoded.id


@pytest.mark.parametrize(
    "told",
    [
        accepted(TIME, category=TAXPAYER),
        accepted(TIME, rebate_type=TAXPAYER),
        accepted(TIME, taxpayer_id=TAXPAYER[:-1] + "4"),
        accepted(TIME, taxpayer_id=TAXPAYER + "0"),
        accepted(TIME, taxpayer_id=TAXPAYER.lower()),
        accepted(TIME, amount_cny=TAXPAYER),
        accepted(TIME, office=TAXPAYER),
        accepted(TIME, **{TAXPAYER: "x"}),
        event("suspended", TIME, reason=TAXPAYER),
        accepted(TIME) | {"type": TAXPAYER},
        accepted(TIME) | {TAXPAYER: "x"},
        accepted(TIME) | {"time": TAXPAYER},
    ],
)
def test_a_refusal_never_repeats_a_taxpayer_id(told: Json) -> None:
    """A taxpayer id is not shown, in whatever field it was sent by mistake."""
    detail = refusal(told)

    assert TAXPAYER[:-1] not in detail
    assert TAXPAYER[:-1].lower() not in detail


def test_a_long_word_does_not_hide_the_rule() -> None:
    """The rule is still said after a value that is pages long."""
    assert "; must be one of rebate.case.accepted, " in refusal(
        accepted(TIME) | {"type": "x" * 999}
    )


# --- what a repeat is --------------------------------------------------------------------------

TOLD = accepted(TIME, id="e-1", amount_cny="100.00", whitelisted=True)
SAME = {
    "indented": json.dumps(TOLD, indent=4),
    "reversed": json.dumps(dict(reversed(TOLD.items()))),
    "data-reversed": json.dumps(TOLD | {"data": dict(reversed(TOLD["data"].items()))}),
    "escaped": json.dumps(TOLD).replace("amount_cny", "\\u0061mount_cny"),
    "utc": json.dumps(TOLD | {"time": "2026-11-20T01:15:00Z"}),
    "west": json.dumps(TOLD | {"time": "2026-11-19T15:15:00-10:00"}),
    "no-microseconds": json.dumps(TOLD | {"time": "2026-11-20T09:15:00.000000+08:00"}),
    "null-told": json.dumps(TOLD | {"data": TOLD["data"] | {"period": None, "batch": None}}),
    "extension": json.dumps(TOLD | {"traceparent": "00-7"}),
    "content-type": json.dumps(TOLD | {"datacontenttype": "application/json"}),
}


@pytest.mark.parametrize("text", SAME.values(), ids=list(SAME))
def test_the_same_content_in_another_form_is_the_same(text: str) -> None:
    """Formatting, order, offset and extensions do not make another event."""
    assert taken(TOLD).digest == taken(text).digest


CHANGED = {
    "time": TOLD | {"time": "2026-11-20T09:15:01+08:00"},
    "microsecond": TOLD | {"time": "2026-11-20T09:15:00.000001+08:00"},
    "type": TOLD | {"type": "rebate.case.corrected"},
    "amount": accepted(TIME, id="e-1", amount_cny="100.01", whitelisted=True),
    "boolean": accepted(TIME, id="e-1", amount_cny="100.00", whitelisted=False),
    "left-out": accepted(TIME, id="e-1", amount_cny="100.00"),
    "more": accepted(TIME, id="e-1", amount_cny="100.00", whitelisted=True, period="202610"),
}


@pytest.mark.parametrize("changed", CHANGED.values(), ids=list(CHANGED))
def test_changed_content_is_another_event(changed: Json) -> None:
    """Another type, time or data is never taken for a repeat."""
    assert taken(TOLD).digest != taken(changed).digest


def test_a_correction_to_nothing_is_not_no_correction() -> None:
    """Emptying a field differs from not telling it."""
    emptied = taken(event("corrected", TIME, id="e-1", amount_cny=None))

    assert emptied.digest != taken(event("corrected", TIME, id="e-1")).digest


def test_a_default_told_is_the_default() -> None:
    """An approval that says cash_refund is true is the one that does not say it."""
    told = taken(event("approved", TIME, id="e-1", cash_refund=True))

    assert told.digest == taken(event("approved", TIME, id="e-1")).digest


# --- nothing breaks it -------------------------------------------------------------------------

SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(st.characters(codec=None))
    | st.sampled_from([TAXPAYER, OFFICE, "I", "2026-11-20T09:15:00+08:00", "\u0000", "\ud800"])
)
ANYTHING = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
)
FIELDS = st.sampled_from([*accepted(TIME), "datacontenttype", "data_base64", "trace", "Trace"])
DATA_FIELDS = st.sampled_from([*Attributes.__slots__, "reason", "cash_refund", "id", "source"])
NEARLY_EVENTS = st.builds(
    lambda kind, changes, data: event(kind, TIME, office=OFFICE) | changes | data,
    st.sampled_from([event_type.rpartition(".")[2] for event_type in EventType]),
    st.dictionaries(FIELDS, ANYTHING, max_size=3),
    st.fixed_dictionaries({}, optional={"data": st.dictionaries(DATA_FIELDS, SCALARS, max_size=4)}),
)


def check_never_raises(raw: bytes) -> None:
    decoded = decode_event(raw, NOW)

    assert isinstance(decoded, NewEvent | Rejection)
    if isinstance(decoded, Rejection):
        assert decoded.detail
        assert UNSAFE.search(decoded.detail) is None
        assert raw == decoded.body
    else:
        assert "\u0000" not in decoded.data.decode("utf-8")


@given(st.binary(max_size=200))
def test_no_bytes_break_it(raw: bytes) -> None:
    """Arbitrary bytes are an event or a refusal, never an error."""
    check_never_raises(raw)


@given(ANYTHING)
def test_no_json_breaks_it(told: object) -> None:
    """Arbitrary JSON is an event or a refusal, never an error."""
    check_never_raises(encode(told))


@given(NEARLY_EVENTS)
def test_nothing_like_an_event_breaks_it(told: Json) -> None:
    """What is nearly an event is an event or a refusal, never an error."""
    check_never_raises(encode(told))


@given(st.integers(0, len(WHOLE) - 1), st.binary(max_size=3))
def test_no_damage_breaks_it(place: int, damage: bytes) -> None:
    """An event damaged anywhere is an event or a refusal, never an error."""
    raw = WHOLE.encode()

    check_never_raises(raw[:place] + damage + raw[place + len(damage) :])


# --- a batch that no parser takes as a whole ---------------------------------------------------


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b"[]", None),
        (b'[{"a": NaN}]', [b'{"a": NaN}']),
        (b' [ {"a": NaN} , {"b": 1} ] ', [b'{"a": NaN}', b'{"b": 1}']),
        (b'[{"a": "],[\\"\\\\"}, 1, "x,y"]', [b'{"a": "],[\\"\\\\"}', b"1", b'"x,y"']),
        (b'["\\ud800", {}]', [b'"\\ud800"', b"{}"]),
        (b"[NaN, {}]", [b"NaN", b"{}"]),
        (b"[[1, 2], {}]", [b"[1, 2]", b"{}"]),
        (f"[{DEEP}, 1]".encode(), [DEEP.encode(), b"1"]),
        (b"[hello]", None),
        (b"[{},]", None),
        (b"[,{}]", None),
        (b"[{}] {}", None),
        (b"[{}][{}]", None),
        (b"[{]", None),
        (b'[{"a": "]', None),
        (b"{}", None),
        (b"", None),
    ],
)
def test_elements_of_what_is_shaped_as_an_array(body: bytes, expected: list[bytes] | None) -> None:
    """Brackets, strings and commas alone cut a batch, so that one bad event stays one."""
    assert expected == elements(body)


@given(st.lists(ANYTHING, min_size=1, max_size=5))
def test_elements_agree_with_the_parser(told: list[object]) -> None:
    """Whatever is JSON is cut where a parser cuts it."""
    body = encode(told)

    if is_json(body):
        found = elements(body) or []
        assert json.loads(body) == [json.loads(element) for element in found]
