"""What a panel shows of an answer: Grafana's rounding, names, thresholds and shapes."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from grafana.panels.answers import AnswerError, as_series
from grafana.panels.field_config import configured, shown
from grafana.panels.files import Panel, Place
from grafana.panels.frames import Cell, Field, FieldType, Frame, display_name, frame_of_rows
from grafana.panels.transformations import transformed
from grafana.panels.units import known_unit, time_text, value_text

FIRST, SECOND = datetime(2026, 10, 31, 16, tzinfo=UTC), datetime(2026, 11, 30, 16, tzinfo=UTC)


def field(*values: float | str | None, name: str = "Value", **labels: str) -> Field:
    """Return a column of numbers or texts."""
    kind = FieldType.STRING if isinstance(values[0], str) else FieldType.NUMBER
    return Field(name=name, type=kind, values=values, labels=labels)


def panel(**field_config: object) -> Panel:
    """Return a panel with a configuration of its fields."""
    return Panel(
        number=1,
        kind="stat",
        title="",
        description="",
        place=Place(x=0, y=0, w=6, h=4),
        queries=(),
        raw={"fieldConfig": field_config},
    )


@pytest.mark.parametrize(
    ("value", "unit", "decimals", "text"),
    [
        (3.6543, "suffix: 工作日", 2, "3.65 工作日"),
        (4.0, "suffix: 工作日", 0, "4 工作日"),
        (0.79421, "percentunit", 1, "79.4%"),
        (0.5, "percentunit", None, "50%"),
        (3.6543, "none", None, "3.65"),
        (0.036543, "none", None, "0.0365"),
        (12.0, "none", None, "12"),
        (2.5, "none", 0, "3"),
        (0.0444, "s", 0, "44 ms"),
        (90.0, "s", None, "1.50 mins"),
        (7200.0, "s", None, "2 hours"),
        (1536.0, "bytes", None, "1.50 KiB"),
        (12_345.0, "short", None, "12.3 K"),
        (0.667, "reqps", None, "0.667 req/s"),
        (1_234_567.8, "locale", None, "1,234,567.8"),
        (1798732799999.0, "dateTimeAsLocal", None, "2026-12-31 23:59:59"),
        (float("nan"), "none", 2, "NaN"),
        (float("inf"), "none", 2, "∞"),
    ],
)
def test_a_number_is_written_with_its_unit(
    value: float, unit: str, decimals: int | None, text: str
) -> None:
    """With the decimals told, or those that matter; a half is rounded upwards."""
    assert text == value_text(value, unit, decimals)
    assert known_unit(unit)


def test_a_time_is_written_in_shanghai() -> None:
    """A day of the database is midnight in UTC, which is eight in the morning there."""
    day = datetime(2026, 11, 26, tzinfo=UTC)

    assert "2026-11-26 08:00:00" == time_text(day, "")
    assert "2026-11-26" == time_text(day, "time:YYYY-MM-DD")


def test_series_are_named_as_grafana_names_them() -> None:
    """By its legend, by the value of the only label, by all labels, by its name."""
    series = [Frame(ref_id="A", fields=(field(1.0, city=city),)) for city in ("a", "b")]
    two_labels = Frame(ref_id="A", fields=(field(1.0, city="a", verdict="met"),))
    plain = Frame(ref_id="A", fields=(field(1.0, name="n"),))

    assert ["a", "b"] == [display_name(each.fields[0], each, series) for each in series]
    assert '{city="a", verdict="met"}' == display_name(two_labels.fields[0], two_labels)
    assert "n" == display_name(plain.fields[0], plain)
    assert "L" == display_name(replace(plain.fields[0], legend="L"), plain)


def test_a_threshold_comes_from_a_query() -> None:
    """Green below it, red from it on; the query that tells it is not shown."""
    step = {
        "id": "configFromData",
        "options": {
            "configRefId": "limit",
            "applyTo": {"id": "byFrameRefID", "options": "mean"},
            "mappings": [{"fieldName": "most", "handlerKey": "threshold1"}],
        },
    }
    frames = [
        Frame(ref_id="mean", fields=(field(3.9, 4.0, name="mean"),)),
        Frame(ref_id="limit", fields=(field(4.0, name="most"),)),
    ]
    (told,) = configured(panel(), transformed(frames, [step]))
    colors = [shown(told.fields[0], value).color for value in told.fields[0].values]

    assert ["#56A64B", "#E02F44"] == colors


def test_columns_are_left_out_ordered_and_renamed() -> None:
    """By the names that they have before."""
    options = {
        "excludeByName": {"Time": True},
        "indexByName": {"b": 0, "a": 1},
        "renameByName": {"a": "first"},
    }
    frame = Frame(ref_id="A", fields=tuple(field(1.0, name=name) for name in ("Time", "a", "b")))
    (made,) = transformed([frame], [{"id": "organize", "options": options}])

    assert ["b", "first"] == [display_name(each, made) for each in made.fields]


def test_defaults_overrides_and_mappings() -> None:
    """An override is over the defaults, a mapping over the unit, and nothing is said in words."""
    mapping = {"type": "value", "options": {"1": {"text": "workday", "color": "green"}}}
    override = {
        "matcher": {"id": "byName", "options": "day"},
        "properties": [{"id": "mappings", "value": [mapping]}, {"id": "decimals", "value": 0}],
    }
    told = panel(defaults={"unit": "none", "decimals": 1, "noValue": "-"}, overrides=[override])
    frame = Frame(ref_id="A", fields=(field(1.0, 2.0, name="day"), field(2.0, None, name="n")))
    (made,) = configured(told, [frame])
    texts = [[shown(each, value).text for value in each.values] for each in made.fields]

    assert [["workday", "2"], ["2.0", "-"]] == texts
    assert "#56A64B" == shown(made.fields[0], 1.0).color


def test_long_rows_become_a_column_for_each_series() -> None:
    """Named by the metric alone if there is one column of values; gaps stay gaps."""
    kinds = [FieldType.TIME, FieldType.STRING, FieldType.NUMBER]
    rows: list[list[Cell]]
    rows = [[FIRST, "all", 3.5], [FIRST, "I", 2.5], [SECOND, "all", 3.6]]
    made = as_series(frame_of_rows("A", ["time", "metric", "mean"], kinds, rows))

    assert ["Time", "all", "I"] == [each.name for each in made.fields]
    assert [(FIRST, 3.5, 2.5), (SECOND, 3.6, None)] == made.rows()


def test_a_series_needs_a_time() -> None:
    """As Grafana refuses it."""
    with pytest.raises(AnswerError, match="no column time"):
        as_series(frame_of_rows("A", ["day"], [FieldType.TIME], [[FIRST]]))
