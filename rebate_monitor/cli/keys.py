"""`rebate-monitor keys`: make, list and revoke keys."""

import click
from rich.console import Console
from rich.table import Table

from rebate_monitor.cli import session
from rebate_monitor.domain.local_time import SHANGHAI
from rebate_monitor.server import utc_now
from rebate_monitor.settings import Settings
from rebate_monitor.storage.keys import ApiKey, Scope, create_key, list_keys, revoke_key


@click.group(short_help="Make, list and revoke keys.")
def keys() -> None:
    """Make, list and revoke the keys of producers and readers."""


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
def create(name: str, scopes: tuple[str, ...]) -> None:
    """Make a key for NAME and print it; it is shown this once and kept only as a digest."""
    if not name.strip() or not name.isprintable():
        raise click.BadParameter("must name who holds the key", param_hint="NAME")
    settings = session.told_settings()
    with session.plain_errors(), session.database_server(settings) as server:
        key_id, key = session.run(_create(settings, server, name, frozenset(map(Scope, scopes))))
    click.echo(f"key {key_id} for {name}: {', '.join(sorted(scopes))}", err=True)
    click.echo("It is shown only now:", err=True)
    click.echo(key)


@keys.command("list")
def list_all() -> None:
    """List every key, without its secret."""
    settings = session.told_settings()
    with session.plain_errors(), session.database_server(settings) as server:
        found = session.run(_list(settings, server))
    if not found:
        click.echo("there are no keys yet: `rebate-monitor keys create NAME --scope events:write`")
        return
    table = Table("id", "name", "scopes", "made (+08:00)", "revoked (+08:00)")
    for key in found:
        revoked = f"{key.revoked_at.astimezone(SHANGHAI):%Y-%m-%d %H:%M}" if key.revoked_at else ""
        made = f"{key.created_at.astimezone(SHANGHAI):%Y-%m-%d %H:%M}"
        table.add_row(key.key_id, key.name, ", ".join(key.scopes), made, revoked)
    Console().print(table)


@keys.command("revoke")
@click.argument("key_id")
def revoke(key_id: str) -> None:
    """Revoke the key with this id, at once on every replica."""
    settings = session.told_settings()
    with session.plain_errors(), session.database_server(settings) as server:
        name = session.run(_revoke(settings, server, key_id))
    if name is None:
        raise click.ClickException(f"there is no key {key_id}: see `rebate-monitor keys list`")
    click.echo(f"the key {key_id} of {name} is revoked")


async def _create(
    settings: Settings, server: session.Server, name: str, scopes: frozenset[Scope]
) -> tuple[str, str]:
    async with session.ready_connection(settings, server) as connection:
        return await create_key(connection, name, scopes, utc_now())


async def _list(settings: Settings, server: session.Server) -> list[ApiKey]:
    async with session.ready_connection(settings, server) as connection:
        return await list_keys(connection)


async def _revoke(settings: Settings, server: session.Server, key_id: str) -> str | None:
    async with session.ready_connection(settings, server) as connection:
        return await revoke_key(connection, key_id, utc_now())
