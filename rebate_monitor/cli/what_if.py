"""`rebate-monitor what-if`: try other rules on the stored cases; nothing is written."""

import csv
import tomllib
from collections.abc import Callable, Iterator
from contextlib import aclosing
from datetime import datetime
from pathlib import Path
from typing import Any

import click
import msgspec
from rich.console import Console
from rich.progress import MofNCompleteColumn, Progress
from rich.table import Table

from rebate_monitor.circular.csv_file import harmless
from rebate_monitor.cli import session
from rebate_monitor.cli.acting import acting
from rebate_monitor.domain.local_time import local_date
from rebate_monitor.domain.performance import Performance
from rebate_monitor.domain.periods import Days
from rebate_monitor.domain.policy import Scope
from rebate_monitor.domain.rulebook import Rulebook
from rebate_monitor.domain.what_if import Comparison, Kind, Outcome, Standing
from rebate_monitor.ingest.what_if import Trial, cases_of, comparisons
from rebate_monitor.proposal import DEFAULT, Proposal, ProposalError, proposed_rules
from rebate_monitor.server import rules_of, utc_now
from rebate_monitor.settings import Settings
from rebate_monitor.storage.audit import Action, add_records

DAY = click.DateTime(["%Y-%m-%d"])
FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
MOST_DIGITS = 9
STANDING = ("verdict", "due_date", "workdays", "limit_workdays", "normal")


@click.command("what-if", short_help="Try other limits, policies or a calendar; dry.")
@click.option("--limit", "limits", multiple=True, help="Workdays for all, or I=3 (more than once).")
@click.option("--policy", type=FILE, help="A TOML file with [[policy]]; the same id replaces.")
@click.option("--calendar", type=FILE, help="One year's notice, JSON in the shape of holiday-cn.")
@click.option("--from", "first", type=DAY, help="First day of acceptance [1 January].")
@click.option("--to", "last", type=DAY, help="Last day of acceptance [today].")
@click.option("--csv", "out", type=click.Path(path_type=Path), help="Write each changed case.")
def what_if(  # noqa: PLR0913 - one parameter an option
    *,
    limits: tuple[str, ...],
    policy: Path | None,
    calendar: Path | None,
    first: datetime | None,
    last: datetime | None,
    out: Path | None,
) -> None:
    """Compare each case under the present and the proposed rules, and write nothing.

    rebate-monitor what-if --limit 3 --from 2026-10-01 --to 2026-10-31
    """
    settings = session.told_settings()
    today = local_date(utc_now())
    days = Days(
        first=first.date() if first else today.replace(month=1, day=1),
        last=last.date() if last else today,
    )

    def trial_of(present: Rulebook) -> Trial:
        proposed = _proposed(present, limits, policy, calendar)
        return Trial(
            first=days.first, last=days.last, present=present, proposed=proposed, now=utc_now()
        )

    with session.plain_errors(), session.database_server(settings) as server:
        trial, outcome = session.run(_try(settings, server, trial_of, out))
    Console().print(_table(trial, outcome))
    for line in _lines(outcome, out):
        click.echo(line)


def _proposed(
    present: Rulebook, limits: tuple[str, ...], policy: Path | None, calendar: Path | None
) -> Rulebook:
    try:
        proposal = Proposal(
            limits=dict(map(_limit, limits)),
            policies=_policies(policy) if policy else [],
            calendar=msgspec.json.decode(calendar.read_bytes()) if calendar else None,
        )
        return proposed_rules(present, proposal)
    except (ProposalError, msgspec.DecodeError, tomllib.TOMLDecodeError, OSError) as error:
        raise click.ClickException(str(error)) from error


def _policies(path: Path) -> list[dict[str, Any]]:
    told: list[dict[str, Any]] = tomllib.loads(path.read_text("utf-8")).get("policy", [])
    return told


def _limit(told: str) -> tuple[str, int]:
    category, _, workdays = told.rpartition("=")
    if not (workdays.isascii() and workdays.isdigit()):
        raise ProposalError(f"--limit {told}: must be a number of workdays, or I=3")
    return category or DEFAULT, int(workdays[:MOST_DIGITS])


async def _try(
    settings: Settings,
    server: session.Server,
    trial_of: Callable[[Rulebook], Trial],
    out: Path | None,
) -> tuple[Trial, Outcome]:
    outcome, changes = Outcome(), list[Comparison]()
    async with session.ready_database(settings, server) as database:
        async with database.connection() as connection:
            trial = trial_of((await rules_of(settings).in_force(connection)).rulebook)
            case_ids = await cases_of(connection, trial)
        columns = (*Progress.get_default_columns(), MofNCompleteColumn())
        with Progress(*columns, console=Console(stderr=True)) as progress:
            bar = progress.add_task("cases", total=len(case_ids))
            async with aclosing(comparisons(database, trial, case_ids)) as compared:
                async for told in compared:
                    outcome.add(told)
                    progress.advance(bar)
                    if out is not None and told.kinds:
                        changes.append(told)
        days, shown = f"{trial.first} to {trial.last}", f"{len(changes)} cases"
        async with database.connection() as connection:
            await add_records(connection, [acting().record(Action.WHAT_IF_READ, days, shown)])
    if out is not None:
        _write(out, changes)
    return trial, outcome


def _write(out: Path, changes: list[Comparison]) -> None:
    with out.open("w", encoding="utf-8-sig", newline="") as file:
        writer = csv.writer(file)
        sides = [f"{name}_{side}" for side in ("before", "after") for name in STANDING]
        writer.writerow(["case_id", "category", "city", "office", "changes", *sides])
        for told in changes:
            named = [harmless(told.case_id), told.category, told.city, told.office]
            named.append(" ".join(told.kinds))
            writer.writerow([*named, *_cells(told.before), *_cells(told.after)])


def _cells(told: Standing) -> list[Any]:
    return [getattr(told, name) for name in STANDING]


def _table(trial: Trial, outcome: Outcome) -> Table:
    title = f"{outcome.cases:,} cases accepted from {trial.first} to {trial.last}"
    table = Table(title=title, title_justify="left")
    for column in ("scope", "figure", "as it is", "as proposed"):
        table.add_column(column)
    for scope in Scope:
        before = outcome.before(scope, trial.present.policies.on(trial.last).target(scope))
        after = outcome.after(scope, trial.proposed.policies.on(trial.last).target(scope))
        for row in _figures(scope, before, after):
            table.add_row(*row)
    return table


def _figures(
    scope: Scope, before: Performance, after: Performance
) -> Iterator[tuple[str, str, str, str]]:
    yield scope, "normal cases stopped", f"{before.n:,}", f"{after.n:,}"
    yield "", "mean workdays", _number(before.mean_workdays), _number(after.mean_workdays)
    yield "", "in time", _share(before.in_time_rate), _share(after.in_time_rate)
    yield "", "normal cases open", f"{before.open_n:,}", f"{after.open_n:,}"
    yield (
        "",
        "mean if open stopped now",
        _number(before.mean_if_open_stopped_now),
        _number(after.mean_if_open_stopped_now),
    )


def _number(told: float | None) -> str:
    return "-" if told is None else f"{told:.4f}"


def _share(told: float | None) -> str:
    return "-" if told is None else f"{told:.2%}"


def _lines(outcome: Outcome, out: Path | None) -> Iterator[str]:
    yield f"{outcome.changed:,} cases come out otherwise; one case can be in several lines:"
    yield f"  {outcome.kinds[Kind.DUE_DATE]:,} due dates move"
    yield f"  {outcome.kinds[Kind.WORKDAYS]:,} are counted otherwise"
    yield f"  {outcome.kinds[Kind.NORMAL]:,} enter or leave the mean"
    yield f"  {outcome.kinds[Kind.BREACH_MADE]:,} become late"
    yield f"  {outcome.kinds[Kind.BREACH_UNMADE]:,} are no longer late"
    yield f"each of them is in {out}" if out else "--csv FILE lists each of them"
    yield "nothing was written to the database"
