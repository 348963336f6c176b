"""Recount what is stored: what was acknowledged, nothing else, and all that follows from it.

The other side of each comparison is made from the answers that producers got, in plain Python.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime

from rebate_monitor.domain.local_time import local_date
from rebate_monitor.domain.rulebook import Rulebook
from rebate_monitor.storage.case_rows import CaseRow, StoredCase, case_row, stored_cases
from rebate_monitor.storage.causes import TIME
from rebate_monitor.storage.database import Database
from rebate_monitor.storage.recount import compare_tallies
from rebate_monitor.storage.rules import Rules
from soak.ledger import Ledger, Name
from soak.receiver import Receiver

SHOWN = 5
"""How many of one kind of fault are shown."""
STORED = "SELECT case_id, source, id, digest FROM case_event"
OPEN_ALERTS = "SELECT case_id, level FROM alert WHERE resolved_at IS NULL AND kind <> 'corrected'"
ALERT_IDS = "SELECT alert_id FROM alert"
UNFINISHED = "SELECT count(*) FROM recompute WHERE finished_at IS NULL AND superseded_by IS NULL"
UNTOLD = """
SELECT (SELECT count(*) FROM outbox WHERE sent_at IS NULL)
     + (SELECT count(*) FROM channel_state WHERE told_through < (SELECT max(seq) FROM alert))
"""


async def recount(
    database: Database, rules: Rules, ledger: Ledger, receiver: Receiver, now: datetime
) -> list[str]:
    """Return every fault found; none if all is well."""
    faults = [f"answer: {fault}" for fault in ledger.all_faults()]
    async with database.transaction(snapshot=True) as connection:
        stored = {
            (row["case_id"], row["source"], row["id"]): row["digest"]
            for row in await connection.fetch(STORED)
        }
        faults += event_faults(stored, ledger)
        in_force = await rules.in_force(connection)
        case_ids = sorted(ledger.events_by_case())
        rows = await stored_cases(connection, case_ids)
        fresh = folded(in_force.rulebook, in_force.number, ledger)
        faults += case_faults(rows, fresh)
        opened = [(row["case_id"], row["level"]) for row in await connection.fetch(OPEN_ALERTS)]
        faults += alert_faults(opened, fresh, now)
        known = {row["alert_id"] for row in await connection.fetch(ALERT_IDS)}
        faults += notice_faults(known, receiver)
    cells = await compare_tallies(database, local_date(now))
    faults += [f"tally: {cell.cell} is {cell.tallied}, not {cell.recounted}" for cell in cells]
    return faults


def event_faults(stored: Mapping[Name, bytes], ledger: Ledger) -> Iterator[str]:
    """Compare the stored events with those that were acknowledged."""
    told = {name: new.digest for name, new in ledger.stored.items()}
    yield from _some("lost: acknowledged and not stored", sorted(told.keys() - stored.keys()))
    yield from _some("stored, and nobody was told", sorted(stored.keys() - told.keys()))
    both = told.keys() & stored.keys()
    yield from _some(
        "stored otherwise than told", sorted(name for name in both if told[name] != stored[name])
    )


def folded(rulebook: Rulebook, number: int, ledger: Ledger) -> dict[str, CaseRow]:
    """Fold what was acknowledged of each case, all at once."""
    rows = {}
    for case_id, events in ledger.events_by_case().items():
        case, assessment = rulebook.assess(case_id, events)
        rows[case_id] = case_row(case, assessment, TIME, number)
    return rows


def case_faults(stored: Mapping[str, StoredCase], fresh: Mapping[str, CaseRow]) -> Iterator[str]:
    """Compare the stored rows with what the acknowledged events fold to."""
    wrong = [
        case_id
        for case_id, row in fresh.items()
        if case_id not in stored or not stored[case_id].stands_as(row)
    ]
    yield from _some("a case is not what its events fold to", sorted(wrong))


def alert_faults(
    told: Sequence[tuple[str, int]], fresh: Mapping[str, CaseRow], now: datetime
) -> Iterator[str]:
    """Compare the open alerts with the levels that open cases have reached: each once."""
    due = {
        (case_id, level)
        for case_id, row in fresh.items()
        if row.status.is_open
        for level, at in enumerate(row.alert_instants or ())
        if at <= now
    }
    yield from _some("an alert is missing", sorted(due - set(told)))
    yield from _some("an alert of nothing", sorted(set(told) - due))
    twice = sorted(key for key, count in Counter(told).items() if count > 1)
    yield from _some("an alert stands twice", twice)


def notice_faults(known: set[str], receiver: Receiver) -> Iterator[str]:
    """Compare what the receiver was told with the alerts there are."""
    times = receiver.times_told()
    yield from _some("a notice of no alert", sorted(times.keys() - known))
    twice = sorted(alert_id for alert_id, count in times.items() if count > 1)
    yield from _some("an alert was told twice", twice)


def _some(what: str, found: Sequence[object]) -> Iterable[str]:
    """Yield one fault for all that were found, with a few of them."""
    if found:
        yield f"{what}: {len(found)}, such as {', '.join(map(str, found[:SHOWN]))}"
