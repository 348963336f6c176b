"""Who asks whom in the compose stack: the hosts in configurations, and how they are reached."""

import re

from compose_stack import ROOT, environment, on_host, reaches
from observability_servers import ALERTMANAGER_CONFIG, GRAFANA, load

# Examples in the configuration of Alertmanager: a bureau puts its own receivers there.
OUTSIDE = {"alert-gateway", "mail.example.org"}
SERVER = re.compile(r"^\s+server(?:-template \S+)? \S+ (\S+)", re.MULTILINE)
RECEIVER = re.compile(r"(?:https?://|smtp_smarthost: )([\w.-]+)")
DATA_SOURCES = "/etc/grafana/provisioning/datasources/rebate-monitor.yml"


def asked_by_prometheus() -> list[str]:
    """Return the names it scrapes, and its Alertmanager."""
    told = load(GRAFANA / "prometheus" / "prometheus.yml")
    (job,), (manager,) = told["scrape_configs"], told["alerting"]["alertmanagers"]
    return [*job["dns_sd_configs"][0]["names"], *manager["static_configs"][0]["targets"]]


def asked_by_grafana() -> list[str]:
    """Return the addresses of its data sources."""
    address = environment("grafana")["POSTGRES_ADDRESS"]
    sources = load(on_host("grafana", DATA_SOURCES))["datasources"]
    return [source["url"].replace("${POSTGRES_ADDRESS}", address) for source in sources]


def asked() -> set[tuple[str, str]]:
    """Return (who asks, whom)."""
    addresses = {
        "prometheus": asked_by_prometheus(),
        "grafana": asked_by_grafana(),
        "proxy": SERVER.findall((ROOT / "deploy" / "haproxy.cfg").read_text("utf-8")),
        "alertmanager": RECEIVER.findall(ALERTMANAGER_CONFIG.read_text("utf-8")),
    }
    return {
        (service, address.removeprefix("http://").split(":")[0])
        for service, told in addresses.items()
        for address in told
    }


def test_every_host_in_a_configuration_is_a_service_on_a_common_network() -> None:
    """All but the examples, which are to be replaced."""
    inside = {(who, whom) for who, whom in asked() if whom not in OUTSIDE}

    assert {whom for _, whom in asked() - inside} == OUTSIDE
    assert inside == {
        ("prometheus", "rebate-monitor"),
        ("prometheus", "alertmanager"),
        ("proxy", "rebate-monitor"),
        ("proxy", "grafana"),
        ("grafana", "prometheus"),
        ("grafana", "postgres"),
        ("grafana", "alertmanager"),
    }
    assert [] == [(who, whom) for who, whom in inside if not reaches(who, whom)]


def test_the_database_is_reached_by_those_who_need_it_only() -> None:
    """The service, its migration and Grafana; not the proxy, nor who has a port on the host."""
    reaching = {
        name
        for name in ("migrate", "rebate-monitor", "grafana", "proxy", "prometheus", "alertmanager")
        if reaches(name, "postgres")
    }

    assert {"migrate", "rebate-monitor", "grafana"} == reaching
