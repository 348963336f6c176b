"""POST /v1/events: CloudEvents in structured, batch, stream and binary mode (DESIGN 4)."""

import asyncio
from collections.abc import AsyncIterator
from datetime import datetime
from urllib.parse import unquote

import msgspec
import structlog
from aiohttp import web

from rebate_monitor.api.access import require
from rebate_monitor.api.body import UNREADABLE, pieces, read_body
from rebate_monitor.api.problems import (
    ConflictProblem,
    ForbiddenProblem,
    InvalidProblem,
    NotJsonProblem,
    TooLargeProblem,
    TooSlowProblem,
    UnauthorizedProblem,
    UnavailableProblem,
    UnreadableProblem,
    UnsupportedMediaTypeProblem,
    problem_response,
)
from rebate_monitor.api.service import SERVICE
from rebate_monitor.api.views import encode, report_view, to_builtins
from rebate_monitor.ingest.array import elements
from rebate_monitor.ingest.decision import Outcome
from rebate_monitor.ingest.incoming import Sender
from rebate_monitor.ingest.intake import Intake, QueueFullError
from rebate_monitor.ingest.lines import Line, lines
from rebate_monitor.ingest.wire import JSON_ERRORS, MAX_EVENT_BYTES, is_json
from rebate_monitor.ingest.writer import Report
from rebate_monitor.storage.audit import Through
from rebate_monitor.storage.database import DatabaseAwayError
from rebate_monitor.storage.keys import Principal, Scope

EVENT = "application/cloudevents+json"
BATCH = "application/cloudevents-batch+json"
STREAM = "application/x-ndjson"
BINARY = "application/json"
ACCEPTED_TYPES = (EVENT, BATCH, STREAM, f"{BINARY} with ce-* headers")

MAX_BODY_BYTES = 8 * 1024 * 1024
MAX_BATCH_EVENTS = 5_000
STREAM_CHUNK_EVENTS, STREAM_CHUNK_BYTES = 1_000, 4 * 1024 * 1024

STREAM_BROKE = (
    "the database went away in the middle of the stream; what is counted here is durable, "
    "send the whole stream again: what is known already is only counted as duplicate"
)

STREAM_UNREADABLE = f"{UNREADABLE}; what is counted here is durable"

_ARRAY = msgspec.json.Decoder(list[msgspec.Raw])


async def post_events(request: web.Request) -> web.Response:
    """Take events and answer when they are durable."""
    principal = await require(request, Scope.EVENTS_WRITE)
    strict = _is_strict(request)
    # The batch type begins like the event type, so only whole types are compared.
    match request.content_type:
        case "application/cloudevents-batch+json":
            events = await _split(await read_body(request))
            return many_response(await _take(request, events, principal, strict=strict))
        case "application/x-ndjson":
            return await _post_stream(request, principal, strict=strict)
        case "application/cloudevents+json":
            return await _post_one(request, await read_body(request), principal, strict=strict)
        case _ if "ce-specversion" in request.headers:
            body = _binary_event(request, await read_body(request))
            return await _post_one(request, body, principal, strict=strict)
        case other:
            raise UnsupportedMediaTypeProblem(
                f"{other[:100]}: send one of {', '.join(ACCEPTED_TYPES)}"
            )


def _is_strict(request: web.Request) -> bool:
    """Read RFC 7240's `handling`; the first one counts, and it may be quoted or have parameters."""
    for preference in ",".join(request.headers.getall("Prefer", [])).split(","):
        name, _, value = preference.partition(";")[0].partition("=")
        if name.strip().lower() == "handling":
            return value.strip().strip('"').lower() == "strict"
    return False


async def _take(
    request: web.Request,
    bodies: list[bytes],
    principal: Principal,
    *,
    strict: bool,
    waits: bool = False,
) -> Report:
    """Take events in shared commits, or in one of their own where it is all or nothing."""
    service = request.app[SERVICE]
    now = service.now()
    if strict:
        report = await service.writer.take(bodies, sender=_sender(principal), now=now, strict=True)
    else:
        report = await _taken(service.intake, bodies, _sender(principal), now, waits=waits)
    _note(report)
    return report


async def _taken(
    intake: Intake, bodies: list[bytes], sender: Sender, now: datetime, *, waits: bool
) -> Report:
    try:
        return await intake.take(bodies, sender=sender, now=now, waits=waits)
    except QueueFullError as error:
        raise UnavailableProblem(str(error)) from error


def _sender(principal: Principal) -> Sender:
    return Sender(principal.name, principal.bounds, is_key=principal.through is Through.KEY)


def _note(report: Report) -> None:
    """Add the counts to the request's one log line; a stream adds up over its commits."""
    told = structlog.contextvars.get_contextvars()
    for name in ("accepted", "duplicate", "rejected"):
        count = told.get(name, 0) + getattr(report, name)
        structlog.contextvars.bind_contextvars(**{name: count})


async def _post_one(
    request: web.Request, body: bytes, principal: Principal, *, strict: bool
) -> web.Response:
    if len(body) > MAX_EVENT_BYTES:
        raise TooLargeProblem(f"{len(body)} bytes: one event has up to {MAX_EVENT_BYTES}")
    if not is_json(body):
        raise NotJsonProblem("the body must be one CloudEvents event as JSON, encoded in UTF-8")
    return one_response(await _take(request, [body], principal, strict=strict))


async def _post_stream(request: web.Request, principal: Principal, *, strict: bool) -> web.Response:
    """Take a stream in commits of its own; all or nothing only within the bounds of a batch.

    A stream may take hours, so its key is looked at again before each commit.
    """
    if strict:
        whole = _all_lines(await read_body(request))
        _check_count(len(whole))
        return many_response(await _take_lines(request, whole, principal, strict=True))
    report = Report()
    try:
        async for chunk in _chunks(lines(pieces(request))):
            principal = await require(request, Scope.EVENTS_WRITE)
            report = report.plus(await _take_lines(request, chunk, principal, strict=False))
    except (UnauthorizedProblem, ForbiddenProblem, TooSlowProblem) as problem:
        problem.members |= to_builtins(report_view(report))
        raise
    except DatabaseAwayError as error:
        raise UnavailableProblem(STREAM_BROKE, **to_builtins(report_view(report))) from error
    except web.RequestPayloadError as error:
        raise UnreadableProblem(STREAM_UNREADABLE, **to_builtins(report_view(report))) from error
    return many_response(report)


async def _take_lines(
    request: web.Request, chunk: list[Line], principal: Principal, *, strict: bool
) -> Report:
    bodies = [line.body for line in chunk]
    report = await _take(request, bodies, principal, strict=strict, waits=True)
    return report.placed([line.number for line in chunk])


def _all_lines(body: bytes) -> list[Line]:
    return [
        Line(number=number, body=line)
        for number, line in enumerate(body.split(b"\n"))
        if line.strip()
    ]


async def _chunks(source: AsyncIterator[Line]) -> AsyncIterator[list[Line]]:
    chunk: list[Line] = []
    held = 0
    async for line in source:
        chunk.append(line)
        held += len(line.body)
        if len(chunk) >= STREAM_CHUNK_EVENTS or held >= STREAM_CHUNK_BYTES:
            yield chunk
            chunk, held = [], 0
    if chunk:
        yield chunk


async def _split(body: bytes) -> list[bytes]:
    """Split a batch; what one event breaks (NaN, depth, surrogates) must not refuse the others."""
    try:
        events = [bytes(event) for event in _ARRAY.decode(body)]
    except msgspec.ValidationError:
        raise NotJsonProblem("the body of a batch must be a JSON array of events") from None
    except JSON_ERRORS:
        found = await asyncio.to_thread(elements, body)
        if found is None:
            raise NotJsonProblem(
                "the body must be a JSON array of events, encoded in UTF-8"
            ) from None
        events = found
    _check_count(len(events))
    return events


def _check_count(count: int) -> None:
    if count > MAX_BATCH_EVENTS:
        raise TooLargeProblem(
            f"{count} events: a batch holds up to {MAX_BATCH_EVENTS}; send a stream as {STREAM}"
        )


def _binary_event(request: web.Request, body: bytes) -> bytes:
    """Build the structured event that ce-* headers and a JSON body stand for."""
    attributes = _binary_attributes(request)
    if body.strip():
        if request.content_type != BINARY:
            raise UnsupportedMediaTypeProblem(f"the data of a binary event must be {BINARY}")
        if not is_json(body):
            raise NotJsonProblem("the body must be the event's data as JSON, encoded in UTF-8")
        attributes["data"] = msgspec.Raw(body)
    return msgspec.json.encode(attributes)


def _binary_attributes(request: web.Request) -> dict[str, object]:
    """Read the ce-* headers; one whose percent-encoding is not UTF-8 must not become another."""
    attributes: dict[str, object] = {}
    for name, value in request.headers.items():
        if name.lower().startswith("ce-"):
            try:
                attributes[name[3:].lower()] = unquote(value, errors="strict").encode().decode()
            except UnicodeError:
                raise InvalidProblem(f"{name.lower()[:64]}: the header is not UTF-8") from None
    return attributes


def one_response(report: Report) -> web.Response:
    """Answer for one event: 201 new, 200 duplicate, 409 conflict, 422 invalid."""
    view = report_view(report)
    if report.accepted:
        return web.Response(status=201, body=encode(view), content_type="application/json")
    if report.duplicate:
        return web.Response(status=200, body=encode(view), content_type="application/json")
    members = to_builtins(view)
    result = report.results[0]
    if result.outcome is Outcome.CONFLICT:
        return problem_response(ConflictProblem(result.detail, **members))
    return problem_response(InvalidProblem(result.detail, **members))


def many_response(report: Report) -> web.Response:
    """Answer for many: 200 when none was rejected, 207 when some, 422 when all."""
    view = report_view(report)
    if report.rejected and not report.accepted and not report.duplicate:
        detail = f"none of the events was taken; the first: {report.results[0].detail}"
        return problem_response(InvalidProblem(detail, **to_builtins(view)))
    status = 207 if report.rejected else 200
    return web.Response(status=status, body=encode(view), content_type="application/json")
