"""Days of a province in accelerated time: two replicas, killed and restarted all the while."""

import asyncio

from soak.__main__ import report
from soak.delivery import Scale
from soak.month import soak

SCALE = Scale(cases_per_month=10_000, days=3, seed=5)


async def test_nothing_is_lost_and_nothing_is_counted_twice() -> None:
    """Late, reordered, repeated and contradicted events, kills and a new calendar: no fault."""
    outcome = await asyncio.wait_for(soak(SCALE), 240)
    told = "\n".join(report(outcome))
    ends = [life.how for replica in outcome.replicas for life in replica.lives]
    assert outcome.office is not None
    answers = outcome.office.ledger.answers

    assert [] == outcome.faults, told
    assert {"SIGKILL", "SIGTERM"} <= set(ends), told
    assert {"accepted", "conflict", "duplicate", "rejected"} == set(answers), told
    assert "come out otherwise" in told
    assert "0 due dates moved" not in told
