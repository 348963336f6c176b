"""Names of cities and offices, for people; an unknown one is shown by its code."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Annotated, Any

import msgspec

from rebate_monitor.domain.bounds import Bounds
from rebate_monitor.domain.office import subtree_prefix
from rebate_monitor.told_fields import (
    MOST_PROBLEMS,
    STORABLE,
    Checked,
    ToldError,
    check_tables,
    given_twice,
    shown,
)

OTHER_CITY = "other"
"""The metric label of a city that has no name here: labels must stay few (DESIGN 6)."""

MOST_CITIES, MOST_OFFICES = 1_000, 100_000

Name = Annotated[
    str,
    msgspec.Meta(
        min_length=1,
        max_length=100,
        pattern=STORABLE,
        description="a text of 1 to 100 characters, without U+0000",
    ),
]
CityCode = Annotated[
    str, msgspec.Meta(pattern=r"^[0-9]{6}\Z", description="six digits in quotation marks")
]
OfficeCode = Annotated[
    str,
    msgspec.Meta(
        pattern=r"^1[0-9]{10}\Z",
        description="eleven digits in quotation marks, the first of them 1",
    ),
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A city or office with its Chinese and English names."""

    code: str
    name_zh: str
    name_en: str


class PlacesError(ToldError):
    """`[[city]]` or `[[office]]` blocks of a configuration are wrong; each problem says where."""


class _City(msgspec.Struct, forbid_unknown_fields=True):
    code: CityCode
    name_zh: Name
    name_en: Name


class _Office(msgspec.Struct, forbid_unknown_fields=True):
    code: OfficeCode
    name_zh: Name
    name_en: Name
    parent: OfficeCode | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Places:
    """Cities by six-digit code, offices by eleven-digit code, and the parents that were told."""

    cities: Mapping[str, Place]
    offices: Mapping[str, Place]
    parents: Mapping[str, str] = field(default_factory=dict)

    def city_label(self, city: str) -> str:
        """Return a bounded metric label for a city."""
        return city if city in self.cities else OTHER_CITY

    def widen(self, bounds: Bounds) -> Bounds:
        """Return bounds that also name the offices that were told to lie below theirs."""
        told = [
            office
            for office in self.parents
            if any(self.is_within(office, above) for above in bounds.offices)
        ]
        return replace(bounds, offices=tuple(dict.fromkeys([*bounds.offices, *told])))

    def is_within(self, office: str, ancestor: str) -> bool:
        """Say whether an office is another or lies below it, by told parents or by its code."""
        prefix = subtree_prefix(ancestor)
        return any(link.startswith(prefix) for link in _line(office, self.parents))


def _line(office: str, parents: Mapping[str, str]) -> Iterator[str]:
    """Yield an office, its parent, and so on upwards."""
    told: str | None = office
    while told is not None:
        yield told
        told = parents.get(told)


HUNAN = (
    ("430100", "长沙市", "Changsha"),
    ("430200", "株洲市", "Zhuzhou"),
    ("430300", "湘潭市", "Xiangtan"),
    ("430400", "衡阳市", "Hengyang"),
    ("430500", "邵阳市", "Shaoyang"),
    ("430600", "岳阳市", "Yueyang"),
    ("430700", "常德市", "Changde"),
    ("430800", "张家界市", "Zhangjiajie"),
    ("430900", "益阳市", "Yiyang"),
    ("431000", "郴州市", "Chenzhou"),
    ("431100", "永州市", "Yongzhou"),
    ("431200", "怀化市", "Huaihua"),
    ("431300", "娄底市", "Loudi"),
    ("433100", "湘西土家族苗族自治州", "Xiangxi"),
)
"""The first-level prefectures of Hunan, GB/T 2260."""


def places(config: Mapping[str, Any] | None = None) -> Places:
    """Return Hunan's cities with a configuration's cities and offices added; raise PlacesError."""
    told = config or {}
    cities = check_tables(told, "city", _City, title="[[city]]", key="code", most=MOST_CITIES)
    offices = check_tables(
        told, "office", _Office, title="[[office]]", key="code", most=MOST_OFFICES
    )
    problems = [*_city_problems(cities), *_office_problems(offices, _known_cities(cities))]
    if problems:
        raise PlacesError(*problems)
    return _places([city.table for city in cities], [office.table for office in offices])


def _places(cities: list[_City], offices: list[_Office]) -> Places:
    hunan = (Place(code=code, name_zh=zh, name_en=en) for code, zh, en in HUNAN)
    return Places(
        cities={place.code: place for place in (*hunan, *map(_place, cities))},
        offices={office.code: _place(office) for office in offices},
        parents={office.code: office.parent for office in offices if office.parent is not None},
    )


def _place(told: _City | _Office) -> Place:
    return Place(code=told.code, name_zh=told.name_zh, name_en=told.name_en)


def _known_cities(told: list[Checked[_City]]) -> set[str]:
    return {code for code, *_ in HUNAN} | {city.right.get("code", "") for city in told}


def _city_problems(told: list[Checked[_City]]) -> Iterator[str]:
    for city in told:
        yield from city.problems
    for code in given_twice(told, "code"):
        yield f"[[city]] {shown(code)}: code: is given twice; every city needs one of its own"


def _office_problems(told: list[Checked[_Office]], cities: Collection[str]) -> Iterator[str]:
    problems = [problem for office in told for problem in office.problems]
    yield from problems
    if len(problems) >= MOST_PROBLEMS:
        return  # not all of them were checked, so a parent may be among the rest
    for code in given_twice(told, "code"):
        yield f"[[office]] {shown(code)}: code: is given twice; every office needs one of its own"
    yield from _unknown_parents(told, cities)
    yield from _rings({o.right["code"]: o.right["parent"] for o in told if _has_parent(o)})


def _has_parent(office: Checked[_Office]) -> bool:
    return "code" in office.right and office.right.get("parent") is not None


def _unknown_parents(told: list[Checked[_Office]], cities: Collection[str]) -> Iterator[str]:
    offices = {office.right.get("code") for office in told}
    for office in told:
        parent = office.right.get("parent")
        if parent is not None and parent not in offices and not _is_placed(parent, cities):
            yield (
                f"{office.title}: parent: {shown(parent)} is unknown; must be another [[office]], "
                "or an office of a known province or city: Hunan's, or those of a [[city]]"
            )


def _is_placed(office: str, cities: Collection[str]) -> bool:
    """Say whether a code alone tells where an office lies: in a known city, or above one."""
    prefix = office[1:5].removesuffix("00").removesuffix("00")
    return any(city.startswith(prefix) for city in cities)


def _rings(parents: Mapping[str, str]) -> Iterator[str]:
    told: set[str] = set()
    for office in parents:
        ring = _ring_above(office, parents)
        if ring and told.isdisjoint(ring):
            yield (
                f"[[office]] {shown(ring[0])}: parent: the line of parents comes back to itself "
                f"({' -> '.join((*ring, ring[0]))}); an office cannot lie below itself"
            )
        told.update(ring)


def _ring_above(office: str, parents: Mapping[str, str]) -> list[str]:
    """Return the ring that an office's line of parents runs into, if it does."""
    line: list[str] = []
    for link in _line(office, parents):
        if link in line:
            return line[line.index(link) :]
        line.append(link)
    return []
