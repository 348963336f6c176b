"""Names of cities and offices, for people; an unknown one is shown by its code."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any

import msgspec

OTHER_CITY = "other"
"""The metric label of a city that has no name here: labels must stay few (DESIGN 6)."""

Name = Annotated[str, msgspec.Meta(min_length=1, max_length=100)]
OfficeCode = Annotated[str, msgspec.Meta(pattern=r"^1[0-9]{10}\Z")]


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A city or office with its Chinese and English names."""

    code: str
    name_zh: str
    name_en: str


class PlacesError(ValueError):
    """A `[[city]]` or `[[office]]` block of a configuration is wrong; the message says where."""


class _City(msgspec.Struct, forbid_unknown_fields=True):
    code: Annotated[str, msgspec.Meta(pattern=r"^[0-9]{6}\Z")]
    name_zh: Name
    name_en: Name


class _Office(msgspec.Struct, forbid_unknown_fields=True):
    code: OfficeCode
    name_zh: Name
    name_en: Name
    parent: OfficeCode | None = None


class _Places(msgspec.Struct):
    city: list[_City] = []
    office: list[_Office] = []


@dataclass(frozen=True, slots=True, kw_only=True)
class Places:
    """Cities by six-digit code, offices by eleven-digit code, and the parents that were told."""

    cities: Mapping[str, Place]
    offices: Mapping[str, Place]
    parents: Mapping[str, str] = field(default_factory=dict)

    def city_label(self, city: str) -> str:
        """Return a bounded metric label for a city."""
        return city if city in self.cities else OTHER_CITY

    def is_within(self, office: str, ancestor: str) -> bool:
        """Say whether an office is another or lies below it, by told parents or by its code."""
        prefix = subtree_prefix(ancestor)
        return any(link.startswith(prefix) for link in _line(office, self.parents))


def subtree_prefix(office: str) -> str:
    """Return what the codes of an office and all below it begin with.

    The pairs of zeros at the end of a code stand for what it does not narrow down:
    14300000000 is the province, 14301000000 a city, 14301810000 a county.
    """
    prefix = office
    while len(prefix) > 1 and prefix.endswith("00"):
        prefix = prefix[:-2]
    return prefix


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
    try:
        told = msgspec.convert(config or {}, _Places)
    except msgspec.ValidationError as error:
        raise PlacesError(str(error)) from error
    hunan = (Place(code=code, name_zh=zh, name_en=en) for code, zh, en in HUNAN)
    parents = {office.code: office.parent for office in told.office if office.parent is not None}
    _refuse_cycles(parents)
    return Places(
        cities={place.code: place for place in (*hunan, *map(_place, told.city))},
        offices={office.code: _place(office) for office in told.office},
        parents=parents,
    )


def _place(told: _City | _Office) -> Place:
    return Place(code=told.code, name_zh=told.name_zh, name_en=told.name_en)


def _refuse_cycles(parents: Mapping[str, str]) -> None:
    for office in parents:
        line: list[str] = []
        for link in _line(office, parents):
            if link in line:
                raise PlacesError(
                    f"[[office]] {office}: parent: the line of parents comes back to itself "
                    f"({' -> '.join((*line, link))}); an office cannot lie below itself"
                )
            line.append(link)
