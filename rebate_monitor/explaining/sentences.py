"""The rules that were applied to one case, each as a sentence with a name of its own."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from typing import NamedTuple

from rebate_monitor.catalogue import Catalogue
from rebate_monitor.domain.assessment import Assessment, Judgement
from rebate_monitor.domain.case import Case, Status, Suspension
from rebate_monitor.domain.clock import Clock
from rebate_monitor.domain.event import CONFIDENTIAL_REASONS, Category, EventType, SuspensionReason
from rebate_monitor.domain.local_time import local_date
from rebate_monitor.domain.policy import NonWorkdayStart, StartDay, SuspensionEffect
from rebate_monitor.domain.work_calendar import WorkCalendar


class Sentence(NamedTuple):
    """A rule by its name, `section.key` of the catalogue, and what it comes to in words."""

    rule: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """What is told about: a case as it stands at a moment, counted up to `until`.

    Confidential reasons are named only where `sensitive`.
    """

    case: Case
    assessment: Assessment
    judgement: Judgement
    calendar: WorkCalendar
    until: date
    sensitive: bool


def reason(words: Catalogue, told: SuspensionReason, *, sensitive: bool) -> str:
    """Return why a case was suspended, in words, or that this is withheld."""
    withheld = told in CONFIDENTIAL_REASONS and not sensitive
    return words.say("reason.withheld" if withheld else f"reason.{told}")


def sentences(account: Account, words: Catalogue) -> list[Sentence]:
    """Return the rules in the order in which they decide."""
    return list(_Teller(account, words).tell())


@dataclass(frozen=True, slots=True)
class _Teller:
    account: Account
    words: Catalogue

    def tell(self) -> Iterator[Sentence]:
        clock = self.account.assessment.clock
        if clock is None:
            yield self._say("start.unaccepted")
        else:
            yield from self._start(clock)
            yield from self._stop()
            yield from map(self._suspension, self.account.case.suspensions)
            yield from self._days(clock)
            yield self._total()
            yield from self._limit()
            yield from self._due()
            yield self._verdict()
            yield self._mean()
        for anomaly in self.account.case.anomalies:
            yield self._say(f"anomaly.{anomaly}")

    def _start(self, clock: Clock) -> Iterator[Sentence]:
        counting = self.account.case.policy.rules.counting
        included = counting.start_day is StartDay.INCLUDED
        accepted = clock.accepted_on
        yield self._say(f"start.{'included' if included else 'excluded'}", day=self._day(accepted))
        if self.account.calendar.kind(accepted).is_workday:
            return
        if counting.non_workday_start is NonWorkdayStart.DAY_0:
            yield self._say("start.rest_day_is_day_0", day=self._day(clock.counts_from))
        elif not included:
            yield self._say("start.rest_day_is_day_1")

    def _days(self, clock: Clock) -> Iterator[Sentence]:
        yield self._say("days.counted")
        breach = self.account.assessment.breach_at
        last = max(self.account.until, local_date(breach) if breach else date.min)
        calendar = self.account.calendar
        if calendar.is_provisional(clock.accepted_on, last):
            first = next(d.date for d in calendar.days(clock.accepted_on, last) if d.provisional)
            yield self._say("days.provisional", day=self._day(first))

    def _stop(self) -> Iterator[Sentence]:
        case = self.account.case
        ended = self._day(self.account.until)
        if case.status in (Status.REJECTED, Status.WITHDRAWN):
            yield self._say(f"stop.{case.status}", day=ended)
            return
        yield self._say(f"stop.{self._stop_rule()}")
        if case.status is Status.STOPPED:
            yield self._say("stop.stopped", day=ended)

    def _stop_rule(self) -> str:
        """Name what stops this clock (DESIGN 3.3): the policy's milestone, or what came instead."""
        case, stop_at = self.account.case, self.account.case.policy.rules.stop_at
        reached = {milestone.event_type for milestone in case.milestones}
        if case.status is not Status.STOPPED or stop_at.event_type in reached:
            return str(stop_at)
        return "paid_without_stop" if self._stopped_by(EventType.PAID) else "no_refund"

    def _stopped_by(self, kind: EventType) -> bool:
        milestones = self.account.case.milestones
        return any(m.event_type is kind and m.at == self.account.case.ended_at for m in milestones)

    def _suspension(self, told: Suspension) -> Sentence:
        values = {
            "reason": self._reason(told.reason),
            "start": self._day(local_date(told.start)),
            "effect": self.words.say(f"suspension.{told.effect}"),
        }
        if told.end is None:
            return self._say("suspension.lasting", **values)
        return self._say("suspension.ended", end=self._day(local_date(told.end)), **values)

    def _total(self) -> Sentence:
        judged = self.account.judgement
        return self._say(
            "total.paused" if judged.paused_workdays else "total.plain",
            day=self._day(self.account.until),
            workdays=judged.workdays,
            gross=judged.gross_workdays,
            paused=judged.paused_workdays,
        )

    def _limit(self) -> Iterator[Sentence]:
        applied = self.account.case.policy
        if applied.policy is None:
            yield self._say("limit.before_policies")
            return
        expired = applied.policy.effective_to
        if applied.lapsed and expired is not None:
            key = "limit.lapsed" if applied.judges else "limit.after_expiry"
            yield self._say(key, day=self._day(expired))
        limit = applied.limit(self._category())
        if limit is not None:
            yield self._limit_of(self._category(), limit)

    def _limit_of(self, category: Category | None, limit: int) -> Sentence:
        if category is None:
            return self._say("limit.unknown", limit=limit)
        return self._say(
            "limit.known", category=self.words.say(f"category.{category}"), limit=limit
        )

    def _category(self) -> Category | None:
        told = self.account.case.attributes
        return told.category if told else None

    def _due(self) -> Iterator[Sentence]:
        told = self.account.assessment
        if self.account.case.status is Status.SUSPENDED:
            yield self._say("due.paused")
        elif told.due_date is not None and told.breach_at is not None:
            yield self._say(
                "due.running",
                limit=told.limit_workdays,
                due=self._day(told.due_date),
                breach=self._day(local_date(told.breach_at)),
            )

    def _verdict(self) -> Sentence:
        judged = self.account.judgement
        return self._say(
            f"verdict.{judged.verdict}",
            workdays=judged.workdays,
            limit=self.account.assessment.limit_workdays,
        )

    def _mean(self) -> Sentence:
        case = self.account.case
        if case.status in (Status.REJECTED, Status.WITHDRAWN):
            return self._say("mean.ended")
        if case.is_excluded:
            return self._say("mean.excluded", reasons=self._excluding_reasons())
        return self._say("mean.counts" if case.status is Status.STOPPED else "mean.will_count")

    def _excluding_reasons(self) -> str:
        told = self.account.case.suspensions
        excluding = [s.reason for s in told if s.effect is SuspensionEffect.EXCLUDE]
        named = dict.fromkeys(map(self._reason, excluding))  # each once, in order
        return self.words.phrases["mean.separator"].join(named)

    def _reason(self, told: SuspensionReason) -> str:
        return reason(self.words, told, sensitive=self.account.sensitive)

    def _day(self, day: date) -> str:
        return self.words.day(day, day)

    def _say(self, rule: str, **values: object) -> Sentence:
        return Sentence(rule=rule, text=self.words.say(rule, **values))
