"""`make soak`: drive a month of a province, print what came of it, fail on any fault."""

import asyncio
import statistics
import sys
from collections.abc import Iterator, Mapping
from typing import Any

import click

from soak.delivery import Scale
from soak.month import Outcome, soak
from soak.replicas import Replica


@click.command()
@click.option("--cases", default=8_000, show_default=True, help="Cases a month.")
@click.option("--days", default=30, show_default=True, help="Days, from 2026-09-21 on.")
@click.option("--seed", default=1, show_default=True, help="Another seed, another month.")
@click.option("--seconds", default=3_600.0, show_default=True, help="Send no longer than this.")
def main(*, cases: int, days: int, seed: int, seconds: float) -> None:
    """Drive a province's month against two replicas, and recount in the end."""
    scale = Scale(cases_per_month=cases, days=days, seed=seed)
    outcome = asyncio.run(soak(scale, seconds))
    for line in report(outcome):
        click.echo(line)
    sys.exit(1 if outcome.faults else 0)


def report(outcome: Outcome) -> Iterator[str]:
    """Yield the lines of the table."""
    office, receiver = outcome.office, outcome.receiver
    if office is None or receiver is None:
        return
    ledger = office.ledger
    yield f"{outcome.hours} hours of the province in {outcome.seconds:.0f} s"
    yield f"  events    {_counts(outcome.tellings)}"
    yield f"  requests  {_counts(office.sent)}"
    yield f"  answers   {_counts({f'{m} {s}': n for (m, s), n in office.statuses.items()})}"
    yield f"  outcomes  {_counts(ledger.answers)}"
    yield f"  stored    events {len(ledger.stored):,}, cases {len(ledger.events_by_case()):,}"
    told = receiver.times_told()
    notices, alerts, tries = len(receiver.told), len(told), receiver.tries
    yield f"  notices   {notices:,}, of {alerts:,} alerts, in {tries:,} tries"
    yield from (f"  amended   {line}" for line in outcome.amended)
    for replica in outcome.replicas:
        yield f"  replica {replica.number} {_lives(replica)}"
    yield from (f"  FAULT     {fault}" for fault in outcome.faults)
    yield f"  {len(outcome.faults)} faults"


def _counts(counted: Mapping[Any, int]) -> str:
    return ", ".join(f"{name} {count:,}" for name, count in sorted(counted.items()))


def _lives(replica: Replica) -> str:
    ends = [life.how for life in replica.lives]
    told = ", ".join(f"{how} {ends.count(how)}" for how in sorted(set(ends)))
    last = replica.lives[-1].memory
    quarter = max(len(last) // 4, 1)
    first, final = statistics.median(last[:quarter]), statistics.median(last[-quarter:])
    return f"{told}; last process {first:.0f} MB at first, {final:.0f} MB at last"


if __name__ == "__main__":
    main()
