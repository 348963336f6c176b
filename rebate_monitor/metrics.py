"""Prometheus metrics: figures from the database, the same on every replica, and the process's own.

Figures are read fresh for each scrape from the running tallies, so a scrape costs the same however
many cases are stored. Labels are few and never name a case, an enterprise or an amount (DESIGN 6).
"""

import asyncio
from collections import Counter as Tally
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from typing import Any

import prometheus_client
from prometheus_client import CollectorRegistry, Histogram, ProcessCollector
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector

from rebate_monitor.domain.assessment import Verdict
from rebate_monitor.domain.event import Category
from rebate_monitor.domain.foresight import Month, Sums
from rebate_monitor.domain.local_time import local_date, midnight
from rebate_monitor.domain.policy import AppliedPolicy, Scope
from rebate_monitor.domain.rulebook import Rulebook
from rebate_monitor.domain.tally import (
    ACKNOWLEDGED,
    UNKNOWN_CATEGORY,
    Figure,
    Measures,
    open_by_verdict,
)
from rebate_monitor.foresight_metrics import (
    due_cases,
    holiday_figures,
    month_foreseen_figures,
    month_slack,
)
from rebate_monitor.places import Places
from rebate_monitor.rules_metrics import (
    open_cases_beyond_calendar,
    recompute_figures,
    rules_version,
)
from rebate_monitor.storage.figures import Snapshot
from rebate_monitor.storage.outbox import OutboxFigures

prometheus_client.disable_created_metrics()  # type: ignore[no-untyped-call] # it has no types

CATEGORIES = (*Category, UNKNOWN_CATEGORY)
DUE_BUCKETS = ("overdue", "0", "1", "2", "3_or_more")
WORKDAY_BUCKETS = (0, 1, 2, 3, 4, 5, 6, 8, 10, 15, 20, 30, 60)
SECONDS_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
ROLLING_DAYS = 30


class Metrics:
    """The process's own metrics; figures join them at each scrape."""

    def __init__(self) -> None:
        self.http_seconds = Histogram(
            "http_request_duration_seconds",
            "How long requests took, by route and status code.",
            ["method", "route", "code"],
            buckets=SECONDS_BUCKETS,
            registry=None,
        )
        self.commit_seconds = Histogram(
            "rebate_ingest_commit_seconds",
            "How long it took to make a batch of events durable.",
            buckets=SECONDS_BUCKETS,
            registry=None,
        )

    async def render(self, figures: Collector | None, accept: str) -> tuple[bytes, str]:
        """Render all metrics in a thread; return the text and its content type."""
        registry = CollectorRegistry()
        ProcessCollector(registry=registry)
        for collector in (self.http_seconds, self.commit_seconds, figures):
            if collector is not None:
                registry.register(collector)
        encoder, content_type = choose_encoder(accept)
        return await asyncio.to_thread(encoder, registry), content_type


def windows(today: date) -> dict[str, date]:
    """Return the first day of each window that ends today."""
    return {
        "month": today.replace(day=1),
        "year": today.replace(month=1, day=1),
        "rolling_30d": today - timedelta(days=ROLLING_DAYS - 1),
    }


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class FiguresCollector(Collector):
    """The figures of one snapshot, taken at `now`."""

    snapshot: Snapshot
    places: Places
    now: datetime

    @property
    def rulebook(self) -> Rulebook:
        """The rules in force."""
        return self.snapshot.rules.rulebook

    @property
    def today(self) -> date:
        """The snapshot's date in Asia/Shanghai."""
        return local_date(self.now)

    @property
    def policy(self) -> AppliedPolicy:
        """The policy for a case accepted today."""
        return self.rulebook.policies.on(self.today)

    def describe(self) -> Iterable[Metric]:
        """Name the metrics, as of an empty database: a registry collects at registration, too."""
        empty = replace(
            self.snapshot, cells={}, windows={}, quarantined=0, outbox=OutboxFigures(delivered={})
        )
        return replace(self, snapshot=empty).collect()

    def collect(self) -> Iterator[Metric]:
        """Yield every figure as a fresh metric."""
        yield self._events()
        yield from self._open_cases()
        yield self._processing_workdays()
        yield from self._window_figures()
        yield from self._policy_figures()
        yield from self._calendar_figures()
        yield rules_version(self.snapshot.rules)
        yield from recompute_figures(self.snapshot.recompute)
        yield from self._foresight_figures()
        yield self._cities()
        yield self._open_alerts()
        yield from self._outbox_figures()
        yield GaugeMetricFamily(
            "rebate_quarantined_events",
            "Refused events kept for a look and a replay.",
            value=self.snapshot.quarantined,
        )
        yield GaugeMetricFamily(
            "rebate_snapshot_timestamp_seconds",
            "When these figures were read from the database.",
            value=self.now.timestamp(),
        )

    def _cells(self, figure: Figure) -> Iterator[tuple[Mapping[str, str], Measures]]:
        for cell, measures in self.snapshot.cells.items():
            if cell.figure is figure:
                labels = {
                    "category": cell.category or UNKNOWN_CATEGORY,
                    "city": self.places.city_label(cell.city or ""),
                    "event_type": cell.event_type or "",
                    "outcome": cell.outcome or "",
                    "workdays": str(cell.workdays),
                }
                yield labels, measures

    def _events(self) -> Metric:
        family = CounterMetricFamily(
            "rebate_events",
            "Events received, by type and what became of them.",
            labels=["event_type", "outcome"],
        )
        for labels, measures in self._cells(Figure.EVENTS):
            family.add_metric([labels["event_type"], labels["outcome"]], measures.cases)
        return family

    def _open_cases(self) -> Iterator[Metric]:
        by_verdict: Tally[tuple[str, str, Verdict]] = Tally()
        for (category, city, verdict), count in open_by_verdict(
            self.snapshot.cells, self.today
        ).items():
            by_verdict[category, self.places.city_label(city), verdict] += count
        yield _counted(
            GaugeMetricFamily(
                "rebate_open_cases",
                "Accepted cases that have not ended, by verdict.",
                labels=["category", "city", "verdict"],
            ),
            by_verdict,
        )
        yield _counted(
            GaugeMetricFamily(
                "rebate_open_cases_due",
                "Running cases by workdays left until their due date.",
                labels=["category", "due_in_workdays"],
            ),
            self._due(),
        )
        yield _counted(self._breaches_family(), self._breaches(by_verdict))

    def _due(self) -> Tally[tuple[str, ...]]:
        counts: Tally[tuple[str, ...]] = Tally()
        for category in CATEGORIES:
            for bucket in DUE_BUCKETS:
                counts[category, bucket] = 0
        for cell, measures in self.snapshot.cells.items():
            if cell.figure is Figure.OPEN and cell.due_on is not None:
                category = cell.category or UNKNOWN_CATEGORY
                counts[category, self._due_bucket(cell.due_on, cell.rules)] += measures.cases
        return counts

    def _due_bucket(self, due_on: date, rules: int | None) -> str:
        calendar = self.snapshot.rules.calendar_of(rules)
        left = calendar.workdays_between(self.today, due_on)
        return "overdue" if left < 0 else DUE_BUCKETS[min(left, 3) + 1]

    @staticmethod
    def _breaches_family() -> CounterMetricFamily:
        return CounterMetricFamily(
            "rebate_sla_breaches",
            "Breaches ever known, open or stopped; one that was undone has been counted.",
            labels=["category", "city"],
        )

    def _breaches(
        self, by_verdict: Mapping[tuple[str, str, Verdict], int]
    ) -> Tally[tuple[str, ...]]:
        counts: Tally[tuple[str, ...]] = Tally()
        for figure in (Figure.MISSED, Figure.UNDONE):
            for labels, measures in self._cells(figure):
                counts[labels["category"], labels["city"]] += measures.cases
        for (category, city, verdict), count in by_verdict.items():
            if verdict is Verdict.BREACHED:
                counts[category, city] += count
        return counts

    def _processing_workdays(self) -> Metric:
        family = HistogramMetricFamily(
            "rebate_case_processing_workdays",
            "Workdays of stopped normal cases.",
            labels=["category"],
        )
        counts: dict[str, Tally[int]] = {}
        for labels, measures in self._cells(Figure.PROCESSED):
            by_workdays = counts.setdefault(labels["category"], Tally())
            by_workdays[int(labels["workdays"])] += measures.cases
        for category, by_workdays in sorted(counts.items()):
            total = sum(workdays * cases for workdays, cases in by_workdays.items())
            family.add_metric([category], _buckets(by_workdays), sum_value=total)
        return family

    def _window_figures(self) -> Iterator[Metric]:
        labels = ["scope", "window"]
        mean = GaugeMetricFamily(
            "rebate_processing_workdays_mean",
            "Mean workdays of normal cases stopped in the window.",
            labels=labels,
        )
        same_day = GaugeMetricFamily(
            "rebate_same_day_ratio",
            "Share of normal cases handled as they were filed.",
            labels=labels,
        )
        in_time = GaugeMetricFamily(
            "rebate_in_time_ratio",
            "Share of normal cases stopped within their limit.",
            labels=labels,
        )
        for scope in Scope:
            for window in windows(self.today):
                sums = self._window_sums(scope, window)
                if sums.cases:
                    mean.add_metric([scope, window], sums.workdays_sum / sums.cases)
                    same_day.add_metric([scope, window], sums.same_day / sums.cases)
                if sums.judged:
                    in_time.add_metric([scope, window], sums.in_time / sums.judged)
        yield from (mean, same_day, in_time)

    def _window_sums(self, scope: Scope, window: str) -> Measures:
        sums = Measures()
        for (label, category), measures in self.snapshot.windows.items():
            known = Category(category) if category in set(Category) else None
            if label == window and scope.covers(known):
                sums = sums.plus(measures)
        return sums

    def _policy_figures(self) -> Iterator[Metric]:
        target = GaugeMetricFamily(
            "rebate_processing_workdays_target",
            "The mean workdays that a scope must not exceed.",
            labels=["scope"],
        )
        for scope in Scope:
            workdays = self.policy.target(scope)
            if workdays is not None:
                target.add_metric([scope], workdays)
        limit = GaugeMetricFamily(
            "rebate_case_limit_workdays",
            "Workdays allowed for a case accepted today.",
            labels=["category"],
        )
        for category in CATEGORIES:
            allowed = self.policy.limit(Category(category) if category in set(Category) else None)
            if allowed is not None:
                limit.add_metric([category], allowed)
        lapsed = GaugeMetricFamily(
            "rebate_policy_lapsed",
            "1 when cases are judged by a policy after its last day.",
            labels=["policy"],
        )
        if self.policy.policy is not None:
            lapsed.add_metric([self.policy.policy.id], self.policy.lapsed)
        yield from (target, limit, lapsed)

    def _calendar_figures(self) -> Iterator[Metric]:
        calendar = self.rulebook.calendar
        yield GaugeMetricFamily(
            "rebate_calendar_is_workday",
            "1 on a workday in Asia/Shanghai, make-up workdays included.",
            value=calendar.kind(self.today).is_workday,
        )
        yield GaugeMetricFamily(
            "rebate_calendar_published_until_timestamp_seconds",
            "The end of the last day whose notice is published.",
            value=midnight(calendar.published_until + timedelta(days=1)).timestamp(),
        )
        yield open_cases_beyond_calendar(self.snapshot.cells, self.snapshot.rules)

    def _foresight_figures(self) -> Iterator[Metric]:
        month = Month(today=self.today, calendar=self.rulebook.calendar)
        sums = {scope: self._window_sums(scope, "month") for scope in Scope}
        finished = {scope: Sums(told.cases, told.workdays_sum) for scope, told in sums.items()}
        yield due_cases(self.snapshot.cells, self.today, self.snapshot.rules, self.places)
        yield from month_foreseen_figures(self.snapshot.foreseen)
        yield month_slack(finished, month, self.rulebook.policies)
        yield from holiday_figures(month)

    def _open_alerts(self) -> Metric:
        counts: Tally[tuple[str, ...]] = Tally()
        for cell, measures in self.snapshot.cells.items():
            if cell.figure is Figure.ALERTS and cell.alert_kind is not None:
                acknowledged = "true" if cell.outcome == ACKNOWLEDGED else "false"
                city = self.places.city_label(cell.city or "")
                counts[cell.alert_kind, city, acknowledged] += measures.cases
        family = GaugeMetricFamily(
            "rebate_open_alerts",
            "Open alerts of named cases, silent ones aside, by whether somebody took them on.",
            labels=["kind", "city", "acknowledged"],
        )
        return _counted(family, counts)

    def _outbox_figures(self) -> Iterator[Metric]:
        outbox = self.snapshot.outbox
        delivered = CounterMetricFamily(
            "rebate_notifications",
            "Tries to deliver a message, by channel and what became of them.",
            labels=["channel", "outcome"],
        )
        yield _counted(delivered, Tally(outbox.delivered))
        age = (self.now - outbox.oldest).total_seconds() if outbox.oldest else 0.0
        for name, text, value in (
            ("pending", "Messages that wait for their delivery.", outbox.pending),
            ("oldest_seconds", "Age of the oldest message that waits; 0 when none does.", age),
            ("dead", "Messages that were given up and are kept for a retry.", outbox.dead),
        ):
            yield GaugeMetricFamily(f"rebate_outbox_{name}", text, value=value)
        swept = GaugeMetricFamily(
            "rebate_sweep_last_success_timestamp_seconds",
            "When the sweep last found every alert raised that was due.",
        )
        if outbox.swept_at is not None:
            swept.add_metric([], outbox.swept_at.timestamp())
        yield swept

    def _cities(self) -> Metric:
        family = GaugeMetricFamily(
            "rebate_city_info",
            "Names of the cities; always 1.",
            labels=["city", "name_zh", "name_en"],
        )
        for code, place in sorted(self.places.cities.items()):
            family.add_metric([code, place.name_zh, place.name_en], 1)
        return family


Family = GaugeMetricFamily | CounterMetricFamily


def _counted(family: Family, counts: Tally[Any]) -> Metric:
    for labels, count in sorted(counts.items()):
        family.add_metric(labels, count)
    return family


def _buckets(by_workdays: Mapping[int, int]) -> list[tuple[str, float]]:
    """Return cumulative bucket counts, the last without bound."""
    buckets = [
        (f"{bound}.0", float(sum(n for workdays, n in by_workdays.items() if workdays <= bound)))
        for bound in WORKDAY_BUCKETS
    ]
    return [*buckets, ("+Inf", float(sum(by_workdays.values())))]
