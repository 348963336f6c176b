"""The service, a Prometheus that scrapes it, and its database: what the dashboards' queries ask."""

import os
import re
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from rebate_monitor.embedded_postgres import EmbeddedPostgres

__all__ = ["DEMO", "EMPTY", "SCRAPE_SECONDS", "Stack", "StackError", "hasty_rules", "running_stack"]

PROMETHEUS_FILES = Path(__file__).parent.parent / "prometheus"
DEMO = ("demo",)
EMPTY = ("serve",)

ADDRESS = re.compile(r"http://127\.0\.0\.1:\d+")
HISTORY_DONE = re.compile(r" (\d+)/\1 ")  # the end of the demo's progress bar
SCRAPE_SECONDS = 1.0
START_SECONDS = 120.0
POLL_SECONDS = 0.1
STOP_SECONDS = 30


class StackError(Exception):
    """A part did not start, or is not installed; the message has what it said."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stack:
    """Where the parts are reached."""

    service: str
    prometheus: str
    dsn: str


@contextmanager
def running_stack(folder: Path, command: tuple[str, ...] = DEMO) -> Iterator[Stack]:
    """Run the demo, or an empty service, with its Prometheus; the demo has posted its history."""
    with ExitStack() as stack:
        service = stack.enter_context(_service(folder, command))
        prometheus = stack.enter_context(_prometheus(folder, service))
        dsn = stack.enter_context(EmbeddedPostgres(folder / "data"))
        yield Stack(service=service, prometheus=prometheus, dsn=dsn)


@contextmanager
def _service(folder: Path, command: tuple[str, ...]) -> Iterator[str]:
    log = folder / "service.log"
    environment = {
        name: text for name, text in os.environ.items() if not name.startswith("REBATE_")
    }
    told = {"REBATE_DATA_DIR": str(folder / "data"), "REBATE_PORT": "0"}
    # The figures of two months are enough, and are all there once the bar is full.
    options = ("--months", "2", "--data-dir", str(folder / "data")) if command == DEMO else ()
    program = [sys.executable, "-m", "rebate_monitor", *command, *options]
    with _running(program, log, {**environment, **told, "REBATE_ANONYMOUS_READ": "1"}) as process:
        address = _said(log, ADDRESS, process)
        if command == DEMO:
            _said(log, HISTORY_DONE, process)
        yield address


@contextmanager
def _prometheus(folder: Path, service: str) -> Iterator[str]:
    program = shutil.which("prometheus")
    if program is None:
        raise StackError("prometheus is not installed (Debian's package prometheus)")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    config = _write(folder / "prometheus.yml", _config(folder, service))
    command = [
        program,
        f"--config.file={config}",
        f"--storage.tsdb.path={folder / 'tsdb'}",
        f"--web.listen-address=127.0.0.1:{port}",
    ]
    with _running(command, folder / "prometheus.log", dict(os.environ)) as process:
        _said(folder / "prometheus.log", re.compile("Server is ready"), process)
        yield f"http://127.0.0.1:{port}"


def _config(folder: Path, service: str) -> dict[str, Any]:
    """Return the shipped configuration: scraping each second, and nobody is told of alerts."""
    config = _read(PROMETHEUS_FILES / "prometheus.yml")
    config["global"] = dict.fromkeys(
        ("scrape_interval", "scrape_timeout", "evaluation_interval"), "1s"
    )
    (job,) = config["scrape_configs"]
    del job["dns_sd_configs"]
    job["static_configs"] = [{"targets": [service.removeprefix("http://")]}]
    config["rule_files"] = hasty_rules(folder)
    del config["alerting"]
    return config


def hasty_rules(folder: Path) -> list[str]:
    """Copy the shipped rules, with nothing changed but the waiting: for and keep_firing_for."""
    rules = sorted((PROMETHEUS_FILES / "rules").glob("*.yml"))
    return [str(_without_waiting(folder, path)) for path in rules]


def _without_waiting(folder: Path, source: Path) -> Path:
    content = _read(source)
    for group in content["groups"]:
        for rule in group["rules"]:
            if "alert" in rule:
                rule["for"] = "0s"
                rule.pop("keep_firing_for", None)
    return _write(folder / source.name, content)


def _read(path: Path) -> dict[str, Any]:
    return dict(yaml.safe_load(path.read_text(encoding="utf-8")))


def _write(path: Path, content: dict[str, Any]) -> Path:
    path.write_text(yaml.safe_dump(content, allow_unicode=True), encoding="utf-8")
    return path


@contextmanager
def _running(
    command: list[str], log: Path, environment: dict[str, str]
) -> Iterator[subprocess.Popen[bytes]]:
    with log.open("wb") as said:
        process = subprocess.Popen(command, stdout=said, stderr=said, env=environment)  # noqa: S603 - ours
    try:
        yield process
    finally:
        process.terminate()
        process.wait(STOP_SECONDS)


def _said(log: Path, pattern: re.Pattern[str], process: subprocess.Popen[bytes]) -> str:
    """Wait until a program has said something; raise StackError with what it said instead."""
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        if found := pattern.search(log.read_text(encoding="utf-8", errors="replace")):
            return found[0]
        time.sleep(POLL_SECONDS)
    raise StackError(f"{process.args!r} did not start: {log.read_text(encoding='utf-8')}")
