"""Check told tables field by field: every problem in one go, with field, value and rule.

The fields are those of a msgspec struct that forbids unknown ones, as do the structs in it. What
follows "must be" is the `description` in a field's Meta; enums and dates need none, an array needs
a greatest length. Values are shown: no table with secrets comes here.
"""

import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, time
from difflib import get_close_matches
from itertools import islice
from typing import Any, Generic, Self, TypeVar

import msgspec
from msgspec import inspect

Table = TypeVar("Table", bound=msgspec.Struct)

# PostgreSQL keeps neither U+0000 nor half a surrogate pair.
STORABLE = r"\A[^\x00\ud800-\udfff]*\Z"
MOST_PROBLEMS = 100  # told of one file: nobody mends more at once, and a stranger may send a lot
CLOSE = 0.8  # what a slip of the keyboard leaves alike, of 1; "V" is no slip of "IV"
SHOWN_CHARACTERS = 60
SHOWN_NUMBER = 10**20
BARE_KEY = re.compile(r"[A-Za-z0-9_-]{1,60}")
KINDS: tuple[tuple[type, str], ...] = (
    (str, "text"),
    (bool, "a truth value"),
    (int, "a whole number"),
    (float, "a number with a decimal point"),
    (datetime, "a date with a time"),
    (date, "a date"),
    (time, "a time of day"),
    (list, "an array"),
    (dict, "a table"),
)
"""What TOML knows, in words; the first that fits: a bool is an int, a datetime is a date."""


class ToldError(ValueError):
    """What was told is wrong: `problems` has a text for each thing, the message a line for each."""

    def __init__(self, *problems: str) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems

    def within(self, place: object) -> Self:
        """Return the error with a place, such as a file, before each problem."""
        return type(self)(*(f"{place}: {problem}" for problem in self.problems))


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked(Generic[Table]):
    """One told table: the values of the fields that are right, and a text for each problem."""

    to: type[Table]
    title: str = ""
    right: Mapping[str, Any] = field(default_factory=dict)
    problems: tuple[str, ...] = ()

    @property
    def table(self) -> Table:
        """The table itself, where there is no problem."""
        return self.to(**self.right)

    def titled(self, title: str) -> "Checked[Table]":
        """Return the same with a title, which also stands before each problem."""
        problems = tuple(f"{title}: {problem}" for problem in self.problems)
        return Checked(to=self.to, title=title, right=self.right, problems=problems)


def check_tables(  # noqa: PLR0913 - what to check, and what to call it
    config: Mapping[str, Any], name: str, to: type[Table], *, title: str, key: str, most: int
) -> list[Checked[Table]]:
    """Check the `[[name]]` tables of a parsed file, at most so many, until too many are wrong.

    Each is titled by its `key` where that can be read, else by its place in the file, from 1.
    """
    told = config.get(name, [])
    if not isinstance(told, list):
        return [_refused(to, name, f"{_is(told)}; must be tables, each written [[{name}]]")]
    if len(told) > most:
        return [_refused(to, name, f"is given {len(told)} times; must be at most {most} tables")]
    checked: list[Checked[Table]] = []
    wrong = 0
    for number, table in enumerate(told, 1):
        checked.append(check_table(table, to).titled(f"{title} {_called(table, key) or number}"))
        wrong += len(checked[-1].problems)
        if wrong >= MOST_PROBLEMS and number < len(told):
            return [*checked, _refused(to, name, f"only the first {number} tables were checked")]
    return checked


def _refused(to: type[Table], name: str, problem: str) -> Checked[Table]:
    return Checked(to=to, problems=(f"[[{name}]]: {problem}",))


def _called(table: object, key: str) -> str | None:
    name = table.get(key) if isinstance(table, dict) else None
    return shown(name) if isinstance(name, str) else None


def check_table(told: object, to: type[Table]) -> Checked[Table]:
    """Check one table that was decoded from TOML or JSON."""
    if not isinstance(told, dict):
        return Checked(to=to, problems=(f"{_is(told)}; must be a table",))
    if _fits(told, to):
        return Checked(to=to, right=msgspec.structs.asdict(msgspec.convert(told, to)))
    right = {
        name: msgspec.convert(told[name], wanted)
        for name, wanted in _wanted(to).items()
        if name in told and _fits(told[name], wanted)
    }
    return Checked(to=to, right=right, problems=tuple(_first(_problems(told, to))))


def _first(problems: Iterator[str]) -> Iterator[str]:
    yield from islice(problems, MOST_PROBLEMS)
    if next(problems, None):
        yield f"more is wrong than these {MOST_PROBLEMS} problems"


def _wanted(to: type[msgspec.Struct]) -> dict[str, Any]:
    return {field.name: field.type for field in msgspec.structs.fields(to)}


def _fits(value: object, wanted: Any) -> bool:  # noqa: ANN401 - any type at all
    try:
        msgspec.convert(value, wanted)
    except msgspec.ValidationError:
        return False
    return True


def _problems(told: Mapping[str, Any], to: type[msgspec.Struct]) -> Iterator[str]:
    known = _wanted(to)
    for name, value in told.items():
        if name not in known:
            yield unknown_name(name, known, "field")
        elif not _fits(value, known[name]):
            yield from _wrong(name, value, known[name])
    for name in (each.name for each in msgspec.structs.fields(to) if each.required):
        if name not in told:
            yield f"{name}: is missing; must be {_rule(inspect.type_info(known[name]))}"


def _wrong(name: str, value: object, wanted: Any) -> Iterator[str]:  # noqa: ANN401 - the same
    told = inspect.type_info(wanted)
    match _bare(told), value:
        case inspect.StructType(cls=to), dict():
            yield from (f"{name}.{problem}" for problem in _problems(value, to))
        case inspect.VarTupleType(item_type=item, max_length=most), list() if _has(most, value):
            for each in (each for each in value if not _fits([each], wanted)):
                yield f"{name}: {_problem(each, _bare(item))}; must be {_rule(told)}"
        case bare, _:
            yield f"{name}: {_problem(value, bare)}; must be {_rule(told)}"


def _has(most: int | None, items: list[Any]) -> bool:
    return most is not None and len(items) <= most


def given_twice(tables: Iterable[Checked[Table]], key: str) -> list[str]:
    """Return the values of a key that more than one table has."""
    values = (table.right[key] for table in tables if key in table.right)
    return [value for value, times in Counter(values).items() if times > 1]


def unknown_name(name: str, known: Iterable[str], what: str) -> str:
    """Say that a name is unknown, and which was meant or which there are."""
    names = list(known)
    meant = get_close_matches(name, names, n=1, cutoff=CLOSE)
    if meant:
        return f"{_key(name)}: unknown {what}; did you mean {meant[0]}?"
    return f"{_key(name)}: unknown; must be one of {', '.join(names)}"


def shown(text: str) -> str:
    """Return a text in quotation marks, on one line and not at any length."""
    cut = text if len(text) <= SHOWN_CHARACTERS else f"{text[:SHOWN_CHARACTERS]}…"
    return "".join(
        letter if letter.isprintable() else letter.encode("unicode_escape").decode()
        for letter in json.dumps(cut, ensure_ascii=False)
    )


def _key(name: str) -> str:
    return name if BARE_KEY.fullmatch(name) else shown(name)


def _bare(wanted: inspect.Type) -> inspect.Type:
    """Return a type without its bounds, and without the None of a field that may be left out."""
    match wanted:
        case inspect.Metadata(type=inner) | inspect.UnionType(types=(inner, *_)):
            return _bare(inner)
        case _:
            return wanted


def _rule(wanted: inspect.Type) -> str:
    match wanted:
        case inspect.Metadata(extra_json_schema={"description": str(words)}):
            return words
        case inspect.UnionType(types=(inner, *_)):
            return _rule(inner)
        case inspect.EnumType(cls=names):
            return f"one of {', '.join(name.value for name in names)}"
        case inspect.DateType():
            return "a date such as 2024-12-31"
        case _:
            raise TypeError(f"{wanted} has no description of what it must be")


def _problem(value: object, bare: inspect.Type) -> str:
    """Say what is wrong with a value that does not fit: its kind, or else its content."""
    match bare, value:
        case _, bool():
            fault = f"is {_kind(value)}"
        case (inspect.IntType(), int()) | (inspect.FloatType(), int() | float()):
            fault = "is out of range"
        case inspect.StrType(), "":
            fault = "is empty"
        case inspect.StrType(max_length=int(most)), str(text) if len(text) > most:
            fault = f"has {len(text)} characters"
        case inspect.StrType(), str():
            fault = "is of another form"
        case inspect.EnumType(), str():
            fault = "is unknown"
        case inspect.DateType(), str():
            fault = "is no date"
        case inspect.VarTupleType(), list():
            fault = f"is an array of {len(value)}"
        case _:
            fault = f"is {_kind(value)}"
    return f"{_value(value)} {fault}".strip()


def _is(value: object) -> str:
    return f"{_value(value)} is {_kind(value)}".strip()


def _kind(value: object) -> str:
    return next((words for kind, words in KINDS if isinstance(value, kind)), "nothing")


def _value(value: object) -> str:
    match value:
        case str():
            return shown(value)
        case bool():
            return str(value).lower()
        case int() if abs(value) >= SHOWN_NUMBER:
            return "a huge number"
        case date() | time():
            return value.isoformat()
        case list() | dict() | None:
            return ""
        case _:
            return str(value)
