"""Means of the last months: of each city, and of all together."""

from datetime import date

from hypothesis import given
from hypothesis import strategies as st

from rebate_monitor.domain.performance import Mean
from rebate_monitor.domain.policy import Scope
from rebate_monitor.domain.trend import MonthSums, Trend, last_months

TODAY = date(2026, 11, 23)
MONTHS = last_months(TODAY)


@st.composite
def month_sums(draw: st.DrawFn) -> MonthSums:
    """Make sums as the database tells them: a row a city, month and kind of category."""
    return MonthSums(
        city=draw(st.sampled_from(["430100", "430200", None])),
        month=draw(st.sampled_from(MONTHS[-3:])),
        category_1_2=draw(st.booleans()),
        cases=draw(st.integers(1, 50)),
        workdays=draw(st.integers(0, 400)),
    )


def test_the_last_twelve_months() -> None:
    """They end with that of today, and go over the new year."""
    assert 12 == len(MONTHS)
    assert (date(2025, 12, 1), date(2026, 11, 1)) == (MONTHS[0], MONTHS[-1])


@given(st.lists(month_sums()), st.sampled_from(["430100", "430200", None]), st.sampled_from(Scope))
def test_a_mean_is_of_all_its_cases(told: list[MonthSums], city: str | None, scope: Scope) -> None:
    """No city means every case; categories I and II are part of all."""
    chosen = [
        each
        for each in told
        if (city is None or each.city == city) and (scope is Scope.ALL or each.category_1_2)
    ]
    trend = Trend(MONTHS, told)
    expected = [
        Mean(
            n=sum(each.cases for each in chosen if each.month == month),
            workdays_sum=sum(each.workdays for each in chosen if each.month == month),
        )
        for month in MONTHS
    ]

    assert expected == [trend.mean(city, scope, month) for month in MONTHS]
    assert [mean.workdays for mean in expected] == trend.means(city, scope)
    assert sorted({each.city for each in told if each.city}) == trend.cities
