"""What cases add to figures: the sums of many are those of each single one, also taken away."""

from collections.abc import Sequence
from datetime import date, timedelta
from decimal import Decimal

from hypothesis import given, settings
from hypothesis import strategies as st

from domain_builders import (
    OFFICE,
    accepted,
    approved,
    assessed,
    corrected,
    published_calendar,
    rejected,
    suspended,
    voucher_issued,
)
from rebate_monitor.domain.case import Status
from rebate_monitor.domain.event import SuspensionReason
from rebate_monitor.domain.performance import Distributions, LeftOut, Mean, Open, Stopped
from rebate_monitor.domain.policy import Scope
from rebate_monitor.domain.standing import (
    EndedAs,
    Period,
    Standing,
    distributions_of,
    ended_as,
    open_workdays,
    standing_of,
)

PROPERTY = settings(deadline=None)
FIRST, LAST, TODAY = date(2024, 3, 1), date(2024, 3, 31), date(2024, 4, 10)


def period(by: str = "none") -> Period:
    return Period(first=FIRST, last=LAST, by=by, today=TODAY)


def summed(standings: Sequence[Standing], by: str = "none", sign: int = 1) -> Distributions:
    return distributions_of(
        [(standing, sign) for standing in standings], period(by), published_calendar()
    )


@st.composite
def standings(draw: st.DrawFn) -> Standing:
    """Draw what may be read off a case around March 2024."""
    status = draw(st.sampled_from(Status))
    ended = not status.is_open and status is not Status.UNACCEPTED
    days = st.dates(date(2024, 2, 20), date(2024, 4, 9))
    judged = draw(st.booleans())
    return Standing(
        status=status,
        normal=draw(st.booleans()),
        category=draw(st.sampled_from(["I", "II", "III", "IV", None])),
        city=draw(st.sampled_from(["430100", "430200"])),
        office=draw(st.sampled_from(["14301000000", "14302000000"])),
        rebate_type=draw(st.sampled_from(["agency", "other", None])),
        amount_cny=draw(st.none() | st.decimals(0, 10**6, places=2)),
        accepted_on=draw(days),
        ended_on=draw(days) if ended else None,
        counted_workdays=draw(st.integers(0, 9)),
        running_since=draw(st.none() | days) if status is Status.RUNNING else None,
        in_time=draw(st.booleans()) if judged else None,
        same_day=draw(st.booleans()),
        is_refiled=draw(st.booleans()),
    )


GROUPINGS = ("none", "category", "city", "office", "month", "rebate_type")
provinces = st.lists(standings(), max_size=12)
groupings = st.sampled_from(GROUPINGS)


@given(provinces, provinces, groupings)
@PROPERTY
def test_what_is_taken_away_is_gone(stay: list[Standing], leave: list[Standing], by: str) -> None:
    """Adding cases and taking them away again leaves exactly the others."""
    calendar = published_calendar()
    signed = [*((s, 1) for s in [*stay, *leave]), *((s, -1) for s in leave)]
    mixed = distributions_of(signed, period(by), calendar)
    apart = summed([*stay, *leave], by).plus(summed(leave, by, sign=-1))

    assert sorted_parts(summed(stay, by)) == sorted_parts(mixed)
    assert sorted_parts(summed(stay, by)) == sorted_parts(apart)


@given(provinces, groupings)
@PROPERTY
def test_sums_are_those_of_the_single_cases(told: list[Standing], by: str) -> None:
    """Over all groups nothing is lost and nothing is counted twice."""
    normal = [s for s in told if ended_as(s, period().days) is EndedAs.NORMAL]
    found = summed(told, by)
    groups = {group for keys in (found.stopped, found.left_out) for group, _ in keys}
    total = [found.mean(group, Scope.ALL) for group in groups]
    left_out = [found.sum_left_out(group, Scope.ALL) for group in groups]

    assert len(normal) == sum(mean.n for mean in total)
    assert sum(s.counted_workdays or 0 for s in normal) == sum(m.workdays_sum for m in total)
    assert sum((s.amount_cny or Decimal(0) for s in normal), Decimal(0)) == sum(
        (part.amount_cny for parts in found.stopped.values() for part in parts), Decimal(0)
    )
    for name in ("excluded", "rejected", "withdrawn"):
        expected = [s for s in told if ended_as(s, period().days) == name]
        assert len(expected) == sum(getattr(part, name) for part in left_out)


def sorted_parts(told: Distributions) -> object:
    """Return distributions so that the order of their parts does not matter."""
    return (
        {key: sorted(map(repr, map(_plain, parts))) for key, parts in told.stopped.items()},
        {key: sorted(map(repr, parts)) for key, parts in told.still_open.items()},
        told.left_out,
    )


def _plain(part: Stopped) -> tuple[object, ...]:
    amount = part.amount_cny.normalize() if part.amount_cny else 0
    return part.workdays, part.cases, part.judged, part.in_time, part.same_day, amount


def test_an_amount_that_changed_alone_is_a_change() -> None:
    """Where only the amount of a case is another, the same count carries another weight."""
    case = Standing(status=Status.STOPPED, normal=True, ended_on=LAST, counted_workdays=3)
    dear = Standing(
        status=Status.STOPPED, normal=True, ended_on=LAST, counted_workdays=3, amount_cny=Decimal(7)
    )
    told = distributions_of([(dear, -1), (case, 1)], period(), published_calendar())

    (part,) = told.stopped[None, False]
    assert (0, Decimal(-7)) == (part.cases, part.amount_cny)


def test_a_standing_is_read_off_a_case() -> None:
    """Everything that figures need comes from the fold and the assessment."""
    told = standing_of(
        *assessed(
            accepted("2024-03-04T09:00"),
            corrected(
                "2024-03-04T10:00",
                category="I",
                rebate_type="agency",
                amount_cny="12.50",
                refiled_from="another",
            ),
            voucher_issued("2024-03-06T09:00"),
        )
    )

    assert (
        Standing(
            status=Status.STOPPED,
            normal=True,
            category="I",
            city="430100",
            office=OFFICE,
            rebate_type="agency",
            amount_cny=Decimal("12.50"),
            accepted_on=date(2024, 3, 4),
            ended_on=date(2024, 3, 6),
            counted_workdays=2,
            in_time=True,
            same_day=False,
            is_refiled=True,
        )
        == told
    )


def test_an_unaccepted_case_adds_nothing() -> None:
    """Before acceptance there is nothing to read off."""
    told = standing_of(*assessed(approved("2024-03-04T09:00")))

    assert Standing(status=Status.UNACCEPTED) == told
    assert Distributions() == summed([told])


def test_how_a_case_ends() -> None:
    """Normal, excluded, rejected and withdrawn, each on a day of the period; open ones not."""
    start = accepted("2024-03-04T09:00")
    hold = suspended("2024-03-05T09:00", SuspensionReason.HOLD)
    stop = voucher_issued("2024-03-29T23:59")
    days = period().days
    told = {
        EndedAs.NORMAL: standing_of(*assessed(start, stop)),
        EndedAs.EXCLUDED: standing_of(*assessed(start, hold, stop)),
        EndedAs.REJECTED: standing_of(*assessed(start, rejected("2024-03-31T23:59:59"))),
        None: standing_of(*assessed(start, rejected("2024-04-01T00:00"))),
    }
    withdrawn = Standing(status=Status.WITHDRAWN, ended_on=FIRST)

    assert list(told) == [ended_as(standing, days) for standing in told.values()]
    assert EndedAs.WITHDRAWN is ended_as(withdrawn, days)
    assert ended_as(standing_of(*assessed(start)), days) is None


def test_open_cases_are_as_of_today() -> None:
    """A running clock goes on to today, a paused one stands, and an excluded case is left out."""
    start, pause = accepted("2024-04-01T09:00"), suspended("2024-04-02T09:00")
    hold = suspended("2024-04-02T09:00", SuspensionReason.HOLD)
    told = [standing_of(*assessed(*events)) for events in ((start,), (start, pause), (start, hold))]

    expected = [Open(workdays=6, cases=1), Open(workdays=1, cases=1)]
    assert {(None, False): expected} == summed(told).still_open
    assert {("2024-04", False): expected} == summed(told, "month").still_open


def test_a_case_of_tomorrow_has_run_no_day() -> None:
    """A clock that starts after the day it is asked for does not count below zero."""
    later = TODAY + timedelta(days=20)

    assert open_workdays(0, later, TODAY, published_calendar()) == 0


def test_groups() -> None:
    """A distribution knows its groups, and of nothing there is none."""
    told = Distributions(
        stopped={("b", False): [Stopped(workdays=1, cases=1, judged=0, in_time=0, same_day=0)]},
        left_out={("a", True): LeftOut(excluded=1)},
        still_open={(None, False): [Open(workdays=1, cases=1)]},
    )

    assert {"a", "b"} == told.groups()
    assert Mean() == told.mean("a", Scope.ALL)
    assert Mean(n=1, workdays_sum=1) == told.mean("b", Scope.ALL)
    assert Mean() == told.mean("b", Scope.CATEGORY_1_2)
    assert LeftOut(excluded=1) == told.sum_left_out("a", Scope.CATEGORY_1_2)
