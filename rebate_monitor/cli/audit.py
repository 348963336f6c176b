"""`rebate-monitor audit`: who looked at which case, and who changed what."""

from datetime import datetime, timedelta

import click
from rich.text import Text

from rebate_monitor.api.parameters import a_utc_instant
from rebate_monitor.cli import session
from rebate_monitor.cli.acting import acting
from rebate_monitor.cli.plain_table import plain_table, show_table
from rebate_monitor.domain.local_time import SHANGHAI
from rebate_monitor.server import utc_now
from rebate_monitor.settings import LEAST_RETENTION, MOST_RETENTION, Settings
from rebate_monitor.storage.audit import (
    Action,
    AuditFilter,
    KeptRecord,
    add_records,
    list_records,
    prune_records,
)

COLUMNS = ("at (+08:00)", "who", "through", "action", "object", "detail", "address")
EVERYTHING = "everything"


@click.group(short_help="See who looked at which case, and who changed what.")
def audit() -> None:
    """See who looked at which case, and who changed what; nothing here can be changed."""


@audit.command("list")
@click.option("--who", help="Only what somebody of this name did.")
@click.option("--action", type=click.Choice(list(Action)), help="Only this.")
@click.option("--object", "what", help="Only what was done to this: a case, a key, a digest.")
@click.option("--since", help="At this instant or later, such as 2026-11-20T09:15:00+08:00.")
@click.option("--until", help="Before this instant.")
@click.option("--limit", type=click.IntRange(1, 10_000), default=50, show_default=True)
def list_all(  # noqa: PLR0913 - one parameter an option
    *,
    who: str | None,
    action: str | None,
    what: str | None,
    since: str | None,
    until: str | None,
    limit: int,
) -> None:
    """List what was done, the latest first; that is recorded, too."""
    wanted = AuditFilter(
        who=who,
        action=Action(action) if action else None,
        object=what,
        since=_instant(since, "--since"),
        until=_instant(until, "--until"),
    )
    settings = session.told_settings()
    with session.plain_errors(), session.database_server(settings) as server:
        found = session.run(_list(settings, server, wanted, limit))
    if not found:
        click.echo("nothing of this is recorded")
        return
    table = plain_table(*COLUMNS)
    for kept in found:
        table.add_row(*map(Text, _cells(kept)))
    show_table(table)


@audit.command("prune")
@click.option(
    "--older-than-days",
    type=click.IntRange(LEAST_RETENTION, MOST_RETENTION),
    help=f"How old a record is that may go, {LEAST_RETENTION} at least  "
    "[REBATE_AUDIT_RETENTION_DAYS]",
)
def prune(older_than_days: int | None) -> None:
    """Delete old records; only the owner of the database may, not the service."""
    settings = session.told_settings()
    before = utc_now() - timedelta(days=older_than_days or settings.audit_retention_days)
    with session.plain_errors(), session.database_server(settings) as server:
        pruned = session.run(_prune(settings, server, before))
    click.echo(f"{pruned:,} records from before {_local(before)} (+08:00) are deleted")


def _instant(told: str | None, option: str) -> datetime | None:
    try:
        return None if told is None else a_utc_instant(told)
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint=option) from error


def _cells(kept: KeptRecord) -> tuple[str, ...]:
    told, deed = kept.record, kept.record.deed
    where = deed.address or ""
    return _local(deed.at), deed.who, deed.through, told.action, told.object, told.detail, where


def _local(instant: datetime) -> str:
    return f"{instant.astimezone(SHANGHAI):%Y-%m-%d %H:%M:%S}"


async def _list(
    settings: Settings, server: session.Server, wanted: AuditFilter, limit: int
) -> list[KeptRecord]:
    async with session.ready_connection(settings, server) as connection:
        found = await list_records(connection, wanted, None, limit)
        read = acting().record(Action.AUDIT_READ, wanted.object or EVERYTHING)
        await add_records(connection, [read])
    return found


async def _prune(settings: Settings, server: session.Server, before: datetime) -> int:
    async with (
        session.ready_connection(settings, server) as connection,
        connection.transaction(),
    ):
        pruned = await prune_records(connection, before)
        told = f"{pruned} records from before {_local(before)}"
        await add_records(connection, [acting().record(Action.AUDIT_PRUNED, EVERYTHING, told)])
    return pruned
