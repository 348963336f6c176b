"""The tables of the course of things: months, workdays, stages, suspensions, and data quality."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from rebate_monitor.circular.document import (
    HIDDEN,
    Cell,
    Chart,
    ChartKind,
    Kind,
    Row,
    Series,
    Table,
    Tone,
)
from rebate_monitor.circular.facts import StageTime, Suspensions
from rebate_monitor.circular.figures import decimals_of
from rebate_monitor.circular.maker import ALL, LOW, Maker
from rebate_monitor.circular.sections import Section
from rebate_monitor.circular.suppression import Told, Took
from rebate_monitor.domain.event import Category
from rebate_monitor.domain.performance import DECIMALS

MEAN, TARGET = "mean_workdays", "target_workdays"
PARTS = {"in_time": Tone.GOOD.value, "late": Tone.BAD.value, "unjudged": ""}


def trend(make: Maker) -> Table:
    """Return the last months, each against its own target."""
    runs = [
        (ALL, ("n", MEAN, TARGET)),
        (LOW, (MEAN, TARGET)),
        (ALL, ("in_time_rate", "same_day_rate")),
    ]
    rows = (
        Row(
            group=str(month.code),
            name=str(month.code),
            cells=tuple(make.cells(Section.TREND, month, runs)),
            scope=ALL,
        )
        for month in make.facts.trend
    )
    note = make.words.say("note.trend")
    return make.table(Section.TREND, make.columns(runs), rows, [note], _chart_of_trend(make))


def _chart_of_trend(make: Maker) -> Chart:
    return Chart(
        kind=ChartKind.LINES,
        title=make.words.say("chart.means_by_month"),
        unit=make.words.say("unit.workdays"),
        series=tuple(
            Series(
                figure=figure,
                name=make.words.say(f"chart.{figure}.{scope}"),
                scope=None if scope is ALL else scope,
                is_target=figure == TARGET,
            )
            for scope in (ALL, LOW)
            for figure in (MEAN, TARGET)
        ),
    )


def distribution(make: Maker) -> Table:
    """Return how many cases took how many workdays."""
    told = make.secrets.distribution
    if told is None:
        return make.table(Section.DISTRIBUTION, [], [], [make.words.say("note.distribution_none")])
    shown = _Distribution(make=make, told=told)
    columns = [
        make.column("n", Kind.COUNT),
        make.column("share", Kind.RATE),
        make.column("cumulative_share", Kind.RATE),
        *(make.column(part, Kind.COUNT) for part in shown.parts),
    ]
    return make.table(Section.DISTRIBUTION, columns, shown.rows(), _limits(make), shown.chart())


@dataclass(frozen=True, slots=True, kw_only=True)
class _Distribution:
    """A distribution as far as it is told."""

    make: Maker
    told: Told

    @property
    def took(self) -> list[Took]:
        return [*self.told.rows, *([self.told.tail] if self.told.tail else [])]

    @property
    def parts(self) -> list[str]:
        if not self.told.has_parts:
            return []
        return [part for part in PARTS if part != "unjudged" or any(t.unjudged for t in self.took)]

    def rows(self) -> Iterator[Row]:
        """Yield a row for each number of workdays, and one for all longer ones."""
        total, so_far = sum(took.n for took in self.took), 0
        for took in self.took:
            so_far += took.n
            is_tail = took is self.told.tail
            yield Row(
                group=f"{took.workdays}+" if is_tail else f"{took.workdays}",
                name=self._name(took, is_tail=is_tail),
                cells=(
                    Cell(value=took.n),
                    _share(took.n, total),
                    _share(so_far, total),
                    *(Cell(value=getattr(took, part)) for part in self.parts),
                ),
                scope=ALL,
            )

    def _name(self, took: Took, *, is_tail: bool) -> str:
        days = str(took.workdays)
        return self.make.words.say("note.tail", workdays=days) if is_tail else days

    def chart(self) -> Chart:
        words = self.make.words
        parts = [
            Series(figure=part, name=words.say(f"figure.{part}"), tone=PARTS[part])
            for part in self.parts
        ]
        whole = Series(figure="n", name=words.say("figure.n"))
        return Chart(
            kind=ChartKind.COLUMNS,
            title=words.say("chart.by_workdays"),
            unit=words.say("unit.cases"),
            series=tuple(parts or [whole]),
        )


def _share(part: int, total: int) -> Cell:
    share = round(part / total, DECIMALS)
    return Cell(value=share, decimals=decimals_of(share, Kind.RATE))


def _limits(make: Maker) -> Sequence[str]:
    """Say which categories have which limit, those with the same one together."""
    by_limit: dict[int, list[str]] = {}
    for category in Category:
        limit = make.facts.policy.limit(category)
        if limit is not None:
            by_limit.setdefault(limit, []).append(make.words.say(f"category.{category}"))
    if not by_limit:
        return []
    limits = (
        make.words.say("note.limit", categories=make.words.listed(names), limit=limit)
        for limit, names in sorted(by_limit.items())
    )
    said = make.words.say("note.separator").join(limits)
    return [make.words.say("note.distribution_limits", limits=said)]


def stages(make: Maker) -> Table:
    """Return the mean time by stage; its number of cases is not for outside."""
    columns = [
        *([make.column("n", Kind.COUNT, "internal_n")] if make.internal else []),
        make.column(MEAN, Kind.WORKDAYS, "stage_mean"),
    ]
    rows = [
        Row(
            group=stage.case_stage,
            name=make.words.say(f"stage.{stage.case_stage}"),
            cells=tuple(_stage_cells(make, stage)),
            scope=ALL,
        )
        for stage in make.facts.stages
    ]
    chart = Chart(
        kind=ChartKind.BARS,
        title=make.words.say("chart.by_stage"),
        unit=make.words.say("unit.workdays"),
        series=(Series(figure=MEAN, name=make.words.say("figure.stage_mean")),),
    )
    return make.table(Section.STAGES, columns, rows, [make.words.say("note.stages")], chart)


def _stage_cells(make: Maker, stage: StageTime) -> Iterator[Cell]:
    if make.internal:
        yield Cell(value=stage.n)
    is_hidden = stage.case_stage in make.secrets.stages
    yield HIDDEN if is_hidden else Cell(value=_mean(stage.workdays_sum, stage.n))


def suspensions(make: Maker) -> Table:
    """Return the suspensions that began in the month, by reason."""
    columns = [
        make.column("suspensions", Kind.COUNT),
        make.column(MEAN, Kind.WORKDAYS, "suspended_mean"),
        make.column("lasting", Kind.COUNT),
    ]
    rows = (
        Row(
            group=told.reason,
            name=make.words.say(f"reason.{told.reason}"),
            cells=_suspension_cells(make, told),
            scope=ALL,
        )
        for told in make.facts.suspensions
    )
    note = make.words.say("note.suspensions")
    return make.table(Section.SUSPENSIONS, columns, rows, [note])


def _suspension_cells(make: Maker, told: Suspensions) -> tuple[Cell, ...]:
    if told.reason in make.secrets.suspensions:
        return HIDDEN, HIDDEN, HIDDEN
    is_lasting_hidden = told.reason in make.secrets.lasting
    return (
        Cell(value=told.n),
        Cell(value=_mean(told.workdays_sum, told.n)),
        HIDDEN if is_lasting_hidden else Cell(value=told.lasting),
    )


def data_quality(make: Maker) -> Table:
    """Return anomalies by kind and source, for use inside the office."""
    columns = [make.column("source", Kind.TEXT), make.column("cases", Kind.COUNT)]
    rows = (
        Row(
            group=told.anomaly,
            name=make.words.say(f"anomaly.{told.anomaly}"),
            cells=(
                Cell(value=told.source or make.words.say("place.others")),
                Cell(value=told.cases),
            ),
            scope=ALL,
        )
        for told in make.facts.data_quality
    )
    note = make.words.say("note.data_quality")
    return make.table(Section.DATA_QUALITY, columns, rows, [note])


def _mean(total: int, n: int) -> float | None:
    return round(total / n, DECIMALS) if n else None
