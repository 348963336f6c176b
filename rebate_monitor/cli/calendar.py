"""`rebate-monitor calendar`: years of the work calendar, imported, shown, compared, given up."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from functools import partial
from pathlib import Path

import click
from rich.console import Console
from rich.markup import escape

from rebate_monitor.calendar_file import FIRST_YEAR, LAST_YEAR, CalendarFileError, read_notices
from rebate_monitor.cli import session
from rebate_monitor.cli.calendar_checks import (
    Comparison,
    Horizon,
    comparisons,
    pending_findings,
    source_of,
    source_table,
)
from rebate_monitor.cli.calendar_tables import (
    CalendarDifference,
    Papers,
    day_table,
    holiday_table,
    month_table,
    version_table,
)
from rebate_monitor.cli.doctor import Finding, Level
from rebate_monitor.cli.plain_table import show_table
from rebate_monitor.cli.publishing import Wishes, publish_rules, with_wishes
from rebate_monitor.cli.rule_state import RuleState, how, read_rule_state, since
from rebate_monitor.cli.told_file import FILE, name_of, read_bytes, refused
from rebate_monitor.domain.calendar_change import Objection
from rebate_monitor.domain.foresight import due_beyond
from rebate_monitor.domain.local_time import local_date
from rebate_monitor.domain.rule_versions import PartVersion, calendar_versions
from rebate_monitor.domain.work_calendar import WorkCalendar, YearNotice
from rebate_monitor.ingest.rule_changes import (
    CalendarImport,
    CalendarWithdrawal,
    Draft,
)
from rebate_monitor.metrics import windows
from rebate_monitor.server import rules_of, utc_now
from rebate_monitor.settings import Settings
from rebate_monitor.storage.figures import read_snapshot
from rebate_monitor.storage.rulebooks import Version
from rebate_monitor.storage.rules import Rules

YEAR = click.IntRange(FIRST_YEAR, LAST_YEAR)


@click.group(short_help="Years of the work calendar: import, show, compare, give up.")
def calendar() -> None:
    """Keep the State Council's notices: which days are worked 工作日历."""


@calendar.command("import", short_help="Bring a notice; shows first what it does.")
@click.argument("file", type=FILE)
@click.option("--force", is_flag=True, help="Import it though something speaks against it.")
@with_wishes
def import_year(*, file: Path, force: bool, wishes: Wishes) -> None:
    """Lay the notices in FILE over the calendar, and recompute the cases that they touch.

    FILE is JSON of holiday-cn's shape (one year), or CSV with the columns date, kind, year_notice
    and source (any number of years); - is standard input. First you see which days differ and what
    that does to the cases; nothing is written until you agree.

    \b
    rebate-monitor calendar import 2027.json
    rebate-monitor calendar import 2027.json --dry-run
    """  # noqa: D301 - click's mark against rewrapping is the character itself
    notices = _notices(file)
    settings = session.told_settings()
    made = CalendarImport(by=wishes.by, notices=notices, insists=True)
    publish_rules(settings, lambda _: made, partial(_show_import, made, force=force), wishes)


def _notices(file: Path) -> tuple[YearNotice, ...]:
    try:
        return read_notices(read_bytes(file))
    except CalendarFileError as error:
        raise refused(name_of(file), error.problems) from error


def _show_import(made: CalendarImport, draft: Draft, *, force: bool) -> None:
    if draft.before.says_the_same_as(draft.after):
        return
    show_difference(draft.before.rulebook.calendar, draft.after.rulebook.calendar)
    fresh = draft.after.imported_years - draft.before.imported_years
    if fresh:
        years = ", ".join(map(str, sorted(fresh)))
        click.echo(f"{years}: from now on as imported, whatever a later package says")
    _object(made.objections_to(draft.before), force=force)


def _object(told: Sequence[Objection], *, force: bool) -> None:
    if not told:
        return
    texts = "\n  ".join(f"{objection.text} ({objection.rule})" for objection in told)
    if not force:
        raise click.ClickException(
            f"nothing was written, since this speaks against the notice:\n  {texts}\n"
            "If it is right all the same, import it with --force."
        )
    click.echo(f"--force insists on it, though this speaks against it:\n  {texts}")


def show_difference(before: WorkCalendar, after: WorkCalendar) -> None:
    """Print the days that differ between two calendars."""
    told = CalendarDifference.of(before, after)
    if not told.changes:
        click.echo("no day differs from the calendar in force")
        return
    for line in told.heading():
        click.echo(line)
    _print_days(told)


def _print_days(told: CalendarDifference) -> None:
    """Print the days that are worth a row, and the papers that they are told by."""
    papers = Papers()
    table = told.table(papers)
    if told.shown:
        show_table(table)
    for line in (*told.legend(), *papers.lines()):
        click.echo(line)


@calendar.command("withdraw", short_help="Give an imported year up.")
@click.argument("year", type=YEAR)
@with_wishes
def withdraw(*, year: int, wishes: Wishes) -> None:
    """Give the imported YEAR up: the package speaks for it again, or else an estimate."""
    settings = session.told_settings()
    with session.plain_errors():
        own = rules_of(settings).own.calendar

    def made(before: Version) -> CalendarWithdrawal:
        _require_imported(before, year)
        return CalendarWithdrawal(by=wishes.by, year=year, own=own)

    publish_rules(settings, made, _show_withdrawal, wishes)


def _require_imported(before: Version, year: int) -> None:
    if year not in before.imported_years:
        imported = ", ".join(map(str, sorted(before.imported_years))) or "none"
        raise click.ClickException(f"{year} was not imported; imported years: {imported}")


def _show_withdrawal(draft: Draft) -> None:
    show_difference(draft.before.rulebook.calendar, draft.after.rulebook.calendar)
    (year,) = draft.before.imported_years - draft.after.imported_years
    is_estimate = draft.after.rulebook.calendar.notices[year].provisional
    speaks = "it is an estimate again" if is_estimate else "the package speaks for it again"
    click.echo(f"{year}: no longer as imported; {speaks}")


@calendar.command("show", short_help="Show a year at a glance.")
@click.argument("year", type=YEAR, required=False)
@click.option("--days", "with_days", is_flag=True, help="List every day.")
@click.option("--version", "number", metavar="N", type=click.IntRange(1), help="An older version.")
def show(year: int | None, number: int | None, *, with_days: bool) -> None:
    """Show YEAR (this year unless told): holidays, make-up days, workdays, versions."""
    settings = session.told_settings()
    with session.plain_errors(), session.database_server(settings) as server:
        state = session.run(read_rule_state(settings, server, rules_of(settings)))
    shown = _shown_year(state, year or local_date(utc_now()).year, number)
    for line in shown.heading():
        click.echo(line)
    show_table(holiday_table(shown.calendar, shown.year))
    show_table(month_table(shown.calendar, shown.year))
    if with_days:
        show_table(day_table(shown.calendar, shown.year))
    show_table(version_table(shown.versions, shown.calendar))


@dataclass(frozen=True, slots=True, kw_only=True)
class _ShownYear:
    """One version of a year."""

    state: RuleState
    year: int
    versions: Sequence[PartVersion[YearNotice]]
    number: int

    @property
    def calendar(self) -> WorkCalendar:
        """The calendar as this version had it."""
        if self.number == len(self.versions):
            return self.state.rulebook.calendar
        return self.state.at(self.versions[self.number - 1].rules).calendar

    def heading(self) -> Iterator[str]:
        """Yield what is shown, whose word it is, and the papers."""
        yield f"{self.year} 工作日历: version {self.number} of {len(self.versions)}"
        notice = self.calendar.notices[self.year]
        if self.number == len(self.versions):
            yield f"source 来源: {source_of(self.state, self.year)}"
        else:
            version = self.versions[self.number - 1]
            estimate = "an estimate 估算, " if notice.provisional else ""
            yield f"source 来源: {estimate}{how(version.brought)}, {since(version.known_since)}"
        papers = dict.fromkeys([notice.notice, *(day.notice for day in notice.days.values())])
        for paper in filter(None, papers):
            yield f"notice 通知: {paper}"


def _shown_year(state: RuleState, year: int, number: int | None) -> _ShownYear:
    versions = calendar_versions(state.known, year)
    if number is not None and number > len(versions):
        said = f"{year} has {len(versions)} version{'' if len(versions) == 1 else 's'}"
        raise click.ClickException(f"{said}; there is no version {number}")
    return _ShownYear(state=state, year=year, versions=versions, number=number or len(versions))


@calendar.command("check", short_help="Say how far it is published; compare sources.")
@click.argument("file", type=FILE, required=False)
def check(file: Path | None) -> None:
    """Say how far the calendar is published, and where its sources differ.

    With FILE: compare a notice with the calendar in force. Nothing is written. Exit code 1 when
    next year is missing from 1 December on, or an open case falls due after the last published
    day; with FILE when it is no notice, or something speaks against it.
    """
    if file is not None:
        _check_file(file)
    elif not _check_sources(session.told_settings()):
        raise SystemExit(1)


def _check_file(file: Path) -> None:
    made = CalendarImport(by="", notices=_notices(file), insists=True)
    settings = session.told_settings()
    with session.plain_errors(), session.database_server(settings) as server:
        state = session.run(read_rule_state(settings, server, rules_of(settings)))
    show_difference(state.rulebook.calendar, made.next(state.version).rulebook.calendar)
    told = made.objections_to(state.version)
    if told:
        raise refused(name_of(file), [objection.text for objection in told])
    click.echo(
        f"nothing was written; `rebate-monitor calendar import {file} --dry-run` also tries it on "
        "the cases"
    )


def _check_sources(settings: Settings) -> bool:
    """Print what there is to say; return whether all is fine."""
    today = local_date(utc_now())
    with session.plain_errors(), session.database_server(settings) as server:
        rules = rules_of(settings)
        state = session.run(read_rule_state(settings, server, rules))
        beyond = session.run(_due_beyond(settings, server, rules, today))
    until = state.rulebook.calendar.published_until
    horizon = Horizon(today=today, published_until=until, beyond=beyond)
    years = sorted({today.year - 1, today.year, today.year + 1, *state.version.imported_years})
    show_table(source_table(state, years))
    click.echo()
    found = [*horizon.findings(), *pending_findings(state, rules.own)]
    _print(found)
    for compared in comparisons(state, years):
        _print_comparison(compared)
    return all(finding.level is not Level.WRONG for finding in found)


async def _due_beyond(
    settings: Settings, server: session.Server, rules: Rules, today: date
) -> Counter[date]:
    async with session.ready_database(settings, server) as database:
        snapshot = await read_snapshot(database, rules, windows(today), today)
    return due_beyond(snapshot.cells, snapshot.rules.calendar_of)


def _print_comparison(compared: Comparison) -> None:
    _print(compared.findings())
    if compared.difference is not None:
        _print_days(compared.difference)


def _print(findings: Iterator[Finding] | Sequence[Finding]) -> None:
    console = Console()
    for finding in findings:
        text = f"{finding.level} {escape(finding.text)}"
        console.print(text, soft_wrap=True, highlight=False, emoji=False)
