"""The course of a case as one short text, so that SQL can tell which cases took the same one."""

from datetime import date, timedelta
from functools import lru_cache

import msgspec

from rebate_monitor.domain.case import Status
from rebate_monitor.domain.clock import Span
from rebate_monitor.domain.course import Course
from rebate_monitor.domain.event import Category, EventType

KEPT = 10_000
PREFIX = "rebate.case."


class _Told(msgspec.Struct, array_like=True):
    """A course with its days counted from acceptance."""

    status: Status
    category: Category | None
    accepted_on: date
    ended: int | None
    pauses: list[tuple[int, int | None]]
    excluded: bool
    milestones: list[tuple[str, int]]


_ENCODER = msgspec.json.Encoder()
_DECODER = msgspec.json.Decoder(_Told)


@lru_cache(maxsize=10_000)
def encode_course(course: Course) -> str:
    """Write a course down; equal courses give equal texts."""
    first = course.accepted_on
    told = _Told(
        status=course.status,
        category=course.category,
        accepted_on=first,
        ended=(course.ended_on - first).days if course.ended_on else None,
        pauses=[
            ((pause.start - first).days, (pause.end - first).days if pause.end else None)
            for pause in course.pauses
        ],
        excluded=course.is_excluded,
        milestones=[
            (event_type.removeprefix(PREFIX), (day - first).days)
            for event_type, day in course.milestones
        ],
    )
    return _ENCODER.encode(told).decode()


@lru_cache(maxsize=KEPT)
def decode_course(text: str) -> Course:
    """Read what encode_course wrote."""
    told = _DECODER.decode(text)

    def day(number: int) -> date:
        return told.accepted_on + timedelta(days=number)

    return Course(
        status=told.status,
        category=told.category,
        accepted_on=told.accepted_on,
        ended_on=None if told.ended is None else day(told.ended),
        pauses=tuple(
            Span(start=day(start), end=None if end is None else day(end))
            for start, end in told.pauses
        ),
        is_excluded=told.excluded,
        milestones=tuple((EventType(PREFIX + name), day(at)) for name, at in told.milestones),
    )
