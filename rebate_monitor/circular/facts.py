"""What is known of a month, before it is decided what of it may be told."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from rebate_monitor.domain.evaluation import GroupEvaluation, Quality, StoppedAfter
from rebate_monitor.domain.event import SuspensionReason
from rebate_monitor.domain.local_time import local_date
from rebate_monitor.domain.periods import Days
from rebate_monitor.domain.policy import AppliedPolicy, Scope

STAGES = ("review", "approval", "voucher", "treasury")
"""In the order in which a case goes through them, named after the milestones that end them."""


class Base(StrEnum):
    """Whose figure a figure is: the cases that it is taken over."""

    STOPPED = "stopped"
    JUDGED = "judged"
    OPEN = "open"
    EXCLUDED = "excluded"
    REJECTED = "rejected"
    WITHDRAWN = "withdrawn"
    REFILED = "refiled"
    PREVIOUS = "previous"
    YEAR_AGO = "year_ago"


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """One group in one scope; `judged` are its normal stopped cases that had a limit."""

    evaluated: GroupEvaluation
    judged: int

    def count(self, base: Base) -> int:
        """Return how many cases a figure of that base is taken over."""
        told = self.evaluated
        counts = {
            Base.STOPPED: told.performance.n,
            Base.JUDGED: self.judged,
            Base.OPEN: told.performance.open_n,
            Base.EXCLUDED: told.left_out.excluded,
            Base.REJECTED: told.left_out.rejected,
            Base.WITHDRAWN: told.left_out.withdrawn,
            Base.REFILED: told.refiled,
            Base.PREVIOUS: told.previous.n,
            Base.YEAR_AGO: told.year_ago.n,
        }
        return counts[base]


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """A city, an office, a category, a rebate type, a month, or all; None is all."""

    code: str | None
    scopes: Mapping[Scope, Figures]

    def count(self, base: Base, scope: Scope = Scope.ALL) -> int:
        """Return how many cases of a scope a figure of that base is taken over."""
        return self.scopes[scope].count(base)

    def halves(self, base: Base) -> tuple[int, int]:
        """Return how many of its cases are of categories I and II, and how many are not."""
        low = self.count(base, Scope.CATEGORY_1_2)
        return low, self.count(base) - low

    @property
    def is_empty(self) -> bool:
        """Whether it has no case this month."""
        before = (Base.PREVIOUS, Base.YEAR_AGO)
        return not any(self.count(base) for base in Base if base not in before)


@dataclass(frozen=True, slots=True, kw_only=True)
class StageTime:
    """Running workdays of normal stopped cases up to the milestone that ends a stage."""

    case_stage: str
    n: int
    workdays_sum: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Suspensions:
    """Suspensions that began in the month, by reason; one that lasts has its workdays up to today.

    `cases` had any of them, `lasting_cases` one that lasts, `ended_cases` one that does not.
    """

    reason: SuspensionReason
    n: int = 0
    lasting: int = 0
    workdays_sum: int = 0
    cases: int = 0
    lasting_cases: int = 0
    ended_cases: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Closed:
    """When the month was closed, and whether its figures have changed since."""

    closed_at: datetime
    differs: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """All that is known of a month; open cases and everything else as of `as_of`.

    Groups stand in a fixed order, of which the last are given up first (`suppression`). Offices
    belong to the city whose digits they begin with. `provisional`: some day of the month is an
    estimate.
    """

    month: Days
    as_of: datetime
    policy: AppliedPolicy
    provisional: bool
    closed: Closed | None
    whole: Group
    cities: tuple[Group, ...] = ()
    offices: tuple[Group, ...] = ()
    categories: tuple[Group, ...] = ()
    rebate_types: tuple[Group, ...] = ()
    trend: tuple[Group, ...] = ()
    distribution: tuple[StoppedAfter, ...] = ()
    stages: tuple[StageTime, ...] = ()
    suspensions: tuple[Suspensions, ...] = ()
    data_quality: tuple[Quality, ...] = ()

    @property
    def is_unfinished(self) -> bool:
        """Whether the month goes on, so that it is compared with parts of months."""
        return local_date(self.as_of) <= self.month.last
