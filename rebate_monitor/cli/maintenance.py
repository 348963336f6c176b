"""`rebate-monitor migrate` and `rebate-monitor recompute`."""

import asyncio

import click

from rebate_monitor.cli import session
from rebate_monitor.cli.following import follow, say_done
from rebate_monitor.cli.plain_table import plain_table, show_table
from rebate_monitor.domain.local_time import SHANGHAI
from rebate_monitor.ingest.recompute import Recomputer
from rebate_monitor.server import rules_of, utc_now
from rebate_monitor.settings import Settings
from rebate_monitor.storage.database import DatabaseAwayError, open_database
from rebate_monitor.storage.reader import READER, Reader
from rebate_monitor.storage.recomputes import Recompute, latest_recomputes, under_way
from rebate_monitor.storage.upgrade import Upgraded, upgrade

RETRY_SECONDS = 1.0
SHOWN = 10
COLUMNS = ("number", "rules", "begun", "state", "cases", "done", "changed", "due dates moved")


@click.command("migrate", short_help="Bring the database to this version.")
@click.option(
    "--wait", type=click.IntRange(0, 3600), default=0, help="Seconds to wait for the database."
)
def migrate_database(wait: int) -> None:
    """Bring the database to this version; run it once before `serve`, again after an upgrade."""
    settings = session.told_settings()
    with session.plain_errors(), session.database_server(settings) as server:
        done = session.run(_migrate(server.dsn, settings, wait))
    for migration in done.applied:
        click.echo(f"applied {migration.name}")
    if done.views_made:
        click.echo("made the reporting views anew")
    click.echo(_said_of(done.reader))
    if settings.service_role:
        click.echo(f"the role {settings.service_role} may do what the service does, and no more")
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


async def _migrate(dsn: str, settings: Settings, wait: int) -> Upgraded:
    told = settings.reader_password, settings.service_role
    async with open_database(dsn) as database:
        for _ in range(wait):
            try:
                return await upgrade(database, *told)
            except DatabaseAwayError:
                await asyncio.sleep(RETRY_SECONDS)
        return await upgrade(database, *told)


@click.command("recompute", short_help="Lay cases down anew by the rules in force.")
@click.option("--status", is_flag=True, help="Only say how far it is, and what was done before.")
def recompute_cases(*, status: bool) -> None:
    """Finish the recompute that is under way; where none is, fold every stored case anew.

    The service does by itself what a change of the rules asks for, and may go on running beside
    this. Killed half-way, it goes on where it was.
    """
    settings = session.told_settings()
    with session.plain_errors(), session.database_server(settings) as server:
        if status:
            session.run(_status(settings, server))
        else:
            say_done(session.run(_recompute(settings, server)))


async def _recompute(settings: Settings, server: session.Server) -> Recompute:
    rules = rules_of(settings)
    async with session.ready_database(settings, server) as database:
        recomputer = Recomputer(database=database, rules=rules, clock=utc_now)
        async with database.connection() as connection:
            told = await under_way(connection)
        return await follow(recomputer, (told or await recomputer.begin()).number)


async def _status(settings: Settings, server: session.Server) -> None:
    async with session.ready_connection(settings, server) as connection:
        known = await latest_recomputes(connection, SHOWN)
    table = plain_table(*COLUMNS)
    for name in ("begun", "state"):
        table.columns[COLUMNS.index(name)].no_wrap = True
    for told in known:
        begun = f"{told.started_at.astimezone(SHANGHAI):%Y-%m-%d\n%H:%M:%S}"
        cases = "?" if told.cases is None else f"{told.cases:,}"
        numbers = (told.done, told.changes.changed, told.changes.due_dates_moved)
        table.add_row(
            str(told.number),
            str(told.rules),
            begun,
            told.state,
            cases,
            *(f"{n:,}" for n in numbers),
        )
    show_table(table)
