"""One fault after another under load, each followed by a recount; `make chaos` does it longer."""

import os

import pytest

from chaos.faults import FAULTS
from chaos.trial import tried
from conftest import need

BITE = {"backend-killed", "postgres-killed", "wire-cut", "disk-full", "service-killed"}
"""What no producer can fail to notice."""


@pytest.mark.parametrize("fault", FAULTS)
async def test_nothing_is_lost_and_nothing_counted_twice(fault: str) -> None:
    """Events, cases, tallies, alerts, notices and figures are those of what was acknowledged."""
    if fault == "disk-full":
        need(os.geteuid() == 0, "root, for a small disk that can be full")
    result = await tried(fault, rounds=1, seed=1)

    assert [] == result.faults
    assert result.acknowledged > 100
    assert fault not in BITE or result.away + result.unanswered > 0
