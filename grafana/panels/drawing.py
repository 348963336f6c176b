"""Draw a dashboard from the answers to its panels' queries, each panel where Grafana has it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from grafana.panels.canvas import Box, Page
from grafana.panels.charts import draw_bars, draw_series
from grafana.panels.colors import BORDER, MUTED, PANEL
from grafana.panels.field_config import configured
from grafana.panels.files import Dashboard, Panel, Place
from grafana.panels.frames import Frame
from grafana.panels.interpolation import Choice, glob_format, interpolate
from grafana.panels.singles import draw_bar_gauge, draw_stat
from grafana.panels.tables import draw_alerts, draw_table
from grafana.panels.time_range import TimeRange
from grafana.panels.transformations import transformed
from rebate_monitor.domain.local_time import SHANGHAI

__all__ = ["Answered", "DrawingError", "draw"]

MARGIN, COLUMN, ROW, GAP = 16.0, 60.0, 38.0, 8.0
HEAD, LOW_HEAD, TITLE = 92.0, 58.0, 34.0
TITLE_SIZE, NO_DATA_SIZE = 14.0, 16.0
WIDTH = 2 * MARGIN + 24 * COLUMN - GAP
LABELS = {
    "zh": (
        "由面板查询结果绘制的预览，非 Grafana 截图",
        "数据取自演示省份，绘制于 {at:%Y-%m-%d %H:%M}（北京时间）",
    ),
    "en": (
        "Preview drawn from the panels' queries, not a screenshot of Grafana",
        "Data of the demo's made-up province, drawn {at:%Y-%m-%d %H:%M} (Beijing time)",
    ),
}
ALL = {"zh": "全部", "en": "All"}
NO_DATA = {"zh": "没有数据", "en": "No data"}


class DrawingError(Exception):
    """A panel is of a kind that cannot be drawn here."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered:
    """A panel's answers and the time they are about."""

    frames: Sequence[Frame]
    period: TimeRange


def draw(
    dashboard: Dashboard,
    answers: Mapping[int, Answered],
    choices: Mapping[str, Choice],
    at: datetime,
    path: Path,
) -> None:
    """Draw a dashboard into a PNG; raise DrawingError, or FontError for a missing character."""
    lowest = max(panel.place.y + panel.place.h for panel in dashboard.panels)
    head = HEAD if any(not each.hidden for each in dashboard.variables) else LOW_HEAD
    page = Page(WIDTH, head + lowest * ROW + MARGIN - GAP)
    _draw_head(page, dashboard, choices, at)
    for panel in dashboard.panels:
        box = _box(panel.place, head)
        page.card(box)
        title = interpolate(panel.title, choices, glob_format)
        title = page.cut(title, box.w - 20, TITLE_SIZE, bold=True)
        page.text(box.x + 10, box.y + 17, title, TITLE_SIZE, bold=True)
        inner = box.inner(10, TITLE, 10, 8)
        _draw_panel(page, inner, panel, answers[panel.number], NO_DATA[dashboard.language])
    page.save(path)


def _draw_head(
    page: Page, dashboard: Dashboard, choices: Mapping[str, Choice], at: datetime
) -> None:
    label, origin = LABELS[dashboard.language]
    page.text(MARGIN, 27, dashboard.title, 24, bold=True)
    page.text(page.width - MARGIN, 20, label, 13, across="right")
    text = origin.format(at=at.astimezone(SHANGHAI))
    page.text(page.width - MARGIN, 40, text, 12, MUTED, across="right")
    x = MARGIN
    for variable in dashboard.variables:
        if not variable.hidden:
            x += _pill(page, x, variable.label, _selection(choices[variable.name], dashboard)) + GAP


def _selection(choice: Choice, dashboard: Dashboard) -> str:
    return ALL[dashboard.language] if choice.text == "All" else choice.text


def _pill(page: Page, x: float, name: str, text: str) -> float:
    """Draw what is selected for a variable; return how wide it is."""
    name_width, width = page.text_width(name, 13), page.text_width(text, 13)
    box = Box(x=x, y=54, w=name_width + width + 34, h=26)
    page.box(box, PANEL, BORDER, radius=3)
    page.text(x + 10, box.y + 13, name, 13, MUTED)
    page.text(x + name_width + 22, box.y + 13, text, 13, bold=True)
    return box.w


def _box(place: Place, head: float) -> Box:
    return Box(
        x=MARGIN + place.x * COLUMN,
        y=head + place.y * ROW,
        w=place.w * COLUMN - GAP,
        h=place.h * ROW - GAP,
    )


def _draw_panel(page: Page, box: Box, panel: Panel, answered: Answered, no_data: str) -> None:
    """Draw what a panel shows of its answers, or what it says when there is nothing."""
    frames = configured(panel, transformed(list(answered.frames), panel.transformations))
    filled = [frame for frame in frames if len(frame)]
    if filled:
        _draw_answers(page, box, panel, filled, answered.period)
        return
    text = page.cut(str(panel.defaults.get("noValue", no_data)), box.w, NO_DATA_SIZE)
    x, y = box.x + box.w / 2, box.y + box.h / 2
    page.text(x, y, text, NO_DATA_SIZE, MUTED, across="center")


def _draw_answers(
    page: Page, box: Box, panel: Panel, frames: Sequence[Frame], period: TimeRange
) -> None:
    match panel.kind:
        case "alertlist":
            draw_alerts(page, box, panel, frames)
        case "barchart":
            draw_bars(page, box, panel, frames)
        case "bargauge":
            draw_bar_gauge(page, box, panel, frames)
        case "stat":
            draw_stat(page, box, panel, frames)
        case "table":
            draw_table(page, box, panel, frames)
        case "timeseries":
            draw_series(page, box, panel, frames, period)
        case other:
            raise DrawingError(f"{panel.title}: a panel of kind {other} cannot be drawn here")
