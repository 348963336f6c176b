"""Grafana's colours in its light theme."""

__all__ = [
    "BORDER",
    "CANVAS",
    "GRID",
    "LINK",
    "MUTED",
    "NAMED_COLORS",
    "PALETTE",
    "PANEL",
    "TEXT",
    "TRACK",
    "color_of",
    "contrast",
]

TEXT, MUTED, PANEL, CANVAS, BORDER = "#24292e", "#6b7178", "#ffffff", "#f4f5f5", "#e4e7eb"
GRID, TRACK, LINK = "#e9ecef", "#eff1f3", "#1f62e0"

SHADES = ("super-light-", "light-", "", "semi-dark-", "dark-")
HUES = {
    "red": ("#FF7383", "#F2495C", "#E02F44", "#C4162A", "#AD0317"),
    "orange": ("#FFB357", "#FF9830", "#FF780A", "#FA6400", "#E55400"),
    "yellow": ("#FFEE52", "#FADE2A", "#F2CC0C", "#E0B400", "#CC9D00"),
    "green": ("#96D98D", "#73BF69", "#56A64B", "#37872D", "#19730E"),
    "blue": ("#8AB8FF", "#5794F2", "#3274D9", "#1F60C4", "#1250B0"),
    "purple": ("#CA95E5", "#B877D9", "#A352CC", "#8F3BB8", "#7C2EA3"),
}
NAMED_COLORS = {
    f"{shade}{hue}": color
    for hue, colors in HUES.items()
    for shade, color in zip(SHADES, colors, strict=True)
} | {"text": TEXT, "gray": "#808080", "transparent": PANEL, "panel": PANEL, "white": "#ffffff"}
PALETTE = (
    "green", "semi-dark-yellow", "blue", "orange", "red", "purple",
    "dark-green", "dark-yellow", "dark-blue", "dark-orange", "dark-red", "dark-purple",
    "super-light-green", "super-light-yellow", "super-light-blue", "super-light-orange",
)  # fmt: skip


def color_of(name: str) -> str:
    """Return a colour by Grafana's name or as #rrggbb; raise KeyError for another."""
    return name if name.startswith("#") else NAMED_COLORS[name]


def contrast(color: str) -> str:
    """Return black or white, whichever is read more easily on a colour."""
    red, green, blue = _parts(color)
    return TEXT if red * 0.299 + green * 0.587 + blue * 0.114 > 160 else "#ffffff"  # noqa: PLR2004


def _parts(color: str) -> tuple[int, ...]:
    return tuple(int(color[place : place + 2], 16) for place in (1, 3, 5))
