"""The names of cities and offices from a configuration, and how wrong ones are refused."""

from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rebate_monitor.domain.bounds import Bounds
from rebate_monitor.places import HUNAN, OTHER_CITY, Place, PlacesError, places
from rebate_monitor.server import configured_places
from rebate_monitor.settings import Settings

CHANGSHA, PROVINCE, LIUYANG = "14301000000", "14300000000", "14301810000"
ZONE, NEW_AREA = "14301910000", "14399910000"  # a zone's code lies outside GB/T 2260
NAME = "must be a text of 1 to 100 characters, without U+0000"
PLACED = (
    "must be another [[office]], or an office of a known province or city: "
    "Hunan's, or those of a [[city]]"
)
OFFICE_CODE = "must be eleven digits in quotation marks, the first of them 1"


def office(code: object, **more: object) -> dict[str, object]:
    """Return an `[[office]]` block."""
    return {"code": code, "name_zh": "税务局", "name_en": "Tax Bureau", **more}


def city(code: object, **more: object) -> dict[str, object]:
    """Return a `[[city]]` block."""
    return {"code": code, "name_zh": "广州市", "name_en": "Guangzhou", **more}


def without(block: dict[str, object], field: str) -> dict[str, object]:
    """Leave a field of a block out."""
    return {name: value for name, value in block.items() if name != field}


def problems(config: dict[str, Any]) -> list[str]:
    """Return the problems for which a configuration is refused."""
    with pytest.raises(PlacesError) as refused:
        places(config)
    return list(refused.value.problems)


class TestRead:
    @pytest.mark.parametrize("config", [None, {}])
    def test_hunan(self, config: dict[str, Any] | None) -> None:
        """Without a configuration the cities are Hunan's fourteen, and no office has a name."""
        told = places(config)

        assert [code for code, *_ in HUNAN] == list(told.cities)
        assert ({}, {}) == (told.offices, told.parents)

    def test_added(self) -> None:
        """Told cities stand beside Hunan's, offices have names, and parents where they are told."""
        told = places(
            {"city": [city("440100")], "office": [office(CHANGSHA), office(NEW_AREA, parent=ZONE)]}
        )

        assert Place(code="440100", name_zh="广州市", name_en="Guangzhou") == told.cities["440100"]
        assert ["430100", "440100", OTHER_CITY] == [
            told.city_label(code) for code in ("430100", "440100", "440200")
        ]
        assert [CHANGSHA, NEW_AREA] == list(told.offices)
        assert {NEW_AREA: ZONE} == told.parents

    def test_a_city_of_hunan_may_be_named_otherwise(self) -> None:
        """A told city of the same code replaces the name."""
        assert "广州市" == places({"city": [city("430100")]}).cities["430100"].name_zh

    @pytest.mark.parametrize(
        ("parent", "more"),
        [
            (CHANGSHA, {}),
            (PROVINCE, {}),
            ("14300009900", {}),  # a branch of the province's own
            ("10000000000", {}),  # the State Taxation Administration
            (LIUYANG, {}),
            (ZONE, {}),  # within Changsha by its first digits
            ("14401000000", {"city": [city("440100")]}),
            ("14400000000", {"city": [city("440100")]}),
            (NEW_AREA, {"office": [office(NEW_AREA)]}),
        ],
    )
    def test_parents(self, parent: str, more: dict[str, Any]) -> None:
        """A parent needs no block of its own where its code tells the place, else it does."""
        inner = office("14399920000", parent=parent)

        told = places({**more, "office": [inner, *more.get("office", [])]})

        assert told.is_within("14399920000", parent)


def test_bounds_are_widened_by_told_parents() -> None:
    """An office that was told to lie below another is bound with it, whatever its code says."""
    told = places({"office": [office(NEW_AREA, parent=CHANGSHA)]})

    widened = told.widen(Bounds(sources=("/a",), offices=(CHANGSHA,)))

    assert Bounds(sources=("/a",), offices=(CHANGSHA, NEW_AREA)) == widened
    assert widened.hold_office(NEW_AREA)
    assert told.widen(Bounds(offices=("14302000000",))) == Bounds(offices=("14302000000",))


WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "office in one bracket": (
        {"office": office(CHANGSHA)},
        "[[office]]: is a table; must be tables, each written [[office]]",
    ),
    "no table": ({"city": ["430100"]}, '[[city]] 1: "430100" is text; must be a table'),
    "short code": (
        {"office": [office("4301000000")]},
        f'[[office]] "4301000000": code: "4301000000" is of another form; {OFFICE_CODE}',
    ),
    "first digit": (
        {"office": [office("24301000000")]},
        f'[[office]] "24301000000": code: "24301000000" is of another form; {OFFICE_CODE}',
    ),
    "code with a line end": (
        {"office": [office(f"{CHANGSHA}\n")]},
        rf'[[office]] "{CHANGSHA}\n": code: "{CHANGSHA}\n" is of another form; {OFFICE_CODE}',
    ),
    "code without quotation marks": (
        {"office": [office(CHANGSHA), office(14301810000)]},
        f"[[office]] 2: code: 14301810000 is a whole number; {OFFICE_CODE}",
    ),
    "no code": (
        {"office": [without(office(CHANGSHA), "code")]},
        f"[[office]] 1: code: is missing; {OFFICE_CODE}",
    ),
    "parent's form": (
        {"office": [office(CHANGSHA, parent="1430000000x")]},
        f'[[office]] "{CHANGSHA}": parent: "1430000000x" is of another form; {OFFICE_CODE}',
    ),
    "unknown field": (
        {"office": [office(CHANGSHA, boss=PROVINCE)]},
        f'[[office]] "{CHANGSHA}": boss: unknown; must be one of code, name_zh, name_en, parent',
    ),
    "misspelt field": (
        {"office": [office(CHANGSHA, parant=PROVINCE)]},
        f'[[office]] "{CHANGSHA}": parant: unknown field; did you mean parent?',
    ),
    "empty name": (
        {"office": [office(CHANGSHA, name_zh="")]},
        f'[[office]] "{CHANGSHA}": name_zh: "" is empty; {NAME}',
    ),
    "long name": (
        {"office": [office(CHANGSHA, name_zh="局" * 101)]},
        f'[[office]] "{CHANGSHA}": name_zh: "{"局" * 60}…" has 101 characters; {NAME}',
    ),
    "name that PostgreSQL refuses": (
        {"office": [office(CHANGSHA, name_zh="\0")]},
        rf'[[office]] "{CHANGSHA}": name_zh: "\u0000" is of another form; {NAME}',
    ),
    "office twice": (
        {"office": [office(CHANGSHA), office(CHANGSHA, name_zh="长沙")]},
        f'[[office]] "{CHANGSHA}": code: is given twice; every office needs one of its own',
    ),
    "parent that nothing places": (
        {"office": [office(CHANGSHA, parent=NEW_AREA)]},
        f'[[office]] "{CHANGSHA}": parent: "{NEW_AREA}" is unknown; {PLACED}',
    ),
    "parent of another province": (
        {"office": [office(CHANGSHA, parent="14400000000")]},
        f'[[office]] "{CHANGSHA}": parent: "14400000000" is unknown; {PLACED}',
    ),
    "city code": (
        {"city": [city("43010")]},
        '[[city]] "43010": code: "43010" is of another form; must be six digits in quotation marks',
    ),
    "city without a name": (
        {"city": [without(city("440100"), "name_en")]},
        f'[[city]] "440100": name_en: is missing; {NAME}',
    ),
    "city with a parent": (
        {"city": [city("440100", parent="430000")]},
        '[[city]] "440100": parent: unknown; must be one of code, name_zh, name_en',
    ),
    "city twice": (
        {"city": [city("440100"), city("440100")]},
        '[[city]] "440100": code: is given twice; every city needs one of its own',
    ),
    "too many cities": (
        {"city": [city("440100")] * 1001},
        "[[city]]: is given 1001 times; must be at most 1000 tables",
    ),
}


@pytest.mark.parametrize(("config", "problem"), WRONG.values(), ids=list(WRONG))
def test_wrong_place_is_told(config: dict[str, Any], problem: str) -> None:
    """What is wrong is told with table, code, field, problem and rule, and nothing beside it."""
    assert [problem] == problems(config)


RINGS = {
    "itself": ([office(ZONE, parent=ZONE)], f"{ZONE} -> {ZONE}"),
    "two": (
        [office(ZONE, parent=LIUYANG), office(LIUYANG, parent=ZONE)],
        f"{ZONE} -> {LIUYANG} -> {ZONE}",
    ),
    "below a ring": (
        [office("14301990000", parent=ZONE), office(ZONE, parent=LIUYANG),
         office(LIUYANG, parent=ZONE)],
        f"{ZONE} -> {LIUYANG} -> {ZONE}",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("offices", "ring"), RINGS.values(), ids=list(RINGS))
def test_ring_of_parents_is_refused(offices: list[dict[str, object]], ring: str) -> None:
    """An office that lies below itself is refused, and each ring is shown once."""
    (told,) = problems({"office": offices})

    assert (
        f'[[office]] "{ZONE}": parent: the line of parents comes back to itself ({ring}); '
        "an office cannot lie below itself"
    ) == told


def test_everything_in_one_go() -> None:
    """All that is wrong with all blocks is told, an office twice and a ring as well."""
    told = problems(
        {
            "city": [city("4401"), city("440200", name_en="")],
            "office": [
                office(1),
                office(CHANGSHA, parent=CHANGSHA),
                office(LIUYANG, parent=NEW_AREA),
                office(LIUYANG, name_zh=3),
            ],
        }
    )

    assert [
        ('[[city]] "4401"', "code"),
        ('[[city]] "440200"', "name_en"),
        ("[[office]] 1", "code"),
        (f'[[office]] "{LIUYANG}"', "name_zh"),
        (f'[[office]] "{LIUYANG}"', "code"),
        (f'[[office]] "{LIUYANG}"', "parent"),
        (f'[[office]] "{CHANGSHA}"', "parent"),
    ] == [tuple(problem.split(": ")[:2]) for problem in told]


def test_a_parent_among_offices_that_were_not_checked() -> None:
    """Where so much is wrong that the rest is not checked, parents in it are not called unknown."""
    wrong = [office(LIUYANG, parent=NEW_AREA), *({} for _ in range(50)), office(NEW_AREA)]

    told = problems({"office": wrong})

    assert "[[office]]: only the first 35 tables were checked" == told[-1]
    assert [] == [problem for problem in told if "is unknown" in problem]


def test_the_file_is_named(tmp_path: Path) -> None:
    """What is wrong in the file of REBATE_CONFIG has the file before each problem."""
    file = tmp_path / "config.toml"
    file.write_text('[[city]]\ncode = "4301"\nname_zh = "长沙市"\n', "utf-8")

    with pytest.raises(PlacesError) as refused:
        configured_places(Settings(config=file))

    assert [f'{file}: [[city]] "4301": code', f'{file}: [[city]] "4301": name_en'] == [
        ": ".join(problem.split(": ")[:3]) for problem in refused.value.problems
    ]


codes = st.sampled_from([CHANGSHA, PROVINCE, LIUYANG, ZONE, NEW_AREA, "430100", "440100", 3])
values = codes | st.none() | st.text(max_size=5) | st.integers() | st.dates() | st.lists(codes)
blocks = st.dictionaries(
    st.sampled_from(["code", "name_zh", "name_en", "parent"]) | st.text(max_size=5), values
)
offices = st.builds(office, codes, parent=codes)


@given(st.lists(blocks | offices | values), st.lists(blocks) | values)
def test_nothing_else_is_raised(told: list[Any], other: Any) -> None:  # noqa: ANN401 - anything
    """Whatever the blocks hold, they are places or a PlacesError."""
    for config in ({"office": told, "city": other}, {"office": other, "city": told}):
        with suppress(PlacesError):
            places(config)
