"""Real `rebate-monitor serve` processes on one database, stopped, killed and started again."""

import asyncio
import os
import signal
import socket
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp
import psutil

READY_SECONDS, END_SECONDS, ASK_SECONDS = 60.0, 20.0, 0.05
MEGABYTE = 1_000_000


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@dataclass(slots=True, kw_only=True)
class Life:
    """One process of a replica: how it ended and its resident memory in MB, seen each second."""

    replica: int
    began: float
    ended: float | None = None
    how: str = "to the end"
    code: int | None = None
    memory: list[float] = field(default_factory=list)


@dataclass(slots=True, kw_only=True)
class Replica:
    """One of the replicas: always the same address, one process after another."""

    number: int
    command: tuple[str, ...]
    environment: Mapping[str, str]
    log: Path
    port: int = field(default_factory=free_port)
    lives: list[Life] = field(default_factory=list)
    _process: asyncio.subprocess.Process | None = None

    @property
    def url(self) -> str:
        """Its address."""
        return f"http://127.0.0.1:{self.port}"

    async def start(self) -> None:
        """Start a process and wait until it answers that it is ready."""
        with self.log.open("ab") as said:
            self._process = await asyncio.create_subprocess_exec(
                sys.executable,
                *self.command,
                env={**os.environ, **self.environment, "REBATE_PORT": str(self.port)},
                stdout=said,
                stderr=said,
            )
        self.lives.append(Life(replica=self.number, began=time.monotonic()))
        await self._until_ready(self._process)
        self.look()

    async def _until_ready(self, process: asyncio.subprocess.Process) -> None:
        deadline = time.monotonic() + READY_SECONDS
        async with aiohttp.ClientSession() as session:
            while time.monotonic() < deadline and process.returncode is None:
                if await _is_ready(session, f"{self.url}/readyz"):
                    return
                await asyncio.sleep(ASK_SECONDS)
        raise RuntimeError(f"a replica did not start: {self.log.read_text('utf-8')[-2000:]}")

    async def end(self, number: signal.Signals) -> None:
        """Send a signal and wait for the end."""
        if self._process is None:
            return
        self.look()
        process, self._process = self._process, None
        process.send_signal(number)
        try:
            code = await asyncio.wait_for(process.wait(), END_SECONDS)
        except TimeoutError:
            process.kill()
            code = await process.wait()
        life = self.lives[-1]
        life.ended, life.how, life.code = time.monotonic(), number.name, code

    def look(self) -> None:
        """Note how much memory the process holds now."""
        if self._process is not None and self._process.returncode is None:
            held = psutil.Process(self._process.pid).memory_info().rss / MEGABYTE
            self.lives[-1].memory.append(held)

    def troubles(self) -> list[str]:
        """Return what it has logged that it should not have: its level is that of errors."""
        said = self.log.read_text("utf-8", "replace") if self.log.exists() else ""
        return [line for line in said.splitlines() if not line.startswith("rebate_monitor: http")]


async def _is_ready(session: aiohttp.ClientSession, url: str) -> bool:
    try:
        async with session.get(url) as response:
            return response.status == 200
    except aiohttp.ClientConnectionError:
        return False


async def watch(replicas: list[Replica], seconds: float = 1.0) -> None:
    """Look at the memory of all replicas again and again."""
    while True:
        for replica in replicas:
            replica.look()
        await asyncio.sleep(seconds)
