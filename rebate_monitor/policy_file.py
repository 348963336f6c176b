"""Read policies from TOML, the packaged ones and those laid over them, and write them as TOML."""

import tomllib
from collections.abc import Iterator, Mapping
from datetime import date
from importlib import resources
from itertools import starmap
from pathlib import Path
from typing import Annotated, Any, TypeVar

import msgspec
import tomli_w

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
from rebate_monitor.told_fields import (
    STORABLE,
    Checked,
    ToldError,
    check_tables,
    given_twice,
    shown,
    unknown_name,
)

KNOWN_TABLES = frozenset(
    {"policy", "city", "office", "alerts", "channel", "route", "proxy", "retention"}
)

MOST_POLICIES = 1000

Name = TypeVar("Name", Category, Scope, SuspensionReason)

STEPS = "whole numbers of workdays from 1 to 366, each greater than the one before, such as [2, 4]"
Workdays = Annotated[
    int, msgspec.Meta(ge=1, le=366, description="a whole number of workdays from 1 to 366")
]
WorkdaysOrNone = Annotated[
    int, msgspec.Meta(ge=0, le=366, description="a whole number of workdays from 0 to 366")
]
MeanWorkdays = Annotated[  # TOML knows inf, a mean does not
    float,
    msgspec.Meta(gt=0, le=366, description="a number of workdays above 0 and not above 366"),
]
Steps = Annotated[tuple[Workdays, ...], msgspec.Meta(max_length=366, description=STEPS)]
Id = Annotated[
    str,
    msgspec.Meta(
        pattern=r"^[a-z0-9][a-z0-9-]{0,62}\Z",
        description="1 to 63 of a-z, 0-9 and -, not beginning with -",
    ),
]
Title = Annotated[
    str,
    msgspec.Meta(
        min_length=1,
        max_length=2000,
        pattern=STORABLE,
        description="a text of 1 to 2000 characters, without U+0000",
    ),
]
Text = Annotated[
    str, msgspec.Meta(pattern=STORABLE, description="a text in quotation marks, without U+0000")
]


class PolicyFileError(ToldError):
    """A policy file is not what DESIGN section 3 describes; each problem names its place."""


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


class _Suspensions(msgspec.Struct, forbid_unknown_fields=True):
    supplement: SuspensionEffect | None = None
    verification: SuspensionEffect | None = None
    correspondence: SuspensionEffect | None = None
    onsite: SuspensionEffect | None = None
    hold: SuspensionEffect | None = None
    other: SuspensionEffect | None = None


def _like(example: str) -> msgspec.Meta:
    return msgspec.Meta(description=f"a table such as {{ {example} }}")


class _Policy(msgspec.Struct, forbid_unknown_fields=True):
    id: Id
    title: Title
    effective_from: date
    limits: Annotated[_Limits, _like("I = 3, II = 3, default = 4")]
    title_en: Text = ""
    citation: Text = ""
    citation_en: Text = ""
    effective_to: date | None = None
    after_expiry: AfterExpiry = AfterExpiry.CARRY_OVER
    stop_at: StopAt = StopAt.VOUCHER_ISSUED
    warn_workdays_left: WorkdaysOrNone = 1
    escalate_after_workdays: Steps = (2, 4)
    immediate_within_workdays: WorkdaysOrNone = 0
    targets: Annotated[_Targets, _like("all = 4, category_1_2 = 3")] = msgspec.field(
        default_factory=_Targets
    )
    counting: Annotated[_Counting, _like('start_day = "excluded"')] = msgspec.field(
        default_factory=_Counting
    )
    suspensions: Annotated[_Suspensions, _like('other = "pause"')] = msgspec.field(
        default_factory=_Suspensions
    )


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
    told = convert_policies(config or {})
    try:
        return PolicyBook(packaged_policies()).with_policies(told)
    except OverlappingPoliciesError as error:
        raise PolicyFileError(*error.problems) from error


def parse_policies(text: str) -> tuple[Policy, ...]:
    """Parse the policies of a TOML text; raise PolicyFileError."""
    return convert_policies(_parse(text))


def parse_only_policies(text: str) -> tuple[Policy, ...]:
    """Parse a TOML text that holds policies, one at least, and nothing else; raise PolicyFileError.

    All that is wrong with it is told at once.
    """
    config = _parse(text)
    problems = [_no_policy(name) for name in config if name != "policy"]
    try:
        policies = convert_policies(config)
    except PolicyFileError as error:
        raise PolicyFileError(*problems, *error.problems) from error
    if not policies:
        problems.append("[[policy]]: is missing; must be one block at least")
    if problems:
        raise PolicyFileError(*problems)
    return policies


def _no_policy(name: str) -> str:
    if name in KNOWN_TABLES:
        return f"{name}: belongs into REBATE_CONFIG; only [[policy]] blocks are applied"
    return unknown_name(name, ["policy"], "table")


def read_config(path: Path) -> dict[str, Any]:
    """Read the TOML file that REBATE_CONFIG names; raise PolicyFileError, which names the file."""
    try:
        config = _parse(_read(path))
        _refuse_unknown_tables(config)
    except PolicyFileError as error:
        raise error.within(path) from error
    return config


def _read(path: Path) -> str:
    try:
        return path.read_text("utf-8")
    except OSError as error:
        raise PolicyFileError(f"cannot be read ({error.strerror})") from error
    except UnicodeDecodeError as error:
        raise PolicyFileError(
            f"byte {error.start + 1} is not UTF-8; must be a text file in UTF-8"
        ) from error


def _parse(text: str) -> dict[str, Any]:
    try:
        return tomllib.loads(text.removeprefix("\ufeff"))  # some editors begin every file with it
    except tomllib.TOMLDecodeError as error:
        raise PolicyFileError(f"not TOML: {_with_place(str(error), text)}") from error
    except RecursionError as error:
        raise PolicyFileError("not TOML: arrays or tables lie in each other too deep") from error
    except ValueError as error:
        raise PolicyFileError("not TOML: a number has too many digits") from error


def _with_place(message: str, text: str) -> str:
    """Name the line and column of the document's end, which tomllib does not."""
    last = text[text.rfind("\n") + 1 :]
    end = f"(at line {text.count(chr(10)) + 1}, column {len(last) + 1}, the end)"
    return message.replace("(at end of document)", end)


def _refuse_unknown_tables(config: Mapping[str, Any]) -> None:
    known = sorted(KNOWN_TABLES)
    unknown = [name for name in config if name not in KNOWN_TABLES]
    if unknown:
        raise PolicyFileError(*(unknown_name(name, known, "table") for name in unknown))


def convert_policies(config: Mapping[str, Any]) -> tuple[Policy, ...]:
    """Check and convert the `[[policy]]` blocks of a parsed file; raise PolicyFileError."""
    told = check_tables(config, "policy", _Policy, title="policy", key="id", most=MOST_POLICIES)
    problems = [*_problems(told)]
    if problems:
        raise PolicyFileError(*problems)
    return tuple(_policy(checked.table) for checked in told)


def _problems(told: list[Checked[_Policy]]) -> Iterator[str]:
    for policy in told:
        yield from policy.problems
        yield from _contradictions(policy)
    for policy_id in given_twice(told, "id"):
        yield f"policy id {shown(policy_id)} is given twice"


def _contradictions(told: Checked[_Policy]) -> Iterator[str]:
    first, last = told.right.get("effective_from"), told.right.get("effective_to")
    if first and last and last < first:
        yield f"{told.title}: effective_to {last} lies before effective_from {first}"
    steps = list(told.right.get("escalate_after_workdays", ()))
    if steps != sorted(set(steps)):
        yield f"{told.title}: escalate_after_workdays: {steps} does not rise; must be {STEPS}"


def _policy(told: _Policy) -> Policy:
    return Policy(
        id=told.id,
        title=told.title,
        title_en=told.title_en,
        citation=told.citation,
        citation_en=told.citation_en,
        effective_from=told.effective_from,
        effective_to=told.effective_to,
        after_expiry=told.after_expiry,
        default_limit=told.limits.default,
        limits=_given(told.limits, Category),
        targets=_given(told.targets, Scope),
        rules=_rules(told),
        warn_workdays_left=told.warn_workdays_left,
        escalate_after_workdays=told.escalate_after_workdays,
    )


def _rules(told: _Policy) -> Rules:
    return Rules(
        stop_at=told.stop_at,
        counting=Counting(
            start_day=told.counting.start_day,
            non_workday_start=told.counting.non_workday_start,
        ),
        suspensions={**DEFAULT_SUSPENSIONS, **_given(told.suspensions, SuspensionReason)},
        immediate_within_workdays=told.immediate_within_workdays,
    )


def _given(table: msgspec.Struct, names: type[Name]) -> dict[Name, Any]:
    told = {name: getattr(table, name) for name in names}
    return {name: value for name, value in told.items() if value is not None}


def policy_toml(policy: Policy) -> str:
    """Return the `[[policy]]` block that parse_policies reads back to an equal policy."""
    return "\n".join(["[[policy]]", *starmap(_line, _fields(policy).items()), ""])


def _line(field: str, value: object) -> str:
    match value:
        case dict():
            return f"{field} = {{ {', '.join(starmap(_line, value.items()))} }}"
        case tuple():
            return f"{field} = {list(value)}"
        case _:
            return tomli_w.dumps({field: value}).rstrip("\n")


def _fields(policy: Policy) -> dict[str, Any]:
    """Return what is written of a policy, in the order of DESIGN section 3."""
    told: dict[str, Any] = {
        "id": policy.id,
        "title": policy.title,
        "title_en": policy.title_en,
        "citation": policy.citation,
        "citation_en": policy.citation_en,
        "effective_from": policy.effective_from,
        "effective_to": policy.effective_to,
        "after_expiry": policy.after_expiry,
        "stop_at": policy.rules.stop_at,
        "warn_workdays_left": policy.warn_workdays_left,
        "escalate_after_workdays": policy.escalate_after_workdays,
        "immediate_within_workdays": policy.rules.immediate_within_workdays,
        "limits": _ordered(policy.limits, Category) | {"default": policy.default_limit},
        "targets": {
            scope: int(mean) if mean == int(mean) else mean
            for scope, mean in _ordered(policy.targets, Scope).items()
        },
        "counting": {
            "start_day": policy.rules.counting.start_day,
            "non_workday_start": policy.rules.counting.non_workday_start,
        },
        "suspensions": _ordered(policy.rules.suspensions, SuspensionReason),
    }
    return {field: value for field, value in told.items() if value not in (None, "", {})}


def _ordered(values: Mapping[Name, Any], names: type[Name]) -> dict[str, Any]:
    return {name: values[name] for name in names if name in values}
