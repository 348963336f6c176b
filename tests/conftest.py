"""Real parts for every test: a PostgreSQL of its own database, the service, a client."""

import asyncio
import os
import shutil
import signal
import uuid
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from urllib.parse import urlsplit

import asyncpg
import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from rebate_monitor.api.service import Service
from rebate_monitor.domain.local_time import SHANGHAI
from rebate_monitor.embedded_postgres import EmbeddedPostgres
from rebate_monitor.server import application, compose
from rebate_monitor.settings import Settings
from rebate_monitor.storage.database import Database, open_database
from rebate_monitor.storage.upgrade import upgrade
from server_folder import new_folder

SHARED = Path(__file__).parent.parent.parent / "shared"
DEBIAN_15 = Path("/usr/lib/postgresql/15/bin")
ADMIN_KEY = "an-admin-key-made-up-for-tests"
TEMPLATE = "rebate_template"
IS_CI = os.environ.get("CI") == "true"

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # A shell starts what runs in the background deaf to Ctrl-C, and so would be what tests start.
    signal.signal(signal.SIGINT, signal.default_int_handler)


def need(there: object, what: str) -> None:
    """Skip with a plain reason on a user's machine; in CI nothing may be missing."""
    if not there and IS_CI:
        pytest.fail(f"{what} is missing, which .ci/run should have installed")
    if not there:
        pytest.skip(f"{what} is not on this machine")


@pytest.fixture(scope="session")
def shared() -> Path:
    """Return the folder of the real data, which lies beside the project."""
    if not SHARED.is_dir():
        pytest.skip("../shared with the real event log is not on this machine")
    return SHARED


@pytest.fixture(scope="session")
def promtool() -> str:
    """Return Prometheus' own checker."""
    found = shutil.which("promtool")
    need(found, "promtool (Debian's package prometheus)")
    return found or ""


@dataclass
class Servers:
    """PostgreSQL servers by major version, each started when first asked for."""

    folder: Path
    running: dict[str, EmbeddedPostgres] = field(default_factory=dict)
    dsns: dict[str, str] = field(default_factory=dict)

    def dsn(self, version: str) -> str:
        """Return the DSN of a running server that has a migrated template database."""
        if version not in self.dsns:
            server = EmbeddedPostgres(self.folder / version, _binaries(version))
            self.running[version] = server
            self.dsns[version] = server.start()
            asyncio.run(_make_template(self.dsns[version]))
        return self.dsns[version]


def _binaries(version: str) -> Path | None:
    if version == "18":
        return None
    need(DEBIAN_15.is_dir(), "PostgreSQL 15 (Debian's package postgresql-15)")
    return DEBIAN_15


@pytest.fixture(scope="session")
def debian_15() -> Path:
    """Return the folder of Debian's PostgreSQL 15."""
    need(DEBIAN_15.is_dir(), "PostgreSQL 15 (Debian's package postgresql-15)")
    return DEBIAN_15


@pytest.fixture(scope="session")
def servers() -> Iterator[Servers]:
    """Start servers on demand and stop them at the end of the session."""
    made = Servers(new_folder())
    yield made
    for server in made.running.values():
        server.stop()
    shutil.rmtree(made.folder)


@pytest.fixture
def postgres_version(request: pytest.FixtureRequest) -> str:
    """Return which PostgreSQL a test runs on; parametrise it to run on several."""
    return getattr(request, "param", "18")


@pytest.fixture
async def dsn(servers: Servers, postgres_version: str) -> AsyncIterator[str]:
    """Return the DSN of a fresh migrated database, dropped at the end."""
    main = await asyncio.to_thread(servers.dsn, postgres_version)
    name = f"test_{uuid.uuid4().hex[:12]}"
    await execute(main, f'CREATE DATABASE "{name}" TEMPLATE {TEMPLATE}')
    yield with_database(main, name)
    await execute(main, f'DROP DATABASE "{name}" WITH (FORCE)')


@pytest.fixture
async def database(dsn: str) -> AsyncIterator[Database]:
    """Return an open database."""
    async with open_database(dsn) as opened:
        yield opened


@dataclass
class FixedClock:
    """A clock that stands still until a test moves it."""

    instant: datetime = datetime(2026, 11, 23, 10, 0, tzinfo=SHANGHAI)

    def __call__(self) -> datetime:
        """Return the instant."""
        return self.instant


@pytest.fixture
def clock() -> FixedClock:
    """Return the service's clock, Monday 2026-11-23 10:00 in Asia/Shanghai."""
    return FixedClock()


@pytest.fixture
def settings() -> Settings:
    """Return the settings of the service under test."""
    return Settings(admin_key=ADMIN_KEY)


@pytest.fixture
async def service(database: Database, settings: Settings, clock: FixedClock) -> Service:
    """Return the composed service on a real database, which has the rules of its configuration."""
    composed = compose(settings, database, clock)
    if settings.config:
        await composed.rules.bring(database, clock)
    return composed


Client = TestClient[web.Request, web.Application]  # the short name that tests annotate with


@pytest.fixture
async def client(service: Service) -> AsyncIterator[Client]:
    """Return an HTTP client of the real application, with a key for everything."""
    headers = {"Authorization": f"Bearer {ADMIN_KEY}"}
    async with TestClient(TestServer(application(service)), headers=headers) as opened:
        yield opened


@pytest.fixture
async def stranger(service: Service) -> AsyncIterator[Client]:
    """Return an HTTP client without a key."""
    async with TestClient(TestServer(application(service))) as opened:
        yield opened


def with_database(dsn: str, name: str) -> str:
    """Return a DSN for another database of the same server."""
    told = urlsplit(dsn)
    return f"{told.scheme}://{told.netloc}/{name}?{told.query}"


async def _make_template(dsn: str) -> None:
    """Make what every test begins with: migrated, and with the rules of the package in force."""
    await execute(dsn, f"CREATE DATABASE {TEMPLATE}")
    async with open_database(with_database(dsn, TEMPLATE)) as template:
        await upgrade(template)
        await compose(Settings(), template).rules.bring(template, FixedClock())


async def execute(dsn: str, statement: str) -> None:
    """Run statements over a connection of their own."""
    connection = await asyncpg.connect(dsn)
    try:
        await connection.execute(statement)
    finally:
        await connection.close()
