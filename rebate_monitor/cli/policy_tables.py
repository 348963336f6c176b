"""Policies, what differs between them and who judges when, as the terminal shows them."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from rich.table import Table

from rebate_monitor.cli.plain_table import plain_table
from rebate_monitor.cli.rule_state import how, since
from rebate_monitor.domain.event import Category
from rebate_monitor.domain.policy import AfterExpiry, AppliedPolicy, Policy, PolicyBook, Scope
from rebate_monitor.domain.policy_change import policy_difference
from rebate_monitor.domain.rule_versions import PartVersion
from rebate_monitor.domain.rulebook import Rulebook
from rebate_monitor.domain.touched import Stretch, touched
from rebate_monitor.domain.work_calendar import WorkCalendar

ONE_DAY = timedelta(days=1)
START = "the package or REBATE_CONFIG"
NOBODY = "nobody 无\nno verdict 不作判定"
LEGEND = "* judges single cases 影响判定; the others are words, and targets of means"


def in_force(policy: Policy) -> str:
    """Say from when to when a policy is in force."""
    return f"{policy.effective_from} to {policy.effective_to or 'further notice'}"


def standing(policy: Policy, book: PolicyBook, today: date) -> str:
    """Say what a policy does today: a lapsed one never goes unmentioned."""
    if today < policy.effective_from:
        return f"begins 未开始 on {policy.effective_from}"
    if not policy.expired_on(today):
        return "judges cases accepted today 有效"
    ended = f"ended 已到期 {policy.effective_to}"
    return f"{ended}, {_afterwards(policy, book, today)}"


def _afterwards(policy: Policy, book: PolicyBook, today: date) -> str:
    following = next((p for p in book.policies if p.effective_from > policy.effective_from), None)
    if policy.after_expiry is AfterExpiry.CARRY_OVER:
        told = "later cases are judged by it (carry_over 沿用)"
    else:
        told = "later cases get no verdict (none 不沿用)"
    if following is None:
        return told
    if policy.expired_on(following.effective_from - ONE_DAY):
        until = "until" if today < following.effective_from else "up to"
        return f"{told} {until} {following.effective_from}, when {following.id} begins"
    return f"followed by {following.id}"


def limits_of(policy: Policy) -> str:
    """Write the limits of single cases."""
    told = [f"{name} {policy.limits[name]}" for name in Category if name in policy.limits]
    return ", ".join([*told, f"{'others' if told else 'all'} {policy.default_limit}"])


def _targets(policy: Policy) -> str:
    told = [f"{name} {policy.targets[name]:g}" for name in Scope if name in policy.targets]
    return f"{', '.join(told)} mean workdays" if told else "none"


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyLine:
    """One policy in a list: where it comes from and since when it is known."""

    policy: Policy
    origin: str
    known_since: str

    def rows(self, book: PolicyBook, today: date) -> Iterator[tuple[str, str]]:
        """Yield what there is to say of it in short."""
        yield "in force 有效期", in_force(self.policy)
        yield "today 目前", standing(self.policy, book, today)
        yield "limits 办理时限", f"{limits_of(self.policy)} workdays for one case"
        yield "targets 平均目标", _targets(self.policy)
        yield "from 来源", self.origin
        yield "known since 知悉", self.known_since


def policy_list(lines: Sequence[PolicyLine], book: PolicyBook, today: date) -> Table:
    """Return every policy with what there is to say of it in short."""
    table = plain_table("policy 政策", "")
    for line in lines:
        table.add_row(line.policy.id, line.policy.title)
        if line.policy.title_en:
            table.add_row("", line.policy.title_en)
        for name, value in line.rows(book, today):
            table.add_row(f"  {name}", value)
        table.add_section()
    return table


def field_table(policy: Policy) -> Table:
    """Return every field of a policy, as its TOML names them."""
    table = plain_table("", "field", "value")
    for change in policy_difference(None, policy):
        table.add_row("*" if change.judges else "", change.field, change.after)
    return table


def difference_table(before: Policy, after: Policy) -> Table:
    """Return the fields that differ."""
    table = plain_table("", "field", "before 原", "after 现")
    for change in policy_difference(before, after):
        mark = "*" if change.judges else ""
        table.add_row(mark, change.field, change.before or "-", change.after or "-")
    return table


def version_table(versions: Sequence[PartVersion[Policy]]) -> Table:
    """Return the versions of a policy, each with what it changed."""
    table = plain_table("version", "in force", "known since", "how, by whom", "what changed")
    before: Policy | None = None
    for version in versions:
        table.add_row(
            f"{version.number}",
            f"{version.part.effective_from}\nto {version.part.effective_to or '…'}"
            if version.part
            else "-",
            since(version.known_since),
            how(version.brought, START),
            "\n".join(_changed(before, version.part)),
        )
        before = version.part
    return table


def _changed(before: Policy | None, after: Policy | None) -> Iterator[str]:
    if after is None:
        yield "withdrawn, as if it had never been"
    elif before is not None:
        for change in policy_difference(before, after):
            yield f"{change.field}: {change.before or '-'} → {change.after or '-'}"


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgedOtherwise:
    """A stretch of days of acceptance whose cases another policy judges than before."""

    stretch: Stretch
    before: AppliedPolicy
    after: AppliedPolicy

    @property
    def days(self) -> str:
        """The days of acceptance."""
        first, last = self.stretch.first, self.stretch.last
        if first is None:
            return f"until {last}"
        return f"from {first} to {last}" if last else f"from {first} on"


def judged_otherwise(
    before: PolicyBook, after: PolicyBook, calendar: WorkCalendar
) -> list[JudgedOtherwise]:
    """Return the stretches of days whose cases others judge, or by other limits, in order."""
    told = touched(
        Rulebook(policies=before, calendar=calendar), Rulebook(policies=after, calendar=calendar)
    )
    every = [
        JudgedOtherwise(
            stretch=stretch, before=_on(before, stretch.first), after=_on(after, stretch.first)
        )
        for stretch in told.stretches
    ]
    return [each for each in every if judge_of(each.before) != judge_of(each.after)]


def _on(book: PolicyBook, first: date | None) -> AppliedPolicy:
    return book.on(first) if first else AppliedPolicy()


def judged_table(told: Sequence[JudgedOtherwise]) -> Table:
    """Return who judges which days of acceptance, before and after."""
    table = plain_table("accepted 受理日", "judged until now by", "judged from now on by")
    for each in told:
        days = each.days.replace(" to ", "\nto ")
        table.add_row(days, judge_of(each.before), judge_of(each.after))
    return table


def judge_of(applied: AppliedPolicy) -> str:
    """Say what judges cases: a policy with its limits, lapsed or not, or nothing."""
    if applied.policy is None or not applied.judges:
        return NOBODY
    lapsed = ", lapsed 沿用" if applied.lapsed else ""
    return f"{applied.policy.id}{lapsed}\n{limits_of(applied.policy)}"
