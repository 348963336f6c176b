"""What Grafana is given before anybody logs in: data sources, folders, the home dashboard."""

import re
from pathlib import Path

import pytest

from compose_stack import ROOT, SERVICES, environment, on_host
from observability_servers import GRAFANA, Json, load
from rebate_monitor.storage.reader import READER

PROVISIONING = "/etc/grafana/provisioning"
SOURCES: dict[str, Json] = {
    source["uid"]: source
    for source in load(on_host("grafana", f"{PROVISIONING}/datasources/rebate-monitor.yml"))[
        "datasources"
    ]
}
PROVIDERS: list[Json] = load(on_host("grafana", f"{PROVISIONING}/dashboards/rebate-monitor.yml"))[
    "providers"
]


def test_the_data_sources_are_those_that_dashboards_name() -> None:
    """Fixed uids, by type; Grafana asks them itself, and nobody changes them in a browser."""
    types = {
        "rebate-prometheus": "prometheus",
        "rebate-postgresql": "grafana-postgresql-datasource",
        "rebate-alertmanager": "alertmanager",
    }

    assert types == {uid: source["type"] for uid, source in SOURCES.items()}
    assert {("proxy", False)} == {
        (source["access"], source["editable"]) for source in SOURCES.values()
    }
    assert ["rebate-prometheus"] == [uid for uid, told in SOURCES.items() if told.get("isDefault")]


def test_alerts_of_prometheus_show_with_the_alertmanager_that_tells_them() -> None:
    """The alerting page lists the rules; Grafana sends nothing of its own to Alertmanager."""
    rules, manager = (SOURCES[f"rebate-{name}"] for name in ("prometheus", "alertmanager"))

    assert rules["jsonData"]["manageAlerts"] is True
    assert manager["uid"] == rules["jsonData"]["alertmanagerUid"]
    assert {"implementation": "prometheus", "handleGrafanaManagedAlerts": False} == (
        manager["jsonData"]
    )


def test_rates_are_not_asked_for_less_than_a_scrape() -> None:
    """The step of Prometheus' source is its scrape interval."""
    scraped = load(GRAFANA / "prometheus" / "prometheus.yml")["global"]["scrape_interval"]

    assert scraped == SOURCES["rebate-prometheus"]["jsonData"]["timeInterval"]


def test_postgresql_is_read_as_the_reader_with_a_password_from_a_file() -> None:
    """Role and database are those that are made; no data source holds a secret."""
    source = SOURCES["rebate-postgresql"]
    made = (ROOT / "deploy" / "database.sql").read_text("utf-8")

    assert READER == source["user"]
    assert f"CREATE DATABASE {source['jsonData']['database']} " in made
    assert {"password": "$__file{/run/secrets/reader_password}"} == source["secureJsonData"]
    assert "reader_password" in SERVICES["grafana"]["secrets"]
    assert [] == [
        uid for uid, told in SOURCES.items() if "secureJsonData" in told and told != source
    ]


def test_variables_in_provisioning_are_in_the_environment() -> None:
    """A variable that is not there would be empty, without a word."""
    text = on_host("grafana", f"{PROVISIONING}/datasources/rebate-monitor.yml").read_text("utf-8")
    named = set(re.findall(r"\$\{(\w+)\}", text))

    assert named
    assert named <= environment("grafana").keys()


@pytest.mark.parametrize("provider", PROVIDERS, ids=lambda provider: provider["name"])
def test_a_folder_of_grafana_is_a_folder_of_dashboards(provider: Json) -> None:
    """Its path is mounted, and holds dashboards."""
    folder = on_host("grafana", provider["options"]["path"])

    assert sorted(folder.glob("*.json"))
    assert provider["allowUiUpdates"] is False


def test_folders_are_named_in_both_languages() -> None:
    """One folder a language, under a fixed uid."""
    named = {provider["folderUid"]: provider["folder"] for provider in PROVIDERS}

    assert named == {
        "rebate-monitor-zh": "出口退税时限监测",
        "rebate-monitor-en": "Export tax rebates",
    }


def test_the_home_dashboard_is_one_of_them() -> None:
    """Who logs in sees today's figures, in Chinese."""
    home = Path(environment("grafana")["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"])
    folders = [Path(provider["options"]["path"]) for provider in PROVIDERS]

    assert home.parent in folders
    assert on_host("grafana", str(home)).is_file()
