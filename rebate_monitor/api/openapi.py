"""The OpenAPI 3.1 document, made from the same types that are decoded and answered."""

from collections.abc import Iterable
from functools import cache
from typing import Any

import msgspec

from rebate_monitor import __version__
from rebate_monitor.api import (
    calendar,
    evaluation,
    foresight,
    months,
    policies,
    recompute,
    views,
    what_if,
)
from rebate_monitor.api.alerts import HIGHEST_LEVEL, STATES
from rebate_monitor.api.figures import GROUPINGS
from rebate_monitor.catalogue import Language
from rebate_monitor.domain.alert import AlertKind
from rebate_monitor.domain.assessment import Verdict
from rebate_monitor.domain.case import Status
from rebate_monitor.domain.event import Category
from rebate_monitor.domain.periods import PeriodName
from rebate_monitor.domain.tally import UNKNOWN_CATEGORY
from rebate_monitor.ingest import wire
from rebate_monitor.storage.audit import Action
from rebate_monitor.storage.evaluation import DEFAULT_MIN_CASES

Json = dict[str, Any]

PROBLEMS = {
    400: "The body is not JSON.",
    401: "A valid key is needed.",
    403: "The key lacks the scope, or is bound to some offices.",
    404: "There is no such case, alert or closed month.",
    409: "It contradicts what is known; nothing was changed.",
    413: "The body or batch is too large.",
    415: "The content type is not supported.",
    422: "An event or a parameter breaks a rule.",
    429: "Too many wrong keys have come from this address: try again after `Retry-After`.",
    503: "The database is away: send the same again after `Retry-After`.",
}
SUBJECT = "The CloudEvents `subject`."
A_YEAR, A_MONTH = "^20[0-9]{2}$", "^20[0-9]{2}-(0[1-9]|1[0-2])$"
INSTANT: Json = {"type": "string", "format": "date-time"}
FLAG: Json = {"enum": ["true", "false"], "default": "false"}
ANSWERS = (
    views.CaseView,
    views.CasesView,
    views.ExplanationView,
    views.HistoryView,
    views.ReportView,
    views.PerformanceView,
    evaluation.EvaluationView,
    months.FrozenMonthsView,
    months.CorrectedMonthView,
    foresight.ForesightView,
    calendar.CalendarView,
    calendar.YearVersionsView,
    calendar.NoticeTold,
    calendar.YearPutView,
    policies.PoliciesView,
    recompute.RecomputesView,
    views.AlertsView,
    views.AcknowledgementTold,
    views.DropTold,
    views.DroppedView,
    views.AuditView,
    views.SupervisionView,
    what_if.WhatIfTold,
    what_if.WhatIfView,
    views.QuarantineView,
    views.HealthView,
    views.ProblemView,
    calendar.NoticeProblemView,
    calendar.ObjectionsProblemView,
)
DATA = {
    "rebate.case.accepted": wire.AcceptedData,
    "rebate.case.corrected": wire.CorrectedData,
    "rebate.case.suspended": wire.SuspendedData,
    "rebate.case.approved": wire.ApprovedData,
    "rebate.event.retracted": wire.RetractedData,
    "rebate.case.resumed": wire.NoData,
    "rebate.case.reviewed": wire.NoData,
    "rebate.case.voucher_issued": wire.NoData,
    "rebate.case.paid": wire.NoData,
    "rebate.case.rejected": wire.NoData,
    "rebate.case.withdrawn": wire.NoData,
}


EMPTY_DATA = (wire.NoData, wire.ApprovedData)
"""What may be told as null or not at all."""


@cache
def openapi_document() -> Json:
    """Return the document; every route of the application is in it."""
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "rebate_monitor",
            "version": __version__,
            "description": "Working-day clocks of export tax rebates: events in, figures out. "
            "docs/definitions.md defines every figure, with its source.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "/"}],
        "tags": [
            {"name": "events"},
            {"name": "cases"},
            {"name": "alerts"},
            {"name": "figures"},
            {"name": "operations"},
        ],
        "paths": _paths(),
        "components": {
            "schemas": _schemas(),
            "securitySchemes": {
                "key": {"type": "http", "scheme": "bearer", "description": "A key with scopes."}
            },
        },
    }


def _schemas() -> Json:
    types = [*ANSWERS, *dict.fromkeys(DATA.values())]
    _, components = msgspec.json.schema_components(
        types, ref_template="#/components/schemas/{name}"
    )
    schemas: Json = dict(components)
    schemas["Event"] = _event_schema()
    for problem in ("Problem", "NoticeProblem", "ObjectionsProblem"):
        schemas[problem] = schemas.pop(f"{problem}View") | {"additionalProperties": True}
    return dict(sorted(schemas.items()))


def _event_schema() -> Json:
    name: Json = {"type": "string", "minLength": 1, "maxLength": wire.MAX_NAME}
    variants = [
        {
            "properties": {
                "type": {"const": event_type},
                "data": _data_schema(data),
            },
            **({"required": ["data"]} if data in (wire.AcceptedData, wire.SuspendedData) else {}),
        }
        for event_type, data in DATA.items()
    ]
    return {
        "type": "object",
        "description": "A CloudEvents 1.0 event; `subject` is the case.",
        "required": ["specversion", "id", "source", "type", "subject", "time"],
        "properties": {
            "specversion": {"const": "1.0"},
            "id": name,
            "source": name,
            "subject": name,
            "type": {"enum": list(DATA)},
            "time": {"type": "string", "format": "date-time"},
            "datacontenttype": {
                "type": ["string", "null"],
                "minLength": 1,
                "maxLength": wire.MAX_NAME,
            },
        },
        "oneOf": variants,
    }


def _data_schema(data: type) -> Json:
    schema = {"$ref": f"#/components/schemas/{data.__name__}"}
    return {"anyOf": [schema, {"type": "null"}]} if data in EMPTY_DATA else schema


def _paths() -> Json:
    return {
        "/v1/events": {"post": _post_events()},
        "/v1/cases": {
            "get": _get(
                "listCases",
                "A page of cases, most urgent first",
                "CasesView",
                "cases",
                parameters=_case_parameters(),
            )
        },
        "/v1/cases/{case_id}": {
            "get": _get(
                "getCase",
                "One case as of now, or of another moment",
                "CaseView",
                "cases",
                parameters=[_path_parameter("case_id", SUBJECT), *_moments()],
                problems=(404,),
            )
        },
        "/v1/cases/{case_id}/explanation": {
            "get": _get(
                "explainCase",
                "One case's count taken apart by calendar day, with the rules in words",
                "ExplanationView",
                "cases",
                parameters=[
                    _path_parameter("case_id", SUBJECT),
                    _query("lang", {"enum": list(Language)}, "Chinese unless told."),
                    *_moments(),
                ],
                problems=(404,),
            )
        },
        "/v1/cases/{case_id}/history": {
            "get": _get(
                "getHistory",
                "How the belief about a case changed, when that became known, and why",
                "HistoryView",
                "cases",
                parameters=[_path_parameter("case_id", SUBJECT)],
                problems=(404,),
            )
        },
        "/v1/alerts": {
            "get": _get(
                "listAlerts",
                "A page of alerts of named cases, the latest first",
                "AlertsView",
                "alerts",
                parameters=_alert_parameters(),
            )
        },
        "/v1/alerts/{alert_id}/ack": {"post": _post_acknowledgement()},
        "/v1/what-if": {"post": _post_what_if()},
        "/v1/supervision": {
            "get": _get(
                "getSupervision",
                "Offices with open alerts, the oldest breach first",
                "SupervisionView",
                "alerts",
                parameters=[_city_parameter(), _office_parameter()],
            )
        },
        "/v1/performance": {
            "get": _get(
                "getPerformance",
                "Means, rates and counts of a period against their targets",
                "PerformanceView",
                "figures",
                parameters=[
                    *_period_parameters("this month", "today"),
                    _query("by", {"enum": list(GROUPINGS), "default": "none"}, "How to group."),
                    _known_at_parameter(),
                ],
            )
        },
        "/v1/evaluation": {
            "get": _get(
                "getEvaluation",
                "A period by group: ranked, compared, with backlog and data quality beside it",
                "EvaluationView",
                "figures",
                parameters=_evaluation_parameters(),
            )
        },
        "/v1/months": {
            "get": _get("listMonths", "Every closed month", "FrozenMonthsView", "figures")
        },
        "/v1/months/{month}": {
            "get": _get(
                "getMonth",
                "A closed month as frozen, as of now, and the correction with its cases",
                "CorrectedMonthView",
                "figures",
                parameters=[
                    _path_parameter("month", "Such as 2026-10.", r"^20[0-9]{2}-(0[1-9]|1[0-2])$")
                ],
                problems=(404,),
            )
        },
        "/v1/foresight": {
            "get": _get(
                "getForesight",
                "What falls due, where this month's mean will end, what the next holiday does",
                "ForesightView",
                "figures",
                parameters=[_city_parameter(), _category_parameter()],
            )
        },
        "/v1/calendar": {
            "get": _get(
                "getCalendar",
                "Days of the work calendar with their notices, ten years at most",
                "CalendarView",
                "figures",
                parameters=_period_parameters("1 January", "31 December"),
            )
        },
        "/v1/calendar/{year}": {"put": _put_year()},
        "/v1/calendar/{year}/versions": {
            "get": _get(
                "getYearVersions",
                "Every version of a year of the calendar: since when, and who brought it",
                "YearVersionsView",
                "figures",
                parameters=[_path_parameter("year", "Such as 2027.", A_YEAR)],
            )
        },
        "/v1/policies": {
            "get": _get("getPolicies", "Every policy, with its versions", "PoliciesView", "figures")
        },
        "/v1/recompute": {
            "get": _get(
                "getRecompute",
                "How far cases are laid down anew after the rules have changed",
                "RecomputesView",
                "operations",
            )
        },
        "/v1/quarantine": {
            "get": _get(
                "getQuarantine",
                "Refused events, kept whole, the latest first",
                "QuarantineView",
                "operations",
                parameters=_page_parameters(),
            )
        },
        "/v1/quarantine/replay": {
            "post": _get(
                "replayQuarantine", "Decide every refused event anew", "ReportView", "operations"
            )
        },
        "/v1/quarantine/drop": {"post": _drop()},
        "/v1/audit": {
            "get": _get(
                "getAudit",
                "Who looked at which case, and who changed what, the latest first",
                "AuditView",
                "operations",
                parameters=[
                    _query("who", {"type": "string"}, "Only what somebody of this name did."),
                    _query("action", {"enum": list(Action)}, "Only this."),
                    _query("object", {"type": "string"}, "Only what was done to this."),
                    _query("since", INSTANT, "At this instant or later."),
                    _query("until", INSTANT, "Before this instant."),
                    *_page_parameters(),
                ],
            )
        },
        "/healthz": {"get": _open_get("getHealth", "Whether the process lives", "HealthView")},
        "/readyz": {
            "get": _open_get(
                "getReadiness", "Whether the database is reachable and migrated", "HealthView"
            )
        },
        "/metrics": {"get": _text_get("getMetrics", "Prometheus metrics", "text/plain")},
        "/openapi.json": {"get": _text_get("getOpenapi", "This document", "application/json")},
    }


def _post_events() -> Json:
    event: Json = {"$ref": "#/components/schemas/Event"}
    report = _answer("What became of the events.", "ReportView")
    return {
        "operationId": "postEvents",
        "summary": "Take events; the answer comes when they are durable",
        "tags": ["events"],
        "security": [{"key": []}],
        "parameters": [
            {
                "name": "Prefer",
                "in": "header",
                "description": "`handling=strict` takes all of a batch or nothing.",
                "schema": {"type": "string"},
            }
        ],
        "requestBody": {
            "required": True,
            "content": {
                "application/cloudevents+json": {"schema": event},
                "application/cloudevents-batch+json": {"schema": {"type": "array", "items": event}},
                "application/x-ndjson": {"schema": {"type": "string"}},
                "application/json": {
                    "schema": {"description": "Data of a binary event, named by ce-* headers."}
                },
            },
        },
        "responses": {
            "200": report,
            "201": report,
            "207": report,
            **_problems(400, 401, 403, 409, 413, 415, 422, 429, 503),
        },
    }


def _post_what_if() -> Json:
    told: Json = {"$ref": "#/components/schemas/WhatIfTold"}
    view: Json = {"$ref": "#/components/schemas/WhatIfView"}
    return {
        "operationId": "whatIf",
        "summary": "Try other limits, policies or a calendar on stored cases; nothing is written",
        "tags": ["figures"],
        "security": [{"key": []}],
        "requestBody": {"required": True, "content": {"application/json": {"schema": told}}},
        "responses": {
            "200": {
                "description": "What would change.",
                "content": {"application/json": {"schema": view}},
            },
            **_problems(400, 401, 403, 413, 415, 422, 429, 503),
        },
    }


def _put_year() -> Json:
    told: Json = {"$ref": "#/components/schemas/NoticeTold"}
    status = {"description": "Where its progress is told.", "schema": {"type": "string"}}
    headers: Json = {"headers": {"Location": status}}
    return {
        "operationId": "putYear",
        "summary": "Lay a notice over a year of the calendar, and tell what that comes to",
        "tags": ["figures"],
        "security": [{"key": []}],
        "parameters": [
            _path_parameter("year", "The `year` of the notice.", A_YEAR),
            _query("force", FLAG, "Store it though something speaks against it."),
            _query("dry_run", FLAG, "Only tell what it comes to; nothing is stored."),
        ],
        "requestBody": {"required": True, "content": {"application/json": {"schema": told}}},
        "responses": {
            "200": _answer("Nothing was stored: a dry run, or nothing is new.", "YearPutView"),
            "201": _answer("It is in force, and no case is touched.", "YearPutView") | headers,
            "202": _answer("It is in force; cases are laid down anew.", "YearPutView") | headers,
            **_problems(400, 401, 403, 409, 413, 415, 422, 429, 503),
            "409": _problem("Something speaks against the notice.", "ObjectionsProblem"),
            "422": _problem("The notice or a parameter breaks a rule.", "NoticeProblem"),
        },
    }


def _drop() -> Json:
    told: Json = {"$ref": "#/components/schemas/DropTold"}
    return {
        "operationId": "dropQuarantined",
        "summary": "Drop refused events for a reason, which is recorded with each of them",
        "tags": ["operations"],
        "security": [{"key": []}],
        "requestBody": {"required": True, "content": {"application/json": {"schema": told}}},
        "responses": {
            "200": _answer("How many were still there.", "DroppedView"),
            **_problems(400, 401, 403, 413, 415, 422, 429, 503),
        },
    }


def _post_acknowledgement() -> Json:
    told: Json = {"$ref": "#/components/schemas/AcknowledgementTold"}
    return {
        "operationId": "acknowledgeAlert",
        "summary": "Take an open alert on; nobody is stepped up over it any more",
        "tags": ["alerts"],
        "security": [{"key": []}],
        "parameters": [_path_parameter("alert_id", "The `id` of the alert.")],
        "requestBody": {"required": True, "content": {"application/json": {"schema": told}}},
        "responses": {
            "204": {"description": "It is acknowledged."},
            **_problems(400, 401, 403, 404, 409, 413, 415, 422, 429, 503),
        },
    }


def _get(  # noqa: PLR0913 - one argument for each thing an operation has to say
    operation_id: str,
    summary: str,
    view: str,
    tag: str,
    *,
    parameters: Iterable[Json] = (),
    problems: Iterable[int] = (),
) -> Json:
    return {
        "operationId": operation_id,
        "summary": summary,
        "tags": [tag],
        "security": [{"key": []}],
        "parameters": list(parameters),
        "responses": {
            "200": _answer(summary, view),
            **_problems(401, 403, 422, 429, 503, *problems),
        },
    }


def _open_get(operation_id: str, summary: str, view: str) -> Json:
    return {
        "operationId": operation_id,
        "summary": summary,
        "tags": ["operations"],
        "security": [],
        "responses": {"200": _answer(summary, view), "503": _answer("Not now.", view)},
    }


def _text_get(operation_id: str, summary: str, content_type: str) -> Json:
    return {
        "operationId": operation_id,
        "summary": summary,
        "tags": ["operations"],
        "security": [],
        "responses": {"200": {"description": summary, "content": {content_type: {"schema": {}}}}},
    }


def _answer(description: str, view: str) -> Json:
    schema = {"$ref": f"#/components/schemas/{view}"}
    return {"description": description, "content": {"application/json": {"schema": schema}}}


def _problems(*statuses: int) -> Json:
    return {str(status): _problem(PROBLEMS[status]) for status in sorted(statuses)}


def _problem(description: str, schema: str = "Problem") -> Json:
    content = {"application/problem+json": {"schema": {"$ref": f"#/components/schemas/{schema}"}}}
    return {"description": description, "content": content}


def _query(name: str, schema: Json, description: str) -> Json:
    return {"name": name, "in": "query", "description": description, "schema": schema}


def _path_parameter(name: str, description: str, pattern: str | None = None) -> Json:
    schema = {"type": "string", "minLength": 1, "maxLength": wire.MAX_NAME}
    if pattern is not None:
        schema = {"type": "string", "pattern": pattern}
    return {
        "name": name,
        "in": "path",
        "required": True,
        "description": description,
        "schema": schema,
    }


def _period_parameters(first: str, last: str) -> list[Json]:
    day: Json = {"type": "string", "format": "date"}
    return [
        _query("from", day, f"First day, included; {first} unless told."),
        _query("to", day, f"Last day, included; {last} unless told."),
    ]


def _page_parameters() -> list[Json]:
    limit = {"type": "integer", "minimum": 1, "maximum": 500, "default": 50}
    return [
        _query("limit", limit, "How many at most."),
        _query("cursor", {"type": "string"}, "The `next` of an earlier page."),
    ]


def _moments() -> list[Json]:
    instant = {"type": "string", "format": "date-time"}
    return [
        _query("at", instant, "Another moment: what had happened by then, judged then."),
        _known_at_parameter(),
    ]


def _known_at_parameter() -> Json:
    instant = {"type": "string", "format": "date-time"}
    told = "As known then: by what had arrived, by the rules of then."
    return _query("known_at", instant, told)


def _evaluation_parameters() -> list[Json]:
    least: Json = {"type": "integer", "minimum": 1, "default": DEFAULT_MIN_CASES}
    return [
        _query("period", {"enum": list(PeriodName)}, "A period as of today; `month` unless told."),
        *_period_parameters("the month of `to`", "today"),
        _query("by", {"enum": list(GROUPINGS), "default": "none"}, "How to group."),
        _query("min_cases", least, "How many cases a group needs for a rank."),
    ]


def _case_parameters() -> list[Json]:
    return [
        _query("status", {"enum": list(Status)}, "Where the case stands."),
        _query("verdict", {"enum": list(Verdict)}, "How it stands against its limit."),
        _category_parameter(),
        _city_parameter(),
        _office_parameter(),
        _query("due_from", {"type": "string", "format": "date"}, "Due on this day or later."),
        _query("due_before", {"type": "string", "format": "date"}, "Due earlier than this day."),
        *_page_parameters(),
    ]


def _category_parameter() -> Json:
    categories: Json = {"enum": [*Category, UNKNOWN_CATEGORY]}
    return _query("category", categories, "Management category.")


def _city_parameter() -> Json:
    return _query("city", {"type": "string", "pattern": "^[1-9][0-9]{5}$"}, "Six-digit city code.")


def _office_parameter() -> Json:
    return _query("office", {"type": "string", "pattern": "^1[0-9]{10}$"}, "Office code.")


def _alert_parameters() -> list[Json]:
    level: Json = {"type": "integer", "minimum": 0, "maximum": HIGHEST_LEVEL}
    name: Json = {"type": "string", "minLength": 1, "maxLength": wire.MAX_NAME}
    return [
        _query("state", {"enum": list(STATES)}, "Those that stand, or those that do not."),
        _query("kind", {"enum": list(AlertKind)}, "What the alert says."),
        _query("level", level, "0 at risk, 1 breached, then each overdue step."),
        _city_parameter(),
        _office_parameter(),
        _query("case_id", name, "The alerts of one case: its history."),
        _query("since", {"type": "string", "format": "date-time"}, "Raised then or later."),
        _query("acknowledged", {"enum": ["true", "false"]}, "Whether somebody has taken it on."),
        *_page_parameters(),
    ]
