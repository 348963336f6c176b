"""/openapi.json is OpenAPI 3.1 and true: every route, and every answer as the schema says."""

import re
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit

import pytest
from aiohttp import web
from jsonschema import Draft202012Validator, FormatChecker
from openapi_spec_validator import OpenAPIV31SpecValidator

from cloud_events import BATCH, ONE, STREAM, STRICT, Json, accepted, event, ndjson
from conftest import Client, FixedClock
from holiday_cn import made_up, published, put
from rebate_monitor.api.app import build_app
from rebate_monitor.api.service import Service
from rebate_monitor.domain.event import EventType
from rebate_monitor.domain.periods import named_month
from rebate_monitor.storage.frozen import Closing
from turning import drain, recomputer

TAXPAYER = "91350100M000100Y43"
PAID = ndjson([event("paid", "2026-11-20T09:00:00")])
XML = {"Content-Type": "text/xml"}
JSON = {"Content-Type": "application/json"}
NO_KEY = {"Authorization": "Bearer x"}


@pytest.fixture
async def document(client: Client) -> Json:
    """Return the document as it is served."""
    told: Json = await (await client.get("/openapi.json")).json()
    return told


def validator(document: Json, schema: Json) -> Draft202012Validator:
    """Return a validator of a schema that may refer to the document's components."""
    whole: dict[str, Any] = {**schema, "components": document["components"]}
    return Draft202012Validator(whole, format_checker=FormatChecker())


async def test_it_is_valid(document: Json) -> None:
    """The document is OpenAPI 3.1."""
    OpenAPIV31SpecValidator(document).validate()

    assert document["openapi"].startswith("3.1.")


async def test_every_route_is_in_it_and_no_other(service: Service, document: Json) -> None:
    """Routes and documented operations are the same."""
    routes = {
        (route.method.lower(), route.resource.canonical)
        for route in build_app(service).router.routes()
        if route.resource is not None and route.method != "HEAD"
    }
    documented = {(method, path) for path, item in document["paths"].items() for method in item}

    assert routes == documented


async def test_operations_have_names_of_their_own(document: Json) -> None:
    """No two operations are called alike, and each says what it does."""
    operations = [operation for item in document["paths"].values() for operation in item.values()]

    names = [operation["operationId"] for operation in operations]
    assert len(names) == len(set(names))
    assert all(operation["summary"] for operation in operations)


OFF = published(2026, off=["2026-11-18"])
ONE_DAY = made_up(2026, off=["2026-01-01"])
NOVEMBER = {"from": "2026-11-01", "to": "2026-11-30"}
REQUESTS: dict[str, tuple[str, str, dict[str, Any]]] = {
    "case": ("get", "/v1/cases/case-1", {}),
    "case-at": ("get", "/v1/cases/case-1?at=2026-11-18T00:00:00Z", {}),
    "case-unaccepted": ("get", "/v1/cases/case-2", {}),
    "case-404": ("get", "/v1/cases/nothing", {}),
    "case-422": ("get", "/v1/cases/case-1?at=x", {}),
    "explained": ("get", "/v1/cases/case-1/explanation", {}),
    "explained-en": ("get", "/v1/cases/case-1/explanation?lang=en&at=2026-11-18T00:00:00Z", {}),
    "explained-unaccepted": ("get", "/v1/cases/case-2/explanation", {}),
    "explained-422": ("get", "/v1/cases/case-1/explanation?lang=fr", {}),
    "history": ("get", "/v1/cases/case-1/history", {}),
    "history-404": ("get", "/v1/cases/nothing/history", {}),
    "case-known-then": ("get", "/v1/cases/case-1?known_at=2026-11-23T02:00:00Z", {}),
    "cases": ("get", "/v1/cases", {}),
    "cases-page": ("get", "/v1/cases?limit=1", {}),
    "cases-422": ("get", "/v1/cases?limit=0", {}),
    "what-if": ("post", "/v1/what-if", {"json": {**NOVEMBER, "limits": {"default": 3}}}),
    "what-if-422": ("post", "/v1/what-if", {"json": NOVEMBER}),
    "what-if-415": ("post", "/v1/what-if", {"data": b"x", "headers": XML}),
    "performance": ("get", "/v1/performance", {}),
    "performance-empty": ("get", "/v1/performance?from=2020-01-01&to=2020-01-02", {}),
    "performance-month": ("get", "/v1/performance?by=month", {}),
    "performance-then": ("get", "/v1/performance?known_at=2026-11-23T02:00:00Z", {}),
    "evaluation": ("get", "/v1/evaluation?by=city&min_cases=1", {}),
    "evaluation-told": ("get", "/v1/evaluation?from=2026-11-01&to=2026-11-20", {}),
    "evaluation-422": ("get", "/v1/evaluation?period=week", {}),
    "months": ("get", "/v1/months", {}),
    "month-404": ("get", "/v1/months/2026-10", {}),
    "month-422": ("get", "/v1/months/october", {}),
    "foresight": ("get", "/v1/foresight", {}),
    "foresight-of": ("get", "/v1/foresight?city=430100&category=unknown", {}),
    "foresight-422": ("get", "/v1/foresight?city=x", {}),
    "calendar": ("get", "/v1/calendar?from=2026-01-01&to=2027-12-31", {}),
    "versions": ("get", "/v1/calendar/2026/versions", {}),
    "versions-422": ("get", "/v1/calendar/1999/versions", {}),
    "dry-run": ("put", "/v1/calendar/2026?dry_run=true", {"json": OFF}),
    "put": ("put", "/v1/calendar/2026", {"json": OFF}),
    "put-again": ("put", "/v1/calendar/2026", {"json": OFF}),
    "put-as-it-was": ("put", "/v1/calendar/2024", {"json": published(2024)}),
    "put-fewer": ("put", "/v1/calendar/2026", {"json": ONE_DAY}),
    "put-forced": ("put", "/v1/calendar/2026?force=true", {"json": ONE_DAY}),
    "put-wrong": ("put", "/v1/calendar/2026", {"json": {"year": 2026, "days": [{}]}}),
    "put-422": ("put", "/v1/calendar/2026?force=1", {"json": OFF}),
    "put-400": ("put", "/v1/calendar/2026", {"data": b"{", "headers": JSON}),
    "put-413": ("put", "/v1/calendar/2026", {"data": b" " * 600_000, "headers": JSON}),
    "put-415": ("put", "/v1/calendar/2026", {"data": b"<x/>", "headers": XML}),
    "put-no-key": ("put", "/v1/calendar/2026", {"json": OFF, "headers": NO_KEY}),
    "policies": ("get", "/v1/policies", {}),
    "recompute": ("get", "/v1/recompute", {}),
    "recompute-422": ("get", "/v1/recompute?a=1", {}),
    "quarantine": ("get", "/v1/quarantine", {}),
    "replay": ("post", "/v1/quarantine/replay", {}),
    "health": ("get", "/healthz", {}),
    "readiness": ("get", "/readyz", {}),
    "no-key": ("get", "/v1/cases", {"headers": NO_KEY}),
    "new": ("post", "/v1/events", {"json": accepted("2026-11-20T09:00:00"), "headers": ONE}),
    "duplicate": (
        "post",
        "/v1/events",
        {"json": accepted("2026-11-16T09:00:00", id="e-1"), "headers": ONE},
    ),
    "conflict": (
        "post",
        "/v1/events",
        {"json": accepted("2026-11-17T09:00:00", id="e-1"), "headers": ONE},
    ),
    "invalid": ("post", "/v1/events", {"json": {}, "headers": ONE}),
    "not-json": ("post", "/v1/events", {"data": b"{", "headers": ONE}),
    "some": ("post", "/v1/events", {"data": b"[{}, %b]" % PAID, "headers": BATCH}),
    "all": ("post", "/v1/events", {"json": [{}, {}], "headers": BATCH}),
    "none": ("post", "/v1/events", {"data": b"\n", "headers": STREAM}),
    "strict": ("post", "/v1/events", {"data": ndjson([{}]), "headers": STREAM | STRICT}),
    "too-many": ("post", "/v1/events", {"data": b"[" + b"{}," * 5000 + b"{}]", "headers": BATCH}),
    "another-type": ("post", "/v1/events", {"data": b"<x/>", "headers": XML}),
}  # fmt: skip
CASE = re.compile(r"(?<=^/v1/cases/)[^/]+")
MONTH = re.compile(r"(?<=^/v1/months/)[^/]+")
YEAR = re.compile(r"(?<=^/v1/calendar/)[^/]+")


async def test_answers_are_as_it_says(client: Client, document: Json) -> None:
    """Real answers, good and bad, are documented with their status, media type and schema."""
    told = [
        accepted("2026-11-16T09:00:00", id="e-1", amount_cny="1.00", taxpayer_id=TAXPAYER),
        event("suspended", "2026-11-17T09:00:00", reason="other"),
        event("resumed", "2026-11-18T09:00:00"),
        event("reviewed", "2026-11-18T09:00:00"),
        event("voucher_issued", "2026-11-20T09:00:00"),
        event("reviewed", "2026-11-20T09:00:00", subject="case-2"),
        {"id": 1},
    ]
    assert (await client.post("/v1/events", json=told, headers=BATCH)).status == 207

    for name, (method, path, arguments) in REQUESTS.items():
        template = MONTH.sub("{month}", CASE.sub("{case_id}", urlsplit(path).path))
        template = YEAR.sub("{year}", template)
        documented = document["paths"][template][method]["responses"]
        async with client.request(method, path, **arguments) as response:
            content = documented[str(response.status)]["content"]
            schema = content[response.content_type]["schema"]
            answer = await response.json(content_type=response.content_type)
        problems = [e.message for e in validator(document, schema).iter_errors(answer)]
        assert (name, []) == (name, problems)


async def test_answers_say_nothing_more(client: Client, document: Json) -> None:
    """Every key of a case is in its schema, so that a generated client knows all of it."""
    await client.post("/v1/events", json=accepted("2026-11-16T09:00:00"), headers=ONE)
    told = await (await client.get("/v1/cases/case-1")).json()
    schemas = document["components"]["schemas"]

    assert set(told) == set(schemas["CaseView"]["properties"])
    assert set(told["attributes"]) == set(schemas["AttributesView"]["properties"])
    assert set(told["policy"]) == set(schemas["PolicyView"]["properties"])


async def test_changed_rules_are_as_it_says(
    client: Client, service: Service, clock: FixedClock, document: Json
) -> None:
    """A history, an alert and a closed month that a notice has changed are as documented, too."""
    told = [
        accepted("2026-10-12T09:00:00", category="III"),
        event("voucher_issued", "2026-10-19T09:00:00"),
        accepted("2026-11-19T09:00:00", subject="case-2", category="I"),
    ]
    await client.post("/v1/events", json=told, headers=BATCH)
    closing = Closing(
        month=named_month("2026-10"), by="王小明", rules=service.rules, clock=service.now
    )
    await closing.close(service.database)
    clock.instant += timedelta(days=2)
    await service.alerting.sweeper.sweep()
    answer = await put(client, published(2026, off=["2026-10-14", "2026-11-20"]))
    await drain(recomputer(service), answer["recompute"]["number"])
    await service.alerting.sweeper.sweep()
    clock.instant += timedelta(hours=1)

    for template, path in {
        "/v1/cases/{case_id}/history": "/v1/cases/case-1/history",
        "/v1/alerts": "/v1/alerts?kind=corrected",
        "/v1/months/{month}": "/v1/months/2026-10",
        "/v1/recompute": "/v1/recompute",
    }.items():
        documented = document["paths"][template]["get"]["responses"]["200"]["content"]
        async with client.get(path) as response:
            text, body = await response.text(), await response.json()
        schema = documented["application/json"]["schema"]
        assert (path, []) == (
            path,
            [e.message for e in validator(document, schema).iter_errors(body)],
        )
        assert (path, True) == (path, '"import"' in text)


NOTICES = [
    published(2026),
    {"$id": "https://example.org/2026", "year": 2026, "papers": [], "days": OFF["days"]},
    {"year": 2026, "days": [{"name": "x", "date": "2025-12-31", "isOffDay": True}]},
]
NO_NOTICES: list[Any] = [
    {},
    [OFF],
    {"year": 2026},
    {"year": 2026, "days": []},
    {"year": "2026", "days": OFF["days"]},
    {"year": 2100, "days": OFF["days"]},
    {"year": 2026, "papers": "x", "days": OFF["days"]},
    {"year": 2026, "papers": [1], "days": OFF["days"]},
    {"year": 2026, "days": [{"name": "x", "date": "2026-11-24"}]},
    {"year": 2026, "days": [{"name": "", "date": "2026-11-24", "isOffDay": True}]},
    {"year": 2026, "days": [{"name": "x", "date": "24.11.2026", "isOffDay": True}]},
    {"year": 2026, "days": [{"name": "x", "date": "2026-11-24", "isOffDay": 1}]},
    {"year": 2026, "days": [{"name": "x", "date": "2026-11-24", "isOffDay": True, "a": 1}]},
]


async def test_its_notice_is_what_is_taken(client: Client, document: Json) -> None:
    """What the schema of a notice allows is taken, and what it forbids is refused."""
    schema = validator(document, {"$ref": "#/components/schemas/NoticeTold"})

    for told in (*NOTICES, *NO_NOTICES):
        async with client.put("/v1/calendar/2026?dry_run=true", json=told) as response:
            taken = response.status == 200
        assert (told, taken) == (told, schema.is_valid(told))


@pytest.mark.parametrize(
    ("name", "status", "member"), [("put-wrong", 422, "problems"), ("put-fewer", 409, "objections")]
)
async def test_problems_of_a_notice_have_their_members(
    client: Client, document: Json, name: str, status: int, member: str
) -> None:
    """What is wrong with a notice and what speaks against it are documented lists."""
    method, path, arguments = REQUESTS[name]
    async with client.request(method, path, **arguments) as response:
        told = await response.json()
    responses = document["paths"]["/v1/calendar/{year}"]["put"]["responses"]
    schema = responses[str(status)]["content"]["application/problem+json"]["schema"]
    documented = document["components"]["schemas"][schema["$ref"].rpartition("/")[2]]

    assert (status, set(told)) == (response.status, set(documented["properties"]))
    assert told[member]


EVENTS = [
    accepted("2026-11-20T09:00:00"),
    accepted("2026-11-20T09:00:00", amount_cny="1.00", category=None, whitelisted=True),
    event("corrected", "2026-11-20T09:00:00", category=None),
    event("suspended", "2026-11-20T09:00:00", reason="hold"),
    event("approved", "2026-11-20T09:00:00", cash_refund=False),
    event("retracted", "2026-11-20T09:00:00") | {"data": {"id": "e-1"}},
    event("paid", "2026-11-20T09:00:00"),
    event("paid", "2026-11-20T09:00:00") | {"data": None},
    event("paid", "2026-11-20T09:00:00") | {"traceparent": "00-ab"},
]
NO_EVENTS = [
    {},
    accepted("2026-11-20T09:00:00") | {"specversion": "0.3"},
    accepted("2026-11-20T09:00:00") | {"type": "rebate.case.opened"},
    accepted("2026-11-20T09:00:00") | {"subject": ""},
    accepted("2026-11-20T09:00:00") | {"id": "x" * 201},
    accepted("2026-11-20T09:00:00", colour="red"),
    accepted("2026-11-20T09:00:00", category="V"),
    accepted("2026-11-20T09:00:00") | {"data": {}},
    event("suspended", "2026-11-20T09:00:00"),
    event("suspended", "2026-11-20T09:00:00", reason="lunch"),
    event("paid", "2026-11-20T09:00:00", amount=1),
]  # fmt: skip


async def test_its_event_is_what_is_taken(client: Client, document: Json) -> None:
    """What the schema of an event allows is taken, and what it forbids is refused."""
    schema = validator(document, {"$ref": "#/components/schemas/Event"})

    for told in (*EVENTS, *NO_EVENTS):
        async with client.post("/v1/events", json=told, headers=ONE) as response:
            taken = response.status == 201
        assert (told, taken) == (told, schema.is_valid(told))


async def test_it_knows_every_event_type(document: Json) -> None:
    """The types of the schema are those of the contract."""
    schema = document["components"]["schemas"]["Event"]

    assert list(EventType) == sorted(
        schema["properties"]["type"]["enum"], key=list(EventType).index
    )
    assert len(schema["oneOf"]) == len(EventType)


async def test_open_routes_are_marked(stranger: Client, document: Json) -> None:
    """What the document says needs no key needs none, and the rest does."""
    for path, item in document["paths"].items():
        for method, operation in item.items():
            async with stranger.request(method, re.sub(r"{\w+}", "x", path)) as response:
                assert (path, bool(operation["security"])) == (path, response.status == 401)


def test_a_route_is_a_route() -> None:
    """The comparison above reads the names that requests are counted by."""
    resource = web.Application().router.add_resource(r"/v1/cases/{case_id:[^/]+}")

    assert resource.canonical == "/v1/cases/{case_id}"
