"""Panels of single values: stat and bar gauge."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from math import isnan

from grafana.panels.canvas import Box, Page
from grafana.panels.colors import MUTED, TEXT, TRACK
from grafana.panels.field_config import limits, shown
from grafana.panels.files import Panel
from grafana.panels.frames import Cell, Field, FieldType, Frame, display_name
from grafana.panels.reducers import reduced

__all__ = ["draw_bar_gauge", "draw_stat", "singles"]

NUMBER_AND_UNIT = re.compile(r"([¥-]?[\d.,]+)(\s*)([^\d\s-].*|)")
GAP, NAME_GAP = 8, 14
BIGGEST, BIGGEST_TEXT, SMALLEST = 44.0, 30.0, 13.0
UNIT_SHARE = 0.55  # of a big number's size for its unit
NAME_SIZE = 13.0
WIDE = 2.5  # how much wider than high a place is for Grafana to put the name beside the number
BAR_HEIGHT = 28.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Single:
    """One value with the name it is shown under."""

    name: str
    text: str
    color: str
    number: float | None
    field: Field


def singles(panel: Panel, frames: Sequence[Frame]) -> list[Single]:
    """Return the values that a panel reduces its answers to, one a field with numbers."""
    told = panel.options.get("reduceOptions", {})
    return [
        single
        for frame in frames
        for field in frame.fields
        if _is_wanted(field, display_name(field, frame, frames), str(told.get("fields", "")))
        for single in _of_field(field, display_name(field, frame, frames), told)
    ]


def _is_wanted(field: Field, name: str, wanted: str) -> bool:
    if not wanted:
        return field.type is FieldType.NUMBER
    pattern = wanted.removeprefix("/").removesuffix("/")
    return bool(re.search(pattern, name)) if wanted.startswith("/") else name == wanted


def _of_field(field: Field, name: str, told: dict[str, list[str]]) -> Iterator[Single]:
    for calculation in told.get("calcs") or ["lastNotNull"]:
        if field.values:
            yield _single(field, reduced(field, calculation), name)


def _single(field: Field, value: Cell, name: str) -> Single:
    seen = shown(field, value)
    number = value if isinstance(value, float) and not isnan(value) else None
    return Single(name=name, text=seen.text, color=seen.color or TEXT, number=number, field=field)


# Stat


def draw_stat(page: Page, box: Box, panel: Panel, frames: Sequence[Frame]) -> None:
    """Draw big numbers of one size, beside each other or, where it is narrow, below each other."""
    found = singles(panel, frames)
    mode = panel.options.get("textMode", "auto")
    has_name = mode == "value_and_name" or (mode == "auto" and len(found) > 1)
    places = _places(box, panel, len(found))
    numbers = [
        _number_place(page, each, place, has_name=has_name)
        for each, place in zip(found, places, strict=True)
    ]
    pairs = list(zip(found, numbers, strict=True))
    size = min(_fitting(page, place, single.text) for single, place in pairs)
    for single, place in pairs:
        _draw_number(page, place, single, size)


def _places(box: Box, panel: Panel, count: int) -> list[Box]:
    told = panel.options.get("orientation", "auto")
    is_beside = told == "vertical" or (told == "auto" and box.w > box.h)
    return box.columns(count, GAP) if is_beside else box.rows(count, GAP)


def _number_place(page: Page, single: Single, box: Box, *, has_name: bool) -> Box:
    """Write a name above its number, at its left in a wide low place; return what is left."""
    if not has_name:
        return box
    if box.w > box.h * WIDE:
        name = page.cut(single.name, box.w / 2 - GAP, NAME_SIZE)
        page.text(box.x + 4, box.y + box.h / 2, name, NAME_SIZE, MUTED)
        return box.inner(box.w / 2, 0, 4, 0)
    name = page.cut(single.name, box.w, NAME_SIZE)
    page.text(box.x + box.w / 2, box.y + 10, name, NAME_SIZE, MUTED, across="center")
    return box.inner(0, 20, 0, 2)


def _parts(text: str) -> tuple[str, str, str]:
    """Split a text into number, gap and unit; one that is no number is all of it."""
    found = NUMBER_AND_UNIT.fullmatch(text)
    return (found[1], found[2], found[3]) if found else (text, "", "")


def _fitting(page: Page, box: Box, text: str) -> float:
    """Return how large a text can be."""
    most = BIGGEST if NUMBER_AND_UNIT.fullmatch(text) else BIGGEST_TEXT
    size = min(most, box.h * 0.7)
    while sum(_widths(page, text, size)) > box.w and size > SMALLEST:
        size *= 0.95
    return size


def _draw_number(page: Page, box: Box, single: Single, size: float) -> None:
    number, _, unit = _parts(single.text)
    widths = _widths(page, single.text, size)
    x = box.x + max(0.0, box.w - sum(widths)) / 2
    base = box.y + box.h / 2 + size * 0.36
    number = page.cut(number, box.w, size, bold=True)
    page.text(x, base, number, size, single.color, bold=True, down="baseline")
    x += widths[0] + widths[1]
    page.text(x, base, unit, size * UNIT_SHARE, single.color, down="baseline")


def _widths(page: Page, text: str, size: float) -> tuple[float, float, float]:
    number, gap, unit = _parts(text)
    return (
        page.text_width(number, size, bold=True),
        size * 0.16 if gap else 0.0,
        page.text_width(unit, size * UNIT_SHARE),
    )


# Bar gauge


def draw_bar_gauge(page: Page, box: Box, panel: Panel, frames: Sequence[Frame]) -> None:
    """Draw a bar for each value, below each other."""
    found = singles(panel, frames)
    names = (
        min(max(page.text_width(each.name, NAME_SIZE) for each in found), box.w * 0.4) + NAME_GAP
    )
    texts = max(page.text_width(each.text, NAME_SIZE, bold=True) for each in found) + 12
    bars = box.inner(names, 0, texts, 0)
    rows = bars.rows(len(found), 6)
    for single, share, row in zip(found, _shares(found), rows, strict=True):
        middle, height = row.y + row.h / 2, min(row.h, BAR_HEIGHT)
        bar = replace(row, y=middle - height / 2, h=height)
        name = page.cut(single.name, names - NAME_GAP + 1, NAME_SIZE)
        page.text(bar.x - 12, middle, name, NAME_SIZE, across="right")
        if panel.options.get("showUnfilled", True):
            page.box(bar, TRACK, radius=2)
        page.box(replace(bar, w=max(bar.w * share, 2)), single.color, radius=2)
        text_x = bar.right if panel.options.get("showUnfilled", True) else bar.x + bar.w * share
        page.text(text_x + 10, middle, single.text, NAME_SIZE, single.color, bold=True)


def _shares(found: Sequence[Single]) -> list[float]:
    """Return how long bars are, 0 to 1, all from the least of any to the most of any."""
    numbers = [each.number or 0.0 for each in found]
    least = min(float(each.field.config.get("min", 0)) for each in found)
    most = max(limits(each.field)[1] for each in found)
    return [min(1.0, max(0.0, (each - least) / ((most - least) or 1))) for each in numbers]
