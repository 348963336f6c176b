"""A reverse proxy in front: whom it has let in, and from which address they came.

Only what comes from the configured addresses is believed; whoever else sends such headers is asked
for a key. `[proxy]` in REBATE_CONFIG names the headers and says what people may.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from ipaddress import IPv4Network, IPv6Network, ip_address
from typing import Annotated, Any

import msgspec

from rebate_monitor.alerting.fields import convert_fields
from rebate_monitor.domain.bounds import Bounds
from rebate_monitor.storage.audit import Through
from rebate_monitor.storage.keys import Principal, Scope

Network = IPv4Network | IPv6Network
MOST_CHARACTERS = 200
Name = Annotated[str, msgspec.Meta(min_length=1, max_length=MOST_CHARACTERS)]
HeaderName = Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9-]{1,64}\Z")]
OfficeCode = Annotated[str, msgspec.Meta(pattern=r"^1[0-9]{10}\Z")]
ADDRESSES = "REBATE_PROXY_ADDRESSES"


class ProxyError(ValueError):
    """The block about the proxy is wrong; the message has block, field, problem and rule."""


class _Grant(msgspec.Struct, kw_only=True):
    user: Name | None = None
    group: Name | None = None
    scopes: Annotated[list[Scope], msgspec.Meta(min_length=1)]
    offices: list[OfficeCode] = []


class _Proxy(msgspec.Struct, kw_only=True):
    user_header: HeaderName
    groups_header: HeaderName | None = None
    grant: list[dict[str, Any]] = []


@dataclass(frozen=True, slots=True, kw_only=True)
class Grant:
    """What a user, or the members of a group, may do."""

    user: str | None
    group: str | None
    scopes: frozenset[Scope]
    offices: tuple[str, ...]

    def is_for(self, user: str, groups: Sequence[str]) -> bool:
        """Say whether somebody is meant."""
        return self.user == user if self.user is not None else self.group in groups


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """Somebody whom a proxy has let in, with all that is granted to them and their groups."""

    name: str
    grants: tuple[Grant, ...]

    def principal(self, asked: Scope) -> Principal:
        """Return what they may where a scope is asked for: in the offices that it is granted for.

        Another scope counts beside it only where it is granted for all of these, too: whoever may
        read one city's cases does not read others' because of something else that they may.
        """
        offices = self._offices(asked)
        if offices is None:
            return Principal(name=self.name, scopes=frozenset(), through=Through.PROXY)
        scopes = frozenset(scope for scope in Scope if _covers(self._offices(scope), offices))
        bounds = Bounds(offices=offices)
        return Principal(name=self.name, scopes=scopes, bounds=bounds, through=Through.PROXY)

    def _offices(self, scope: Scope) -> tuple[str, ...] | None:
        """Return for which offices a scope is granted: none of them means all, None not at all."""
        grants = [grant for grant in self.grants if scope in grant.scopes]
        if not grants:
            return None
        if any(not grant.offices for grant in grants):
            return ()
        return tuple(dict.fromkeys(office for grant in grants for office in grant.offices))


def _covers(wide: tuple[str, ...] | None, offices: tuple[str, ...]) -> bool:
    if not wide:
        return wide is not None
    return bool(offices) and all(map(Bounds(offices=wide).hold_office, offices))


@dataclass(frozen=True, slots=True, kw_only=True)
class Proxy:
    """The proxies by their addresses, and how they name people; no header, no people."""

    networks: tuple[Network, ...] = ()
    user_header: str | None = None
    groups_header: str | None = None
    grants: tuple[Grant, ...] = field(default=())

    def client_address(self, peer: str, forwarded: Sequence[str]) -> str:
        """Return who has sent a request: the last address of X-Forwarded-For that is no proxy's."""
        if not self.is_proxy(peer):
            return peer
        hops = [hop.strip() for line in forwarded for hop in line.split(",")]
        return next((hop for hop in reversed(hops) if hop and not self.is_proxy(hop)), peer)

    def is_proxy(self, address: str) -> bool:
        """Say whether a request from an address comes through a proxy."""
        try:
            told = ip_address(address)
        except ValueError:
            return False
        return any(told in network for network in self.networks)

    def person(self, peer: str, headers: Mapping[str, str]) -> Person | None:
        """Return whom a proxy has let in; None for nobody, and for what is no name."""
        if self.user_header is None or not self.is_proxy(peer):
            return None
        user = headers.get(self.user_header, "").strip()
        if not user.isprintable() or not 1 <= len(user) <= MOST_CHARACTERS:
            return None
        told = headers.get(self.groups_header, "") if self.groups_header else ""
        groups = [group.strip() for group in told.split(",")]
        grants = tuple(grant for grant in self.grants if grant.is_for(user, groups))
        return Person(name=user, grants=grants)


Widen = Callable[[Bounds], Bounds]


def configured_proxy(
    networks: Sequence[Network], config: Mapping[str, Any], widen: Widen = lambda bounds: bounds
) -> Proxy:
    """Read `[proxy]`; raise ProxyError, also where people are named but no proxy's address.

    `widen` adds to offices those that are told to lie below them.
    """
    told = config.get("proxy")
    if told is None:
        return Proxy(networks=tuple(networks))
    if not networks:
        raise ProxyError(f"[proxy]: {ADDRESSES} is not set; must name the proxy's addresses")
    block = _converted("[proxy]", told, _Proxy)
    grants = [_grant(number, grant, widen) for number, grant in enumerate(block.grant, 1)]
    if not grants:
        raise ProxyError("[proxy]: has no [[proxy.grant]], so nobody would be let in")
    return Proxy(
        networks=tuple(networks),
        user_header=block.user_header,
        groups_header=block.groups_header,
        grants=tuple(grants),
    )


def _grant(number: int, told: Mapping[str, Any], widen: Widen) -> Grant:
    block = _converted(title := f"[[proxy.grant]] number {number}", told, _Grant)
    if (block.user is None) is (block.group is None):
        raise ProxyError(f"{title}: names both a user and a group, or neither; must name one")
    if block.offices and Scope.ADMIN in block.scopes:
        raise ProxyError(f"{title}: offices: {Scope.ADMIN} is of all offices; must be two grants")
    return Grant(
        user=block.user,
        group=block.group,
        scopes=frozenset(block.scopes),
        offices=widen(Bounds(offices=tuple(block.offices))).offices,
    )


def _converted(title: str, told: object, to: Any) -> Any:  # noqa: ANN401 - the struct that is asked for
    if not isinstance(told, dict):
        raise ProxyError(f"{title}: must be one table, written {title}")
    try:
        return convert_fields(told, to)
    except ValueError as error:
        raise ProxyError(f"{title}: {error}") from None
