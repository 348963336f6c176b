"""What a change of the rules comes to on the stored cases, in words and tables."""

from collections.abc import Iterator

import click
from rich.table import Table

from rebate_monitor.cli.plain_table import MOST_ROWS, plain_table, show_table
from rebate_monitor.domain.policy import Scope
from rebate_monitor.domain.rules_difference import MonthDifference
from rebate_monitor.ingest.dry_run import Trial

SCOPES = {Scope.ALL: "all 全部", Scope.CATEGORY_1_2: "category_1_2 一二类"}


def show_trial(trial: Trial) -> None:
    """Print what a dry run came to."""
    click.echo()
    for line in _lines(trial):
        click.echo(line)
    if trial.means:
        show_table(_means(trial))
    for line in _notes(trial):
        click.echo(line)


def _lines(trial: Trial) -> Iterator[str]:
    told = trial.difference
    if not told.cases:
        yield "dry run 试算: no stored case is touched"
        return
    if not told.changed:
        yield f"dry run 试算: {_cases(told.cases)} looked at, none comes out otherwise"
        return
    yield f"dry run 试算: {_cases(told.cases)} looked at, {told.changed:,} come out otherwise:"
    yield f"  {told.due_dates_moved:,} due dates moved 到期日变动"
    yield f"  {told.breaches_made:,} would become late 新增超期"
    yield f"  {told.breaches_unmade:,} would no longer be late 不再超期"
    yield f"  {told.normal_changed:,} enter or leave the mean 进出均值"


def _cases(count: int) -> str:
    return f"{count:,} case{'' if count == 1 else 's'}"


def _means(trial: Trial) -> Table:
    table = plain_table(
        "month", "scope", "cases", "mean before", "mean after", title="mean workdays 平均工作日"
    )
    for told in trial.means[:MOST_ROWS]:
        mark = " closed 已关账" if told.month in trial.closed else ""
        table.add_row(
            f"{told.month}{mark}",
            SCOPES[told.scope],
            _count(told),
            _mean(told.mean_before),
            _mean(told.mean_after),
        )
    return table


def _count(told: MonthDifference) -> str:
    if told.n_before == told.n_after:
        return f"{told.n_after:,}"
    return f"{told.n_before:,} → {told.n_after:,}"


def _mean(workdays: float | None) -> str:
    return "-" if workdays is None else f"{workdays:.4f}"


def _notes(trial: Trial) -> Iterator[str]:
    if len(trial.means) > MOST_ROWS:
        yield f"and {len(trial.means) - MOST_ROWS} more"
    if trial.closed_touched:
        months = trial.closed_touched
        yield f"closed 已关账: {', '.join(months)}; what was reported stays, the change is shown"
        yield f"as a correction: `rebate-monitor month show {months[0]}`"
    if trial.pending:
        yield "a recompute is under way; the cases that it has left undone are counted, too"
