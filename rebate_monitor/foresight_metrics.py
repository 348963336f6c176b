"""What is ahead, as metrics: from the same snapshot as the other figures (docs/foresight.md)."""

from collections import Counter
from collections.abc import Iterator, Mapping
from datetime import date, timedelta

from prometheus_client.core import GaugeMetricFamily, Metric

from rebate_monitor.domain.foresight import (
    WORKDAYS_AHEAD,
    Month,
    Sums,
    due_by_city,
    holiday_block,
    slack,
)
from rebate_monitor.domain.local_time import midnight
from rebate_monitor.domain.policy import PolicyBook, Scope
from rebate_monitor.domain.tally import Deltas
from rebate_monitor.places import Places
from rebate_monitor.storage.foresight import MonthForeseen
from rebate_monitor.storage.rules import RulesInForce


def due_cases(cells: Deltas, today: date, rules: RulesInForce, places: Places) -> Metric:
    """Count what falls due on each of the next workdays, 0 where nothing does."""
    counts: Counter[tuple[str, int]] = Counter()
    for (city, ahead), cases in due_by_city(cells, today, rules.calendar_of).items():
        counts[places.city_label(city), ahead] += cases
    family = GaugeMetricFamily(
        "rebate_due_cases",
        "Running cases by the workday on which they fall due; 0 ahead is the next workday.",
        labels=["city", "workdays_ahead"],
    )
    for city in sorted({*places.cities, *(city for city, _ in counts)}):
        for ahead in range(WORKDAYS_AHEAD):
            family.add_metric([city, str(ahead)], counts[city, ahead])
    return family


def month_slack(finished: Mapping[Scope, Sums], month: Month, policies: PolicyBook) -> Metric:
    """Tell how much processing time is left under each target, where there is one."""
    family = GaugeMetricFamily(
        "rebate_month_slack_workdays",
        "Workdays of processing time left under the target by what finished this month.",
        labels=["scope"],
    )
    applied = policies.on(month.last)
    for scope, sums in finished.items():
        left = slack(sums, applied.target(scope))
        if left is not None:
            family.add_metric([scope], float(left))
    return family


def month_foreseen_figures(foreseen: MonthForeseen) -> Iterator[Metric]:
    """Tell where the month's mean will end, and when that was found."""
    mean = GaugeMetricFamily(
        "rebate_month_mean_foreseen_workdays",
        "The mean workdays that this month will end with, by what is assumed of open cases.",
        labels=["scope", "assumption"],
    )
    for (scope, assumption), workdays in foreseen.means.items():
        if workdays is not None:
            mean.add_metric([scope, assumption], workdays)
    found = GaugeMetricFamily(
        "rebate_month_foreseen_timestamp_seconds",
        "When the end of this month was last foreseen; once a minute.",
    )
    if foreseen.at is not None:
        found.add_metric([], foreseen.at.timestamp())
    yield from (mean, found)


def holiday_figures(month: Month) -> Iterator[Metric]:
    """Tell when the holiday block that is under way or comes next begins and ends."""
    start = GaugeMetricFamily(
        "rebate_next_holiday_block_start_timestamp_seconds",
        "The start of the three or more days off in a row that are under way or come next.",
    )
    end = GaugeMetricFamily(
        "rebate_next_holiday_block_end_timestamp_seconds",
        "The end of these days off, when the first workday after them begins.",
    )
    block = holiday_block(month.today, month.calendar)
    if block is not None:
        start.add_metric([], midnight(block.first).timestamp())
        end.add_metric([], midnight(block.last + timedelta(days=1)).timestamp())
    yield from (start, end)
