"""Evaluations: ranks, comparisons and sources of anomalies against plain computations."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import date
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain_builders import (
    CASE_ID,
    HUNAN,
    accepted,
    approved,
    corrected,
    event_streams,
    paid,
    policies,
    resumed,
    retracted,
    suspended,
    voucher_issued,
)
from rebate_monitor.domain.assessment import Verdict
from rebate_monitor.domain.case import Anomaly, fold
from rebate_monitor.domain.evaluation import (
    MAX_EVENTS_TOLD,
    Evaluated,
    OpenFor,
    Quality,
    StoppedAfter,
    anomaly_sources,
    data_quality,
    evaluate,
    open_for,
    ranked,
    stopped_after,
)
from rebate_monitor.domain.event import CaseEvent
from rebate_monitor.domain.performance import (
    Distributions,
    Key,
    LeftOut,
    Mean,
    Open,
    Stopped,
    performance,
    rounded,
)
from rebate_monitor.domain.periods import Days, told_periods
from rebate_monitor.domain.policy import PolicyBook, Scope

PROPERTY = settings(deadline=None)
MARCH = Days(first=date(2024, 3, 1), last=date(2024, 3, 31))


def stopped(workdays: int, cases: int = 1, judged: int = 0, in_time: int = 0) -> Stopped:
    return Stopped(workdays=workdays, cases=cases, judged=judged, in_time=in_time, same_day=0)


def of_groups(**groups: Sequence[Stopped]) -> Distributions:
    return Distributions(stopped={(group, False): parts for group, parts in groups.items()})


def evaluated(by: str = "city", days: Days = MARCH, **parts: object) -> Evaluated:
    told = Evaluated(periods=told_periods(days), by=by, this=Distributions())
    return replace(told, **parts)  # type: ignore[arg-type] # the parts of an evaluation


def shown(
    told: Evaluated, name: str, min_cases: int = 1, scope: Scope = Scope.ALL
) -> dict[str | None, object]:
    groups = evaluate(told, policies(), min_cases)
    return {group.group: getattr(group, name) for group in groups if group.scope is scope}


@given(st.lists(st.integers(0, 60), min_size=1, max_size=80))
def test_percentiles_are_those_of_numpy(values: list[int]) -> None:
    """Median and p90 interpolate as numpy's default does, however the cases are gathered."""
    parts = [stopped(value, values.count(value)) for value in set(values)]
    told = performance(parts, [], None)

    expected = [pytest.approx(float(np.percentile(values, share)), abs=1e-6) for share in (50, 90)]
    assert expected == [told.median, told.p90]


class TestRank:
    def test_the_lowest_mean_is_first(self) -> None:
        """Groups are ranked by their means; equal means share the better rank."""
        told = evaluated(
            this=of_groups(
                a=[stopped(3, 2)], b=[stopped(1)], c=[stopped(2), stopped(4)], d=[stopped(9)]
            )
        )

        assert {"a": 2, "b": 1, "c": 2, "d": 4} == shown(told, "rank")

    def test_too_few_cases_have_no_rank(self) -> None:
        """A group below the minimum is shown without a rank, and takes none away."""
        told = evaluated(this=of_groups(a=[stopped(0)], b=[stopped(3, 2)]))

        assert {"a": None, "b": 1} == shown(told, "rank", min_cases=2)

    def test_a_group_without_cases_has_no_rank(self) -> None:
        """Nothing has no mean, whatever the minimum."""
        told = evaluated(this=Distributions(left_out={("a", False): LeftOut(excluded=1)}))

        assert {"a": None} == shown(told, "rank", min_cases=0)

    def test_means_are_compared_exactly(self) -> None:
        """Means that are shown alike may still rank apart."""
        close: dict[str | None, Mean] = {
            "a": Mean(n=3_000_000, workdays_sum=1),
            "b": Mean(n=3_000_001, workdays_sum=1),
        }

        assert close["a"].workdays == close["b"].workdays
        assert {"b": 1, "a": 2} == ranked(close, 1)

    @given(
        st.dictionaries(
            st.sampled_from("abcdefgh"),
            st.builds(Mean, n=st.integers(0, 4), workdays_sum=st.integers(0, 9)),
        ),
        st.integers(1, 3),
    )
    def test_ranks_count_who_is_better(self, means: Mapping[str | None, Mean], least: int) -> None:
        """A rank is one more than the number of groups with a lower mean."""
        exact = {
            group: Fraction(mean.workdays_sum, mean.n)
            for group, mean in means.items()
            if mean.n >= least
        }

        expected = {
            group: 1 + sum(other < mean for other in exact.values())
            for group, mean in exact.items()
        }
        assert expected == ranked(means, least)


class TestComparison:
    def test_with_the_period_before_and_the_year_before(self) -> None:
        """Changes are this mean less the other, exact before they are rounded."""
        told = evaluated(
            this=of_groups(a=[stopped(1), stopped(2), stopped(2)], b=[stopped(3)]),
            previous=of_groups(a=[stopped(2, 3)]),
            year_ago=of_groups(a=[stopped(1, 7)], c=[stopped(1)]),
        )
        groups = {g.group: g for g in evaluate(told, policies(), 1) if g.scope is Scope.ALL}

        a, b = groups["a"], groups["b"]
        assert {"a", "b"} == set(groups)
        assert (3, -0.333333) == (a.previous.n, a.mean.change_on(a.previous))
        assert (7, 0.666667) == (a.year_ago.n, a.mean.change_on(a.year_ago))
        assert (0, None) == (b.previous.n, b.mean.change_on(b.previous))
        assert Mean().change_on(b.mean) is None

    def test_without_groups(self) -> None:
        """Without grouping there is the one group, also of nothing."""
        told = evaluated(by="none", previous=Distributions(stopped={(None, True): [stopped(2)]}))

        assert {None: Mean(n=1, workdays_sum=2)} == shown(told, "previous")

    def test_months_are_compared_with_the_month_as_far_into_the_other_period(self) -> None:
        """The second month of a period is compared with the second of the one before."""
        told = evaluated(
            by="month",
            days=Days(first=date(2024, 2, 1), last=date(2024, 3, 31)),
            this=of_groups(**{"2024-02": [stopped(1)], "2024-03": [stopped(2)], "2024-04": []}),
            previous=of_groups(**{"2023-12": [stopped(3)], "2024-01": [stopped(4)]}),
            year_ago=of_groups(**{"2023-02": [stopped(5)], "2023-03": [stopped(6)]}),
        )

        assert {"2024-02": 3, "2024-03": 4} == {
            month: mean.workdays_sum  # type: ignore[attr-defined] # a Mean
            for month, mean in shown(told, "previous").items()
        }
        assert {"2024-02": 5, "2024-03": 6} == {
            month: mean.workdays_sum  # type: ignore[attr-defined] # a Mean
            for month, mean in shown(told, "year_ago").items()
        }

    @pytest.mark.parametrize("tiny", [Fraction(-1, 10**9), Fraction(1, 10**9), Fraction(0)])
    def test_what_rounds_to_nothing_has_no_sign(self, tiny: Fraction) -> None:
        """There is no minus zero in an answer."""
        assert repr(rounded(tiny)) == "0.0"


class TestGroups:
    def test_refiled_cases_make_a_group(self) -> None:
        """A group whose cases are all refiled and open elsewhere is still shown."""
        told = evaluated(refiled={("a", True): 2, ("a", False): 1, (None, True): 5})

        assert {"a": 3} == shown(told, "refiled")
        assert {"a": 2} == shown(told, "refiled", scope=Scope.CATEGORY_1_2)

    def test_targets_are_those_of_the_last_day(self) -> None:
        """A month before the policy has no target; the last month of the period has."""
        days = Days(first=date(2023, 9, 1), last=date(2023, 10, 26))
        told = evaluated(
            by="month",
            days=days,
            this=of_groups(**{"2023-09": [stopped(1)], "2023-10": [stopped(1)]}),
        )
        whole = evaluated(days=days, this=of_groups(a=[stopped(1)]))

        targets = {
            group: performance.target_workdays  # type: ignore[attr-defined] # a Performance
            for group, performance in shown(told, "performance").items()
        }
        assert {"2023-09": None, "2023-10": 4} == targets
        assert evaluate(whole, policies(), 1)[0].performance.target_workdays == 4

    def test_no_policy_at_all(self) -> None:
        """Without any policy there is nothing to meet."""
        (all_cases, _) = evaluate(evaluated(by="none"), PolicyBook([]), 1)

        assert all_cases.performance.target_workdays is None


def test_the_distribution_is_of_all_groups_together() -> None:
    """Cases are gathered by workdays: in time, late, and those without a limit."""
    told = Distributions(
        stopped={
            ("a", True): [stopped(3, 5, judged=4, in_time=3), stopped(1, 1)],
            ("b", False): [stopped(3, 2, judged=2, in_time=0)],
        }
    )

    assert (
        StoppedAfter(workdays=1, n=1, in_time=0, late=0, unjudged=1),
        StoppedAfter(workdays=3, n=7, in_time=3, late=3, unjudged=1),
    ) == stopped_after(told)


def test_open_cases_by_age() -> None:
    """Open cases are gathered by workdays and verdict."""
    told = [(3, Verdict.BREACHED, 2), (0, Verdict.ON_TRACK, 1), (3, Verdict.BREACHED, 1)]

    assert (
        OpenFor(workdays=0, verdicts={Verdict.ON_TRACK: 1}),
        OpenFor(workdays=3, verdicts={Verdict.BREACHED: 3}),
    ) == open_for(told)


OTHER = "/other"


def by(source: str, event: CaseEvent) -> CaseEvent:
    return replace(event, source=source)


START = accepted("2024-03-04T09:00")
STOP = voucher_issued("2024-03-06T09:00")
TOLD = {
    Anomaly.BEFORE_ACCEPTANCE: [by(OTHER, resumed("2024-03-03T09:00")), START],
    Anomaly.AFTER_END: [START, STOP, by(OTHER, suspended("2024-03-07T09:00"))],
    Anomaly.ACCEPTED_AGAIN: [START, by(OTHER, accepted("2024-03-05T09:00"))],
    Anomaly.REPEATED_MILESTONE: [
        START,
        approved("2024-03-05T09:00"),
        by(OTHER, approved("2024-03-05T10:00")),
    ],
    Anomaly.RESUMED_WHILE_RUNNING: [START, by(OTHER, resumed("2024-03-05T09:00"))],
    Anomaly.SUSPENDED_WHILE_SUSPENDED: [
        START,
        suspended("2024-03-05T09:00"),
        by(OTHER, suspended("2024-03-06T09:00")),
    ],
    Anomaly.STOPPED_WHILE_SUSPENDED: [START, suspended("2024-03-05T09:00"), by(OTHER, STOP)],
    Anomaly.PAID_WITHOUT_STOP: [START, by(OTHER, paid("2024-03-06T09:00"))],
    Anomaly.UNKNOWN_CATEGORY: [
        START,
        corrected("2024-03-05T09:00", category="I"),
        by(OTHER, corrected("2024-03-05T10:00", category=None)),
        STOP,
    ],
    Anomaly.RETRACTS_NOTHING: [START, by(OTHER, retracted("2024-03-05T09:00", "nothing"))],
}


@pytest.mark.parametrize("anomaly", Anomaly)
def test_the_source_of_an_anomaly_is_whose_event_brought_it(anomaly: Anomaly) -> None:
    """Of several sources it is the one whose event contradicts what was told before."""
    assert {anomaly: OTHER} == anomaly_sources(CASE_ID, TOLD[anomaly], policies())


def test_an_anomaly_that_was_put_right_has_no_source() -> None:
    """What is not listed any more is nobody's."""
    told = [
        accepted("2024-03-04T09:00", category=None),
        corrected("2024-03-05T09:00", category="I"),
    ]

    assert {} == anomaly_sources(CASE_ID, told, policies())


@given(event_streams())
@PROPERTY
def test_every_anomaly_has_a_source(events: list[CaseEvent]) -> None:
    """The sources are those of the anomalies that the case lists, in any order of arrival."""
    told = anomaly_sources(CASE_ID, events, policies())

    assert set(fold(CASE_ID, events, policies()).anomalies) == set(told)
    assert told == anomaly_sources(CASE_ID, events[::-1], policies())
    assert set(told.values()) <= {event.source for event in events}


def test_a_case_of_very_many_events_has_no_sources() -> None:
    """A case that a sender floods is not folded once for each of its events."""
    many = [
        replace(resumed(f"2024-03-05T09:00:{n % 60:02}"), id=f"{n:04}")
        for n in range(MAX_EVENTS_TOLD)
    ]
    early = [accepted("2024-03-04T09:00", category=None)]
    told = [set(anomaly_sources(CASE_ID, early + many[n:], policies())) for n in (0, 1)]

    assert [set(), {Anomaly.RESUMED_WHILE_RUNNING, Anomaly.UNKNOWN_CATEGORY}] == told


def test_quality_names_the_largest_sources() -> None:
    """Beyond the largest sources of a kind all others are one, without a name."""
    found = {
        (Anomaly.AFTER_END, "a"): 1,
        (Anomaly.AFTER_END, "b"): 3,
        (Anomaly.AFTER_END, "c"): 1,
        (Anomaly.AFTER_END, None): 2,
        (Anomaly.BEFORE_ACCEPTANCE, "z"): 1,
        (Anomaly.ACCEPTED_AGAIN, None): 0,
    }

    assert (
        Quality(Anomaly.BEFORE_ACCEPTANCE, "z", 1),
        Quality(Anomaly.AFTER_END, "b", 3),
        Quality(Anomaly.AFTER_END, "a", 1),
        Quality(Anomaly.AFTER_END, None, 3),
    ) == data_quality(found, 2)


def test_open_groups_alone_are_shown() -> None:
    """A group that has only open cases is a group."""
    told = evaluated(this=Distributions(still_open={("a", True): [Open(workdays=2, cases=1)]}))

    assert {"a": 0} == {
        group: mean.n  # type: ignore[attr-defined] # a Mean
        for group, mean in shown(told, "mean").items()
    }
    assert HUNAN.targets[Scope.ALL] == evaluate(told, policies(), 1)[0].performance.target_workdays


def test_groups_together_are_as_if_nothing_had_been_grouped() -> None:
    """Cases of every group count in the one that has no name, each in its own scope."""
    parts: dict[Key, list[Stopped]] = {
        ("430100", True): [stopped(1, cases=3)],
        ("430100", False): [stopped(6)],
        ("430200", True): [stopped(2)],
    }
    still_open: dict[Key, list[Open]] = {("430100", True): [Open(workdays=9, cases=1)]}
    left_out: dict[Key, LeftOut] = {
        ("430100", True): LeftOut(excluded=1),
        ("430200", True): LeftOut(excluded=2, rejected=1),
    }
    this = Distributions(stopped=parts, still_open=still_open, left_out=left_out)
    refiled: dict[Key, int] = {("430100", True): 1, ("430200", True): 2, ("430200", False): 4}
    grouped = evaluated(this=this, previous=Distributions(stopped=parts), refiled=refiled)

    both, first_two = evaluate(grouped.together(), policies(), 1)

    assert (None, Scope.ALL, 5, 11, 1) == (
        both.group,
        both.scope,
        both.performance.n,
        both.workdays_sum,
        both.performance.open_n,
    )
    assert (4, 5) == (first_two.performance.n, first_two.workdays_sum)
    assert (LeftOut(excluded=3, rejected=1), 7, 3) == (
        both.left_out,
        both.refiled,
        first_two.refiled,
    )
    assert Mean(n=5, workdays_sum=11) == both.previous
