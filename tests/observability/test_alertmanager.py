"""From a late case to a message: the real service, Prometheus, Alertmanager and a receiver.

The shipped rules and configurations are used. What differs, since nobody waits for hours in a test:
`for` and `keep_firing_for`, all intervals, the addresses, and office hours where a test says so.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from yarl import URL

from cloud_events import BATCH, Json, accepted, event
from conftest import ADMIN_KEY
from observability_servers import (
    TOKEN,
    Alertmanager,
    eventually,
    hasty_alertmanager_config,
    labels_of,
    prometheus,
    query,
)
from rebate_monitor.api.service import Service
from rebate_monitor.domain.local_time import SHANGHAI
from rebate_monitor.server import application

HEADERS = {"Authorization": f"Bearer {ADMIN_KEY}", **BATCH}
CHANGSHA, ZHUZHOU = "430100", "430200"


class Receiver:
    """What an alert gateway was sent: (path, token, message)."""

    def __init__(self) -> None:
        self.messages: list[tuple[str, str, Json]] = []

    async def take(self, request: web.Request) -> web.Response:
        """Keep one message."""
        token = request.headers.get("Authorization", "")
        self.messages.append((request.path, token, await request.json()))
        return web.Response()

    async def next(self, alertname: str, status: str) -> tuple[str, str, Json]:
        """Wait for a message about an alert in a state."""

        async def ask() -> tuple[str, str, Json] | None:
            return next(
                (
                    told
                    for told in self.messages
                    if told[2]["status"] == status
                    and told[2]["commonLabels"]["alertname"] == alertname
                ),
                None,
            )

        return await eventually(ask, f"{alertname} {status}")

    def told(self) -> set[str]:
        """Return the names of all alerts that were told."""
        return {message["commonLabels"]["alertname"] for _, _, message in self.messages}


@asynccontextmanager
async def gateway() -> AsyncIterator[tuple[Receiver, str]]:
    receiver, app = Receiver(), web.Application()
    app.router.add_post("/{tail:.*}", receiver.take)
    async with TestServer(app) as server:
        yield receiver, str(server.make_url("")).rstrip("/")


async def post(session: aiohttp.ClientSession, service_url: URL, *events: Json) -> None:
    async with session.post(
        service_url / "v1/events", json=list(events), headers=HEADERS
    ) as response:
        assert response.status == 200, await response.text()


async def test_a_late_case_is_told_also_after_a_crash_of_alertmanager_and_until_it_ends(
    service: Service, tmp_path: Path
) -> None:
    """An overdue case reaches the receiver; after SIGKILL it does again; its end is told, too."""
    async with (
        gateway() as (receiver, address),
        TestServer(application(service)) as server,
        aiohttp.ClientSession() as session,
    ):
        manager = Alertmanager(tmp_path, hasty_alertmanager_config(tmp_path, address))
        await post(session, server.make_url("/"), accepted("2026-11-02T09:00:00", subject="late"))
        with prometheus(tmp_path, server.port or 0, manager.port) as url:
            with manager.running() as process:
                path, token, first = await receiver.next("RebateBreachesPresent", "firing")
                process.kill()
            receiver.messages.clear()
            await query(session, url, 'ALERTS{alertname="RebateBreachesPresent"}')
            with manager.running():
                _, _, again = await receiver.next("RebateBreachesPresent", "firing")
                listed = await active_alerts(session, manager)
                stop = event("voucher_issued", "2026-11-23T09:30:00", subject="late")
                await post(session, server.make_url("/"), stop)
                _, _, resolved = await receiver.next("RebateBreachesPresent", "resolved")

    (alert,) = first["alerts"]
    assert ("/bureau", f"Bearer {TOKEN}") == (path, token)
    assert (
        labels_of("RebateBreachesPresent", city=CHANGSHA, name_zh="长沙市", name_en="Changsha")
        == (alert["labels"])
    )
    assert "Open cases are past their limit." == alert["annotations"]["summary"]
    assert "1 open cases of Changsha are past their limit." == alert["annotations"]["description"]
    assert "长沙市有 1 笔在办退税申报超过办理时限。" == alert["annotations"]["description_zh"]
    assert alert["labels"] == again["alerts"][0]["labels"]
    assert ("RebateBreachesPresent", CHANGSHA) in listed
    assert [alert["labels"]] == [told["labels"] for told in resolved["alerts"]]


async def active_alerts(
    session: aiohttp.ClientSession, manager: Alertmanager
) -> set[tuple[str, str]]:
    """Return (name, city) of the alerts that nothing holds back."""
    parameters = {"active": "true", "inhibited": "false", "silenced": "false"}
    async with session.get(f"{manager.url}/api/v2/alerts", params=parameters) as response:
        return {
            (alert["labels"]["alertname"], alert["labels"].get("city", ""))
            for alert in await response.json()
        }


async def raise_alerts(
    session: aiohttp.ClientSession, manager: Alertmanager, alerts: list[dict[str, str]]
) -> None:
    """Send alerts as Prometheus would."""
    body = [{"labels": labels, "startsAt": datetime.now(UTC).isoformat()} for labels in alerts]

    async def send() -> bool:
        async with session.post(f"{manager.url}/api/v2/alerts", json=body) as response:
            return response.status == 200

    await eventually(send, "Alertmanager takes alerts")


def names(*alerts: str) -> list[dict[str, str]]:
    return [labels_of(name) for name in alerts]


INHIBITIONS: dict[str, tuple[list[dict[str, str]], set[tuple[str, str]]]] = {
    "service down": (
        [
            *names("RebateServiceDown", "RebateReplicaDown", "RebateIngestSilent"),
            *names("RebateSweepStalled", "RebateMeanOverTarget", "RebateOutboxStuck"),
            labels_of("RebateBreachesUnacknowledged", city=CHANGSHA),
        ],
        {("RebateServiceDown", "")},
    ),
    "database away": (
        [
            *names("RebateFiguresMissing", "RebateErrorRatioHigh", "RebateSweepStalled"),
            labels_of("RebateBreachesPresent", city=CHANGSHA),
        ],
        {("RebateFiguresMissing", "")},
    ),
    "not what belongs to others": (
        [*names("RebateServiceDown", "RebateReplicaDown"), {"alertname": "DiskFull"}],
        {("RebateServiceDown", ""), ("DiskFull", "")},
    ),
    "a critical sweep leaves other components alone": (
        [
            *names("RebateSweepStalled", "RebateIngestSilent"),
            labels_of("RebateIngestSilent", alertname="RebateSweepSlow", component="sweep"),
        ],
        {("RebateSweepStalled", ""), ("RebateIngestSilent", "")},
    ),
    "unacknowledged speaks for present, in the same city": (
        [
            labels_of("RebateBreachesUnacknowledged", city=CHANGSHA),
            labels_of("RebateBreachesPresent", city=CHANGSHA),
            labels_of("RebateBreachesPresent", city=ZHUZHOU),
        ],
        {("RebateBreachesUnacknowledged", CHANGSHA), ("RebateBreachesPresent", ZHUZHOU)},
    ),
    "the cases that lack a notice speak for the year": (
        names("RebateOpenCasesBeyondCalendar", "RebateCalendarNextYearMissing"),
        {("RebateOpenCasesBeyondCalendar", "")},
    ),
    "rejections speak for the quarantine": (
        names("RebateEventsRejected", "RebateQuarantineGrowing"),
        {("RebateEventsRejected", "")},
    ),
    "a rest day": (
        [
            *names("RebateRestDay", "RebateMeanOverTarget", "RebateIngestSilent"),
            *names("RebateOutboxStuck", "RebateChannelFailing", "RebateSweepStalled"),
            labels_of("RebateBreachesUnacknowledged", city=CHANGSHA),
        ],
        {("RebateRestDay", ""), ("RebateChannelFailing", ""), ("RebateSweepStalled", "")},
    ),
}


@pytest.mark.parametrize("case", INHIBITIONS)
async def test_what_holds_back_what(case: str, tmp_path: Path) -> None:
    """An alert that explains others is the only one that is told."""
    alerts, expected = INHIBITIONS[case]
    config = hasty_alertmanager_config(tmp_path, "http://127.0.0.1:1")
    manager = Alertmanager(tmp_path, config)
    with manager.running():
        async with aiohttp.ClientSession() as session:
            await raise_alerts(session, manager, alerts)

            async def settled() -> set[tuple[str, str]] | None:
                found = await active_alerts(session, manager)
                return found if found == expected else None

            found = await eventually(settled, case, seconds=10)

    assert expected == found


def closed_hours(now: datetime) -> tuple[str, str]:
    """Return office hours in Shanghai that are hours away from now."""
    return ("20:00", "21:00") if now.astimezone(SHANGHAI).hour < 12 else ("04:00", "05:00")


@pytest.mark.parametrize(
    ("alert", "path"),
    [
        ("RebateSweepStalled", "/on-call"),
        ("RebateServiceDown", "/on-call"),
        ("RebateChannelFailing", "/operations"),
    ],
)
async def test_outside_office_hours_the_urgent_is_told_and_the_rest_waits(
    alert: str, path: str, tmp_path: Path
) -> None:
    """Critical alerts and warnings of the machinery come at night; figures and infos do not."""
    waiting = names("RebateMeanOverTarget", "RebatePolicyLapsed", "RebateQuarantineGrowing")
    async with gateway() as (receiver, address), aiohttp.ClientSession() as session:
        hours = closed_hours(datetime.now(UTC) + timedelta(minutes=1))
        manager = Alertmanager(tmp_path, hasty_alertmanager_config(tmp_path, address, hours))
        with manager.running():
            await raise_alerts(session, manager, waiting)
            await asyncio.sleep(3)  # three times what a group waits
            await raise_alerts(session, manager, names(alert))
            told: tuple[str, str, Any] = await receiver.next(alert, "firing")

    assert path == told[0]
    assert {alert} == receiver.told()


async def test_in_office_hours_the_rest_is_told(tmp_path: Path) -> None:
    """What waits at night is told by day, each to its own team, and a rest day never is."""
    async with gateway() as (receiver, address), aiohttp.ClientSession() as session:
        manager = Alertmanager(tmp_path, hasty_alertmanager_config(tmp_path, address))
        with manager.running():
            await raise_alerts(
                session, manager, names("RebateMeanOverTarget", "RebateQuarantineGrowing")
            )
            bureau, _, _ = await receiver.next("RebateMeanOverTarget", "firing")
            operations, _, _ = await receiver.next("RebateQuarantineGrowing", "firing")
            await raise_alerts(session, manager, names("RebateRestDay"))
            await asyncio.sleep(3)  # three times what a group waits

    assert ("/bureau", "/operations") == (bureau, operations)
    assert {"RebateMeanOverTarget", "RebateQuarantineGrowing"} == receiver.told()
