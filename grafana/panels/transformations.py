"""What panels do to their answers before they show them: the transformations that are used here."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from grafana.panels.files import Json
from grafana.panels.frames import Cell, Field, FieldType, Frame, display_name
from grafana.panels.reducers import reduced

__all__ = ["TRANSFORMATIONS", "transformed"]

Frames = list[Frame]
BASE_COLOR, OVER_COLOR = "green", "red"


def transformed(frames: Frames, steps: Sequence[Json]) -> Frames:
    """Return frames after all steps; raise KeyError for a transformation that is unknown here."""
    for step in steps:
        frames = TRANSFORMATIONS[step["id"]](frames, step.get("options", {}))
    return frames


# organize: leave out, order and rename columns


def _organize(frames: Frames, options: Json) -> Frames:
    return [_organized(frame, options, frames) for frame in frames]


def _organized(frame: Frame, options: Json, frames: Frames) -> Frame:
    excluded, order = options.get("excludeByName", {}), options.get("indexByName", {})
    names = options.get("renameByName", {})
    named = [(display_name(each, frame, frames), each) for each in frame.fields]
    kept = [(name, each) for name, each in named if not excluded.get(name)]
    kept.sort(key=lambda pair: order.get(pair[0], len(order) + len(named)))
    return replace(frame, fields=tuple(_renamed(each, names.get(name)) for name, each in kept))


def _renamed(field: Field, name: str | None) -> Field:
    return replace(field, config={**field.config, "displayName": name}) if name else field


# configFromData: what one query answers is how the others are shown


def _config_from_data(frames: Frames, options: Json) -> Frames:
    told = next((each for each in frames if each.ref_id == options["configRefId"]), None)
    if told is None:
        return frames
    config = _config(told, {each["fieldName"]: each for each in options.get("mappings", [])})
    matcher = options.get("applyTo", {"id": "numeric"})
    return [_configured(frame, config, matcher) for frame in frames if frame is not told]


def _config(frame: Frame, mappings: Mapping[str, Json]) -> Json:
    config: Json = {}
    for each in frame.fields:
        mapping = mappings.get(display_name(each, frame))
        value = reduced(each, "lastNotNull")
        if mapping is not None and value is not None:
            HANDLERS[mapping["handlerKey"]](config, value, mapping.get("handlerArguments", {}))
    return config


def _threshold(config: Json, value: Cell, arguments: Json) -> None:
    """Add a step to the thresholds: green below the first, as Grafana begins them."""
    base = {"mode": "absolute", "steps": [{"value": None, "color": BASE_COLOR}]}
    color = arguments.get("threshold", {}).get("color", OVER_COLOR)
    config.setdefault("thresholds", base)["steps"].append({"value": value, "color": color})


def _configured(frame: Frame, config: Json, matcher: Json) -> Frame:
    fields = (
        replace(each, config={**each.config, **config}) if _matches(each, frame, matcher) else each
        for each in frame.fields
    )
    return replace(frame, fields=tuple(fields))


def _matches(field: Field, frame: Frame, matcher: Json) -> bool:
    if matcher["id"] == "byFrameRefID":
        return frame.ref_id == str(matcher["options"])
    return field.type is FieldType.NUMBER


HANDLERS: dict[str, Callable[[Json, Cell, Json], None]] = {"threshold1": _threshold}
TRANSFORMATIONS: dict[str, Callable[[Frames, Json], Frames]] = {
    "configFromData": _config_from_data,
    "organize": _organize,
}
