"""Tables are checked field by field: everything wrong is told, on one line each, and bounded."""

from datetime import date
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rebate_monitor import places, policy_file
from rebate_monitor.told_fields import (
    MOST_PROBLEMS,
    Checked,
    ToldError,
    check_table,
    check_tables,
    given_twice,
    shown,
    unknown_name,
)


class Colour(StrEnum):
    RED = "red"
    GREEN = "green"


Size = Annotated[int, msgspec.Meta(ge=1, le=9, description="a size from 1 to 9")]


class Inner(msgspec.Struct, forbid_unknown_fields=True):
    size: Size
    colour: Colour | None = None


class Outer(msgspec.Struct, forbid_unknown_fields=True):
    name: Annotated[
        str,
        msgspec.Meta(min_length=1, max_length=5, pattern="^[^X]*$", description="a name"),
    ]
    inner: Annotated[Inner, msgspec.Meta(description="a table such as { size = 1 }")]
    day: date | None = None
    weight: Annotated[float, msgspec.Meta(gt=0, description="a weight above 0")] = 1
    sizes: Annotated[
        tuple[Size, ...], msgspec.Meta(max_length=200, description="sizes from 1 to 9")
    ] = ()


RIGHT: dict[str, Any] = {"name": "x", "inner": {"size": 3}}


def told(**fields: Any) -> list[str]:  # noqa: ANN401 - any value
    """Return what is told of a table that is right but for these fields."""
    return list(check_table({**RIGHT, **fields}, Outer).problems)


def test_right_table() -> None:
    """A table without a problem comes as its struct, with defaults for what it leaves out."""
    checked = check_table({**RIGHT, "day": date(2024, 1, 1), "sizes": [1, 2]}, Outer)

    assert () == checked.problems
    assert Outer("x", Inner(3), date(2024, 1, 1), 1, (1, 2)) == checked.table


def test_what_is_right_of_a_wrong_table() -> None:
    """The fields that are right can be read beside the problems."""
    checked = check_table({"name": "x", "day": "2024-01-01", "weight": "3"}, Outer)

    assert {"name": "x", "day": date(2024, 1, 1)} == checked.right
    assert [
        'weight: "3" is text; must be a weight above 0',
        "inner: is missing; must be a table such as { size = 1 }",
    ] == list(checked.problems)


@pytest.mark.parametrize(
    ("value", "problem"),
    [
        (0, "0 is out of range"),
        (10**19, "10000000000000000000 is out of range"),
        (-(10**20), "a huge number is out of range"),
        (True, "true is a truth value"),
        (False, "false is a truth value"),
        (1.5, "1.5 is a number with a decimal point"),
        ("1", '"1" is text'),
        (date(2024, 1, 2), "2024-01-02 is a date"),
        ([1], "is an array"),
        ({"a": 1}, "is a table"),
        (None, "is nothing"),
    ],
)
def test_a_number_of_another_kind(value: object, problem: str) -> None:
    """Of a value of another kind the kind is told, of one of the right kind that it is too much."""
    expected = f"inner.size: {problem}; must be a size from 1 to 9"

    assert [expected] == told(inner={"size": value})


def test_a_number_that_python_does_not_write() -> None:
    """A number of more digits than Python would write, which TOML can have in hex, is told too."""
    assert ["inner.size: a huge number is out of range; must be a size from 1 to 9"] == told(
        inner={"size": 16**5000}
    )


@pytest.mark.parametrize(
    ("field", "value", "problem"),
    [
        ("weight", float("nan"), "nan is out of range; must be a weight above 0"),
        ("weight", 0, "0 is out of range; must be a weight above 0"),
        ("weight", 10**400, "a huge number is out of range; must be a weight above 0"),
        ("weight", True, "true is a truth value; must be a weight above 0"),
        ("name", "too long", '"too long" has 8 characters; must be a name'),
        ("name", "", '"" is empty; must be a name'),
        ("name", "X", '"X" is of another form; must be a name'),
        ("day", "soon", '"soon" is no date; must be a date such as 2024-12-31'),
        ("day", 2024, "2024 is a whole number; must be a date such as 2024-12-31"),
        ("inner", 3, "3 is a whole number; must be a table such as { size = 1 }"),
        ("sizes", 3, "3 is a whole number; must be sizes from 1 to 9"),
        ("sizes", [1] * 201, "is an array of 201; must be sizes from 1 to 9"),
    ],
)
def test_a_field_that_is_wrong(field: str, value: object, problem: str) -> None:
    """Each kind of field has its own words for what is wrong with it."""
    assert [f"{field}: {problem}"] == told(**{field: value})


def test_every_wrong_item_of_an_array() -> None:
    """All items of an array that are wrong are told, the right ones are not."""
    assert [
        "sizes: 0 is out of range; must be sizes from 1 to 9",
        'sizes: "x" is text; must be sizes from 1 to 9',
    ] == told(sizes=[1, 0, "x", 9])


def test_every_problem_of_a_table_in_a_table() -> None:
    """The fields of an inner table are named with the outer one's name."""
    assert [
        'inner.colour: "blue" is unknown; must be one of red, green',
        "inner.weight: unknown; must be one of size, colour",
        "inner.size: is missing; must be a size from 1 to 9",
    ] == told(inner={"colour": "blue", "weight": 1})


def test_problems_are_bounded() -> None:
    """Of very much that is wrong the first is told, and that there is more."""
    all_told = told(sizes=[0] * MOST_PROBLEMS)
    cut = told(sizes=[0] * (MOST_PROBLEMS + 1))

    assert MOST_PROBLEMS == len(all_told)
    assert all_told == cut[:-1]
    assert "more is wrong than these 100 problems" == cut[-1]


class TestTables:
    def check(self, table: object, most: int = 200) -> list[Checked[Outer]]:
        """Check the tables of a file."""
        return check_tables({"outer": table}, "outer", Outer, title="outer", key="name", most=most)

    def test_titles(self) -> None:
        """A table is titled by its key where that is a text, else by its place."""
        checked = self.check([RIGHT, {**RIGHT, "name": "a\nb", "x": 1}, {"name": 3}, 4])

        assert ['outer "x"', r'outer "a\nb"', "outer 3", "outer 4"] == [c.title for c in checked]
        assert (r'outer "a\nb": x: unknown; must be one of name, inner, day, weight, sizes',) == (
            checked[1].problems
        )
        assert ("outer 4: 4 is a whole number; must be a table",) == checked[3].problems

    def test_no_tables(self) -> None:
        """A file without them has none."""
        assert [] == check_tables({}, "outer", Outer, title="outer", key="name", most=1)

    @pytest.mark.parametrize(
        ("value", "problem"),
        [
            (RIGHT, "[[outer]]: is a table; must be tables, each written [[outer]]"),
            (3, "[[outer]]: 3 is a whole number; must be tables, each written [[outer]]"),
            ([RIGHT] * 201, "[[outer]]: is given 201 times; must be at most 200 tables"),
        ],
    )
    def test_what_is_no_list_of_tables(self, value: object, problem: str) -> None:
        """What is not a list of tables, or too long a one, is told as a whole."""
        assert [(problem,)] == [checked.problems for checked in self.check(value)]

    def test_many_wrong_tables_are_bounded(self) -> None:
        """After a hundred problems the rest is not checked, which is told."""
        checked = self.check([{}] * 60)

        assert 51 == len(checked)
        assert ("[[outer]]: only the first 50 tables were checked",) == checked[-1].problems

    def test_as_many_as_are_checked(self) -> None:
        """Where the last of the problems is in the last table, nothing was left out."""
        assert 50 == len(self.check([{}] * 50))

    def test_given_twice(self) -> None:
        """A key of more than one table is named once; one that is wrong is not compared."""
        tables = [RIGHT, RIGHT, {**RIGHT, "name": "y"}, RIGHT, {"name": 3}, {"name": 3}]

        assert ["x"] == given_twice(self.check(tables), "name")


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("effective_form", "effective_form: unknown field; did you mean effective_from?"),
        ("V", "V: unknown; must be one of effective_from, IV"),
        ("", '"": unknown; must be one of effective_from, IV'),
        ("a b", '"a b": unknown; must be one of effective_from, IV'),
        ("政策\n", r'"政策\n": unknown; must be one of effective_from, IV'),
        ("x" * 61, f'"{"x" * 60}…": unknown; must be one of effective_from, IV'),
    ],
)
def test_unknown_name(name: str, said: str) -> None:
    """A slip gets its correction, anything else the names there are; odd names are quoted."""
    assert said == unknown_name(name, ["effective_from", "IV"], "field")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("政策", '"政策"'),
        ('a "b" \\', r'"a \"b\" \\"'),
        ("a\r\nb\t\0", r'"a\r\nb\t\u0000"'),
        ("\x7f\x85\u2028\u202e", r'"\x7f\x85\u2028\u202e"'),
        ("x" * 60, f'"{"x" * 60}"'),
        ("x" * 61, f'"{"x" * 60}…"'),
    ],
)
def test_shown(text: str, expected: str) -> None:
    """A text is shown in quotation marks, as it is where it can be seen, and cut."""
    assert expected == shown(text)


@given(st.text(st.characters(exclude_categories=())))
def test_shown_is_one_printable_line(text: str) -> None:
    """Whatever a text holds, half a surrogate pair included, a terminal and a log can take it."""
    assert shown(text).isprintable()
    assert 1 == len(shown(text).splitlines())
    assert shown(text).encode()


class FruitError(ToldError):
    """A made-up error."""


def test_error_within_a_place() -> None:
    """A file stands before each problem, and the error stays of its kind."""
    error = FruitError("apple: is bad", "pear: is missing").within(Path("/etc/fruit.toml"))

    assert isinstance(error, FruitError)
    assert ("/etc/fruit.toml: apple: is bad", "/etc/fruit.toml: pear: is missing") == error.problems
    assert "\n".join(error.problems) == str(error)


TOLD = [policy_file._Policy, policy_file._Limits, policy_file._Targets, policy_file._Counting,
        policy_file._Suspensions, places._City, places._Office]  # fmt: skip


@pytest.mark.parametrize("to", TOLD)
def test_every_field_has_a_rule_in_words(to: type[msgspec.Struct]) -> None:
    """Whatever a configuration can get wrong has words for what it must be."""
    for name in (field.name for field in msgspec.structs.fields(to)):
        problems = check_table({name: [[]]}, to).problems

        assert 1 == sum(
            problem.startswith(f"{name}: is an array; must be ") for problem in problems
        )


def test_a_field_without_words_is_a_mistake_of_ours() -> None:
    """A struct whose field has no rule in words is found by whoever tries it."""

    class Bare(msgspec.Struct, forbid_unknown_fields=True):
        size: int

    with pytest.raises(TypeError, match="no description"):
        check_table({"size": "x"}, Bare)
