"""A reverse proxy in front: whom it has let in, and where they came from."""

from ipaddress import ip_network
from typing import Any

import pytest

from rebate_monitor.domain.bounds import Bounds
from rebate_monitor.proxy import ProxyError, configured_proxy
from rebate_monitor.storage.audit import Through
from rebate_monitor.storage.keys import Principal, Scope

NETWORKS = (ip_network("10.0.0.0/8"), ip_network("2001:db8::1"))
READ = {"scopes": ["cases:read"]}
BLOCK: dict[str, Any] = {
    "user_header": "X-User",
    "groups_header": "X-Groups",
    "grant": [
        {"group": "readers", **READ, "offices": ["14301000000"]},
        {"group": "zhuzhou", **READ, "offices": ["14302000000"]},
        {"group": "operations", "scopes": ["cases:read", "sensitive:read"]},
        {"group": "tellers", "scopes": ["events:write"]},
        {"group": "insight", "scopes": ["sensitive:read"], "offices": ["14301000000"]},
        {"user": "wang", "scopes": ["admin"]},
    ],
}


def person(
    peer: str = "10.1.2.3", scope: Scope = Scope.CASES_READ, **headers: str
) -> Principal | None:
    """Return whom the proxy has let in, and what they may where a scope is asked for."""
    told = {name.replace("_", "-"): value for name, value in headers.items()}
    found = configured_proxy(NETWORKS, {"proxy": BLOCK}).person(peer, told)
    return found.principal(scope) if found else None


def principal(name: str, *scopes: Scope, offices: tuple[str, ...] = ()) -> Principal:
    """Build who is expected."""
    bounds = Bounds(offices=offices)
    return Principal(name=name, scopes=frozenset(scopes), bounds=bounds, through=Through.PROXY)


@pytest.mark.parametrize(
    ("user", "groups", "expected"),
    [
        ("li", "readers", principal("li", Scope.CASES_READ, offices=("14301000000",))),
        (
            "li",
            "readers, zhuzhou",
            principal("li", Scope.CASES_READ, offices=("14301000000", "14302000000")),
        ),
        ("li", "readers,operations", principal("li", Scope.CASES_READ, Scope.SENSITIVE_READ)),
        ("wang", "", principal("wang")),
        ("li", "somebody else's", principal("li")),
        (
            "li",
            "readers,tellers",
            principal("li", Scope.CASES_READ, Scope.EVENTS_WRITE, offices=("14301000000",)),
        ),
        (
            "li",
            "readers,insight",
            principal("li", Scope.CASES_READ, Scope.SENSITIVE_READ, offices=("14301000000",)),
        ),
        ("li", "zhuzhou,insight", principal("li", Scope.CASES_READ, offices=("14302000000",))),
    ],
)
def test_what_people_may(user: str, groups: str, expected: Principal) -> None:
    """All that is granted to them and their groups, for all of the offices."""
    assert expected == person(X_User=user, X_Groups=groups)


def test_what_is_for_all_offices_stays_so() -> None:
    """Somebody who reads one city's cases may tell of all, if that is granted, and administer."""
    tells = person(scope=Scope.EVENTS_WRITE, X_User="li", X_Groups="readers,tellers")
    administers = person(scope=Scope.ADMIN, X_User="wang", X_Groups="readers")

    assert tells == principal("li", Scope.EVENTS_WRITE)
    assert administers == principal("wang", Scope.ADMIN)


def test_offices_are_widened() -> None:
    """Offices that were told to lie below count, too."""
    below = Bounds(offices=("14301000000", "14399910000"))
    proxy = configured_proxy(
        NETWORKS, {"proxy": BLOCK}, lambda bounds: below if bounds.offices else bounds
    )
    found = proxy.person("10.1.2.3", {"X-User": "li", "X-Groups": "readers"})

    assert found is not None
    assert below == found.principal(Scope.CASES_READ).bounds


@pytest.mark.parametrize("peer", ["192.0.2.1", "2001:db8::2", "unix", ""])
def test_nobody_else_is_believed(peer: str) -> None:
    """Whoever is no proxy may say what they like."""
    assert person(peer, X_User="wang") is None


def test_without_a_name_it_is_nobody() -> None:
    """A request that the proxy did not look at is asked for a key."""
    assert person(X_Groups="readers") is None
    assert person(X_User=" ") is None


@pytest.mark.parametrize("name", ["li\tred", "li\udce6", "x" * 201])
def test_what_is_no_name_is_nobody(name: str) -> None:
    """What is kept for good of who did what can be written and read."""
    assert person(X_User=name) is None
    assert person(X_User="李红") is not None


@pytest.mark.parametrize(
    ("peer", "forwarded", "client"),
    [
        ("192.0.2.9", ["198.51.100.1"], "192.0.2.9"),
        ("10.0.0.1", ["198.51.100.1"], "198.51.100.1"),
        ("10.0.0.1", ["203.0.113.7, 198.51.100.1, 10.0.0.2"], "198.51.100.1"),
        ("10.0.0.1", ["203.0.113.7", "198.51.100.1"], "198.51.100.1"),
        ("10.0.0.1", [], "10.0.0.1"),
        ("10.0.0.1", [" , "], "10.0.0.1"),
        ("2001:db8::1", ["198.51.100.1"], "198.51.100.1"),
    ],
)
def test_the_client_is_the_last_that_a_proxy_has_seen(
    peer: str, forwarded: list[str], client: str
) -> None:
    """What stands before it the client may have made up."""
    assert client == configured_proxy(NETWORKS, {}).client_address(peer, forwarded)


@pytest.mark.parametrize(
    ("block", "problem"),
    [
        ([], "[proxy]: must be one table, written [proxy]"),
        ({}, "[proxy]: user_header: is missing"),
        (BLOCK | {"user_header": "X User"}, "[proxy]: user_header: "),
        (BLOCK | {"users_header": "X"}, "[proxy]: users_header: unknown field"),
        (BLOCK | {"grant": []}, "[proxy]: has no [[proxy.grant]]"),
        (BLOCK | {"grant": [READ]}, "[[proxy.grant]] number 1: names both a user and a group, or"),
        (
            BLOCK | {"grant": [{**READ, "user": "a", "group": "b"}]},
            "[[proxy.grant]] number 1: names both a user and a group, or",
        ),
        (
            BLOCK | {"grant": [{"user": "a", "scopes": ["everything"]}]},
            "[[proxy.grant]] number 1: scopes: ",
        ),
        (
            BLOCK | {"grant": [{"user": "a", **READ, "offices": ["14301"]}]},
            "[[proxy.grant]] number 1: offices: ",
        ),
        (
            BLOCK | {"grant": [{"user": "a", "scopes": ["admin"], "offices": ["14301000000"]}]},
            "[[proxy.grant]] number 1: offices: admin is of all offices; must be two grants",
        ),
    ],
)
def test_a_wrong_block_is_refused(block: object, problem: str) -> None:
    """The block and the field are named."""
    with pytest.raises(ProxyError) as refused:
        configured_proxy(NETWORKS, {"proxy": block})

    assert str(refused.value).startswith(problem)


def test_people_need_a_proxys_address() -> None:
    """Headers that anybody may send would let anybody in."""
    with pytest.raises(ProxyError, match="REBATE_PROXY_ADDRESSES is not set"):
        configured_proxy((), {"proxy": BLOCK})
