"""`rebate-monitor erase`: erase who the enterprise of a case is."""

from datetime import date, datetime

import click
from rich.console import Console
from rich.progress import MofNCompleteColumn, Progress

from rebate_monitor.cli import session
from rebate_monitor.cli.acting import acting
from rebate_monitor.domain.local_time import midnight
from rebate_monitor.settings import Settings
from rebate_monitor.storage.database import Database
from rebate_monitor.storage.erasure import Erasable, Erased, erase, identified_cases

PAGE, MAX_REASON = 500, 500


@click.command("erase", short_help="Erase who the enterprise of a case is.")
@click.argument("case_ids", nargs=-1, metavar="[CASE…]")
@click.option("--ended-before", metavar="DAY", help="Instead: every case that ended before a day.")
@click.option("--reason", required=True, help="Why; it is recorded with each case.")
@click.option("--dry-run", is_flag=True, help="Only say how many cases are meant.")
@click.option("--yes", is_flag=True, help="Erase without asking.")
def erase_identities(
    case_ids: tuple[str, ...], ended_before: str | None, reason: str, *, dry_run: bool, yes: bool
) -> None:
    """Erase taxpayer ids from the events of cases, for good; every count stays what it was.

    What was refused of these cases is dropped. Only the owner of the database may do it. Backups
    from before still hold what is erased.
    """
    wanted = _wanted(case_ids, ended_before)
    if not reason.strip() or not reason.isprintable() or len(reason) > MAX_REASON:
        rule = f"must say in 1 to {MAX_REASON} characters on one line why"
        raise click.BadParameter(rule, param_hint="--reason")
    settings = session.told_settings()
    with session.plain_errors(), session.database_server(settings) as server:
        found = session.run(_found(settings, server, wanted))
        click.echo(f"{len(found):,} cases say who their enterprise is")
        if dry_run or not found:
            return
        if not yes:
            click.confirm("Erase that for good?", abort=True)
        erased = session.run(_erase(settings, server, found, reason))
    click.echo(
        f"erased in {erased.events:,} events of {erased.cases:,} cases;"
        f" {erased.refused:,} refused events were dropped"
    )


def _wanted(case_ids: tuple[str, ...], ended_before: str | None) -> Erasable:
    if bool(case_ids) is (ended_before is not None):
        raise click.UsageError("tell either cases or --ended-before")
    if any("\x00" in case_id for case_id in case_ids):
        raise click.BadParameter("must not hold U+0000", param_hint="CASE")
    return Erasable(
        case_ids=list(case_ids) or None,
        ended_before=None if ended_before is None else _first_moment(ended_before),
    )


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
        while page := await identified_cases(connection, wanted, found[-1] if found else "", PAGE):
            found += page
    return found


async def _erase(
    settings: Settings, server: session.Server, case_ids: list[str], reason: str
) -> Erased:
    async with session.ready_database(settings, server) as database:
        columns = (*Progress.get_default_columns(), MofNCompleteColumn())
        with Progress(*columns, console=Console(stderr=True)) as progress:
            task = progress.add_task("erasing", total=len(case_ids))
            done = Erased()
            for start in range(0, len(case_ids), PAGE):
                done = done.plus(await _page(database, case_ids[start : start + PAGE], reason))
                progress.update(task, completed=done.cases)
    return done


async def _page(database: Database, case_ids: list[str], reason: str) -> Erased:
    async with database.transaction() as connection:
        return await erase(connection, case_ids, reason, acting())
