"""`rebate-monitor migrate` and `rebate-monitor recompute`."""

import asyncio

import click
from rich.console import Console
from rich.progress import MofNCompleteColumn, Progress

from rebate_monitor.cli import session
from rebate_monitor.ingest.recompute import recompute
from rebate_monitor.server import rulebook, utc_now
from rebate_monitor.settings import Settings
from rebate_monitor.storage.database import DatabaseAwayError, open_database
from rebate_monitor.storage.reader import READER, Reader
from rebate_monitor.storage.upgrade import Upgraded, upgrade

RETRY_SECONDS = 1.0


@click.command("migrate", short_help="Bring the database to this version.")
@click.option(
    "--wait", type=click.IntRange(0, 3600), default=0, help="Seconds to wait for the database."
)
def migrate_database(wait: int) -> None:
    """Bring the database to this version; run it once before `serve`, again after an upgrade."""
    settings = session.told_settings()
    with session.plain_errors(), session.database_server(settings) as server:
        done = session.run(_migrate(server.dsn, settings.reader_password, wait))
    for migration in done.applied:
        click.echo(f"applied {migration.name}")
    if done.views_made:
        click.echo("made the reporting views anew")
    click.echo(_said_of(done.reader))
    click.echo("the database is up to date")


def _said_of(reader: Reader) -> str:
    if not reader.reads:
        return (
            f"the role {READER} is not there and cannot be made ({reader.refusal}); the service "
            "needs no such role, Grafana does: docs/operations.md has an administrator's statements"
        )
    reads = f"the role {READER} reads the reporting views"
    if reader.refusal:
        return f"{reads}; its password was left as it is ({reader.refusal})"
    return reads if reader.can_log_in else f"{reads}, but cannot log in without a password"


async def _migrate(dsn: str, reader_password: str | None, wait: int) -> Upgraded:
    async with open_database(dsn) as database:
        for _ in range(wait):
            try:
                return await upgrade(database, reader_password)
            except DatabaseAwayError:
                await asyncio.sleep(RETRY_SECONDS)
        return await upgrade(database, reader_password)


@click.command("recompute", short_help="Fold every stored case anew.")
def recompute_cases() -> None:
    """Fold every stored case anew, after a change of policies or of the calendar.

    The service may go on running; killed half-way, simply run it again.
    """
    settings = session.told_settings()
    with session.plain_errors(), session.database_server(settings) as server:
        done = session.run(_recompute(settings, server))
    click.echo(f"{done} cases were folded anew")


async def _recompute(settings: Settings, server: session.Server) -> int:
    rules = rulebook(settings)
    async with session.ready_database(settings, server) as database:
        async with database.connection() as connection:
            total = await connection.fetchval("SELECT count(*) FROM rebate_case")
        columns = (*Progress.get_default_columns(), MofNCompleteColumn())
        with Progress(*columns, console=Console(stderr=True)) as progress:
            bar = progress.add_task("cases", total=total)
            return await recompute(
                database, rules, utc_now, lambda done: progress.update(bar, completed=done)
            )
