"""The real command in a process of its own, and a folder for it."""

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

from conftest import ADMIN_KEY

START_SECONDS = 60


@dataclass
class Running:
    """A service in a process of its own."""

    process: subprocess.Popen[str]
    url: str


MODULE = ("-m", "rebate_monitor")


def command(*arguments: str, program: Sequence[str] = MODULE) -> list[str]:
    return [sys.executable, *program, *arguments]


def environment(folder: Path, **more: str) -> dict[str, str]:
    clean = {name: value for name, value in os.environ.items() if not name.startswith("REBATE_")}
    told = {"REBATE_DATA_DIR": str(folder / "data"), "REBATE_ADMIN_KEY": ADMIN_KEY}
    return {**clean, **told, "REBATE_PORT": "0", **more}


def call(folder: Path, *arguments: str, **more: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command(*arguments),
        env=environment(folder, **more),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


@contextmanager
def serving(
    folder: Path, *arguments: str, program: Sequence[str] = MODULE, **more: str
) -> Iterator[Running]:
    """Start `serve` (or another command) and wait until it says its address."""
    process = subprocess.Popen(
        command(*(arguments or ("serve",)), program=program),
        env=environment(folder, **more),
        stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        text=True,
    )
    try:
        yield Running(process, _address(process))
    finally:
        if process.poll() is None:
            process.kill()
        process.wait(30)
        assert process.stderr is not None
        process.stderr.close()


def _address(process: subprocess.Popen[str]) -> str:
    assert process.stderr is not None
    deadline = time.monotonic() + START_SECONDS
    said = ""
    while time.monotonic() < deadline:
        line = process.stderr.readline()
        said += line
        if found := re.search(r"http://127\.0\.0\.1:\d+", line):
            return found[0]
        if not line and process.poll() is not None:
            break
    raise AssertionError(f"the service did not start: {said}")


def end_processes_of(folder: Path) -> None:
    """Leave no process behind whose command names the folder: a PostgreSQL of it, say."""
    for process in psutil.process_iter(["cmdline"]):
        if process.info["cmdline"] and str(folder) in " ".join(process.info["cmdline"]):
            process.send_signal(signal.SIGQUIT)
            with suppress(psutil.Error):
                process.wait(10)
