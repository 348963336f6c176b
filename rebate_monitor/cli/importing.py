"""`rebate-monitor import`: take a file of events."""

import csv
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date
from itertools import islice
from pathlib import Path
from typing import Any, BinaryIO

import click
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from rebate_monitor.cli import session
from rebate_monitor.domain.local_time import local_date
from rebate_monitor.domain.performance import Performance
from rebate_monitor.domain.policy import Scope
from rebate_monitor.domain.standing import Period
from rebate_monitor.ingest.csv_rows import CsvDefaults, CsvHeaderError, check_header, csv_events
from rebate_monitor.ingest.decision import Outcome
from rebate_monitor.ingest.incoming import Sender
from rebate_monitor.ingest.writer import Report, Writer
from rebate_monitor.server import rules_of, utc_now
from rebate_monitor.settings import Settings
from rebate_monitor.storage.database import Database
from rebate_monitor.storage.figures import read_distributions
from rebate_monitor.storage.rules import Rules

CHUNK_EVENTS = 1_000
DEFAULT_SOURCE = "/import"
OFFSET = re.compile(r"Z|[+-](0[0-9]|1[0-4]):[0-5][0-9]")
SHOWN_REASONS = 10
FIRST_DAY = date(2000, 1, 1)


@dataclass(slots=True)
class Reasons:
    """Why events were refused: how often each reason, and the first place of each."""

    counts: Counter[str] = field(default_factory=Counter)
    places: dict[str, int] = field(default_factory=dict)

    def add(self, report: Report, first_number: int) -> None:
        """Count the refusals of a chunk whose first event has this number."""
        for result in report.results:
            if result.outcome is not Outcome.DUPLICATE:
                self.counts[result.detail] += 1
                self.places.setdefault(result.detail, first_number + result.index)


@dataclass(frozen=True, slots=True, kw_only=True)
class Imported:
    """What an import came to."""

    report: Report
    reasons: Reasons
    figures: dict[Scope, Performance]


def _check_offset(
    _context: click.Context, _option: click.Parameter, told: str | None
) -> str | None:
    if told is not None and not OFFSET.fullmatch(told):
        raise click.BadParameter("must be such as +08:00")
    return told


@click.command("import", short_help="Take a file of events, NDJSON or CSV.")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option(
    "--format",
    "file_format",
    type=click.Choice(["auto", "ndjson", "csv"]),
    default="auto",
    help="Of the file; auto goes by its name, .csv or anything else.",
)
@click.option("--source", help="Source of CSV rows that name none [/import].")
@click.option(
    "--offset",
    metavar="+08:00",
    callback=_check_offset,
    help="Offset of CSV times that carry none; without it such rows are refused.",
)
def import_file(file: Path, file_format: str, source: str | None, offset: str | None) -> None:
    """Take a FILE of events: NDJSON (one CloudEvents event a line) or CSV.

    A file can be imported again, or after it was interrupted: what is known already is counted as
    duplicate and changes nothing. Refused events are kept in the quarantine with their reason.
    """
    settings = session.told_settings()
    defaults = CsvDefaults(source=source or DEFAULT_SOURCE, offset=offset)
    as_csv = file_format == "csv" or (file_format == "auto" and file.suffix.lower() == ".csv")
    with session.plain_errors(), session.database_server(settings) as server:
        imported = session.run(_import(settings, server, file, defaults if as_csv else None))
    _show(imported)
    if 0 < imported.report.rejected == imported.report.total:
        raise SystemExit(1)


async def _import(
    settings: Settings, server: session.Server, file: Path, defaults: CsvDefaults | None
) -> Imported:
    rules = rules_of(settings)
    async with session.ready_database(settings, server) as database:
        writer = Writer(database=database, rules=rules, max_ahead=settings.max_ahead, clock=utc_now)
        with _progress(file) as (stream, advance):
            bodies = _csv_bodies(stream, defaults) if defaults else _ndjson_bodies(stream)
            report, reasons = await _take(writer, bodies, f"import {file.name}", advance)
        figures = await _figures(database, rules)
    return Imported(report=report, reasons=reasons, figures=figures)


@contextmanager
def _progress(file: Path) -> Iterator[tuple[BinaryIO, Callable[[], None]]]:
    columns = (TextColumn(file.name), BarColumn(), DownloadColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True)) as progress, file.open("rb") as stream:
        bar = progress.add_task("import", total=file.stat().st_size)
        yield stream, lambda: progress.update(bar, completed=stream.tell())


def _ndjson_bodies(stream: BinaryIO) -> Iterator[bytes]:
    return (line for line in iter(stream.readline, b"") if line.strip())


def _csv_bodies(stream: BinaryIO, defaults: CsvDefaults) -> Iterator[bytes]:
    encoding = _encoding(stream)
    text = (line.decode(encoding, "surrogateescape") for line in iter(stream.readline, b""))
    rows = csv.DictReader(text)
    try:
        check_header(rows.fieldnames or ())
    except CsvHeaderError as error:
        raise click.ClickException(str(error)) from error
    return csv_events(_plain_rows(rows), defaults)


def _encoding(stream: BinaryIO) -> str:
    """Return UTF-8, or GBK (as Excel in China writes it) where no Chinese line is UTF-8."""
    lines = [line for line in iter(stream.readline, b"") if not line.isascii()]
    stream.seek(0)
    if not lines or any(_is_utf8(line) for line in lines):
        return "utf-8-sig"
    return "gb18030"


def _is_utf8(line: bytes) -> bool:
    try:
        line.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def _plain_rows(rows: "csv.DictReader[str]") -> Iterator[dict[str | Any, str | Any]]:
    try:
        yield from rows
    except csv.Error as error:
        raise click.ClickException(
            f"line {rows.line_num} is not CSV ({error}); what came before it was taken"
        ) from error


async def _take(
    writer: Writer, bodies: Iterable[bytes], name: str, advance: Callable[[], None]
) -> tuple[Report, Reasons]:
    report, reasons, number = Report(), Reasons(), 1
    for chunk in _chunks(bodies):
        taken = await writer.take(chunk, sender=Sender(name), now=utc_now(), is_import=True)
        reasons.add(taken, number)
        report, number = report.plus(taken), number + len(chunk)
        advance()
    return report, reasons


def _chunks(bodies: Iterable[bytes]) -> Iterator[list[bytes]]:
    source = iter(bodies)
    while chunk := list(islice(source, CHUNK_EVENTS)):
        yield chunk


async def _figures(database: Database, rules: Rules) -> dict[Scope, Performance]:
    """Return the figures of everything stored, for a first look."""
    today = local_date(utc_now())
    period = Period(first=FIRST_DAY, last=today, by="none", today=today)
    async with database.transaction(snapshot=True) as connection:
        in_force = await rules.in_force(connection)
        told = await read_distributions(connection, period, in_force)
    applied = in_force.rulebook.policies.on(today)
    return {scope: told.performance(None, scope, applied.target(scope)) for scope in Scope}


def _show(imported: Imported) -> None:
    console = Console()
    report = imported.report
    click.echo(
        f"{report.accepted} accepted, {report.duplicate} duplicate, {report.rejected} rejected"
    )
    if imported.reasons.counts:
        table = Table("events", "first at event", "reason")
        for reason, count in imported.reasons.counts.most_common(SHOWN_REASONS):
            table.add_row(str(count), str(imported.reasons.places[reason]), reason)
        console.print(table)
        click.echo("They are kept: see `rebate-monitor quarantine list`.")
        if any("timezone" in reason for reason in imported.reasons.counts):
            click.echo("Times carry no offset: if they are Chinese time, add --offset +08:00.")
    console.print(_figure_table(imported.figures))


def _figure_table(figures: dict[Scope, Performance]) -> Table:
    table = Table("", *figures, title="All normal cases now stored 全部正常件")
    lines: dict[str, Callable[[Performance], str]] = {
        "stopped 已办结": lambda told: str(told.n),
        "mean workdays 平均工作日": lambda told: _number(told.mean_workdays),
        "target 目标": lambda told: _number(told.target_workdays),
        "median 中位数": lambda told: _number(told.median),
        "p90": lambda told: _number(told.p90),
        "in time 限时办结率": lambda told: _share(told.in_time_rate),
        "same day 即报即办率": lambda told: _share(told.same_day_rate),
        "amount-weighted mean 按金额加权": lambda told: _number(told.amount_weighted_mean),
        "still open 在办": lambda told: str(told.open_n),
        "mean if they stopped now 若即刻办结": lambda told: _number(told.mean_if_open_stopped_now),
    }
    for label, show in lines.items():
        table.add_row(label, *(show(told) for told in figures.values()))
    return table


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.4g}"


def _share(value: float | None) -> str:
    return "-" if value is None else f"{value:.1%}"
