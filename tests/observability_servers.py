"""Prometheus and Alertmanager as real processes on free ports, and what tests ask of them."""

import asyncio
import shutil
import socket
import subprocess
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import aiohttp
import yaml
from prometheus_client.parser import text_string_to_metric_families

from conftest import need
from grafana.panels.stack import hasty_rules

Json = dict[str, Any]
Found = TypeVar("Found")

GRAFANA = Path(__file__).parent.parent / "grafana"
RULES = GRAFANA / "prometheus" / "rules"
ALERTMANAGER_CONFIG = GRAFANA / "alertmanager" / "alertmanager.yml"
TOKEN = "a-token-made-up-for-tests"
ALL_DAY = ("00:00", "24:00")
SUFFIXES = {"counter": ("_total",), "histogram": ("_bucket", "_count", "_sum")}


def tool(name: str, package: str) -> str:
    """Return a program's path, or skip where it is not installed."""
    found = shutil.which(name)
    need(found, f"{name} (Debian's package {package})")
    return found or ""


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def load(path: Path) -> Json:
    """Read a YAML file."""
    return dict(yaml.safe_load(path.read_text(encoding="utf-8")))


def alert_rules() -> dict[str, Json]:
    """Return the alerting rules as they are shipped, by name."""
    groups = load(RULES / "alerts.yml")["groups"]
    return {rule["alert"]: rule for group in groups for rule in group["rules"]}


def labels_of(name: str, **more: str) -> dict[str, str]:
    """Return the labels with which Prometheus sends an alert."""
    return {"alertname": name, **alert_rules()[name]["labels"], **more}


def write(path: Path, content: Json) -> Path:
    """Write a YAML file."""
    path.write_text(yaml.safe_dump(content, allow_unicode=True), encoding="utf-8")
    return path


@contextmanager
def running(*command: str) -> Iterator[subprocess.Popen[bytes]]:
    """Run a program until the end."""
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        yield process
    finally:
        process.terminate()
        process.wait(20)


@contextmanager
def prometheus(
    folder: Path, target_port: int, alertmanager_port: int | None = None
) -> Iterator[str]:
    """Run Prometheus until the end; yield its address.

    With an Alertmanager it is the shipped configuration and the shipped rules, only faster.
    """
    binary, port = tool("prometheus", "prometheus"), free_port()
    config = load(GRAFANA / "prometheus" / "prometheus.yml")
    config["global"] = dict.fromkeys(
        ("scrape_interval", "scrape_timeout", "evaluation_interval"), "1s"
    )
    (job,) = config["scrape_configs"]
    del job["dns_sd_configs"]
    job["static_configs"] = [{"targets": [f"127.0.0.1:{target_port}"]}]
    config["rule_files"] = hasty_rules(folder) if alertmanager_port else []
    (manager,) = config["alerting"]["alertmanagers"]
    manager["static_configs"][0]["targets"] = (
        [f"127.0.0.1:{alertmanager_port}"] if alertmanager_port else []
    )
    with running(
        binary,
        f"--config.file={write(folder / 'prometheus.yml', config)}",
        f"--storage.tsdb.path={folder / 'tsdb'}",
        f"--web.listen-address=127.0.0.1:{port}",
        "--rules.alert.resend-delay=1s",
    ):
        yield f"http://127.0.0.1:{port}"


def hasty_alertmanager_config(
    folder: Path, receiver: str, hours: tuple[str, str] = ALL_DAY
) -> Path:
    """Write the shipped configuration with addresses, waiting and office hours of the test."""
    text = ALERTMANAGER_CONFIG.read_text(encoding="utf-8")
    begin, end = hours
    for shipped, of_the_test in {
        "http://alert-gateway:8080": receiver,
        "mail.example.org:587": "127.0.0.1:1",
        "/run/secrets": str(folder),
        '"09:00"': f'"{begin}"',
        '"18:00"': f'"{end}"',
    }.items():
        assert shipped in text, f"{shipped} is no longer in {ALERTMANAGER_CONFIG.name}"
        text = text.replace(shipped, of_the_test)
    config = dict(yaml.safe_load(text))
    _hasten(config["route"])
    (folder / "alert_gateway_token").write_text(TOKEN, encoding="utf-8")
    (folder / "smtp_password").write_text("made-up", encoding="utf-8")
    return write(folder / "alertmanager.yml", config)


def _hasten(route: Json) -> None:
    route |= {"group_wait": "1s", "group_interval": "1s"}
    for child in route.get("routes", []):
        _hasten(child)


@dataclass
class Alertmanager:
    """An Alertmanager that can be killed and started again, on the same port and storage."""

    folder: Path
    config: Path
    port: int = field(default_factory=free_port)

    @property
    def url(self) -> str:
        """Its address."""
        return f"http://127.0.0.1:{self.port}"

    @contextmanager
    def running(self) -> Iterator[subprocess.Popen[bytes]]:
        """Run it until the end, alone: without the gossip of a cluster."""
        with running(
            tool("prometheus-alertmanager", "prometheus-alertmanager"),
            f"--config.file={self.config}",
            f"--storage.path={self.folder / 'alertmanager-data'}",
            f"--web.listen-address=127.0.0.1:{self.port}",
            "--cluster.listen-address=",
        ) as process:
            yield process


async def eventually(
    ask: Callable[[], Awaitable[Found | None]], what: str, seconds: float = 30
) -> Found:
    """Ask until there is an answer; a server that has not started yet gives none."""
    for _ in range(int(seconds / 0.2)):
        try:
            if found := await ask():
                return found
        except aiohttp.ClientConnectionError:
            pass
        await asyncio.sleep(0.2)
    raise AssertionError(f"it never came: {what}")


async def query(session: aiohttp.ClientSession, url: str, expression: str) -> list[Any]:
    """Ask Prometheus until there is an answer; it needs a moment to start and to scrape."""

    async def ask() -> list[Any] | None:
        async with session.get(f"{url}/api/v1/query", params={"query": expression}) as response:
            return (await response.json())["data"]["result"] if response.status == 200 else None

    return await eventually(ask, expression)


def check_with_promtool(promtool: str, text: str) -> subprocess.CompletedProcess[str]:
    """Run `promtool check metrics` on an exposition."""
    return subprocess.run(
        [promtool, "check", "metrics"], input=text, capture_output=True, text=True, check=False
    )


def exported(exposition: str) -> dict[str, set[str]]:
    """Return every series name that a scrape can hold, with the labels that were seen on it."""
    found: dict[str, set[str]] = {}
    for family in text_string_to_metric_families(exposition):
        for suffix in SUFFIXES.get(family.type, ("",)):
            found[family.name + suffix] = set()
        for sample in family.samples:
            found.setdefault(sample.name, set()).update(sample.labels)
    return found
