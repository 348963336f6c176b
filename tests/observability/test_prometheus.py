"""A real Prometheus scrapes the real service and answers with its figures."""

import asyncio
import shutil
import socket
import subprocess
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp.test_utils import TestServer

from cloud_events import accepted, event
from conftest import ADMIN_KEY, need
from rebate_monitor.api.app import build_app
from rebate_monitor.api.service import Service

CONFIG = """
global: {{scrape_interval: 1s, scrape_timeout: 1s}}
scrape_configs:
  - job_name: rebate_monitor
    static_configs: [{{targets: ["127.0.0.1:{port}"]}}]
"""
BATCH = {
    "Authorization": f"Bearer {ADMIN_KEY}",
    "Content-Type": "application/cloudevents-batch+json",
}


@contextmanager
def prometheus(folder: Path, target_port: int) -> Iterator[str]:
    """Run Prometheus on a free port until the end; yield its address."""
    binary = shutil.which("prometheus")
    need(binary, "prometheus (Debian's package of that name)")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    config = folder / "prometheus.yml"
    config.write_text(CONFIG.format(port=target_port), encoding="utf-8")
    process = subprocess.Popen(
        [
            binary or "",
            f"--config.file={config}",
            f"--storage.tsdb.path={folder / 'tsdb'}",
            f"--web.listen-address=127.0.0.1:{port}",
        ],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(20)


async def query(session: aiohttp.ClientSession, url: str, expression: str) -> list[Any]:
    """Ask until there is an answer; Prometheus needs a moment to start and to scrape."""
    for _ in range(150):
        try:
            async with session.get(f"{url}/api/v1/query", params={"query": expression}) as response:
                if response.status == 200 and (found := (await response.json())["data"]["result"]):
                    return list(found)
        except aiohttp.ClientConnectionError:
            pass
        await asyncio.sleep(0.2)
    raise AssertionError(f"Prometheus never answered {expression}")


@pytest.fixture
async def server(service: Service) -> AsyncIterator[TestServer]:
    opened = TestServer(build_app(service))
    async with opened:
        yield opened


async def test_prometheus_scrapes_the_figures(server: TestServer, tmp_path: Path) -> None:
    """The target is up, the mean and its target are there, and the promise can be compared."""
    events = [
        accepted("2026-11-18T09:00:00", subject="a"),
        event("voucher_issued", "2026-11-20T09:00:00", subject="a"),
        accepted("2026-11-16T09:00:00", subject="b", category="III"),
        event("voucher_issued", "2026-11-20T09:00:00", subject="b"),
    ]
    async with aiohttp.ClientSession() as session:
        await session.post(server.make_url("/v1/events"), json=events, headers=BATCH)
        with prometheus(tmp_path, server.port or 0) as url:
            up = await query(session, url, 'up{job="rebate_monitor"}')
            mean = await query(
                session, url, 'rebate_processing_workdays_mean{window="month", scope="all"}'
            )
            kept = await query(
                session,
                url,
                'max by (scope) (rebate_processing_workdays_mean{window="month"})'
                " <= on (scope) max by (scope) (rebate_processing_workdays_target)",
            )

    assert ["1", "3"] == [up[0]["value"][1], mean[0]["value"][1]]
    assert {"all", "category_1_2"} == {result["metric"]["scope"] for result in kept}
