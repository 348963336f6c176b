"""Compose a circular: what is known of a month in one language, less what may not be told."""

from collections.abc import Iterator
from dataclasses import dataclass

from rebate_monitor import __version__
from rebate_monitor.catalogue import Language
from rebate_monitor.circular.document import Document, Fact
from rebate_monitor.circular.facts import Base, Facts
from rebate_monitor.circular.maker import Maker
from rebate_monitor.circular.overview import overview
from rebate_monitor.circular.provinces import province_of
from rebate_monitor.circular.secrecy import no_secrets, secrets
from rebate_monitor.circular.sections import Section
from rebate_monitor.circular.tables import tables
from rebate_monitor.circular.wording import Wording, wording
from rebate_monitor.domain.local_time import local_date
from rebate_monitor.domain.policy import Rules, Scope, SuspensionEffect
from rebate_monitor.places import Places
from rebate_monitor.storage.evaluation import DEFAULT_MIN_CASES

DEFINITIONS = ("clock", "workday", "normal", "mean", "in_time", "same_day", "open", "more")


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """How a circular is wanted; `internal`: everything is told, and it stays in the office."""

    language: Language
    internal: bool = False
    min_cases: int = DEFAULT_MIN_CASES


def compose(facts: Facts, places: Places, wanted: Wanted) -> Document:
    """Compose the circular of a month."""
    words = wording(wanted.language, places)
    hidden = no_secrets(facts) if wanted.internal else secrets(facts)
    maker = Maker(
        facts=facts,
        secrets=hidden,
        words=words,
        internal=wanted.internal,
        min_cases=wanted.min_cases,
    )
    province = province_of(facts.cities)
    teller = _Teller(facts=facts, words=words, internal=wanted.internal)
    is_told = not hidden.hides((Section.MEANS, None, Scope.ALL), [Base.STOPPED])
    return Document(
        language=wanted.language,
        title=words.say("title.report", province=words.province(province)),
        subtitle=words.month(facts.month.first),
        month=f"{facts.month.first:%Y-%m}",
        status=tuple(teller.status(is_told=is_told)),
        warnings=tuple(teller.warnings()),
        overview=tuple(overview(maker, words.whole(province))),
        tables=tuple(tables(maker)),
        definitions=tuple(teller.definitions()),
        footer=words.say("footer.text", version=__version__, instant=words.instant(facts.as_of)),
        internal=wanted.internal,
        labels={key: text for key, text in words.words.phrases.items() if key in LABELS},
    )


LABELS = frozenset(
    {
        "title.status",
        "title.overview",
        "title.definitions",
        "title.internal",
        "unit.workdays",
        "sheet.summary",
        "sheet.definitions",
        "sheet.chart_data",
        "page.of",
    }
)
"""The phrases that a written document needs beside its contents."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Teller:
    """Tells what the figures rest on."""

    facts: Facts
    words: Wording
    internal: bool

    def status(self, *, is_told: bool) -> Iterator[Fact]:
        """Yield what a reader has to know before the figures."""
        texts = {
            "as_of": self.words.say("status.as_of_text", instant=self._as_of),
            "closing": self._closing(),
            "policy": self._policy(),
            "calendar": self._calendar(),
            "cases": self._cases(is_told=is_told),
            "scope": self.words.say(
                "status.scope_internal" if self.internal else "status.scope_public"
            ),
        }
        for key, text in texts.items():
            yield Fact(key=key, label=self.words.say(f"status.{key}"), text=text)

    @property
    def _as_of(self) -> str:
        return self.words.instant(self.facts.as_of)

    def _closing(self) -> str:
        closed = self.facts.closed
        if closed is None:
            return self.words.say("status.open_month")
        key = "status.closed_differs" if closed.differs else "status.closed_same"
        return self.words.say(key, instant=self.words.instant(closed.closed_at))

    def _policy(self) -> str:
        applied = self.facts.policy
        if applied.policy is None:
            return self.words.say("status.no_policy")
        title, citation = self.words.cited(applied.policy)
        if not applied.lapsed or applied.policy.effective_to is None:
            return self.words.say("status.policy_in_force", title=title, citation=citation)
        day = self.words.day(applied.policy.effective_to)
        key = "status.policy_lapsed" if applied.judges else "status.policy_ended"
        return self.words.say(key, title=title, citation=citation, day=day)

    def _calendar(self) -> str:
        key = "calendar_provisional" if self.facts.provisional else "calendar_published"
        return self.words.say(f"status.{key}")

    def _cases(self, *, is_told: bool) -> str:
        month = self.words.month(self.facts.month.first)
        n = self.facts.whole.count(Base.STOPPED)
        key = "status.cases_text" if is_told else "status.cases_few"
        return self.words.say(key, month=month, n=n)

    def warnings(self) -> Iterator[str]:
        """Yield what must not be overlooked."""
        if self.internal:
            yield self.words.say("warning.internal")
        if self.facts.is_unfinished:
            day = self.words.day(local_date(self.facts.as_of))
            yield self.words.say("warning.unfinished", day=day)
        if self.facts.provisional:
            yield self.words.say("warning.provisional")

    def definitions(self) -> Iterator[tuple[str, str]]:
        """Yield the terms with what they mean under the rules of this month."""
        rules = self.facts.policy.rules
        policy = self.facts.policy.policy
        title = self.words.cited(policy)[0] if policy else self.words.say("status.no_policy")
        for name in DEFINITIONS:
            text = self.words.say(
                f"definition.{name}_text",
                stop=self.words.say(f"stop.{rules.stop_at}"),
                start=self.words.say(f"start.{rules.counting.start_day}"),
                reasons=self._excluding(rules),
                policy=title,
                n=rules.immediate_within_workdays,
            )
            yield self.words.say(f"definition.{name}"), text

    def _excluding(self, rules: Rules) -> str:
        return self.words.listed(
            self.words.say(f"reason.{reason}")
            for reason, effect in rules.suspensions.items()
            if effect is SuspensionEffect.EXCLUDE
        )
