"""The tables of groups: the two official means, cities, offices, categories and rebate types."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from rebate_monitor.circular.document import Cell, Chart, ChartKind, Kind, Row, Series, Table
from rebate_monitor.circular.facts import Group
from rebate_monitor.circular.maker import ALL, LOW, SHOWN_BASES, TOTAL, Maker, Runs
from rebate_monitor.circular.secrecy import city_of
from rebate_monitor.circular.sections import Section
from rebate_monitor.domain.event import Category
from rebate_monitor.domain.policy import Scope
from rebate_monitor.domain.tally import UNKNOWN_CATEGORY

TARGET = "target_workdays"
MEANS = (
    "n",
    "mean_workdays",
    TARGET,
    "meets_target",
    "change_on_previous",
    "change_on_year",
    "in_time_rate",
    "same_day_rate",
    "amount_weighted_mean",
)
PERCENTILES = ("median", "p90")
IF_STOPPED = "mean_if_open_stopped_now"
LEFT_OUT = ("excluded", "rejected", "withdrawn", "refiled")
BEHIND = (
    "open_n",
    "open_mean_workdays",
    IF_STOPPED,
    "excluded",
    "excluded_share",
    "rejected",
    "withdrawn",
    "refiled",
)
ENDED = (
    "n",
    "mean_workdays",
    "change_on_previous",
    "change_on_year",
    "in_time_rate",
    "same_day_rate",
)
OPEN = ("open_n", "open_mean_workdays")


def means(make: Maker) -> Table:
    """Return the two official means against their targets."""
    return _scopes(make, Section.MEANS, (*MEANS, *make.inside(PERCENTILES)))


def behind(make: Maker) -> Table:
    """Return what stands behind the means."""
    return _scopes(make, Section.BEHIND, BEHIND, [make.words.say("note.behind")])


def _scopes(
    make: Maker, section: Section, names: Sequence[str], notes: Sequence[str] = ()
) -> Table:
    rows = (
        Row(
            group=TOTAL,
            name=make.words.say(f"scope.{scope}"),
            cells=tuple(make.cells(Section.MEANS, make.facts.whole, [(scope, names)])),
            scope=scope,
        )
        for scope in Scope
    )
    return make.table(section, make.columns([(ALL, names)]), rows, notes)


def cities(make: Maker) -> Table:
    """Return the ranking of cities, with a column of the target for the chart."""
    inside = make.inside((*PERCENTILES, *LEFT_OUT))
    runs = [
        (ALL, (TARGET, *ENDED)),
        (LOW, ("n", "mean_workdays")),
        (ALL, (*OPEN, IF_STOPPED, *inside)),
    ]
    target, *columns = make.columns(runs)
    rows = _Rows(make=make, section=Section.CITIES, runs=runs)
    ranking = make.ranked(Section.CITIES, make.facts.cities)
    return make.table(
        Section.CITIES,
        [make.column("rank", Kind.RANK), replace(target, for_chart=True), *columns],
        [
            *(rows.row(city, make.words.city(city.code), rank) for city, rank in ranking),
            rows.total(before=1),
        ],
        [make.words.say("note.ranking", min_cases=make.min_cases)],
        _chart_of_cities(make),
    )


def _chart_of_cities(make: Maker) -> Chart:
    return Chart(
        kind=ChartKind.BARS,
        title=make.words.say("chart.means_of_cities"),
        unit=make.words.say("unit.workdays"),
        series=(
            Series(figure="mean_workdays", name=make.words.say("chart.mean_all")),
            Series(figure=TARGET, name=make.words.say("chart.target"), is_target=True),
        ),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Rows:
    """Makes the rows of one table of groups."""

    make: Maker
    section: Section
    runs: Runs
    toned: bool = True

    def row(self, group: Group, name: str, *before: Cell) -> Row:
        """Return the row of a group, with what stands before its figures."""
        cells = self.make.cells(self.section, group, self.runs, toned=self.toned)
        return Row(group=group.code or "", name=name, cells=(*before, *cells), scope=ALL)

    def total(self, *, before: int = 0) -> Row:
        """Return the last row."""
        return self.make.total(self.runs, before=before, toned=self.toned)


def offices(make: Maker) -> Table:
    """Return the ranking of offices."""
    runs = _runs(make)
    columns = [make.column("city", Kind.TEXT), make.column("rank", Kind.RANK), *make.columns(runs)]
    key = "note.offices_internal" if make.internal else "note.offices"
    note = make.words.say(key, min_cases=make.min_cases)
    return make.table(Section.OFFICES, columns, _offices(make, runs), [note])


def _runs(make: Maker) -> Runs:
    return [(ALL, (*ENDED, *OPEN, *make.inside((*PERCENTILES, *LEFT_OUT))))]


def _offices(make: Maker, runs: Runs) -> Iterator[Row]:
    rows = _Rows(make=make, section=Section.OFFICES, runs=runs)
    for office, rank in make.ranked(Section.OFFICES, make.facts.offices):
        if _has_anything_to_tell(make, office):
            city = Cell(value=make.words.city(city_of(office)))
            yield rows.row(office, make.words.office(office.code), city, rank)


def _has_anything_to_tell(make: Maker, office: Group) -> bool:
    """Say whether an office is listed: outside nobody learns that it has a case at all."""
    if make.internal:
        return not office.is_empty
    return any(
        office.count(base) and not make.is_hidden(Section.OFFICES, office, base)
        for base in SHOWN_BASES
    )


def categories(make: Maker) -> Table:
    """Return the categories with the limit of one case; the target is not one of theirs."""
    runs = _runs(make)
    rows = _Rows(make=make, section=Section.CATEGORIES, runs=runs, toned=False)
    shown = [
        rows.row(group, make.words.say(f"category.{group.code}"), Cell(value=_limit(make, group)))
        for group in _worth_a_row(make, Section.CATEGORIES, make.facts.categories)
    ]
    columns = [make.column("limit_workdays", Kind.COUNT), *make.columns(runs)]
    note = make.words.say("note.categories")
    return make.table(Section.CATEGORIES, columns, [*shown, rows.total(before=1)], [note])


def _limit(make: Maker, group: Group) -> int | None:
    known = None if group.code == UNKNOWN_CATEGORY else Category(str(group.code))
    return make.facts.policy.limit(known)


def _worth_a_row(make: Maker, section: Section, groups: Sequence[Group]) -> Iterator[Group]:
    """Yield all but what has no category or type, where all may know that there is none."""
    for group in groups:
        if group.code != UNKNOWN_CATEGORY or any(
            group.count(base) or make.is_hidden(section, group, base) for base in SHOWN_BASES
        ):
            yield group


def rebate_types(make: Maker) -> Table:
    """Return the rebate types."""
    runs = _runs(make)
    rows = _Rows(make=make, section=Section.REBATE_TYPES, runs=runs, toned=False)
    shown = [
        rows.row(group, make.words.say(f"rebate_type.{group.code}"))
        for group in _worth_a_row(make, Section.REBATE_TYPES, make.facts.rebate_types)
    ]
    return make.table(Section.REBATE_TYPES, make.columns(runs), [*shown, rows.total()])
