"""Performance figures against a plain computation over every single case."""

import statistics
from collections.abc import Sequence
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rebate_monitor.domain.performance import Open, Performance, Stopped, _nth, performance


def stopped(
    workdays: int, cases: int = 1, *, judged: int = 0, in_time: int = 0, same_day: int = 0
) -> Stopped:
    """Make a part of a distribution up."""
    return Stopped(
        workdays=workdays, cases=cases, judged=judged, in_time=in_time, same_day=same_day
    )


def expanded(parts: Sequence[Stopped | Open]) -> list[int]:
    """Return the workdays of every single case."""
    return sorted(part.workdays for part in parts for _ in range(part.cases))


def mean(values: Sequence[int]) -> float | None:
    """Return the mean, None of nothing."""
    return statistics.fmean(values) if values else None


def percentile(values: Sequence[int], share: float) -> float | None:
    """Interpolate between the two neighbours of a place, as percentile_cont does."""
    if not values:
        return None
    place = share * (len(values) - 1)
    below = int(place + 1e-9)
    above = min(below + 1, len(values) - 1)
    return values[below] + (place - below) * (values[above] - values[below])


def nearly(expected: float | None) -> object:
    """Accept the rounding to six decimals."""
    return expected if expected is None else pytest.approx(expected, abs=6e-7)


@st.composite
def parts(draw: st.DrawFn) -> Stopped:
    """Draw a part of a distribution."""
    cases = draw(st.integers(0, 7))
    judged = draw(st.integers(0, cases))
    return Stopped(
        workdays=draw(st.integers(0, 40)),
        cases=cases,
        judged=judged,
        in_time=draw(st.integers(0, judged)),
        same_day=draw(st.integers(0, cases)),
        amount_cny=draw(st.decimals(0, 10**9, places=2)),
    )


distributions = st.lists(parts(), max_size=10)
backlogs = st.lists(
    st.builds(Open, workdays=st.integers(0, 40), cases=st.integers(0, 7)), max_size=6
)
PROPERTY = settings(deadline=None, max_examples=200)


class TestAgainstEverySingleCase:
    @given(distributions)
    @PROPERTY
    def test_mean(self, distribution: list[Stopped]) -> None:
        """The mean is that of the single cases."""
        actual = performance(distribution, [], None)

        assert len(expanded(distribution)) == actual.n
        assert nearly(mean(expanded(distribution))) == actual.mean_workdays

    @given(distributions)
    @PROPERTY
    def test_median(self, distribution: list[Stopped]) -> None:
        """The median is that of the single cases."""
        values = expanded(distribution)

        expected = statistics.median(values) if values else None
        assert nearly(expected) == performance(distribution, [], None).median

    @given(distributions)
    @PROPERTY
    def test_p90(self, distribution: list[Stopped]) -> None:
        """The 90th percentile is interpolated over the single cases, wherever parts lie."""
        expected = percentile(expanded(distribution), 0.9)

        assert nearly(expected) == performance(distribution, [], None).p90

    @given(distributions)
    @PROPERTY
    def test_rates(self, distribution: list[Stopped]) -> None:
        """In-time is a share of the judged cases, same-day of all."""
        n = sum(part.cases for part in distribution)
        judged = sum(part.judged for part in distribution)
        in_time = sum(part.in_time for part in distribution)
        same_day = sum(part.same_day for part in distribution)

        actual = performance(distribution, [], None)

        assert nearly(in_time / judged if judged else None) == actual.in_time_rate
        assert nearly(same_day / n if n else None) == actual.same_day_rate

    @given(distributions)
    @PROPERTY
    def test_amount_weighted_mean(self, distribution: list[Stopped]) -> None:
        """The weighted mean weighs workdays by CNY."""
        amount = sum(part.amount_cny for part in distribution)
        weighted = sum(part.workdays * part.amount_cny for part in distribution)

        expected = float(weighted / amount) if amount else None
        assert nearly(expected) == performance(distribution, [], None).amount_weighted_mean

    @given(distributions, backlogs)
    @PROPERTY
    def test_open_cases(self, distribution: list[Stopped], backlog: list[Open]) -> None:
        """Beside the finished cases stand the open ones, and the mean if all stopped now."""
        actual = performance(distribution, backlog, None)

        assert len(expanded(backlog)) == actual.open_n
        assert nearly(mean(expanded(backlog))) == actual.open_mean_workdays
        together = mean(expanded(distribution) + expanded(backlog))
        assert nearly(together) == actual.mean_if_open_stopped_now

    @given(distributions, st.sampled_from([3, 4, 2.5, 3.3, 0.1, 7]))
    @PROPERTY
    def test_meets_target(self, distribution: list[Stopped], target: float) -> None:
        """A scope meets its target when its total is within the target for each case."""
        values = expanded(distribution)

        expected = sum(values) <= Decimal(str(target)) * len(values) if values else None
        assert expected == performance(distribution, [], target).meets_target

    @given(distributions, st.permutations(range(10)))
    @PROPERTY
    def test_order_of_parts_does_not_matter(
        self, distribution: list[Stopped], order: list[int]
    ) -> None:
        """The same parts in another order give the same figures."""
        shuffled = [distribution[n] for n in order if n < len(distribution)]

        assert performance(distribution, [], 4) == performance(shuffled, [], 4)


class TestEdges:
    def test_no_cases(self) -> None:
        """Of no cases every figure is None, not 0."""
        assert Performance(
            n=0,
            mean_workdays=None,
            median=None,
            p90=None,
            in_time_rate=None,
            same_day_rate=None,
            amount_weighted_mean=None,
            target_workdays=4,
            meets_target=None,
            open_n=0,
            open_mean_workdays=None,
            mean_if_open_stopped_now=None,
        ) == performance([], [], 4)

    def test_open_cases_only(self) -> None:
        """A period in which nothing stopped still shows its backlog."""
        actual = performance([], [Open(workdays=6, cases=2), Open(workdays=3, cases=1)], 4)

        assert (0, None, None, 3, 5.0, 5.0) == (
            actual.n,
            actual.mean_workdays,
            actual.meets_target,
            actual.open_n,
            actual.open_mean_workdays,
            actual.mean_if_open_stopped_now,
        )

    @pytest.mark.parametrize(
        ("distribution", "meets"),
        [
            ([stopped(4)], True),
            ([stopped(3, 500), stopped(5, 500)], True),
            ([stopped(4, 999_999), stopped(5)], False),
            ([stopped(4, 9_999_999), stopped(5)], False),
            ([stopped(3), stopped(4, 9_999_998), stopped(5)], True),
        ],
        ids=["one case", "half and half", "over by 1e-6", "over by 1e-7", "exactly"],
    )
    def test_target_is_compared_exactly(self, distribution: list[Stopped], *, meets: bool) -> None:
        """A mean of exactly 4 meets a target of 4; one case too many does not, however rounded."""
        assert meets == performance(distribution, [], 4).meets_target

    def test_decimal_target_is_compared_exactly(self) -> None:
        """A target of 3.3 is the decimal written, not the binary number next to it."""
        assert performance([stopped(3, 7), stopped(4, 3)], [], 3.3).meets_target

    def test_no_target(self) -> None:
        """A scope without a target neither meets nor misses it."""
        actual = performance([stopped(4)], [], None)

        assert (None, None) == (actual.target_workdays, actual.meets_target)

    def test_nothing_judged(self) -> None:
        """Without limits there is no in-time rate, though there are cases."""
        assert performance([stopped(4)], [], 4).in_time_rate is None

    def test_no_amounts(self) -> None:
        """Without amounts there is no weighted mean."""
        assert performance([stopped(4)], [], 4).amount_weighted_mean is None

    @pytest.mark.parametrize(
        ("values", "median", "p90"),
        [
            ([5], 5, 5),
            ([1, 2], 1.5, 1.9),
            ([1, 2, 3], 2, 2.8),
            # Eleven cases: the 90th percentile is the tenth of them.
            (list(range(11)), 5, 9),
            ([0] * 9 + [10], 0, 1),
            ([0] * 10 + [10], 0, 0),
        ],
    )
    def test_percentiles(self, values: list[int], median: float, p90: float) -> None:
        """Worked examples of percentile_cont."""
        actual = performance([stopped(value) for value in values], [], None)

        assert (median, p90) == (actual.median, actual.p90)

    def test_same_workdays_in_several_parts(self) -> None:
        """Parts of equal workdays (of several months, say) are one distribution."""
        actual = performance([stopped(2, 3), stopped(2, 2), stopped(9, 5)], [], None)

        assert (5.5, 9) == (actual.median, actual.p90)

    def test_rounding_keeps_six_decimals(self) -> None:
        """Figures carry six decimals, two more than the contract asks for."""
        assert 3.666667 == performance([stopped(3), stopped(4, 2)], [], None).mean_workdays

    def test_place_beyond_the_last_case(self) -> None:
        """There is no case after the last."""
        with pytest.raises(IndexError):
            _nth([(3, 2)], 2)
