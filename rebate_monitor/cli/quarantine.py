"""`rebate-monitor quarantine`: look at refused events and decide them anew."""

import click

from rebate_monitor.cli import session
from rebate_monitor.domain.local_time import SHANGHAI
from rebate_monitor.ingest.replay import replay_quarantine
from rebate_monitor.ingest.writer import Report, Writer
from rebate_monitor.server import configured_places, rules_of, utc_now
from rebate_monitor.settings import Settings
from rebate_monitor.storage.quarantine import Quarantined, list_quarantine


@click.group(short_help="Look at refused events, and replay them.")
def quarantine() -> None:
    """Look at refused events, and decide them anew after a fix."""


@quarantine.command("list")
@click.option("--limit", type=click.IntRange(1, 10_000), default=50, show_default=True)
@click.option("--body", is_flag=True, help="Show what was sent, too; it may be confidential.")
def list_all(limit: int, *, body: bool) -> None:
    """List refused events, the latest first, with the reason of each."""
    settings = session.told_settings()
    with session.plain_errors(), session.database_server(settings) as server:
        kept = session.run(_list(settings, server, limit))
    if not kept:
        click.echo("the quarantine is empty: every event so far was taken")
        return
    for event in kept:
        click.echo(_text(event, with_body=body))


def _text(event: Quarantined, *, with_body: bool) -> str:
    refused = event.refused
    seen = f"{event.last_seen_at.astimezone(SHANGHAI):%Y-%m-%d %H:%M:%S}+08:00"
    lines = [
        f"{seen}  {event.times} times  from {event.received_from}",
        f"  case {refused.case_id or '?'}  event {refused.id or '?'}",
        f"  {refused.reason}",
    ]
    if with_body:
        lines.append(f"  {refused.body.decode('utf-8', 'replace')}")
    return "\n".join(lines)


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
            database=database,
            rules=rules_of(settings),
            max_ahead=settings.max_ahead,
            clock=utc_now,
        )
        return await replay_quarantine(writer, configured_places(settings), now=utc_now())
