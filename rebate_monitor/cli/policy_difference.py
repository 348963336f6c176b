"""Show what a change of the policies comes to: field by field, and who judges when."""

from collections.abc import Iterator, Mapping

import click

from rebate_monitor.cli.plain_table import show_table
from rebate_monitor.cli.policy_tables import (
    LEGEND,
    difference_table,
    field_table,
    judged_otherwise,
    judged_table,
)
from rebate_monitor.domain.policy import Policy, PolicyBook
from rebate_monitor.domain.policy_change import policy_difference
from rebate_monitor.ingest.rule_changes import Draft

LEFT_ALONE = """no policy judges these cases any longer.
  Their days are counted, but they get no verdict, no due date and no alert."""


def show_policies(draft: Draft) -> None:
    """Print what becomes of each policy, and whose cases others judge from now on."""
    before, after = (version.rulebook.policies for version in (draft.before, draft.after))
    olds, news = _by_id(before), _by_id(after)
    for policy_id in dict.fromkeys([*olds, *news]):
        _show_one(olds.get(policy_id), news.get(policy_id))
    for line in _as_told(draft, olds, news):
        click.echo(line)
    _show_judges(draft, before, after)


def _by_id(book: PolicyBook) -> dict[str, Policy]:
    return {policy.id: policy for policy in book.policies}


def _show_one(old: Policy | None, new: Policy | None) -> None:
    if old is None and new is not None:
        click.echo(f'policy "{new.id}" is new:')
        show_table(field_table(new))
        click.echo(LEGEND)
    elif old is not None and new is None:
        click.echo(f'policy "{old.id}" is withdrawn 撤销, as if it had never been; what it said is')
        click.echo(f"kept: `rebate-monitor policy show {old.id}`")
    elif old is not None and new is not None and old != new:
        _show_difference(old, new)


def _show_difference(old: Policy, new: Policy) -> None:
    changes = policy_difference(old, new)
    judging = sum(change.judges for change in changes)
    fields = "1 field differs" if len(changes) == 1 else f"{len(changes)} fields differ"
    judge = "judges" if judging == 1 else "judge"
    click.echo(f'policy "{new.id}": {fields}, {judging or "none"} of them {judge} cases:')
    show_table(difference_table(old, new))
    click.echo(LEGEND)


def _as_told(draft: Draft, olds: Mapping[str, Policy], news: Mapping[str, Policy]) -> Iterator[str]:
    """Yield the policies that stand as told from now on though no field of them differs."""
    fresh = draft.after.applied_policies - draft.before.applied_policies
    for policy_id in sorted(fresh):
        if olds.get(policy_id) == news.get(policy_id):
            yield f'policy "{policy_id}": no field differs; from now on it stands as applied, '
            yield "whatever the package or REBATE_CONFIG says"


def _show_judges(draft: Draft, before: PolicyBook, after: PolicyBook) -> None:
    judged = judged_otherwise(before, after, draft.before.rulebook.calendar)
    if not judged:
        return
    click.echo("\nwho judges 判定依据, by the day on which a case is accepted:")
    show_table(judged_table(judged))
    for each in judged:
        if each.before.judges and not each.after.judges:
            click.echo(f"accepted {each.days}: {LEFT_ALONE}")
