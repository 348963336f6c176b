"""The course of a case: all that an assessment is made of, and one text for all who took it."""

from dataclasses import replace

from hypothesis import given, settings

from domain_builders import (
    CASE_ID,
    accepted,
    assessed,
    day,
    event_streams,
    folded,
    policies,
    published_calendar,
    resumed,
    reviewed,
    suspended,
    voucher_issued,
)
from rebate_monitor.domain.assessment import assess, assess_course
from rebate_monitor.domain.case import Status, fold
from rebate_monitor.domain.clock import Span
from rebate_monitor.domain.course import Course, course_of
from rebate_monitor.domain.event import CaseEvent, Category, EventType, SuspensionReason
from rebate_monitor.storage.courses import decode_course, encode_course

PROPERTY = settings(deadline=None, max_examples=200)


def test_days_on_which_things_happened() -> None:
    """Instants become dates in Asia/Shanghai, and reasons only whether they exclude."""
    case = folded(
        accepted("2024-03-04T23:59", category=Category.II),
        reviewed("2024-03-05"),
        suspended("2024-03-06", SuspensionReason.HOLD),
        resumed("2024-03-08"),
        voucher_issued("2024-03-11"),
    )

    assert course_of(case) == Course(
        status=Status.STOPPED,
        category=Category.II,
        accepted_on=day("2024-03-04"),
        ended_on=day("2024-03-11"),
        pauses=(Span(start=day("2024-03-06"), end=day("2024-03-08")),),
        is_excluded=True,
        milestones=(
            (EventType.REVIEWED, day("2024-03-05")),
            (EventType.VOUCHER_ISSUED, day("2024-03-11")),
        ),
    )


def test_a_case_without_acceptance_has_none() -> None:
    """There is nothing to count from."""
    assert course_of(folded(reviewed("2024-03-05"))) is None


def test_a_pause_that_lasts_has_no_end() -> None:
    """The clock runs up to the suspension and no further."""
    course = course_of(folded(accepted("2024-03-04"), suspended("2024-03-06")))

    assert course is not None
    assert (Span(start=day("2024-03-04"), end=day("2024-03-06")),) == course.running_spans


@PROPERTY
@given(event_streams())
def test_a_course_is_all_that_an_assessment_needs(events: list[CaseEvent]) -> None:
    """Written down and read back, a course is assessed as its case was; its text tells it apart."""
    case = fold(CASE_ID, events, policies())
    course = course_of(case)
    if course is None:
        return
    calendar = published_calendar()
    read = decode_course(encode_course(course))

    assert course == read
    assert encode_course(course) == encode_course(replace(read))
    assert replace(assess(case, calendar), clock=None) == replace(
        assess_course(read, case.policy, calendar), clock=None
    )


def test_what_an_assessment_rests_on() -> None:
    """An open case on its last overdue step, a paused one on no day after its pause began."""
    running = assessed(accepted("2024-03-04"))[1]
    stopped = assessed(accepted("2024-03-04"), voucher_issued("2024-03-05"))[1]
    suspended_ = assessed(accepted("2024-03-04"), suspended("2024-03-05"))[1]

    assert (day("2024-03-14"), day("2024-03-14"), day("2024-03-05")) == (
        running.rests_until,
        stopped.rests_until,
        suspended_.rests_until,
    )
