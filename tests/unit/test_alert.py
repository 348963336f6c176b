"""The ladder of one case's alerts: raised once, resolved with the case, undone by late facts."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain_builders import (
    accepted,
    assessed,
    instant,
    rejected,
    resumed,
    suspended,
    voucher_issued,
)
from rebate_monitor.domain.alert import (
    ENDS,
    AlertKind,
    Resolution,
    Standing,
    Step,
    kind_of,
    next_step,
)
from rebate_monitor.domain.assessment import Assessment
from rebate_monitor.domain.case import Status
from rebate_monitor.domain.event import CaseEvent, Category, SuspensionReason

MONDAY = instant("2024-03-04")
DAYS = [MONDAY + timedelta(days=n) for n in range(4)]
"""The instants of at risk, breached and two overdue steps."""
OPEN = Standing(occurrence=1)
TAKEN_ON = Standing(occurrence=1, acknowledged=True)


def standing(resolution: Resolution) -> Standing:
    return Standing(occurrence=1, resolution=resolution)


def test_levels_have_kinds() -> None:
    """At risk, breached, and every further level is an overdue step."""
    kinds = [AlertKind.AT_RISK, AlertKind.BREACHED, AlertKind.OVERDUE, AlertKind.OVERDUE]

    assert kinds == [kind_of(level) for level in range(4)]


def test_nothing_is_due_before_its_instant() -> None:
    """A case that is on track is looked at again when it comes at risk."""
    step = next_step(Status.RUNNING, DAYS, {}, MONDAY - timedelta.resolution)

    assert Step(resolved={}, next_level=0, next_at=DAYS[0]) == step


def test_an_end_at_the_very_instant_is_late() -> None:
    """Days are half-open: 00:00 belongs to the day that begins."""
    before = next_step(Status.RUNNING, DAYS, {0: OPEN}, MONDAY - timedelta.resolution)
    after = next_step(Status.RUNNING, DAYS, {0: OPEN}, MONDAY)

    assert {0: Resolution.CORRECTED} == before.resolved
    assert {} == after.resolved


def test_after_an_outage_one_level_is_raised_at_a_time() -> None:
    """All cases catch up in the order of instants, so a case does not run ahead of the others."""
    step = next_step(Status.RUNNING, DAYS, {}, DAYS[2])

    assert Step(resolved={}, next_level=0, next_at=DAYS[0]) == step


def test_the_last_level_leaves_nothing_to_wait_for() -> None:
    """A case that has been stepped up all the way is looked at with its next event only."""
    step = next_step(Status.RUNNING, DAYS, dict.fromkeys(range(4), OPEN), DAYS[3])

    assert Step(resolved={}) == step


def test_what_stands_is_not_raised_again() -> None:
    """Looking again changes nothing."""
    step = next_step(Status.RUNNING, DAYS, {0: OPEN, 1: OPEN}, DAYS[1])

    assert Step(resolved={}, next_level=2, next_at=DAYS[2]) == step


@pytest.mark.parametrize("status", ENDS)
def test_alerts_end_with_their_case(status: Status) -> None:
    """A case that ended late keeps its history: its alerts are resolved, not undone."""
    step = next_step(status, DAYS[:2], {0: OPEN, 1: OPEN}, DAYS[3])

    assert Step(resolved={0: ENDS[status], 1: ENDS[status]}) == step


def test_an_end_in_time_undoes_the_breach() -> None:
    """The voucher of last week arrives today: the breach never was, and that is told."""
    step = next_step(Status.STOPPED, [], {0: OPEN, 1: OPEN}, DAYS[1])

    undone = {0: Resolution.CORRECTED, 1: Resolution.CORRECTED}
    assert Step(resolved=undone, corrected=1) == step


def test_an_end_in_time_undoes_a_breach_that_had_ended_late() -> None:
    """A corrected voucher date puts right what was resolved as late."""
    ladder = {0: standing(Resolution.STOPPED), 1: standing(Resolution.STOPPED)}

    step = next_step(Status.STOPPED, DAYS[:1], ladder, DAYS[3])

    assert Step(resolved={1: Resolution.CORRECTED}, corrected=1) == step


def test_an_undone_warning_is_no_news() -> None:
    """Nobody is written to because a case is further from its limit than it seemed."""
    step = next_step(Status.RUNNING, DAYS, {0: OPEN}, MONDAY - timedelta(days=1))

    assert Step(resolved={0: Resolution.CORRECTED}, next_level=0, next_at=DAYS[0]) == step


def test_a_smaller_breach_is_corrected_from_where_it_changed() -> None:
    """Over its limit, but by less than was told: the breach stands, the overdue steps do not."""
    ladder = dict.fromkeys(range(4), OPEN)

    step = next_step(Status.RUNNING, DAYS, ladder, DAYS[1])

    undone = {2: Resolution.CORRECTED, 3: Resolution.CORRECTED}
    assert Step(resolved=undone, corrected=2, next_level=2, next_at=DAYS[2]) == step


def test_what_was_undone_is_raised_again_when_it_comes_true() -> None:
    """A correction that is itself taken back must not silence the case for good."""
    ladder = {0: OPEN, 1: standing(Resolution.CORRECTED)}

    step = next_step(Status.RUNNING, DAYS, ladder, DAYS[1])

    assert Step(resolved={}, next_level=1, next_at=DAYS[1]) == step


def test_a_pause_takes_the_warning_back_without_a_correction() -> None:
    """While the clock stands nothing is at risk; the warning comes again when it runs on."""
    paused = next_step(Status.SUSPENDED, [], {0: OPEN}, DAYS[0])
    again = next_step(Status.RUNNING, DAYS, {0: standing(Resolution.SUSPENDED)}, DAYS[0])

    assert Step(resolved={0: Resolution.SUSPENDED}) == paused
    assert Step(resolved={}, next_level=0, next_at=DAYS[0]) == again


def test_a_pause_leaves_a_breach_as_it_is() -> None:
    """A case that was over its limit before a suspension stays breached, and is not stepped up."""
    step = next_step(Status.SUSPENDED, DAYS[:2], {0: OPEN, 1: OPEN}, DAYS[3])

    assert Step(resolved={}) == step


def test_a_stop_that_is_taken_back_raises_again() -> None:
    """A retracted voucher opens the case anew: who was told that it is over is told again."""
    ladder = {0: standing(Resolution.STOPPED), 1: standing(Resolution.STOPPED)}

    step = next_step(Status.RUNNING, DAYS, ladder, DAYS[1])

    assert Step(resolved={}, next_level=0, next_at=DAYS[0]) == step


@pytest.mark.parametrize("level", [1, 2])
def test_an_acknowledged_breach_is_not_stepped_up(level: int) -> None:
    """Who has taken a breach on is not reminded by further steps."""
    ladder = {**dict.fromkeys(range(level), OPEN), level: TAKEN_ON}

    step = next_step(Status.RUNNING, DAYS, ladder, DAYS[3])

    assert Step(resolved={}) == step


def test_an_acknowledged_warning_does_not_silence_the_breach() -> None:
    """To know of the danger is not to have averted it."""
    step = next_step(Status.RUNNING, DAYS, {0: TAKEN_ON}, DAYS[1])

    assert Step(resolved={}, next_level=1, next_at=DAYS[1]) == step


def test_a_case_that_ended_late_before_anybody_knew_raises_nothing() -> None:
    """There is nothing left to do about it; the figures count it."""
    assert Step(resolved={}) == next_step(Status.STOPPED, DAYS[:3], {}, DAYS[3])


def settle(
    status: Status, instants: Sequence[datetime], ladder: Mapping[int, Standing], now: datetime
) -> dict[int, Standing]:
    """Apply steps until none changes anything, as the sweep does."""
    known = dict(ladder)
    for _ in range(20):
        step = next_step(status, instants, known, now)
        for level, resolution in step.resolved.items():
            known[level] = Standing(occurrence=known[level].occurrence, resolution=resolution)
        is_due = step.next_at is not None and step.next_at <= now
        if is_due and step.next_level is not None:
            last = known.get(step.next_level)
            known[step.next_level] = Standing(occurrence=last.occurrence + 1 if last else 1)
        if not is_due and not step.resolved:
            return known
    raise AssertionError("the ladder never comes to rest")


facts = st.tuples(
    st.sampled_from([Status.RUNNING, Status.SUSPENDED, *ENDS]),
    st.lists(st.integers(0, 9), max_size=4).map(sorted),
    st.integers(0, 9),
)


@given(st.lists(facts, min_size=1, max_size=6))
def test_whatever_becomes_known_exactly_what_is_true_stands(
    history: list[tuple[Status, list[int], int]],
) -> None:
    """After any history the open alerts are the levels that an open case has reached."""
    ladder: dict[int, Standing] = {}
    for status, days, today in history:
        instants = [MONDAY + timedelta(days=day) for day in days]
        now = MONDAY + timedelta(days=today)
        ladder = settle(status, instants, ladder, now)

        reached = {level for level, at in enumerate(instants) if at <= now}
        stand = {level for level, known in ladder.items() if known.resolution is None}
        assert (reached if status.is_open else set()) == stand


def told_of(*events: CaseEvent) -> Assessment:
    """Assess the case with what happened to it."""
    return assessed(CASE, *events)[1]


CASE = accepted("2024-03-04 09:00", Category.I)  # a Monday, so due on Thursday the 7th


def test_instants_of_a_running_case() -> None:
    """Category I has 3 workdays: at risk on the second, breached on the fourth, then 5 and 7."""
    expected = ["2024-03-06", "2024-03-08", "2024-03-11", "2024-03-13"]

    assert tuple(map(instant, expected)) == told_of().alert_instants


def test_instants_of_a_stopped_case_are_those_it_reached() -> None:
    """What would have come after the stop never comes."""
    late = told_of(voucher_issued("2024-03-08 16:00"))
    in_time = told_of(voucher_issued("2024-03-07 16:00"))

    assert (instant("2024-03-06"), instant("2024-03-08")) == late.alert_instants
    assert (instant("2024-03-06"),) == in_time.alert_instants


def test_instants_of_a_rejected_case_are_those_it_reached() -> None:
    """A rejection is no verdict, but it does not unmake the breach that came before it."""
    told = told_of(rejected("2024-03-11 10:00"))

    assert 3 == len(told.alert_instants)
    assert told.due_date is None


def test_a_case_paused_in_time_has_no_instants() -> None:
    """While it stands, none of its instants exists (DESIGN 3.5)."""
    told = told_of(suspended("2024-03-06 10:00", SuspensionReason.HOLD))

    assert () == told.alert_instants


def test_a_case_paused_too_late_keeps_what_it_reached() -> None:
    """It stays breached, and no step is reached while it is paused."""
    told = told_of(suspended("2024-03-08 10:00", SuspensionReason.HOLD))

    assert (instant("2024-03-06"), instant("2024-03-08")) == told.alert_instants


def test_a_pause_moves_the_instants_that_are_left() -> None:
    """Two workdays of pause put off the breach by two workdays."""
    told = told_of(
        suspended("2024-03-05 10:00", SuspensionReason.OTHER),
        resumed("2024-03-07 10:00"),
    )

    assert instant("2024-03-12") == told.alert_instants[1]
