"""Effective-dated policies: which limit, which target and which counting rules (DESIGN 3)."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from enum import StrEnum
from hashlib import sha256

from rebate_monitor.domain.event import Category, EventType, SuspensionReason


class StopAt(StrEnum):
    """The milestone at which the clock stops."""

    VOUCHER_ISSUED = "voucher_issued"
    APPROVED = "approved"
    PAID = "paid"

    @property
    def event_type(self) -> EventType:
        """The event that brings the milestone."""
        return EventType(f"rebate.case.{self}")


class SuspensionEffect(StrEnum):
    """What a suspension does to the clock: nothing, pause it, or pause it and leave the mean."""

    RUN = "run"
    PAUSE = "pause"
    EXCLUDE = "exclude"


class StartDay(StrEnum):
    """Whether the day of acceptance counts."""

    EXCLUDED = "excluded"
    INCLUDED = "included"


class NonWorkdayStart(StrEnum):
    """How a case accepted on a rest day begins to count."""

    DAY_1 = "next_workday_is_day_1"
    DAY_0 = "next_workday_is_day_0"


class AfterExpiry(StrEnum):
    """What judges a case accepted after the policy's last day, while nothing replaces it."""

    CARRY_OVER = "carry_over"
    NONE = "none"


class Scope(StrEnum):
    """Whose mean a target bounds."""

    ALL = "all"
    CATEGORY_1_2 = "category_1_2"

    def covers(self, category: Category | None) -> bool:
        """Say whether a case of this category belongs to the scope."""
        return self is Scope.ALL or category in (Category.I, Category.II)


@dataclass(frozen=True, slots=True, kw_only=True)
class Counting:
    """How days are counted from the start (DESIGN 3.2; Civil Code art. 201)."""

    start_day: StartDay = StartDay.EXCLUDED
    non_workday_start: NonWorkdayStart = NonWorkdayStart.DAY_1


DEFAULT_SUSPENSIONS: Mapping[SuspensionReason, SuspensionEffect] = {
    SuspensionReason.SUPPLEMENT: SuspensionEffect.RUN,
    SuspensionReason.VERIFICATION: SuspensionEffect.EXCLUDE,
    SuspensionReason.CORRESPONDENCE: SuspensionEffect.EXCLUDE,
    SuspensionReason.ONSITE: SuspensionEffect.EXCLUDE,
    SuspensionReason.HOLD: SuspensionEffect.EXCLUDE,
    SuspensionReason.OTHER: SuspensionEffect.PAUSE,
}
"""DESIGN 3.4; STA 2016 No. 46, articles 18, 19 and 21."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """How a clock runs, apart from how it is judged; the defaults serve where no policy does."""

    stop_at: StopAt = StopAt.VOUCHER_ISSUED
    counting: Counting = field(default_factory=Counting)
    suspensions: Mapping[SuspensionReason, SuspensionEffect] = field(
        default_factory=lambda: DEFAULT_SUSPENSIONS
    )
    immediate_within_workdays: int = 0


VERSION_DIGITS = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """One policy; its last day is included, and without one it stays in force.

    Limits and `warn_workdays_left` are workdays of one case, targets are mean workdays of a scope.
    `version` is the id with a digest of all that judges a case: titles and targets do not.
    """

    id: str
    title: str
    effective_from: date
    default_limit: int
    title_en: str = ""
    citation: str = ""
    citation_en: str = ""
    effective_to: date | None = None
    after_expiry: AfterExpiry = AfterExpiry.CARRY_OVER
    limits: Mapping[Category, int] = field(default_factory=dict)
    targets: Mapping[Scope, float] = field(default_factory=dict)
    rules: Rules = field(default_factory=Rules)
    warn_workdays_left: int = 1
    escalate_after_workdays: tuple[int, ...] = (2, 4)
    version: str = field(init=False)

    def __post_init__(self) -> None:
        """Name this wording of the policy: the same rules always have the same version."""
        judging = (
            (self.effective_from, self.effective_to, self.after_expiry, self.default_limit),
            sorted(self.limits.items()),
            (self.rules.stop_at, self.rules.counting, self.rules.immediate_within_workdays),
            sorted(self.rules.suspensions.items()),
            (self.warn_workdays_left, self.escalate_after_workdays),
        )
        digest = sha256(repr(judging).encode()).hexdigest()
        object.__setattr__(self, "version", f"{self.id}:{digest[:VERSION_DIGITS]}")

    def limit(self, category: Category | None) -> int:
        """Return the workdays allowed for one case (DESIGN 3.5)."""
        if category is None:
            return self.default_limit
        return self.limits.get(category, self.default_limit)

    def expired_on(self, day: date) -> bool:
        """Say whether a day lies after the policy's last."""
        return self.effective_to is not None and day > self.effective_to


@dataclass(frozen=True, slots=True, kw_only=True)
class AppliedPolicy:
    """The policy for a day's acceptances: none before the first, lapsed after its last day."""

    policy: Policy | None = None
    lapsed: bool = False

    @property
    def rules(self) -> Rules:
        """The counting rules; a case without a policy is still counted (DESIGN 3, last line)."""
        return self.policy.rules if self.policy else Rules()

    @property
    def judges(self) -> bool:
        """Whether a verdict follows; a lapsed policy judges only when it carries over."""
        if self.policy is None:
            return False
        return not self.lapsed or self.policy.after_expiry is AfterExpiry.CARRY_OVER

    def limit(self, category: Category | None) -> int | None:
        """Return the limit in workdays, or None where nothing judges."""
        return self.policy.limit(category) if self.policy and self.judges else None

    def target(self, scope: Scope) -> float | None:
        """Return the target in mean workdays, or None where nothing judges."""
        return self.policy.targets.get(scope) if self.policy and self.judges else None


class EarlyEndError(ValueError):
    """A policy would end before it begins."""

    def __init__(self, policy: Policy, on: date) -> None:
        super().__init__(
            f'policy "{policy.id}": effective_to {on} lies before effective_from '
            f"{policy.effective_from}; its last day can be its first, or a later one"
        )


def ended(policy: Policy, on: date, after_expiry: AfterExpiry | None = None) -> Policy:
    """Return a policy with its last day, and with what judges after it where that is told.

    Raises EarlyEndError.
    """
    if on < policy.effective_from:
        raise EarlyEndError(policy, on)
    return replace(policy, effective_to=on, after_expiry=after_expiry or policy.after_expiry)


class OverlappingPoliciesError(ValueError):
    """Two policies are in force on the same day; `problems` has a text for each such pair."""

    def __init__(self, *pairs: tuple[Policy, Policy]) -> None:
        self.problems = tuple(_overlap(earlier, later) for earlier, later in pairs)
        super().__init__("\n".join(self.problems))


def _overlap(earlier: Policy, later: Policy) -> str:
    return (
        f'policy "{later.id}" begins {later.effective_from}, while "{earlier.id}" is in force '
        f"until {earlier.effective_to or 'further notice'}; {_way_out(earlier, later)}"
    )


def _way_out(earlier: Policy, later: Policy) -> str:
    if earlier.effective_from == later.effective_from:
        return "no two can begin on one day; a policy of the same id would replace it"
    eve = later.effective_from - timedelta(days=1)
    return f"end the earlier one first (`rebate-monitor policy retire {earlier.id} --on {eve}`)"


class PolicyBook:
    """All policies by date; never two on one day. Raises OverlappingPoliciesError."""

    def __init__(self, policies: Iterable[Policy]) -> None:
        self.policies = tuple(sorted(policies, key=lambda policy: policy.effective_from))
        overlapping = [
            (earlier, later)
            for earlier, later in zip(self.policies, self.policies[1:], strict=False)
            if not earlier.expired_on(later.effective_from)
        ]
        if overlapping:
            raise OverlappingPoliciesError(*overlapping)

    def with_policies(
        self, changed: Iterable[Policy], withdrawn: Iterable[str] = ()
    ) -> "PolicyBook":
        """Return the book with policies added, the same id replaced, and withdrawn ids left out.

        Raises OverlappingPoliciesError.
        """
        by_id = {policy.id: policy for policy in (*self.policies, *changed)}
        for policy_id in withdrawn:
            by_id.pop(policy_id, None)
        return PolicyBook(by_id.values())

    def on(self, day: date) -> AppliedPolicy:
        """Return the policy for a day of acceptance (DESIGN 3.9)."""
        begun = [policy for policy in self.policies if policy.effective_from <= day]
        if not begun:
            return AppliedPolicy()
        return AppliedPolicy(policy=begun[-1], lapsed=begun[-1].expired_on(day))
