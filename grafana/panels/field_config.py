"""How a panel shows a field: defaults and overrides, mappings, thresholds, colours, units."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from math import isnan

from grafana.panels.colors import PALETTE, color_of
from grafana.panels.files import Json, Panel
from grafana.panels.frames import Cell, Field, FieldType, Frame, display_name
from grafana.panels.reducers import present_numbers, reduced
from grafana.panels.units import time_text, value_text

__all__ = ["Shown", "configured", "is_hidden", "limits", "series_color", "shown"]

NOT_FOR_TIMES = {"unit", "thresholds", "mappings", "min", "max", "decimals"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """A value as a reader sees it, with the colour that it has by itself if any."""

    text: str
    color: str | None = None


def configured(panel: Panel, frames: Sequence[Frame]) -> list[Frame]:
    """Return frames whose fields have the panel's defaults and overrides."""
    plain = [
        replace(frame, fields=tuple(_with_defaults(each, panel) for each in frame.fields))
        for frame in frames
    ]
    return [_overridden(frame, panel, plain) for frame in plain]


def _with_defaults(field: Field, panel: Panel) -> Field:
    """Put the panel's defaults under what a transformation has told the field."""
    left_out = NOT_FOR_TIMES if field.type is FieldType.TIME else set[str]()
    told = {name: value for name, value in panel.defaults.items() if name not in left_out}
    return replace(field, config={**told, **field.config})


def _overridden(frame: Frame, panel: Panel, frames: Sequence[Frame]) -> Frame:
    fields = []
    for each in frame.fields:
        told = dict(each.config)
        for override in panel.overrides:
            if _matches(override["matcher"], display_name(each, frame, frames)):
                _apply(told, override["properties"])
        fields.append(replace(each, config=told))
    return replace(frame, fields=tuple(fields))


def _matches(matcher: Json, name: str) -> bool:
    if matcher["id"] != "byName":
        raise ValueError(f"an override by {matcher['id']} is not understood here")
    return name == str(matcher["options"])


def _apply(config: Json, properties: Iterable[Json]) -> None:
    for each in properties:
        name, value = each["id"], each.get("value")
        if name.startswith("custom."):
            config["custom"] = {**config.get("custom", {}), name.removeprefix("custom."): value}
        else:
            config[name] = value


def shown(field: Field, value: Cell) -> Shown:
    """Return a value with the text and colour that mappings, unit and colour mode give it."""
    mapped = _mapped(field, value)
    color = color_of(mapped["color"]) if "color" in mapped else _color(field, value)
    return Shown(text=mapped.get("text") or _text(field, value), color=color)


def _mapped(field: Field, value: Cell) -> Json:
    """Return what a mapping says of a value; only those of single values are used here."""
    key = f"{value:g}" if isinstance(value, float) else str(value)
    for mapping in field.config.get("mappings", []):
        if mapping["type"] != "value":
            raise ValueError(f"a mapping by {mapping['type']} is not understood here")
        if key in mapping["options"]:
            return dict(mapping["options"][key])
    return {}


def _text(field: Field, value: Cell) -> str:
    unit = str(field.config.get("unit", ""))
    if value is None or value == "" or (isinstance(value, float) and isnan(value)):
        return str(field.config.get("noValue", ""))
    if isinstance(value, datetime):
        return time_text(value, unit)
    if isinstance(value, float):
        return value_text(value, unit, field.config.get("decimals"))
    return str(value)


def is_hidden(field: Field) -> bool:
    """Tell whether a field is left out of the picture, though links may use it."""
    custom = field.config.get("custom", {})
    return bool(custom.get("hideFrom.viz") or custom.get("hideFrom", {}).get("viz"))


# Colours


def _color(field: Field, value: Cell) -> str | None:
    told = field.config.get("color", {})
    mode = told.get("mode", "thresholds")
    if mode == "fixed":
        return color_of(told["fixedColor"])
    is_number = isinstance(value, float) and not isnan(value)
    return _threshold_color(field, value if is_number else None) if mode == "thresholds" else None


def _threshold_color(field: Field, value: Cell) -> str | None:
    """Return the colour of the highest step that is reached; text has none."""
    steps = field.config.get("thresholds", {}).get("steps", [])
    reached = [
        step
        for step in steps
        if step["value"] is None or (isinstance(value, float) and value >= step["value"])
    ]
    if field.type is not FieldType.NUMBER or not reached:
        return None
    return color_of(reached[-1]["color"])


def series_color(field: Field, index: int) -> str:
    """Return the colour of a whole series, the index-th of its panel."""
    mode = field.config.get("color", {}).get("mode", "palette-classic")
    told = None if mode.startswith("palette") else shown(field, reduced(field, "lastNotNull")).color
    return told or color_of(PALETTE[index % len(PALETTE)])


def limits(field: Field) -> tuple[float, float]:
    """Return the least and the most that a field is drawn between."""
    numbers = present_numbers(field)
    least, most = field.config.get("min"), field.config.get("max")
    return (
        min(numbers, default=0.0) if least is None else float(least),
        max(numbers, default=1.0) if most is None else float(most),
    )
