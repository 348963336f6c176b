"""Read policies from TOML: the packaged ones, and those that a configuration lays over them."""

import tomllib
from collections.abc import Iterable, Mapping
from datetime import date
from importlib import resources
from pathlib import Path
from typing import Annotated, Any

import msgspec

from rebate_monitor.domain.event import Category, SuspensionReason
from rebate_monitor.domain.policy import (
    DEFAULT_SUSPENSIONS,
    AfterExpiry,
    Counting,
    NonWorkdayStart,
    OverlappingPoliciesError,
    Policy,
    PolicyBook,
    Rules,
    Scope,
    StartDay,
    StopAt,
    SuspensionEffect,
)

KNOWN_TABLES = frozenset({"policy", "city", "office", "alerts", "channel", "route"})

Workdays = Annotated[int, msgspec.Meta(ge=1, le=366)]
WorkdaysOrNone = Annotated[int, msgspec.Meta(ge=0, le=366)]
MeanWorkdays = Annotated[float, msgspec.Meta(gt=0, le=366)]  # TOML knows inf, a mean does not
Text = Annotated[str, msgspec.Meta(min_length=1, max_length=2000)]


class PolicyFileError(ValueError):
    """A policy file is not what DESIGN section 3 describes; the message names the place."""


class _Counting(msgspec.Struct, forbid_unknown_fields=True):
    start_day: StartDay = StartDay.EXCLUDED
    non_workday_start: NonWorkdayStart = NonWorkdayStart.DAY_1


class _Limits(msgspec.Struct, forbid_unknown_fields=True):
    default: Workdays
    I: Workdays | None = None  # noqa: E741 - the law's own numeral
    II: Workdays | None = None
    III: Workdays | None = None
    IV: Workdays | None = None


class _Targets(msgspec.Struct, forbid_unknown_fields=True):
    all: MeanWorkdays | None = None
    category_1_2: MeanWorkdays | None = None


class _Policy(msgspec.Struct, forbid_unknown_fields=True):
    id: Annotated[str, msgspec.Meta(pattern=r"^[a-z0-9][a-z0-9-]{0,62}\Z")]
    title: Text
    effective_from: date
    limits: _Limits
    title_en: str = ""
    citation: str = ""
    citation_en: str = ""
    effective_to: date | None = None
    after_expiry: AfterExpiry = AfterExpiry.CARRY_OVER
    stop_at: StopAt = StopAt.VOUCHER_ISSUED
    warn_workdays_left: WorkdaysOrNone = 1
    escalate_after_workdays: tuple[Workdays, ...] = (2, 4)
    immediate_within_workdays: WorkdaysOrNone = 0
    targets: _Targets = msgspec.field(default_factory=_Targets)
    counting: _Counting = msgspec.field(default_factory=_Counting)
    suspensions: dict[SuspensionReason, SuspensionEffect] = {}


class _PolicyFile(msgspec.Struct):
    policy: list[_Policy] = []


def packaged_policies() -> tuple[Policy, ...]:
    """Return the policies that come with the package."""
    folder = resources.files("rebate_monitor") / "policies"
    files = sorted(
        (entry for entry in folder.iterdir() if entry.name.endswith(".toml")),
        key=lambda entry: entry.name,
    )
    return tuple(policy for file in files for policy in parse_policies(file.read_text("utf-8")))


def policy_book(config: Mapping[str, Any] | None = None) -> PolicyBook:
    """Return the packaged policies, replaced or added to by the `[[policy]]` blocks of a config.

    Raises PolicyFileError, also when two policies would be in force on one day.
    """
    policies = {policy.id: policy for policy in packaged_policies()}
    policies |= {policy.id: policy for policy in convert_policies(config or {})}
    try:
        return PolicyBook(policies.values())
    except OverlappingPoliciesError as error:
        raise PolicyFileError(str(error)) from error


def parse_policies(text: str) -> tuple[Policy, ...]:
    """Parse the policies of a TOML text; raise PolicyFileError."""
    try:
        return convert_policies(tomllib.loads(text))
    except tomllib.TOMLDecodeError as error:
        raise PolicyFileError(f"not TOML: {error}") from error


def read_config(path: Path) -> dict[str, Any]:
    """Read the TOML file that REBATE_CONFIG names; raise PolicyFileError."""
    try:
        config = tomllib.loads(path.read_text("utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise PolicyFileError(f"{path}: {error}") from error
    for table in config.keys() - KNOWN_TABLES:
        known = ", ".join(f"[[{name}]]" for name in sorted(KNOWN_TABLES))
        raise PolicyFileError(f"{path}: unknown table {table!r}; known: {known}")
    return config


def convert_policies(config: Mapping[str, Any]) -> tuple[Policy, ...]:
    """Check and convert the `[[policy]]` blocks of a parsed file; raise PolicyFileError."""
    try:
        parsed = msgspec.convert(config, _PolicyFile)
    except msgspec.ValidationError as error:
        raise PolicyFileError(str(error)) from error
    return tuple(map(_policy, _with_distinct_ids(parsed.policy)))


def _with_distinct_ids(policies: list[_Policy]) -> Iterable[_Policy]:
    seen: set[str] = set()
    for policy in policies:
        if policy.id in seen:
            raise PolicyFileError(f"policy id {policy.id!r} is given twice")
        seen.add(policy.id)
    return policies


def _policy(parsed: _Policy) -> Policy:
    if parsed.effective_to is not None and parsed.effective_to < parsed.effective_from:
        raise PolicyFileError(f"policy {parsed.id!r}: effective_to lies before effective_from")
    if list(parsed.escalate_after_workdays) != sorted(set(parsed.escalate_after_workdays)):
        raise PolicyFileError(f"policy {parsed.id!r}: escalate_after_workdays must rise")
    limits = {c: limit for c in Category if (limit := getattr(parsed.limits, c)) is not None}
    targets = {s: target for s in Scope if (target := getattr(parsed.targets, s)) is not None}
    return Policy(
        id=parsed.id,
        title=parsed.title,
        title_en=parsed.title_en,
        citation=parsed.citation,
        citation_en=parsed.citation_en,
        effective_from=parsed.effective_from,
        effective_to=parsed.effective_to,
        after_expiry=parsed.after_expiry,
        default_limit=parsed.limits.default,
        limits=limits,
        targets=targets,
        rules=_rules(parsed),
        warn_workdays_left=parsed.warn_workdays_left,
        escalate_after_workdays=parsed.escalate_after_workdays,
    )


def _rules(parsed: _Policy) -> Rules:
    return Rules(
        stop_at=parsed.stop_at,
        counting=Counting(
            start_day=parsed.counting.start_day,
            non_workday_start=parsed.counting.non_workday_start,
        ),
        suspensions={**DEFAULT_SUSPENSIONS, **parsed.suspensions},
        immediate_within_workdays=parsed.immediate_within_workdays,
    )
