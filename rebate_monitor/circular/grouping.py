"""The groups of a circular, in the order in which they are shown and given up (`suppression`)."""

from collections.abc import Iterable, Sequence
from dataclasses import replace

from rebate_monitor.circular.facts import Figures, Group
from rebate_monitor.circular.provinces import DIGITS, province_of
from rebate_monitor.domain.evaluation import Evaluated, evaluate
from rebate_monitor.domain.event import Category, RebateType
from rebate_monitor.domain.performance import Key, keys_of
from rebate_monitor.domain.policy import PolicyBook, Scope
from rebate_monitor.domain.tally import UNKNOWN_CATEGORY
from rebate_monitor.places import Places

CATEGORIES = (*Category, UNKNOWN_CATEGORY)
REBATE_TYPES = (
    RebateType.EXEMPT_CREDIT_REFUND,
    RebateType.EXEMPT_REFUND,
    RebateType.AGENCY,
    RebateType.OTHER,
    UNKNOWN_CATEGORY,
)
WITHOUT_RANKS = 1
"""Ranks are given when it is known what is hidden."""


def groups(told: Evaluated, policies: PolicyBook, wanted: Iterable[str] = ()) -> tuple[Group, ...]:
    """Return the groups that are wanted in their order, then all others that have or had a case.

    Those that only had one in a month compared with belong to what is to be hidden of that month.
    """
    codes = list(wanted)
    before = told.previous.groups() | told.year_ago.groups()
    none: dict[Key, int] = {(code, False): 0 for code in (*codes, *before)}
    with_wanted = replace(told, refiled={**none, **told.refiled})
    by_code: dict[str | None, dict[Scope, Figures]] = {}
    for group in evaluate(with_wanted, policies, WITHOUT_RANKS):
        figures = Figures(evaluated=group, judged=_judged(told, group.group, group.scope))
        by_code.setdefault(group.group, {})[group.scope] = figures
    others = [code for code in by_code if code not in codes]
    return tuple(Group(code=code, scopes=by_code[code]) for code in (*codes, *others))


def _judged(told: Evaluated, group: str | None, scope: Scope) -> int:
    """Return how many normal stopped cases of a group had a limit."""
    return sum(
        part.judged for key in keys_of(group, scope) for part in told.this.stopped.get(key, ())
    )


def listed_cities(known: Sequence[Group], places: Places) -> list[str]:
    """Return the cities of the province that most cases are of, and others that have a case."""
    province = province_of(known)
    named = {code for code in places.cities if code[:DIGITS] == province}
    return sorted(named | {city.code or "" for city in known})
