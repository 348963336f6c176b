"""Rules that somebody proposes: limits, policies or a calendar, laid over the present rules."""

from typing import Any

import msgspec

from rebate_monitor.calendar_file import CalendarFileError, convert_notice
from rebate_monitor.domain.calendar_change import with_notice
from rebate_monitor.domain.event import Category
from rebate_monitor.domain.policy import OverlappingPoliciesError, PolicyBook
from rebate_monitor.domain.rulebook import Rulebook
from rebate_monitor.domain.what_if import with_limits
from rebate_monitor.domain.work_calendar import WorkCalendar
from rebate_monitor.policy_file import PolicyFileError, convert_policies

DEFAULT = "default"
MOST_WORKDAYS = 366


class ProposalError(ValueError):
    """A proposal cannot be tried; the message names the field, the problem and the rule."""


class Proposal(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """What to try: at least one of `limits`, `policies` and `calendar`.

    `limits` are workdays by category, `default` for every one not named. `policies` are blocks as
    in REBATE_CONFIG; the same id replaces. `calendar` is one year of the shape of holiday-cn.
    """

    limits: dict[str, int] = {}
    policies: list[dict[str, Any]] = []
    calendar: dict[str, Any] | None = None


def proposed_rules(present: Rulebook, proposal: Proposal) -> Rulebook:
    """Return the rules as proposed; raise ProposalError."""
    if not (proposal.limits or proposal.policies or proposal.calendar):
        raise ProposalError(
            "limits, policies, calendar: nothing is proposed; at least one is needed"
        )
    try:
        policies = _policies(present.policies, proposal)
        return Rulebook(policies=policies, calendar=_calendar(present.calendar, proposal))
    except (PolicyFileError, CalendarFileError, OverlappingPoliciesError) as error:
        raise ProposalError(str(error)) from error


def _policies(present: PolicyBook, proposal: Proposal) -> PolicyBook:
    proposed = convert_policies({"policy": proposal.policies})
    return with_limits(present.with_policies(proposed), _limits(proposal.limits))


def _limits(told: dict[str, int]) -> dict[Category | None, int]:
    known = {DEFAULT: None, **{category.value: category for category in Category}}
    for name, limit in told.items():
        if name not in known:
            raise ProposalError(f"limits: {name!r} is unknown; must be one of {', '.join(known)}")
        if not 1 <= limit <= MOST_WORKDAYS:
            raise ProposalError(f"limits: {name}: must be from 1 to {MOST_WORKDAYS} workdays")
    return {known[name]: limit for name, limit in told.items()}


def _calendar(present: WorkCalendar, proposal: Proposal) -> WorkCalendar:
    if proposal.calendar is None:
        return present
    return with_notice(present, [convert_notice(proposal.calendar)])
