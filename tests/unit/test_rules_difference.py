"""What other rules come to before they are published: counts, and official means by month."""

from dataclasses import dataclass
from datetime import date, datetime

from domain_builders import day, instant
from rebate_monitor.domain.assessment import Verdict
from rebate_monitor.domain.case import Status
from rebate_monitor.domain.performance import Mean
from rebate_monitor.domain.policy import Scope
from rebate_monitor.domain.rules_difference import MonthDifference, RulesDifference

NOW = instant("2024-03-12T10:00")
FRIDAY = day("2024-03-08")


@dataclass(frozen=True, kw_only=True)
class Row:
    """A case as it stands."""

    status: Status = Status.STOPPED
    normal: bool = True
    category: str | None = "III"
    stopped_on: date | None = FRIDAY
    counted_workdays: int | None = 4
    settled_verdict: Verdict | None = Verdict.MET
    at_risk_at: datetime | None = None
    breach_at: datetime | None = None


LATE = Row(counted_workdays=5, settled_verdict=Verdict.MISSED)


def test_cases_that_come_out_the_same() -> None:
    """They are looked at, and that is all."""
    told = RulesDifference(now=NOW)
    told.look_at(7)

    assert (7, 0, 0, 0, 0) == (
        told.cases,
        told.changed,
        told.due_dates_moved,
        told.breaches_made,
        told.breaches_unmade,
    )
    assert () == told.months
    assert () == told.means({})


def test_breaches_made_and_unmade() -> None:
    """Whoever is past the limit under one of both counts, by as many cases as are alike."""
    told = RulesDifference(now=NOW)
    told.add(Row(), LATE, 3, due_date_moved=True)
    told.add(LATE, Row(), 2, due_date_moved=True)
    told.add(LATE, LATE, due_date_moved=False)

    assert (6, 6, 5, 3, 2) == (
        told.cases,
        told.changed,
        told.due_dates_moved,
        told.breaches_made,
        told.breaches_unmade,
    )


def test_an_open_breach_is_a_matter_of_time() -> None:
    """An open case is late once its instant has come."""
    running = Row(status=Status.RUNNING, stopped_on=None, settled_verdict=None)
    early = Row(**{**vars(running), "breach_at": instant("2024-03-12")})
    later = Row(**{**vars(running), "breach_at": instant("2024-03-13")})
    told = RulesDifference(now=NOW)
    told.add(later, early, due_date_moved=True)

    assert (1, 0) == (told.breaches_made, told.breaches_unmade)
    assert () == told.months


def test_means_by_month_and_scope() -> None:
    """The stored mean with the touched cases taken out and put in again."""
    told = RulesDifference(now=NOW)
    told.add(Row(category="I"), Row(category="I", counted_workdays=3), 2, due_date_moved=False)
    told.add(Row(category=None), Row(category=None, normal=False), due_date_moved=False)
    stored = {
        ("2024-03", Scope.ALL): Mean(n=10, workdays_sum=40),
        ("2024-03", Scope.CATEGORY_1_2): Mean(n=2, workdays_sum=8),
    }

    assert ("2024-03",) == told.months
    assert 1 == told.normal_changed
    assert (
        MonthDifference(
            month="2024-03",
            scope=Scope.ALL,
            n_before=10,
            mean_before=4.0,
            n_after=9,
            mean_after=3.777778,
        ),
        MonthDifference(
            month="2024-03",
            scope=Scope.CATEGORY_1_2,
            n_before=2,
            mean_before=4.0,
            n_after=2,
            mean_after=3.0,
        ),
    ) == told.means(stored)


def test_a_month_that_loses_or_gains_its_only_case() -> None:
    """A mean of no case is none."""
    told = RulesDifference(now=NOW)
    told.add(Row(), Row(stopped_on=day("2024-04-01")), due_date_moved=False)
    stored = {("2024-03", Scope.ALL): Mean(n=1, workdays_sum=4)}

    assert [("2024-03", 4.0, None), ("2024-04", None, 4.0)] == [
        (mean.month, mean.mean_before, mean.mean_after) for mean in told.means(stored)
    ]
