"""Ask a running stack all that the dashboards ask when they are opened."""

import asyncio
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime

import aiohttp
import asyncpg
from rich.console import Console
from rich.table import Table

from grafana.panels.answers import Asked, Sources
from grafana.panels.choices import choices, options
from grafana.panels.files import Dashboard, Panel
from grafana.panels.frames import Frame
from grafana.panels.stack import SCRAPE_SECONDS, Stack
from grafana.panels.time_range import time_range

__all__ = ["Result", "answers", "asked_as_opened", "connected", "print_rows", "settled"]

READER = "rebate_reader"
SWEPT = "max(rebate_sweep_last_success_timestamp_seconds) > {since}"
ENOUGH = "count_over_time(scope:rebate_processing_workdays_target:max{{scope='all'}}[1h]) > {count}"
POLL_SECONDS = 0.2


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What came back for one panel."""

    dashboard: Dashboard
    panel: Panel
    frames: Sequence[Frame]

    @property
    def rows(self) -> int:
        """How many rows, or points of series, there are in all."""
        return sum(len(frame) for frame in self.frames)


@asynccontextmanager
async def connected(stack: Stack) -> AsyncIterator[Sources]:
    """Connect to a running stack as Grafana would: to the database as the reader of the views."""
    database = await asyncpg.connect(stack.dsn)
    try:
        await database.execute(f"SET ROLE {READER}")
        async with aiohttp.ClientSession() as session:
            yield Sources(
                session=session,
                prometheus=stack.prometheus,
                database=database,
                scrape_seconds=SCRAPE_SECONDS,
            )
    finally:
        await database.close()


async def settled(sources: Sources, since: datetime, scrapes: int) -> None:
    """Wait until alerts were raised after an instant, and Prometheus has so many scrapes.

    Raises TimeoutError when that takes a minute longer than the scrapes alone.
    """
    async with asyncio.timeout(scrapes * SCRAPE_SECONDS + 60):
        for expression in (SWEPT.format(since=since.timestamp()), ENOUGH.format(count=scrapes)):
            while not await _is_so(sources, expression):  # noqa: ASYNC110 - another process
                await asyncio.sleep(POLL_SECONDS)


async def _is_so(sources: Sources, expression: str) -> bool:
    data = await sources.prometheus_data("/api/v1/query", {"query": expression})
    return bool(data["result"])


async def asked_as_opened(dashboard: Dashboard, sources: Sources, since: datetime) -> Asked:
    """Return what a dashboard asks with when it is opened now."""
    told = dashboard.raw["time"]
    return Asked(
        choices=choices(dashboard.variables, await options(dashboard, sources)),
        period=time_range(told["from"], told["to"], datetime.now(UTC)),
        since=since,
    )


async def answers(dashboard: Dashboard, sources: Sources, asked: Asked) -> list[Result]:
    """Ask all that the panels of a dashboard ask; raise AnswerError."""
    return [
        Result(dashboard=dashboard, panel=panel, frames=await sources.ask(panel, asked))
        for panel in dashboard.panels
    ]


def print_rows(results: Iterable[Result], console: Console) -> None:
    """Print how many rows came back for each panel."""
    table = Table("dashboard", "panel", "data source", "rows")
    table.columns[-1].justify = "right"
    for result in results:
        kinds = sorted({"PromQL" if query.is_promql else "SQL" for query in result.panel.queries})
        source = ", ".join(kinds) or result.panel.kind
        table.add_row(str(result.dashboard), result.panel.title, source, f"{result.rows:,}")
    console.print(table)
