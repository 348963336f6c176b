"""A real Prometheus scrapes the real service and answers with its figures."""

from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest
from aiohttp.test_utils import TestServer

from cloud_events import BATCH, accepted, event
from conftest import ADMIN_KEY
from observability_servers import prometheus, query
from rebate_monitor.api.service import Service
from rebate_monitor.server import application

HEADERS = {"Authorization": f"Bearer {ADMIN_KEY}", **BATCH}


@pytest.fixture
async def server(service: Service) -> AsyncIterator[TestServer]:
    opened = TestServer(application(service))
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
        await session.post(server.make_url("/v1/events"), json=events, headers=HEADERS)
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
