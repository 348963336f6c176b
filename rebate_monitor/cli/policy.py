"""`rebate-monitor policy`: policies shown, checked, applied, ended and withdrawn."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import click

from rebate_monitor.cli import session
from rebate_monitor.cli.plain_table import show_table
from rebate_monitor.cli.policy_difference import show_policies
from rebate_monitor.cli.policy_tables import (
    LEGEND,
    START,
    PolicyLine,
    field_table,
    policy_list,
    version_table,
)
from rebate_monitor.cli.publishing import Wishes, publish_rules, with_wishes
from rebate_monitor.cli.rule_state import RuleState, how, read_rule_state, since
from rebate_monitor.cli.told_file import FILE, name_of, read_bytes, refused
from rebate_monitor.domain.local_time import local_date
from rebate_monitor.domain.policy import (
    AfterExpiry,
    EarlyEndError,
    OverlappingPoliciesError,
    Policy,
    PolicyBook,
    ended,
)
from rebate_monitor.domain.rule_versions import PartVersion, policy_versions
from rebate_monitor.domain.rulebook import Rulebook
from rebate_monitor.ingest.rule_changes import PolicyChange
from rebate_monitor.policy_file import (
    PolicyFileError,
    packaged_policies,
    parse_only_policies,
    policy_toml,
)
from rebate_monitor.server import rules_of, utc_now
from rebate_monitor.storage.rulebooks import Version
from rebate_monitor.told_fields import unknown_name

DAY = click.DateTime(["%Y-%m-%d"])


@click.group(short_help="Policies: show, check, apply, end, withdraw.")
def policy() -> None:
    """Keep the policies: whose cases are judged by which limits and targets, and when 政策."""


@policy.command("check", short_help="Say all that is wrong with a file, or what it does.")
@click.argument("file", type=FILE)
def check(file: Path) -> None:
    """Say all that is wrong with FILE, or what applying it would come to; nothing is written."""
    _apply(file, Wishes(by="", dry_run=True, yes=False, no_wait=True))


@policy.command("apply", short_help="Put a file in force; shows first what it does.")
@click.argument("file", type=FILE)
@with_wishes
def apply(*, file: Path, wishes: Wishes) -> None:
    """Put the [[policy]] blocks of FILE in force, and recompute the cases that they touch.

    A policy of the same id is replaced, and its older versions are kept. First you see what differs
    and what that does to the cases; nothing is written until you agree.
    """
    _apply(file, wishes)


def _apply(file: Path, wishes: Wishes) -> None:
    change = PolicyChange(by=wishes.by, policies=_policies(file))
    settings = session.told_settings()
    try:
        publish_rules(settings, lambda _: change, show_policies, wishes)
    except OverlappingPoliciesError as error:
        raise refused(name_of(file), error.problems) from error


def _policies(file: Path) -> tuple[Policy, ...]:
    raw = read_bytes(file)
    try:
        return parse_only_policies(raw.decode("utf-8"))
    except UnicodeDecodeError as error:
        problem = f"byte {error.start + 1} is not UTF-8; must be a text file in UTF-8"
        raise refused(name_of(file), [problem]) from error
    except PolicyFileError as error:
        raise refused(name_of(file), error.problems) from error


@policy.command("retire", short_help="End a policy on a day.")
@click.argument("policy_id", metavar="ID")
@click.option(
    "--on", "day", metavar="DATE", type=DAY, required=True, help="Its last day, such as 2026-12-31."
)
@click.option(
    "--after-expiry",
    type=click.Choice([name.value for name in AfterExpiry]),
    help="Whether later cases are judged by it while nothing replaces it [as it says itself].",
)
@with_wishes
def retire(*, policy_id: str, day: datetime, after_expiry: str | None, wishes: Wishes) -> None:
    """End the policy ID: cases accepted after its last day are no longer its own.

    A later policy judges them; without one its `after_expiry` decides: carried over and marked
    lapsed, or no verdict at all.
    """
    then = AfterExpiry(after_expiry) if after_expiry else None

    def made(before: Version) -> PolicyChange:
        known = _known(before.rulebook.policies, policy_id)
        try:
            retired = ended(known, day.date(), then)
        except EarlyEndError as error:
            raise click.ClickException(str(error)) from error
        return PolicyChange(by=wishes.by, because="retire", policies=(retired,))

    settings = session.told_settings()
    try:
        publish_rules(settings, made, show_policies, wishes)
    except OverlappingPoliciesError as error:
        raise refused(f"--on {day:%Y-%m-%d}", error.problems) from error


@policy.command("withdraw", short_help="Take back what was applied by mistake.")
@click.argument("policy_id", metavar="ID")
@with_wishes
def withdraw(*, policy_id: str, wishes: Wishes) -> None:
    """Take the policy ID back as if it had never been: for one that was applied by mistake.

    To end a policy that was right use `policy retire`.
    """

    def made(before: Version) -> PolicyChange:
        _known(before.rulebook.policies, policy_id)
        return PolicyChange(by=wishes.by, because="withdraw", withdrawn=frozenset({policy_id}))

    publish_rules(session.told_settings(), made, show_policies, wishes)


def _known(book: PolicyBook, policy_id: str) -> Policy:
    by_id = {known.id: known for known in book.policies}
    if policy_id not in by_id:
        raise click.ClickException(unknown_name(policy_id, by_id or ["(none)"], "policy"))
    return by_id[policy_id]


@policy.command("show", short_help="Show every policy, or all of one.")
@click.argument("policy_id", metavar="[ID]", required=False)
@click.option("--toml", "as_toml", is_flag=True, help="As TOML that `policy apply` reads back.")
@click.option("--versions", "with_versions", is_flag=True, help="Also how each came to be so.")
@click.option("--version", "number", metavar="N", type=click.IntRange(1), help="An older version.")
def show(policy_id: str | None, number: int | None, *, as_toml: bool, with_versions: bool) -> None:
    """Show every policy, or all there is to say of ID: fields, versions, where it comes from."""
    if number is not None and policy_id is None:
        raise click.UsageError("--version is the version of one policy: name its ID")
    settings = session.told_settings()
    with session.plain_errors(), session.database_server(settings) as server:
        rules = rules_of(settings)
        state = session.run(read_rule_state(settings, server, rules))
    shown = _Shown(state=state, own=rules.own, policy_id=policy_id, number=number)
    if as_toml:
        shown.print_toml()
        return
    shown.print_list()
    if with_versions or policy_id is not None:
        shown.print_versions()
    for line in shown.notes():
        click.echo(line)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Shown:
    """Every policy, or one, perhaps as an older version had it."""

    state: RuleState
    own: Rulebook
    policy_id: str | None
    number: int | None

    @property
    def ids(self) -> list[str]:
        """The policies to show; raise click.ClickException where there never was such a one."""
        known = self.state.known
        every = dict.fromkeys(p.id for told in known for p in told.rulebook.policies.policies)
        if self.policy_id is None:
            return [told.id for told in self.state.rulebook.policies.policies]
        if self.policy_id not in every:
            raise click.ClickException(unknown_name(self.policy_id, every, "policy"))
        return [self.policy_id]

    @property
    def versions(self) -> list[PartVersion[Policy]]:
        """The version of each that is shown."""
        return [self._version(policy_versions(self.state.known, told)) for told in self.ids]

    def _version(self, versions: Sequence[PartVersion[Policy]]) -> PartVersion[Policy]:
        number = self.number or len(versions)
        if number > len(versions):
            said = f"{len(versions)} version{'' if len(versions) == 1 else 's'}"
            raise click.ClickException(f"{self.policy_id} has {said}; there is no version {number}")
        return versions[number - 1]

    @property
    def policies(self) -> list[Policy]:
        """The policies as shown; one that was withdrawn says nothing."""
        return [version.part for version in self.versions if version.part is not None]

    def print_toml(self) -> None:
        """Print what `policy apply` reads back."""
        if not self.policies:
            said = f"{self.policy_id or 'every policy'} is withdrawn"
            raise click.ClickException(f"{said}; --version N prints what an older version said")
        click.echo("\n".join(map(policy_toml, self.policies)), nl=False)

    def print_list(self) -> None:
        """Print what there is to say in short, and of one policy every field."""
        book, today = self.state.rulebook.policies, local_date(utc_now())
        lines = [self._line(told.part, told) for told in self.versions if told.part is not None]
        if lines:
            show_table(policy_list(lines, book, today))
        for known in self.policies if self.policy_id else ():
            show_table(field_table(known))
            click.echo(LEGEND)

    def _line(self, known: Policy, version: PartVersion[Policy]) -> PolicyLine:
        return PolicyLine(
            policy=known,
            origin=self._origin(known, version),
            known_since=since(version.known_since),
        )

    def _origin(self, known: Policy, version: PartVersion[Policy]) -> str:
        if version.brought.because != "start":
            return how(version.brought)
        if known.id in self.state.version.applied_policies:
            return "policy apply"  # of what stood there already
        if known in packaged_policies():
            return "the package"
        return "REBATE_CONFIG" if known in self.own.policies.policies else START

    def print_versions(self) -> None:
        """Print how each policy came to be what it is."""
        for told in self.ids:
            click.echo(f"\nversions of {told}:")
            show_table(version_table(policy_versions(self.state.known, told)))

    def notes(self) -> Iterator[str]:
        """Yield what else is to be known: withdrawn policies, and what is not in force yet."""
        for told in sorted(self.state.version.withdrawn_policies):
            for version in policy_versions(self.state.known, told)[-1:]:
                by = version.brought.by
                yield f"withdrawn 已撤销: {told}, by {by}, {since(version.known_since)}"
        try:
            coming = self.state.version.laid_over(self.own).rulebook.policies.policies
        except OverlappingPoliciesError as error:
            yield "the package or REBATE_CONFIG contradicts what was applied, and is left aside:"
            yield from (f"  {problem}" for problem in error.problems)
            return
        if coming != self.state.rulebook.policies.policies:
            yield "the package or REBATE_CONFIG has other policies than are in force; "
            yield "`serve` brings them in when it starts"
