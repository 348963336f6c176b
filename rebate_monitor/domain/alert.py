"""The alerts of one case: a ladder of levels, each raised once, resolved, or undone (DESIGN 7).

Level 0 is at risk, 1 is breached, and each overdue step is one more. An alert stands while the
facts say that its level was reached. It ends with its case, and it is undone when a late fact, a
new calendar or a new policy says that its level was never reached.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from rebate_monitor.domain.case import Status

AT_RISK_LEVEL, BREACHED_LEVEL = 0, 1


class AlertKind(StrEnum):
    """What an alert says of its case."""

    AT_RISK = "at_risk"
    BREACHED = "breached"
    OVERDUE = "overdue"
    CORRECTED = "corrected"


class Resolution(StrEnum):
    """Why an alert stands no longer: its case ended, paused before its limit, or it was undone."""

    STOPPED = "stopped"
    REJECTED = "rejected"
    WITHDRAWN = "withdrawn"
    SUSPENDED = "suspended"
    CORRECTED = "corrected"

    @property
    def is_end(self) -> bool:
        """Whether the alert was right until its case ended."""
        return self in (Resolution.STOPPED, Resolution.REJECTED, Resolution.WITHDRAWN)


def kind_of(level: int) -> AlertKind:
    """Return what a level of the ladder says."""
    if level == AT_RISK_LEVEL:
        return AlertKind.AT_RISK
    return AlertKind.BREACHED if level == BREACHED_LEVEL else AlertKind.OVERDUE


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """The latest alert of one level of a case, as it is stored."""

    occurrence: int
    resolution: Resolution | None = None
    acknowledged: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """What becomes of a case's alerts, the deciding function's whole answer.

    `resolved` maps levels to why they stand no longer. `corrected` is the lowest level from the
    breach on that was undone: 1 is a case that is not over its limit after all, more is one that is
    over it by less than was told. `next_level` is to be raised at `next_at`, which may have passed;
    where both are None nothing comes before the case's next event.
    """

    resolved: Mapping[int, Resolution]
    corrected: int | None = None
    next_level: int | None = None
    next_at: datetime | None = None


def next_step(
    status: Status,
    instants: Sequence[datetime],
    ladder: Mapping[int, Standing],
    now: datetime,
) -> Step:
    """Decide what the alerts of a case come to after its facts or its rules have changed.

    `instants` are those at which the levels are reached; of a case that ended, or that is paused
    beyond its limit, only those that were reached. `ladder` holds the latest alert of each level.
    """
    reached = sum(instant <= now for instant in instants)
    resolved = {
        level: resolution
        for level, standing in ladder.items()
        if (resolution := _resolution(status, level, standing, reached=level < reached))
    }
    undone = [
        level
        for level, resolution in resolved.items()
        if level >= BREACHED_LEVEL and resolution is Resolution.CORRECTED
    ]
    standing = {level: known for level, known in ladder.items() if level not in resolved}
    level = _next_level(status, instants, standing)
    return Step(
        resolved=resolved,
        corrected=min(undone, default=None),
        next_level=level,
        next_at=None if level is None else instants[level],
    )


ENDS: Mapping[Status, Resolution] = {
    Status.STOPPED: Resolution.STOPPED,
    Status.REJECTED: Resolution.REJECTED,
    Status.WITHDRAWN: Resolution.WITHDRAWN,
}


def _resolution(
    status: Status, level: int, standing: Standing, *, reached: bool
) -> Resolution | None:
    """Return why an alert stands no longer, or None where nothing changes for it."""
    known = standing.resolution
    if known is not None and not known.is_end:
        return None
    if reached:
        return ENDS.get(status) if known is None else None
    if status is Status.SUSPENDED and level == AT_RISK_LEVEL:
        return Resolution.SUSPENDED
    return Resolution.CORRECTED


def _next_level(
    status: Status, instants: Sequence[datetime], ladder: Mapping[int, Standing]
) -> int | None:
    """Return the lowest level that an open case will reach and that does not stand yet."""
    if not status.is_open:
        return None
    return next(
        (
            level
            for level in range(len(instants))
            if not _stands(ladder.get(level)) and not _is_stopped_by_acknowledgement(level, ladder)
        ),
        None,
    )


def _stands(standing: Standing | None) -> bool:
    return standing is not None and standing.resolution is None


def _is_stopped_by_acknowledgement(level: int, ladder: Mapping[int, Standing]) -> bool:
    """Say whether somebody has taken the breach on: then nobody is stepped up over them."""
    return level > BREACHED_LEVEL and any(
        standing.acknowledged and standing.resolution is None
        for known, standing in ladder.items()
        if known >= BREACHED_LEVEL
    )
