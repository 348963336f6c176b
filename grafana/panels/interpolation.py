"""What Grafana puts in the place of variables (Grafana 13: @grafana/scenes, prometheus, sql)."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

__all__ = ["ALL", "Choice", "glob_format", "interpolate", "postgresql_format", "prometheus_format"]

ALL = "$__all"
VARIABLE = re.compile(
    r"\$(?P<short>\w+)"
    r"|\[\[(?P<old>\w+?)(?::(?P<old_format>\w+))?\]\]"
    r"|\$\{(?P<long>\w+)(?P<path>\.[^:^{}\[\]]+)?(?::(?P<format>[^}]+))?\}",
    re.ASCII,
)
PROMETHEUS_SPECIAL = re.compile(r"[$^*{}\[\]+?.()|]")
REGEX_SPECIAL = re.compile(r"[-\\^$*+?.()|\[\]{}/]")

Value = str | tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """What is selected for one variable.

    `value` is a tuple where several can be selected, with all options in it when All is; `custom`
    is the text that stands for All instead, put in as it is.
    """

    name: str
    value: Value
    text: str
    multi: bool = False
    include_all: bool = False
    custom: str = ""


Format = Callable[[Value, Choice], str]


def interpolate(text: str, choices: Mapping[str, Choice], default: Format) -> str:
    """Return a text with its variables replaced; what is no variable of these stays."""

    def replace(found: re.Match[str]) -> str:
        choice = choices.get(found["short"] or found["old"] or found["long"])
        if choice is None:
            return found[0]
        wanted = found["old_format"] or found["format"]
        if choice.custom:
            return _custom(choice, wanted, choices, default)
        return named_format(wanted, default)(choice.value, choice)

    return VARIABLE.sub(replace, text)


def _custom(
    choice: Choice, wanted: str | None, choices: Mapping[str, Choice], default: Format
) -> str:
    return choice.text if wanted == "text" else interpolate(choice.custom, choices, default)


def named_format(wanted: str | None, default: Format) -> Format:
    """Return the format that is asked for; Grafana takes an unknown one for `glob`."""
    return default if wanted is None else FORMATS.get(wanted, glob_format)


def prometheus_format(value: Value, choice: Choice) -> str:
    """Return what the Prometheus data source sends: a part of a regular expression."""
    if not choice.multi and not choice.include_all:
        return str(value).replace("\\", "\\\\").replace("'", "\\\\'")
    return _alternatives([_prometheus_escaped(each) for each in _several(value)], value)


def _prometheus_escaped(value: str) -> str:
    """Escape for a regular expression, and once more for the string that it stands in."""
    return PROMETHEUS_SPECIAL.sub(r"\\\\\g<0>", value.replace("\\", "\\\\\\\\"))


def postgresql_format(value: Value, choice: Choice) -> str:
    """Return what the PostgreSQL data source sends: literals where several can be selected."""
    if isinstance(value, tuple):
        return ",".join(map(_literal, value))
    is_literal = choice.multi or choice.include_all
    return _literal(value) if is_literal else value.replace("'", "''")


def _literal(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"


def glob_format(value: Value, _: Choice) -> str:
    """Return `{a,b}` for several: Grafana's format where nobody asks for one, as in titles."""
    if isinstance(value, tuple) and len(value) > 1:
        return "{" + ",".join(value) + "}"
    return ",".join(_several(value))


def _regex_format(value: Value, _: Choice) -> str:
    return _alternatives([REGEX_SPECIAL.sub(r"\\\g<0>", each) for each in _several(value)], value)


def _alternatives(escaped: Sequence[str], value: Value) -> str:
    if isinstance(value, str) or len(escaped) == 1:
        return escaped[0]
    return "(" + "|".join(escaped) + ")"


def _sql_string_format(value: Value, _: Choice) -> str:
    return ",".join(_literal(each.replace('"', '\\"')) for each in _several(value))


def _quoted_format(quote: str) -> Format:
    def quoted(value: Value, _: Choice) -> str:
        escaped = (each.replace(quote, f"\\{quote}") for each in _several(value))
        return ",".join(f"{quote}{each}{quote}" for each in escaped)

    return quoted


def _joined_format(separator: str) -> Format:
    return lambda value, _: separator.join(_several(value))


def _several(value: Value) -> tuple[str, ...]:
    return (value,) if isinstance(value, str) else value


FORMATS: dict[str, Format] = {
    "csv": _joined_format(","),
    "doublequote": _quoted_format('"'),
    "glob": glob_format,
    "pipe": _joined_format("|"),
    "raw": _joined_format(","),
    "regex": _regex_format,
    "singlequote": _quoted_format("'"),
    "sqlstring": _sql_string_format,
    "text": lambda _, choice: choice.text,
}
