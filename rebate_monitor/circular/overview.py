"""The month in some sentences, from nothing but what the tables show."""

from collections.abc import Iterator
from dataclasses import dataclass

from rebate_monitor.circular.document import Cell, Kind
from rebate_monitor.circular.facts import Base, Figures, Group
from rebate_monitor.circular.figures import FIGURES
from rebate_monitor.circular.maker import ALL, LOW, Maker
from rebate_monitor.circular.sections import Section
from rebate_monitor.circular.wording import DECIMALS, Wording, enough_decimals, number, plain
from rebate_monitor.domain.policy import Scope

FEWEST_RANKED = 2
"""Of fewer there is no shortest and longest."""


def overview(make: Maker, whole: str) -> Iterator[str]:
    """Yield paragraphs about the month; `whole` names all of the province."""
    teller = _Overview(make=make, whole=whole)
    paragraphs = (
        [teller.nothing(), *teller.means(), teller.changes(), teller.rates()],
        [teller.still_open(), teller.left_out()],
        [teller.cities()],
    )
    for sentences in paragraphs:
        told = make.words.say("overview.gap").join(filter(None, sentences))
        if told:
            yield told


@dataclass(frozen=True, slots=True, kw_only=True)
class _Overview:
    """Writes sentences; one that needs a figure that is hidden or missing is empty."""

    make: Maker
    whole: str

    @property
    def words(self) -> Wording:
        return self.make.words

    @property
    def _month(self) -> str:
        return self.words.month(self.make.facts.month.first)

    def _text(self, name: str, scope: Scope = ALL) -> str:
        return self.words.cell(self.make.figure(name, scope), FIGURES[name].kind)

    def _has(self, *names: str, scope: Scope = ALL) -> bool:
        return all(self.make.figure(name, scope).value is not None for name in names)

    def nothing(self) -> str:
        """Say that no case ended."""
        if self.make.facts.whole.count(Base.STOPPED):
            return ""
        return self.words.say("overview.nothing", month=self._month, whole=self.whole)

    def means(self) -> Iterator[str]:
        """Yield the two official means."""
        for scope in (ALL, LOW):
            if self._has("mean_workdays", scope=scope):
                yield self.words.say(
                    f"overview.mean.{scope}",
                    month=self._month,
                    whole=self.whole,
                    n=self.make.figure("n", scope).value,
                    mean=self._text("mean_workdays", scope),
                    stands=self._stands(self.make.facts.whole.scopes[scope]),
                )

    def _stands(self, told: Figures) -> str:
        figures = told.evaluated.performance
        if figures.target_workdays is None or figures.mean_workdays is None:
            return self.words.say("overview.no_target")
        target = plain(figures.target_workdays)
        if figures.meets_target:
            return self.words.say("overview.within", target=target)
        over = figures.mean_workdays - figures.target_workdays
        by = number(over, Kind.WORKDAYS, enough_decimals(over, 0))
        return self.words.say("overview.over", target=target, by=by)

    def changes(self) -> str:
        """Compare with the month before and the year before."""
        told = [
            self.words.say(f"overview.{name}", change=self._change(self.make.figure(name)))
            for name in ("change_on_previous", "change_on_year")
            if self._has(name)
        ]
        if not told:
            return ""
        return self.words.say(
            "overview.changes", changes=self.words.say("overview.separator").join(told)
        )

    def _change(self, cell: Cell) -> str:
        value = round(float(cell.value or 0), DECIMALS)
        if not value:
            return self.words.say("overview.same")
        key = "overview.longer" if value > 0 else "overview.shorter"
        return self.words.say(key, by=number(abs(value), Kind.WORKDAYS))

    def rates(self) -> str:
        """Tell how many were in time, and how many were handled at once."""
        if not self._has("in_time_rate", "same_day_rate"):
            return ""
        return self.words.say(
            "overview.rates",
            in_time=self._text("in_time_rate"),
            same_day=self._text("same_day_rate"),
        )

    def still_open(self) -> str:
        """Tell what the means leave out as long as it is open."""
        if not self._has("open_mean_workdays", "mean_if_open_stopped_now"):
            return ""
        return self.words.say(
            "overview.open",
            instant=self.words.instant(self.make.facts.as_of),
            n=self.make.figure("open_n").value,
            mean=self._text("open_mean_workdays"),
            mean_if=self._text("mean_if_open_stopped_now"),
        )

    def left_out(self) -> str:
        """Tell what ended without counting in the means."""
        names = ("excluded", "rejected", "withdrawn")
        counts = {name: self.make.figure(name).value for name in names}
        parts = [self.words.say(f"overview.{name}", n=n) for name, n in counts.items() if n]
        return self.words.say("overview.left_out", parts=self.words.listed(parts)) if parts else ""

    def cities(self) -> str:
        """Tell who is first and who is last."""
        ranking = self.make.ranked(Section.CITIES, self.make.facts.cities)
        ranked = [city for city, rank in ranking if rank.value is not None]
        figures = [city.scopes[ALL].evaluated.performance for city in ranked]
        if len(ranked) < FEWEST_RANKED or figures[0].target_workdays is None:
            return ""
        return self.words.say(
            "overview.cities",
            count=len(ranked),
            target=plain(figures[0].target_workdays),
            within=sum(bool(told.meets_target) for told in figures),
            first=self.words.city(ranked[0].code),
            first_mean=self._mean_of(ranked[0]),
            last=self.words.city(ranked[-1].code),
            last_mean=self._mean_of(ranked[-1]),
        )

    def _mean_of(self, city: Group) -> str:
        mean = [(ALL, ["mean_workdays"])]
        return self.words.cell(next(self.make.cells(Section.CITIES, city, mean)), Kind.WORKDAYS)
