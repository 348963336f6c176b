"""Folding events into a case: each rule of DESIGN 3.3 to 3.8, then its algebra."""

from dataclasses import replace
from datetime import date, datetime
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain_builders import (
    CASE_ID,
    HUNAN,
    OFFICE,
    accepted,
    approved,
    categories,
    corrected,
    day,
    event,
    event_data,
    event_streams,
    folded,
    instant,
    paid,
    policies,
    policy_with,
    published_calendar,
    rejected,
    resumed,
    retracted,
    retractions,
    reviewed,
    stops,
    stream_event,
    stream_times,
    suspended,
    voucher_issued,
    withdrawn,
)
from rebate_monitor.domain.assessment import assess
from rebate_monitor.domain.case import (
    Anomaly,
    Case,
    Milestone,
    Pause,
    Status,
    Suspension,
    fold,
    happened_by,
)
from rebate_monitor.domain.event import (
    Approved,
    Attributes,
    CaseEvent,
    Category,
    EventData,
    EventType,
    Retracted,
    SuspensionReason,
)
from rebate_monitor.domain.policy import (
    AfterExpiry,
    AppliedPolicy,
    PolicyBook,
    StopAt,
    SuspensionEffect,
)

MONDAY, TUESDAY, WEDNESDAY, THURSDAY, FRIDAY = (f"2024-03-{n:02}T10:00" for n in range(4, 9))
OTHER_SOURCE = "/elsewhere"


def told(case: Case) -> tuple[Status, datetime | None, tuple[Anomaly, ...]]:
    """Return what most rules are about: status, end and anomalies."""
    return case.status, case.ended_at, case.anomalies


class TestStart:
    def test_no_events(self) -> None:
        """A case of which nothing is known is unaccepted, without anomalies."""
        assert Case(case_id=CASE_ID, events=0, status=Status.UNACCEPTED) == folded()

    def test_unaccepted(self) -> None:
        """A case whose acceptance has not come is unaccepted; what came is an anomaly."""
        case = folded(reviewed(MONDAY), voucher_issued(TUESDAY))

        assert (Status.UNACCEPTED, None, (Anomaly.BEFORE_ACCEPTANCE,)) == told(case)
        assert case.accepted_at is None

    def test_accepted(self) -> None:
        """Acceptance starts the clock and tells the attributes."""
        case = folded(accepted(MONDAY, Category.II))

        assert (Status.RUNNING, None, ()) == told(case)
        assert instant(MONDAY) == case.accepted_at
        assert Attributes(office=OFFICE, category=Category.II) == case.attributes

    def test_accepted_twice_the_first_counts(self) -> None:
        """Of two acceptances the first in time counts, attributes included."""
        case = folded(accepted(TUESDAY, Category.I), accepted(MONDAY, Category.IV))

        assert (Status.RUNNING, None, (Anomaly.ACCEPTED_AGAIN,)) == told(case)
        assert instant(MONDAY) == case.accepted_at
        assert case.attributes is not None
        assert Category.IV == case.attributes.category

    def test_accepted_again_after_the_end(self) -> None:
        """A second acceptance after the end does not open the case again."""
        case = folded(accepted(MONDAY), voucher_issued(TUESDAY), accepted(WEDNESDAY))

        assert (Status.STOPPED, instant(TUESDAY), (Anomaly.ACCEPTED_AGAIN,)) == told(case)

    def test_unknown_category_is_an_anomaly(self) -> None:
        """A case without a category is listed as such."""
        assert (Anomaly.UNKNOWN_CATEGORY,) == folded(accepted(MONDAY, None)).anomalies

    def test_acceptance_without_attributes_is_a_programming_error(self) -> None:
        """The wire never lets an acceptance without attributes through."""
        with pytest.raises(TypeError, match="an accepted event carries Plain"):
            folded(event(EventType.ACCEPTED, MONDAY))

    @pytest.mark.parametrize(
        ("office", "city"),
        [("14301000000", "430100"), ("14301910000", "430100"), ("14331000000", "433100")],
    )
    def test_city_is_the_first_level_prefecture(self, office: str, city: str) -> None:
        """The city is read off the office, for zone offices too."""
        assert city == Attributes(office=office).city


class TestStop:
    @pytest.mark.parametrize(
        ("stop_at", "ended"),
        [
            (StopAt.APPROVED, TUESDAY),
            (StopAt.VOUCHER_ISSUED, WEDNESDAY),
            (StopAt.PAID, THURSDAY),
        ],
    )
    def test_stop_at_is_policy(self, stop_at: StopAt, ended: str) -> None:
        """The clock stops at the milestone that the policy names, and nothing is surprising."""
        events = accepted(MONDAY), approved(TUESDAY), voucher_issued(WEDNESDAY), paid(THURSDAY)

        case = folded(*events, policy=policy_with(stop_at=stop_at))

        assert (Status.STOPPED, instant(ended), ()) == told(case)

    @pytest.mark.parametrize("stop_at", StopAt)
    def test_milestones_before_the_stop_leave_it_running(self, stop_at: StopAt) -> None:
        """A reviewed case is still being processed under every policy."""
        case = folded(accepted(MONDAY), reviewed(TUESDAY), policy=policy_with(stop_at=stop_at))

        assert (Status.RUNNING, None, ()) == told(case)

    @pytest.mark.parametrize("stop_at", StopAt)
    def test_without_cash_refund_it_stops_at_approval(self, stop_at: StopAt) -> None:
        """No voucher and no payment will come where there is no cash part."""
        events = accepted(MONDAY), approved(TUESDAY, cash_refund=False)

        case = folded(*events, policy=policy_with(stop_at=stop_at))

        assert (Status.STOPPED, instant(TUESDAY), ()) == told(case)

    def test_approval_with_cash_refund_goes_on(self) -> None:
        """With a cash part, as there is unless told, approval is a milestone like another."""
        case = folded(accepted(MONDAY), event(EventType.APPROVED, TUESDAY, Approved()))

        assert (Status.RUNNING, None, ()) == told(case)

    @pytest.mark.parametrize("stop_at", [StopAt.APPROVED, StopAt.VOUCHER_ISSUED])
    def test_paid_without_stop(self, stop_at: StopAt) -> None:
        """Paid money is not still being processed: it stops there, with an anomaly."""
        case = folded(accepted(MONDAY), paid(TUESDAY), policy=policy_with(stop_at=stop_at))

        assert (Status.STOPPED, instant(TUESDAY), (Anomaly.PAID_WITHOUT_STOP,)) == told(case)

    def test_after_paid_without_stop_lesser_milestones_are_surprising(self) -> None:
        """A review after the payment that stopped a case came after its end."""
        case = folded(accepted(MONDAY), paid(TUESDAY), reviewed(WEDNESDAY))

        expected = Status.STOPPED, instant(TUESDAY), (Anomaly.PAID_WITHOUT_STOP, Anomaly.AFTER_END)
        assert expected == told(case)

    def test_after_paid_without_stop_a_voucher_is_surprising(self) -> None:
        """Where the payment stopped the clock, no milestone is expected after it."""
        events = accepted(MONDAY), paid(TUESDAY), voucher_issued(WEDNESDAY)

        case = folded(*events, policy=policy_with(stop_at=StopAt.APPROVED))

        expected = Status.STOPPED, instant(TUESDAY), (Anomaly.PAID_WITHOUT_STOP, Anomaly.AFTER_END)
        assert expected == told(case)

    def test_late_voucher_of_a_paid_case_is_its_stop(self) -> None:
        """Only a stop milestone that never came is replaced by the payment."""
        case = folded(accepted(MONDAY), paid(TUESDAY), voucher_issued(WEDNESDAY))

        assert (Status.STOPPED, instant(WEDNESDAY)) == told(case)[:2]

    @pytest.mark.parametrize(
        ("end", "status"),
        [(rejected(TUESDAY), Status.REJECTED), (withdrawn(TUESDAY), Status.WITHDRAWN)],
        ids=["rejected", "withdrawn"],
    )
    def test_other_ends(self, end: CaseEvent, status: Status) -> None:
        """A rejection or withdrawal ends the case and its clock."""
        assert (status, instant(TUESDAY), ()) == told(folded(accepted(MONDAY), end))

    def test_first_end_counts(self) -> None:
        """Whatever ends a case first is its end."""
        stopped = folded(accepted(MONDAY), voucher_issued(TUESDAY), withdrawn(WEDNESDAY))
        left = folded(accepted(MONDAY), withdrawn(TUESDAY), voucher_issued(WEDNESDAY))

        assert (Status.STOPPED, instant(TUESDAY), (Anomaly.AFTER_END,)) == told(stopped)
        assert (Status.WITHDRAWN, instant(TUESDAY), (Anomaly.AFTER_END,)) == told(left)


class TestMilestones:
    def test_milestones_in_order(self) -> None:
        """All milestones of a case are kept in the order of their times."""
        case = folded(
            voucher_issued(THURSDAY), reviewed(TUESDAY), accepted(MONDAY), approved(WEDNESDAY)
        )

        assert (
            Milestone(event_type=EventType.REVIEWED, at=instant(TUESDAY)),
            Milestone(event_type=EventType.APPROVED, at=instant(WEDNESDAY)),
            Milestone(event_type=EventType.VOUCHER_ISSUED, at=instant(THURSDAY)),
        ) == case.milestones

    def test_milestone_after_the_stop_is_kept(self) -> None:
        """A payment after the voucher is an expected milestone."""
        case = folded(accepted(MONDAY), voucher_issued(TUESDAY), paid(WEDNESDAY))

        assert () == case.anomalies
        assert EventType.PAID == case.milestones[-1].event_type

    def test_repeated_milestone_the_first_counts(self) -> None:
        """A milestone reached again is an anomaly and changes nothing."""
        case = folded(accepted(MONDAY), reviewed(TUESDAY), reviewed(WEDNESDAY))

        assert (Anomaly.REPEATED_MILESTONE,) == case.anomalies
        assert (Milestone(event_type=EventType.REVIEWED, at=instant(TUESDAY)),) == case.milestones

    def test_repeated_stop(self) -> None:
        """A second voucher does not stop the clock again."""
        case = folded(accepted(MONDAY), voucher_issued(TUESDAY), voucher_issued(WEDNESDAY))

        assert (Status.STOPPED, instant(TUESDAY), (Anomaly.REPEATED_MILESTONE,)) == told(case)


EFFECTS = [
    (SuspensionReason.SUPPLEMENT, SuspensionEffect.RUN),
    (SuspensionReason.VERIFICATION, SuspensionEffect.EXCLUDE),
    (SuspensionReason.CORRESPONDENCE, SuspensionEffect.EXCLUDE),
    (SuspensionReason.ONSITE, SuspensionEffect.EXCLUDE),
    (SuspensionReason.HOLD, SuspensionEffect.EXCLUDE),
    (SuspensionReason.OTHER, SuspensionEffect.PAUSE),
]


class TestSuspensions:
    @pytest.mark.parametrize(("reason", "effect"), EFFECTS)
    def test_effect_of_each_reason(
        self, reason: SuspensionReason, effect: SuspensionEffect
    ) -> None:
        """By default a supplement runs, doubts exclude, and any other reason pauses."""
        case = folded(accepted(MONDAY), suspended(TUESDAY, reason))

        runs = effect is SuspensionEffect.RUN
        assert (Status.RUNNING if runs else Status.SUSPENDED) == case.status
        assert (() if runs else (Pause(start=instant(TUESDAY)),)) == case.pauses
        assert (effect is SuspensionEffect.EXCLUDE) == case.is_excluded
        assert (
            Suspension(reason=reason, effect=effect, start=instant(TUESDAY)),
        ) == case.suspensions

    def test_effects_are_policy(self) -> None:
        """A policy may pause for a supplement."""
        effects = {**HUNAN.rules.suspensions, SuspensionReason.SUPPLEMENT: SuspensionEffect.PAUSE}
        policy = replace(HUNAN, rules=replace(HUNAN.rules, suspensions=effects))

        case = folded(
            accepted(MONDAY), suspended(TUESDAY, SuspensionReason.SUPPLEMENT), policy=policy
        )

        assert Status.SUSPENDED == case.status

    def test_resumption_ends_the_pause(self) -> None:
        """From suspension to resumption the clock stands still, then the case runs on."""
        case = folded(accepted(MONDAY), suspended(TUESDAY), resumed(WEDNESDAY))

        assert (Status.RUNNING, None, ()) == told(case)
        assert (Pause(start=instant(TUESDAY), end=instant(WEDNESDAY)),) == case.pauses
        assert instant(WEDNESDAY) == case.suspensions[0].end

    def test_exclusion_outlasts_the_resumption(self) -> None:
        """A case once excluded stays out of the means."""
        case = folded(
            accepted(MONDAY), suspended(TUESDAY, SuspensionReason.ONSITE), resumed(WEDNESDAY)
        )

        assert case.is_excluded

    def test_resumption_of_a_running_supplement_changes_nothing(self) -> None:
        """A supplement that runs is ended by its resumption without a trace on the clock."""
        case = folded(
            accepted(MONDAY), suspended(TUESDAY, SuspensionReason.SUPPLEMENT), resumed(WEDNESDAY)
        )

        assert (Status.RUNNING, None, ()) == told(case)
        assert () == case.pauses
        assert instant(WEDNESDAY) == case.suspensions[0].end

    def test_resumed_while_running(self) -> None:
        """A resumption of nothing is an anomaly."""
        case = folded(accepted(MONDAY), resumed(TUESDAY))

        assert (Status.RUNNING, None, (Anomaly.RESUMED_WHILE_RUNNING,)) == told(case)

    def test_second_suspension_does_not_nest(self) -> None:
        """A suspension while paused is listed; one resumption ends both."""
        case = folded(
            accepted(MONDAY),
            suspended(TUESDAY),
            suspended(WEDNESDAY, SuspensionReason.SUPPLEMENT),
            resumed(THURSDAY),
        )

        assert (Status.RUNNING, None, (Anomaly.SUSPENDED_WHILE_SUSPENDED,)) == told(case)
        assert (Pause(start=instant(TUESDAY), end=instant(THURSDAY)),) == case.pauses
        assert [(SuspensionReason.OTHER, instant(THURSDAY)), (
            SuspensionReason.SUPPLEMENT, instant(THURSDAY),
        )] == [(s.reason, s.end) for s in case.suspensions]  # fmt: skip

    def test_second_suspension_excludes_when_its_reason_does(self) -> None:
        """A letter sent while a case is paused for another reason takes it out of the means."""
        case = folded(
            accepted(MONDAY),
            suspended(TUESDAY),
            suspended(WEDNESDAY, SuspensionReason.CORRESPONDENCE),
        )

        assert case.is_excluded

    def test_pause_during_a_running_supplement(self) -> None:
        """A suspension that pauses begins its pause even while a supplement runs."""
        case = folded(
            accepted(MONDAY),
            suspended(TUESDAY, SuspensionReason.SUPPLEMENT),
            suspended(WEDNESDAY, SuspensionReason.HOLD),
        )

        assert (Status.SUSPENDED, None, ()) == told(case)
        assert (Pause(start=instant(WEDNESDAY)),) == case.pauses

    def test_suspended_again_after_resumption(self) -> None:
        """Two suspensions, one after the other, are two pauses."""
        case = folded(
            accepted(MONDAY),
            suspended(TUESDAY),
            resumed(WEDNESDAY),
            suspended(THURSDAY, SuspensionReason.HOLD),
        )

        assert (Status.SUSPENDED, None, ()) == told(case)
        assert (
            Pause(start=instant(TUESDAY), end=instant(WEDNESDAY)),
            Pause(start=instant(THURSDAY)),
        ) == case.pauses

    def test_stopped_while_suspended(self) -> None:
        """A voucher during a suspension ends the suspension there."""
        case = folded(accepted(MONDAY), suspended(TUESDAY), voucher_issued(WEDNESDAY))

        assert (Status.STOPPED, instant(WEDNESDAY), (Anomaly.STOPPED_WHILE_SUSPENDED,)) == told(
            case
        )
        assert (Pause(start=instant(TUESDAY), end=instant(WEDNESDAY)),) == case.pauses
        assert instant(WEDNESDAY) == case.suspensions[0].end

    def test_stopped_during_a_running_supplement(self) -> None:
        """A supplement that runs suspends no clock: stopping in it is not surprising."""
        case = folded(
            accepted(MONDAY),
            suspended(TUESDAY, SuspensionReason.SUPPLEMENT),
            voucher_issued(WEDNESDAY),
        )

        assert (Status.STOPPED, instant(WEDNESDAY), ()) == told(case)
        assert instant(WEDNESDAY) == case.suspensions[0].end

    def test_rejected_while_suspended(self) -> None:
        """A rejection is a usual way out of a suspension, and ends it."""
        case = folded(
            accepted(MONDAY), suspended(TUESDAY, SuspensionReason.HOLD), rejected(WEDNESDAY)
        )

        assert (Status.REJECTED, instant(WEDNESDAY), ()) == told(case)
        assert instant(WEDNESDAY) == case.pauses[0].end

    def test_milestone_while_suspended_leaves_it_suspended(self) -> None:
        """A review during a suspension does not resume the clock."""
        case = folded(accepted(MONDAY), suspended(TUESDAY), reviewed(WEDNESDAY))

        assert (Status.SUSPENDED, None, ()) == told(case)


class TestBeforeAcceptance:
    def test_milestone_stands_at_acceptance(self) -> None:
        """A voucher told only before acceptance stops the clock as it starts."""
        case = folded(voucher_issued(MONDAY), accepted(TUESDAY))

        assert (Status.STOPPED, instant(TUESDAY), (Anomaly.BEFORE_ACCEPTANCE,)) == told(case)
        assert (
            Milestone(event_type=EventType.VOUCHER_ISSUED, at=instant(TUESDAY)),
        ) == case.milestones

    def test_milestone_told_again_after_acceptance(self) -> None:
        """Of a milestone before and after acceptance the one after it counts."""
        case = folded(voucher_issued(MONDAY), accepted(TUESDAY), voucher_issued(WEDNESDAY))

        assert (Status.STOPPED, instant(WEDNESDAY), (Anomaly.BEFORE_ACCEPTANCE,)) == told(case)

    def test_payment_before_acceptance(self) -> None:
        """A payment told before acceptance, with no stop, ends the case at acceptance."""
        case = folded(paid(MONDAY), accepted(TUESDAY))

        expected = (Anomaly.BEFORE_ACCEPTANCE, Anomaly.PAID_WITHOUT_STOP)
        assert (Status.STOPPED, instant(TUESDAY), expected) == told(case)

    def test_suspension_does_not_pause(self) -> None:
        """A suspension before there was a clock neither pauses nor excludes."""
        case = folded(suspended(MONDAY, SuspensionReason.HOLD), accepted(TUESDAY))

        assert (Status.RUNNING, None, (Anomaly.BEFORE_ACCEPTANCE,)) == told(case)
        assert () == case.suspensions
        assert not case.is_excluded

    def test_rejection_does_not_end(self) -> None:
        """A refusal before acceptance belongs to an earlier try: the case runs."""
        case = folded(rejected(MONDAY), accepted(TUESDAY))

        assert (Status.RUNNING, None, (Anomaly.BEFORE_ACCEPTANCE,)) == told(case)

    def test_correction_still_corrects(self) -> None:
        """A correction changes what was told at acceptance, even when it is dated before."""
        case = folded(corrected(MONDAY, category="I"), accepted(TUESDAY, Category.IV))

        assert (Anomaly.BEFORE_ACCEPTANCE,) == case.anomalies
        assert case.attributes is not None
        assert Category.I == case.attributes.category


AFTER_END = [
    suspended(WEDNESDAY, SuspensionReason.HOLD),
    resumed(WEDNESDAY),
    reviewed(WEDNESDAY),
    approved(WEDNESDAY),
    rejected(WEDNESDAY),
    withdrawn(WEDNESDAY),
]


class TestAfterEnd:
    @pytest.mark.parametrize("late", AFTER_END, ids=lambda late: late.event_type.value)
    def test_surprising_fact_changes_nothing_but_the_anomalies(self, late: CaseEvent) -> None:
        """What comes after the stop is listed, and neither pauses, excludes nor ends it again."""
        case = folded(accepted(MONDAY), voucher_issued(TUESDAY), late)

        assert (Status.STOPPED, instant(TUESDAY), (Anomaly.AFTER_END,)) == told(case)
        assert () == case.suspensions
        assert not case.is_excluded

    @pytest.mark.parametrize(
        "end", [rejected(TUESDAY), withdrawn(TUESDAY)], ids=["rejected", "withdrawn"]
    )
    @pytest.mark.parametrize(
        "late",
        [approved(WEDNESDAY), voucher_issued(WEDNESDAY), paid(WEDNESDAY)],
        ids=["approved", "voucher_issued", "paid"],
    )
    def test_milestone_after_another_end(self, end: CaseEvent, late: CaseEvent) -> None:
        """A milestone after a rejection or withdrawal is surprising; the end stays."""
        case = folded(accepted(MONDAY), end, late)

        assert (instant(TUESDAY), (Anomaly.AFTER_END,)) == told(case)[1:]
        assert not case.status.is_open

    def test_correction_is_not_surprising(self) -> None:
        """Corrections come late by nature, and still correct."""
        case = folded(accepted(MONDAY), voucher_issued(TUESDAY), corrected(FRIDAY, category="I"))

        assert () == case.anomalies
        assert case.attributes is not None
        assert Category.I == case.attributes.category

    def test_voucher_after_an_approval_without_cash(self) -> None:
        """Later milestones are expected after the stop, whichever milestone it was."""
        case = folded(
            accepted(MONDAY), approved(TUESDAY, cash_refund=False), voucher_issued(FRIDAY)
        )

        assert (Status.STOPPED, instant(TUESDAY), ()) == told(case)


class TestCorrections:
    def test_correction_is_as_if_at_acceptance(self) -> None:
        """A corrected category counts from acceptance; what is not named stays."""
        case = folded(accepted(MONDAY, Category.IV), corrected(TUESDAY, category="II", batch="001"))

        assert Attributes(office=OFFICE, category=Category.II, batch="001") == case.attributes

    def test_later_correction_wins(self) -> None:
        """Of two corrections the later in fold order stands, whichever arrives last."""
        case = folded(
            accepted(MONDAY), corrected(THURSDAY, category="I"), corrected(TUESDAY, category="II")
        )

        assert case.attributes is not None
        assert Category.I == case.attributes.category

    def test_correction_clears_the_unknown_category(self) -> None:
        """A category told later is no longer unknown."""
        assert () == folded(accepted(MONDAY, None), corrected(TUESDAY, category="III")).anomalies

    def test_correction_may_take_the_category_away(self) -> None:
        """A category corrected to null is unknown."""
        case = folded(accepted(MONDAY), corrected(TUESDAY, category=None))

        assert (Anomaly.UNKNOWN_CATEGORY,) == case.anomalies

    def test_corrected_office_moves_the_city(self) -> None:
        """The city follows the corrected office."""
        case = folded(accepted(MONDAY), corrected(TUESDAY, office="14302000000"))

        assert case.attributes is not None
        assert "430200" == case.attributes.city


class TestRetractions:
    def test_own_event(self) -> None:
        """A producer takes its own event back by its id: it is as if it had never come."""
        voucher = voucher_issued(TUESDAY)

        case = folded(accepted(MONDAY), voucher, retracted(WEDNESDAY, voucher))

        assert folded(accepted(MONDAY)) == replace(case, events=1)
        assert 3 == case.events

    def test_event_of_another_source(self) -> None:
        """Another producer's event is taken back by naming its source."""
        voucher = event(EventType.VOUCHER_ISSUED, TUESDAY, source=OTHER_SOURCE)

        case = folded(accepted(MONDAY), voucher, retracted(WEDNESDAY, voucher, source=OTHER_SOURCE))

        assert (Status.RUNNING, None, ()) == told(case)

    def test_same_id_of_another_source_is_another_event(self) -> None:
        """Without a source only the retracting producer's own events are meant."""
        voucher = event(EventType.VOUCHER_ISSUED, TUESDAY, source=OTHER_SOURCE)

        case = folded(accepted(MONDAY), voucher, retracted(WEDNESDAY, voucher))

        assert (Status.STOPPED, instant(TUESDAY), (Anomaly.RETRACTS_NOTHING,)) == told(case)

    def test_retraction_before_its_target_arrives(self) -> None:
        """A retraction waits, as an anomaly, and takes effect as soon as its target is there."""
        voucher = voucher_issued(TUESDAY)
        waiting = [accepted(MONDAY), retracted(WEDNESDAY, voucher)]

        assert (Anomaly.RETRACTS_NOTHING,) == folded(*waiting).anomalies
        assert (Status.RUNNING, None, ()) == told(folded(*waiting, voucher))

    def test_retraction_dated_before_its_target(self) -> None:
        """A wrong producer clock does not save an event from its retraction."""
        voucher = voucher_issued(WEDNESDAY)

        case = folded(accepted(MONDAY), retracted(TUESDAY, voucher), voucher)

        assert (Status.RUNNING, None, ()) == told(case)

    def test_retracted_retraction(self) -> None:
        """Taking a retraction back brings its target back."""
        voucher = voucher_issued(TUESDAY)
        first = retracted(WEDNESDAY, voucher)

        case = folded(accepted(MONDAY), voucher, first, retracted(THURSDAY, first))

        assert (Status.STOPPED, instant(TUESDAY), ()) == told(case)

    def test_chain_of_three_retractions(self) -> None:
        """A retraction of a retraction of a retraction takes the target back again."""
        voucher = voucher_issued(TUESDAY)
        first = retracted(WEDNESDAY, voucher)
        second = retracted(THURSDAY, first)

        case = folded(accepted(MONDAY), voucher, first, second, retracted(FRIDAY, second))

        assert (Status.RUNNING, None, ()) == told(case)

    def test_two_retractions_of_one_event(self) -> None:
        """A target taken back twice is gone, and neither retraction is surprising."""
        voucher = voucher_issued(TUESDAY)

        case = folded(
            accepted(MONDAY), voucher, retracted(WEDNESDAY, voucher), retracted(THURSDAY, voucher)
        )

        assert (Status.RUNNING, None, ()) == told(case)

    def test_retraction_of_nothing(self) -> None:
        """A retraction without a target is listed and changes nothing."""
        case = folded(accepted(MONDAY), retracted(TUESDAY, "no such event"))

        assert (Status.RUNNING, None, (Anomaly.RETRACTS_NOTHING,)) == told(case)

    def test_retraction_of_itself(self) -> None:
        """A retraction cannot take itself back."""
        case = folded(accepted(MONDAY), retracted(TUESDAY, "own", event_id="own"))

        assert (Status.RUNNING, None, (Anomaly.RETRACTS_NOTHING,)) == told(case)

    def test_cyclic_retractions(self) -> None:
        """Of two retractions that name each other the later one takes the earlier back."""
        voucher = voucher_issued(TUESDAY)
        case = folded(
            accepted(MONDAY),
            voucher,
            retracted(TUESDAY, "later", event_id="earlier"),
            retracted(WEDNESDAY, "earlier", event_id="later"),
        )

        assert (Status.STOPPED, instant(TUESDAY), ()) == told(case)

    def test_retraction_cannot_take_a_later_one_back(self) -> None:
        """Only an earlier retraction can be taken back; the later one stands."""
        voucher = voucher_issued(MONDAY + ":01")
        later = retracted(THURSDAY, voucher)

        case = folded(accepted(MONDAY), voucher, retracted(TUESDAY, later), later)

        assert (Status.RUNNING, None, (Anomaly.RETRACTS_NOTHING,)) == told(case)

    def test_retracted_acceptance(self) -> None:
        """A case whose only acceptance was taken back is unaccepted."""
        acceptance = accepted(MONDAY)

        case = folded(acceptance, retracted(TUESDAY, acceptance))

        assert (Status.UNACCEPTED, None, ()) == told(case)

    def test_next_acceptance_counts(self) -> None:
        """With the first acceptance taken back the second starts the clock."""
        wrong, right = accepted(MONDAY), accepted(TUESDAY, Category.I)

        case = folded(wrong, right, retracted(WEDNESDAY, wrong))

        assert (Status.RUNNING, None, ()) == told(case)
        assert instant(TUESDAY) == case.accepted_at

    def test_retracted_exclusion(self) -> None:
        """A suspension sent by mistake no longer keeps the case out of the means."""
        wrong = suspended(TUESDAY, SuspensionReason.VERIFICATION)

        case = folded(accepted(MONDAY), wrong, retracted(WEDNESDAY, wrong))

        assert (Status.RUNNING, None, ()) == told(case)
        assert not case.is_excluded

    def test_unaccepted_case_lists_a_retraction_of_nothing(self) -> None:
        """Anomalies of retractions are listed before acceptance too."""
        assert (Anomaly.RETRACTS_NOTHING,) == folded(retracted(MONDAY, "nothing")).anomalies


class TestOrder:
    def test_suspension_before_resumption_at_one_instant(self) -> None:
        """Suspended and resumed at one instant: suspended first, so the clock runs on."""
        case = folded(accepted(MONDAY), resumed(TUESDAY), suspended(TUESDAY))

        assert (Status.RUNNING, None, ()) == told(case)

    def test_acceptance_before_everything_at_one_instant(self) -> None:
        """A case accepted and finished in one instant is finished, without anomaly."""
        case = folded(
            paid(MONDAY),
            voucher_issued(MONDAY),
            approved(MONDAY),
            reviewed(MONDAY),
            accepted(MONDAY),
        )

        assert (Status.STOPPED, instant(MONDAY), ()) == told(case)
        assert ["reviewed", "approved", "voucher_issued", "paid"] == [
            m.event_type.removeprefix("rebate.case.") for m in case.milestones
        ]

    def test_resumption_before_the_stop_at_one_instant(self) -> None:
        """Resumed and stopped at one instant is no stop while suspended."""
        case = folded(accepted(MONDAY), suspended(TUESDAY), voucher_issued(FRIDAY), resumed(FRIDAY))

        assert (Status.STOPPED, instant(FRIDAY), ()) == told(case)

    def test_stop_before_rejection_before_withdrawal_at_one_instant(self) -> None:
        """Of ends at one instant the stop comes first, then the rejection."""
        both = folded(accepted(MONDAY), withdrawn(TUESDAY), rejected(TUESDAY))
        all_three = folded(
            accepted(MONDAY), withdrawn(TUESDAY), rejected(TUESDAY), voucher_issued(TUESDAY)
        )

        assert Status.REJECTED == both.status
        assert Status.STOPPED == all_three.status

    def test_kind_rank_is_the_contract(self) -> None:
        """The order of kinds at one instant is the one DESIGN 3.6 lists."""
        kinds = (
            "accepted", "corrected", "suspended", "resumed", "reviewed", "approved",
            "voucher_issued", "paid", "rejected", "withdrawn",
        )  # fmt: skip
        events = [event(EventType(f"rebate.case.{kind}"), MONDAY) for kind in reversed(kinds)]

        actual = [e.event_type.value for e in sorted(events, key=lambda e: e.fold_order)]

        assert [f"rebate.case.{kind}" for kind in kinds] == actual

    @pytest.mark.parametrize(
        ("first", "second"),
        [(("/a", "2"), ("/b", "1")), (("/a", "1"), ("/a", "2"))],
        ids=["source before id", "then id"],
    )
    def test_source_and_id_decide_last(
        self, first: tuple[str, str], second: tuple[str, str]
    ) -> None:
        """Two acceptances at one instant: the lesser source, then the lesser id, comes first."""
        one, other = (
            replace(accepted(MONDAY, category), source=source, id=event_id)
            for category, (source, event_id) in zip(
                (Category.I, Category.II), (first, second), strict=True
            )
        )

        case = folded(other, one)

        assert case.attributes is not None
        assert Category.I == case.attributes.category

    def test_time_is_compared_across_offsets(self) -> None:
        """Instants are put in order as instants, whatever offset they were told in."""
        utc = datetime.fromisoformat("2024-03-05T01:00:00+00:00")  # 09:00 in Shanghai
        early = replace(suspended(TUESDAY), time=utc)

        case = folded(accepted(MONDAY), resumed(TUESDAY), early)

        assert (Status.RUNNING, None, ()) == told(case)

    def test_anomalies_are_listed_once_and_in_order(self) -> None:
        """Each kind of anomaly is listed once, in the order of the events that show it."""
        case = folded(
            accepted(MONDAY), resumed(TUESDAY), resumed(WEDNESDAY), paid(THURSDAY), resumed(FRIDAY)
        )

        assert (
            Anomaly.RESUMED_WHILE_RUNNING,
            Anomaly.PAID_WITHOUT_STOP,
            Anomaly.AFTER_END,
        ) == case.anomalies

    def test_known_at(self) -> None:
        """Of another moment only the events up to and including that instant are known."""
        events = [accepted(MONDAY), suspended(TUESDAY), resumed(WEDNESDAY)]

        assert tuple(events[:2]) == happened_by(events, instant(TUESDAY))


class TestPolicyOfACase:
    book = PolicyBook(
        [
            HUNAN,
            replace(
                HUNAN,
                id="next",
                effective_from=date(2026, 1, 1),
                effective_to=date(2026, 6, 30),
                after_expiry=AfterExpiry.NONE,
            ),
        ]
    )

    @pytest.mark.parametrize(
        ("accepted_at", "policy_id", "lapsed"),
        [
            ("2023-10-25T23:59:59.999999", None, False),
            ("2023-10-26T00:00", "hunan-2023-46", False),
            ("2024-12-31T23:59:59.999999", "hunan-2023-46", False),
            ("2025-01-01T00:00", "hunan-2023-46", True),
            ("2025-12-31T23:59", "hunan-2023-46", True),
            ("2026-01-01T00:00", "next", False),
            ("2026-07-01T00:00", "next", True),
        ],
    )
    def test_policy_in_force_on_the_day_of_acceptance(
        self, accepted_at: str, policy_id: str | None, *, lapsed: bool
    ) -> None:
        """The policy is that of the Shanghai date of acceptance, lapsed after its last day."""
        applied = fold(CASE_ID, [accepted(accepted_at)], self.book).policy

        assert (policy_id, lapsed) == (
            applied.policy.id if applied.policy else None,
            applied.lapsed,
        )

    def test_acceptance_told_in_another_offset(self) -> None:
        """16:00 UTC on the day before is already the policy's first day in Shanghai."""
        utc = datetime.fromisoformat("2023-10-25T16:00:00+00:00")

        case = fold(CASE_ID, [replace(accepted(MONDAY), time=utc)], self.book)

        assert AppliedPolicy(policy=HUNAN) == case.policy

    def test_stop_follows_the_policy_of_acceptance(self) -> None:
        """A case is stopped by the rules under which it was accepted, not by later ones."""
        later = replace(
            policy_with(stop_at=StopAt.APPROVED),
            id="later",
            effective_from=date(2025, 1, 1),
            effective_to=None,
        )
        events = [accepted("2024-12-31T10:00"), approved("2025-01-02T10:00")]

        case = fold(CASE_ID, events, PolicyBook([HUNAN, later]))

        assert Status.RUNNING == case.status

    def test_before_the_first_policy_the_defaults_count(self) -> None:
        """A case without a policy is still folded, by the default rules."""
        case = fold(
            CASE_ID,
            [accepted("2023-10-02T10:00"), voucher_issued("2023-10-09T10:00")],
            policies(replace(HUNAN, rules=replace(HUNAN.rules, stop_at=StopAt.PAID))),
        )

        assert (Status.STOPPED, AppliedPolicy()) == (case.status, case.policy)


PROPERTY = settings(deadline=None, max_examples=200)
arrivals = event_streams().flatmap(
    lambda events: st.tuples(st.just(events), st.permutations(events))
)


class TestProperties:
    @given(arrivals, stops)
    @PROPERTY
    def test_order_of_arrival_does_not_matter(
        self, arrival: tuple[list[CaseEvent], list[CaseEvent]], stop_at: StopAt
    ) -> None:
        """The same events fold to the same case in whatever order, however often they arrive."""
        one_order, other_order = arrival

        policy = policy_with(stop_at=stop_at)
        expected = folded(*one_order, policy=policy)

        assert expected == folded(*other_order, policy=policy)
        assert expected == folded(*one_order, *other_order, policy=policy)

    @given(event_streams(), stops, event_data, st.tuples(stream_times, stream_times))
    @PROPERTY
    def test_retracted_event_leaves_no_trace(
        self,
        events: list[CaseEvent],
        stop_at: StopAt,
        data: tuple[EventType, EventData],
        times: tuple[datetime, datetime],
    ) -> None:
        """An event and its retraction together change nothing but the number of events."""
        wrong = stream_event(times[0], data, "x1")
        undo = stream_event(times[1], (EventType.RETRACTED, Retracted(id="x1")), "x2")

        policy = policy_with(stop_at=stop_at)
        expected = replace(folded(*events, policy=policy), events=len(events) + 2)
        assert expected == folded(*events, wrong, undo, policy=policy)

    @given(event_streams(), retractions, stream_times)
    @PROPERTY
    def test_retracted_retraction_leaves_no_trace(
        self, events: list[CaseEvent], data: tuple[EventType, Retracted], time: datetime
    ) -> None:
        """A retraction taken back by a later one changes nothing but the number of events."""
        wrong = stream_event(time, data, "x1")
        undo = stream_event(time, (EventType.RETRACTED, Retracted(id="x1")), "x2")

        expected = replace(folded(*events), events=len(events) + 2)
        assert expected == folded(*events, wrong, undo)

    @given(event_streams(), stops)
    @PROPERTY
    def test_pauses_are_closed_as_the_status_says(
        self, events: list[CaseEvent], stop_at: StopAt
    ) -> None:
        """Pauses follow each other after acceptance; only a suspended case has an open one."""
        case = folded(*events, policy=policy_with(stop_at=stop_at))
        bounds = [at for pause in case.pauses for at in (pause.start, pause.end) if at is not None]

        assert sorted(bounds) == bounds
        assert (case.status is Status.SUSPENDED) == any(p.end is None for p in case.pauses)
        assert all(pause.end is not None for pause in case.pauses[:-1])
        assert all(case.accepted_at is not None and at >= case.accepted_at for at in bounds)
        assert case.ended_at is None or all(at <= case.ended_at for at in bounds)

    @given(event_streams(), stops)
    @PROPERTY
    def test_suspensions_of_an_ended_case_are_closed(
        self, events: list[CaseEvent], stop_at: StopAt
    ) -> None:
        """No suspension lasts beyond the end of its case, and all that pause lie in a pause."""
        case = folded(*events, policy=policy_with(stop_at=stop_at))
        pausing = [s for s in case.suspensions if s.effect is not SuspensionEffect.RUN]

        assert case.status.is_open or all(s.end is not None for s in case.suspensions)
        assert all(any(p.start <= s.start and p.end == s.end for p in case.pauses) for s in pausing)

    @given(event_streams(), stops)
    @PROPERTY
    def test_end_and_status_agree(self, events: list[CaseEvent], stop_at: StopAt) -> None:
        """An ended case has an end not before its acceptance; an open one has none."""
        case = folded(*events, policy=policy_with(stop_at=stop_at))

        ended = case.status in (Status.STOPPED, Status.REJECTED, Status.WITHDRAWN)
        assert ended == (case.ended_at is not None)
        assert (case.status is Status.UNACCEPTED) == (case.accepted_at is None)
        if case.accepted_at and case.ended_at:
            assert case.accepted_at <= case.ended_at
        assert all(a.at <= b.at for a, b in pairwise(case.milestones))

    @given(event_streams(), stops)
    @PROPERTY
    def test_count_is_never_negative(self, events: list[CaseEvent], stop_at: StopAt) -> None:
        """Whatever came in whatever order, no clock shows less than 0, nor more than the gross."""
        assessment = assess(
            folded(*events, policy=policy_with(stop_at=stop_at)), published_calendar()
        )

        if assessment.clock is not None and assessment.counted_workdays is not None:
            gross = assessment.clock.gross_on(day("2024-12-31"))
            assert 0 <= assessment.counted_workdays <= gross

    @given(event_streams(with_retractions=False), categories)
    @PROPERTY
    def test_last_correction_decides_the_category(
        self, events: list[CaseEvent], category: Category | None
    ) -> None:
        """A correction after all others decides, wherever acceptance lies."""
        last = corrected("2024-12-31", category=category)

        case = folded(*events, last)

        assert case.attributes is None or category == case.attributes.category
