"""/: the means against their targets, what falls due, the cities, and the last twelve months."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from urllib.parse import urlencode

from aiohttp import web
from markupsafe import Markup

from rebate_monitor import svg
from rebate_monitor.api.access import require
from rebate_monitor.api.evaluation import EvaluatedGroupView
from rebate_monitor.api.foresight import ForeseenView, ForesightView, MonthEndView
from rebate_monitor.api.service import Service
from rebate_monitor.board.address import see_other
from rebate_monitor.board.first_steps import first_steps
from rebate_monitor.board.frame import page, visit
from rebate_monitor.board.notices import Notice
from rebate_monitor.board.remembered import Remembered
from rebate_monitor.board.sparkline import sparkline
from rebate_monitor.board.today_facts import TodayFacts, read_earlier_months, read_today
from rebate_monitor.board.words import NOTHING, Words
from rebate_monitor.catalogue import Language
from rebate_monitor.domain.assessment import Verdict
from rebate_monitor.domain.case import Status
from rebate_monitor.domain.foresight import Assumption
from rebate_monitor.domain.policy import Policy, Scope
from rebate_monitor.domain.trend import MonthSums, Trend, last_months
from rebate_monitor.storage.evaluation import DEFAULT_MIN_CASES
from rebate_monitor.storage.keys import Scope as KeyScope

FACTS_SECONDS, TREND_SECONDS = 4.0, 60.0
REFRESH_SECONDS = 5
ONE_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Reading:
    """What all who look at the page share."""

    facts: Remembered[TodayFacts]
    earlier: Remembered[list[MonthSums]]


READING = web.AppKey("READING", Reading)


def reading_for(service: Service) -> Reading:
    """Return what reads the facts for everybody."""
    return Reading(
        facts=Remembered(lambda: read_today(service), FACTS_SECONDS),
        earlier=Remembered(lambda: read_earlier_months(service), TREND_SECONDS),
    )


async def get_today(request: web.Request) -> web.Response:
    """Answer the page of today; who is bound to offices gets their cases instead."""
    principal = await require(request, KeyScope.CASES_READ, by_office=True)
    if principal.bounds.offices:
        return see_other("/cases")
    reading = request.app[READING]
    facts = await reading.facts.get()
    told = visit(request, principal)
    layout = _Layout(facts, await reading.earlier.get(), told.words)
    values = {
        "facts": facts,
        "layout": layout,
        "refresh_seconds": REFRESH_SECONDS,
        "min_cases": DEFAULT_MIN_CASES,
        "first_steps": first_steps(request),
    }
    return page(told, "today.html.jinja", values)


@dataclass(frozen=True, slots=True, kw_only=True)
class Card:
    """One mean against its target: so far, where the month may end, and how it compares."""

    scope: Scope
    end: MonthEndView
    total: EvaluatedGroupView
    foreseen: Mapping[Assumption, ForeseenView]

    @property
    def state(self) -> str:
        """Whether the target is met: good, bad, or nothing can be said."""
        if self.total.meets_target is None:
            return "unknown"
        return "good" if self.total.meets_target else "bad"

    @property
    def full_scale(self) -> float:
        """The mean at which the gauge is full: half as much again as the target, or more."""
        told = [self.total.mean_workdays or 0.0, 1.5 * (self.total.target_workdays or 1.0)]
        return max(told)

    def part(self, workdays: float | None) -> str:
        """Return how far a mean fills the gauge, in percent."""
        return f"{100 * (workdays or 0.0) / self.full_scale:.1f}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Tile:
    """A number of cases that leads to their list."""

    name: str
    cases: int
    link: str
    state: str = "plain"
    day: date | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CityRow:
    """A city of the ranking."""

    city: str
    all: EvaluatedGroupView
    category_1_2: EvaluatedGroupView
    overdue: int
    spark: Markup


@dataclass(frozen=True, slots=True)
class _Layout:
    """The facts as the page shows them."""

    facts: TodayFacts
    earlier: Sequence[MonthSums]
    words: Words

    def notice(self, notice: Notice) -> str:
        """Say a notice in words."""
        values = {name: self._told(value) for name, value in notice.values.items()}
        return self.words.say(f"notice.{notice.name}", **values)

    def _told(self, value: object) -> object:
        if isinstance(value, datetime):
            return self.words.instant(value)
        if isinstance(value, date):
            return self.words.day(value)
        if isinstance(value, Policy):
            english = self.words.language is Language.EN
            return (value.title_en if english else None) or value.title
        if value is None:
            return NOTHING
        return value

    @property
    def cards(self) -> list[Card]:
        return [self._card(end) for end in self.facts.ahead.month.scopes]

    def _card(self, end: MonthEndView) -> Card:
        return Card(
            scope=end.scope,
            end=end,
            total=self._group(None, end.scope),
            foreseen={each.assumption: each for each in end.assumptions},
        )

    def _group(self, city: str | None, scope: Scope) -> EvaluatedGroupView:
        return next(g for g in self.facts.groups if g.group == city and g.scope == scope)

    @property
    def tiles(self) -> list[Tile]:
        ahead, total = self.facts.ahead, self.facts.ahead.total
        days = [day.date for day in ahead.workdays[:2]]
        return [
            Tile(
                name="overdue",
                cases=total.overdue,
                link=_cases(verdict=Verdict.BREACHED),
                state="bad" if total.overdue else "good",
            ),
            *(self._due(place, day) for place, day in enumerate(days)),
            *(self._at_limit() if total.at_limit else ()),
            Tile(
                name="suspended",
                cases=total.suspended,
                link=_cases(status=Status.SUSPENDED),
            ),
            Tile(name="open", cases=total.open, link="/cases"),
        ]

    def _due(self, place: int, day: date) -> Tile:
        ahead = self.facts.ahead
        is_today = day == ahead.today
        later = ahead.workdays[place + 1 :]
        until = later[0].date if later else day + ONE_DAY
        return Tile(
            name="due_today" if is_today else "due_next",
            cases=ahead.total.due[place],
            link=_cases(status=Status.RUNNING, due_from=day, due_before=until),
            state="warning" if is_today and ahead.total.due[place] else "plain",
            day=day,
        )

    def _at_limit(self) -> Iterator[Tile]:
        """Yield the cases that are past their due date and in time, on a rest day right after."""
        ahead = self.facts.ahead
        link = _cases(verdict=Verdict.AT_RISK, due_before=ahead.today)
        yield Tile(name="at_limit", cases=ahead.total.at_limit, link=link, state="warning")

    @property
    def rows(self) -> list[CityRow]:
        cities = sorted(
            {g.group for g in self.facts.groups if g.group is not None},
            key=lambda city: (self._group(city, Scope.ALL).rank or len(self.facts.groups), city),
        )
        return [self._row(city) for city in cities]

    def _row(self, city: str) -> CityRow:
        told = self._group(city, Scope.ALL)
        name = self.words.city(city)
        return CityRow(
            city=city,
            all=told,
            category_1_2=self._group(city, Scope.CATEGORY_1_2),
            overdue=self.facts.overdue.get(city, 0),
            spark=sparkline(
                self.trend_of(city, Scope.ALL),
                told.target_workdays,
                self.most,
                self.words.say("cities.spark", city=name),
            ),
        )

    @property
    def months(self) -> tuple[date, ...]:
        return last_months(self.facts.ahead.today)

    @property
    def most(self) -> float:
        """The top of every small line, so that they compare."""
        means = [
            mean
            for group in self.facts.groups
            for mean in self.trend_of(group.group, Scope.ALL)
            if mean is not None
        ]
        return max([*means, *(g.target_workdays or 0.0 for g in self.facts.groups), 1.0])

    def trend_of(self, city: str | None, scope: Scope) -> list[float | None]:
        """Return the means of twelve months; this month's is that of the table."""
        earlier = Trend(self.months, self.earlier).means(city, scope)
        return [*earlier[:-1], self._group(city, scope).mean_workdays]

    @property
    def chart(self) -> Markup:
        lines, targets = [], []
        for number, scope in enumerate(Scope, 1):
            means = self.trend_of(None, scope)
            name = self.words.say(f"scope.{scope}")
            texts = [self.words.mean(mean) for mean in means]
            lines.append(svg.Line(name=name, values=means, css=f"line-{number}", texts=texts))
            targets.append(
                svg.Line(
                    name=self.words.say(
                        "trend.target", target=self.words.target(self.facts.targets[scope][-1])
                    ),
                    values=self.facts.targets[scope],
                    css=f"goal-{number}",
                )
            )
        return svg.lines(
            svg.Picture(
                title=self.words.say("trend.title"),
                unit=self.words.say("trend.unit"),
                labels=[self.words.short_month(month) for month in self.months],
                lines=lines,
                targets=targets,
            )
        )

    @property
    def ahead(self) -> ForesightView:
        return self.facts.ahead


def _cases(**filters: object) -> str:
    return f"/cases?{urlencode(filters)}"
