"""A million cases after a calendar change, against an UPDATE of them with constant values.

The cases are made by SQL in a PostgreSQL of the benchmark's own, with many thousand different
courses; a real service in a process of its own lays them down, first from their events, then after
a change of the calendar that touches them all. Meanwhile it is asked for cases and told of events.
"""

import asyncio
import os
import random
import statistics
import time
from collections.abc import Coroutine
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime
from typing import Any

import aiohttp

from benchmarks.ground import (
    BEARER,
    execute,
    fetchval,
    fresh_database,
    own_postgres,
    serving,
)
from benchmarks.traffic import ONE
from rebate_monitor.calendar_sources import work_calendar
from rebate_monitor.domain.rulebook import Rulebook
from rebate_monitor.domain.work_calendar import DayKind, SpecialDay, YearNotice
from rebate_monitor.ingest.dry_run import DryRun
from rebate_monitor.ingest.recompute import fresh_row
from rebate_monitor.ingest.rule_changes import CalendarImport, draft, publish_draft
from rebate_monitor.policy_file import policy_book
from rebate_monitor.storage.audit import Deed, Through
from rebate_monitor.storage.case_events import events_of_cases
from rebate_monitor.storage.case_rows import stored_cases
from rebate_monitor.storage.database import Database
from rebate_monitor.storage.recomputes import Recompute, numbered, under_way
from rebate_monitor.storage.rulebooks import ALWAYS
from rebate_monitor.storage.rules import Rules

CASES = int(os.environ.get("RECOMPUTE_CASES", "1000000"))
SAMPLE = 2_000
IDLE_SECONDS = 10
NOBODY = Deed(at=ALWAYS, who="benchmark", through=Through.COMMAND)
REQUESTS_PER_SECOND = 50
TURNED = (date(2026, 4, 7), date(2026, 4, 28))

EVENTS = """
INSERT INTO case_event (case_id, source, id, event_type, time, data, digest, received_at)
SELECT 'case-' || lpad(n::text, 8, '0'), '/benchmark', kind || n, 'rebate.case.' || kind,
       accepted + after * interval '1 day' + place * interval '1 minute',
       CASE kind WHEN 'accepted' THEN jsonb_build_object(
                     'office', '1' || 430000 + 100 * (1 + n % 14) || '0000',
                     'category', (ARRAY['I', 'II', 'III', 'IV', NULL])[1 + n % 5],
                     'amount_cny', '12345.67', 'rebate_type', 'exempt_refund')
                 WHEN 'suspended' THEN '{"reason": "other"}' ELSE '{}' END,
       sha256((kind || n)::bytea), now()
FROM (
    SELECT n, timestamptz '2026-04-01 09:00+08' + (n % 27) * interval '1 day' AS accepted,
           hashint4(n) & 1 AS review, hashint4(n + 7) & 1 AS approval,
           -- One in eight is slow.
           (hashint4(n + 17) & 1) + CASE WHEN hashint4(n + 37) & 7 = 0
                                         THEN 3 + (hashint4(n + 47) & 7) ELSE 0 END AS voucher,
           1 + (hashint4(n + 27) & 3) AS payment, n % 10 = 3 AS paused, n % 100 = 7 AS is_open
    FROM generate_series(1, $1::int) AS n
) AS made
CROSS JOIN LATERAL (VALUES
    ('accepted', 0, 0, true),
    ('suspended', 0, 1, paused),
    ('resumed', 1, 2, paused),
    ('reviewed', 1 + review, 3, NOT is_open),
    ('approved', 1 + review + approval, 4, NOT is_open),
    ('voucher_issued', 1 + review + approval + voucher, 5, NOT is_open),
    ('paid', 1 + review + approval + voucher + payment, 6, NOT is_open)
) AS told (kind, after, place, happened)
WHERE happened
"""
CONSTANT = """
UPDATE rebate_case
SET settled_verdict = 'met', normal = true, lapsed = true, policy_id = 'hunan-2023-46',
    policy_version = 'hunan-2023-46:abcdefgh', limit_workdays = 3, counted_workdays = 3,
    running_since = NULL, due_date = '2026-05-07', at_risk_at = '2026-05-06',
    breach_at = '2026-05-08', urgent_at = 'infinity', in_time = true, same_day = false,
    alert_instants = '{2026-05-06,2026-05-08}', next_level = NULL, next_alert_at = NULL,
    stages = '[{"case_stage":"review","workdays":1},{"case_stage":"approval","workdays":1},
               {"case_stage":"voucher","workdays":1},{"case_stage":"treasury","workdays":1}]',
    rests_until = '2026-05-12', changed_by = '{"because":"calendar","version":"abcdefgh"}',
    rules = 3, changed_at = now(), updated_at = now()
"""


@dataclass
class Answers:
    """The seconds that each answer took."""

    reads: list[float] = field(default_factory=list)
    writes: list[float] = field(default_factory=list)


async def run() -> None:
    """Print both sides, the ratio, and what requests felt meanwhile."""
    async with own_postgres() as dsn, fresh_database(dsn) as (database, address):
        await _measure(database, address)


async def _measure(database: Database, dsn: str) -> None:
    await _fill(database)
    own = Rulebook(policies=policy_book(), calendar=work_calendar())
    async with serving(dsn) as [service]:
        first = await _finished(database, 1)
        print(f"  {first.done:,} cases laid down from their events: {_seconds(first):.1f} s")
        await execute(database, "VACUUM ANALYZE")
        idle = await _asked(service.url, asyncio.sleep(IDLE_SECONDS))
        notice = _turned(own.calendar.notices[2026])
        await _try(database, own, notice)
        change = CalendarImport(by="benchmark", notices=(notice,))
        async with database.connection() as connection:
            drafted = await draft(connection, own, lambda _before: change)
        published = await publish_draft(database, drafted, _now, NOBODY)
        assert published is not None
        told: list[Recompute] = []

        async def wait() -> None:
            told.append(await _finished(database, published.recompute))

        busy = await _asked(service.url, wait())
    await _compare(database, told[0], published.number)
    for what, one, other in (
        ("GET of a case", idle.reads, busy.reads),
        ("POST of an event", idle.writes, busy.writes),
    ):
        print(
            f"  {what}, p99: idle {_p99(one):.1f} ms, meanwhile {_p99(other):.1f} ms"
            f" ({len(one)} and {len(other)} requests, none failed)"
        )


async def _fill(database: Database) -> None:
    await execute(database, EVENTS, CASES)
    await execute(
        database,
        "INSERT INTO rebate_case (case_id, events)"
        " SELECT case_id, count(*) FROM case_event GROUP BY case_id",
    )
    await execute(database, "VACUUM ANALYZE")


async def _try(database: Database, own: Rulebook, notice: YearNotice) -> None:
    """Print what the dry run says of the change, and how long that took."""
    started = time.perf_counter()
    calendar = work_calendar([notice])
    async with database.transaction(snapshot=True) as connection:
        dry = DryRun(connection, await Rules(own).in_force(connection), _now())
        told = await dry.difference(replace(own, calendar=calendar))
    print(
        f"  the difference first: {told.cases:,} cases, {told.due_dates_moved:,} due dates move,"
        f" {told.breaches_made:,} become late, {told.breaches_unmade:,} no longer are:"
        f" {time.perf_counter() - started:.1f} s"
    )


async def _compare(database: Database, told: Recompute, rules: int) -> None:
    courses = await fetchval(database, "SELECT count(DISTINCT course) FROM rebate_case")
    wrong = await _wrong_in_sample(database, rules)
    await execute(database, "VACUUM ANALYZE")
    started = time.perf_counter()
    await execute(database, CONSTANT)
    update, ours = time.perf_counter() - started, _seconds(told)
    print(
        f"  {told.done:,} cases of {courses:,} courses after a calendar change: {ours:.1f} s,"
        f" {told.changes.changed:,} came out otherwise; UPDATE {update:.1f} s,"
        f" ratio {ours / update:.2f}"
    )
    print(f"  of {SAMPLE:,} cases folded from their events {wrong} are stored otherwise")


async def _wrong_in_sample(database: Database, rules: int) -> int:
    """Fold some cases from their events and count those that are stored otherwise."""
    numbers = random.Random(1).sample(range(1, CASES + 1), SAMPLE)
    case_ids = [f"case-{number:08}" for number in numbers]
    async with database.transaction(snapshot=True) as connection:
        known = await Rules(Rulebook(policies=policy_book(), calendar=work_calendar())).in_force(
            connection
        )
        stored = await stored_cases(connection, case_ids)
        events = await events_of_cases(connection, case_ids)
    return sum(
        not stored[case_id].stands_as(
            fresh_row(known.rulebook, rules, stored[case_id], events[case_id])
        )
        for case_id in case_ids
    )


def _turned(notice: YearNotice) -> YearNotice:
    """Take two workdays of April off, so that every case is touched."""
    off = {day: SpecialDay(kind=DayKind.DAY_OFF, name="benchmark") for day in TURNED}
    return replace(notice, days={**notice.days, **off})


async def _finished(database: Database, number: int) -> Recompute:
    """Wait until a recompute is finished."""
    while True:
        async with database.connection() as connection:
            told = await numbered(connection, number)
            pending = await under_way(connection)
        if told is not None and told.finished_at is not None and pending is None:
            return told
        await asyncio.sleep(0.2)


async def _asked(url: str, meanwhile: Coroutine[Any, Any, None]) -> Answers:
    """Ask and tell the service at a steady rate until something is done."""
    answers, task = Answers(), asyncio.create_task(meanwhile)
    async with aiohttp.ClientSession(headers=BEARER) as session, asyncio.TaskGroup() as group:
        number = 0
        while not task.done():
            number += 1
            case_id = f"case-{1 + number * 7919 % CASES:08}"
            group.create_task(_read(session, f"{url}/v1/cases/{case_id}", answers))
            group.create_task(_write(session, f"{url}/v1/events", answers))
            await asyncio.sleep(1 / REQUESTS_PER_SECOND)
    await task
    return answers


async def _read(session: aiohttp.ClientSession, url: str, answers: Answers) -> None:
    started = time.perf_counter()
    async with session.get(url) as response:
        assert response.status == 200, await response.text()
        await response.read()
    answers.reads.append(time.perf_counter() - started)


async def _write(session: aiohttp.ClientSession, url: str, answers: Answers) -> None:
    subject = f"new-{random.Random().getrandbits(60):x}"
    told = {
        "specversion": "1.0",
        "id": "e-1",
        "source": "/benchmark",
        "type": "rebate.case.accepted",
        "subject": subject,
        "time": "2026-04-10T09:00:00+08:00",
        "data": {"office": "14301000000", "category": "I"},
    }
    started = time.perf_counter()
    async with session.post(url, json=told, headers=ONE) as response:
        assert response.status == 201, await response.text()
    answers.writes.append(time.perf_counter() - started)


def _seconds(told: Recompute) -> float:
    assert told.finished_at is not None
    return (told.finished_at - told.started_at).total_seconds()


def _p99(seconds: list[float]) -> float:
    return statistics.quantiles(seconds, n=100)[98] * 1000


def _now() -> datetime:
    return datetime.now(UTC)
