"""GET /v1/policies: every policy as it is in force, its versions, and what judges today."""

from collections.abc import Sequence
from datetime import date, datetime
from enum import StrEnum

import msgspec
from aiohttp import web

from rebate_monitor.api.access import require
from rebate_monitor.api.parameters import allow_only
from rebate_monitor.api.service import SERVICE
from rebate_monitor.api.views import encode, known_since_view
from rebate_monitor.domain.event import Category
from rebate_monitor.domain.known_then import KnownRules
from rebate_monitor.domain.policy import Policy, PolicyBook
from rebate_monitor.domain.rule_versions import PartVersion, policy_versions
from rebate_monitor.storage.keys import Scope
from rebate_monitor.storage.rulebooks import Version, known_rules, latest_version


class PolicyState(StrEnum):
    """What a policy is to a case that is accepted today."""

    UPCOMING = "upcoming"
    IN_FORCE = "in_force"
    CARRIED_OVER = "carried_over"
    LAPSED = "lapsed"
    REPLACED = "replaced"


class PolicyVersionView(msgspec.Struct, kw_only=True):
    """What a policy was from `known_since` on, null: always; `rules` is the state of all rules.

    It was valid for cases accepted from `valid_from` to `valid_to`. `because` is `start` (the
    package or a configuration), `apply`, `retire` or `withdraw`; then `policy_version` is null.
    """

    version: int
    policy_version: str | None
    valid_from: date | None
    valid_to: date | None
    rules: int
    known_since: datetime | None
    because: str
    by: str | None


class PolicyDetailView(msgspec.Struct, kw_only=True):
    """A policy as it is in force.

    `lapsed`: its last day is over. `state` says what it is to a case that is accepted today. An
    `applied` one stands whatever the package or the configuration says. The last of `versions` is
    in force.
    """

    id: str
    title: str
    title_en: str
    citation: str
    citation_en: str
    effective_from: date
    effective_to: date | None
    after_expiry: str
    lapsed: bool
    state: PolicyState
    applied: bool
    stop_at: str
    warn_workdays_left: int
    escalate_after_workdays: list[int]
    immediate_within_workdays: int
    limits: dict[str, int]
    targets: dict[str, float]
    counting: dict[str, str]
    suspensions: dict[str, str]
    versions: list[PolicyVersionView]


class WithdrawnPolicyView(msgspec.Struct, kw_only=True):
    """A policy that is there no longer and judges no case, as if it had never been."""

    id: str
    title: str
    versions: list[PolicyVersionView]


class PoliciesView(msgspec.Struct, kw_only=True):
    """Every policy, the earliest first, and those that were withdrawn."""

    policies: list[PolicyDetailView]
    withdrawn: list[WithdrawnPolicyView]


async def get_policies(request: web.Request) -> web.Response:
    """Answer every policy, with its versions."""
    await require(request, Scope.CASES_READ, by_office=True)
    allow_only(request, [])
    service = request.app[SERVICE]
    async with service.database.transaction(snapshot=True) as connection:
        known = await known_rules(connection, service.rules.own)
        latest = await latest_version(connection)
    version = latest[1] if latest else Version(rulebook=service.rules.own)
    view = _view(version, known, service.today())
    return web.Response(body=encode(view), content_type="application/json")


def _view(version: Version, known: Sequence[KnownRules], today: date) -> PoliciesView:
    book = version.rulebook.policies
    in_force = {policy.id for policy in book.policies}
    once = {policy.id: policy for rules in known for policy in rules.rulebook.policies.policies}
    return PoliciesView(
        policies=[
            _policy_view(
                policy,
                _state(book, policy, today),
                _versions(known, policy.id),
                applied=policy.id in version.applied_policies,
                lapsed=policy.expired_on(today),
            )
            for policy in book.policies
        ],
        withdrawn=[
            WithdrawnPolicyView(id=id_, title=policy.title, versions=_versions(known, id_))
            for id_, policy in once.items()
            if id_ not in in_force
        ],
    )


def _state(book: PolicyBook, policy: Policy, today: date) -> PolicyState:
    applied = book.on(today)
    if policy.effective_from > today:
        return PolicyState.UPCOMING
    if applied.policy is not policy:
        return PolicyState.REPLACED
    if not applied.lapsed:
        return PolicyState.IN_FORCE
    return PolicyState.CARRIED_OVER if applied.judges else PolicyState.LAPSED


def _versions(known: Sequence[KnownRules], policy_id: str) -> list[PolicyVersionView]:
    return [_version_view(version) for version in policy_versions(known, policy_id)]


def _version_view(told: PartVersion[Policy]) -> PolicyVersionView:
    policy = told.part
    return PolicyVersionView(
        version=told.number,
        policy_version=policy.version if policy else None,
        valid_from=policy.effective_from if policy else None,
        valid_to=policy.effective_to if policy else None,
        rules=told.rules,
        known_since=known_since_view(told.known_since),
        because=told.brought.because,
        by=told.brought.by or None,
    )


def _policy_view(
    policy: Policy,
    state: PolicyState,
    versions: list[PolicyVersionView],
    *,
    applied: bool,
    lapsed: bool,
) -> PolicyDetailView:
    limits = {category.value: policy.limit(category) for category in Category}
    return PolicyDetailView(
        id=policy.id,
        title=policy.title,
        title_en=policy.title_en,
        citation=policy.citation,
        citation_en=policy.citation_en,
        effective_from=policy.effective_from,
        effective_to=policy.effective_to,
        after_expiry=policy.after_expiry,
        lapsed=lapsed,
        state=state,
        applied=applied,
        stop_at=policy.rules.stop_at,
        warn_workdays_left=policy.warn_workdays_left,
        escalate_after_workdays=list(policy.escalate_after_workdays),
        immediate_within_workdays=policy.rules.immediate_within_workdays,
        limits={**limits, "default": policy.default_limit},
        targets={scope.value: target for scope, target in policy.targets.items()},
        counting={
            "start_day": policy.rules.counting.start_day,
            "non_workday_start": policy.rules.counting.non_workday_start,
        },
        suspensions={r.value: effect.value for r, effect in policy.rules.suspensions.items()},
        versions=versions,
    )
