"""Which figures of a month are hidden when its circular leaves the office.

Tables of one circular speak of the same cases: the province is the sum of its cities, of its
categories and of its rebate types, a city is the sum of its offices, and the figures of categories
I and II stand beside those of all. Each of these sums is a family whose total is known, and
`suppression` decides within it; where a total is hidden, so is all below it. Each base has families
of its own, since a city may have many stopped cases and one open one. The months compared with are
hidden as in their own circulars, by their own counts alone, so that a change tells nothing that
those kept back, and open cases alike in all circulars of a moment. A month that is not over is
compared with parts of months, and what their circulars told of the whole would give the rest away:
so it is not compared at all.

A mean and a rate are figures of the cases that they are taken over: that one case in a hundred was
late is told, that a city had one case is not.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

from rebate_monitor.circular.facts import Base, Facts, Group, StageTime, Suspensions
from rebate_monitor.circular.sections import Section
from rebate_monitor.circular.suppression import (
    Told,
    Took,
    hidden_rows,
    is_small,
    told_distribution,
)
from rebate_monitor.domain.event import Category, SuspensionReason
from rebate_monitor.domain.policy import Scope

LOW_CATEGORIES = (Category.I, Category.II)
COMPARED = frozenset({Base.PREVIOUS, Base.YEAR_AGO})

Place = tuple[Section, str | None, Scope]


@dataclass(frozen=True, slots=True, kw_only=True)
class Secrets:
    """What is hidden, by default nothing; `distribution` is None where nothing of it is told.

    `bases` are hidden everywhere.
    """

    figures: frozenset[tuple[Place, Base]] = frozenset()
    stages: frozenset[str] = frozenset()
    suspensions: frozenset[SuspensionReason] = frozenset()
    lasting: frozenset[SuspensionReason] = frozenset()
    distribution: Told | None = None
    bases: frozenset[Base] = frozenset()

    def hides(self, place: Place, bases: Iterable[Base]) -> bool:
        """Say whether a figure over these bases is hidden in a place."""
        return any((place, base) in self.figures or base in self.bases for base in bases)


def took(facts: Facts) -> list[Took]:
    """Return the distribution of the month."""
    return [
        Took(row.workdays, row.n, row.in_time, row.late, row.unjudged) for row in facts.distribution
    ]


def no_secrets(facts: Facts) -> Secrets:
    """Hide nothing: for use inside the office."""
    return Secrets(distribution=Told(tuple(took(facts)), None, has_parts=True))


def secrets(facts: Facts) -> Secrets:
    """Decide what is hidden outside the office."""
    figures: set[tuple[Place, Base]] = set()
    for base in Base:  # of stopped cases first: what is hidden of them forces the rates
        figures |= {(place, base) for place in _hidden_places(facts, base, figures)}
    of_all = (Section.MEANS, None, Scope.ALL), Base.STOPPED
    return Secrets(
        figures=frozenset(figures),
        stages=_hidden_stages(facts.stages),
        suspensions=frozenset(s.reason for s in facts.suspensions if is_small(s.cases)),
        lasting=frozenset(s.reason for s in facts.suspensions if _is_lasting_hidden(s)),
        distribution=None if of_all in figures else told_distribution(took(facts)),
        bases=COMPARED if facts.is_unfinished else frozenset(),
    )


def _hidden_stages(stages: Sequence[StageTime]) -> frozenset[str]:
    """Hide stages as groups are hidden: the stages of a case add up to its workdays."""
    places = hidden_rows([(stage.n,) for stage in stages])
    return frozenset(stages[place].case_stage for place in places)


def _is_lasting_hidden(told: Suspensions) -> bool:
    return is_small(told.lasting_cases) or is_small(told.ended_cases)


Hidden = set[tuple[Place, Base]]


def _hidden_places(facts: Facts, base: Base, hidden: Hidden) -> Iterator[Place]:
    """Yield where figures of a base are hidden; `hidden` is what is already."""
    for month in facts.trend:
        yield from _scopes(Section.TREND, month, base, hidden)
    of_all = {scope for _, _, scope in _scopes(Section.MEANS, facts.whole, base, hidden)}
    yield from ((Section.MEANS, None, scope) for scope in of_all)
    family = _Families(base=base, hidden=hidden, of_all=frozenset(of_all))
    yield from family.groups(Section.CITIES, facts.cities)
    yield from family.halves(Section.CITIES, facts.cities)
    yield from family.groups(Section.REBATE_TYPES, facts.rebate_types)
    yield from family.categories(facts.categories)
    yield from family.offices(facts.cities, facts.offices)


def _scopes(section: Section, group: Group, base: Base, hidden: Hidden) -> Iterator[Place]:
    """Yield the scopes hidden of a total: both, or categories I and II where the others are few."""
    forced = _forced(section, [group], base, hidden, Scope.CATEGORY_1_2)
    if is_small(group.count(base)) or _forced(section, [group], base, hidden, Scope.ALL):
        yield from ((section, group.code, scope) for scope in Scope)
    elif forced or any(map(is_small, group.halves(base))):
        yield section, group.code, Scope.CATEGORY_1_2


def _forced(
    section: Section, groups: Sequence[Group], base: Base, hidden: Hidden, scope: Scope
) -> list[int]:
    """Return the groups whose rates go with their hidden means."""
    if base is not Base.JUDGED:
        return []
    return [
        place
        for place, group in enumerate(groups)
        if ((section, group.code, scope), Base.STOPPED) in hidden
    ]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Families:
    """The families below the totals of all cases, for one base."""

    base: Base
    hidden: Hidden
    of_all: frozenset[Scope]

    def groups(self, section: Section, groups: Sequence[Group]) -> Iterator[Place]:
        """Yield the hidden ones among groups that add up to all."""
        yield from self._within(section, groups, is_total_told=Scope.ALL not in self.of_all)

    def categories(self, groups: Sequence[Group]) -> Iterator[Place]:
        """Yield hidden categories: I and II add up to their scope, the others to the rest."""
        is_told = not self.of_all
        for is_low in (True, False):
            family = [group for group in groups if (group.code in LOW_CATEGORIES) is is_low]
            yield from self._within(Section.CATEGORIES, family, is_total_told=is_told)

    def offices(self, cities: Sequence[Group], offices: Sequence[Group]) -> Iterator[Place]:
        """Yield hidden offices: those of a city add up to it."""
        places = set(self.groups(Section.CITIES, cities))
        for city, family in groupby(offices, key=city_of):
            is_told = (Section.CITIES, city, Scope.ALL) not in places
            yield from self._within(Section.OFFICES, list(family), is_total_told=is_told)

    def halves(self, section: Section, groups: Sequence[Group]) -> Iterator[Place]:
        """Yield the groups of which categories I and II are hidden.

        Both halves of each group count: where all and the one are told, the other follows.
        """
        hidden = set(self.groups(section, groups))
        forced = [
            place
            for place, group in enumerate(groups)
            if (section, group.code, Scope.ALL) in hidden
        ]
        rows = [group.halves(self.base) for group in groups]
        places = range(len(groups)) if self.of_all else hidden_rows(rows, forced)
        yield from ((section, groups[place].code, Scope.CATEGORY_1_2) for place in places)

    def _within(
        self, section: Section, family: Sequence[Group], *, is_total_told: bool
    ) -> Iterator[Place]:
        rows = [(group.count(self.base),) for group in family]
        forced = _forced(section, family, self.base, self.hidden, Scope.ALL)
        places = hidden_rows(rows, forced) if is_total_told else range(len(family))
        yield from ((section, family[place].code, Scope.ALL) for place in places)


def city_of(office: Group) -> str:
    """Return the city of an office, by its digits."""
    return f"{(office.code or '')[1:5]}00"
