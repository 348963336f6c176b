"""Follow a recompute to its end with a progress bar, doing what nobody else does."""

import asyncio

import click
from rich.console import Console
from rich.progress import MofNCompleteColumn, Progress, TaskID

from rebate_monitor.ingest.recompute import Recomputer
from rebate_monitor.storage.recomputes import Recompute

LOOK_AGAIN_SECONDS = 0.5


async def follow(recomputer: Recomputer, number: int) -> Recompute:
    """Do and watch a recompute until it is finished, or the one that took it over is."""
    columns = (*Progress.get_default_columns(), MofNCompleteColumn())
    with Progress(*columns, console=Console(stderr=True)) as progress:
        bar = progress.add_task("cases", total=None)
        while True:
            turn = await recomputer.turn()
            told = turn.recompute
            if told is None:
                break
            number = told.number
            await _show(progress, bar, recomputer, number)
            if turn.is_passed_by:  # the service is at it: only watch
                await asyncio.sleep(LOOK_AGAIN_SECONDS)
        return await _show(progress, bar, recomputer, number)


async def _show(progress: Progress, bar: TaskID, recomputer: Recomputer, number: int) -> Recompute:
    told = await recomputer.progress(number)
    if told is None:
        raise LookupError(f"there is no recompute {number}")
    progress.update(bar, total=told.cases, completed=told.done, visible=told.cases != 0)
    return told


def say_done(told: Recompute) -> None:
    """Say what a recompute came to."""
    changes = told.changes
    click.echo(
        f"{told.done:,} cases were looked at, {changes.changed:,} come out otherwise: "
        f"{changes.due_dates_moved:,} due dates moved, {changes.breaches_made:,} became late, "
        f"{changes.breaches_unmade:,} are no longer late"
    )
