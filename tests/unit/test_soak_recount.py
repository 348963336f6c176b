"""The soak's recount can fail: every fault that it looks for is found when it is there."""

from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime

import msgspec
import pytest

from cloud_events import Json, accepted, event
from rebate_monitor.calendar_sources import work_calendar
from rebate_monitor.domain.policy import PolicyBook
from rebate_monitor.domain.rulebook import Rulebook
from rebate_monitor.ingest.decision import Outcome
from rebate_monitor.policy_file import packaged_policies
from soak.ledger import Ledger
from soak.month import answer_faults, ending_faults, figures
from soak.receiver import Receiver
from soak.recount import alert_faults, case_faults, event_faults, folded, notice_faults
from soak.replicas import Life

NOW = datetime(2026, 11, 25, tzinfo=UTC)
A, B = Outcome.ACCEPTED, Outcome.DUPLICATE
ACCEPTANCE = accepted("2026-11-02T09:00:00", category="I")
STOP = event("voucher_issued", "2026-11-04T10:00:00")
RULEBOOK = Rulebook(policies=PolicyBook(packaged_policies()), calendar=work_calendar())


def ledger(*told: tuple[Json, Outcome, int]) -> Ledger:
    """Return the ledger of events that were answered so, after so many tries."""
    made = Ledger(now=NOW)
    for body, outcome, tries in told:
        made.note([msgspec.json.encode(body)], [outcome], tries=tries)
    return made


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        ([(ACCEPTANCE, A, 1), (ACCEPTANCE, B, 1)], []),
        ([(ACCEPTANCE, B, 2)], []),
        ([(ACCEPTANCE, B, 1)], ["an event was accepted 0 times"]),
        ([(ACCEPTANCE, A, 1), (ACCEPTANCE, A, 1)], ["an event was accepted 2 times"]),
        ([(ACCEPTANCE, Outcome.CONFLICT, 1)], ["a conflict with nothing that was taken"]),
        ([(ACCEPTANCE, Outcome.REJECTED, 1)], ["a valid event was rejected: rebate.case.accepted"]),
        ([({}, A, 1)], ["accepted is no event"]),
        (
            [(ACCEPTANCE, A, 1), ({**ACCEPTANCE, "time": "2026-11-02T10:00:00+08:00"}, B, 1)],
            ["two contents of one event were taken"],
        ),
    ],
)
def test_answers_that_cannot_be(
    told: Sequence[tuple[Json, Outcome, int]], expected: Sequence[str]
) -> None:
    """What producers are answered follows from what they told; anything else is a fault."""
    found = list(ledger(*told).all_faults())

    assert [True] * len(expected) == [f.startswith(e) for f, e in zip(found, expected, strict=True)]


def test_events_that_are_lost_or_made_up() -> None:
    """The stored events are compared with those that were acknowledged, by content."""
    told = ledger((ACCEPTANCE, A, 1), (STOP, A, 1))
    whole = {name: new.digest for name, new in told.stored.items()}
    first, second = whole

    assert [] == list(event_faults(whole, told))
    assert "lost" in next(iter(event_faults({first: whole[first]}, told)))
    assert "nobody was told" in next(iter(event_faults({**whole, ("c", "s", "i"): b""}, told)))
    assert "otherwise" in next(iter(event_faults({**whole, second: b"other"}, told)))


def test_cases_and_alerts_that_do_not_follow() -> None:
    """Rows and open alerts are compared with what the acknowledged events fold to."""
    late = folded(RULEBOOK, 1, ledger((ACCEPTANCE, A, 1)))
    stopped = folded(RULEBOOK, 1, ledger((ACCEPTANCE, A, 1), (STOP, A, 1)))
    (case_id,) = late
    levels = [(case_id, level) for level in range(4)]

    assert [] == list(case_faults(late, late))
    assert [] == list(alert_faults(levels, late, NOW))
    assert "not what its events fold to" in next(iter(case_faults(stopped, late)))
    assert 1 == len(list(case_faults({}, late)))
    assert "missing" in next(iter(alert_faults(levels[1:], late, NOW)))
    assert "of nothing" in next(iter(alert_faults(levels, stopped, NOW)))
    assert "twice" in next(iter(alert_faults([*levels, levels[0]], late, NOW)))


def test_notices_that_come_twice() -> None:
    """A repetition of one notification is none; an alert in two of them is."""
    receiver = Receiver(told={"n-1": ["a"], "n-2": ["a", "b"]})

    assert ["a notice of no alert: 1, such as b", "an alert was told twice: 1, such as a"] == list(
        notice_faults({"a"}, receiver)
    )


def found(check: Callable[[], Iterable[str]]) -> int:
    """Return how many faults there are."""
    return len(list(check()))


def test_answers_and_endings() -> None:
    """Only 503 may be answered of all 5xx, and a process ends as it is asked to."""
    well = Life(replica=0, began=0, how="SIGTERM", code=0)
    ill = Life(replica=0, began=0, how="SIGTERM", code=1)

    assert 1 == found(lambda: answer_faults({("POST", "500"): 1, ("POST", "503"): 9}))
    assert 1 == found(lambda: ending_faults([well, ill]))
    assert {'rebate_open_cases{city="430100"} 3'} == figures(
        'rebate_open_cases{city="430100"} 3\nprocess_cpu_seconds_total 4\n'
    )
