"""`rebate-monitor month`: close a month, and show what was corrected since."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby

import click
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from rebate_monitor.api.evaluation import FOLDER, group_name
from rebate_monitor.api.months import MAX_CASES
from rebate_monitor.catalogue import Catalogue, Language, catalogue
from rebate_monitor.cli import session
from rebate_monitor.cli.acting import acting, who_acts
from rebate_monitor.domain.frozen import (
    CaseChange,
    ChangeCause,
    Contribution,
    FrozenMonth,
    GroupCorrection,
    MonthCorrections,
)
from rebate_monitor.domain.local_time import SHANGHAI
from rebate_monitor.domain.periods import Days, month_name, named_month
from rebate_monitor.domain.tally import UNKNOWN_CATEGORY
from rebate_monitor.places import Places
from rebate_monitor.server import configured_places, rules_of, utc_now
from rebate_monitor.settings import Settings
from rebate_monitor.storage.audit import Action, add_records
from rebate_monitor.storage.frozen import (
    Closing,
    MonthRefusedError,
    check_clock,
    frozen_month,
    frozen_months,
    read_corrections,
)

TOTAL = "none"
COLUMNS = ("n", "mean_workdays")


@click.group(short_help="Close a month, and show what was corrected since.")
def month() -> None:
    """Keep a month's figures as they were reported, and show later changes as corrections."""


@month.command("close")
@click.argument("name", metavar="MONTH")
@click.option("--by", help="Who closes it [the account that runs this].")
def close(name: str, by: str | None) -> None:
    """Keep the evaluation of MONTH, such as 2026-10, as it is now; once, and for good."""
    days, who = _days(name), who_acts(by, "closes the month")
    settings = session.told_settings()
    with session.plain_errors(), session.database_server(settings) as server:
        frozen = session.run(_close(settings, server, days, who))
    click.echo(f"{frozen.month} is closed by {frozen.closed_by}, as of {_local(frozen.known_at)}")
    for line in _totals(frozen):
        click.echo(line)


@month.command("list")
def list_all() -> None:
    """List closed months, the latest first; times are in +08:00."""
    settings = session.told_settings()
    with session.plain_errors(), session.database_server(settings) as server:
        found = session.run(_list(settings, server))
    if not found:
        click.echo("no month is closed yet: `rebate-monitor month close 2026-10`")
    for frozen in found:
        click.echo(f"{frozen.month}  closed {_local(frozen.closed_at)} by {frozen.closed_by}")


@month.command("show")
@click.argument("name", metavar="MONTH")
@click.option("--lang", type=click.Choice([lang.value for lang in Language]), default="zh")
def show(name: str, lang: str) -> None:
    """Show MONTH as frozen, as of now, and the correction, with the cases that make it."""
    days, settings = _days(name), session.told_settings()
    with session.plain_errors(), session.database_server(settings) as server:
        frozen, told = session.run(_show(settings, server, days))
        known = configured_places(settings)
    shown = _Shown(frozen=frozen, told=told, places=known, language=Language(lang))
    console = Console()
    click.echo(shown.heading)
    for table in shown.tables():
        console.print(table)
    for line in shown.lines():
        click.echo(line)


def _days(told: str) -> Days:
    try:
        return named_month(told)
    except ValueError as error:
        raise click.BadParameter(f"{told!r} {error}", param_hint="MONTH") from error


def _local(instant: datetime) -> str:
    return f"{instant.astimezone(SHANGHAI):%Y-%m-%d %H:%M:%S}"


def _totals(frozen: FrozenMonth) -> Iterator[str]:
    for group in frozen.groups:
        if group.by == TOTAL:
            figures, scope = group.evaluated.performance, group.evaluated.scope
            cases = f"{figures.n:,} case{'' if figures.n == 1 else 's'}"
            yield f"  {scope}: {cases}, mean workdays {_number(figures.mean_workdays)}"


async def _close(settings: Settings, server: session.Server, days: Days, by: str) -> FrozenMonth:
    closing = Closing(month=days, by=by, rules=rules_of(settings), clock=utc_now)
    async with session.ready_database(settings, server) as database:
        try:
            await check_clock(database, utc_now())
            return await closing.close(database)
        except MonthRefusedError as error:
            raise click.ClickException(str(error)) from error


async def _list(settings: Settings, server: session.Server) -> list[FrozenMonth]:
    async with session.ready_connection(settings, server) as connection:
        return await frozen_months(connection)


async def _show(
    settings: Settings, server: session.Server, days: Days
) -> tuple[FrozenMonth, MonthCorrections]:
    rules, name = rules_of(settings), month_name(days.first)
    async with session.ready_database(settings, server) as database:
        async with database.transaction(snapshot=True) as connection:
            frozen = await frozen_month(connection, name)
            if frozen is None:
                said = f"{name} is not closed: `rebate-monitor month close {name}`"
                raise click.ClickException(said)
            in_force = await rules.in_force(connection)
            told = await read_corrections(connection, frozen, in_force, utc_now())
        shown = f"{min(len(told.changes), MAX_CASES)} cases"
        async with database.connection() as connection:
            await add_records(connection, [acting().record(Action.MONTH_READ, name, shown)])
        return frozen, told


UNSEEN = ("office", "rebate_type", "in_time", "same_day", "is_refiled", "amount_cny")


def _unseen(change: CaseChange) -> list[str]:
    """Name what differs of a case beside what its line shows; an amount is never told."""
    then, now = change.then, change.now
    if then is None or now is None:
        return []
    return [name for name in UNSEEN if getattr(then, name) != getattr(now, name)]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Shown:
    """A closed month in one language."""

    frozen: FrozenMonth
    told: MonthCorrections
    places: Places
    language: Language

    @property
    def words(self) -> Catalogue:
        return catalogue(FOLDER, self.language)

    @property
    def heading(self) -> str:
        name = group_name(self.places, "month", self.frozen.month, self.language)
        return self.words.say("month.title", month=name)

    def tables(self) -> Iterator[Table]:
        """Yield a table for each grouping."""
        for by, groups in groupby(self.told.groups, key=lambda group: group.key.by):
            title = self.words.say(f"by.{by}")
            table = Table(title=title, title_justify="left", box=SIMPLE_HEAD, padding=0)
            table.add_column(self.words.say("column.group"), overflow="fold")
            table.add_column(self.words.say("column.scope"), no_wrap=True)
            for head in self._heads():
                table.add_column(head, justify="right", no_wrap=True)
            for group in groups:
                table.add_row(*self._cells(group))
            yield table

    def _heads(self) -> Iterator[str]:
        for figure in COLUMNS:
            for told in ("frozen", "now", "correction"):
                yield f"{self.words.say(f'figure.{figure}')}\n{self.words.say(f'column.{told}')}"
        yield self.words.say("column.cases")

    def _cells(self, told: GroupCorrection) -> Iterator[str]:
        yield group_name(self.places, told.key.by, told.key.group, self.language)
        yield self.words.say(f"scope.{told.key.scope}")
        for figure in COLUMNS:
            yield _number(getattr(told.frozen, figure))
            yield _number(getattr(told.now, figure))
            yield _signed(getattr(told.correction, figure))
        yield str(told.changed_cases)

    def lines(self) -> Iterator[str]:
        """Yield who closed it and when, and each case that counts otherwise than it did."""
        yield self.words.say(
            "month.closed",
            closed_by=self.frozen.closed_by,
            closed_at=_local(self.frozen.closed_at),
            known_at=_local(self.frozen.known_at),
            policy=self.frozen.policy_version or self.words.say("month.no_policy"),
            calendar=self.frozen.calendar_version,
        )
        changes = self.told.changes
        said = "changed" if changes else "unchanged"
        yield self.words.say(f"month.{said}", cases=len(changes))
        if not self.told.explained:
            yield self.words.say("month.unexplained")
        for change in changes[:MAX_CASES]:
            yield from self._case(change)
        if len(changes) > MAX_CASES:
            yield self.words.say("month.omitted", cases=len(changes) - MAX_CASES)

    def _case(self, change: CaseChange) -> Iterator[str]:
        yield f"{change.case_id}: {self._part(change.then)} -> {self._part(change.now)}"
        others = [self.words.say(f"unseen.{name}") for name in _unseen(change)]
        if others:
            yield f"  {self.words.say('unseen.also', names=', '.join(others))}"
        for cause in change.causes:
            yield f"  {self._cause(cause)}"

    def _part(self, told: Contribution | None) -> str:
        if told is None:
            return self.words.say("ended.nothing")
        said = self.words.say(f"ended.{told.ended_as or 'refiled'}")
        if told.workdays is not None:
            said = self.words.say("ended.workdays", ended=said, workdays=told.workdays)
        city = group_name(self.places, "city", told.city, self.language)
        category = self.words.say(f"category.{told.category or UNKNOWN_CATEGORY}")
        return self.words.say("ended.place", told=said, city=city, category=category)

    def _cause(self, cause: ChangeCause) -> str:
        if cause.receipt is None:
            return self.words.say(f"cause.{cause.because}", version=cause.version)
        event = cause.receipt.event
        return self.words.say(
            "cause.event",
            type=event.event_type,
            time=_local(event.time),
            received_at=_local(cause.receipt.received_at),
            source=event.source,
            id=event.id,
        )


def _number(figure: float | None) -> str:
    if figure is None:
        return "-"
    return f"{figure:,}" if isinstance(figure, int) else f"{figure:.2f}"


def _signed(figure: float | None) -> str:
    if not figure:
        return ""
    return f"{figure:+,}" if isinstance(figure, int) else f"{figure:+.2f}"
