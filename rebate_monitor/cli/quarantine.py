"""`rebate-monitor quarantine`: look at refused events, decide them anew, drop them."""

import re
from collections.abc import Sequence

import click

from rebate_monitor.cli import session
from rebate_monitor.cli.acting import acting
from rebate_monitor.domain.local_time import SHANGHAI
from rebate_monitor.ingest.replay import replay_quarantine
from rebate_monitor.ingest.writer import Report, Writer
from rebate_monitor.server import configured_places, rules_of, utc_now
from rebate_monitor.settings import Settings
from rebate_monitor.storage.audit import Action, add_records
from rebate_monitor.storage.quarantine import Quarantined, drop_quarantined, list_quarantine

DIGEST, MAX_REASON = re.compile(r"[0-9a-f]{64}"), 500


@click.group(short_help="Look at refused events, replay and drop them.")
def quarantine() -> None:
    """Look at refused events, decide them anew after a fix, and drop what is none."""


@quarantine.command("list")
@click.option("--limit", type=click.IntRange(1, 10_000), default=50, show_default=True)
@click.option("--body", is_flag=True, help="Show what was sent, too; it may be confidential.")
def list_all(limit: int, *, body: bool) -> None:
    """List refused events, the latest first, with the reason of each."""
    settings = session.told_settings()
    with session.plain_errors(), session.database_server(settings) as server:
        kept = session.run(_list(settings, server, limit, with_body=body))
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
        f"  digest {event.digest.hex()}",
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


@quarantine.command("drop")
@click.argument("digests", nargs=-1, required=True, metavar="DIGEST…")
@click.option("--reason", required=True, help="Why; it is recorded with each event.")
def drop(digests: tuple[str, ...], reason: str) -> None:
    """Drop refused events for good, by the digests that `list` shows."""
    wrong = [digest for digest in digests if not DIGEST.fullmatch(digest)]
    if wrong:
        raise click.BadParameter(f"{wrong[0]} is none: 64 hexadecimal digits", param_hint="DIGEST")
    if not reason.strip() or not reason.isprintable() or len(reason) > MAX_REASON:
        rule = f"must say in 1 to {MAX_REASON} characters on one line why"
        raise click.BadParameter(rule, param_hint="--reason")
    settings = session.told_settings()
    with session.plain_errors(), session.database_server(settings) as server:
        dropped = session.run(_drop(settings, server, digests, reason))
    click.echo(f"{dropped} of {len(digests)} dropped")


async def _list(
    settings: Settings, server: session.Server, limit: int, *, with_body: bool
) -> list[Quarantined]:
    async with session.ready_connection(settings, server) as connection:
        kept = await list_quarantine(connection, limit)
        if with_body and kept:
            listed = acting().record(Action.QUARANTINE_READ, "quarantine", f"{len(kept)} events")
            await add_records(connection, [listed])
        return kept


async def _drop(
    settings: Settings, server: session.Server, digests: Sequence[str], reason: str
) -> int:
    async with (
        session.ready_connection(settings, server) as connection,
        connection.transaction(),
    ):
        return await drop_quarantined(connection, digests, reason, acting())


async def _replay(settings: Settings, server: session.Server) -> Report:
    async with session.ready_database(settings, server) as database:
        writer = Writer(
            database=database,
            rules=rules_of(settings),
            max_ahead=settings.max_ahead,
            clock=utc_now,
        )
        async with database.connection() as connection:
            replayed = acting().record(Action.QUARANTINE_REPLAYED, "quarantine")
            await add_records(connection, [replayed])
        return await replay_quarantine(writer, configured_places(settings), now=utc_now())
