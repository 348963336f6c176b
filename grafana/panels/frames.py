"""Answers in the form that Grafana works on: frames of named, typed columns."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

__all__ = ["Cell", "Field", "FieldType", "Frame", "display_name", "frame_of_rows"]

VALUE, TIME = "Value", "Time"

Cell = float | str | bool | datetime | None


class FieldType(StrEnum):
    """What the values of a field are."""

    TIME = "time"
    NUMBER = "number"
    STRING = "string"
    BOOLEAN = "boolean"


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """One column: its values, and for a series its labels and the name its legend gives it."""

    name: str
    type: FieldType
    values: tuple[Cell, ...]
    labels: Mapping[str, str] = field(default_factory=dict)
    legend: str = ""
    config: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """One table, or one series."""

    ref_id: str
    fields: tuple[Field, ...]
    name: str = ""

    def __len__(self) -> int:
        return len(self.fields[0].values) if self.fields else 0

    def rows(self) -> list[tuple[Cell, ...]]:
        """Return its rows."""
        return list(zip(*(each.values for each in self.fields), strict=True))

    def of_type(self, kind: FieldType) -> list[Field]:
        """Return its fields of a type."""
        return [each for each in self.fields if each.type is kind]


def frame_of_rows(
    ref_id: str, names: Sequence[str], types: Sequence[FieldType], rows: Sequence[Sequence[Cell]]
) -> Frame:
    """Return a frame from rows."""
    columns: Iterable[tuple[Cell, ...]] = zip(*rows, strict=True) if rows else [()] * len(names)
    fields = (
        Field(name=name, type=kind, values=tuple(values))
        for name, kind, values in zip(names, types, columns, strict=True)
    )
    return Frame(ref_id=ref_id, fields=tuple(fields))


def display_name(shown: Field, frame: Frame, frames: Sequence[Frame] = ()) -> str:
    """Return the name under which a field is shown and found by others."""
    if shown.config.get("displayName"):
        return str(shown.config["displayName"])
    if shown.legend:
        return shown.legend
    if shown.type is FieldType.TIME and not shown.labels:
        return shown.name
    return _named(shown, frame, frames or (frame,)) or VALUE


def _named(shown: Field, frame: Frame, frames: Sequence[Frame]) -> str:
    differ = len({each.name for each in frames}) > 1
    parts = [frame.name] if differ and frame.name else []
    if shown.name and shown.name != VALUE:
        parts.append(shown.name)
    labels = _labels_text(shown, frames)
    if not parts and not labels and frame.name:
        parts.append(frame.name)
    return " ".join([*parts, *([labels] if labels else [])]) or shown.name


def _labels_text(shown: Field, frames: Sequence[Frame]) -> str:
    """Return the labels that tell a series from others: only the value if it is one label."""
    names = {name for frame in frames for each in frame.fields for name in each.labels}
    if len(names) == 1:
        return shown.labels.get(next(iter(names)), "")
    pairs = (f'{name}="{value}"' for name, value in sorted(shown.labels.items()))
    text = ", ".join(pairs)
    return f"{{{text}}}" if text else ""
