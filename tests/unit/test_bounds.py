"""What a key is bound to: sources that it may tell of, offices whose cases are its own."""

from datetime import UTC, datetime

import pytest

from rebate_monitor.domain.bounds import UNBOUND, Bounds
from rebate_monitor.domain.event import (
    Accepted,
    Attributes,
    CaseEvent,
    Corrected,
    EventData,
    EventType,
    Plain,
    Retracted,
)

CHANGSHA, ZHUZHOU = "14301000000", "14302000000"
OURS = f"/hunan/{CHANGSHA}"


def event(data: EventData | None = None, source: str = OURS) -> CaseEvent:
    """Build an event; which kind it is matters to no bound."""
    return CaseEvent(
        case_id="case-1",
        source=source,
        id="e-1",
        event_type=EventType.ACCEPTED,
        time=datetime(2026, 11, 20, tzinfo=UTC),
        data=data or Plain(),
    )


@pytest.mark.parametrize(
    ("told", "source", "holds"),
    [
        ((), "/anything", True),
        ((OURS,), OURS, True),
        ((OURS,), f"{OURS}0", False),
        ((OURS,), "/hunan", False),
        (("/hunan/*",), OURS, True),
        (("/hunan/*",), "/hunan/", True),
        (("/hunan/*",), "/hunan", False),
        (("/a", "/b*"), "/bc", True),
        (("*",), "/anything", True),
    ],
)
def test_sources(told: tuple[str, ...], source: str, *, holds: bool) -> None:
    """A source is meant whole, or by how it begins."""
    assert holds is Bounds(sources=told).hold_source(source)


@pytest.mark.parametrize(
    ("told", "office", "holds"),
    [
        ((), None, True),
        ((), ZHUZHOU, True),
        ((CHANGSHA,), CHANGSHA, True),
        ((CHANGSHA,), "14301810000", True),
        (("14301810000",), CHANGSHA, False),
        ((CHANGSHA,), ZHUZHOU, False),
        ((CHANGSHA,), None, False),
        (("14300000000",), CHANGSHA, True),
        ((ZHUZHOU, CHANGSHA), CHANGSHA, True),
    ],
)
def test_offices(told: tuple[str, ...], office: str | None, *, holds: bool) -> None:
    """An office is below the first digits of its code; a case of no office is nobody's."""
    assert holds is Bounds(offices=told).hold_office(office)


def test_nothing_is_refused_without_bounds() -> None:
    """Commands, and keys that are bound to nothing, tell of everything."""
    acceptance = Accepted(attributes=Attributes(office=ZHUZHOU))

    assert UNBOUND.refusal(event(acceptance, "/anything"), CHANGSHA) is None
    assert UNBOUND.patterns is None


OURS_ALONE = "this key tells of cases of 14301000000, 14303000000 and the offices below"
BOUND = Bounds(sources=("/hunan/*",), offices=(CHANGSHA, "14303000000"))


@pytest.mark.parametrize(
    ("told", "office"),
    [
        (event(), None),
        (event(), CHANGSHA),
        (event(Accepted(attributes=Attributes(office=CHANGSHA))), None),
        (event(Corrected(changes={"office": CHANGSHA})), CHANGSHA),
        (event(Corrected(changes={"category": "II"})), CHANGSHA),
        (event(Retracted(id="e-0")), CHANGSHA),
        (event(Retracted(id="e-0", source="/hunan/other")), CHANGSHA),
    ],
)
def test_what_lies_within(told: CaseEvent, office: str | None) -> None:
    """Its sources, its offices' cases, and cases that nobody has accepted yet."""
    assert BOUND.refusal(told, office) is None


@pytest.mark.parametrize(
    ("told", "office", "refusal"),
    [
        (event(source="/x"), None, "source: this key tells of /hunan/*, not of /x"),
        (
            event(Retracted(id="e-0", source="/x")),
            CHANGSHA,
            "data.source: this key tells of /hunan/*, not of /x",
        ),
        (
            event(),
            ZHUZHOU,
            f"subject: {OURS_ALONE}, and this is another's",
        ),
        (
            event(Corrected(changes={"office": CHANGSHA})),
            ZHUZHOU,
            f"subject: {OURS_ALONE}, and this is another's",
        ),
        (
            event(Accepted(attributes=Attributes(office=ZHUZHOU))),
            None,
            f"data.office: {OURS_ALONE}, not of 14302000000",
        ),
        (
            event(Corrected(changes={"office": ZHUZHOU})),
            CHANGSHA,
            f"data.office: {OURS_ALONE}, not of 14302000000",
        ),
    ],
)
def test_what_lies_outside(told: CaseEvent, office: str | None, refusal: str) -> None:
    """The field is named, what the key is bound to, and what it was told instead."""
    assert refusal == BOUND.refusal(told, office)


def test_patterns_are_those_of_like() -> None:
    """Digits hold nothing that LIKE would read otherwise."""
    assert ["14301%", "14303%"] == BOUND.patterns
