"""A closed month against the present: corrections are what the changed cases add up to."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import date, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain_builders import (
    CASE_ID,
    HUNAN,
    OFFICE,
    accepted,
    corrected,
    event_streams,
    instant,
    policies,
    published_calendar,
    voucher_issued,
)
from rebate_monitor.domain.case import Status
from rebate_monitor.domain.evaluation import Evaluated, GroupEvaluation, evaluate
from rebate_monitor.domain.event import CaseEvent
from rebate_monitor.domain.frozen import (
    FROZEN_GROUPINGS,
    CaseChange,
    ChangedBy,
    Correction,
    FrozenGroup,
    FrozenKey,
    Knowledge,
    MonthFigures,
    by_key,
    case_change,
    contribution,
    corrections,
    differs,
    judge_alike,
    month_figures,
)
from rebate_monitor.domain.known_then import Receipt, received_by
from rebate_monitor.domain.performance import Distributions, LeftOut, Open
from rebate_monitor.domain.periods import Days, whole_month
from rebate_monitor.domain.policy import PolicyBook, Scope
from rebate_monitor.domain.rulebook import Rulebook
from rebate_monitor.domain.standing import (
    EndedAs,
    Period,
    Standing,
    distributions_of,
    standing_of,
)
from rebate_monitor.domain.work_calendar import DayKind, SpecialDay, WorkCalendar

MARCH = Days(first=date(2024, 3, 1), last=date(2024, 3, 31))
CLOSED = instant("2024-04-02T09:00")
RULES = Rulebook(policies=policies(), calendar=published_calendar())
PROPERTY = settings(deadline=None)
TOTAL = FrozenKey("none", None, Scope.ALL)


def knowledge(now: Rulebook = RULES) -> Knowledge:
    return Knowledge(month=MARCH, known_at=CLOSED, then=RULES, now=now)


def at(moment: datetime, *events: CaseEvent) -> list[Receipt]:
    return [Receipt(received_at=moment, event=event) for event in events]


def before(*events: CaseEvent) -> list[Receipt]:
    return at(CLOSED, *events)


def after(*events: CaseEvent) -> list[Receipt]:
    return at(CLOSED + timedelta(microseconds=1), *events)


def stored(receipts: Sequence[Receipt], rules: Rulebook = RULES) -> Standing:
    return standing_of(*rules.assess(CASE_ID, [told.event for told in receipts]))


def changed(receipts: Sequence[Receipt], now: Rulebook = RULES) -> CaseChange | None:
    return case_change(knowledge(now), CASE_ID, receipts, stored(receipts, now))


def causes(change: CaseChange | None) -> list[tuple[ChangedBy, str | None]]:
    assert change is not None
    return [
        (cause.because, cause.receipt.event.id if cause.receipt else cause.version)
        for cause in change.causes
    ]


def groups_of(standings: Sequence[Standing]) -> dict[FrozenKey, GroupEvaluation]:
    """Evaluate a month of these cases in every grouping."""
    return by_key(
        FrozenGroup(by=by, evaluated=group)
        for by in FROZEN_GROUPINGS
        for group in evaluate(_evaluated(standings, by), policies(), 1)
    )


def _evaluated(standings: Sequence[Standing], by: str) -> Evaluated:
    period = Period(first=MARCH.first, last=MARCH.last, by=by, today=date(2024, 4, 2))
    told = distributions_of([(s, 1) for s in standings], period, published_calendar())
    refiled: dict[tuple[str | None, bool], int] = {}
    for standing in standings:
        part = contribution(standing, MARCH)
        if part is not None and part.is_refiled:
            (key,) = [k for k in part.groups if k.by == by and k.scope is Scope.ALL]
            place = key.group, standing.is_category_1_2
            refiled[place] = refiled.get(place, 0) + 1
    return Evaluated(periods=whole_month(MARCH), by=by, this=told, refiled=refiled)


START = accepted("2024-03-04T09:00")
STOP = voucher_issued("2024-03-06T09:00")


NORMAL = Standing(
    status=Status.STOPPED,
    normal=True,
    category="I",
    city="430100",
    office=OFFICE,
    amount_cny=Decimal(5),
    accepted_on=MARCH.first,
    ended_on=MARCH.last,
    counted_workdays=2,
    in_time=True,
    same_day=False,
)


class TestContribution:
    def test_of_a_normal_case(self) -> None:
        """A normal case counts in its groups of both scopes, with what figures are made of."""
        told = contribution(NORMAL, MARCH)

        groups = (
            ("none", None),
            ("category", "I"),
            ("city", "430100"),
            ("office", OFFICE),
            ("rebate_type", "unknown"),
        )
        assert told is not None
        assert (EndedAs.NORMAL, False, 2, True, False, Decimal(5)) == told.measures
        assert {
            FrozenKey(by, group, scope) for by, group in groups for scope in Scope
        } == told.groups

    def test_of_a_case_that_no_mean_counts(self) -> None:
        """Of an excluded case nothing but that is kept: its count changes no figure."""
        told = contribution(replace(NORMAL, normal=False, category="III"), MARCH)

        assert told is not None
        assert (EndedAs.EXCLUDED, False, None, None, None, None) == told.measures
        assert {Scope.ALL} == {key.scope for key in told.groups}

    def test_of_a_refiled_case(self) -> None:
        """A case accepted in the month that was filed again counts there, wherever it ends."""
        told = contribution(replace(NORMAL, ended_on=date(2024, 4, 1), is_refiled=True), MARCH)

        assert told is not None
        assert (None, True, None, None, None, None) == told.measures

    @pytest.mark.parametrize("ended_on", [date(2024, 4, 1), date(2024, 2, 29), None])
    def test_of_another_month(self, ended_on: date | None) -> None:
        """A case that ends elsewhere, or not at all, adds nothing."""
        assert contribution(replace(NORMAL, ended_on=ended_on), MARCH) is None

    def test_refiled_elsewhere(self) -> None:
        """A case refiled in another month does not count among the refiled of this one."""
        told = contribution(replace(NORMAL, accepted_on=date(2024, 2, 29), is_refiled=True), MARCH)

        assert told is not None
        assert not told.is_refiled


class TestCauses:
    def test_nothing_came(self) -> None:
        """A case that has heard of nothing counts as it did."""
        assert changed(before(START, STOP)) is None

    def test_a_late_fact(self) -> None:
        """A voucher that was told after the month was closed brings the case into it."""
        change = changed([*before(START), *after(STOP)])

        assert [(ChangedBy.EVENT, STOP.id)] == causes(change)
        assert change is not None
        assert change.then is None
        assert change.now is not None
        assert change.now.workdays == 2

    def test_what_came_at_the_moment_of_closing_was_known(self) -> None:
        """The moment itself is included."""
        assert changed([*before(START), *before(STOP)]) is None

    def test_a_fact_that_changes_no_figure(self) -> None:
        """An event that leaves the contribution as it was is no correction."""
        assert changed([*before(START, STOP), *after(corrected("2024-03-07", batch="2"))]) is None

    def test_an_amount(self) -> None:
        """An amount alone changes a figure, and nothing but the figure that weighs by it."""
        late = corrected("2024-03-07", amount_cny="8.00")
        change = changed([*before(START, STOP), *after(late)])

        assert [(ChangedBy.EVENT, late.id)] == causes(change)

    def test_every_late_event_is_named_in_the_order_of_arrival(self) -> None:
        """What came together is told in the order of the fold."""
        late = [corrected("2024-03-07", category="I"), corrected("2024-03-08", category="II")]
        change = changed([*before(START, STOP), *after(*reversed(late))])

        assert [(ChangedBy.EVENT, event.id) for event in late] == causes(change)

    def test_a_new_policy(self) -> None:
        """A limit that was set anew is named by its version."""
        stricter = replace(HUNAN, default_limit=1, limits={})
        rules = replace(RULES, policies=policies(stricter))

        assert [(ChangedBy.POLICY, stricter.version)] == causes(changed(before(START, STOP), rules))

    def test_the_first_policy_of_a_day(self) -> None:
        """Where there was no policy and there is one now, that one is named; and the other way."""
        early = accepted("2023-10-19T09:00")
        stop = voucher_issued("2024-03-06T09:00")
        longer = replace(HUNAN, effective_from=date(2023, 1, 1))
        rules = replace(RULES, policies=policies(longer))

        assert [(ChangedBy.POLICY, longer.version)] == causes(changed(before(early, stop), rules))
        none = replace(RULES, policies=PolicyBook([]))
        assert [(ChangedBy.POLICY, None)] == causes(changed(before(START, STOP), none))

    def test_a_new_calendar(self) -> None:
        """A day off that was announced later is named by the calendar's version."""
        rules = replace(RULES, calendar=calendar_with_a_day_off())

        assert [(ChangedBy.CALENDAR, rules.calendar.version)] == causes(
            changed(before(START, STOP), rules)
        )

    def test_a_fact_and_a_rule(self) -> None:
        """Where both changed the case, both are named."""
        stricter = replace(HUNAN, default_limit=1, limits={})
        rules = replace(RULES, policies=policies(stricter))
        told = causes(changed([*before(START), *after(STOP)], rules))

        assert [(ChangedBy.EVENT, STOP.id), (ChangedBy.POLICY, stricter.version)] == told


def calendar_with_a_day_off() -> WorkCalendar:
    notices = dict(published_calendar().notices)
    off = {date(2024, 3, 5): SpecialDay(kind=DayKind.DAY_OFF, name="x")}
    notices[2024] = replace(notices[2024], days=dict(notices[2024].days) | off)
    return WorkCalendar(notices.values())


class TestRules:
    def test_titles_and_targets_judge_nobody(self) -> None:
        """Rules that only say otherwise what they are called, or aim at, judge alike."""
        renamed = replace(HUNAN, title="x", targets={})

        assert judge_alike(RULES, replace(RULES, policies=policies(renamed)))

    def test_limits_and_days_do(self) -> None:
        """Another limit or another calendar judges otherwise."""
        stricter = replace(HUNAN, default_limit=1)

        assert not judge_alike(RULES, replace(RULES, policies=policies(stricter)))
        assert not judge_alike(RULES, replace(RULES, calendar=calendar_with_a_day_off()))


class TestCorrections:
    def test_worked_example(self) -> None:
        """One case of 2 workdays as frozen; now it is excluded, and one of 5 has come late."""
        slow = replace(NORMAL, counted_workdays=5, category="III", in_time=False)
        out = replace(NORMAL, normal=False)
        changes = [
            CaseChange(case_id="a", then=contribution(NORMAL, MARCH), now=contribution(out, MARCH)),
            CaseChange(case_id="b", then=None, now=contribution(slow, MARCH)),
        ]
        told = corrections(groups_of([NORMAL]), groups_of([out, slow]), changes)
        total = next(group for group in told.groups if group.key == TOTAL)
        narrow = next(
            g for g in told.groups if g.key == FrozenKey("none", None, Scope.CATEGORY_1_2)
        )

        assert told.explained
        assert (1, 2.0, 1.0, 0) == _few(total.frozen)
        assert (1, 5.0, 0.0, 1) == _few(total.now)
        assert (0, 3.0, -1.0, 1) == _few(total.correction)
        assert (2, 1) == (total.changed_cases, narrow.changed_cases)
        assert (-1, None) == (narrow.correction.n, narrow.correction.mean_workdays)

    def test_a_case_that_moves_to_another_office_of_its_city(self) -> None:
        """It changes the figures of both offices, and not those of the city."""
        moved = replace(NORMAL, office="14301210000")
        change = CaseChange(
            case_id="a", then=contribution(NORMAL, MARCH), now=contribution(moved, MARCH)
        )

        assert {("office", OFFICE), ("office", "14301210000")} == {
            (key.by, key.group) for key in change.keys
        }

    def test_open_cases_are_no_correction(self) -> None:
        """A group that had only open cases when the month was closed is not shown at all."""
        still_open = Distributions(still_open={(None, False): [Open(workdays=1, cases=1)]})
        told = Evaluated(periods=whole_month(MARCH), by="none", this=still_open)
        frozen = by_key(
            FrozenGroup(by="none", evaluated=group) for group in evaluate(told, policies(), 1)
        )

        assert MonthFigures() == month_figures(frozen[TOTAL])
        assert not differs(frozen, {})
        assert () == corrections(frozen, {}, []).groups

    def test_a_target_that_is_another_now_is_a_difference(self) -> None:
        """The same cases against another target are not what was reported."""
        frozen = groups_of([NORMAL])
        laxer = {
            key: replace(group, performance=replace(group.performance, target_workdays=9))
            for key, group in frozen.items()
        }

        assert not differs(frozen, dict(frozen))
        assert differs(frozen, laxer)

    def test_a_difference_that_no_case_explains(self) -> None:
        """When figures differ though no case is known to have changed, that is said."""
        told = corrections(groups_of([NORMAL]), groups_of([NORMAL, NORMAL]), [])

        assert not told.explained

    def test_only_left_out_cases(self) -> None:
        """A group without a mean has counts to correct."""
        out = replace(NORMAL, normal=False)
        change = CaseChange(case_id="a", then=None, now=contribution(out, MARCH))
        told = corrections({}, groups_of([out]), [change])

        assert (0, None, None, 1) == _few(told.groups[0].correction)
        assert LeftOut(excluded=1) == groups_of([out])[TOTAL].left_out


def _few(told: MonthFigures | Correction) -> tuple[int, float | None, float | None, int]:
    return told.n, told.mean_workdays, told.in_time_rate, told.excluded


@st.composite
def histories(draw: st.DrawFn) -> list[Receipt]:
    """Draw a case of which some facts came before the month was closed, and some after."""
    return [
        Receipt(
            received_at=CLOSED + timedelta(seconds=draw(st.integers(-2, 2))),
            event=replace(event, time=event.time + timedelta(days=14)),
        )
        for event in draw(event_streams())
    ]


@given(st.lists(histories(), max_size=5), st.sampled_from(FROZEN_GROUPINGS))
@PROPERTY
def test_figures_as_known_then_are_those_of_now_put_right(
    told: list[list[Receipt]], by: str
) -> None:
    """Take away what late cases add now and add what they added then: that is a fold of then."""
    period = Period(first=MARCH.first, last=MARCH.last, by=by, today=date(2024, 4, 2))
    now = [(stored(receipts), 1) for receipts in told]
    then = [(stored_then(receipts), 1) for receipts in told]
    late = [receipts for receipts in told if any(r.received_at > CLOSED for r in receipts)]
    signed = [
        *((stored(receipts), -1) for receipts in late),
        *((stored_then(receipts), 1) for receipts in late),
    ]
    found, put_right, expected = (
        distributions_of(parts, period, published_calendar()) for parts in (now, signed, then)
    )

    assert _sorted(expected) == _sorted(found.plus(put_right))


def stored_then(receipts: list[Receipt]) -> Standing:
    return standing_of(*RULES.assess(CASE_ID, received_by(receipts, CLOSED)))


def _sorted(told: Distributions) -> object:
    """Return distributions so that the order of their parts does not matter."""
    parts = (told.stopped, told.still_open)
    return [{key: sorted(map(repr, of)) for key, of in part.items()} for part in parts], (
        told.left_out
    )


@given(st.lists(histories(), max_size=5), st.sampled_from([RULES, None]))
@PROPERTY
def test_changed_cases_add_up_to_the_correction(
    told: list[list[Receipt]], same: Rulebook | None
) -> None:
    """Whatever came late, and whatever rules changed, the changes explain every difference."""
    now = same or replace(RULES, policies=policies(replace(HUNAN, default_limit=1)))
    then = [standing_of(*RULES.assess(CASE_ID, received_by(receipts, CLOSED))) for receipts in told]
    current = [stored(receipts, now) for receipts in told]
    changes = [c for c in (changed(receipts, now) for receipts in told) if c is not None]
    frozen, present = groups_of(then), groups_of(current)
    found = corrections(frozen, present, changes)

    assert found.explained
    assert bool(changes) or not differs(frozen, present)
    assert len(changes) == sum(
        contribution(a, MARCH) != contribution(b, MARCH) for a, b in zip(then, current, strict=True)
    )
    for group in found.groups:
        assert group.now.n - group.frozen.n == group.correction.n
        assert bool(group.changed_cases) or group.frozen == group.now
