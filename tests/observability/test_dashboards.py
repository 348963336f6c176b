"""The dashboards as they stand in their files: form, layout, links, units, queries."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from itertools import combinations
from typing import Any

import promql_parser
import pytest

from cloud_events import BATCH, accepted, event
from conftest import Client
from grafana.panels import macros
from grafana.panels.english import CHINESE, OWN_NAMES, strings, twins
from grafana.panels.files import DASHBOARDS, Dashboard, Panel, Query, dashboards, read_json
from grafana.panels.interpolation import Choice, interpolate, prometheus_format
from grafana.panels.json_text import json_text
from grafana.panels.time_range import time_range
from grafana.panels.units import known_unit
from observability_servers import GRAFANA, RULES, exported, load
from rebate_monitor.api.service import Service
from rebate_monitor.domain.local_time import SHANGHAI
from rebate_monitor.storage.foresight import look_ahead
from rebate_monitor.storage.outbox import add_channels

NAMES = {"today", "evaluation", "bottlenecks", "cases", "service-health"}
VARIABLES = {"city", "category", "period"}
OF_NUMBERS = {"barchart", "bargauge", "stat", "table", "timeseries"}
KINDS = OF_NUMBERS | {"alertlist", "row", "text"}
COLUMNS = 24
PLAIN_NUMBERS = {None, 0, 1}  # what is no limit, target or other number of a policy
NOW = datetime(2026, 11, 26, 9, 30, tzinfo=SHANGHAI)

ADDED_BY_PROMETHEUS = {"job", "instance"}
MADE_BY_PROMETHEUS = {"up": set[str](), "ALERTS": {"alertname", "alertstate"}}
OF_THE_PROCESS = ("http_", "process_", "rebate_ingest_commit_seconds", "up", "ALERTS")
FOLDS = {"max", "min"}  # of figures that are the same on every replica

READ = re.compile(r"\b(?:FROM|JOIN)\s+(?:LATERAL\s+)?(\w[\w.]*)")
COMMON_TABLE = re.compile(r"(\w+) AS (?:MATERIALIZED )?\(")
FUNCTIONS = {"unnest", "generate_series"}
LINK = re.compile(r"/d/([\w-]+)")

ALL = list(dashboards())
EACH = pytest.mark.parametrize("dashboard", ALL, ids=str)


def found(value: object, key: str) -> Iterator[Any]:
    """Return every value that a key has anywhere in JSON."""
    inner = value if isinstance(value, list) else []
    if isinstance(value, dict):
        inner = list(value.values())
        yield from (each for name, each in value.items() if name == key)
    for each in inner:
        yield from found(each, key)


def all_queries(*, promql: bool) -> Iterator[tuple[Dashboard, Panel, Query]]:
    """Return the queries of all panels that are PromQL, or those that are SQL."""
    for dashboard in ALL:
        for panel in dashboard.panels:
            for query in panel.queries:
                if query.is_promql is promql:
                    yield dashboard, panel, query


# The set


def test_there_is_the_same_set_in_both_languages() -> None:
    """Five dashboards by fixed uids; the uids of the twins end in -en."""
    expected = {
        (language, name, f"rebate-{name}{ending}")
        for name in NAMES
        for language, ending in (("zh", ""), ("en", "-en"))
    }

    assert expected == {(each.language, each.name, each.uid) for each in ALL}


def test_the_english_dashboards_are_made_from_the_chinese_ones() -> None:
    """What is committed is what `make dashboards` makes now."""
    for path, content in twins(DASHBOARDS).items():
        assert content == read_json(path), f"{path.name}: run `make dashboards`"


@EACH
def test_a_file_has_the_form_of_all(dashboard: Dashboard) -> None:
    """Written by hand or made, it looks the same: a difference is one of content."""
    text = dashboard.path.read_text(encoding="utf-8")

    assert json_text(read_json(dashboard.path)) == text


@EACH
def test_a_dashboard_can_be_provisioned_anywhere(dashboard: Dashboard) -> None:
    """No id of a database, Shanghai's time, a refresh, the tag of its language."""
    raw = dashboard.raw

    assert raw.get("id") is None
    assert "Asia/Shanghai" == raw["timezone"]
    assert "monday" == raw["weekStart"]
    assert raw["refresh"] in {"1m", "15m"}
    assert [f"rebate-monitor-{dashboard.language}"] == raw["tags"]
    assert raw["description"]
    assert time_range(raw["time"]["from"], raw["time"]["to"], NOW).seconds > 0


@EACH
def test_a_dashboard_leads_to_the_others_with_what_is_selected(dashboard: Dashboard) -> None:
    """To all of its language by their tag, and to its twin; variables and time are kept."""
    others, twin = dashboard.raw["links"]
    twin_uid = {each.name: each.uid for each in ALL if each.language != dashboard.language}

    assert ("dashboards", dashboard.raw["tags"]) == (others["type"], others["tags"])
    assert ("link", f"/d/{twin_uid[dashboard.name]}") == (twin["type"], twin["url"])
    assert all(link["includeVars"] and link["keepTime"] for link in (others, twin))


@EACH
def test_links_lead_to_dashboards_of_the_language(dashboard: Dashboard) -> None:
    """No link of a panel leads nowhere or into the other language."""
    uids = {each.uid for each in ALL if each.language == dashboard.language}
    told = {uid for text in strings(dashboard.raw["panels"]) for uid in LINK.findall(text)}

    assert told <= uids


@EACH
def test_every_dashboard_has_the_variables_of_all(dashboard: Dashboard) -> None:
    """So that what is selected stays selected from one to the next; what does nothing is hidden."""
    texts = " ".join(strings(dashboard.raw["panels"]))
    used = {each.name for each in dashboard.variables if re.search(rf"\$\{{?{each.name}\b", texts)}
    visible = {each.name for each in dashboard.variables if not each.hidden}

    assert VARIABLES <= {each.name for each in dashboard.variables}
    assert visible <= used
    assert all(each.label for each in dashboard.variables if not each.hidden)


# Panels


@EACH
def test_every_panel_says_what_it_is(dashboard: Dashboard) -> None:
    """A title of its own, and a description that says more than the title."""
    titles = [panel.title for panel in dashboard.panels]

    assert all(titles)
    assert sorted(set(titles)) == sorted(titles)
    for panel in dashboard.panels:
        assert panel.is_row or len(panel.description) > len(panel.title), panel.title


@EACH
def test_panels_lie_beside_each_other(dashboard: Dashboard) -> None:
    """No overlap, nothing beyond the 24 columns, and ids are unique."""
    places = [(panel.title, panel.place) for panel in dashboard.panels]
    overlapping = [
        (title, other)
        for (title, a), (other, b) in combinations(places, 2)
        if a.x < b.x + b.w and b.x < a.x + a.w and a.y < b.y + b.h and b.y < a.y + a.h
    ]
    numbers = [panel.number for panel in dashboard.panels]

    assert [] == overlapping
    assert all(place.w > 0 and place.h > 0 and place.x + place.w <= COLUMNS for _, place in places)
    assert sorted(set(numbers)) == sorted(numbers)


@EACH
def test_panels_are_of_kinds_that_grafana_has_itself(dashboard: Dashboard) -> None:
    """No plugin has to be installed."""
    assert {panel.kind for panel in dashboard.panels} <= KINDS


@EACH
def test_numbers_have_units_and_nothing_is_said_when_there_is_nothing(dashboard: Dashboard) -> None:
    """Every panel that shows numbers names their unit, and says why it may be empty."""
    of_numbers = [panel for panel in dashboard.panels if panel.kind in OF_NUMBERS]
    units = [panel.defaults.get("unit", "") for panel in of_numbers]
    units += [
        told["value"]
        for panel in of_numbers
        for override in panel.overrides
        for told in override["properties"]
        if told["id"] == "unit"
    ]

    assert all(known_unit(unit) for unit in units), units
    assert [] == [panel.title for panel in of_numbers if not panel.defaults.get("noValue")]


@EACH
def test_no_number_of_a_policy_is_typed(dashboard: Dashboard) -> None:
    """Limits and targets come from queries: thresholds, least and most are none, 0 or 1."""
    steps = [step["value"] for steps in found(dashboard.raw, "steps") for step in steps]
    ends = [end for key in ("min", "max") for end in found(dashboard.raw["panels"], key)]

    assert set(steps) | set(ends) <= PLAIN_NUMBERS


@EACH
def test_data_sources_are_the_provisioned_ones(dashboard: Dashboard) -> None:
    """By uid and type; the list of alerts names its source by name."""
    path = GRAFANA / "provisioning" / "datasources" / "rebate-monitor.yml"
    sources = load(path)["datasources"]
    told = [each for each in found(dashboard.raw, "datasource") if isinstance(each, dict)]
    lists = [panel.options["datasource"] for panel in dashboard.panels if panel.kind == "alertlist"]

    assert all(
        {"type": each["type"], "uid": each["uid"]}
        in [{"type": source["type"], "uid": source["uid"]} for source in sources]
        for each in told
    )
    assert set(lists) <= {source["name"] for source in sources}


@EACH
def test_every_query_asks_something_under_a_name_of_its_own(dashboard: Dashboard) -> None:
    """No panel without a question, no empty question, no two of one refId."""
    for panel in dashboard.panels:
        names = [query.ref_id for query in panel.queries]

        assert panel.queries or panel.kind in KINDS - OF_NUMBERS, panel.title
        assert all(query.text.strip() and query.ref_id for query in panel.queries), panel.title
        assert sorted(set(names)) == sorted(names), panel.title


@EACH
def test_transformations_and_overrides_name_queries_that_exist(dashboard: Dashboard) -> None:
    """A query that was renamed leaves nothing behind that meant it."""
    for panel in dashboard.panels:
        told = set(found(panel.transformations, "configRefId"))
        matchers = [*found(panel.transformations, "applyTo"), *found(panel.overrides, "matcher")]
        told |= {each["options"] for each in matchers if each["id"] == "byFrameRefID"}

        assert told <= {query.ref_id for query in panel.queries}, panel.title


def test_the_languages_are_not_mixed() -> None:
    """Titles are Chinese in the Chinese set; in the English one only the link back is."""
    chinese = {str(each): [CHINESE.search(p.title) for p in each.panels] for each in ALL}

    assert all(all(told) for name, told in chinese.items() if name.startswith("zh"))
    assert set(OWN_NAMES.values()) == {
        text
        for dashboard in ALL
        if dashboard.language == "en"
        for text in strings(dashboard.raw)
        if CHINESE.search(text)
    }


# PromQL


@dataclass(frozen=True, slots=True, kw_only=True)
class Selected:
    """A series that a query reads: the labels it needs, and the aggregation right around it."""

    name: str
    labels: frozenset[str]
    fold: str


def selected(expression: str) -> list[Selected]:
    """Return what PromQL reads; labels that it groups by are taken for labels of all it reads."""
    around: list[promql_parser.AggregateExpr] = []
    read: list[Selected] = []

    def enter(node: promql_parser.Expr) -> None:
        if isinstance(node, promql_parser.AggregateExpr):
            around.append(node)
        if isinstance(node, promql_parser.VectorSelector):
            labels = {matcher.name for matcher in node.matchers.matchers}
            labels |= {label for each in around if each.modifier for label in each.modifier.labels}
            fold = str(around[-1].op) if around else ""
            read.append(Selected(name=node.name or "", labels=frozenset(labels), fold=fold))

    def leave(node: promql_parser.Expr) -> None:
        if isinstance(node, promql_parser.AggregateExpr):
            around.pop()

    promql_parser.walk(promql_parser.parse(expression), enter, leave)
    return read


def sent(dashboard: Dashboard, query: Query) -> str:
    """Return PromQL as it is sent, with something selected."""
    choices = {
        each.name: Choice(name=each.name, value=("x",) if each.multi else "x", text="")
        for each in dashboard.variables
    }
    day = time_range("now-24h", "now", NOW)
    return macros.promql(interpolate(query.text, choices, prometheus_format), day, 60, 30)


def read_by_panels() -> Iterator[tuple[str, Selected]]:
    """Return what the panels read of Prometheus, with the panel's name."""
    for dashboard, panel, query in all_queries(promql=True):
        for each in selected(sent(dashboard, query)):
            yield f"{dashboard} {panel.title}", each


def recorded() -> dict[str, set[str]]:
    """Return recorded series with the labels that their name or their expression names."""
    (group,) = load(RULES / "recording.yml")["groups"]
    return {
        rule["record"]: {
            *rule["record"].split(":")[0].split("_"),
            *(label for each in selected(rule["expr"]) for label in each.labels),
        }
        for rule in group["rules"]
    }


def labels_of_alerts() -> set[str]:
    """Return the labels that alerting rules set, and those that their series have or join."""
    rules = [rule for group in load(RULES / "alerts.yml")["groups"] for rule in group["rules"]]
    joined = re.findall(r"group_left \(([^)]*)\)", " ".join(rule["expr"] for rule in rules))
    return {
        *(label for rule in rules for label in rule["labels"]),
        *re.findall(r"\w+", " ".join(joined)),
        "city",
    }


def test_what_promql_reads_is_found() -> None:
    """The search finds names, labels of matchers and groups, and the fold, rates included."""
    assert [
        Selected(name="a", labels=frozenset({"city", "job", "kind"}), fold="max"),
        Selected(name="b", labels=frozenset(), fold=""),
    ] == selected('sum by (city) (max by (kind, city) (rate(a{job="x"}[5m]))) > b')


async def test_every_metric_and_label_is_exported_or_recorded(
    client: Client, service: Service
) -> None:
    """A panel that reads a metric or label that nobody exports would be empty for ever."""
    events = [
        accepted("2026-11-02T09:00:00", subject="late"),
        accepted("2026-11-18T09:00:00", subject="stopped"),
        event("voucher_issued", "2026-11-20T09:00:00", subject="stopped"),
    ]
    await client.post("/v1/events", json=events, headers=BATCH)
    async with service.database.connection() as connection:
        await add_channels(connection, ["wecom"])
    await look_ahead(service.database, service.rules, service.now())
    async with client.get("/metrics") as response:
        known = exported(await response.text()) | recorded() | MADE_BY_PROMETHEUS
    known["ALERTS"] |= labels_of_alerts()
    read = list(read_by_panels())

    assert {"ALERTS", "rebate_open_cases", "up"} <= {each.name for _, each in read}
    assert [] == [(panel, each.name) for panel, each in read if each.name not in known]
    assert [] == [
        (panel, each.name, sorted(each.labels - known[each.name] - ADDED_BY_PROMETHEUS))
        for panel, each in read
        if not each.labels <= known[each.name] | ADDED_BY_PROMETHEUS
    ]


def test_figures_of_the_database_are_never_added_up_over_replicas() -> None:
    """Whatever is read from a replica's figures is folded by max or min before anything else."""
    figures = [
        (panel, each)
        for panel, each in read_by_panels()
        if not each.name.startswith(OF_THE_PROCESS) and ":" not in each.name
    ]

    assert figures
    assert [] == [(panel, each.name) for panel, each in figures if each.fold not in FOLDS]


# SQL


def test_sql_reads_the_reporting_views_only() -> None:
    """Variables, too: the reader's role could read nothing else, and this says where."""
    texts = [
        (f"{dashboard} {panel.title}", query.text)
        for dashboard, panel, query in all_queries(promql=False)
    ]
    texts += [
        (f"{dashboard} {variable.name}", variable.query)
        for dashboard in ALL
        for variable in dashboard.variables
        if variable.source_kind == "grafana-postgresql-datasource"
    ]

    assert texts
    for name, text in texts:
        known = set(COMMON_TABLE.findall(text)) | FUNCTIONS
        foreign = {each for each in READ.findall(text) if not each.startswith("reporting.")}
        assert foreign <= known, name
