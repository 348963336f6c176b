"""Publish a change of the rules: show what it comes to, ask, publish just that, see it through."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import wraps

import click
from rich.console import Console
from rich.progress import MofNCompleteColumn, Progress

from rebate_monitor.cli import session
from rebate_monitor.cli.acting import acting, who_acts
from rebate_monitor.cli.difference_tables import show_trial
from rebate_monitor.cli.following import follow, say_done
from rebate_monitor.ingest.dry_run import DryRun, Trial
from rebate_monitor.ingest.recompute import Recomputer
from rebate_monitor.ingest.rule_changes import (
    Draft,
    RuleChange,
    RulesTurnedError,
    draft,
    publish_draft,
)
from rebate_monitor.server import rules_of, utc_now
from rebate_monitor.settings import Settings
from rebate_monitor.storage.patience import LockedError
from rebate_monitor.storage.recomputes import Recompute
from rebate_monitor.storage.rulebooks import Published, Version
from rebate_monitor.storage.rules import Rules

INTERRUPTED = 130
LATER = (
    "the service lays the cases down anew, or `rebate-monitor recompute` where none runs; "
    "`rebate-monitor recompute --status` shows how far it is"
)
UNTOUCHED = "no stored case is touched"
OPTIONS = (
    click.option("--dry-run", is_flag=True, help="Only show what it comes to; nothing is written."),
    click.option("--yes", is_flag=True, help="Publish without asking."),
    click.option("--by", metavar="NAME", help="Who does it [the account that runs this]."),
    click.option("--no-wait", is_flag=True, help="Do not wait for the cases to be recomputed."),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Wishes:
    """How a change is to be published, and by whom."""

    by: str
    dry_run: bool
    yes: bool
    no_wait: bool


def with_wishes(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the options of publishing; it is called with `wishes`."""

    @wraps(command)
    def told(*, dry_run: bool, yes: bool, by: str | None, no_wait: bool, **more: object) -> None:
        who = who_acts(by, "changes the rules")
        command(wishes=Wishes(by=who, dry_run=dry_run, yes=yes, no_wait=no_wait), **more)

    for option in reversed(OPTIONS):
        told = option(told)
    return told


@dataclass(frozen=True, slots=True, kw_only=True)
class Publishing:
    """Takes one change from its difference to the end of its recompute.

    `change` makes it for the version in force; `show` prints the difference, and may refuse by
    raising click.ClickException.
    """

    settings: Settings
    server: session.Server
    rules: Rules
    change: Callable[[Version], RuleChange]
    show: Callable[[Draft], None]
    wishes: Wishes

    def work(self) -> None:
        """Do all of it, anew when the rules were changed meanwhile by somebody else."""
        while True:
            try:
                published = self._published()
            except RulesTurnedError:
                click.echo("the rules were changed meanwhile by somebody else; once more:\n")
                continue
            if published is not None:
                self._see_through(published)
            return

    def _published(self) -> Published | None:
        told = session.run(self._draft())
        self.show(told)
        if told.before.says_the_same_as(told.after):
            click.echo("nothing differs from the rules in force: nothing was written")
            return None
        show_trial(session.run(self._try(told)))
        if self.wishes.dry_run:
            click.echo("nothing was written")
            return None
        agree(self.wishes)
        return session.run(self._publish(told))

    async def _draft(self) -> Draft:
        async with session.ready_connection(self.settings, self.server) as connection:
            return await draft(connection, self.rules.own, self.change)

    async def _try(self, told: Draft) -> Trial:
        async with (
            session.ready_database(self.settings, self.server) as database,
            database.transaction(snapshot=True) as connection,
        ):
            in_force = await self.rules.in_force(connection)
            if in_force.number != told.number:
                raise RulesTurnedError
            with _progress() as progress:
                run = DryRun(connection, in_force, utc_now(), progress)
                return await run.trial(told.after.rulebook)

    async def _publish(self, told: Draft) -> Published | None:
        async with session.ready_database(self.settings, self.server) as database:
            try:
                return await publish_draft(database, told, utc_now, acting())
            except LockedError as error:
                raise click.ClickException(str(error)) from error

    def _see_through(self, published: Published) -> None:
        click.echo(f"published: version {published.number} of the rules, by {self.wishes.by}")
        if not published.touched.stretches:
            click.echo(UNTOUCHED)
        elif self.wishes.no_wait:
            click.echo(LATER)
        else:
            self._follow(published.recompute)

    def _follow(self, number: int) -> None:
        try:
            told = session.run(self._followed(number))
        except KeyboardInterrupt:
            click.echo(f"\ninterrupted; what is published stands, and nothing is lost: {LATER}")
            raise SystemExit(INTERRUPTED) from None
        if told.done:
            say_done(told)
        else:
            click.echo(UNTOUCHED)

    async def _followed(self, number: int) -> Recompute:
        async with session.ready_database(self.settings, self.server) as database:
            recomputer = Recomputer(database=database, rules=self.rules, clock=utc_now)
            return await follow(recomputer, number)


@contextmanager
def _progress() -> Iterator[Callable[[int, int], None]]:
    """Show how much of a dry run is done, as long as it runs."""
    columns = (*Progress.get_default_columns(), MofNCompleteColumn())
    console = Console(stderr=True)
    unseen = not console.is_terminal
    with Progress(*columns, console=console, transient=True, disable=unseen) as progress:
        bar = progress.add_task("dry run", total=None)
        yield lambda done, cases: progress.update(bar, completed=done, total=cases)


def agree(wishes: Wishes) -> None:
    """Ask whether to publish, unless that is told; end the command where it is not wanted."""
    if wishes.yes:
        return
    if not sys.stdin.isatty():
        raise click.ClickException(
            "nothing was written: there is no terminal to ask on; --yes publishes without asking"
        )
    if not click.confirm("publish this?"):
        click.echo("nothing was written")
        raise SystemExit(1)


def publish_rules(
    settings: Settings,
    change: Callable[[Version], RuleChange],
    show: Callable[[Draft], None],
    wishes: Wishes,
) -> None:
    """Find the database and take a change from its difference to the end of its recompute."""
    with session.plain_errors(), session.database_server(settings) as server:
        Publishing(
            settings=settings,
            server=server,
            rules=rules_of(settings),
            change=change,
            show=show,
            wishes=wishes,
        ).work()
