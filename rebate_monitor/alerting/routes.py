"""Which alerts a channel is told of: `[[route]]` blocks."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal, TypeVar

import msgspec

from rebate_monitor.alerting.fields import convert_fields
from rebate_monitor.domain.alert import AlertKind, kind_of
from rebate_monitor.places import Places

UNKNOWN_CATEGORY = "unknown"
HIGHEST_LEVEL = 100

Item = TypeVar("Item")
Some = Annotated[list[Item], msgspec.Meta(min_length=1)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """Conditions that must all hold; None asks nothing.

    `offices` are offices with their subtrees; `categories` may hold `unknown`.
    """

    channels: tuple[str, ...]
    kinds: frozenset[AlertKind] | None = None
    levels: frozenset[int] | None = None
    cities: frozenset[str] | None = None
    offices: frozenset[str] | None = None
    categories: frozenset[str] | None = None
    whitelisted: bool | None = None

    def covers(  # noqa: PLR0913 - all that a route can ask about
        self,
        *,
        kind: AlertKind,
        level: int,
        city: str | None,
        office: str | None,
        category: str | None,
        whitelisted: bool | None,
        places: Places,
    ) -> bool:
        """Say whether an alert of a case goes this way; a correction goes to who was told instead.

        A case of which nobody said that its enterprise is whitelisted counts as not whitelisted.
        """
        return (
            kind is not AlertKind.CORRECTED
            and _allows(self.kinds, kind)
            and _allows(self.levels, level)
            and _allows(self.cities, city)
            and _allows(self.categories, category or UNKNOWN_CATEGORY)
            and self.whitelisted in (None, bool(whitelisted))
            and self._covers_office(office, places)
        )

    def _covers_office(self, office: str | None, places: Places) -> bool:
        if self.offices is None:
            return True
        return office is not None and any(
            places.is_within(office, ancestor) for ancestor in self.offices
        )


def _allows(wanted: Collection[object] | None, value: object) -> bool:
    return wanted is None or value in wanted


class _Route(msgspec.Struct, kw_only=True):
    channels: Some[str]
    kinds: Some[Literal["at_risk", "breached", "overdue"]] | None = None
    levels: Some[Annotated[int, msgspec.Meta(ge=0, le=HIGHEST_LEVEL)]] | None = None
    cities: Some[Annotated[str, msgspec.Meta(pattern=r"^[0-9]{6}\Z")]] | None = None
    offices: Some[Annotated[str, msgspec.Meta(pattern=r"^1[0-9]{10}\Z")]] | None = None
    categories: Some[Literal["I", "II", "III", "IV", "unknown"]] | None = None
    whitelisted: bool | None = None


def convert_route(block: Mapping[str, Any], channels: Collection[str], places: Places) -> Route:
    """Convert a `[[route]]` block; raise ValueError with field, problem and rule."""
    told = convert_fields(block, _Route)
    _refuse_unknown("channels", told.channels, channels, "[[channel]]")
    _refuse_unknown("cities", told.cities or (), places.cities, "[[city]]")
    route = Route(
        channels=tuple(dict.fromkeys(told.channels)),
        kinds=None if told.kinds is None else frozenset(map(AlertKind, told.kinds)),
        levels=_set(told.levels),
        cities=_set(told.cities),
        offices=_set(told.offices),
        categories=_set(told.categories),
        whitelisted=told.whitelisted,
    )
    _refuse_contradiction(route)
    return route


def _set(items: Collection[Item] | None) -> frozenset[Item] | None:
    return None if items is None else frozenset(items)


def _refuse_unknown(field: str, told: Collection[str], known: Collection[str], block: str) -> None:
    for name in told:
        if name not in known:
            raise ValueError(f"{field}: {name!r} is not a known {block}; known: {', '.join(known)}")


def _refuse_contradiction(route: Route) -> None:
    if route.kinds is None or route.levels is None:
        return
    if route.kinds.isdisjoint(map(kind_of, route.levels)):
        raise ValueError(
            "levels: none of them is of the kinds; level 0 is at_risk, 1 is breached, "
            "2 and above are overdue"
        )
