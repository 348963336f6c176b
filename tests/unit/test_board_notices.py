"""What whoever reads the figures of today has to know, and what not to be bothered with."""

from dataclasses import replace
from datetime import timedelta

import pytest

from domain_builders import HUNAN, instant, published_calendar
from rebate_monitor.board.notices import State, notices
from rebate_monitor.domain.foresight import Month
from rebate_monitor.domain.local_time import local_date
from rebate_monitor.domain.policy import AppliedPolicy
from rebate_monitor.storage.outbox import OutboxFigures

NOW = instant("2024-03-12 10:00")
MINUTE = timedelta(minutes=1)
OUTBOX = OutboxFigures(delivered={}, swept_at=NOW - MINUTE)
QUIET = State(
    now=NOW,
    month=Month(today=local_date(NOW), calendar=published_calendar()),
    policy=AppliedPolicy(policy=HUNAN),
    outbox=OUTBOX,
    quarantined=0,
    recompute=None,
    heard_at=NOW - MINUTE,
    has_cases=True,
)


def test_where_all_is_well_nothing_is_said() -> None:
    """A notice that is always there is read by nobody."""
    assert [] == notices(QUIET)


@pytest.mark.parametrize(
    ("changed", "name"),
    [
        ({"outbox": replace(OUTBOX, swept_at=NOW - 6 * MINUTE)}, "sweep_stalled"),
        ({"outbox": replace(OUTBOX, swept_at=None)}, "sweep_stalled"),
        ({"outbox": replace(OUTBOX, pending=2, oldest=NOW - 31 * MINUTE)}, "outbox_stuck"),
        ({"outbox": replace(OUTBOX, dead=1)}, "outbox_dead"),
        ({"policy": AppliedPolicy()}, "no_policy"),
        ({"policy": AppliedPolicy(policy=HUNAN, lapsed=True)}, "policy_lapsed"),
        ({"heard_at": NOW - 241 * MINUTE}, "silent"),
        ({"quarantined": 3}, "quarantined"),
    ],
)
def test_one_thing_that_is_not_well(changed: dict[str, object], name: str) -> None:
    """Each is said by itself."""
    assert [name] == [notice.name for notice in notices(replace(QUIET, **changed))]  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "changed",
    [
        {"outbox": replace(OUTBOX, pending=2, oldest=NOW - 29 * MINUTE)},
        {"heard_at": None},
        {"has_cases": False, "outbox": replace(OUTBOX, swept_at=None), "heard_at": None},
    ],
)
def test_what_is_no_trouble_yet(changed: dict[str, object]) -> None:
    """A message on its way, and a service that has not been told anything."""
    assert [] == notices(replace(QUIET, **changed))  # type: ignore[arg-type]


def test_a_rest_day_is_said_and_silence_on_it_is_not() -> None:
    """Nobody files on a Saturday."""
    saturday = instant("2024-03-16 10:00")
    month = replace(QUIET.month, today=local_date(saturday))
    outbox = replace(OUTBOX, swept_at=saturday)
    state = replace(QUIET, now=saturday, month=month, outbox=outbox)

    assert ["rest_day"] == [notice.name for notice in notices(state)]


def test_the_worst_comes_first() -> None:
    """Faults before what is only worth knowing."""
    state = replace(QUIET, quarantined=1, outbox=replace(OUTBOX, dead=1), policy=AppliedPolicy())

    assert ["outbox_dead", "no_policy", "quarantined"] == [n.name for n in notices(state)]
