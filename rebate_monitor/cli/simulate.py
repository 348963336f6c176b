"""`rebate-monitor simulate`: a made-up province as a file or against a running service."""

import asyncio
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path
from typing import IO

import click
import msgspec
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

from rebate_monitor.calendar_sources import FIRST_YEAR, LAST_YEAR, work_calendar
from rebate_monitor.domain.local_time import SHANGHAI
from rebate_monitor.simulation.producer import Counts, Producer, ProducerError
from rebate_monitor.simulation.province import Event, Province

DEFAULT_PERIOD = timedelta(days=60)
CHUNK_EVENTS = 5_000
DATE = click.DateTime(["%Y-%m-%d", "%Y-%m-%dT%H:%M:%S"])


@dataclass(frozen=True, slots=True, kw_only=True)
class Simulation:
    """A province and the period to tell of; instants are in Asia/Shanghai."""

    province: Province
    first: datetime
    until: datetime

    def chunks(self) -> Iterator[list[Event]]:
        """Yield the events, some thousand at a time."""
        events = self.province.history(self.first, self.until)
        while chunk := list(islice(events, CHUNK_EVENTS)):
            yield chunk

    @property
    def done(self) -> float:
        """The part of the period that has been told, 0 to 1."""
        told_until = self.province.told_until or self.first
        return (told_until - self.first) / (self.until - self.first)


@click.command(short_help="Make up a province: to a file, or posted to a service.")
@click.option("--seed", default=1, show_default=True, help="The same seed makes the same province.")
@click.option(
    "--from",
    "first",
    type=DATE,
    metavar="DATE",
    help="Where the cases begin, in Asia/Shanghai.  [default: 60 days before the end]",
)
@click.option(
    "--to",
    "until",
    type=DATE,
    metavar="DATE",
    help="Where the events end: a date means its first moment.  [default: now]",
)
@click.option(
    "--cases-per-month",
    type=click.IntRange(min=1),
    default=4000,
    show_default=True,
    help="How many cases are accepted in a month.",
)
@click.option(
    "--dirt",
    type=click.FloatRange(min=0),
    default=1.0,
    show_default=True,
    help="How much producers get wrong: 0 is nothing, 1 ordinary, 10 ten times that.",
)
@click.option(
    "--out",
    type=click.File("wb"),
    metavar="FILE",
    help="Write the events as NDJSON, one a line; - is standard output.  [default: -]",
)
@click.option("--url", help="Post the events to the service at this address instead.")
@click.option(
    "--key-file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    envvar="REBATE_ADMIN_KEY_FILE",
    help="A file with a key that may write events.  [default: the key in REBATE_ADMIN_KEY]",
)
@click.option("--key", envvar="REBATE_ADMIN_KEY", hidden=True)  # shown, it would end up in ps
def simulate(  # noqa: PLR0913 - one argument an option
    *,
    seed: int,
    first: datetime | None,
    until: datetime | None,
    cases_per_month: int,
    dirt: float,
    out: IO[bytes] | None,
    url: str | None,
    key_file: Path | None,
    key: str | None,
) -> None:
    """Simulate a province's rebate cases.

    Fourteen cities, their tax offices and some hundred enterprises, all made up, as CloudEvents in
    the order in which a service would receive them. Post them to a service that is meant for
    trying things out: they look like real cases.

    \b
    rebate-monitor simulate --from 2026-09-01 --to 2026-11-01 --out events.ndjson
    rebate-monitor simulate --url http://127.0.0.1:8080 --key-file key.txt
    """  # noqa: D301 - click's mark against rewrapping is the character itself
    now = datetime.now(UTC).astimezone(SHANGHAI)
    first, until = _period(first, until, now)
    simulation = Simulation(
        province=Province(
            calendar=work_calendar(), seed=seed, cases_per_month=cases_per_month, dirt=dirt
        ),
        first=first,
        until=until,
    )
    if url is None:
        _write(simulation, out or sys.stdout.buffer)
        return
    if out is not None:
        raise click.UsageError("--out and --url exclude each other")
    if until > now:
        raise click.BadParameter("a service takes no events of the future", param_hint="--to")
    _post(simulation, url, _key(key_file, key))


def _period(
    first: datetime | None, until: datetime | None, now: datetime
) -> tuple[datetime, datetime]:
    """Return the period asked for; raise BadParameter."""
    end = until.replace(tzinfo=SHANGHAI) if until else now
    begin = first.replace(tzinfo=SHANGHAI) if first else end - DEFAULT_PERIOD
    if begin >= end:
        raise click.BadParameter("must lie before --to", param_hint="--from")
    if begin.year < FIRST_YEAR:
        raise click.BadParameter(f"must not lie before {FIRST_YEAR}", param_hint="--from")
    if end.year >= LAST_YEAR:
        raise click.BadParameter(f"must lie before {LAST_YEAR}", param_hint="--to")
    return begin, end


def _key(key_file: Path | None, key: str | None) -> str:
    try:
        told = key_file.read_text("utf-8") if key_file else key
    except (OSError, UnicodeDecodeError) as error:
        raise click.BadParameter(
            f"cannot be read ({type(error).__name__})", param_hint="--key-file"
        ) from None
    if not told or not told.strip():
        raise click.UsageError("posting needs a key: give --key-file or set REBATE_ADMIN_KEY")
    return told.strip()


def _write(simulation: Simulation, out: IO[bytes]) -> None:
    written = 0
    encoder = msgspec.json.Encoder()
    for chunk in simulation.chunks():
        out.write(encoder.encode_lines(chunk))
        written += len(chunk)
    out.flush()
    click.echo(f"{written} events written", err=True)


def _post(simulation: Simulation, url: str, key: str) -> None:
    try:
        counts = asyncio.run(_post_all(simulation, url, key))
    except ProducerError as error:
        raise click.ClickException(str(error)) from error
    click.echo(
        f"{counts.accepted} accepted, {counts.duplicate} duplicate, {counts.rejected} rejected",
        err=True,
    )


async def _post_all(simulation: Simulation, url: str, key: str) -> Counts:
    async with Producer(url=url, key=key) as producer:
        with _progress() as progress:
            task = progress.add_task("posting events", total=1.0)
            for chunk in simulation.chunks():
                await producer.post(chunk)
                progress.update(task, completed=simulation.done)
            progress.update(task, completed=1.0)
        return producer.counts


def _progress() -> Progress:
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        TaskProgressColumn(),
        TimeRemainingColumn(),
        console=Console(stderr=True),
    )
