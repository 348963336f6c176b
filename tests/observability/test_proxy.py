"""A real HAProxy with the shipped configuration before two real replicas on one database.

What differs from the shipped file are addresses: ports that are free here, and a name server of the
test, which answers as Docker's does, for Docker's.
"""

import asyncio
import io
import itertools
import json
import os
import ssl
import subprocess
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import RawTestServer

from cloud_events import BATCH, ONE, STREAM, accepted, ndjson
from compose_stack import ROOT
from conftest import ADMIN_KEY
from docker_dns import name_server
from observability_servers import eventually, free_port, tool
from rebate_monitor.api.problems import PROBLEM_JSON, RETRY_AFTER_SECONDS
from service_process import command, environment

CONFIG = ROOT / "deploy" / "haproxy.cfg"
KEY = {"Authorization": f"Bearer {ADMIN_KEY}"}
FIRST, SECOND = "127.0.0.1", "127.0.0.2"
NAME = "rebate-monitor"
TIME = "2024-11-20T09:00:00"


@contextmanager
def process(log: Path, *arguments: str, **told: str) -> Iterator[subprocess.Popen[bytes]]:
    """Run a program until the end, with what it says in a file."""
    with log.open("wb") as said:
        started = subprocess.Popen(arguments, env={**os.environ, **told}, stdout=said, stderr=said)
        try:
            yield started
        finally:
            started.kill()
            started.wait(20)


@dataclass
class Stack:
    """The proxy, and replicas that Docker's names would know."""

    folder: Path
    dsn: str
    open: ExitStack
    session: aiohttp.ClientSession
    names: dict[str, list[str]] = field(default_factory=lambda: {NAME: [], "grafana": [FIRST]})
    replicas: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)
    replica_port: int = field(default_factory=free_port)
    api_port: int = field(default_factory=free_port)
    dashboards_port: int = field(default_factory=free_port)
    grafana_port: int = field(default_factory=free_port)
    health_port: int = field(default_factory=free_port)
    scheme: str = "http"

    @property
    def url(self) -> str:
        """The address of the API."""
        return f"{self.scheme}://127.0.0.1:{self.api_port}"

    async def start_replica(self, address: str) -> None:
        """Start a replica, and let it be known once it is ready."""
        told = environment(
            self.folder,
            REBATE_DATABASE_URL=self.dsn,
            REBATE_HOST=address,
            REBATE_PORT=str(self.replica_port),
        )
        log = self.folder / f"{address}.log"
        self.replicas[address] = self.open.enter_context(process(log, *command("serve"), **told))
        await self.answers(f"http://{address}:{self.replica_port}/readyz", 200)
        self.names[NAME].append(address)

    async def answers(self, url: str, status: int) -> None:
        """Wait until an address answers with a status."""

        async def ask() -> bool:
            async with self.session.get(url) as response:
                return response.status == status

        await eventually(ask, f"{status} of {url}")

    def write_config(self, dns_port: int) -> Path:
        """Write the shipped configuration with the addresses of the test."""
        text = CONFIG.read_text("utf-8")
        for shipped, of_the_test in {
            "bind :8080": f"bind 127.0.0.1:{self.api_port}",
            "bind :3000": f"bind 127.0.0.1:{self.dashboards_port}",
            "127.0.0.1:8404": f"127.0.0.1:{self.health_port}",
            f"{NAME}:8080": f"{NAME}:{self.replica_port}",
            "grafana:3000": f"grafana:{self.grafana_port}",
            "127.0.0.11:53": f"127.0.0.1:{dns_port}",
        }.items():
            assert shipped in text, f"{shipped} is no longer in {CONFIG.name}"
            text = text.replace(shipped, of_the_test)
        written = self.folder / CONFIG.name
        written.write_text(text, "utf-8")
        return written

    def start_proxy(self, dns_port: int, **told: str) -> None:
        """Start HAProxy."""
        haproxy = (tool("haproxy", "haproxy"), "-db", "-f", str(self.write_config(dns_port)))
        self.open.enter_context(process(self.folder / "haproxy.log", *haproxy, **told))

    async def post(self, number: int) -> int:
        """Post an event of a case of its own; return the status."""
        told = accepted(TIME, subject=f"case-{number}", id=f"e-{number}")
        async with self.session.post(f"{self.url}/v1/events", json=told, headers=ONE) as response:
            return response.status

    async def posts_of(self, address: str) -> int:
        """Return how many posts of events a replica has answered, asking it directly."""
        async with self.session.get(f"http://{address}:{self.replica_port}/metrics") as response:
            lines = (await response.text()).splitlines()
        counted = 'http_request_duration_seconds_count{code="201",method="POST",route="/v1/events"}'
        return sum(int(float(line.split()[-1])) for line in lines if line.startswith(counted))


@asynccontextmanager
async def running_stack(
    folder: Path, dsn: str, *addresses: str, certificate: Path | None = None
) -> AsyncIterator[Stack]:
    """Run the proxy before replicas, until the end; yield it when it finds one of them ready."""
    told = {"PROXY_CERTIFICATE": str(certificate)} if certificate else {}
    trusted = ssl.create_default_context(cafile=certificate) if certificate else True
    connector = aiohttp.TCPConnector(ssl=trusted)
    async with aiohttp.ClientSession(headers=KEY, connector=connector) as session:
        with ExitStack() as open_:
            stack = Stack(folder, dsn, open_, session, scheme="https" if certificate else "http")
            async with name_server(stack.names) as dns_port:
                for address in addresses:
                    await stack.start_replica(address)
                stack.start_proxy(dns_port, **told)
                await stack.answers(f"{stack.url}/healthz", 200)
                yield stack


def test_the_shipped_file_is_accepted(tmp_path: Path) -> None:
    """HAProxy finds nothing to say about it, with a certificate or without."""
    certificate = make_certificate(tmp_path)
    check = [tool("haproxy", "haproxy"), "-c", "-f", str(CONFIG)]
    for told in ({}, {"PROXY_CERTIFICATE": str(certificate)}):
        done = subprocess.run(
            check, env={**os.environ, **told}, capture_output=True, text=True, check=False
        )

        assert (0, "") == (done.returncode, done.stderr)


async def test_both_replicas_take_posts_and_what_they_are_sent_is_whole(
    dsn: str, tmp_path: Path
) -> None:
    """Events, a batch of 2 MB and a stream arrive; no log line of the proxy names a case."""
    large = [accepted(TIME, subject=f"l-{n}", id=f"l-{n}") for n in range(4000)]
    streamed = [accepted(TIME, subject=f"s-{n}", id=f"s-{n}") for n in range(2500)]
    async with running_stack(tmp_path, dsn, FIRST, SECOND) as stack:
        statuses = [await stack.post(number) for number in range(20)]
        counts = [await stack.posts_of(address) for address in (FIRST, SECOND)]
        events, batch = f"{stack.url}/v1/events", json.dumps(large, indent=20).encode()
        async with stack.session.post(events, data=io.BytesIO(batch), headers=BATCH) as response:
            taken = await response.json()
        async with stack.session.post(events, data=ndjson(streamed), headers=STREAM) as response:
            streams = await response.json()
        async with stack.session.get(f"{stack.url}/v1/cases/case-7") as response:
            case = await response.json()
    log = (tmp_path / "haproxy.log").read_text("utf-8")

    assert {201} == set(statuses)
    assert 20 == sum(counts)
    assert min(counts) > 0
    assert len(batch) > 2_000_000
    assert (4000, 2500) == (taken["accepted"], streams["accepted"])
    assert "case-7" == case["case_id"]
    assert " api replicas/replica" in log
    assert "case-7" not in log


METRICS = ["/metrics", "/metrics?name[]=x", "/%6Detrics", "/metrics#x", "http://a/metrics"]


async def test_figures_are_not_shown_to_who_comes_through_the_proxy(
    dsn: str, tmp_path: Path
) -> None:
    """However its address is written, /metrics is refused, while a replica shows it directly."""
    async with running_stack(tmp_path, dsn, FIRST) as stack:
        doors = (stack.api_port, stack.dashboards_port)
        refused = [await raw_status(port, target) for port in doors for target in METRICS]
        shown = await raw_status(stack.replica_port, "/metrics")

    assert {404, 400} >= set(refused)
    assert 404 == refused[0]
    assert 200 == shown


async def raw_status(port: int, target: str) -> int:
    """Ask for exactly this target, which a client would put right."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(f"GET {target} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n".encode())
    status = (await reader.readline()).split()[1]
    writer.close()
    return int(status)


async def test_replicas_come_and_go_and_no_post_is_lost(dsn: str, tmp_path: Path) -> None:
    """A second replica is found by its name; when the first stops under load, it takes over."""
    numbers = itertools.count()
    async with running_stack(tmp_path, dsn, FIRST) as stack:
        await stack.start_replica(SECOND)

        async def second_is_used() -> bool:
            await stack.post(next(numbers))
            return await stack.posts_of(SECOND) > 0

        async def flood() -> list[int]:
            return [await stack.post(next(numbers)) for _ in range(200)]

        await eventually(second_is_used, "posts that the second replica has answered")
        floods = [asyncio.create_task(flood()) for _ in range(4)]
        await eventually(second_is_used, "a flood that has begun")
        stack.replicas[FIRST].terminate()
        statuses = [status for part in await asyncio.gather(*floods) for status in part]
        code = await asyncio.to_thread(stack.replicas[FIRST].wait, 20)

    assert {201} == set(statuses)
    assert 0 == code


async def test_without_a_replica_the_proxy_says_so_as_the_service_does(
    dsn: str, tmp_path: Path
) -> None:
    """A killed replica is replaced by the other; when both are gone, the problem says retry."""
    async with running_stack(tmp_path, dsn, FIRST, SECOND) as stack:
        health = f"http://127.0.0.1:{stack.health_port}/healthz"
        await stack.answers(health, 200)
        stack.replicas[FIRST].kill()
        statuses = [await stack.post(number) for number in range(20)]
        stack.replicas[SECOND].kill()
        await stack.answers(health, 503)
        async with stack.session.get(f"{stack.url}/v1/cases") as response:
            told = await response.json()

    assert {201} == set(statuses)
    assert (503, RETRY_AFTER_SECONDS) == (response.status, response.headers["Retry-After"])
    assert PROBLEM_JSON == response.content_type
    assert ("urn:rebate-monitor:problem:unavailable", 503) == (told["type"], told["status"])


async def test_grafana_is_told_who_asks(dsn: str, tmp_path: Path) -> None:
    """The second door leads to Grafana, with the address of the client in place of its claims."""
    asked: list[web.BaseRequest] = []

    async def take(request: web.BaseRequest) -> web.Response:
        asked.append(request)
        return web.Response()

    async with (
        running_stack(tmp_path, dsn, FIRST) as stack,
        RawTestServer(take, host=FIRST, port=stack.grafana_port),
    ):
        url = f"http://127.0.0.1:{stack.dashboards_port}/d/rebate-today"
        claims = {"X-Forwarded-For": "10.1.2.3", "X-Forwarded-Proto": "https"}
        async with stack.session.get(url, headers=claims) as response:
            status = response.status
    (request,) = asked

    assert (200, "/d/rebate-today") == (status, request.path)
    assert ["127.0.0.1"] == request.headers.getall("X-Forwarded-For")
    assert ["http"] == request.headers.getall("X-Forwarded-Proto")


def make_certificate(folder: Path) -> Path:
    """Make a certificate that signs itself, with its key in the same file."""
    made, key = folder / "proxy.pem", folder / "key.pem"
    request = ("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=test")
    named = ("-addext", "subjectAltName=IP:127.0.0.1", "-keyout", str(key), "-out", str(made))
    subprocess.run([tool("openssl", "openssl"), *request, *named], capture_output=True, check=True)
    made.write_text(made.read_text("utf-8") + key.read_text("utf-8"), "utf-8")
    return made


async def test_with_a_certificate_the_api_speaks_tls_only(dsn: str, tmp_path: Path) -> None:
    """The certificate of the override is used, and plain HTTP is not answered on the same port."""
    certificate = make_certificate(tmp_path)
    async with running_stack(tmp_path, dsn, FIRST, certificate=certificate) as stack:
        status = await stack.post(1)
        plain = f"http://127.0.0.1:{stack.api_port}/healthz"
        with pytest.raises(aiohttp.ClientError):
            await stack.session.get(plain)

    assert 201 == status
