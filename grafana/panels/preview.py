"""Draw each dashboard from what its queries answer."""

from collections.abc import Iterable
from datetime import datetime
from pathlib import Path

from grafana.panels.answers import Asked, Sources
from grafana.panels.asking import Result, answers, asked_as_opened
from grafana.panels.drawing import Answered, draw
from grafana.panels.files import Dashboard, dashboards

__all__ = ["draw_all", "draw_one"]


async def draw_all(sources: Sources, since: datetime, folder: Path) -> list[Result]:
    """Draw all dashboards of both languages and return what came back for their panels."""
    results = []
    for dashboard in dashboards():
        asked = await asked_as_opened(dashboard, sources, since)
        found = await answers(dashboard, sources, asked)
        draw_one(dashboard, found, asked, folder / picture_name(dashboard))
        results.extend(found)
    return results


def draw_one(dashboard: Dashboard, results: Iterable[Result], asked: Asked, path: Path) -> None:
    """Draw one dashboard."""
    answered = {
        result.panel.number: Answered(frames=result.frames, period=asked.period_of(result.panel))
        for result in results
    }
    draw(dashboard, answered, asked.choices, asked.period.end, path)


def picture_name(dashboard: Dashboard) -> str:
    """Return the name of a dashboard's picture; that of the Chinese one is the plain one."""
    return f"dashboard-{dashboard.name}{'-en' if dashboard.language == 'en' else ''}.png"
