"""Which cases can come out otherwise when the rules change: all others are left as they are."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date, timedelta

from rebate_monitor.domain.policy import AppliedPolicy, PolicyBook
from rebate_monitor.domain.rulebook import Rulebook
from rebate_monitor.domain.work_calendar import WorkCalendar

ONE_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Stretch:
    """Cases that a change may touch, by their day of acceptance; both days are included.

    None stands for any day. With `rests_from` only those are meant whose assessment rests on that
    day or a later one.
    """

    first: date | None = None
    last: date | None = None
    rests_from: date | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Touched:
    """The cases that a change of the rules may touch.

    `refolds` says that the same events may make another course of a case: where a clock stops, or
    what a suspension does, is another.
    """

    stretches: tuple[Stretch, ...] = ()
    refolds: bool = False

    def plus(self, other: "Touched") -> "Touched":
        """Return what either touches."""
        return Touched(
            stretches=tuple(dict.fromkeys((*self.stretches, *other.stretches))),
            refolds=self.refolds or other.refolds,
        )


EVERY_CASE = Touched(stretches=(Stretch(),), refolds=True)


def touched(before: Rulebook, after: Rulebook) -> Touched:
    """Return which cases may come out otherwise under the later rules."""
    turned = list(_turned(before.policies, after.policies))
    stretches = [stretch for stretch, _, _ in turned]
    return Touched(
        stretches=(*_moved(before.calendar, after.calendar), *stretches),
        refolds=any(_folds(one) != _folds(other) for _, one, other in turned),
    )


def _moved(before: WorkCalendar, after: WorkCalendar) -> Iterator[Stretch]:
    """Yield the cases that rest on a day which is worked by one calendar only.

    A count is a difference of two W, so that only days after acceptance matter.
    """
    days = list(_moved_days(before, after))
    if days:
        yield Stretch(last=days[-1], rests_from=days[0])


def _moved_days(before: WorkCalendar, after: WorkCalendar) -> Iterator[date]:
    named = sorted({*_days_named_anew(before, after), *_days_named_anew(after, before)})
    for day in named:
        if before.kind(day).is_workday != after.kind(day).is_workday:
            yield day


def _days_named_anew(one: WorkCalendar, other: WorkCalendar) -> Iterator[date]:
    for year, notice in one.notices.items():
        known = other.notices.get(year)
        if known is None or notice.days != known.days:
            yield from notice.days


def _turned(
    before: PolicyBook, after: PolicyBook
) -> Iterator[tuple[Stretch, AppliedPolicy, AppliedPolicy]]:
    """Yield each stretch of acceptances that other rules judge, with the rules before and after."""
    turns = sorted({*_turns(before), *_turns(after)})
    for first, following in zip([None, *turns], [*turns, None], strict=True):
        one, other = (_on(book, first) for book in (before, after))
        if _judging(one) != _judging(other):
            last = following - ONE_DAY if following else None
            yield Stretch(first=first, last=last), one, other


def _turns(book: PolicyBook) -> Iterable[date]:
    """Return the first days on which another policy, or none, is in force."""
    for policy in book.policies:
        yield policy.effective_from
        if policy.effective_to is not None and policy.effective_to < date.max:
            yield policy.effective_to + ONE_DAY


def _on(book: PolicyBook, day: date | None) -> AppliedPolicy:
    return book.on(day) if day else AppliedPolicy()


def _judging(applied: AppliedPolicy) -> tuple[str | None, bool]:
    return (applied.policy.version if applied.policy else None), applied.lapsed


def _folds(applied: AppliedPolicy) -> object:
    """Return those rules by which events become a course; all others only assess it."""
    return applied.rules.stop_at, dict(applied.rules.suspensions)
