"""A row's last twelve months as a line the height of a word, against its target."""

from collections.abc import Iterator, Sequence

from markupsafe import Markup, escape

from rebate_monitor.svg import stretches

WIDTH, HEIGHT, EDGE = 132.0, 28.0, 4.0


def sparkline(
    values: Sequence[float | None], target: float | None, most: float, title: str
) -> Markup:
    """Draw means of months from 0 to `most`, None as a gap; the title is read to the blind."""
    inside = "".join([*_target(target, most), *_line(values, most)])
    return Markup(  # noqa: S704 - all but the title are numbers
        f'<svg class="spark" role="img" aria-label="{escape(title)}" '
        f'viewBox="0 0 {WIDTH:g} {HEIGHT:g}">{inside}</svg>'
    )


def _target(target: float | None, most: float) -> Iterator[str]:
    if target is not None and target <= most:
        y = _y(target, most)
        yield f'<line x1="0" y1="{y:.1f}" x2="{WIDTH:g}" y2="{y:.1f}" class="goal"/>'


def _line(values: Sequence[float | None], most: float) -> Iterator[str]:
    step = (WIDTH - 2 * EDGE) / max(len(values) - 1, 1)
    for stretch in stretches(values):
        places = [(EDGE + step * place, _y(value, most)) for place, value in stretch]
        points = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
        yield f'<polyline points="{points}" class="stroke"/>'
        x, y = places[-1]
        if len(places) == 1 or stretch[-1][0] == len(values) - 1:
            yield f'<circle cx="{x:.1f}" cy="{y:.1f}" r="2.5"/>'


def _y(value: float, most: float) -> float:
    return HEIGHT - EDGE - (HEIGHT - 2 * EDGE) * (value / most if most else 0)
