"""/performance: twelve months by city, and the figures of a period; both to be downloaded."""

import csv
import io
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from fractions import Fraction

from aiohttp import web

from rebate_monitor.api.access import require
from rebate_monitor.api.evaluation import group_name
from rebate_monitor.api.figures import FILTERS, GROUPINGS, asked_performance
from rebate_monitor.api.heavy import HEAVY
from rebate_monitor.api.months import closed_months
from rebate_monitor.api.parameters import allow_only, one_of, parameter
from rebate_monitor.api.service import SERVICE, Service
from rebate_monitor.api.views import PerformanceGroupView, PerformanceView
from rebate_monitor.board.frame import Visit, page, visit
from rebate_monitor.board.today_facts import targets_of
from rebate_monitor.circular.csv_file import harmless
from rebate_monitor.domain.performance import Mean
from rebate_monitor.domain.periods import month_name
from rebate_monitor.domain.policy import Scope
from rebate_monitor.domain.trend import Trend, last_months
from rebate_monitor.storage.keys import Scope as KeyScope
from rebate_monitor.storage.trend import read_month_sums

MOST_GROUPS = 120
"""How many groups the page lists; the download has all."""
TABLES = ("months", "period")
FIGURES = PerformanceGroupView.__struct_fields__


@dataclass(frozen=True, slots=True, kw_only=True)
class MonthCell:
    """A city's month: its mean, and whether it exceeds the target of then."""

    month: date
    mean: Mean
    target: float | None

    @property
    def exceeds(self) -> bool:
        """Compare the exact mean, as the API does."""
        exact = self.mean.exact
        return exact is not None and self.target is not None and exact > Fraction(str(self.target))


@dataclass(frozen=True, slots=True, kw_only=True)
class Matrix:
    """Twelve months by city in one scope; the first row is of all cities."""

    scope: Scope
    months: Sequence[date]
    rows: Sequence[tuple[str | None, Sequence[MonthCell]]]


async def get_performance(request: web.Request) -> web.Response:
    """Answer the page: the months of a scope by city, and the figures of the period told."""
    principal = await require(request, KeyScope.CASES_READ)
    allow_only(request, [*FILTERS, "scope"])
    service, told = request.app[SERVICE], visit(request, principal)
    matrix = await request.app[HEAVY].answer(request, _matrix(service, _scope(request)))
    period = await asked_performance(request)
    values = {
        "matrix": matrix,
        "period": period,
        "most": MOST_GROUPS,
        "names": [_name(told, period, group.group) for group in period.groups],
        "closed": await closed_months(service),
        "groupings": GROUPINGS,
        "scopes": list(Scope),
    }
    return page(told, "performance.html.jinja", values)


async def get_csv(request: web.Request) -> web.Response:
    """Answer one of the two tables as CSV in UTF-8, with the mark that Excel needs."""
    principal = await require(request, KeyScope.CASES_READ)
    allow_only(request, [*FILTERS, "scope", "table"])
    told = visit(request, principal)
    if (parameter(request, "table", one_of(*TABLES)) or TABLES[0]) == "months":
        scope = _scope(request)
        matrix = await request.app[HEAVY].answer(request, _matrix(request.app[SERVICE], scope))
        name, rows = f"months-{scope}", _month_rows(told, matrix)
    else:
        period = await asked_performance(request)
        name = f"performance-{period.from_}-{period.to}-{period.by}"
        rows = _period_rows(told, period)
    return web.Response(
        body=_csv(rows),
        content_type="text/csv",
        charset="utf-8",
        headers={"Content-Disposition": f'attachment; filename="{name}.csv"'},
    )


def _scope(request: web.Request) -> Scope:
    return Scope(parameter(request, "scope", one_of(*Scope)) or Scope.ALL)


async def _matrix(service: Service, scope: Scope) -> Matrix:
    today = service.today()
    months = last_months(today)
    async with service.database.transaction(snapshot=True) as connection:
        policies = (await service.rules.in_force(connection)).rulebook.policies
        trend = Trend(months, await read_month_sums(connection, months[0], today))
    targets = targets_of(policies, scope, today)
    return Matrix(
        scope=scope,
        months=months,
        rows=[(city, list(_cells(trend, city, scope, targets))) for city in (None, *trend.cities)],
    )


def _cells(
    trend: Trend, city: str | None, scope: Scope, targets: Sequence[float | None]
) -> Iterator[MonthCell]:
    for month, target in zip(trend.months, targets, strict=True):
        yield MonthCell(month=month, mean=trend.mean(city, scope, month), target=target)


def _name(told: Visit, period: PerformanceView, group: str | None) -> str:
    return group_name(told.words.places, period.by, group, told.words.language)


def _month_rows(told: Visit, matrix: Matrix) -> Iterator[Sequence[object]]:
    yield ("city", "name", "scope", "month", "n", "mean_workdays", "target_workdays", "exceeds")
    for city, cells in matrix.rows:
        name = told.words.city(city) if city else told.words.say("performance.province")
        for cell in cells:
            mean = cell.mean
            figures = (mean.n, mean.workdays, cell.target, cell.exceeds)
            yield (city, name, matrix.scope, month_name(cell.month), *figures)


def _period_rows(told: Visit, period: PerformanceView) -> Iterator[Sequence[object]]:
    yield ("from", "to", "by", "name", *FIGURES)
    for group in period.groups:
        about = (period.from_, period.to, period.by, _name(told, period, group.group))
        yield (*about, *(getattr(group, name) for name in FIGURES))


def _csv(rows: Iterable[Sequence[object]]) -> bytes:
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\r\n")
    for row in rows:
        writer.writerow([harmless(_text(value)) for value in row])
    return out.getvalue().encode("utf-8-sig")


def _text(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return "" if value is None else str(value)
