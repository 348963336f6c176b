"""`rebate-monitor outbox`: see what is on its way, and try again what was given up."""

import uuid
from datetime import datetime

import click
import msgspec
from asyncpg import Record

from rebate_monitor.alerting.announcing import DigestBody
from rebate_monitor.cli import session
from rebate_monitor.domain.local_time import SHANGHAI
from rebate_monitor.server import utc_now
from rebate_monitor.settings import Settings
from rebate_monitor.storage.outbox import list_outbox, retry_messages

STATES = ("pending", "sent", "dead")


@click.group(short_help="See what is on its way to people, and retry it.")
def outbox() -> None:
    """See which messages are on their way, and try again those that were given up."""


@outbox.command("list")
@click.option("--state", type=click.Choice(STATES), help="Only these; all unless told.")
@click.option("--channel", help="Only of this channel.")
@click.option("--limit", type=click.IntRange(1, 10_000), default=50, show_default=True)
def list_all(state: str | None, channel: str | None, limit: int) -> None:
    """List messages, the latest first, with what became of them; times are in +08:00."""
    settings = session.told_settings()
    with session.plain_errors(), session.database_server(settings) as server:
        found = session.run(_list(settings, server, state, channel, limit))
    if not found:
        said = "no message is like that" if state or channel else "the outbox is empty"
        click.echo(f"{said}; alerts become messages inside the hours of their channel")
        return
    for row in found:
        click.echo(_text(row))


def _text(row: Record) -> str:
    body = msgspec.json.decode(row["body"], type=DigestBody)
    place = body.city or "an unknown city"
    tells = f"{body.count} × {body.kind} (level {body.level}) in {place}"
    lines = [
        f"{row['notification_id']}  {row['channel']}  {_state(row)}  {_tries(row['attempts'])}",
        f"  made {_local(row['created_at'])}: {tells}",
    ]
    if row["reason"]:
        lines.append(f"  {row['reason']}")
    return "\n".join(lines)


def _tries(count: int) -> str:
    return "1 try" if count == 1 else f"{count} tries"


def _state(row: Record) -> str:
    if row["sent_at"]:
        return f"sent {_local(row['sent_at'])}"
    if row["dead_at"]:
        return f"dead since {_local(row['dead_at'])}"
    return f"pending, next try {_local(row['next_attempt_at'])}"


def _local(instant: datetime) -> str:
    return f"{instant.astimezone(SHANGHAI):%Y-%m-%d %H:%M:%S}"


@outbox.command("retry")
@click.option("--channel", help="Only the dead messages of this channel.")
@click.option("--id", "told_id", type=click.UUID, help="Only this message.")
def retry(channel: str | None, told_id: uuid.UUID | None) -> None:
    """Try dead messages again; the running service delivers them at once, in their hours."""
    settings = session.told_settings()
    with session.plain_errors(), session.database_server(settings) as server:
        count = session.run(_retry(settings, server, channel, told_id))
    if not count:
        raise click.ClickException(
            "no dead message is like that; see `rebate-monitor outbox list --state dead`"
        )
    click.echo(f"{count} dead {'message is' if count == 1 else 'messages are'} tried again")


async def _list(
    settings: Settings, server: session.Server, state: str | None, channel: str | None, limit: int
) -> list[Record]:
    async with session.ready_connection(settings, server) as connection:
        return await list_outbox(connection, state, channel, limit)


async def _retry(
    settings: Settings, server: session.Server, channel: str | None, told_id: uuid.UUID | None
) -> int:
    async with (
        session.ready_database(settings, server) as database,
        database.transaction() as connection,
    ):
        return await retry_messages(connection, channel, told_id, utc_now())
