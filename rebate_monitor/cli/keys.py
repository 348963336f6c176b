"""`rebate-monitor keys`: make, bind, rotate, list and revoke keys."""

import re
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from typing import TypeVar

import click
from rich.console import Console
from rich.table import Table

from rebate_monitor.api.parameters import a_utc_instant
from rebate_monitor.cli import session
from rebate_monitor.cli.acting import acting
from rebate_monitor.domain.bounds import ANY_END, Bounds
from rebate_monitor.domain.local_time import SHANGHAI
from rebate_monitor.server import utc_now
from rebate_monitor.storage.audit import Action, add_records
from rebate_monitor.storage.database import Connection
from rebate_monitor.storage.keys import (
    ApiKey,
    Grant,
    KeyState,
    Scope,
    bind_key,
    create_key,
    list_keys,
    revoke_key,
    rotate_key,
)

MAX_NAME, MAX_SOURCE, MAX_DAYS, MAX_GRACE_HOURS = 200, 200, 3650, 24 * 90
GRACE_HOURS = 24
OFFICE = re.compile(r"1\d{10}", re.ASCII)

T = TypeVar("T")


class SourceParam(click.ParamType[str]):
    """A CloudEvents source, with a `*` at its end for all that begin so."""

    name = "source"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Return the source; refuse what no event's source can be like."""
        if not value.isprintable() or not 1 <= len(value) <= MAX_SOURCE:
            self.fail(f"must have 1 to {MAX_SOURCE} characters on one line", param, ctx)
        if ANY_END in value[:-1]:
            self.fail(f"may have a {ANY_END} only at its end", param, ctx)
        return value


class OfficeParam(click.ParamType[str]):
    """A tax authority code."""

    name = "code"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Return the code; refuse what is none."""
        if not OFFICE.fullmatch(value):
            rule = (
                "must be a tax authority code, 1 and ten digits more: 14301000000 is that of "
                "Changsha 长沙 and means it with all offices below"
            )
            self.fail(rule, param, ctx)
        return value


class InstantParam(click.ParamType[datetime]):
    """An instant with its offset."""

    name = "instant"

    def convert(
        self, value: str, param: click.Parameter | None, ctx: click.Context | None
    ) -> datetime:
        """Return the instant in UTC; refuse one without an offset (DESIGN 3.1)."""
        try:
            return a_utc_instant(value)
        except ValueError as error:
            self.fail(str(error), param, ctx)


SOURCES = click.option(
    "--source",
    "sources",
    multiple=True,
    type=SourceParam(),
    help="Tell only events of this source; with * at its end, of all that begin so. Repeatable.",
)
OFFICE_OPTION = click.option(
    "--office",
    "offices",
    multiple=True,
    type=OfficeParam(),
    help="Only cases of this office and those below it, to read and to tell of. Repeatable.",
)
KEY_ID = click.argument("key_id")


@click.group(short_help="Make, bind, rotate, list and revoke keys.")
def keys() -> None:
    """Make, bind, rotate, list and revoke the keys of producers and readers."""


@keys.command("create")
@click.argument("name")
@click.option(
    "--scope",
    "scopes",
    multiple=True,
    required=True,
    type=click.Choice([scope.value for scope in Scope]),
    help="What the key may do; give it several times for several scopes.",
)
@SOURCES
@OFFICE_OPTION
@click.option(
    "--days",
    type=click.IntRange(1, MAX_DAYS),
    help="For how many days it counts; for ever unless told.",
)
@click.option(
    "--expires-at",
    type=InstantParam(),
    help="Until when it counts, such as 2027-01-01T00:00:00+08:00; instead of --days.",
)
def create(  # noqa: PLR0913 - one parameter an option
    *,
    name: str,
    scopes: tuple[str, ...],
    sources: tuple[str, ...],
    offices: tuple[str, ...],
    days: int | None,
    expires_at: datetime | None,
) -> None:
    """Make a key for NAME and print it; it is shown this once and kept only as a digest."""
    if not name.strip() or not name.isprintable() or len(name) > MAX_NAME:
        said = f"must name who holds the key in 1 to {MAX_NAME} characters on one line"
        raise click.BadParameter(said, param_hint="NAME")
    if offices and Scope.ADMIN in scopes:
        said = f"{Scope.ADMIN} is of all offices; must be a key of its own"
        raise click.BadParameter(said, param_hint="--office")
    now = utc_now()
    grant = Grant(
        name=name,
        scopes=frozenset(map(Scope, scopes)),
        bounds=Bounds(sources=sources, offices=offices),
        expires_at=_end(now, days, expires_at),
    )

    async def made(connection: Connection) -> tuple[str, str]:
        key_id, key = await create_key(connection, grant, now)
        told = f"{name}: {', '.join(sorted(scopes))}; bound to {_told_bounds(grant.bounds)}"
        await add_records(connection, [acting().record(Action.KEY_MADE, key_id, told)])
        return key_id, key

    key_id, key = _with_connection(made)
    click.echo(f"key {key_id} for {name}: {', '.join(sorted(scopes))}", err=True)
    click.echo(f"bound to {_told_bounds(grant.bounds)}", err=True)
    if grant.expires_at:
        click.echo(f"counts until {_local(grant.expires_at)} (+08:00)", err=True)
    _show_once(key)


def _end(now: datetime, days: int | None, expires_at: datetime | None) -> datetime | None:
    if expires_at is None:
        return now + timedelta(days=days) if days else None
    if days is not None:
        raise click.BadParameter("told beside --days; must be one", param_hint="--expires-at")
    if not now < expires_at <= now + timedelta(days=MAX_DAYS):
        rule = f"must lie ahead, by at most {MAX_DAYS} days"
        raise click.BadParameter(rule, param_hint="--expires-at")
    return expires_at


@keys.command("rotate")
@KEY_ID
@click.option(
    "--grace-hours",
    type=click.IntRange(0, MAX_GRACE_HOURS),
    default=GRACE_HOURS,
    show_default=True,
    help="How long the old key goes on beside the new one.",
)
def rotate(key_id: str, grace_hours: int) -> None:
    """Make a new key like this one and print it; the old one ends by itself after the grace."""
    now = utc_now()
    until = now + timedelta(hours=grace_hours)

    async def rotated(connection: Connection) -> tuple[str, str, str] | None:
        made = await rotate_key(connection, key_id, now, until)
        if made is not None:
            told = f"{made[0]}: {made[1]} takes over"
            await add_records(connection, [acting().record(Action.KEY_ROTATED, key_id, told)])
        return made

    made = _with_connection(rotated)
    if made is None:
        raise click.ClickException(
            f"there is no key {key_id} that still counts: see `rebate-monitor keys list`"
        )
    name, new_id, key = made
    click.echo(
        f"key {new_id} for {name} takes over from {key_id}, which ends {_local(until)} (+08:00)",
        err=True,
    )
    _show_once(key)


@keys.command("bind")
@KEY_ID
@SOURCES
@OFFICE_OPTION
def bind(key_id: str, sources: tuple[str, ...], offices: tuple[str, ...]) -> None:
    """Bind a key anew, instead of what it was bound to; without options it is bound to nothing."""
    bounds = Bounds(sources=sources, offices=offices)
    told = f"bound to {_told_bounds(bounds)}"
    name = _change(
        key_id, Action.KEY_BOUND, lambda connection: bind_key(connection, key_id, bounds), told
    )
    click.echo(f"the key {key_id} of {name} is {told}")


@keys.command("list")
def list_all() -> None:
    """List every key, without its secret."""
    found = _with_connection(list_keys)
    if not found:
        click.echo("there are no keys yet: `rebate-monitor keys create NAME --scope events:write`")
        return
    now = utc_now()
    table = Table("id", "name", "scopes", "bound to", "made (+08:00)", "state")
    for key in found:
        bounds = _told_bounds(key.bounds)
        made = _local(key.created_at) + (f", for {key.replaces}" if key.replaces else "")
        state = _state(key, now)
        table.add_row(key.key_id, key.name, ", ".join(key.scopes), bounds, made, state)
    Console().print(table)


@keys.command("revoke")
@KEY_ID
def revoke(key_id: str) -> None:
    """Revoke the key with this id, at once on every replica."""
    name = _change(
        key_id, Action.KEY_REVOKED, lambda connection: revoke_key(connection, key_id, utc_now())
    )
    click.echo(f"the key {key_id} of {name} is revoked")


def _change(
    key_id: str, action: Action, work: Callable[[Connection], Awaitable[str | None]], told: str = ""
) -> str:
    """Change a key, record it, and return whose it is."""

    async def changed(connection: Connection) -> str | None:
        name = await work(connection)
        if name is not None:
            detail = f"{name}: {told}" if told else name
            await add_records(connection, [acting().record(action, key_id, detail)])
        return name

    name = _with_connection(changed)
    if name is None:
        raise click.ClickException(f"there is no key {key_id}: see `rebate-monitor keys list`")
    return name


def _show_once(key: str) -> None:
    click.echo("It is shown only now:", err=True)
    click.echo(key)


def _told_bounds(bounds: Bounds) -> str:
    sources = [f"source {source}" for source in bounds.sources]
    offices = [f"office {office}" for office in bounds.offices]
    return ", ".join([*sources, *offices]) or "nothing"


def _state(key: ApiKey, now: datetime) -> str:
    match key.state(now):
        case KeyState.REVOKED if key.revoked_at:
            return f"revoked {_local(key.revoked_at)}"
        case KeyState.EXPIRED if key.expires_at:
            return f"expired {_local(key.expires_at)}"
        case state:
            return f"{state} until {_local(key.expires_at)}" if key.expires_at else state


def _local(instant: datetime) -> str:
    return f"{instant.astimezone(SHANGHAI):%Y-%m-%d %H:%M}"


def _with_connection(work: Callable[[Connection], Awaitable[T]]) -> T:
    """Do one thing with the database that the settings name."""
    settings = session.told_settings()

    async def connected(server: session.Server) -> T:
        async with (
            session.ready_connection(settings, server) as connection,
            connection.transaction(),
        ):
            return await work(connection)

    with session.plain_errors(), session.database_server(settings) as server:
        return session.run(connected(server))
