"""What differs between two wordings of a policy, field by field, as its TOML names them."""

from collections.abc import Mapping
from dataclasses import dataclass

from rebate_monitor.domain.event import Category, SuspensionReason
from rebate_monitor.domain.policy import Policy, Rules, Scope

WORDS = frozenset({"title", "title_en", "citation", "citation_en"})


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyChange:
    """A field that differs; None stands for what is not told, in one policy or for want of one."""

    field: str
    before: str | None
    after: str | None

    @property
    def judges(self) -> bool:
        """Whether single cases are judged by the field, so that the version changes with it.

        Titles and citations are words, and a target bounds a mean.
        """
        return self.field not in WORDS and not self.field.startswith("targets.")


def policy_difference(before: Policy | None, after: Policy | None) -> tuple[PolicyChange, ...]:
    """Return every field that differs; None is a policy that is not there."""
    old, new = _fields(before), _fields(after)
    return tuple(
        PolicyChange(field=field, before=old.get(field), after=new.get(field))
        for field in old | new
        if old.get(field) != new.get(field)
    )


def _fields(policy: Policy | None) -> dict[str, str | None]:
    if policy is None:
        return {}
    fields = {
        "id": policy.id,
        "title": policy.title,
        "title_en": policy.title_en,
        "citation": policy.citation,
        "citation_en": policy.citation_en,
        "effective_from": policy.effective_from,
        "effective_to": policy.effective_to,
        "after_expiry": policy.after_expiry,
        "warn_workdays_left": policy.warn_workdays_left,
        "escalate_after_workdays": list(policy.escalate_after_workdays),
        **{f"limits.{name}": policy.limits.get(name) for name in Category},
        "limits.default": policy.default_limit,
        **{f"targets.{name}": policy.targets.get(name) for name in Scope},
        **_rule_fields(policy.rules),
    }
    return {field: _text(value) for field, value in fields.items()}


def _rule_fields(rules: Rules) -> Mapping[str, object]:
    return {
        "stop_at": rules.stop_at,
        "immediate_within_workdays": rules.immediate_within_workdays,
        "counting.start_day": rules.counting.start_day,
        "counting.non_workday_start": rules.counting.non_workday_start,
        **{f"suspensions.{name}": rules.suspensions.get(name) for name in SuspensionReason},
    }


def _text(value: object) -> str | None:
    """Return a value as it is written, a whole mean without `.0`; nothing for an empty text."""
    if value is None or value == "":
        return None
    return str(value).removesuffix(".0") if isinstance(value, float) else str(value)
