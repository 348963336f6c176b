"""`rebate-monitor channel`: list the configured channels, and send one a real trial message."""

import asyncio
import uuid
from datetime import datetime

import click
import msgspec
from rich.console import Console
from rich.table import Table

from rebate_monitor.alerting.channels.channel import Channel
from rebate_monitor.alerting.channels.factory import sender
from rebate_monitor.alerting.channels.http import open_session
from rebate_monitor.alerting.channels.message import DeliveryError, Message
from rebate_monitor.alerting.configuration import AlertSettings
from rebate_monitor.alerting.texts import render_trial
from rebate_monitor.cli import session
from rebate_monitor.domain.local_time import SHANGHAI
from rebate_monitor.server import configured_alerts, utc_now

TRIAL_TYPE = "rebate.alert.trial"
HOUR = 60


@click.group(short_help="List who is notified, and send a trial message.")
def channel() -> None:
    """List the configured channels, and send one of them a trial message."""


@channel.command("list")
def list_all() -> None:
    """List the channels of REBATE_CONFIG, without their secrets."""
    settings = session.told_settings()
    with session.plain_errors():
        alerts = configured_alerts(settings)
    if not alerts.channels:
        click.echo("no channel is configured: see docs/notifications.md, [[channel]]")
        return
    table = Table("name", "type", "language", "hours (+08:00)", "days", "a digest every")
    for known in alerts.channels:
        days = "workdays" if known.workdays_only else "all"
        every = f"{known.digest_every.total_seconds() / HOUR:g} minutes"
        table.add_row(
            known.name,
            known.type,
            known.language,
            f"{_time(known.hours.opens)}-{_time(known.hours.closes)}",
            days,
            every if known.digest_every else "at once",
        )
    Console().print(table)


def _time(minutes: int) -> str:
    return f"{minutes // HOUR:02}:{minutes % HOUR:02}"


@channel.command("test")
@click.argument("name")
def test(name: str) -> None:
    """Send a real trial message over the channel NAME, now, whatever its hours are."""
    settings = session.told_settings()
    with session.plain_errors():
        alerts = configured_alerts(settings)
    known = {known.name: known for known in alerts.channels}
    if name not in known:
        names = ", ".join(known) or "none"
        raise click.ClickException(f"there is no channel {name!r}; configured: {names}")
    message = trial(known[name], utc_now())
    try:
        asyncio.run(_send(known[name], alerts, message))
    except DeliveryError as error:
        raise click.ClickException(f"{name} did not take the message: {error}") from error
    click.echo(f"{name} has taken the trial message {message.notification_id}")


def trial(known: Channel, now: datetime) -> Message:
    """Make the trial message of a channel."""
    notification_id = str(uuid.uuid4())
    text = render_trial(known.name, known.language, now)
    payload = {
        "type": TRIAL_TYPE,
        "notification_id": notification_id,
        "channel": known.name,
        "created_at": now.astimezone(SHANGHAI),
    }
    return Message(
        notification_id=notification_id,
        title=text.title,
        lines=text.lines,
        link=None,
        payload=msgspec.json.encode(payload),
    )


async def _send(known: Channel, alerts: AlertSettings, message: Message) -> None:
    async with open_session() as http:
        await sender(known, http, alerts.request_timeout).send(message, utc_now())
