"""What every command does first: read the settings, find the database, and say errors plainly."""

import asyncio
import os
from collections.abc import AsyncIterator, Coroutine, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

import click
from uvloop import new_event_loop

from rebate_monitor.alerting.configuration import ConfigurationError
from rebate_monitor.embedded_postgres import EmbeddedPostgres, EmbeddedPostgresError
from rebate_monitor.places import PlacesError
from rebate_monitor.policy_file import PolicyFileError
from rebate_monitor.proxy import ProxyError
from rebate_monitor.retention import RetentionError
from rebate_monitor.settings import Settings, SettingsError, read_settings
from rebate_monitor.storage.database import Connection, Database, DatabaseAwayError, open_database
from rebate_monitor.storage.migrations import MigrationError, missing_migrations
from rebate_monitor.storage.upgrade import upgrade
from rebate_monitor.tls import CertificateError

T = TypeVar("T")

PLAIN_ERRORS = (
    SettingsError,
    PolicyFileError,
    PlacesError,
    ConfigurationError,
    ProxyError,
    CertificateError,
    EmbeddedPostgresError,
    MigrationError,
    RetentionError,
)


@contextmanager
def plain_errors() -> Iterator[None]:
    """Turn what a user can mend into one line and exit code 1."""
    try:
        yield
    except PLAIN_ERRORS as error:
        raise click.ClickException(str(error)) from error
    except DatabaseAwayError as error:
        raise click.ClickException(
            f"the database cannot be used ({error}); is it running, and is REBATE_DATABASE_URL "
            "right? `rebate-monitor doctor` tells more"
        ) from error


def told_settings(**overrides: object) -> Settings:
    """Read the settings from the environment with command-line options above them."""
    with plain_errors():
        return read_settings(os.environ, **overrides)


def run(work: Coroutine[Any, Any, T]) -> T:
    """Run a command's work on an event loop, uvloop's where there is one."""
    with plain_errors(), asyncio.Runner(loop_factory=new_event_loop) as runner:
        return runner.run(work)


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """Where the database is: told by a DSN, or embedded under the data folder."""

    dsn: str
    embedded: EmbeddedPostgres | None = None


@contextmanager
def database_server(settings: Settings) -> Iterator[Server]:
    """Find the database, starting or adopting the embedded one when none is told."""
    if settings.database_url:
        yield Server(dsn=settings.database_url)
        return
    if not (settings.data_dir / "pgdata").exists():
        click.echo(f"making a new database in {settings.data_dir.resolve()}", err=True)
    embedded = EmbeddedPostgres(settings.data_dir)
    with plain_errors():
        dsn = embedded.start()
    try:
        yield Server(dsn=dsn, embedded=embedded)
    finally:
        embedded.stop()


@asynccontextmanager
async def ready_database(settings: Settings, server: Server) -> AsyncIterator[Database]:
    """Open the database; an embedded one is brought up to date, another must be."""
    connections = settings.database_connections
    behind_pooler = settings.database_behind_pooler
    async with open_database(
        server.dsn, max_connections=connections, behind_pooler=behind_pooler
    ) as database:
        if server.embedded:
            await upgrade(database)
        else:
            await _require_migrated(database)
        yield database


@asynccontextmanager
async def ready_connection(settings: Settings, server: Server) -> AsyncIterator[Connection]:
    """Open the database for one piece of work."""
    async with ready_database(settings, server) as database, database.connection() as connection:
        yield connection


async def _require_migrated(database: Database) -> None:
    async with database.connection() as connection:
        missing = await missing_migrations(connection)
    if missing:
        raise MigrationError(
            f"the database is not up to date ({missing[0].name} is missing): "
            "run `rebate-monitor migrate` first"
        )
