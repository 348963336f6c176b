"""`rebate-monitor report`: the circular 通报 on a month, as HTML, Excel or CSV."""

import os
import sys
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import assert_never

import click

from rebate_monitor.calendar_sources import FIRST_YEAR
from rebate_monitor.catalogue import Language
from rebate_monitor.circular.compose import Wanted, compose
from rebate_monitor.circular.csv_file import csv_file
from rebate_monitor.circular.facts import Facts
from rebate_monitor.circular.html import html_file
from rebate_monitor.circular.reading import MonthAsked, read_facts
from rebate_monitor.circular.wording import wording
from rebate_monitor.circular.xlsx import xlsx_file
from rebate_monitor.cli import session
from rebate_monitor.cli.acting import acting
from rebate_monitor.domain.local_time import local_date
from rebate_monitor.domain.periods import Days, named_month
from rebate_monitor.places import Places
from rebate_monitor.server import configured_places, rules_of, utc_now
from rebate_monitor.settings import Settings
from rebate_monitor.storage.audit import Action, add_records
from rebate_monitor.storage.evaluation import DEFAULT_MIN_CASES
from rebate_monitor.storage.recomputes import under_way

STANDARD_OUTPUT = "-"


class Format(StrEnum):
    """What a report is written as."""

    HTML = "html"
    XLSX = "xlsx"
    CSV = "csv"


@click.command(short_help="Write the report on a month: HTML, Excel or CSV.")
@click.option("--month", "name", required=True, metavar="MONTH", help="A month such as 2026-10.")
@click.option("--lang", type=click.Choice([lang.value for lang in Language]), default="zh")
@click.option(
    "--format", "told_format", type=click.Choice([f.value for f in Format]), default="html"
)
@click.option(
    "--out",
    metavar="FILE",
    help="Where to; - is standard output.  [default: rebate-report-MONTH-LANG.FORMAT]",
)
@click.option("--internal", is_flag=True, help="Hide nothing; for use inside the office only.")
@click.option(
    "--min-cases",
    type=click.IntRange(1, 1_000_000),
    default=DEFAULT_MIN_CASES,
    show_default=True,
    help="Who finished fewer has no rank.",
)
def report(  # noqa: PLR0913 - one argument an option
    *,
    name: str,
    lang: str,
    told_format: str,
    out: str | None,
    internal: bool,
    min_cases: int,
) -> None:
    """Write the report 通报 on a month, as of now.

    Without --internal it may leave the office: figures of fewer than three cases are hidden, and
    those from which they could be worked out.

    \b
    rebate-monitor report --month 2026-10 --lang zh --format xlsx
    rebate-monitor report --month 2026-10 --lang en --out report.html
    """  # noqa: D301 - click's mark against rewrapping is the character itself
    now, kind = utc_now(), Format(told_format)
    wanted = Wanted(language=Language(lang), internal=internal, min_cases=min_cases)
    days = _days(name, now)
    target = _target(out, days, kind, wanted)
    settings = session.told_settings()
    with session.plain_errors(), session.database_server(settings) as server:
        known = configured_places(settings)
        asking = partial(MonthAsked, month=days, now=now, places=known, with_quality=internal)
        facts = session.run(_facts(settings, server, asking))
        session.run(_record(settings, server, name, internal=internal))
    content = _content(facts, known, wanted, kind)
    write(target, content)
    place = target or "standard output"
    click.echo(f"{days.month}: {len(content):,} bytes written to {place}", err=True)


def _days(name: str, now: datetime) -> Days:
    try:
        days = named_month(name)
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--month") from error
    if days.first > local_date(now):
        raise click.BadParameter(f"{name} has not begun", param_hint="--month")
    if days.first.year < FIRST_YEAR:
        raise click.BadParameter(f"the calendar begins in {FIRST_YEAR}", param_hint="--month")
    return days


def _target(out: str | None, days: Days, kind: Format, wanted: Wanted) -> Path | None:
    """Return the file to write, None for standard output."""
    if out == STANDARD_OUTPUT:
        if kind is Format.XLSX and sys.stdout.isatty():
            raise click.BadParameter("a workbook is nothing for a terminal", param_hint="--out")
        return None
    internal = "-internal" if wanted.internal else ""
    target = Path(out or f"rebate-report-{days.month}-{wanted.language}{internal}.{kind}")
    if target.is_dir() or not target.parent.is_dir():
        raise click.BadParameter(f"{target} cannot be a file", param_hint="--out")
    return target


async def _facts(
    settings: Settings, server: session.Server, asking: Callable[..., MonthAsked]
) -> Facts:
    async with (
        session.ready_database(settings, server) as database,
        database.transaction(snapshot=True) as connection,
    ):
        rules = await rules_of(settings).in_force(connection)
        if rules.settled != rules.number or await under_way(connection) is not None:
            raise click.ClickException(
                "cases are being recomputed, and a report would mix old and new ones: wait for "
                "`rebate-monitor recompute` to say that it is done"
            )
        return await read_facts(connection, asking(rules=rules))


async def _record(
    settings: Settings, server: session.Server, month: str, *, internal: bool
) -> None:
    kind = "internal" if internal else "may leave the office"
    async with session.ready_connection(settings, server) as connection:
        await add_records(connection, [acting().record(Action.REPORT_MADE, month, kind)])


def _content(facts: Facts, known: Places, wanted: Wanted, kind: Format) -> bytes:
    document, words = compose(facts, known, wanted), wording(wanted.language, known)
    match kind:
        case Format.HTML:
            return html_file(document, words)
        case Format.XLSX:
            return xlsx_file(document, words, facts.as_of)
        case Format.CSV:
            return csv_file(document)
        case _:
            assert_never(kind)


def write(target: Path | None, content: bytes) -> None:
    """Write all or nothing: an older report stays until the new one is whole."""
    if target is None:
        sys.stdout.buffer.write(content)
        sys.stdout.buffer.flush()
        return
    beside = target.with_name(f".{target.name}.{os.getpid()}")
    try:
        beside.write_bytes(content)
        beside.replace(target)
    except OSError as error:
        with suppress(OSError):
            beside.unlink()
        raise click.ClickException(f"{target} cannot be written: {error.strerror}") from error
