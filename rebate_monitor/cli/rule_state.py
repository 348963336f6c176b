"""The rules as they are and as they were, as commands show them."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from rebate_monitor.cli import session
from rebate_monitor.domain.known_then import BroughtBy, KnownRules
from rebate_monitor.domain.local_time import SHANGHAI
from rebate_monitor.domain.rulebook import Rulebook
from rebate_monitor.settings import Settings
from rebate_monitor.storage.database import Connection
from rebate_monitor.storage.rulebooks import ALWAYS, Version, known_rules, latest_version
from rebate_monitor.storage.rules import Rules

HOW = {
    "import": "calendar import",
    "apply": "policy apply",
    "retire": "policy retire",
    "withdraw": "withdrawn",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleState:
    """The version in force, 0 where the database has none yet, and every version in order."""

    number: int
    version: Version
    known: Sequence[KnownRules]

    @property
    def rulebook(self) -> Rulebook:
        """The rules in force."""
        return self.version.rulebook

    def at(self, number: int) -> Rulebook:
        """Return the rules of an earlier version."""
        return next(told.rulebook for told in self.known if told.number == number)


async def rule_state(connection: Connection, rules: Rules) -> RuleState:
    """Read the state within one snapshot; the rules of the process stand in for none."""
    number, version = await latest_version(connection) or (0, Version(rulebook=rules.own))
    known = await known_rules(connection, version.rulebook)
    return RuleState(number=number, version=version, known=known)


async def read_rule_state(settings: Settings, server: session.Server, rules: Rules) -> RuleState:
    """Open the database and read the state."""
    async with (
        session.ready_database(settings, server) as database,
        database.transaction(snapshot=True) as connection,
    ):
        return await rule_state(connection, rules)


def local(instant: datetime) -> str:
    """Write an instant as of +08:00, to the second."""
    return f"{instant.astimezone(SHANGHAI):%Y-%m-%d %H:%M:%S}"


def since(known_since: datetime) -> str:
    """Say since when something is known; what the database began with was always so."""
    return "the beginning" if known_since <= ALWAYS else local(known_since)


def how(brought: BroughtBy, start: str = "the package") -> str:
    """Say by what a version came, and by whom; `start` is what the process came with."""
    told = HOW.get(brought.because, brought.because) if brought.because != "start" else start
    return f"{told}, by {brought.by}" if brought.by else told
