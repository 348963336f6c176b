"""`rebate-monitor serve`: run the service."""

import asyncio
import errno
from collections.abc import Callable, Iterable
from contextlib import ExitStack
from pathlib import Path

import click
import structlog

from rebate_monitor.cli import session
from rebate_monitor.embedded_postgres import EmbeddedPostgres, EmbeddedPostgresError, claim_service
from rebate_monitor.log import configure_logging
from rebate_monitor.server import Loop, compose, run, stop_on_signals
from rebate_monitor.settings import Settings
from rebate_monitor.storage.database import Database, DatabaseAwayError, open_database
from rebate_monitor.storage.upgrade import upgrade
from rebate_monitor.supervisor import every

WATCH_EVERY_SECONDS = 1.0

log = structlog.get_logger()


@click.command(short_help="Run the service.")
@click.option("--host", help="Address to listen on [REBATE_HOST, 127.0.0.1].")
@click.option("--port", type=click.IntRange(0, 65535), help="Port [REBATE_PORT, 8080].")
@click.option(
    "--data-dir", type=click.Path(path_type=Path), help="Folder of the embedded database."
)
def serve(host: str | None, port: int | None, data_dir: Path | None) -> None:
    """Run the service until SIGTERM; requests that have begun are still answered."""
    settings = session.told_settings(host=host, port=port, data_dir=data_dir)
    configure_logging(settings.log_format, settings.log_level)
    with ExitStack() as stack:
        stack.enter_context(session.plain_errors())
        if not settings.database_url:
            stack.enter_context(claim_service(settings.data_dir))
        server = stack.enter_context(session.database_server(settings))
        session.run(_serve(settings, server))


async def _serve(settings: Settings, server: session.Server) -> None:
    stop = stop_on_signals()
    connections = settings.database_connections
    behind_pooler = settings.database_behind_pooler
    async with open_database(
        server.dsn, max_connections=connections, behind_pooler=behind_pooler
    ) as database:
        if server.embedded:
            await upgrade(database)
        service = compose(settings, database)
        try:
            await run(
                service,
                stop,
                _say_address(settings),
                lambda _port: watching(server.embedded, database, stop),
            )
        except OSError as error:
            raise click.ClickException(_cannot_listen(settings, error)) from error
    log.info("service.stopped")


def _cannot_listen(settings: Settings, error: OSError) -> str:
    said = f"cannot listen on {settings.host}:{settings.port} ({error.strerror or error})"
    if error.errno == errno.EADDRINUSE:
        return f"{said}; is another service using it? choose another port with --port"
    return said


def _say_address(settings: Settings) -> Callable[[int], None]:
    scheme = "https" if settings.tls_certificate else "http"
    return lambda port: click.echo(f"rebate_monitor: {scheme}://{settings.host}:{port}/", err=True)


async def _start_again(embedded: EmbeddedPostgres) -> None:
    try:
        await asyncio.to_thread(embedded.start)
    except EmbeddedPostgresError as error:  # a full disk, say: tried again until it is mended
        log.exception("database.start_failed", cause=str(error))
    else:
        log.warning("database.restarted")


def watching(
    embedded: EmbeddedPostgres | None, database: Database, stop: asyncio.Event
) -> Iterable[Loop]:
    """Return the loop that starts an embedded PostgreSQL again after it was killed."""
    if embedded is None:
        return []

    async def watch() -> None:
        try:
            async with database.connection() as connection:
                await connection.execute("SELECT 1")
        except DatabaseAwayError:
            await _start_again(embedded)

    return [every(WATCH_EVERY_SECONDS, watch, "watch", stop)]
