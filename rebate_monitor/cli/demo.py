"""`rebate-monitor demo`: the whole service with a simulated province, ready to look at."""

import asyncio
import os
import secrets
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import ExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import islice
from pathlib import Path

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from rebate_monitor.alerting.configuration import AlertSettings
from rebate_monitor.calendar_sources import work_calendar
from rebate_monitor.cli import session
from rebate_monitor.cli.free_port import free_port
from rebate_monitor.cli.serve import watching
from rebate_monitor.domain.local_time import SHANGHAI
from rebate_monitor.embedded_postgres import EmbeddedPostgres, FolderError, claim_service
from rebate_monitor.log import configure_logging
from rebate_monitor.server import (
    Loop,
    compose,
    configured_alerts,
    run,
    stop_on_signals,
    utc_now,
)
from rebate_monitor.settings import Settings
from rebate_monitor.simulation.producer import Counts, Producer
from rebate_monitor.simulation.province import Event, Province
from rebate_monitor.storage.database import open_database
from rebate_monitor.storage.upgrade import upgrade

DEMO_FOLDER, MARK = "demo", "this-is-a-demo"
HISTORY, MONTH, WEEK = timedelta(days=60), timedelta(days=30.5), timedelta(days=7)
MONTHS, MOST_MONTHS = 13, 36
LIVE_EVERY_SECONDS = 1.0
CHUNK_EVENTS = 1_000
EMPTY = "DROP SCHEMA IF EXISTS reporting CASCADE; DROP SCHEMA public CASCADE; CREATE SCHEMA public"

WELCOME = """
[bold]rebate_monitor[/bold] with a simulated province
  address  [bold]{url}/[/bold]
  key      [bold]{key}[/bold]   (for everything; made for this demo)

  curl {url}/metrics
  curl '{url}/v1/cases?limit=3'
  curl '{url}/v1/performance?by=city'
  curl '{url}/v1/alerts?state=open&limit=3'
  curl {url}/v1/supervision
  curl {url}/v1/events -H 'Authorization: Bearer {key}' \\
    -H 'Content-Type: application/cloudevents+json' -d '{event}'

Reading needs no key here, since only this machine can reach it. Ctrl-C ends the demo.
"""
EXAMPLE = (
    '{{"specversion":"1.0","id":"try-1","source":"/me","type":"rebate.case.accepted",'
    '"subject":"my-case","time":"{time}","data":{{"category":"I","office":"14301000000"}}}}'
)


@click.command(short_help="Try it: the whole service with a simulated province.")
@click.option("--port", type=click.IntRange(0, 65535), help="Port [the first free from 8080].")
@click.option(
    "--seed", type=int, default=1, show_default=True, help="Another seed, another province."
)
@click.option(
    "--months",
    type=click.IntRange(2, MOST_MONTHS),
    default=MONTHS,
    show_default=True,
    help="How much history; all but two months of it is posted beside the live events.",
)
@click.option("--data-dir", type=click.Path(path_type=Path), help="Folder [./rebate-data/demo].")
def demo(port: int | None, seed: int, months: int, data_dir: Path | None) -> None:
    """Run the whole service on this machine with a simulated province, ready to look at.

    Each start begins with an empty database and two months of made-up history; the months before
    follow while you look. Alerts of the two months are raised and shown; the channels of
    REBATE_CONFIG are not used, so nobody is told of made-up cases.
    """
    told = session.told_settings()
    settings = replace(
        told,
        database_url=None,
        data_dir=_demo_folder(data_dir or _usable_folder(told.data_dir / DEMO_FOLDER)),
        host="127.0.0.1",
        port=_port(port, told),
        admin_key=secrets.token_urlsafe(24),
        anonymous_read=True,
        log_level="warning",
    )
    configure_logging(settings.log_format, settings.log_level)
    with ExitStack() as stack:
        stack.enter_context(session.plain_errors())
        stack.enter_context(claim_service(settings.data_dir))
        server = stack.enter_context(session.database_server(settings))
        session.run(_demo(settings, server, _Made(seed=seed, older=MONTH * (months - 2))))
    click.echo(f"\nThe demo has ended; {settings.data_dir} is emptied at its next start.", err=True)


def _port(port: int | None, told: Settings) -> int:
    if port is not None:
        return port
    return told.port if "REBATE_PORT" in os.environ else free_port()


def _demo_folder(folder: Path) -> Path:
    """Mark a folder as the demo's own; refuse one with a database that no demo made."""
    mark = folder / MARK
    if (folder / "pgdata").exists() and not mark.exists():
        raise click.ClickException(
            f"{folder} holds a database that is not a demo's, and a demo empties its database: "
            "name another folder with --data-dir"
        )
    folder.mkdir(parents=True, exist_ok=True)
    mark.touch()
    return folder


def _usable_folder(wanted: Path) -> Path:
    """Return the folder wanted, or one that every user can enter, so that a first try just works.

    PostgreSQL refuses to run as root, and as another user it cannot enter root's own folders.
    """
    fallback = Path(tempfile.gettempdir()) / f"rebate-monitor-demo-{os.getuid()}"
    is_new = not (wanted / "pgdata").exists()
    with suppress(FolderError), EmbeddedPostgres(wanted):
        if is_new:
            (wanted / MARK).touch()
        return wanted
    click.echo(f"PostgreSQL cannot use {wanted}; the demo's data is in {fallback}", err=True)
    return fallback


@dataclass(frozen=True, slots=True, kw_only=True)
class _Made:
    """Which province is made up, and how much history lies before its two months."""

    seed: int
    older: timedelta


async def _demo(settings: Settings, server: session.Server, made: _Made) -> None:
    stop, console = stop_on_signals(), Console(stderr=True, highlight=False)
    await _empty(server.dsn)
    async with open_database(server.dsn) as database:
        await upgrade(database)
        composed = compose(settings, database, alerts=_nobody_told(settings))
        service = replace(composed, shown_key=settings.admin_key)

        def beside(port: int) -> Iterable[Loop]:
            watch = watching(server.embedded, database, stop)
            return [*watch, _simulate(_url(port), settings, made, console, stop)]

        await run(service, stop, _welcome(console, settings), beside)


def _nobody_told(settings: Settings) -> AlertSettings:
    """Keep made-up cases from real people: alerts are raised and shown, no channel is used."""
    since = utc_now() - HISTORY
    return replace(configured_alerts(settings), channels=(), routes=(), enforce_from=since)


async def _empty(dsn: str) -> None:
    """Forget the last demo, so that every start shows the same province."""
    async with open_database(dsn) as database, database.connection() as connection:
        await connection.execute(EMPTY)


def _url(port: int) -> str:
    return f"http://127.0.0.1:{port}"


def _welcome(console: Console, settings: Settings) -> Callable[[int], None]:
    def say(port: int) -> None:
        event = EXAMPLE.format(time=f"{utc_now():%Y-%m-%dT%H:%M:%SZ}")
        console.print(
            WELCOME.format(url=_url(port), key=settings.admin_key, event=event), soft_wrap=True
        )

    return say


async def _simulate(
    url: str, settings: Settings, made: _Made, console: Console, stop: asyncio.Event
) -> None:
    """Post two months of history, then live events, older history beside them, until stopped."""
    province, key = Province(seed=made.seed, calendar=work_calendar()), settings.admin_key or ""
    async with (
        _until(stop),
        Producer(url=url, key=key) as office,
        Producer(url=url, key=key) as archive,
    ):
        first = await _post_history(province, office, console)
        async with asyncio.TaskGroup() as group:
            group.create_task(_post_older(made, first, archive))
            await _post_live(province, office, console)


@asynccontextmanager
async def _until(stop: asyncio.Event) -> AsyncIterator[None]:
    """Break off what is inside when `stop` is set; that is how a demo ends, not a failure."""
    task = asyncio.current_task()
    watcher = asyncio.create_task(stop.wait())
    if task is not None:
        watcher.add_done_callback(lambda done: None if done.cancelled() else task.cancel())
    try:
        yield
    except asyncio.CancelledError:
        if not stop.is_set():
            raise
    finally:
        watcher.cancel()


async def _post_history(province: Province, office: Producer, console: Console) -> datetime:
    """Post two months of history; return when it begins."""
    until = utc_now()
    first = until - HISTORY
    events = list(province.history(first, until))
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, TimeElapsedColumn(), console=console) as progress:
        bar = progress.add_task("two months of events", total=len(events))
        for chunk in _chunks(events):
            await office.post(chunk)
            progress.advance(bar, len(chunk))
    return first


async def _post_older(made: _Made, until: datetime, archive: Producer) -> None:
    """Post what lies before, a week after the other backwards, each with all that became of it.

    Unhurried: after each week it rests for as long as the week took.
    """
    calendar, oldest = work_calendar(), until - made.older
    while until > oldest:
        began = time.monotonic()
        province = Province(seed=made.seed, calendar=calendar)
        await archive.post(province.history(until - WEEK, until))
        await archive.post(province.aftermath(utc_now()))
        until -= WEEK
        await asyncio.sleep(time.monotonic() - began)


async def _post_live(province: Province, office: Producer, console: Console) -> None:
    with console.status("") as status:
        while True:
            await office.post(province.live(utc_now()))
            status.update(_state(office.counts, utc_now()))
            await asyncio.sleep(LIVE_EVERY_SECONDS)


def _state(counts: Counts, now: datetime) -> str:
    return (
        f"{now.astimezone(SHANGHAI):%H:%M:%S} live: {counts.accepted:,} accepted, "
        f"{counts.duplicate:,} duplicate, {counts.rejected:,} refused on purpose"
    )


def _chunks(events: Iterable[Event]) -> Iterable[list[Event]]:
    source = iter(events)
    while chunk := list(islice(source, CHUNK_EVENTS)):
        yield chunk
