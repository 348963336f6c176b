"""Names of cities and offices, for people; an unknown one is shown by its code."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

OTHER_CITY = "other"
"""The metric label of a city that has no name here: labels must stay few (DESIGN 6)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A city or office with its Chinese and English names."""

    code: str
    name_zh: str
    name_en: str


class PlacesError(ValueError):
    """A `[[city]]` or `[[office]]` block of a configuration is wrong; the message says where."""


class _Places(msgspec.Struct):
    city: list[Place] = []
    office: list[Place] = []


@dataclass(frozen=True, slots=True, kw_only=True)
class Places:
    """Cities by six-digit code and offices by eleven-digit code."""

    cities: Mapping[str, Place]
    offices: Mapping[str, Place]

    def city_label(self, city: str) -> str:
        """Return a bounded metric label for a city."""
        return city if city in self.cities else OTHER_CITY


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
    return Places(
        cities={place.code: place for place in (*hunan, *told.city)},
        offices={place.code: place for place in told.office},
    )
