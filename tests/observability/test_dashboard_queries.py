"""Every query of every panel, asked of a real Prometheus and a real PostgreSQL behind the service.

Two services run: the demo with two months of history, and one without a case.
"""

import asyncio
import shutil
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from matplotlib.font_manager import fontManager
from rich.console import Console

from conftest import need
from grafana.panels.answers import AnswerError, Asked, Sources
from grafana.panels.asking import Result, answers, asked_as_opened, connected, print_rows, settled
from grafana.panels.canvas import FONTS
from grafana.panels.choices import options, selected
from grafana.panels.field_config import configured
from grafana.panels.files import Dashboard, Json, dashboards
from grafana.panels.frames import display_name
from grafana.panels.preview import draw_one, picture_name
from grafana.panels.singles import singles
from grafana.panels.stack import DEMO, EMPTY, Stack, running_stack
from grafana.panels.transformations import transformed
from observability_servers import tool
from rebate_monitor.domain.assessment import Verdict
from rebate_monitor.domain.foresight import Assumption
from rebate_monitor.ingest.decision import Outcome
from server_folder import new_folder
from service_process import end_processes_of

pytestmark = pytest.mark.xdist_group("dashboards")  # one worker runs the services for all

EMPTY_WITH_REASON = {
    ("service-health", "通知"): "the demo tells nobody: it has no channel",
    ("evaluation", "封存的月份"): "nobody has closed a month of the demo",
}
SCRAPES = 5
MOST_BYTES = 250_000

ALL = list(dashboards())
EACH = pytest.mark.parametrize("dashboard", ALL, ids=str)
TITLES = {
    (each.name, panel.number): panel.title
    for each in ALL
    if each.language == "zh"
    for panel in each.panels
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Running:
    """A stack that answers, and when its Prometheus began."""

    stack: Stack
    since: datetime


@contextmanager
def running(command: tuple[str, ...]) -> Iterator[Running]:
    """Run a service with its Prometheus until the end; leave no process and no file behind."""
    tool("prometheus", "prometheus")
    folder = new_folder()
    try:
        with running_stack(folder, command) as stack:
            since = datetime.now(UTC)
            asyncio.run(until_settled(stack, since))
            yield Running(stack=stack, since=since)
    finally:
        end_processes_of(folder)
        shutil.rmtree(folder, ignore_errors=True)


async def until_settled(stack: Stack, since: datetime) -> None:
    """Wait for the alerts of the history and for some scrapes."""
    async with connected(stack) as sources:
        await settled(sources, since, SCRAPES)


@pytest.fixture(scope="module")
def demo() -> Iterator[Running]:
    """Return the demo, its two months of history posted."""
    with running(DEMO) as started:
        yield started


@pytest.fixture(scope="module")
def empty() -> Iterator[Running]:
    """Return a service that was migrated and has no case."""
    with running(EMPTY) as started:
        yield started


@pytest.fixture
async def sources(demo: Running) -> AsyncIterator[Sources]:
    """Return the demo's data sources."""
    async with connected(demo.stack) as opened:
        yield opened


async def opened(dashboard: Dashboard, sources: Sources, since: datetime) -> Asked:
    """Return what a dashboard asks with when it is opened.

    On the first days of a month nothing has ended in it: then it is asked for the last 30 days.
    """
    asked = await asked_as_opened(dashboard, sources, since)
    ended = await sources.select("SELECT 1 FROM reporting.ended WHERE period = 'month' AND n > 0")
    if len(ended):
        return asked
    month = asked.choices["period"]
    choices = {**asked.choices, "period": replace(month, value="rolling_30d")}
    return replace(asked, choices=choices)


def is_expected_empty(result: Result) -> bool:
    """Tell whether a panel is one of those that are empty with a reason."""
    name, number = result.dashboard.name, result.panel.number
    return (name, TITLES[name, number]) in EMPTY_WITH_REASON


async def test_every_panel_returns_rows(demo: Running, sources: Sources) -> None:
    """As it is opened, every panel has something to show, or is empty with a reason."""
    results = [
        result
        for dashboard in ALL
        for result in await answers(
            dashboard, sources, await opened(dashboard, sources, demo.since)
        )
    ]
    print_rows(results, Console())

    assert [] == [
        f"{result.dashboard} {result.panel.title}: {result.rows} rows"
        for result in results
        if bool(result.rows) is is_expected_empty(result)
    ]
    assert set(EMPTY_WITH_REASON) <= {(name, title) for (name, _), title in TITLES.items()}


@EACH
async def test_no_query_fails_whatever_is_selected(
    dashboard: Dashboard, demo: Running, sources: Sources
) -> None:
    """One city, one category, every period, and what else there is to select."""
    asked = await asked_as_opened(dashboard, sources, demo.since)
    known = await options(dashboard, sources)
    tried = 0
    for name, choice in asked.choices.items():
        wanted = known[name][:1] if choice.multi else known[name]
        for _, value in wanted:
            choices = {**asked.choices, name: selected(choice, value, known[name])}
            await answers(dashboard, sources, replace(asked, choices=choices))
            tried += 1

    assert tried >= len(asked.choices)


async def test_what_can_be_selected_is_known_to_the_views(sources: Sources) -> None:
    """Every option of period and category is a period or category of the views."""
    periods = await sources.select("SELECT DISTINCT period FROM reporting.period")
    categories = await sources.select("SELECT DISTINCT category FROM reporting.scope")
    for dashboard in ALL:
        known = await options(dashboard, sources)

        assert {value for _, value in known["period"]} <= set(periods.fields[0].values)
        assert {value for _, value in known["category"]} == set(categories.fields[0].values)


# A series that the demo has not: labels of Prometheus and what they can be.
SOMETIMES = {each.value for each in Verdict} | {each.value for each in Outcome}
SOMETIMES |= {"sent", "failed", "dead"}
SOMETIMES |= {each.value for each in Assumption}  # foreseen once a minute, the demo is younger


@EACH
async def test_overrides_and_transformations_name_fields_that_exist(
    dashboard: Dashboard, demo: Running, sources: Sources
) -> None:
    """A column that was renamed would lose its unit and its colour without a word."""
    asked = await opened(dashboard, sources, demo.since)
    for result in await answers(dashboard, sources, asked):
        panel, plain = result.panel, list(result.frames)
        shown = transformed(plain, panel.transformations)
        before = {display_name(field, each, plain) for each in plain for field in each.fields}
        after = {display_name(field, each, shown) for each in shown for field in each.fields}
        named = {override["matcher"]["options"] for override in panel.overrides}
        changed = {name for step in panel.transformations for name in names_in(step["options"])}
        x_field = {panel.options["xField"]} if "xField" in panel.options else set()

        assert changed <= before, panel.title
        assert named | x_field <= after | SOMETIMES, panel.title


def names_in(options: Json) -> Iterator[str]:
    """Return the fields that a transformation names."""
    for key in ("excludeByName", "indexByName", "renameByName"):
        yield from options.get(key, {})
    for mapping in options.get("mappings", []):
        yield str(mapping["fieldName"])


@pytest.fixture
def chinese() -> None:
    """Need a font with Chinese characters."""
    known = {font.name for font in fontManager.ttflist}
    need(known & set(FONTS), f"a font of {', '.join(FONTS)} (Debian's package fonts-noto-cjk)")


@EACH
async def test_it_can_be_drawn_with_every_character(
    dashboard: Dashboard, demo: Running, sources: Sources, chinese: None, tmp_path: Path
) -> None:
    """The picture of the documents can be made, and is no burden to the repository."""
    asked = await opened(dashboard, sources, demo.since)
    path = tmp_path / picture_name(dashboard)
    draw_one(dashboard, await answers(dashboard, sources, asked), asked, path)

    assert 10_000 < path.stat().st_size < MOST_BYTES


@EACH
async def test_it_is_useful_without_a_case(dashboard: Dashboard, empty: Running) -> None:
    """On the first day no query fails, and what has no number says so in words."""
    async with connected(empty.stack) as sources:
        asked = await asked_as_opened(dashboard, sources, empty.since)
        results = await answers(dashboard, sources, asked)
    singles_shown = [
        (result.panel.title, single.text)
        for result in results
        if result.panel.kind in {"stat", "bargauge"}
        for single in singles(
            result.panel,
            configured(
                result.panel, transformed(list(result.frames), result.panel.transformations)
            ),
        )
    ]

    assert [] == [(title, text) for title, text in singles_shown if text in {"", "NaN"}]


@pytest.mark.parametrize("dashboard", [each for each in ALL if each.language == "zh"], ids=str)
async def test_it_can_be_drawn_without_a_case(
    dashboard: Dashboard, empty: Running, chinese: None, tmp_path: Path
) -> None:
    """No axis, bar or table needs a row."""
    async with connected(empty.stack) as sources:
        asked = await asked_as_opened(dashboard, sources, empty.since)
        results = await answers(dashboard, sources, asked)
    draw_one(dashboard, results, asked, tmp_path / "empty.png")

    assert (tmp_path / "empty.png").exists()


async def test_queries_are_asked_as_the_reader(sources: Sources) -> None:
    """What these tests allow is what Grafana is allowed: nothing but the views."""
    asked_by = await sources.select("SELECT current_user::text AS name")

    assert ("rebate_reader",) == asked_by.fields[0].values
    with pytest.raises(AnswerError, match="permission denied"):
        await sources.select("SELECT * FROM public.rebate_case")


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("reporting.", "reporting.no_", "does not exist"),
        ("AS", "AS AS", "syntax error"),
    ],
)
async def test_a_wrong_query_is_found(
    sources: Sources, demo: Running, old: str, new: str, told: str
) -> None:
    """The tests above can fail: a misspelt view, and SQL that is none."""
    dashboard = next(each for each in ALL if each.name == "cases")
    asked = await asked_as_opened(dashboard, sources, demo.since)
    panel = dashboard.panels[0]
    query = replace(panel.queries[0], text=panel.queries[0].text.replace(old, new))

    with pytest.raises(AnswerError, match=told):
        await sources.ask(replace(panel, queries=(query,)), asked)


async def test_wrong_promql_is_found(sources: Sources, demo: Running) -> None:
    """Prometheus' own words come with the query."""
    dashboard = next(each for each in ALL if each.name == "service-health")
    asked = await asked_as_opened(dashboard, sources, demo.since)
    panel = dashboard.panels[0]
    query = replace(panel.queries[0], text="sum(up")

    with pytest.raises(AnswerError, match=r"parse error(.|\n)*sum\(up"):
        await sources.ask(replace(panel, queries=(query,)), asked)
