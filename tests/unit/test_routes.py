"""Routes: which alerts go to which channel, and which offices lie below which."""

from typing import Any

import pytest

from rebate_monitor.alerting.routes import Route
from rebate_monitor.domain.alert import AlertKind
from rebate_monitor.places import Places, places

CHANGSHA, PROVINCE, LIUYANG, ZHUZHOU = "14301000000", "14300000000", "14301810000", "14302000000"
ZONE = "14301910000"  # a zone's code lies outside GB/T 2260


def office(code: str, **more: str) -> dict[str, str]:
    """Return an `[[office]]` block."""
    return {"code": code, "name_zh": "税务局", "name_en": "Tax Bureau", **more}


def with_offices(*offices: dict[str, str]) -> Places:
    """Return the places of a configuration with these offices."""
    return places({"office": list(offices)})


def covers(route: Route, **told: Any) -> bool:  # noqa: ANN401 - any attribute of an alert
    """Say whether a route covers a breach in Changsha, with some attributes changed."""
    breach: dict[str, Any] = {
        "kind": AlertKind.BREACHED,
        "level": 1,
        "city": "430100",
        "office": CHANGSHA,
        "category": "II",
        "whitelisted": False,
        "places": places(),
    }
    return route.covers(**(breach | told))


def route(**conditions: Any) -> Route:  # noqa: ANN401 - any condition
    """Return a route to one channel."""
    return Route(channels=("people",), **conditions)


def test_route_without_conditions_covers_everything() -> None:
    """A route that asks nothing covers every alert, also one of which little is known."""
    assert covers(route())
    assert covers(route(), city=None, office=None, category=None, whitelisted=None)


def test_a_correction_is_not_routed() -> None:
    """A correction goes to those who were told of its alert, whatever the routes say."""
    assert not covers(route(), kind=AlertKind.CORRECTED)


@pytest.mark.parametrize(
    ("conditions", "told"),
    [
        ({"kinds": {AlertKind.OVERDUE}}, {"kind": AlertKind.OVERDUE, "level": 2}),
        ({"levels": {2, 3}}, {"kind": AlertKind.OVERDUE, "level": 3}),
        ({"cities": {"430200"}}, {"city": "430200"}),
        ({"offices": {ZHUZHOU}}, {"office": ZHUZHOU}),
        ({"categories": {"I"}}, {"category": "I"}),
        ({"categories": {"unknown"}}, {"category": None}),
        ({"whitelisted": True}, {"whitelisted": True}),
    ],
)
def test_each_condition_must_hold(conditions: dict[str, Any], told: dict[str, Any]) -> None:
    """A condition lets through what it names and nothing else."""
    assert covers(route(**conditions), **told)
    assert not covers(route(**conditions))


def test_all_conditions_must_hold() -> None:
    """One condition that fails is enough to keep an alert out."""
    narrow = route(cities={"430100"}, categories={"II"})

    assert covers(narrow)
    assert not covers(narrow, category="I")
    assert not covers(narrow, city="430200")


@pytest.mark.parametrize("whitelisted", [False, None])
def test_unknown_enterprise_is_not_whitelisted(*, whitelisted: bool | None) -> None:
    """A case that does not say so counts as not whitelisted."""
    assert not covers(route(whitelisted=True), whitelisted=whitelisted)
    assert covers(route(whitelisted=False), whitelisted=whitelisted)


def test_office_condition_without_office() -> None:
    """A case without an office lies in no subtree."""
    assert not covers(route(offices={PROVINCE}), office=None)


def test_office_condition_covers_the_subtree() -> None:
    """An office stands for all offices below it."""
    assert covers(route(offices={PROVINCE}), office=LIUYANG)
    assert not covers(route(offices={LIUYANG}), office=CHANGSHA)


@pytest.mark.parametrize(
    ("inner", "outer", "expected"),
    [
        (CHANGSHA, CHANGSHA, True),
        (LIUYANG, PROVINCE, True),
        (LIUYANG, CHANGSHA, True),
        (LIUYANG, LIUYANG, True),
        ("14301810100", LIUYANG, True),  # a branch of a county office
        ("14301810102", "14301810100", True),
        ("14301810200", "14301810100", False),
        (CHANGSHA, LIUYANG, False),
        (PROVINCE, CHANGSHA, False),
        (ZHUZHOU, CHANGSHA, False),
        ("14400000000", PROVINCE, False),
        ("14301000000", "14310000000", False),  # 4310 is Chenzhou, not 43 and 10
        ("14310000000", "14310000000", True),
        ("14301000100", CHANGSHA, True),  # a branch of the city office
        ("14301810000", "14301000100", False),
        (LIUYANG, "10000000000", True),  # the State Taxation Administration
    ],
)
def test_subtree_by_code(inner: str, outer: str, *, expected: bool) -> None:
    """The pairs of zeros at a code's end stand for everything below it."""
    assert expected == places().is_within(inner, outer)


def test_subtree_by_told_parents() -> None:
    """A told line of parents places offices whose codes say nothing of it."""
    told = with_offices(office(ZONE, parent=ZHUZHOU), office("14399990000", parent=ZONE))

    assert told.is_within("14399990000", ZONE)
    assert told.is_within("14399990000", ZHUZHOU)
    assert told.is_within(ZONE, CHANGSHA)  # by its code, as before
    assert not told.is_within(ZHUZHOU, ZONE)


def test_a_parents_subtree_by_code() -> None:
    """Whoever lies below a parent lies below all that the parent's code lies below."""
    told = with_offices(office("14499990000", parent=LIUYANG))

    assert told.is_within("14499990000", CHANGSHA)
