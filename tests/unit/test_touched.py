"""Which cases a change of the rules may touch: never one too few."""

from dataclasses import replace
from datetime import date, timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from domain_builders import (
    CASE_ID,
    HUNAN,
    day,
    event_streams,
    policies,
    published_calendar,
    year_notice,
)
from rebate_monitor.domain.assessment import Assessment
from rebate_monitor.domain.case import Case
from rebate_monitor.domain.course import course_of
from rebate_monitor.domain.event import CaseEvent, SuspensionReason
from rebate_monitor.domain.policy import (
    AfterExpiry,
    Counting,
    NonWorkdayStart,
    Policy,
    PolicyBook,
    Rules,
    StopAt,
    SuspensionEffect,
)
from rebate_monitor.domain.rulebook import Rulebook
from rebate_monitor.domain.touched import EVERY_CASE, Stretch, Touched, touched
from rebate_monitor.domain.work_calendar import DayKind, SpecialDay, WorkCalendar

CALENDAR = published_calendar()
PRESENT = Rulebook(policies=policies(), calendar=CALENDAR)
PROPERTY = settings(deadline=None, max_examples=200)


def with_day(told: date, kind: DayKind | None) -> Rulebook:
    """Return the present rules with one day of its year's notice set or left out."""
    notice = CALENDAR.notices[told.year]
    days = {d: special for d, special in notice.days.items() if d != told}
    if kind is not None:
        days[told] = SpecialDay(kind=kind, name="made up")
    notices = {**CALENDAR.notices, told.year: replace(notice, days=days)}
    return replace(PRESENT, calendar=WorkCalendar(notices.values()))


def with_policies(*told: Policy) -> Rulebook:
    return replace(PRESENT, policies=PolicyBook(told))


class TestCalendar:
    """A day that is worked by one calendar only touches those who rest on it."""

    def test_nothing_changes(self) -> None:
        """The same rules touch nobody, nor does another name of a day off."""
        renamed = replace(
            CALENDAR.notices[2024],
            days={
                d: replace(special, name="another")
                for d, special in CALENDAR.notices[2024].days.items()
            },
        )
        calendar = WorkCalendar({**CALENDAR.notices, 2024: renamed}.values())

        assert Touched() == touched(PRESENT, PRESENT)
        assert Touched() == touched(PRESENT, replace(PRESENT, calendar=calendar))

    def test_a_new_day_off(self) -> None:
        """Whoever was accepted by then and rests on it or a later day may be touched."""
        told = touched(PRESENT, with_day(day("2024-03-06"), DayKind.DAY_OFF))

        stretch = Stretch(last=day("2024-03-06"), rests_from=day("2024-03-06"))
        assert Touched(stretches=(stretch,)) == told

    def test_a_day_that_was_left_out(self) -> None:
        """A holiday that a notice no longer names touches as one that it adds."""
        told = touched(PRESENT, with_day(day("2024-05-01"), None))

        stretch = Stretch(last=day("2024-05-01"), rests_from=day("2024-05-01"))
        assert (stretch,) == told.stretches

    def test_a_weekend_that_becomes_a_holiday(self) -> None:
        """A rest day by another name moves no clock."""
        assert Touched() == touched(PRESENT, with_day(day("2024-03-09"), DayKind.DAY_OFF))

    def test_a_year_that_only_one_calendar_covers(self) -> None:
        """Where one calendar ends, what the other says of later years counts."""
        short = WorkCalendar([year_notice(2024)])
        long = WorkCalendar([year_notice(2024), year_notice(2025, off=["2025-01-01"])])
        rules = [Rulebook(policies=policies(), calendar=told) for told in (short, long)]

        stretch = Stretch(last=day("2025-01-01"), rests_from=day("2025-01-01"))
        assert (stretch,) == touched(*rules).stretches == touched(*reversed(rules)).stretches


class TestPolicies:
    """Another policy touches those who were accepted while it is in force."""

    def test_another_limit(self) -> None:
        """Everybody accepted since it is in force, those after its last day included."""
        told = touched(PRESENT, with_policies(replace(HUNAN, default_limit=5)))

        after = HUNAN.effective_to
        assert after is not None
        stretches = (
            Stretch(first=HUNAN.effective_from, last=after),
            Stretch(first=after + timedelta(days=1)),
        )
        assert Touched(stretches=stretches) == told

    def test_another_target_or_title(self) -> None:
        """No case is judged by those."""
        other = replace(HUNAN, title="another", targets={})

        assert Touched() == touched(PRESENT, with_policies(other))

    def test_a_successor(self) -> None:
        """Only those accepted from its first day on."""
        successor = replace(
            HUNAN, id="hunan-2025", effective_from=day("2025-06-01"), effective_to=None
        )
        told = touched(PRESENT, with_policies(HUNAN, successor))

        assert Touched(stretches=(Stretch(first=day("2025-06-01")),)) == told

    def test_a_policy_for_ever(self) -> None:
        """A last day at the end of all dates turns nothing after it."""
        told = with_policies(replace(HUNAN, effective_to=date.max))

        assert (
            Stretch(first=HUNAN.effective_from, last=day("2024-12-31")),
            Stretch(first=day("2025-01-01")),
        ) == touched(PRESENT, told).stretches

    def test_rules_that_fold_otherwise(self) -> None:
        """Another stop, or another effect of a suspension, makes another course of a case."""
        runs = {**HUNAN.rules.suspensions, SuspensionReason.HOLD: SuspensionEffect.RUN}
        day_0 = Counting(non_workday_start=NonWorkdayStart.DAY_0)
        refolds = [
            touched(PRESENT, with_policies(replace(HUNAN, rules=rules))).refolds
            for rules in (
                Rules(stop_at=StopAt.PAID),
                Rules(suspensions=runs),
                Rules(counting=day_0, immediate_within_workdays=1),
            )
        ]

        assert [True, True, False] == refolds

    def test_no_policy_any_longer(self) -> None:
        """Where none is left, the default rules fold as it did or they do not."""
        stricter = replace(HUNAN, rules=Rules(stop_at=StopAt.PAID))

        assert not touched(PRESENT, with_policies()).refolds
        assert touched(with_policies(stricter), with_policies()).refolds


def test_what_either_touches() -> None:
    """Two changes touch what one of them touches, each stretch told once."""
    one, other = Stretch(first=day("2024-01-01")), Stretch(last=day("2024-05-01"))

    told = Touched(stretches=(one,)).plus(Touched(stretches=(one, other), refolds=True))
    assert Touched(stretches=(one, other), refolds=True) == told
    assert EVERY_CASE.stretches == (Stretch(),)


def holds(told: Touched, case: Case, assessment: Assessment) -> bool:
    """Say whether a case is one that a change may touch, as SQL finds it."""
    course = course_of(case)
    if course is None:
        return False
    return any(
        (stretch.first is None or course.accepted_on >= stretch.first)
        and (stretch.last is None or course.accepted_on <= stretch.last)
        and (
            stretch.rests_from is None
            or (assessment.rests_until is not None and assessment.rests_until >= stretch.rests_from)
        )
        for stretch in told.stretches
    )


DAYS = st.dates(day("2024-02-01"), day("2024-04-15"))


@PROPERTY
@given(
    events=event_streams(),
    turned=st.dictionaries(DAYS, st.sampled_from([DayKind.DAY_OFF, None]), max_size=3),
    limit=st.sampled_from([4, 4, 6]),
    counting=st.sampled_from(list(NonWorkdayStart)),
    after_expiry=st.sampled_from(list(AfterExpiry)),
)
def test_whoever_is_not_touched_comes_out_the_same(
    events: list[CaseEvent],
    turned: dict[date, DayKind | None],
    limit: int,
    counting: NonWorkdayStart,
    after_expiry: AfterExpiry,
) -> None:
    """Whatever days and rules change: what comes out otherwise is always among the touched."""
    notice = CALENDAR.notices[2024]
    days = dict(notice.days)
    for on, kind in turned.items():
        weekend = on.weekday() >= 5
        days[on] = SpecialDay(
            kind=kind or (DayKind.MAKEUP_WORKDAY if weekend else DayKind.DAY_OFF), name="made up"
        )
    policy = replace(
        HUNAN,
        default_limit=limit,
        effective_to=day("2024-03-10"),
        after_expiry=after_expiry,
        rules=Rules(counting=Counting(non_workday_start=counting)),
    )
    notices = {**CALENDAR.notices, 2024: replace(notice, days=days)}
    after = Rulebook(policies=PolicyBook([policy]), calendar=WorkCalendar(notices.values()))
    told = touched(PRESENT, after)

    case, before = PRESENT.assess(CASE_ID, events)
    case_after, assessment = after.assess(CASE_ID, events)

    if not holds(told, case, before):
        assert replace(before, clock=None) == replace(assessment, clock=None)
        assert case == case_after
    if not told.refolds:
        assert course_of(case) == course_of(case_after)
