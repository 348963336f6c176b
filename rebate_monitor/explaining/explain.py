"""One case explained: the days, the rules in words, and the policy that they come from."""

from dataclasses import dataclass
from datetime import date, datetime
from functools import cache, cached_property

from rebate_monitor.catalogue import Catalogue, Language, catalogue
from rebate_monitor.domain.assessment import Assessment, Judgement, judge
from rebate_monitor.domain.case import Case
from rebate_monitor.domain.explanation import Because, ExplainedDay, explained_days
from rebate_monitor.domain.local_time import local_date
from rebate_monitor.domain.rulebook import Rulebook
from rebate_monitor.explaining.sentences import Account, Sentence, reason, sentences

FOLDER = "explaining"


@dataclass(frozen=True, kw_only=True)
class Explanation:
    """A folded case explained at a moment, in one language; counts are workdays.

    Confidential reasons are named only where `sensitive`.
    """

    case: Case
    rulebook: Rulebook
    now: datetime
    language: Language
    sensitive: bool

    @cached_property
    def assessment(self) -> Assessment:
        """What stands until the next event."""
        return self.rulebook.assess_case(self.case)

    @cached_property
    def judgement(self) -> Judgement:
        """The case at that moment."""
        return judge(self.case, self.assessment, self.rulebook.calendar, self.now)

    @cached_property
    def days(self) -> tuple[ExplainedDay, ...]:
        """Each day from acceptance to the stop, or to that moment."""
        return explained_days(self.case, self.assessment, self.rulebook.calendar, self.now)

    @cached_property
    def rules(self) -> list[Sentence]:
        """The rules that were applied, in words."""
        account = Account(
            case=self.case,
            assessment=self.assessment,
            judgement=self.judgement,
            calendar=self.rulebook.calendar,
            until=self.until,
            sensitive=self.sensitive,
        )
        return sentences(account, self.words)

    @property
    def until(self) -> date:
        """The last day that is told of."""
        return local_date(self.case.ended_at or self.now)

    @property
    def words(self) -> Catalogue:
        """The phrases of the language."""
        return catalogue(FOLDER, self.language)

    @property
    def cited(self) -> tuple[str, str] | None:
        """The policy's title and wording in the language, or None where no policy judges."""
        policy = self.case.policy.policy
        if policy is None:
            return None
        if self.language is Language.ZH:
            return policy.title, policy.citation
        return policy.title_en or policy.title, policy.citation_en or policy.citation

    def name(self, day: ExplainedDay) -> str | None:
        """Return the name of a day: its holiday, or why the clock stood still."""
        if day.reason is not None:
            return reason(self.words, day.reason, sensitive=self.sensitive)
        return self.holiday(day.name) if day.because is not Because.SUSPENDED else None

    def holiday(self, name: str | None) -> str | None:
        """Return a day's name in the language; notices are Chinese."""
        return None if name is None else holiday_name(name, self.language)


def holiday_name(name: str, language: Language) -> str:
    """Return what a day that a notice names is called in a language; notices are Chinese."""
    for chinese, told in _holidays(language):
        name = name.replace(chinese, told)
    return name


@cache
def _holidays(language: Language) -> list[tuple[str, str]]:
    """Return the pieces of names with what they are called, the longest first."""
    section = "holiday."
    phrases = catalogue(FOLDER, language).phrases.items()
    pieces = [(key.removeprefix(section), told) for key, told in phrases if key.startswith(section)]
    return sorted(pieces, key=lambda piece: len(piece[0]), reverse=True)
