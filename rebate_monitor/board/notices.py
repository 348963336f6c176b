"""What whoever reads the figures of today has to know: the conditions of the Prometheus rules.

grafana/prometheus/rules/alerts.yml has the same thresholds, and docs/alerts.md what to do.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum

from rebate_monitor.domain.foresight import Month
from rebate_monitor.domain.policy import AppliedPolicy
from rebate_monitor.storage.outbox import OutboxFigures
from rebate_monitor.storage.recomputes import Recompute

NEXT_YEAR_WITHIN = timedelta(days=31)
SWEPT_WITHIN = timedelta(minutes=5)
HEARD_WITHIN = timedelta(hours=4)
SENT_WITHIN = timedelta(minutes=30)


class Weight(StrEnum):
    """How much a notice matters."""

    BAD = "bad"
    WARNING = "warning"
    INFO = "info"


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """A notice by its name, with what fills its phrase; `link` leads to more."""

    name: str
    weight: Weight
    values: Mapping[str, object] = field(default_factory=dict)
    link: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """What notices are read off, at a moment."""

    now: datetime
    month: Month
    policy: AppliedPolicy
    outbox: OutboxFigures
    quarantined: int
    recompute: Recompute | None
    heard_at: datetime | None
    has_cases: bool


def notices(state: State) -> list[Notice]:
    """Return what has to be said, the worst first."""
    order = list(Weight)
    return sorted(_notices(state), key=lambda notice: order.index(notice.weight))


def _notices(state: State) -> Iterator[Notice]:
    yield from _of_the_service(state)
    yield from _of_the_rules(state)
    yield from _of_the_data(state)


def _of_the_service(state: State) -> Iterator[Notice]:
    swept_at, oldest = state.outbox.swept_at, state.outbox.oldest
    if state.has_cases and (swept_at is None or state.now - swept_at > SWEPT_WITHIN):
        yield Notice(name="sweep_stalled", weight=Weight.BAD, values={"at": swept_at})
    if oldest is not None and state.now - oldest > SENT_WITHIN:
        values = {"n": state.outbox.pending, "at": oldest}
        yield Notice(name="outbox_stuck", weight=Weight.BAD, values=values)
    if state.outbox.dead:
        yield Notice(name="outbox_dead", weight=Weight.BAD, values={"n": state.outbox.dead})
    if state.recompute is not None:
        values = {"done": state.recompute.done, "n": state.recompute.cases or 0}
        yield Notice(name="recompute", weight=Weight.INFO, values=values)


def _of_the_rules(state: State) -> Iterator[Notice]:
    policy, calendar = state.policy.policy, state.month.calendar
    if policy is None:
        yield Notice(name="no_policy", weight=Weight.WARNING)
    elif state.policy.lapsed:
        name = "policy_lapsed" if state.policy.judges else "policy_over"
        values = {"policy": policy, "day": policy.effective_to}
        yield Notice(name=name, weight=Weight.WARNING, values=values)
    if state.month.provisional:
        yield Notice(name="month_provisional", weight=Weight.WARNING, link="/calendar")
    elif calendar.published_until - state.month.today <= NEXT_YEAR_WITHIN:
        values = {"day": calendar.published_until}
        yield Notice(name="calendar_ends", weight=Weight.WARNING, values=values, link="/calendar")


def _of_the_data(state: State) -> Iterator[Notice]:
    month, heard_at = state.month, state.heard_at
    is_workday = month.calendar.kind(month.today).is_workday
    if state.has_cases and is_workday and heard_at and state.now - heard_at > HEARD_WITHIN:
        yield Notice(name="silent", weight=Weight.WARNING, values={"at": heard_at})
    if state.quarantined:
        yield Notice(name="quarantined", weight=Weight.INFO, values={"n": state.quarantined})
    if not is_workday:
        yield Notice(name="rest_day", weight=Weight.INFO)
