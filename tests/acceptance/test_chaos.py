"""Faults one after another under load, then a recount; `make chaos` tries each of them longer."""

import os

from chaos.faults import FAULTS
from chaos.trial import tried


async def test_nothing_is_lost_and_nothing_counted_twice() -> None:
    """Events, cases, tallies, alerts, notices and figures are those of what was acknowledged.

    A full disk needs a small disk, which only root can make.
    """
    faults = [fault for fault in FAULTS if fault != "disk-full" or os.geteuid() == 0]
    result = await tried(faults, rounds=len(faults), seed=1)

    assert [] == result.faults
    assert result.acknowledged > 500
    assert result.away > 0
    assert result.unanswered > 0
