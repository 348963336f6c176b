"""What rules make of each course, kept beside the cases until all that took it are laid down.

Cases that took the same course are assessed alike, so that one assessment serves all of them, and
SQL does what has to be done case by case.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from asyncpg import Record

from rebate_monitor.domain.assessment import Assessment, Verdict, assess_course
from rebate_monitor.domain.case import Status
from rebate_monitor.domain.policy import Policy
from rebate_monitor.domain.rulebook import Rulebook
from rebate_monitor.domain.tally import Change
from rebate_monitor.domain.touched import Touched
from rebate_monitor.storage.case_rows import encode_stages
from rebate_monitor.storage.causes import Cause, encode_cause
from rebate_monitor.storage.courses import decode_course
from rebate_monitor.storage.database import Connection
from rebate_monitor.storage.recomputes import Recompute, columns
from rebate_monitor.storage.statements import statement

TOUCHED_COURSES = statement("touched_courses")
LAY_PAGE = statement("lay_page")
COMPARE_COURSES = statement("compare_courses")
CHUNK, AT_ONCE = 1_000, 20
"""How many courses are kept by one statement, and assessed at once: requests get their turn."""
COMPARED = (
    "settled_verdict", "normal", "lapsed", "policy_id", "policy_version", "limit_workdays",
    "counted_workdays", "running_since", "due_date", "at_risk_at", "breach_at", "urgent_at",
    "in_time", "same_day",
)  # fmt: skip
NOBODY = 0
"""The number of rules that are only tried."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AssessedCourse:
    """What rules make of a course, as it is written to its cases."""

    course: str
    lapsed: bool
    policy: Policy | None
    assessment: Assessment

    def values(self, names: Sequence[str]) -> Iterator[Any]:
        """Yield columns by name."""
        for name in names:
            yield OWN_COLUMNS[name](self) if name in OWN_COLUMNS else getattr(self.assessment, name)


OWN_COLUMNS: Mapping[str, Callable[[AssessedCourse], Any]] = {
    "course": lambda told: told.course,
    "lapsed": lambda told: told.lapsed,
    "policy_id": lambda told: told.policy.id if told.policy else None,
    "policy_version": lambda told: told.policy.version if told.policy else None,
    "stages": lambda told: encode_stages(told.assessment.stages),
    "next_alert_at": lambda told: _first_alert_at(told.assessment),
    "alert_texts": lambda told: ",".join(at.isoformat() for at in told.assessment.alert_instants),
}


async def assess_courses(
    connection: Connection, cases: Touched, rulebook: Rulebook, number: int
) -> None:
    """Assess each course that touched cases took, by the rules of a number, and keep that."""
    names = ("course", *COMPARED, "alert_instants", "next_alert_at", "stages", "rests_until")
    async for assessed in _assessed_courses(connection, cases, rulebook, number):
        await connection.copy_records_to_table(
            "recompute_course",
            records=[(number, *told.values(names)) for told in assessed],
            columns=("rules", *names),
        )


async def _assessed_courses(
    connection: Connection, cases: Touched, rulebook: Rulebook, known_by: int
) -> AsyncIterator[Sequence[AssessedCourse]]:
    rows = await connection.fetch(TOUCHED_COURSES, *columns(cases), known_by)
    courses = [row["course"] for row in rows]
    chunk: list[AssessedCourse] = []
    for start in range(0, len(courses), AT_ONCE):
        chunk += [_assessed(text, rulebook) for text in courses[start : start + AT_ONCE]]
        await asyncio.sleep(0)
        if len(chunk) >= CHUNK:
            yield chunk
            chunk = []
    yield chunk


def _assessed(text: str, rulebook: Rulebook) -> AssessedCourse:
    course = decode_course(text)
    applied = rulebook.policies.on(course.accepted_on)
    return AssessedCourse(
        course=text,
        lapsed=applied.lapsed,
        policy=applied.policy,
        assessment=assess_course(course, applied, rulebook.calendar),
    )


def _first_alert_at(told: Assessment) -> datetime | None:
    """Return when an open case without alerts gets its first."""
    return told.alert_instants[0] if told.status.is_open and told.alert_instants else None


@dataclass(frozen=True, slots=True, kw_only=True)
class CourseRow:
    """As much of cases that stand alike as tallies and counts are read off.

    Of ended cases the instants and the due date are left out: no tally has them.
    """

    status: Status
    category: str | None
    city: str | None
    stopped_on: date | None
    rules: int | None
    settled_verdict: Verdict | None
    normal: bool
    counted_workdays: int | None
    at_risk_at: datetime | None
    due_date: date | None
    breach_at: datetime | None
    in_time: bool | None
    same_day: bool | None


@dataclass(frozen=True, slots=True, kw_only=True)
class CourseChange(Change):
    """Cases that stood alike and come out alike, and whether their due date is another."""

    before: CourseRow
    after: CourseRow
    due_date_moved: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """How many cases were looked at, the last id of their stretch, and what has changed."""

    cases: int
    last: str
    changes: Sequence[CourseChange]


async def lay_page(
    connection: Connection, told: Recompute, most: int, now: datetime, calendar_cause: Cause
) -> Page | None:
    """Lay the touched ones of the next cases down as assessed; None where there are no more.

    Where another policy is not the cause, the calendar is.
    """
    cause = encode_cause(calendar_cause)
    rows = await connection.fetch(
        LAY_PAGE, told.done_through, *columns(told.touched), most, told.rules, now, cause
    )
    if rows[0]["last"] is None:
        return None
    changes = [_change(row, told.rules) for row in rows if row["changed"]]
    return Page(cases=rows[0]["cases"], last=rows[0]["last"], changes=changes)


def _change(row: Record, rules: int) -> CourseChange:
    return CourseChange(
        before=_row(row, row["rules"], "_before"),
        after=_row(row, rules, ""),
        cases=row["changed"],
        due_date_moved=row["due_date_moved"],
    )


def _row(row: Record, rules: int | None, side: str) -> CourseRow:
    verdict = row["settled_verdict" + side]
    return CourseRow(
        status=Status(row["status"]),
        category=row["category"],
        city=row["city"],
        stopped_on=row["stopped_on"],
        rules=rules,
        settled_verdict=Verdict(verdict) if verdict else None,
        normal=row["normal" + side],
        counted_workdays=row["counted_workdays" + side],
        at_risk_at=row["at_risk_at" + side],
        due_date=row["due_date" + side],
        breach_at=row["breach_at" + side],
        in_time=row["in_time" + side],
        same_day=row["same_day" + side],
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Compared:
    """Touched cases that stand alike, what they come out as, and whether anything differs."""

    change: CourseChange
    is_changed: bool


async def compare_courses(
    connection: Connection, cases: Touched, rulebook: Rulebook
) -> Iterator[Compared]:
    """Return all cases that rules may touch, with what these make of them; nothing is written."""
    assessed = [
        told
        async for chunk in _assessed_courses(connection, cases, rulebook, NOBODY)
        for told in chunk
    ]
    names = ("course", *COMPARED, "alert_texts", "stages", "rests_until")
    told = [list(told.values(names)) for told in assessed]
    arrays = [list(column) for column in zip(*told, strict=True)] or [[]] * len(names)
    rows = await connection.fetch(COMPARE_COURSES, *columns(cases), *arrays)
    return (Compared(change=_change(row, NOBODY), is_changed=row["is_changed"]) for row in rows)
