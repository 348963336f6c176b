"""Every state of the rules that the service went by, with the moment since when it did."""

import hashlib
from dataclasses import replace
from datetime import UTC, datetime
from functools import lru_cache

import msgspec

from rebate_monitor.domain.known_then import KnownRules
from rebate_monitor.domain.policy import Policy, PolicyBook
from rebate_monitor.domain.rulebook import Rulebook
from rebate_monitor.domain.work_calendar import WorkCalendar, YearNotice
from rebate_monitor.storage.database import Connection
from rebate_monitor.storage.statements import statement

LATEST_RULEBOOK = statement("latest_rulebook")
ADD_RULEBOOK = statement("add_rulebook")
RULEBOOKS = statement("rulebooks")
ALWAYS = datetime(1, 1, 2, tzinfo=UTC)
"""Since when the first known rules are taken to have been known."""

_POLICIES = msgspec.json.Decoder(tuple[Policy, ...])
_NOTICES = msgspec.json.Decoder(tuple[YearNotice, ...])


async def note_rulebook(connection: Connection, rulebook: Rulebook, now: datetime) -> None:
    """Keep the rules where they are not the latest that were kept.

    The caller holds the lock of the look-up tables, so that no two replicas write at once.
    """
    policies, notices = _encoded(rulebook)
    version = hashlib.sha256(policies + notices).hexdigest()
    latest = await connection.fetchval(LATEST_RULEBOOK)
    if latest != version:
        since = ALWAYS if latest is None else now
        await connection.execute(ADD_RULEBOOK, version, since, policies, notices)


async def known_rules(connection: Connection, current: Rulebook) -> list[KnownRules]:
    """Return the states of the rules in order of time; the current ones where none was kept."""
    rows = await connection.fetch(RULEBOOKS)
    known = [
        KnownRules(known_since=since, rulebook=_rulebook(policies, notices))
        for since, policies, notices in rows
    ]
    return known or [KnownRules(known_since=ALWAYS, rulebook=current)]


def _encoded(rulebook: Rulebook) -> tuple[bytes, bytes]:
    notices = [
        replace(notice, days=dict(sorted(notice.days.items())))
        for notice in rulebook.calendar.notices.values()
    ]
    return msgspec.json.encode(rulebook.policies.policies), msgspec.json.encode(notices)


@lru_cache(maxsize=16)
def _rulebook(policies: bytes, notices: bytes) -> Rulebook:
    return Rulebook(
        policies=PolicyBook(_POLICIES.decode(policies)),
        calendar=WorkCalendar(_NOTICES.decode(notices)),
    )
