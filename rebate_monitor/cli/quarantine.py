"""`rebate-monitor quarantine`: look at refused events and decide them anew."""

import click
from rich.console import Console
from rich.table import Table

from rebate_monitor.cli import session
from rebate_monitor.domain.local_time import SHANGHAI
from rebate_monitor.ingest.replay import replay_quarantine
from rebate_monitor.ingest.writer import Report, Writer
from rebate_monitor.server import rulebook, utc_now
from rebate_monitor.settings import Settings
from rebate_monitor.storage.quarantine import Quarantined, list_quarantine


@click.group(short_help="Look at refused events, and replay them.")
def quarantine() -> None:
    """Look at refused events, and decide them anew after a fix."""


@quarantine.command("list")
@click.option("--limit", type=click.IntRange(1, 10_000), default=50, show_default=True)
def list_all(limit: int) -> None:
    """List refused events, the latest first, with the reason of each."""
    settings = session.told_settings()
    with session.plain_errors(), session.database_server(settings) as server:
        kept = session.run(_list(settings, server, limit))
    if not kept:
        click.echo("the quarantine is empty: every event so far was taken")
        return
    table = Table("last seen", "times", "from", "case", "event", "reason")
    for event in kept:
        refused = event.refused
        seen = f"{event.last_seen_at.astimezone(SHANGHAI):%Y-%m-%d %H:%M:%S}"
        names = (refused.case_id or "?", refused.id or "?", refused.reason)
        table.add_row(seen, str(event.times), event.received_from, *names)
    Console().print(table)


@quarantine.command("replay")
def replay() -> None:
    """Decide every refused event anew; what is taken leaves the quarantine."""
    settings = session.told_settings()
    with session.plain_errors(), session.database_server(settings) as server:
        report = session.run(_replay(settings, server))
    click.echo(
        f"{report.accepted} taken, {report.duplicate} known already, "
        f"{report.rejected} refused again"
    )


async def _list(settings: Settings, server: session.Server, limit: int) -> list[Quarantined]:
    async with session.ready_connection(settings, server) as connection:
        return await list_quarantine(connection, limit)


async def _replay(settings: Settings, server: session.Server) -> Report:
    async with session.ready_database(settings, server) as database:
        writer = Writer(
            database=database, rulebook=rulebook(settings), max_ahead=settings.max_ahead
        )
        return await replay_quarantine(writer, now=utc_now())
