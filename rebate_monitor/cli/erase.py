"""`rebate-monitor erase`: erase who the enterprise of a case is."""

from datetime import date, datetime
from typing import TextIO

import click
from rich.console import Console
from rich.progress import MofNCompleteColumn, Progress

from rebate_monitor.cli import session
from rebate_monitor.cli.acting import acting
from rebate_monitor.domain.local_time import local_date, midnight
from rebate_monitor.ingest.taxpayer_id import is_taxpayer_id
from rebate_monitor.server import configured_retention, utc_now
from rebate_monitor.settings import Settings
from rebate_monitor.storage.database import Database
from rebate_monitor.storage.erasure import (
    Erasable,
    Erased,
    erase,
    identified_cases,
    may_erase,
    sweep_up,
)

PAGE, MAX_REASON = 100, 500


@click.command("erase", short_help="Erase who the enterprise of a case is.")
@click.argument("case_ids", nargs=-1, metavar="[CASE…]")
@click.option("--ended-before", metavar="DAY", help="Instead: every case that ended before a day.")
@click.option(
    "--due", is_flag=True, help="Instead: whose time by [retention] of REBATE_CONFIG is up."
)
@click.option(
    "--taxpayer",
    type=click.File("r", encoding="utf-8"),
    metavar="FILE",
    help="Instead: every case of the taxpayer whose id the file holds (- for standard input).",
)
@click.option("--reason", required=True, help="Why; it is recorded with each case.")
@click.option("--dry-run", is_flag=True, help="Only say how many cases are meant.")
@click.option("--yes", is_flag=True, help="Erase without asking.")
def erase_identities(  # noqa: PLR0913 - one word for each way to say which cases
    case_ids: tuple[str, ...],
    ended_before: str | None,
    taxpayer: TextIO | None,
    reason: str,
    *,
    due: bool,
    dry_run: bool,
    yes: bool,
) -> None:
    """Erase taxpayer ids from the events of cases, for good; every count stays what it was.

    What was refused of these cases is dropped, and what they are told from now on is stripped. Only
    the owner of the database may do it. Backups from before still hold what is erased.
    """
    if sum((bool(case_ids), ended_before is not None, due, taxpayer is not None)) != 1:
        raise click.UsageError("tell one of: cases, --ended-before, --due, --taxpayer")
    wanted = _wanted(case_ids, ended_before, taxpayer, due=due)
    if not reason.strip() or not reason.isprintable() or len(reason) > MAX_REASON:
        rule = f"must say in 1 to {MAX_REASON} characters on one line why"
        raise click.BadParameter(rule, param_hint="--reason")
    settings = session.told_settings()
    with session.plain_errors(), session.database_server(settings) as server:
        found = session.run(_found(settings, server, wanted))
        click.echo(f"{len(found):,} cases say who their enterprise is")
        if dry_run or (not found and wanted.taxpayer_id is None):
            return
        if not yes:
            click.confirm("Erase that for good?", abort=True)
        erased = session.run(_erase(settings, server, wanted, found, reason))
    click.echo(
        f"erased in {erased.events:,} events of {erased.cases:,} cases;"
        f" {erased.refused:,} refused events were dropped"
    )


def _wanted(
    case_ids: tuple[str, ...], ended_before: str | None, taxpayer: TextIO | None, *, due: bool
) -> Erasable:
    if due:
        return Erasable(ended_before=_due())
    if taxpayer is not None:
        return Erasable(taxpayer_id=_taxpayer_id(taxpayer))
    if ended_before is not None:
        return Erasable(ended_before=_first_moment(ended_before))
    if any("\x00" in case_id for case_id in case_ids):
        raise click.BadParameter("must not hold U+0000", param_hint="CASE")
    return Erasable(case_ids=list(case_ids))


def _due() -> datetime:
    with session.plain_errors():
        kept = configured_retention(session.told_settings())
    if kept is None:
        said = "REBATE_CONFIG has no [retention] with identity_years: identities are kept for good"
        raise click.ClickException(said)
    ended_before = kept.ended_before(local_date(utc_now()))
    click.echo(f"cases that ended before {ended_before:%Y-%m-%d}")
    return ended_before


def _taxpayer_id(file: TextIO) -> str:
    """Read an id off a file: an argument is seen in the list of processes, and kept by shells."""
    told = file.read(100).strip()
    if not is_taxpayer_id(told):
        rule = "must hold one taxpayer id of 18 characters with the check digit of GB 32100"
        raise click.BadParameter(rule, param_hint="--taxpayer")
    return told


def _first_moment(told: str) -> datetime:
    try:
        return midnight(date.fromisoformat(told))
    except ValueError:
        raise click.BadParameter(
            "must be a day such as 2016-01-01", param_hint="--ended-before"
        ) from None


async def _found(settings: Settings, server: session.Server, wanted: Erasable) -> list[str]:
    found = list[str]()
    async with session.ready_connection(settings, server) as connection:
        if not await may_erase(connection):
            raise click.ClickException(
                "this role of the database may not erase: run it as the owner, as `migrate` is"
            )
        while page := await identified_cases(connection, wanted, found[-1] if found else "", PAGE):
            found += page
    return found


async def _erase(
    settings: Settings, server: session.Server, wanted: Erasable, case_ids: list[str], reason: str
) -> Erased:
    async with session.ready_database(settings, server) as database:
        columns = (*Progress.get_default_columns(), MofNCompleteColumn())
        with Progress(*columns, console=Console(stderr=True)) as progress:
            task = progress.add_task("erasing", total=len(case_ids))
            done = Erased()
            for start in range(0, len(case_ids), PAGE):
                done = done.plus(await _page(database, case_ids[start : start + PAGE], reason))
                progress.update(task, completed=done.cases)
        return done.plus(await sweep_up(database, wanted, reason, acting()))


async def _page(database: Database, case_ids: list[str], reason: str) -> Erased:
    by = acting()
    return await database.retrying(lambda connection: erase(connection, case_ids, reason, by))
