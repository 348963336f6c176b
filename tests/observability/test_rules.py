"""The shipped rules, their tests, the Alertmanager configuration, the runbook and README agree."""

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from cloud_events import BATCH, accepted, event
from conftest import Client
from observability_servers import (
    ALERTMANAGER_CONFIG,
    GRAFANA,
    RULES,
    Json,
    alert_rules,
    exported,
    load,
    tool,
)
from rebate_monitor.api.service import Service
from rebate_monitor.cli.main import main
from rebate_monitor.storage.foresight import look_ahead
from rebate_monitor.storage.outbox import add_channels

ROOT = GRAFANA.parent
RUNBOOK = ROOT / "docs" / "alerts.md"
RULE_TESTS = sorted((GRAFANA / "prometheus" / "tests").glob("*.yml"))
QUIET = "quiet.yml"  # tests that nothing fires at all, which says little about one alert
ALERTS = alert_rules()
SEVERITIES = {"critical", "warning", "info"}
OFFICE_HOURS = "office_hours"

MADE_BY_PROMETHEUS = {"up": {"job", "instance"}, "ALERTS": {"alertname", "alertstate"}}
ADDED_BY_PROMETHEUS = {"job", "instance"}
OF_THE_PROCESS = ("http_request_duration_seconds", "rebate_ingest_commit_seconds", "up", "ALERTS")

SELECTOR = re.compile(r"\b(up|ALERTS|(?:rebate|http|process)_\w+)\b(?!:)(?:\{([^}]*)\})?")
MATCHER = re.compile(r'(\w+)\s*(?:=~|!~|!=|=)\s*"')
CHINESE = re.compile("[\u4e00-\u9fff]")
RECORDED = re.compile(r"\b\w+:\w+:\w+")


def rules() -> Iterator[Json]:
    """Return recording and alerting rules."""
    for path in sorted(RULES.glob("*.yml")):
        for group in load(path)["groups"]:
            yield from group["rules"]


def without_recorded(expression: str) -> str:
    """Leave out the names of recorded series, which hold names of metrics."""
    return RECORDED.sub("", expression)


def selectors() -> set[tuple[str, frozenset[str]]]:
    """Return every metric that a rule reads from the service, with the labels it selects by."""
    return {
        (name, frozenset(MATCHER.findall(matchers)))
        for rule in rules()
        for name, matchers in SELECTOR.findall(without_recorded(rule["expr"]))
    }


def slug(heading: str) -> str:
    """Return the anchor of a heading."""
    return re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-")


def alert_tests(alert: str) -> list[Json]:
    """Return promtool's cases for an alert."""
    return [
        case
        for path in RULE_TESTS
        if path.name != QUIET
        for test in load(path)["tests"]
        for case in test.get("alert_rule_test", [])
        if case["alertname"] == alert
    ]


def run(*command: str | Path) -> str:
    """Run a checker; fail with what it says."""
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture
def amtool() -> str:
    """Return Alertmanager's own checker."""
    return tool("amtool", "prometheus-alertmanager")


def test_promtool_accepts_configuration_and_rules(promtool: str) -> None:
    """Prometheus would start with the shipped files, and its linter finds nothing."""
    config = GRAFANA / "prometheus" / "prometheus.yml"
    said = run(promtool, "check", "config", "--lint=all", "--lint-fatal", config)

    assert all(f"rules/{path.name}" in said for path in RULES.glob("*.yml"))


@pytest.mark.parametrize("path", RULE_TESTS, ids=lambda path: path.stem)
def test_rules_fire_when_they_should(promtool: str, path: Path) -> None:
    """Promtool evaluates the shipped rules over made-up series, near misses included."""
    run(promtool, "test", "rules", path)


@pytest.mark.parametrize("path", RULE_TESTS, ids=lambda path: path.stem)
def test_rule_tests_evaluate_all_groups_in_a_known_order(path: Path) -> None:
    """Promtool takes groups in random order unless all are listed, recordings first."""
    known = [
        group["name"]
        for name in ("recording.yml", "alerts.yml")
        for group in load(RULES / name)["groups"]
    ]

    assert known == load(path)["group_eval_order"]
    assert {"../rules/recording.yml", "../rules/alerts.yml"} == set(load(path)["rule_files"])


@pytest.mark.parametrize("alert", ALERTS)
def test_every_alert_is_tested_both_ways(alert: str) -> None:
    """Each alert has a case in which it fires and one in which it does not."""
    fires = [bool(case.get("exp_alerts")) for case in alert_tests(alert)]

    assert {True, False} == set(fires)


@pytest.mark.parametrize("alert", ALERTS)
def test_every_alert_says_who_what_and_where_to_look(alert: str) -> None:
    """Name, waiting, labels, both languages and an existing anchor of the runbook."""
    rule = ALERTS[alert]
    labels, notes = rule["labels"], rule["annotations"]

    assert re.fullmatch(r"Rebate([A-Z][a-z]+)+", alert)
    assert "for" in rule
    assert labels["severity"] in SEVERITIES
    assert labels["team"] in {"bureau", "operations"}
    assert labels["component"]
    assert {"summary", "summary_zh", "description", "description_zh", "runbook_url"} == set(notes)
    assert "{{" not in notes["summary"] + notes["summary_zh"]
    assert all("{{" in notes[key] for key in ("description", "description_zh"))
    assert all(
        re.search("[\u4e00-\u9fff]", notes[f"{key}_zh"]) for key in ("summary", "description")
    )
    assert f"docs/alerts.md#{slug(alert)}" == notes["runbook_url"]


@pytest.mark.parametrize("alert", ALERTS)
def test_only_what_is_critical_disturbs_at_any_hour_and_no_info_does(alert: str) -> None:
    """Office hours: every info and every figure waits for them, nothing critical does."""
    labels = ALERTS[alert]["labels"]
    waits = labels.get("notify") == OFFICE_HOURS

    assert not (waits and labels["severity"] == "critical")
    assert waits or (labels["severity"] != "info" and labels["team"] != "bureau")


@pytest.mark.parametrize("alert", ALERTS)
def test_the_runbook_has_a_complete_entry(alert: str) -> None:
    """Meaning in both languages, why it matters, what to look at, how to mend, when to silence."""
    text = RUNBOOK.read_text(encoding="utf-8")
    (entry,) = re.findall(rf"^### {alert}\n(.*?)(?=^##)", text, re.MULTILINE | re.DOTALL)

    for part in ("**Means**", "**含义**", "**Matters**", "**Look**", "**Mend**", "**Silence**"):
        assert part in entry, part


def test_the_runbook_has_no_entry_without_an_alert() -> None:
    """An alert that was renamed or removed leaves nothing behind."""
    headings = re.findall(r"^### (Rebate\w+)$", RUNBOOK.read_text(encoding="utf-8"), re.MULTILINE)

    assert sorted(ALERTS) == sorted(headings)


def test_the_runbook_points_to_the_other_road() -> None:
    """Single cases have a document of their own."""
    text = RUNBOOK.read_text(encoding="utf-8")

    assert "notifications.md" in text.split("## Named cases")[1]


def test_the_runbook_tells_only_commands_that_exist() -> None:
    """Whoever is woken up can type what the runbook says."""
    told = re.findall(r"`rebate-monitor ([a-z]+) ?([a-z]*)", RUNBOOK.read_text(encoding="utf-8"))

    assert len(told) > 10
    for command, part in told:
        known = main.commands[command]
        assert not part or (isinstance(known, click.Group) and part in known.commands), told


@pytest.mark.parametrize("alert", ALERTS)
def test_readme_names_every_alert(alert: str) -> None:
    """README's table has the name, the severity, and the way to the runbook."""
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    severity = ALERTS[alert]["labels"]["severity"]

    assert f"| [{alert}](docs/alerts.md#{slug(alert)}) | {severity} |" in readme


def test_operations_say_where_to_look_first() -> None:
    """Every alert stands in the table of first looks, and no other name does."""
    text = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")

    assert set(ALERTS) == set(re.findall(r"\bRebate[A-Z]\w+", text.split("## Alerts")[1]))


async def test_every_metric_and_label_in_the_rules_is_exported(
    client: Client, service: Service
) -> None:
    """A rule that reads a metric or a label that nobody exports would be silent for ever."""
    events = [
        accepted("2026-11-02T09:00:00", subject="late"),
        accepted("2026-11-18T09:00:00", subject="stopped"),
        event("voucher_issued", "2026-11-20T09:00:00", subject="stopped"),
    ]
    await client.post("/v1/events", json=events, headers=BATCH)
    async with service.database.connection() as connection:
        await connection.execute("UPDATE alerting_state SET enforce_from = '2026-01-01'")
        await add_channels(connection, ["wecom"])
    await service.alerting.sweeper.sweep()
    await look_ahead(service.database, service.rules, service.now())
    async with client.get("/metrics") as response:
        known = exported(await response.text()) | MADE_BY_PROMETHEUS
    read = selectors()

    assert {name for name, _ in read} <= set(known)
    assert [] == [
        (name, sorted(labels - known[name] - ADDED_BY_PROMETHEUS))
        for name, labels in read
        if not labels <= known[name] | ADDED_BY_PROMETHEUS
    ]
    assert {"kind", "city", "acknowledged"} == known["rebate_open_alerts"]
    assert {"channel", "outcome"} == known["rebate_notifications_total"]


def test_rules_read_what_they_say_they_read() -> None:
    """The search for metrics in rules finds those that are surely there."""
    read = {name for name, _ in selectors()}

    assert {"up", "ALERTS", "rebate_open_cases", "rebate_outbox_dead"} <= read
    assert ("rebate_open_alerts", frozenset({"kind"})) in selectors()


def test_recorded_series_are_recorded_and_used() -> None:
    """Alerts read only recorded series that exist, and none is recorded for nobody."""
    recorded = {rule["record"] for rule in rules() if "record" in rule}
    used = {name for rule in rules() for name in RECORDED.findall(rule["expr"])}

    assert recorded == used


def test_figures_of_the_database_are_never_added_up_over_replicas() -> None:
    """Whatever is read from a replica's figures is folded by max before anything else."""
    for rule in rules():
        expression = without_recorded(rule["expr"])
        for found in SELECTOR.finditer(expression):
            before = expression[: found.start()]
            by_instance = rule.get("alert") == "RebateFiguresStale"  # one clock, one replica

            assert (
                found[1].startswith(OF_THE_PROCESS)
                or by_instance
                or re.search(r"max( by \([\w, ]+\))? ?\((last_over_time\()?$", before)
            ), f"{found[1]} in {rule}"


def test_amtool_accepts_the_configuration(amtool: str) -> None:
    """Alertmanager would start with the shipped file."""
    assert "SUCCESS" in run(amtool, "check-config", ALERTMANAGER_CONFIG)


def test_the_configuration_holds_no_secret() -> None:
    """Passwords and tokens come from files, and no address outside is called by default."""
    text = ALERTMANAGER_CONFIG.read_text(encoding="utf-8")
    keys = set(
        re.findall(
            r"^\s*-?\s*(\w*(?:password|credentials|secret|token|key)\w*):", text, re.MULTILINE
        )
    )

    assert {"smtp_auth_password_file", "credentials_file"} == keys
    assert set(re.findall(r"[\w.-]+\.\w+:\d+|https?://[^/\s]+", text)) == {
        "mail.example.org:587",
        "http://alert-gateway:8080",
    }


ROUTES = {
    "nobody": {"RebateRestDay"},
    "on_call": {"RebateServiceDown", "RebateFiguresMissing", "RebateSweepStalled"},
    "bureau": {
        "RebateMeanOverTarget",
        "RebateMeanForeseenOverTarget",
        "RebateComplianceFalling",
        "RebateBreachesPresent",
        "RebateBreachesUnacknowledged",
        "RebatePolicyLapsed",
    },
}


@pytest.mark.parametrize("alert", ALERTS)
def test_every_alert_reaches_those_who_can_act(amtool: str, alert: str) -> None:
    """Critical ones reach who is on call, figures the bureau, the machinery its operations."""
    labels = {"alertname": alert, **ALERTS[alert]["labels"]}
    told = [f"{name}={value}" for name, value in labels.items()]
    receiver = next((name for name, alerts in ROUTES.items() if alert in alerts), "operations")

    run(
        amtool,
        "config",
        "routes",
        "test",
        f"--config.file={ALERTMANAGER_CONFIG}",
        f"--verify.receivers={receiver}",
        *told,
    )


def test_a_foreign_alert_is_not_lost(amtool: str) -> None:
    """What no route knows goes to operations, and what is critical to who is on call."""
    command = (amtool, "config", "routes", "test", f"--config.file={ALERTMANAGER_CONFIG}")

    assert "operations" == run(*command, "alertname=DiskFull").strip()
    assert "on_call" == run(*command, "alertname=DiskFull", "severity=critical").strip()


def routes(route: Json) -> Iterator[Json]:
    """Return a route and all below it."""
    yield route
    for child in route.get("routes", []):
        yield from routes(child)


def test_nothing_is_repeated_in_a_storm() -> None:
    """Nothing is said again within 4 hours, and no longer apart than Alertmanager remembers."""
    told = [
        route["repeat_interval"]
        for route in routes(load(ALERTMANAGER_CONFIG)["route"])
        if "repeat_interval" in route
    ]
    hours = {"4h": 4, "1d": 24, "3d": 72}

    assert set(hours) == set(told)
    assert all(4 <= hours[interval] < 120 for interval in told)


def test_only_receivers_and_alerts_that_exist_are_named() -> None:
    """A misspelt alert in an inhibition would hold nothing back, and nobody would see it."""
    config = load(ALERTMANAGER_CONFIG)
    receivers = {receiver["name"] for receiver in config["receivers"]}
    named = set(re.findall(r"\bRebate\w+", ALERTMANAGER_CONFIG.read_text(encoding="utf-8")))

    assert {
        route["receiver"] for route in routes(config["route"]) if "receiver" in route
    } == receivers
    assert named - {"Rebate"} <= set(ALERTS)
