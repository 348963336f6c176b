"""Charts as SVG by hand: small, with text as text, and coloured by the page that they stand in."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from math import ceil, floor, log10

from markupsafe import Markup, escape

WIDTH, LABEL_WIDTH = 720, 180.0
TICKS = 5
FIRST_WIDE, NARROW = "\u2e80", 0.56
ROUNDING = 1e-9


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """Values in the order of the labels; None is a gap. `css` names its colour in the page."""

    name: str
    values: Sequence[float | None]
    css: str
    texts: Sequence[str] = field(default=())


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """What a chart shows: a title for those who cannot see it, labels, lines, and targets."""

    title: str
    unit: str
    labels: Sequence[str]
    lines: Sequence[Line]
    targets: Sequence[Line] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Scale:
    """Turns values from 0 to `most` into places from `start` to `end`."""

    most: float
    start: float
    end: float

    def __call__(self, value: float) -> float:
        """Return the place of a value."""
        return self.start + (self.end - self.start) * value / self.most


def ticks(most: float) -> list[float]:
    """Return round values from 0 to above the largest, some five of them."""
    if most <= 0:
        return [0.0, 1.0]
    rough = most / TICKS
    power = 10.0 ** floor(log10(rough))
    step = next(power * factor for factor in (1, 2, 2.5, 5, 10) if power * factor >= rough)
    return [step * place for place in range(floor(most / step + ROUNDING) + 2)]


def _largest(picture: Picture) -> float:
    values = [
        v for line in (*picture.lines, *picture.targets) for v in line.values if v is not None
    ]
    return max(values, default=0)


def _svg(picture: Picture, height: float, parts: Iterable[str]) -> Markup:
    title = escape(picture.title)
    inside = "\n".join(parts)
    return Markup(  # noqa: S704 - every text in it is escaped where it is put in
        f'<svg role="img" aria-label="{title}" viewBox="0 0 {WIDTH} {height:g}" '
        f'preserveAspectRatio="xMidYMid meet">\n{inside}\n</svg>'
    )


def _text(x: float, y: float, text: str, anchor: str = "start", css: str = "") -> str:
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" class="{css}">{escape(text)}</text>'
    )


Box = tuple[float, float, float, float]
"""Left, top, width and height."""


def _rect(box: Box, css: str, title: str) -> str:
    x, y, width, height = box
    return (
        f'<rect x="{x:.1f}" y="{y:.1f}" width="{max(width, 0):.1f}" height="{max(height, 0):.1f}" '
        f'class="{css}"><title>{escape(title)}</title></rect>'
    )


def _rule(x1: float, y1: float, x2: float, y2: float, css: str) -> str:
    return f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" class="{css}"/>'


def _legend(picture: Picture, start: float) -> Iterator[str]:
    """Name the lines, beginning at the left; a single one is named by the title."""
    shown = [*picture.lines, *picture.targets]
    x, y = start, 12.0
    for line in shown if len(shown) > 1 else []:
        if line in picture.targets:
            yield _rule(x, y - 4, x + 18, y - 4, f"target {line.css}")
        else:
            yield _rect((x, y - 9, 14, 9), f"fill {line.css}", line.name)
        yield _text(x + 23, y, line.name, css="legend")
        x += 23 + 24 + text_width(line.name)


def text_width(text: str, size: float = 12) -> float:
    """Estimate how wide a text is: Chinese characters are square, others about half as wide."""
    return sum(size if sign >= FIRST_WIDE else size * NARROW for sign in text)


def shortened(text: str, most: float = LABEL_WIDTH) -> str:
    """Return a text that is not much wider than that."""
    kept = text
    while text_width(kept) > most:
        kept = kept[:-1]
    return text if kept == text else f"{kept}…"


def _plain(value: float) -> str:
    return f"{value:,.10g}"


ROW, BAR = 24, 14


def bars(picture: Picture) -> Markup:
    """Draw lying bars, one a label, with the value at its end and targets as lines across."""
    left = max((text_width(shortened(label)) for label in picture.labels), default=0) + 12
    right, top = 64.0, 30.0
    bottom = top + ROW * len(picture.labels)
    told = ticks(_largest(picture))
    scale = Scale(most=told[-1], start=left, end=WIDTH - right)
    return _svg(
        picture,
        bottom + 24,
        [
            *_legend(picture, left),
            *_upright_grid(scale, told, top, bottom),
            *_lying_bars(picture, scale, top),
            *_target_across(picture, scale, top, bottom),
            *_at_bars(picture, scale, top),
            _text(WIDTH, bottom + 16, picture.unit, "end", "tick"),
        ],
    )


def _upright_grid(scale: Scale, told: Sequence[float], top: float, bottom: float) -> Iterator[str]:
    for value in told:
        yield _rule(scale(value), top, scale(value), bottom, "grid")
        yield _text(scale(value), bottom + 16, _plain(value), "middle", "tick")


def _lying_bars(picture: Picture, scale: Scale, top: float) -> Iterator[str]:
    line = picture.lines[0]
    for place, (label, value) in enumerate(zip(picture.labels, line.values, strict=True)):
        if value is not None:
            box = (scale.start, top + ROW * place + 5, scale(value) - scale.start, BAR)
            css = f"fill {line.css} {_beyond(picture, place, value)}".rstrip()
            yield _rect(box, css, f"{label} {line.texts[place]}")


def _at_bars(picture: Picture, scale: Scale, top: float) -> Iterator[str]:
    """Write the labels before the bars and the values behind them."""
    line = picture.lines[0]
    for place, (label, value) in enumerate(zip(picture.labels, line.values, strict=True)):
        y = top + ROW * place + 16
        end = scale.start if value is None else scale(value)
        yield _text(scale.start - 8, y, shortened(label), "end", "label")
        yield _text(end + 5, y, line.texts[place], css="value")


def _beyond(picture: Picture, place: int, value: float) -> str:
    targets = (line.values[place] for line in picture.targets)
    return "beyond" if any(mark is not None and value > mark for mark in targets) else ""


def _target_across(picture: Picture, scale: Scale, top: float, bottom: float) -> Iterator[str]:
    for line in picture.targets:
        for mark in sorted({value for value in line.values if value is not None}):
            yield _rule(scale(mark), top - 4, scale(mark), bottom, f"target {line.css}")


LEFT, RIGHT, TOP, PLOT = 44.0, 12.0, 34.0, 190.0


def columns(picture: Picture) -> Markup:
    """Draw standing columns, one a label, its lines on top of each other."""
    totals = [sum(v or 0 for v in values) for values in _by_label(picture)]
    told = ticks(max(totals, default=0))
    scale = Scale(most=told[-1], start=TOP + PLOT, end=TOP)
    step = (WIDTH - LEFT - RIGHT) / max(len(picture.labels), 1)
    return _svg(
        picture,
        TOP + PLOT + 26,
        [
            *_legend(picture, max(LEFT, text_width(picture.unit) + 16)),
            _text(0, 12, picture.unit, "start", "tick"),
            *_level_grid(scale, told),
            *_labels_below(picture.labels, step),
            *_standing(picture, scale, step),
        ],
    )


def _by_label(picture: Picture) -> Iterator[tuple[float | None, ...]]:
    yield from zip(*(line.values for line in picture.lines), strict=True)


def _level_grid(scale: Scale, told: Sequence[float]) -> Iterator[str]:
    for value in told:
        yield _rule(LEFT, scale(value), WIDTH - RIGHT, scale(value), "grid")
        yield _text(LEFT - 6, scale(value) + 4, _plain(value), "end", "tick")


def _labels_below(labels: Sequence[str], step: float) -> Iterator[str]:
    """Write as many labels as have room, always the last one."""
    last = len(labels) - 1
    every = ceil(max(map(text_width, labels[:last]), default=0) / step + 0.1)
    room = ceil(text_width(labels[last]) / step / 2 + 0.1) if labels else 0
    for place, label in enumerate(labels):
        if place == last or (place % every == 0 and place <= last - max(room, 1)):
            yield _text(LEFT + step * (place + 0.5), TOP + PLOT + 18, label, "middle", "label")


def _standing(picture: Picture, scale: Scale, step: float) -> Iterator[str]:
    width = min(step * 0.7, 48)
    for place, label in enumerate(picture.labels):
        so_far = 0.0
        for line in picture.lines:
            value = line.values[place] or 0
            low, high = scale(so_far), scale(so_far + value)
            x = LEFT + step * (place + 0.5) - width / 2
            if value:
                told = f"{label}: {line.name} {line.texts[place]}"
                yield _rect((x, high, width, low - high), f"fill {line.css}", told)
            so_far += value


def lines(picture: Picture) -> Markup:
    """Draw lines through time, with targets as steps and the last value at the end of each line."""
    told = ticks(_largest(picture))
    scale = Scale(most=told[-1], start=TOP + PLOT, end=TOP)
    step = (WIDTH - LEFT - 44) / max(len(picture.labels), 1)
    return _svg(
        picture,
        TOP + PLOT + 26,
        [
            *_legend(picture, max(LEFT, text_width(picture.unit) + 16)),
            _text(0, 12, picture.unit, "start", "tick"),
            *_level_grid(scale, told),
            *_labels_below(picture.labels, step),
            *(part for line in picture.targets for part in _steps(line, scale, step)),
            *(part for line in picture.lines for part in _through(picture, line, scale, step)),
        ],
    )


def _steps(line: Line, scale: Scale, step: float) -> Iterator[str]:
    for place, value in enumerate(line.values):
        if value is not None:
            x = LEFT + step * place
            yield _rule(x, scale(value), x + step, scale(value), f"target {line.css}")


def _through(picture: Picture, line: Line, scale: Scale, step: float) -> Iterator[str]:
    for stretch in stretches(line.values):
        points = " ".join(
            f"{LEFT + step * (place + 0.5):.1f},{scale(value):.1f}" for place, value in stretch
        )
        yield f'<polyline points="{points}" class="stroke {line.css}"/>'
        for place, value in stretch:
            told = f"{picture.labels[place]}: {line.name} {line.texts[place]}"
            x, y = LEFT + step * (place + 0.5), scale(value)
            yield (
                f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" class="fill {line.css}">'
                f"<title>{escape(told)}</title></circle>"
            )
        place, value = stretch[-1]
        if place == len(line.values) - 1:
            x = LEFT + step * (place + 0.5)
            yield _text(x + 7, scale(value) + 4, line.texts[place], css=f"value {line.css}")


def stretches(values: Sequence[float | None]) -> list[list[tuple[int, float]]]:
    """Return the runs of values between gaps, each value with its place."""
    runs: list[list[tuple[int, float]]] = [[]]
    for place, value in enumerate(values):
        if value is None:
            runs.append([])
        else:
            runs[-1].append((place, value))
    return [run for run in runs if run]
