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
from rebate_monitor.storage.migrations import Migration, migrate

RETRY_SECONDS = 1.0


@click.command("migrate", short_help="Bring the database to this version.")
@click.option(
    "--wait", type=click.IntRange(0, 3600), default=0, help="Seconds to wait for the database."
)
def migrate_database(wait: int) -> None:
    """Bring the database to this version; run it once before `serve`, again after an upgrade."""
    settings = session.told_settings()
    with session.plain_errors(), session.database_server(settings) as server:
        applied = session.run(_migrate(server.dsn, wait))
    for migration in applied:
        click.echo(f"applied {migration.name}")
    click.echo("the database is up to date")


async def _migrate(dsn: str, wait: int) -> tuple[Migration, ...]:
    async with open_database(dsn) as database:
        for _ in range(wait):
            try:
                return await migrate(database)
            except DatabaseAwayError:
                await asyncio.sleep(RETRY_SECONDS)
        return await migrate(database)


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
