"""No one or two cases can be singled out by adding and subtracting the figures of a circular.

Each figure is taken over the cases of some groups. The oracle is a reader who knows all tables and
which group is part of which: it writes every figure down as a vector, one coordinate a sort of case
and looks whether sums and differences give any group, or two together, of one or two cases.
"""

import itertools
import random
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import date, datetime
from fractions import Fraction
from typing import Any, NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from made_up_month import (
    CHANGSHA,
    MONTH,
    ZHUZHOU,
    Made,
    Province,
    ended_as,
    is_mean,
    made,
    still_open,
)
from rebate_monitor.catalogue import Language
from rebate_monitor.circular import secrecy
from rebate_monitor.circular.compose import Wanted, compose
from rebate_monitor.circular.document import Cell, Document, Row, Table
from rebate_monitor.circular.facts import STAGES, Base
from rebate_monitor.circular.figures import FIGURES
from rebate_monitor.circular.sections import Section
from rebate_monitor.circular.suppression import hidden_rows, is_small
from rebate_monitor.domain.case import Status
from rebate_monitor.domain.event import RebateType, SuspensionReason
from rebate_monitor.domain.local_time import SHANGHAI
from rebate_monitor.domain.periods import Days, month_of
from rebate_monitor.domain.policy import Scope
from rebate_monitor.places import places

SEPTEMBER, YEAR_AGO = month_of(date(2026, 9, 1)), month_of(date(2025, 10, 1))
AUGUST = month_of(date(2026, 8, 1))
OFFICES = (CHANGSHA, "14301210000", "14301810000", ZHUZHOU, "14303000000", "14303020000")
TYPES = (*RebateType, None)
CATEGORIES = ("I", "II", "III", "IV", None)
MOST_WORKDAYS = 7


class Sort(NamedTuple):
    """As much of a case as groups are made by."""

    office: str
    category: str
    rebate_type: str
    workdays: int

    @property
    def is_low(self) -> bool:
        return self.category in ("I", "II")

    @property
    def is_late(self) -> bool:
        return self.workdays > (3 if self.is_low else 4)


def sort_of(case: Made) -> Sort:
    told = case.standing
    return Sort(
        told.office or "",
        str(told.category or "unknown"),
        str(told.rebate_type or "unknown"),
        told.counted_workdays or 0,
    )


# Figures are sums of functions of (office, category), of the type, and of (half, workdays): these
# places are enough to tell any two of them apart.
BASE = Sort(CHANGSHA, "I", "other", 0)
PLACES = [
    *(BASE._replace(office=o, category=c or "unknown") for o in OFFICES for c in CATEGORIES),
    *(BASE._replace(rebate_type=str(t or "unknown")) for t in TYPES),
    *(BASE._replace(category=c, workdays=n) for c in ("I", "III") for n in range(1, 9)),
]

Group = Callable[[Sort], bool]
APART = (Section.STAGES, Section.SUSPENSIONS)
"""Tables whose sums belong to no other: they are tried by themselves."""
GROUPS: dict[Section, Callable[[str], Group]] = {
    Section.CITIES: lambda code: lambda sort: f"{sort.office[1:5]}00" == code,
    Section.OFFICES: lambda code: lambda sort: sort.office == code,
    Section.CATEGORIES: lambda code: lambda sort: sort.category == code,
    Section.REBATE_TYPES: lambda code: lambda sort: sort.rebate_type == code,
}


def everything(_: Sort) -> bool:
    return True


def halves(group: Group) -> tuple[Group, Group]:
    return (lambda sort: group(sort) and sort.is_low), (lambda s: group(s) and not s.is_low)


def took(days: int) -> Group:
    return lambda sort: sort.workdays == days


def secrets() -> Iterator[Group]:
    """Yield every group that there is anything to learn about."""
    cities = [GROUPS[Section.CITIES](f"4{n}00") for n in ("301", "302", "303")]
    families = [
        [half for city in cities for half in halves(city)],
        [GROUPS[Section.OFFICES](code) for code in OFFICES],
        [GROUPS[Section.CATEGORIES](code or "unknown") for code in CATEGORIES],
        [GROUPS[Section.REBATE_TYPES](str(code or "unknown")) for code in TYPES],
        [took(days) for days in range(MOST_WORKDAYS + 1)],
    ]
    yield from cities
    yield from halves(everything)
    for family in families:
        yield from family
        yield from (both(*pair) for pair in itertools.combinations(family, 2))
    yield from (late(days) for days in range(MOST_WORKDAYS + 1))


def late(days: int) -> Group:
    return lambda sort: sort.workdays == days and sort.is_late


def both(one: Group, other: Group) -> Group:
    return lambda sort: one(sort) or other(sort)


def with_status(status: Status) -> Callable[[Made], bool]:
    return lambda case: (
        case.standing.status is status
        and not case.standing.normal
        and MONTH.holds(case.standing.ended_on)
    )


def in_mean_of(days: Days) -> Callable[[Made], bool]:
    return lambda case: is_mean(case, days)


BASES: dict[Base, Callable[[Made], bool]] = {
    Base.STOPPED: in_mean_of(MONTH),
    Base.OPEN: lambda case: case.standing.status is Status.SUSPENDED,
    Base.EXCLUDED: with_status(Status.STOPPED),
    Base.REJECTED: with_status(Status.REJECTED),
    Base.WITHDRAWN: with_status(Status.WITHDRAWN),
    Base.REFILED: lambda case: case.standing.is_refiled and MONTH.holds(case.standing.accepted_on),
    Base.PREVIOUS: in_mean_of(SEPTEMBER),
    Base.YEAR_AGO: in_mean_of(YEAR_AGO),
}


def shown(document: Document) -> Iterator[tuple[Table, Row, str, str, Cell]]:
    """Yield every cell that a reader sees, with the name and scope of its figure."""
    for table in document.tables:
        for row in table.rows:
            for column, cell in zip(table.columns, row.cells, strict=True):
                if not cell.hidden:
                    yield table, row, column.figure, column.scope or row.scope, cell


def told_of(document: Document, base: Base) -> Iterator[Group]:
    """Yield the groups that the figures over a base are taken over."""
    for table, row, figure, scope, _ in shown(document):
        if table.section is Section.DISTRIBUTION:
            yield from _took(row.group, figure) if base is Base.STOPPED else ()
        elif table.section not in APART and figure in FIGURES and base in FIGURES[figure].bases:
            is_all = row.group in ("all", "2026-10")
            group = everything if is_all else GROUPS[table.section](row.group)
            yield halves(group)[0] if scope == Scope.CATEGORY_1_2 else group


def _took(told: str, figure: str) -> Iterator[Group]:
    days, longer = int(told.removesuffix("+")), told.endswith("+")

    def is_in(sort: Sort) -> bool:
        return sort.workdays >= days if longer else sort.workdays == days

    yield is_in
    if figure in ("in_time", "late"):
        yield lambda sort: is_in(sort) and sort.is_late is (figure == "late")


Vector = list[Fraction]


def vector(group: Group) -> Vector:
    return [Fraction(group(place)) for place in PLACES]


def independent(rows: Iterable[Vector]) -> list[tuple[int, Vector]]:
    """Reduce vectors to independent ones, each with a leading one where the others have none."""
    reduced: list[tuple[int, Vector]] = []
    for row in rows:
        rest = without(reduced, row)
        lead = next((place for place, x in enumerate(rest) if x), None)
        if lead is not None:
            rest = [x / rest[lead] for x in rest]
            reduced = [(place, minus(other, rest, other[lead])) for place, other in reduced]
            reduced.append((lead, rest))
    return reduced


def minus(row: Vector, other: Vector, factor: Fraction) -> Vector:
    if not factor:
        return row
    return [x - factor * y if y else x for x, y in zip(row, other, strict=True)]


def without(reduced: list[tuple[int, Vector]], row: Vector) -> Vector:
    """Take away of a vector all that the independent ones give."""
    for lead, other in reduced:
        row = minus(row, other, row[lead])
    return row


def singled_out(document: Document, cases: Sequence[Made]) -> list[tuple[Base, list[Sort]]]:
    """Return every base and group of one or two cases that the figures give."""
    found = []
    for base, is_in in BASES.items():
        sorts = [sort_of(case) for case in cases if is_in(case)]
        known = {tuple(vector(group)) for group in told_of(document, base)}
        reduced = independent(map(list, sorted(known)))
        for group in secrets():
            there = [sort for sort in sorts if group(sort)]
            if 0 < len(there) < 3 and not any(without(reduced, vector(group))):
                found.append((base, there))
    return found


@st.composite
def made_up_cases(draw: st.DrawFn) -> Made:
    """Make up a case of a province of three cities, six offices and all sorts of endings."""
    told = {
        "office": draw(st.sampled_from(OFFICES)),
        "category": draw(st.sampled_from(CATEGORIES)),
        "rebate_type": draw(st.sampled_from(TYPES)),
        "is_refiled": draw(st.integers(0, 9)) == 0,
    }
    kind = draw(st.integers(0, 12))
    workdays = draw(st.integers(0, MOST_WORKDAYS))
    if kind == 0:
        return ended_as(draw(st.sampled_from([Status.REJECTED, Status.WITHDRAWN])), **told)
    if kind == 1:
        return ended_as(Status.STOPPED, **told)
    if kind in (2, 3):
        return still_open(workdays, **told)
    month = draw(st.sampled_from([MONTH, MONTH, MONTH, SEPTEMBER, YEAR_AGO]))
    case = made(workdays, month.last, accepted_on=month.first, **told)
    stages = [s for s in case.stages if draw(st.integers(0, 5))]
    reason = draw(st.sampled_from([None, None, *SuspensionReason]))
    return replace(case, stages=stages, suspended_for=reason, lasts=bool(draw(st.booleans())))


def circular(cases: Sequence[Made], *, internal: bool = False, month: Days = MONTH) -> Document:
    province = Province(cases=cases, month=month)
    wanted = Wanted(language=Language.EN, internal=internal, min_cases=3)
    return compose(province.facts(), province.places, wanted)


@settings(max_examples=60, deadline=None)
@given(st.lists(made_up_cases(), max_size=40))
def test_nobody_is_singled_out(cases: list[Made]) -> None:
    """Whatever a month was like, its circular tells of no one or two cases."""
    assert [] == singled_out(circular(cases), cases)


def random_province(rng: random.Random) -> list[Made]:
    """Make up a month in which some groups are large and some tiny."""
    weights = [[rng.random() ** 3 for _ in group] for group in (OFFICES, CATEGORIES, TYPES)]
    return [
        _random_case(rng, rng.randint(0, 14), weights) for _ in range(rng.choice((12, 25, 40, 80)))
    ]


def _random_case(rng: random.Random, kind: int, weights: list[list[float]]) -> Made:
    names = ("office", "category", "rebate_type")
    groups = zip(names, (OFFICES, CATEGORIES, TYPES), weights, strict=True)
    told = {name: rng.choices(group, weight)[0] for name, group, weight in groups}
    workdays = min(MOST_WORKDAYS, int(rng.expovariate(0.5)))
    if kind < 2:
        return ended_as((Status.REJECTED, Status.STOPPED)[kind], **told)
    if kind < 5:
        return still_open(workdays, **told)
    month = rng.choice((MONTH, MONTH, MONTH, SEPTEMBER, YEAR_AGO))
    return made(workdays, month.last, accepted_on=month.first, **told)


@pytest.mark.parametrize("seed", range(60))
def test_nobody_is_singled_out_of_a_larger_province(seed: int) -> None:
    """The same where many groups are large and a few are small."""
    cases = random_province(random.Random(seed))

    assert [] == singled_out(circular(cases), cases)


@settings(max_examples=40, deadline=None)
@given(st.lists(made_up_cases(), max_size=40))
def test_inside_the_office_nothing_is_hidden(cases: list[Made]) -> None:
    """With `internal` every cell is shown."""
    document = circular(cases, internal=True)

    cells = [cell for table in document.tables for row in table.rows for cell in row.cells]
    assert not [cell for cell in cells if cell.hidden]


def only_small(rows: Sequence[Sequence[int]], forced: Iterable[int] = ()) -> frozenset[int]:
    """Hide what is small, and nothing beside it."""
    small = (place for place, row in enumerate(rows) if any(map(is_small, row)))
    return frozenset([*small, *forced])


def test_the_oracle_finds_what_is_not_hidden_well(monkeypatch: pytest.MonkeyPatch) -> None:
    """It finds cases in a report that hides nothing, and in one that hides only what is small."""
    cases = [*ten(), made(3, office=ZHUZHOU)]
    expected = (Base.STOPPED, [sort_of(cases[-1])])
    open_report, good_one = circular(cases, internal=True), circular(cases)
    monkeypatch.setattr(secrecy, "hidden_rows", only_small)
    poor_one = circular(cases)

    assert expected in singled_out(open_report, cases)
    assert expected in singled_out(poor_one, cases)
    assert [] == singled_out(good_one, cases)


def ten(**told: Any) -> list[Made]:  # noqa: ANN401
    return [made(3, **told) for _ in range(10)]


def cells_of(document: Document, section: Section, group: str) -> dict[str, Cell]:
    """Return the cells of a row of all cases by figure."""
    table = next(table for table in document.tables if table.section is section)
    row = next(row for row in table.rows if row.group == group)
    return {
        column.figure: cell
        for column, cell in zip(table.columns, row.cells, strict=True)
        if column.scope is None
    }


def test_a_small_city_takes_the_last_one_along() -> None:
    """Beside a city of two cases another is hidden, and with both all of their offices."""
    cases = [*ten(), *ten(office=ZHUZHOU), *ten(office="14303000000"), *ten(office="14303000000")]
    cases += [made(3, office="14304000000"), made(3, office="14304000000")]
    document = circular(cases)

    hidden = {
        code: cells_of(document, Section.CITIES, code)["mean_workdays"].hidden
        for code in ("430100", "430200", "430300", "430400")
    }
    offices = next(table for table in document.tables if table.section is Section.OFFICES)

    assert {"430100": False, "430200": False, "430300": True, "430400": True} == hidden
    assert {CHANGSHA, ZHUZHOU} == {row.group for row in offices.rows}


def test_hidden_cities_take_no_rank_away() -> None:
    """Ranks go on without a gap, which would tell between which others a hidden city stands."""
    cases = [*ten(), *(made(1, office="14303000000") for _ in range(10))]
    cases += [*(made(2, office=ZHUZHOU) for _ in range(10)), made(3, office="14304000000")]
    cases += [made(0, office="14305000000") for _ in range(10)]
    table = next(t for t in circular(cases).tables if t.section is Section.CITIES)

    ranks = {row.group: row.cells[0].value for row in table.rows if row.cells[0].value}

    assert {"430300": 1, "430200": 2, "430100": 3} == ranks


def test_a_month_compared_with_keeps_its_secrets() -> None:
    """A change is hidden where the month before would have hidden its figure."""
    before = [made(3, SEPTEMBER.last, category="II", office=ZHUZHOU)]
    before += [made(4, SEPTEMBER.last) for _ in range(9)]
    document = circular([*ten(), *ten(office=ZHUZHOU), *before])

    for code in ("430100", "430200"):
        cells = cells_of(document, Section.CITIES, code)
        assert (False, True) == (cells["n"].hidden, cells["change_on_previous"].hidden)
    assert not cells_of(document, Section.MEANS, "all")["change_on_previous"].hidden


def test_an_office_of_the_month_before_is_hidden_with_its_neighbour() -> None:
    """An office without a case this month had two in the last: that of its neighbour is hidden."""
    other, gone = OFFICES[1:3]
    before = [*(made(3, SEPTEMBER.last, office=other) for _ in range(9))]
    before += [made(3, SEPTEMBER.last, office=gone) for _ in range(2)]
    document = circular([*ten(office=other), *before])

    assert not cells_of(document, Section.CITIES, "430100")["change_on_previous"].hidden
    assert cells_of(document, Section.OFFICES, other)["change_on_previous"].hidden


FOUR = ("14301010000", "14301020000", "14301030000", "14301040000")
"""Offices of one city, of which the last has no case in what is to be hidden."""
COVERED = (5, 2, 2)
"""Cases of the first three: the sum of the small ones tells both, so the first hides with them."""


def of_offices(document: Document, figure: str) -> dict[str, bool]:
    """Return whether a figure is hidden of each office that is listed."""
    table = next(table for table in document.tables if table.section is Section.OFFICES)
    return {
        row.group: cells_of(document, Section.OFFICES, row.group)[figure].hidden
        for row in table.rows
    }


@pytest.mark.parametrize(
    ("before", "change"), [(SEPTEMBER, "change_on_previous"), (YEAR_AGO, "change_on_year")]
)
def test_a_later_circular_tells_nothing_that_an_earlier_one_kept_back(
    before: Days, change: str
) -> None:
    """An office that hid another two is hidden also beside one that only has cases afterwards."""
    cases = [made(2, office=office) for office in FOUR for _ in range(4)]
    for office, n in zip(FOUR, COVERED, strict=False):
        cases += [made(1, before.last, office=office) for _ in range(n)]
    earlier, later = circular(cases, month=before), circular(cases)

    assert {} == of_offices(earlier, "mean_workdays")
    assert dict.fromkeys(FOUR, False) == of_offices(later, "mean_workdays")
    assert dict.fromkeys(FOUR, True) == of_offices(later, change)
    assert 1 == cells_of(later, Section.CITIES, "430100")[change].value


def test_circulars_on_two_months_at_one_moment_hide_the_same_open_cases() -> None:
    """Open cases are hidden alike, whichever offices finished any in the month."""
    cases = [still_open(2, office=o) for o, n in zip(FOUR, COVERED, strict=False) for _ in range(n)]
    cases += [made(2, office=office) for office in FOUR for _ in range(4)]
    cases += [made(2, AUGUST.last, office=office) for office in FOUR[:3] for _ in range(4)]
    earlier, later = circular(cases, month=AUGUST), circular(cases)

    assert dict.fromkeys(FOUR[:3], True) == of_offices(earlier, "open_n")
    assert dict.fromkeys(FOUR, True) == of_offices(later, "open_n")
    assert sum(COVERED) == cells_of(later, Section.CITIES, "430100")["open_n"].value


def months_of_few_offices(rng: random.Random) -> list[Made]:
    """Make up three months and open cases of offices that often have two cases, or none."""
    cases: list[Made] = []
    for office in FOUR:
        for month in (MONTH, SEPTEMBER, YEAR_AGO):
            n = rng.choice((0, 2, 2, 5))
            cases += [made(rng.randint(0, 5), month.last, office=office) for _ in range(n)]
        cases += [still_open(2, office=office) for _ in range(rng.choice((0, 2, 2, 5)))]
    return cases


MADE_UP = [random_province, months_of_few_offices]
Where = tuple[Section, str, str]


def told_where(document: Document, wanted: str) -> dict[Where, Any]:
    """Return a figure wherever a circular has any to tell."""
    return {
        (table.section, row.group, scope): cell.value
        for table, row, figure, scope, cell in shown(document)
        if figure == wanted and cell.value
    }


def means_where(document: Document) -> set[Where]:
    """Return where the mean of some cases is told beside which there may be a change."""
    return {
        (section, group, scope)
        for section, group, scope in told_where(document, "n")
        if section is Section.MEANS or (section in GROUPS and scope == Scope.ALL)
    }


def changes_where(document: Document, change: str) -> set[Where]:
    """Return where a change is told, also one of nothing."""
    return {
        (table.section, row.group, scope)
        for table, row, figure, scope, cell in shown(document)
        if figure == change and cell.value is not None
    }


@pytest.mark.parametrize("make_up", MADE_UP)
@pytest.mark.parametrize("seed", range(40))
def test_a_change_is_told_where_both_months_tell_their_mean(
    make_up: Callable[[random.Random], list[Made]], seed: int
) -> None:
    """It is told where the circular on either month tells the mean, and nowhere else."""
    cases = make_up(random.Random(seed))
    this = circular(cases)
    means = means_where(this)

    for month, change in ((SEPTEMBER, "change_on_previous"), (YEAR_AGO, "change_on_year")):
        expected = means & means_where(circular(cases, month=month))
        assert expected == changes_where(this, change)


@pytest.mark.parametrize("make_up", MADE_UP)
@pytest.mark.parametrize("seed", range(40))
def test_circulars_of_one_moment_tell_the_same_open_cases(
    make_up: Callable[[random.Random], list[Made]], seed: int
) -> None:
    """Whichever month they are on."""
    cases = make_up(random.Random(seed))
    this = told_where(circular(cases), "open_n")

    for month in (SEPTEMBER, YEAR_AGO):
        assert this == told_where(circular(cases, month=month), "open_n")


FAMILIES = [
    *itertools.product([(n,) for n in range(6)], repeat=4),
    *itertools.product(itertools.product(range(3), repeat=2), repeat=3),
]


def test_groups_without_a_case_decide_nothing() -> None:
    """With or without them the others are hidden alike, and they are where any other is."""
    differing = []
    for rows in FAMILIES:
        having = [place for place, row in enumerate(rows) if any(row)]
        for forced in ((), *((place,) for place in having)):
            alone = hidden_rows(
                [rows[place] for place in having], [having.index(place) for place in forced]
            )
            empty = set(range(len(rows))) - set(having) if alone else set()
            if {having[place] for place in alone} | empty != hidden_rows(rows, forced):
                differing.append((rows, forced))

    assert [] == differing


def test_an_unfinished_month_is_not_compared() -> None:
    """Parts of months beside what was told of the whole would give the rest of them away."""
    cases = [*ten(), *(made(3, SEPTEMBER.last) for _ in range(10))]
    now = datetime(2026, 10, 31, 23, 59, 59, tzinfo=SHANGHAI)
    facts = Province(cases=cases, now=now).facts()
    wanted = Wanted(language=Language.EN)

    outside = cells_of(compose(facts, places(), wanted), Section.MEANS, "all")
    inside = cells_of(
        compose(facts, places(), replace(wanted, internal=True)), Section.MEANS, "all"
    )

    assert (False, True) == (outside["n"].hidden, outside["change_on_previous"].hidden)
    assert 0 == inside["change_on_previous"].value


def test_a_rate_of_few_that_had_a_limit_is_hidden() -> None:
    """Two of ten cases had a limit: the rate is of two cases, and hidden; the mean is not."""
    cases = [
        *ten(),
        *(made(3, office=ZHUZHOU, in_time=None) for _ in range(8)),
        *(made(3, office=ZHUZHOU) for _ in range(2)),
    ]
    cells = cells_of(circular(cases), Section.CITIES, "430200")

    assert (False, True) == (cells["mean_workdays"].hidden, cells["in_time_rate"].hidden)


def test_a_small_half_of_the_province_hides_the_categories() -> None:
    """Where two cases are not of categories I and II, neither scope nor categories are told."""
    document = circular([*ten(category="I"), *ten(category="II"), made(3), made(3)])

    assert not cells_of(document, Section.MEANS, "all")["n"].hidden
    for category in ("I", "II", "III"):
        assert cells_of(document, Section.CATEGORIES, category)["n"].hidden
    table = next(t for t in document.tables if t.section is Section.MEANS)
    assert [False, True] == [row.cells[0].hidden for row in table.rows]


@pytest.mark.parametrize("n", [1, 2])
def test_a_month_of_few_cases_tells_nothing(n: int) -> None:
    """Of one or two cases in all nothing is told, not even how many they are."""
    document = circular([made(3) for _ in range(n)])

    told = {
        figure
        for table, _, figure, _, cell in shown(document)
        if cell.value not in (None, 0) and table.section is not Section.TREND
    }

    assert {"target_workdays", "limit_workdays"} == told
    assert "fewer than 3" in " ".join(fact.text for fact in document.status)
    assert () == document.overview


def stage_of(document: Document, stage: str) -> Cell:
    return cells_of(document, Section.STAGES, stage)["mean_workdays"]


def test_a_stage_of_few_cases_takes_another_along() -> None:
    """Stages add up to the mean, so beside small ones another is hidden; numbers are not told."""
    cases = [replace(case, stages=["review", "approval"]) for case in ten()]
    cases += [made(3), made(3)]
    document = circular(cases)

    hidden = {stage: stage_of(document, stage).hidden for stage in STAGES}
    assert {"review": False, "approval": True, "voucher": True, "treasury": True} == hidden
    assert ["mean_workdays"] == [
        column.figure
        for table in document.tables
        if table.section is Section.STAGES
        for column in table.columns
    ]


def test_suspensions_of_few_cases_are_hidden() -> None:
    """A reason of two cases is not told, nor how many last where few do or few do not."""
    reasons = {
        SuspensionReason.HOLD: [True, False],
        SuspensionReason.ONSITE: [True, False, False, False],
        SuspensionReason.OTHER: [True, True, True, False, False, False],
    }
    cases = [
        replace(made(3), suspended_for=reason, lasts=lasts)
        for reason, told in reasons.items()
        for lasts in told
    ]
    document = circular(cases)

    hidden = {
        str(reason): [
            cell.hidden for cell in cells_of(document, Section.SUSPENSIONS, reason).values()
        ]
        for reason in reasons
    }
    assert {
        "hold": [True, True, True],
        "onsite": [False, False, True],
        "other": [False, False, False],
    } == hidden
