"""The living rules, as metrics: which are in force, how far a recompute is, what is an estimate."""

from collections.abc import Iterator

from prometheus_client.core import GaugeMetricFamily, Metric

from rebate_monitor.domain.foresight import due_beyond
from rebate_monitor.domain.tally import Deltas
from rebate_monitor.storage.recomputes import Recompute
from rebate_monitor.storage.rules import RulesInForce


def rules_version(rules: RulesInForce) -> Metric:
    """Tell which version is in force."""
    return GaugeMetricFamily(
        "rebate_rules_version",
        "The number of the version of the rules in force; each that is published has a higher one.",
        value=rules.number,
    )


def recompute_figures(recompute: Recompute | None) -> Iterator[Metric]:
    """Tell how much of the recompute under way is left, and when it last got on."""
    progress = GaugeMetricFamily(
        "rebate_recompute_last_progress_timestamp_seconds",
        "When the recompute that is under way began or last got on; nothing while none is.",
    )
    pending = 0
    if recompute is not None:
        pending = max(1, recompute.pending)  # until its end is noted it is under way
        progress.add_metric([], (recompute.progressed_at or recompute.started_at).timestamp())
    yield GaugeMetricFamily(
        "rebate_recompute_pending_cases",
        "Cases still to be laid down anew by the rules in force; 0 while no recompute runs.",
        value=pending,
    )
    yield progress


def open_cases_beyond_calendar(cells: Deltas, rules: RulesInForce) -> Metric:
    """Count open cases that fall due after the last published day, by the rules each goes by."""
    return GaugeMetricFamily(
        "rebate_open_cases_beyond_calendar",
        "Open cases whose due date lies after the end of the published calendar.",
        value=due_beyond(cells, rules.calendar_of).total(),
    )
