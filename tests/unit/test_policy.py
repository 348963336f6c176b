"""Policies that are ended, replaced and withdrawn: what a book of them allows, and what it says."""

from dataclasses import replace
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain_builders import HUNAN, day, policies
from made_up_policies import made_up_policies
from rebate_monitor.domain.policy import (
    AfterExpiry,
    EarlyEndError,
    OverlappingPoliciesError,
    Policy,
    PolicyBook,
    ended,
)

SECOND = replace(HUNAN, id="hunan-2025", effective_from=day("2025-01-01"), effective_to=None)
THIRD = replace(SECOND, id="hunan-2026", effective_from=day("2026-01-01"))


class TestEnded:
    @given(made_up_policies(), st.dates(), st.none() | st.sampled_from(AfterExpiry))
    def test_the_last_day_is_set(
        self, policy: Policy, on: date, after_expiry: AfterExpiry | None
    ) -> None:
        """An ended policy has its last day, perhaps another rule for after it, and all else."""
        last = max(on, policy.effective_from)

        told = ended(policy, last, after_expiry)

        assert (last, after_expiry or policy.after_expiry) == (
            told.effective_to,
            told.after_expiry,
        )
        assert policy == replace(
            told, effective_to=policy.effective_to, after_expiry=policy.after_expiry
        )

    def test_it_is_another_version(self) -> None:
        """Who ends a policy changes what cases are judged by, so the version is another."""
        assert SECOND.version != ended(SECOND, day("2025-12-31")).version

    def test_not_before_it_begins(self) -> None:
        """A last day before the first is refused with both days and the rule."""
        with pytest.raises(EarlyEndError) as refused:
            ended(SECOND, day("2024-12-31"))

        assert (
            'policy "hunan-2025": effective_to 2024-12-31 lies before effective_from 2025-01-01; '
            "its last day can be its first, or a later one"
        ) == str(refused.value)


class TestWithPolicies:
    def test_added_and_replaced(self) -> None:
        """Another id is added by its date, the same id takes the other's place."""
        stricter = replace(HUNAN, default_limit=2)

        book = policies().with_policies([SECOND, stricter])

        assert (stricter, SECOND) == book.policies

    def test_withdrawn(self) -> None:
        """A withdrawn id is left out, also of what is added; an unknown one is no matter."""
        book = PolicyBook([HUNAN, SECOND])

        assert (HUNAN,) == book.with_policies([], [SECOND.id, "unknown"]).policies
        assert (HUNAN, SECOND) == book.policies
        assert (SECOND,) == policies().with_policies([SECOND, THIRD], [HUNAN.id, THIRD.id]).policies

    def test_a_withdrawn_policy_makes_room(self) -> None:
        """Where the policy in force is withdrawn, another may begin within its time."""
        book = PolicyBook([SECOND]).with_policies([THIRD], [SECOND.id])

        assert (THIRD,) == book.policies

    def test_an_ended_policy_makes_room(self) -> None:
        """What the refusal advises helps."""
        book = PolicyBook([SECOND]).with_policies([ended(SECOND, day("2025-12-31")), THIRD])

        assert ["hunan-2025", "hunan-2026"] == [policy.id for policy in book.policies]


class TestOverlap:
    def test_every_overlap_is_told_with_the_way_out(self) -> None:
        """Each pair of neighbours on one day is told, with the command that ends the earlier."""
        with pytest.raises(OverlappingPoliciesError) as refused:
            policies().with_policies([replace(SECOND, effective_from=day("2024-12-31")), THIRD])

        first = (
            'policy "hunan-2025" begins 2024-12-31, while "hunan-2023-46" is in force until '
            "2024-12-31; end the earlier one first "
            "(`rebate-monitor policy retire hunan-2023-46 --on 2024-12-30`)"
        )
        second = (
            'policy "hunan-2026" begins 2026-01-01, while "hunan-2025" is in force until further '
            "notice; end the earlier one first "
            "(`rebate-monitor policy retire hunan-2025 --on 2025-12-31`)"
        )
        assert (first, second) == refused.value.problems
        assert "\n".join(refused.value.problems) == str(refused.value)

    def test_two_that_begin_together(self) -> None:
        """Of two policies with one first day neither can be ended before the other."""
        with pytest.raises(OverlappingPoliciesError, match="no two can begin on one day"):
            policies().with_policies([replace(HUNAN, id="twin")])

    @given(st.lists(made_up_policies(), max_size=4, unique_by=lambda policy: policy.id))
    def test_overlap_by_days(self, told: list[Policy]) -> None:
        """Policies are refused exactly where two of them share a day."""
        spans = [(policy.effective_from, policy.effective_to or date.max) for policy in told]
        share = any(
            max(one[0], other[0]) <= min(one[1], other[1])
            for number, one in enumerate(spans)
            for other in spans[:number]
        )

        try:
            PolicyBook(told)
        except OverlappingPoliciesError:
            assert share
        else:
            assert not share
