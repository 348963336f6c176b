"""A page to draw on in pixels: text that is measured, cut and broken, boxes and lines."""

import re
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib import font_manager
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from matplotlib.patches import FancyBboxPatch, Polygon
from PIL import Image

from grafana.panels.colors import BORDER, CANVAS, PANEL, TEXT

__all__ = ["Box", "FontError", "Page"]

FONTS = ("Noto Sans CJK SC", "WenQuanYi Micro Hei")
DPI = 100
SCALE = 1.25  # picture's pixels for one of the page's
COLORS = 256  # of the picture's palette, so that it stays small
POINTS_A_PIXEL = 72 / DPI
ELLIPSIS = "…"
WORD = re.compile(r"[^\s\u2e80-\uffff]+\s*|[\u2e80-\uffff][，。；：、）」》]*\s*|\s+")
"""Where a line may end: after a space, and after a Chinese character but not before a full stop."""


class FontError(Exception):
    """No font of this machine has Chinese characters, or one character is in none of it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Box:
    """A rectangle; y grows downwards."""

    x: float
    y: float
    w: float
    h: float

    @property
    def right(self) -> float:
        """Its right side."""
        return self.x + self.w

    @property
    def bottom(self) -> float:
        """Its lower side."""
        return self.y + self.h

    def inner(self, left: float, top: float, right: float, bottom: float) -> "Box":
        """Return what is left of it inside margins."""
        return Box(
            x=self.x + left, y=self.y + top, w=self.w - left - right, h=self.h - top - bottom
        )

    def columns(self, count: int, gap: float) -> list["Box"]:
        """Return equal parts from left to right."""
        width = (self.w - gap * (count - 1)) / count
        return [
            Box(x=self.x + i * (width + gap), y=self.y, w=width, h=self.h) for i in range(count)
        ]

    def rows(self, count: int, gap: float) -> list["Box"]:
        """Return equal parts from top to bottom."""
        height = (self.h - gap * (count - 1)) / count
        return [
            Box(x=self.x, y=self.y + i * (height + gap), w=self.w, h=height) for i in range(count)
        ]


@cache
def font_family() -> str:
    """Return the Chinese font of this machine; raise FontError."""
    known = {font.name for font in font_manager.fontManager.ttflist}
    found = next((name for name in FONTS if name in known), None)
    if found is None:
        raise FontError(f"none of {', '.join(FONTS)} is installed (Debian: fonts-noto-cjk)")
    return found


@cache
def font(size: float, *, bold: bool = False) -> FontProperties:
    """Return the font at a size in pixels."""
    weight = "bold" if bold else "regular"
    return FontProperties(family=font_family(), weight=weight, size=size * POINTS_A_PIXEL)


@dataclass
class Page:
    """A picture in the making, as wide and high as told in pixels."""

    width: float
    height: float
    figure: Figure = field(init=False)

    def __post_init__(self) -> None:
        self.figure = Figure(figsize=(self.width / DPI, self.height / DPI), dpi=DPI * SCALE)
        self.figure.patch.set_facecolor(CANVAS)
        canvas: Any = FigureCanvasAgg(self.figure)  # its methods have no types
        self._canvas, self._renderer = canvas, canvas.get_renderer()
        self._axes = self.figure.add_axes((0, 0, 1, 1), xlim=(0, self.width), ylim=(self.height, 0))
        self._axes.axis("off")
        self._layer = 0.0

    def _next_layer(self) -> float:
        """Return a place above all that is drawn already."""
        self._layer += 1
        return self._layer

    def text_width(self, text: str, size: float, *, bold: bool = False) -> float:
        """Return the pixels that a text takes."""
        measured = text.replace("$", r"\$"), font(size, bold=bold)
        width, _, _ = self._renderer.get_text_width_height_descent(*measured, ismath=False)
        return float(width) / SCALE

    def cut(self, text: str, width: float, size: float, *, bold: bool = False) -> str:
        """Return a text, or what of it fits into a width."""
        if self.text_width(text, size, bold=bold) <= width:
            return text
        while text and self.text_width(text + ELLIPSIS, size, bold=bold) > width:
            text = text[:-1]
        return text.rstrip() + ELLIPSIS

    def wrapped(self, text: str, width: float, size: float, *, bold: bool = False) -> list[str]:
        """Return a text in lines of a width, broken at spaces or between Chinese characters."""
        lines, line = [], ""
        for word in WORD.findall(text):
            if line and self.text_width(line + word.rstrip(), size, bold=bold) > width:
                lines.append(line.rstrip())
                line = ""
            line += word
        return [*lines, line.rstrip()] if line.strip() else lines

    def text(  # noqa: PLR0913 - what, where and how
        self,
        x: float,
        y: float,
        text: str,
        size: float,
        color: str = TEXT,
        *,
        bold: bool = False,
        across: str = "left",
        down: str = "center",
    ) -> None:
        """Write one line; `across` and `down` say which point of it is at x, y."""
        self._axes.text(
            x,
            y,
            text.replace("$", r"\$"),
            fontproperties=font(size, bold=bold),
            color=color,
            ha=across,
            va="center_baseline" if down == "center" else down,
            zorder=self._next_layer(),
        )

    def box(self, box: Box, color: str, edge: str | None = None, radius: float = 0) -> None:
        """Fill a rectangle."""
        radius = min(radius, box.w / 2, box.h / 2)
        if box.w <= 0 or box.h <= 0:
            return
        self._axes.add_patch(
            FancyBboxPatch(
                (box.x, box.y),
                box.w,
                box.h,
                boxstyle=f"round,pad=0,rounding_size={max(radius, 0.01)}",
                facecolor=color,
                edgecolor=edge or "none",
                linewidth=POINTS_A_PIXEL if edge else 0,
                zorder=self._next_layer(),
            )
        )

    def card(self, box: Box) -> None:
        """Draw the ground of a panel."""
        self.box(box, PANEL, BORDER, radius=4)

    def line(
        self,
        points: Sequence[tuple[float, float]],
        color: str,
        width: float = 1,
        *,
        dashed: bool = False,
    ) -> None:
        """Draw a line through points."""
        xs, ys = zip(*points, strict=True)
        self._axes.plot(
            xs,
            ys,
            color=color,
            linewidth=width * POINTS_A_PIXEL,
            linestyle=(0, (6, 5)) if dashed else "solid",
            solid_joinstyle="round",
            solid_capstyle="round",
            zorder=self._next_layer(),
        )

    def area(self, points: Sequence[tuple[float, float]], color: str, opacity: float = 1) -> None:
        """Fill a polygon."""
        self._axes.add_patch(
            Polygon(
                list(points),
                closed=True,
                facecolor=color,
                edgecolor="none",
                alpha=opacity,
                zorder=self._next_layer(),
            )
        )

    def dot(self, x: float, y: float, color: str, size: float = 5) -> None:
        """Draw a point."""
        self._axes.plot(
            [x],
            [y],
            "o",
            color=color,
            markersize=size * POINTS_A_PIXEL,
            markeredgewidth=0,
            zorder=self._next_layer(),
        )

    def save(self, path: Path) -> None:
        """Write the picture; raise FontError where a character has no glyph."""
        drawn = BytesIO()
        with every_glyph():
            self._canvas.print_png(drawn)
        with Image.open(drawn) as picture:
            few_colors(picture.convert("RGB")).save(path, optimize=True)


def few_colors(picture: Image.Image) -> Image.Image:
    """Return a picture with a palette: colours of areas as they are, those of edges nearly so."""
    pixels = np.asarray(picture, dtype=np.int32)
    packed = pixels[..., 0] << 16 | pixels[..., 1] << 8 | pixels[..., 2]
    found, where, counts = np.unique(packed, return_inverse=True, return_counts=True)
    colors = np.stack([found >> 16, found >> 8 & 255, found & 255], axis=1)
    areas = colors[np.argsort(-counts)[: COLORS // 4]]
    edges = picture.quantize(COLORS - len(areas), method=Image.Quantize.MAXCOVERAGE).getpalette()
    palette = np.concatenate([areas, np.array(edges, dtype=np.int32).reshape(-1, 3)])
    nearest = np.abs(colors[:, None] - palette[None]).sum(axis=2).argmin(axis=1)
    small = Image.fromarray(nearest[where].reshape(packed.shape).astype(np.uint8), mode="P")
    small.putpalette(palette.astype(np.uint8).tobytes())
    return small


@contextmanager
def every_glyph() -> Iterator[None]:
    """Refuse a missing glyph, for which matplotlib only warns."""
    with warnings.catch_warnings():
        warnings.filterwarnings("error", message="Glyph")
        try:
            yield
        except UserWarning as warning:
            raise FontError(str(warning)) from warning
