"""POST /v1/events (DESIGN 4): statuses, per-event results, strictness, never a 500."""

import asyncio
import gzip
import io
import json
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest
from aiohttp import ClientResponse

from cloud_events import (
    BATCH,
    ONE,
    SOURCE,
    STREAM,
    STRICT,
    Json,
    accepted,
    binary_headers,
    event,
    ndjson,
)
from conftest import Client, FixedClock
from rebate_monitor.api.events import MAX_BATCH_EVENTS, MAX_BODY_BYTES
from rebate_monitor.ingest.wire import MAX_EVENT_BYTES
from rebate_monitor.storage.database import Database

TIME = "2026-11-20T09:15:00"
PROBLEM = "application/problem+json"
DEEP = b"[" * 100_000 + b"]" * 100_000
NO_KEYS = ("", "Bearer", "Bearer wrong", "Basic YTpi", "bearer 案")
GOOD = json.dumps(accepted(TIME, subject="good", id="e-good")).encode()
NOTHING_DONE = {"accepted": 0, "duplicate": 0, "rejected": 0, "results": []}
MODES = {"one": ONE, "batch": BATCH, "stream": STREAM}


async def post(
    client: Client, told: Json | list[Json] | bytes, headers: dict[str, str] = ONE
) -> tuple[int, Json]:
    """Post an event, a batch or raw bytes; return status and body."""
    body = told if isinstance(told, bytes) else json.dumps(told).encode()
    async with client.post("/v1/events", data=io.BytesIO(body), headers=headers) as response:
        return response.status, await checked(response)


async def checked(response: ClientResponse) -> Json:
    """Return the body of an answer that has the media type of its status."""
    expected = PROBLEM if response.status >= 400 else "application/json"
    assert expected == response.content_type
    answer: Json = await response.json(content_type=expected)
    if expected == PROBLEM:
        assert {"type", "title", "status", "detail"} <= answer.keys()
        assert response.status == answer["status"]
    return answer


async def stored(database: Database) -> tuple[int, int, int]:
    """Return how many events, case rows and quarantined events there are."""
    async with database.connection() as connection:
        row = await connection.fetchrow(
            "SELECT (SELECT count(*) FROM case_event), (SELECT count(*) FROM rebate_case),"
            " (SELECT coalesce(sum(times), 0) FROM quarantine)"
        )
    assert row is not None
    return row[0], row[1], row[2]


# --- one event ---------------------------------------------------------------------------------


async def test_a_new_event_is_201(client: Client, database: Database) -> None:
    """A new event is stored before the answer comes."""
    status, answer = await post(client, accepted(TIME))

    assert (201, {**NOTHING_DONE, "accepted": 1}) == (status, answer)
    assert (1, 1, 0) == await stored(database)


async def test_the_same_again_is_200(client: Client, database: Database) -> None:
    """A repeat in another form is a duplicate and says so."""
    told = accepted(TIME, id="e-1")
    await post(client, told)

    status, answer = await post(client, told | {"time": "2026-11-20T01:15:00Z", "trace": "2"})

    duplicate = {"index": 0, "id": "e-1", "status": "duplicate", "detail": ""}
    assert (200, {**NOTHING_DONE, "duplicate": 1, "results": [duplicate]}) == (status, answer)
    assert (1, 1, 0) == await stored(database)


async def test_the_same_with_other_content_is_409(client: Client, database: Database) -> None:
    """A conflict changes nothing of the case and is kept in quarantine."""
    await post(client, accepted(TIME, id="e-1", category="I"))
    before = await (await client.get("/v1/cases/case-1")).read()

    status, answer = await post(client, accepted(TIME, id="e-1", category="II"))

    assert status == 409
    assert ("urn:rebate-monitor:problem:conflict", 1) == (answer["type"], answer["rejected"])
    (result,) = answer["results"]
    assert (0, "e-1", "conflict") == (result["index"], result["id"], result["status"])
    assert result["detail"] == answer["detail"]
    assert (1, 1, 1) == await stored(database)
    assert before == await (await client.get("/v1/cases/case-1")).read()


async def test_an_invalid_event_is_422(client: Client, database: Database) -> None:
    """A broken rule is named, and only the quarantine keeps the event."""
    status, answer = await post(client, accepted(TIME, id="e-1", office="Changsha"))

    assert status == 422
    assert answer["type"] == "urn:rebate-monitor:problem:invalid"
    assert answer["detail"].startswith("data.office: must be 11 digits")
    expected = {"index": 0, "id": "e-1", "status": "rejected", "detail": answer["detail"]}
    assert [expected] == answer["results"]
    assert (0, 0, 1) == await stored(database)


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (accepted(TIME, id="e-1"), accepted(TIME, id="e-1", subject="case-2")),
        (accepted(TIME, id="e-1"), accepted(TIME, id="e-1", source="/another")),
        (accepted(TIME, id="e-1"), accepted(TIME, id="e-2")),
    ],
    ids=["case", "source", "id"],
)
async def test_what_an_event_is_known_by(client: Client, first: Json, second: Json) -> None:
    """Another case, source or id is another event, whatever else is the same."""
    statuses = [(await post(client, told))[0] for told in (first, second)]

    assert [201, 201] == statuses


async def test_what_is_not_json_is_400(client: Client, database: Database) -> None:
    """A body that is no JSON is told so, and nothing of it is kept."""
    bodies = (b"", b"{", b"hello", b"\xff\xfe", b'{"a": NaN}', DEEP[:-1], GOOD + GOOD)

    answers = [await post(client, body) for body in bodies]

    assert [(400, "urn:rebate-monitor:problem:not-json")] * len(bodies) == [
        (status, answer["type"]) for status, answer in answers
    ]
    assert (0, 0, 0) == await stored(database)


async def test_json_that_is_no_event_is_422(client: Client) -> None:
    """JSON of another shape is an event that breaks the rules."""
    bodies = (b"null", b"7", b'"text"', b"[]", b"{}")

    answers = [await post(client, body) for body in bodies]

    assert [(422, 1)] * len(bodies) == [(status, a["rejected"]) for status, a in answers]


async def test_content_types_with_parameters(client: Client) -> None:
    """A content type may be written in capitals and name its character set."""
    content_types = (
        "application/cloudevents+json; charset=utf-8",
        "application/cloudevents+json;charset=UTF-8",
        "Application/CloudEvents+JSON",
    )

    statuses = [
        (await post(client, accepted(TIME), {"Content-Type": content_type}))[0]
        for content_type in content_types
    ]

    assert [201, 201, 201] == statuses


async def test_other_content_types_are_415(client: Client) -> None:
    """What is none of the four modes is told what would do."""
    content_types = (
        "application/json",
        "text/plain",
        "application/xml",
        "application/cloudevents+xml",
        "application/cloudevents-batch+jsonx",
        "x",
    )

    answers = [
        await post(client, accepted(TIME), {"Content-Type": content_type})
        for content_type in content_types
    ]

    assert [415] * len(content_types) == [status for status, _ in answers]
    assert all("application/cloudevents-batch+json" in answer["detail"] for _, answer in answers)


async def test_an_event_over_a_mebibyte_is_413(client: Client) -> None:
    """One event has a bound of its own below that of the body."""
    body = json.dumps(accepted(TIME)).encode() + b" " * MAX_EVENT_BYTES

    status, answer = await post(client, body)

    assert (413, True) == (status, answer["detail"].endswith("one event has up to 1048576"))


@pytest.mark.parametrize("mode", [ONE, BATCH, STREAM | STRICT], ids=["one", "batch", "strict"])
async def test_a_body_over_8_mib_is_413(
    client: Client, database: Database, mode: dict[str, str]
) -> None:
    """A body over the bound is refused whole."""
    status, answer = await post(client, b"[" + b" " * MAX_BODY_BYTES, mode)

    assert (413, "urn:rebate-monitor:problem:too-large") == (status, answer["type"])
    assert str(MAX_BODY_BYTES) in answer["detail"]
    assert (0, 0, 0) == await stored(database)


async def test_other_methods_are_405(client: Client) -> None:
    """Events are only posted, and the answer names the method."""
    async with client.put("/v1/events", data=b"") as response:
        await checked(response)
        assert (405, "POST") == (response.status, response.headers["Allow"])


# --- who may -----------------------------------------------------------------------------------


async def test_without_a_key_it_is_401(stranger: Client) -> None:
    """Without a known key the answer says how to send one."""
    for authorization in ({}, *({"Authorization": told} for told in NO_KEYS)):
        headers = ONE | authorization
        async with stranger.post("/v1/events", json=accepted(TIME), headers=headers) as response:
            await checked(response)
            assert response.status == 401
            assert response.headers["WWW-Authenticate"].startswith("Bearer ")


# --- a batch -----------------------------------------------------------------------------------


async def test_an_empty_batch_is_200(client: Client, database: Database) -> None:
    """Nothing to do is done."""
    assert (200, NOTHING_DONE) == await post(client, [], BATCH)
    assert (0, 0, 0) == await stored(database)


async def test_a_batch_without_refusals_is_200(client: Client) -> None:
    """New events are counted, duplicates are listed with their place."""
    told = [accepted(TIME, subject=f"case-{n}", id=f"e-{n}") for n in range(3)]
    await post(client, [told[1]], BATCH)

    status, answer = await post(client, told, BATCH)

    duplicate = {"index": 1, "id": "e-1", "status": "duplicate", "detail": ""}
    expected = {"accepted": 2, "duplicate": 1, "rejected": 0, "results": [duplicate]}
    assert (200, expected) == (status, answer)


async def test_a_batch_with_some_refusals_is_207(client: Client, database: Database) -> None:
    """Good events beside bad ones are kept; each bad one is named with its rule."""
    told = [
        accepted(TIME, subject="case-1", id="e-1"),
        accepted(TIME, subject="case-2", id="e-2", category="V"),
        event("paid", "2026-11-24T00:00:00", subject="case-1", id="e-3"),
        accepted(TIME, subject="case-3", id="e-4"),
    ]

    status, answer = await post(client, told, BATCH)

    assert (207, 2, 0, 2) == (
        status,
        answer["accepted"],
        answer["duplicate"],
        answer["rejected"],
    )
    assert [(1, "e-2", "rejected"), (2, "e-3", "rejected")] == [
        (r["index"], r["id"], r["status"]) for r in answer["results"]
    ]
    assert answer["results"][0]["detail"].startswith("data.category: ")
    assert answer["results"][1]["detail"].startswith("time: ")
    assert (2, 2, 2) == await stored(database)


async def test_a_batch_with_refusals_and_duplicates_is_207(client: Client) -> None:
    """Where a duplicate stands beside the refusals, not all was refused."""
    told = accepted(TIME)
    await post(client, told)

    status, answer = await post(client, [told, {}], BATCH)

    assert (207, 1, 1) == (status, answer["duplicate"], answer["rejected"])


async def test_a_batch_of_refusals_is_422(client: Client, database: Database) -> None:
    """Where nothing could be taken, the answer is a problem with every result."""
    status, answer = await post(client, [{}, accepted(TIME, office="")], BATCH)

    assert (422, 2) == (status, answer["rejected"])
    assert answer["detail"].startswith("none of the events was taken; the first: specversion:")
    assert [0, 1] == [result["index"] for result in answer["results"]]
    assert (0, 0, 2) == await stored(database)


async def test_a_repeat_within_one_batch(client: Client, database: Database) -> None:
    """The first of two in one batch counts as stored, for repeats and for conflicts."""
    told = accepted(TIME, id="e-1")
    other = accepted(TIME, id="e-1", category="II")

    status, answer = await post(client, [told, told, other], BATCH)

    assert (207, 1, 1, 1) == (status, answer["accepted"], answer["duplicate"], answer["rejected"])
    assert [(1, "duplicate"), (2, "conflict")] == [
        (r["index"], r["status"]) for r in answer["results"]
    ]
    assert (1, 1, 1) == await stored(database)
    case = await (await client.get("/v1/cases/case-1")).json()
    assert case["attributes"]["category"] == "I"


async def test_a_conflict_that_is_repeated_stays_one(client: Client, database: Database) -> None:
    """A conflicting event sent again and again changes nothing each time."""
    await post(client, accepted(TIME, id="e-1"))
    other = accepted(TIME, id="e-1", category="II")

    statuses = [(await post(client, [other], BATCH))[0] for _ in range(3)]

    assert [422, 422, 422] == statuses
    assert (1, 1, 3) == await stored(database)


async def test_one_case_in_two_batches_at_once(client: Client, database: Database) -> None:
    """Batches that tell the same events at the same time store each event once."""
    told = [accepted(TIME, subject=f"case-{n % 5}", id=f"e-{n}") for n in range(50)]

    answers = await asyncio.gather(*(post(client, told[::step], BATCH) for step in (1, -1) * 3))

    assert sum(answer["accepted"] for _, answer in answers) == 50
    assert sum(answer["duplicate"] for _, answer in answers) == 250
    assert (50, 5, 0) == await stored(database)


async def test_as_many_events_as_a_batch_may_have(client: Client, database: Database) -> None:
    """Exactly 5,000 events are one batch."""
    told = [
        event("reviewed", TIME, subject=f"case-{n % 7}", id=f"e-{n}")
        for n in range(MAX_BATCH_EVENTS)
    ]

    status, answer = await post(client, told, BATCH)

    assert (200, 5000) == (status, answer["accepted"])
    assert (5000, 7, 0) == await stored(database)


@pytest.mark.parametrize("headers", [BATCH, STREAM | STRICT], ids=["batch", "strict-stream"])
async def test_one_event_more_is_413(
    client: Client, database: Database, headers: dict[str, str]
) -> None:
    """A batch of 5,001 events is refused whole, and told to be a stream."""
    body = b"{}\n" * (MAX_BATCH_EVENTS + 1)
    if headers is BATCH:
        body = b"[" + b"{}," * MAX_BATCH_EVENTS + b"{}]"

    status, answer = await post(client, body, headers)

    assert (413, True) == (status, "5001 events" in answer["detail"])
    assert "application/x-ndjson" in answer["detail"]
    assert (0, 0, 0) == await stored(database)


async def test_a_batch_that_is_no_array_is_400(client: Client) -> None:
    """A batch whose shape is not a JSON array is refused whole."""
    bodies = (
        b"", b"{}", b"null", b"[", b"[{}", b"[{},]", b"[hello]", b"{}\n{}", b"[{}][{}]", DEEP[:-1]
    )  # fmt: skip

    answers = [await post(client, body, BATCH) for body in bodies]

    assert [(400, "urn:rebate-monitor:problem:not-json")] * len(bodies) == [
        (status, answer["type"]) for status, answer in answers
    ]


SPOILERS = {
    "nan": GOOD.replace(b'"I"', b"NaN"),
    "infinity": GOOD.replace(b'"I"', b"-Infinity"),
    "surrogate": GOOD.replace(b"good", b"\\ud800"),
    "nul": GOOD.replace(b"good", b"a\\u0000b"),
    "latin-1": GOOD.replace(b"good", b"\xe9"),
    "deep": DEEP,
    "deep-in-data": GOOD.replace(b'"I"', DEEP),
    "deep-extension": GOOD[:-1] + b', "trace": ' + DEEP + b"}",
    "exponent": GOOD.replace(b'"I"', b"1e400"),
    "digits": GOOD.replace(b'"I"', b"1" * 5000),
    "large": GOOD[:-1] + b" " * MAX_EVENT_BYTES + b"}",
    "year-1": GOOD.replace(b"2026-", b"0001-"),
    "year-9999": GOOD.replace(b"2026-", b"9999-"),
    "naive": GOOD.replace(b"+08:00", b""),
    "null": b"null",
    "number": b"7",
}


@pytest.mark.parametrize("mode", ["batch", "stream"])
async def test_good_events_beside_a_bad_one_are_kept(
    client: Client, database: Database, mode: str
) -> None:
    """Whatever one event holds, its neighbours on both sides are taken."""
    joint = b", " if mode == "batch" else b"\n"
    answers = {}
    for name, spoiler in SPOILERS.items():
        events = [GOOD.replace(b"e-good", f"{name}-{n}".encode()) for n in range(2)]
        body = joint.join([events[0], spoiler, events[1]])
        status, answer = await post(
            client, b"[%b]" % body if mode == "batch" else body, MODES[mode]
        )
        refused = [(result["index"], result["status"]) for result in answer["results"]]
        answers[name] = (status, answer["accepted"], refused)

    assert dict.fromkeys(SPOILERS, (207, 2, [(1, "rejected")])) == answers
    assert (2 * len(SPOILERS), 1, len(SPOILERS)) == await stored(database)


# --- a stream ----------------------------------------------------------------------------------


async def test_a_stream_of_3000_lines(client: Client, database: Database) -> None:
    """A stream has no bound on lines; blank ones are skipped, bad and overlong ones are named."""
    lines = ndjson(
        [accepted(TIME, subject=f"case-{n}", id=f"e-{n}") for n in range(2996)]
    ).splitlines(keepends=True)
    lines[10:10] = [b"\n", b"hello\n"]
    lines[2000:2000] = [b"{" + b" " * (3 * MAX_EVENT_BYTES) + b"}\n", b"  \r\n"]
    assert len(lines) == 3000

    status, answer = await post(client, b"".join(lines).rstrip(b"\n"), STREAM)

    assert (207, 2996, 2) == (status, answer["accepted"], answer["rejected"])
    assert [11, 2000] == [result["index"] for result in answer["results"]]
    assert answer["results"][0]["detail"].startswith("not JSON: ")
    assert answer["results"][1]["detail"].startswith("event: larger than 1048576 bytes")
    assert (2996, 2996, 2) == await stored(database)


async def test_a_stream_is_taken_as_it_arrives(client: Client, database: Database) -> None:
    """A producer may send line by line, cut anywhere, without saying how long it will be."""
    body = ndjson([accepted(TIME, subject="案件", id=f"e-{n}") for n in range(3)])

    async def pieces() -> AsyncIterator[bytes]:
        for place in range(0, len(body), 7):
            yield body[place : place + 7]

    async with client.post("/v1/events", data=pieces(), headers=STREAM) as response:
        answer = await checked(response)

    assert (200, 3) == (response.status, answer["accepted"])
    assert (3, 1, 0) == await stored(database)


async def test_an_empty_stream_is_200(client: Client) -> None:
    """Nothing to do is done."""
    for body in (b"", b"\n", b"\n \n\t\r\n"):
        assert (200, NOTHING_DONE) == await post(client, body, STREAM)


async def test_a_stream_of_refusals_is_422(client: Client) -> None:
    """Where no line could be taken, the answer is a problem with every result."""
    status, answer = await post(client, b"hello\n\n{}\n", STREAM)

    assert (422, 2) == (status, answer["rejected"])
    assert [0, 2] == [result["index"] for result in answer["results"]]


async def test_a_stream_may_end_lines_as_windows_does(client: Client) -> None:
    """Carriage returns are no part of an event."""
    body = ndjson([accepted(TIME), event("paid", TIME)]).replace(b"\n", b"\r\n")

    status, answer = await post(client, body, STREAM)

    assert (200, 2) == (status, answer["accepted"])


# --- binary mode -------------------------------------------------------------------------------


async def test_a_binary_event(client: Client) -> None:
    """An event may be told by headers with its data as the body."""
    told = accepted(TIME, subject="案件 1/2", id="100%", amount_cny="1.00")

    async with client.post(
        "/v1/events", json=told["data"], headers=binary_headers(told)
    ) as response:
        assert (201, 1) == (response.status, (await checked(response))["accepted"])
    assert (200, 1) == await _status_and(client, told, "duplicate")


async def _status_and(client: Client, told: Json, name: str) -> tuple[int, int]:
    status, answer = await post(client, told)
    return status, answer[name]


async def test_a_binary_event_without_a_body(client: Client) -> None:
    """An event that needs no data needs no body."""
    told = event("reviewed", TIME)

    status, answer = await post(client, b"", binary_headers(told))

    assert (201, 1) == (status, answer["accepted"])


async def test_a_binary_event_that_needs_a_body(client: Client) -> None:
    """An acceptance without a body lacks its office."""
    status, answer = await post(client, b"", binary_headers(accepted(TIME)))

    assert (422, True) == (status, answer["detail"].startswith("data.office: missing"))


async def test_a_binary_event_says_what_structured_ones_say(client: Client) -> None:
    """The same event in both modes is one event."""
    told = accepted(TIME, id="e-1")
    await post(client, told)

    headers = binary_headers(told) | {"Content-Type": "application/json; charset=utf-8"}
    status, answer = await post(client, json.dumps(told["data"], indent=2).encode(), headers)

    assert (200, 1) == (status, answer["duplicate"])


async def test_raw_utf_8_in_a_binary_header(client: Client) -> None:
    """A producer that forgot to percent-encode is still understood."""
    told = event("reviewed", TIME, subject="case-1")

    status, _ = await post(client, b"", binary_headers(told) | {"ce-subject": "案件"})

    assert status == 201
    assert (await client.get("/v1/cases/案件")).status == 200


async def test_a_binary_header_that_is_no_utf_8_is_422(client: Client) -> None:
    """An id that is not text is refused, never turned into another id."""
    for value in ("%FF", "a%E6%A1", "%ED%A0%80"):
        headers = binary_headers(event("reviewed", TIME)) | {"ce-id": value}
        status, answer = await post(client, b"", headers)
        assert (422, "ce-id: the header is not UTF-8") == (status, answer["detail"])


async def test_a_control_character_in_a_binary_header_is_422(client: Client) -> None:
    """Percent-encoding does not carry a control character in."""
    expected = (422, "id: holds a control character, which no text may")
    for value in ("a%00b", "%0A", "%C2%85"):
        headers = binary_headers(event("reviewed", TIME)) | {"ce-id": value}
        status, answer = await post(client, b"", headers)
        assert expected == (status, answer["detail"])


async def test_a_binary_body_is_json_data(client: Client) -> None:
    """A body that is no JSON is 400, other data is 422."""
    headers = binary_headers(accepted(TIME)) | {"Content-Type": "application/json"}

    statuses = [(await post(client, body, headers))[0] for body in (b"{", DEEP, b"[]", b"7")]

    assert [400, 400, 422, 422] == statuses


async def test_a_binary_body_of_another_type_is_415(client: Client) -> None:
    """The data of a binary event is JSON."""
    for content_type in ("text/xml", "text/plain", "application/octet-stream"):
        headers = binary_headers(accepted(TIME)) | {"Content-Type": content_type}
        assert (await post(client, b"<x/>", headers))[0] == 415


async def test_a_structured_body_beats_binary_headers(client: Client) -> None:
    """A body that is an event is read as one, as CloudEvents says."""
    told = accepted(TIME, subject="body")
    headers = ONE | binary_headers(accepted(TIME, subject="headers"))

    assert (await post(client, told, headers))[0] == 201
    assert (await client.get("/v1/cases/body")).status == 200


async def test_binary_extensions_are_kept(client: Client, database: Database) -> None:
    """A ce-* header that is no attribute is an extension."""
    headers = binary_headers(event("reviewed", TIME)) | {"ce-traceparent": "00-ab"}

    assert (await post(client, b"", headers))[0] == 201
    async with database.connection() as connection:
        kept = await connection.fetchval("SELECT extensions ->> 'traceparent' FROM case_event")
    assert kept == "00-ab"


# --- all or nothing ----------------------------------------------------------------------------

PREFERENCES = [
    "handling=strict",
    "Handling=Strict",
    "respond-async, handling=strict, wait=10",
    "wait=10;x=y,handling=strict",
    'handling="strict"',
    "handling = strict",
    "handling=strict; because=audit",
    "handling=strict, handling=lenient",
]
LENIENT = ["handling=lenient", "return=minimal", "strict", "", "handling=lenient, handling=strict"]
MIXED = [accepted(TIME, subject="case-1", id="e-1"), accepted(TIME, subject="case-2", office="x")]


async def test_preferences_that_are_strict(client: Client, database: Database) -> None:
    """However RFC 7240 lets it be written, handling=strict is all or nothing."""
    for prefer in PREFERENCES:
        status, answer = await post(client, MIXED, BATCH | {"Prefer": prefer})
        assert (422, 0, prefer) == (status, answer["accepted"], prefer)
    assert (0, 0, 0) == await stored(database)


async def test_preferences_that_are_not_strict(client: Client) -> None:
    """Any other preference takes what is good, and refuses the rest."""
    statuses = {p: (await post(client, MIXED, BATCH | {"Prefer": p}))[0] for p in LENIENT}

    assert dict.fromkeys(LENIENT, 207) == statuses


async def test_preferences_in_two_headers(client: Client, database: Database) -> None:
    """A second Prefer header is read as well."""
    headers = [*BATCH.items(), ("Prefer", "respond-async"), ("Prefer", "handling=strict")]

    async with client.post("/v1/events", json=MIXED, headers=headers) as response:
        assert response.status == 422
    assert (0, 0, 0) == await stored(database)


@pytest.mark.parametrize("mode", ["batch", "stream"])
async def test_strict_stores_nothing_beside_a_bad_event(
    client: Client, database: Database, mode: str
) -> None:
    """Not even a quarantined event or an empty case row is left; only refusals are listed."""
    told = [accepted(TIME, subject=f"case-{n}", id=f"e-{n}") for n in range(5)]
    told[3]["data"]["category"] = "V"
    body = ndjson(told) if mode == "stream" else json.dumps(told).encode()

    status, answer = await post(client, body, MODES[mode] | STRICT)

    assert (422, 0, 0, 1) == (
        status,
        answer["accepted"],
        answer["duplicate"],
        answer["rejected"],
    )
    assert [(3, "e-3", "rejected")] == [
        (r["index"], r["id"], r["status"]) for r in answer["results"]
    ]
    assert (0, 0, 0) == await stored(database)
    async with database.connection() as connection:
        assert await connection.fetchval("SELECT count(*) FROM tally_delta") == 0


@pytest.mark.parametrize("mode", ["batch", "stream"])
async def test_strict_stores_nothing_beside_a_conflict(
    client: Client, database: Database, mode: str
) -> None:
    """A conflict refuses a strict batch as a bad event does."""
    await post(client, accepted(TIME, id="e-1"))
    told = [accepted(TIME, subject="case-2"), accepted(TIME, id="e-1", category="II")]
    body = ndjson(told) if mode == "stream" else json.dumps(told).encode()

    status, answer = await post(client, body, MODES[mode] | STRICT)

    assert (422, 0) == (status, answer["accepted"])
    assert [(1, "conflict")] == [(r["index"], r["status"]) for r in answer["results"]]
    assert (1, 1, 0) == await stored(database)


@pytest.mark.parametrize("mode", ["batch", "stream"])
async def test_strict_takes_a_good_batch(client: Client, database: Database, mode: str) -> None:
    """Where every event is good or known already, strict is as usual."""
    told = [accepted(TIME, subject=f"case-{n}", id=f"e-{n}") for n in range(3)]
    await post(client, told[0])
    body = ndjson(told) if mode == "stream" else json.dumps(told).encode()

    status, answer = await post(client, body, MODES[mode] | STRICT)

    assert (200, 2, 1) == (status, answer["accepted"], answer["duplicate"])
    assert (3, 3, 0) == await stored(database)


@pytest.mark.parametrize(
    ("told", "status"),
    [(accepted(TIME), 201), (accepted(TIME, office="x"), 422), (b"{", 400)],
    ids=["new", "invalid", "not-json"],
)
async def test_one_strict_event(client: Client, told: Json | bytes, status: int) -> None:
    """One event is all of its request already."""
    assert status == (await post(client, told, ONE | STRICT))[0]


async def test_one_strict_conflict_is_409(client: Client, database: Database) -> None:
    """A strict conflict keeps its own status, and is not kept in quarantine."""
    await post(client, accepted(TIME, id="e-1"))

    status, _ = await post(client, accepted(TIME, id="e-1", category="II"), ONE | STRICT)

    assert status == 409
    assert (1, 1, 0) == await stored(database)


# --- never a 500 -------------------------------------------------------------------------------

HOSTILE = {
    **SPOILERS,
    "empty": b"",
    "blank": b" \n ",
    "nuls": b"\x00" * 100,
    "random": bytes(range(256)) * 4,
    "utf-16": GOOD.decode().encode("utf-16"),
    "bom": b"\xef\xbb\xbf" + GOOD,
    "gzip": gzip.compress(GOOD),
    "open-brackets": b"[" * 100_000,
    "open-objects": b'{"a":' * 100_000,
    "open-string": b'["' + b'\\"' * 100_000,
    "commas": b"[" + b"," * 100_000 + b"]",
    "keys": json.dumps({f"k{n}": n for n in range(10_000)}).encode(),
    "long-key": json.dumps({"k" * 100_000: 1}).encode(),
    "long-type": GOOD.replace(b"rebate.case.accepted", b"x" * 100_000),
    "same-key": GOOD[:-1] + b', "id": "e-2", "id": 7}',
    "big-number": b"1" * 100_000,
    "array-of-nulls": b"[null, null, {}, [], 7, true]",
    "bad-escape": GOOD.replace(b"good", b"\\x"),
    "sql": GOOD.replace(b"good", b"'); DROP TABLE case_event; --"),
}


BINARY = binary_headers(accepted(TIME)) | {"Content-Type": "application/json"}


@pytest.mark.parametrize("strict", [{}, STRICT], ids=["lenient", "strict"])
@pytest.mark.parametrize("mode", [*MODES.values(), BINARY], ids=[*MODES, "binary"])
async def test_no_body_is_ever_a_500(
    client: Client, mode: dict[str, str], strict: dict[str, str]
) -> None:
    """Hostile bodies in every mode get an answer of the contract, and the service goes on."""
    statuses = {
        name: (await post(client, body, mode | strict))[0] for name, body in HOSTILE.items()
    }

    allowed = {200, 201, 207, 400, 409, 413, 422}
    assert {} == {name: status for name, status in statuses.items() if status not in allowed}
    assert (await client.get("/v1/quarantine?limit=500")).status == 200
    assert (await client.get("/metrics")).status == 200


@pytest.mark.parametrize("mode", MODES.values(), ids=list(MODES))
async def test_a_body_that_is_not_encoded_as_it_says_is_400(
    client: Client, mode: dict[str, str]
) -> None:
    """A body that is not the gzip it claims to be cannot be read."""
    status, answer = await post(client, b"no gzip", mode | {"Content-Encoding": "gzip"})

    assert (400, "urn:rebate-monitor:problem:unreadable") == (status, answer["type"])


async def test_a_compressed_body_is_read(client: Client) -> None:
    """A producer may compress what it sends."""
    body = gzip.compress(ndjson([accepted(TIME), event("paid", TIME)]))

    status, answer = await post(client, body, STREAM | {"Content-Encoding": "gzip"})

    assert (200, 2) == (status, answer["accepted"])


async def test_a_compressed_body_is_bounded(client: Client) -> None:
    """The bound of a body is that of what it holds, not of what is sent."""
    bomb = gzip.compress(b"[" + b" " * (2 * MAX_BODY_BYTES))

    assert (await post(client, bomb, BATCH | {"Content-Encoding": "gzip"}))[0] == 413


# --- quarantine --------------------------------------------------------------------------------


async def quarantine(client: Client, query: str = "") -> list[Json]:
    """Return a page of the quarantine."""
    answer = await (await client.get(f"/v1/quarantine{query}")).json()
    events: list[Json] = answer["events"]
    return events


async def replay(client: Client) -> Json:
    """Replay the quarantine."""
    async with client.post("/v1/quarantine/replay") as response:
        assert response.status == 200
        return await checked(response)


async def test_a_refused_event_is_kept_whole(client: Client, clock: FixedClock) -> None:
    """What was sent is listed byte for byte with its reason and who sent it."""
    body = json.dumps(accepted(TIME, id="e-1", office="x"), indent=3).encode()
    _, answer = await post(client, body)

    (kept,) = await quarantine(client)

    assert body.decode() == kept["body"]
    assert answer["detail"] == kept["reason"]
    assert ("case-1", SOURCE, "e-1") == (kept["case_id"], kept["source"], kept["id"])
    assert ("REBATE_ADMIN_KEY", 1) == (kept["received_from"], kept["times"])
    assert clock.instant.isoformat() == kept["first_seen_at"] == kept["last_seen_at"]


async def test_a_repeated_refusal_is_counted(client: Client, clock: FixedClock) -> None:
    """The same bytes again are one entry, counted, with both ends of its time."""
    bad = accepted(TIME, office="x")
    first = clock.instant
    await post(client, [bad, bad], BATCH)
    clock.instant += timedelta(hours=1)
    await post(client, [bad], BATCH)

    (kept,) = await quarantine(client)

    assert kept["times"] == 3
    assert first.isoformat() == kept["first_seen_at"]
    assert clock.instant.isoformat() == kept["last_seen_at"]


async def test_pages_of_the_quarantine(client: Client, clock: FixedClock) -> None:
    """Pages give every entry once, the latest first."""
    for n in range(5):
        clock.instant += timedelta(minutes=n % 2)
        await post(client, [accepted(TIME, id=f"e-{n}", office="x")], BATCH)
    ids: list[str] = []
    cursor: str | None = ""
    while cursor is not None:
        answer = await (
            await client.get(f"/v1/quarantine?limit=2{f'&cursor={cursor}' if cursor else ''}")
        ).json()
        ids += [kept["id"] for kept in answer["events"]]
        cursor = answer["next"]

    assert sorted(ids) == [f"e-{n}" for n in range(5)]
    assert {"e-3", "e-4"} == set(ids[:2])


async def test_wrong_parameters_of_the_quarantine_are_422(client: Client) -> None:
    """A wrong parameter is named."""
    for query in ("limit=0", "limit=501", "limit=x", "cursor=x", "page=2"):
        async with client.get(f"/v1/quarantine?{query}") as response:
            answer = await checked(response)
            assert (422, query.partition("=")[0]) == (
                response.status,
                answer["detail"].partition(":")[0],
            )


async def test_a_replay_takes_what_has_become_valid(
    client: Client, clock: FixedClock, database: Database
) -> None:
    """An event of the future is taken once its time has come; the rest stays."""
    future = event("reviewed", "2026-11-23T12:00:00", id="e-future")
    await post(client, accepted(TIME))
    await post(client, [future, accepted(TIME, id="e-bad", office="x"), {}], BATCH)
    assert (1, 1, 3) == await stored(database)
    clock.instant += timedelta(hours=2)

    answer = await replay(client)

    assert (1, 0, 2) == (answer["accepted"], answer["duplicate"], answer["rejected"])
    assert {"e-bad", None} == {kept["id"] for kept in await quarantine(client)}
    case = await (await client.get("/v1/cases/case-1")).json()
    assert [{"case_stage": "review", "workdays": 1}] == case["stages"]


async def test_a_replay_lets_go_what_is_known_by_now(client: Client, clock: FixedClock) -> None:
    """An event that was sent again meanwhile leaves the quarantine as a duplicate."""
    future = event("reviewed", "2026-11-23T12:00:00")
    await post(client, future)
    clock.instant += timedelta(hours=2)
    await post(client, future)

    answer = await replay(client)

    assert (0, 1, 0) == (answer["accepted"], answer["duplicate"], answer["rejected"])
    assert [] == await quarantine(client)


async def test_a_replay_keeps_conflicts(client: Client) -> None:
    """A conflict stays one until somebody corrects it."""
    await post(client, accepted(TIME, id="e-1"))
    await post(client, accepted(TIME, id="e-1", category="II"))

    answer = await replay(client)

    assert [("e-1", "conflict")] == [(r["id"], r["status"]) for r in answer["results"]]
    assert ["e-1"] == [kept["id"] for kept in await quarantine(client)]


async def test_a_replay_of_nothing(client: Client) -> None:
    """An empty quarantine is replayed at once."""
    assert NOTHING_DONE == await replay(client)
