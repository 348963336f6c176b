"""Many stored cases: a simulated province over a year, and as many copies of it as are wanted.

The province is taken in through the real writer. A copy is the same case under another name, row by
row, with its events, and each cell of the tallies counts it as well: what the writer would have
made of it, at a fraction of the time. A name with `~` in it is not copied.
"""

import sys
import time
from datetime import UTC, datetime, timedelta
from itertools import islice

import msgspec

from benchmarks.ground import execute, fetchval
from rebate_monitor.api.service import Service
from rebate_monitor.calendar_sources import work_calendar
from rebate_monitor.ingest.incoming import Sender
from rebate_monitor.simulation.province import Province
from rebate_monitor.storage.recount import compare_tallies
from rebate_monitor.storage.tallies import compact

CHUNK = 1_000
COMPACT_EVERY = 20
PERIOD = timedelta(days=365)
MONTHS = 12
MOST_RECOUNTED = 2_000_000

COLUMNS = """
SELECT string_agg(quote_ident(column_name), ', ')
FROM information_schema.columns
WHERE table_schema = 'public' AND table_name = $1 AND column_name <> 'case_id'
"""
COPY = """
INSERT INTO {table} (case_id, {columns})
SELECT case_id || '~' || copy, {columns} FROM {table}, generate_series($1::int, $2::int) AS copy
WHERE case_id NOT LIKE '%~%'
"""
KEEP = "CREATE TABLE filled AS SELECT * FROM tally WHERE figure <> 'alerts'"
COUNT_COPIES = """
INSERT INTO tally_delta
SELECT (jsonb_populate_record(NULL::tally_delta, to_jsonb(filled) || jsonb_build_object(
           'cases', cases * $1, 'workdays_sum', workdays_sum * $1, 'judged', judged * $1,
           'in_time', in_time * $1, 'same_day', same_day * $1))).*
FROM filled
"""


async def fill(service: Service, size: int) -> None:
    """Take in about as many cases, of one year."""
    until = datetime.now(UTC)
    province = Province(seed=1, calendar=work_calendar(), cases_per_month=round(size / MONTHS))
    events = province.history(until - PERIOD, until)
    started, told, number = time.perf_counter(), 0, 0
    while chunk := [msgspec.json.encode(event) for event in islice(events, CHUNK)]:
        await service.writer.take(chunk, sender=Sender("benchmark"), now=until, is_import=True)
        told, number = told + len(chunk), number + 1
        if number % COMPACT_EVERY == 0:
            await compact(service.database, service.now())
    seconds = time.perf_counter() - started
    print(f"  filled with {told:,} events at {told / seconds:,.0f} a second", file=sys.stderr)
    await compact(service.database, service.now())
    await execute(service.database, KEEP)


async def multiply(service: Service, stored: int, times: int) -> None:
    """Go on from `stored` times the cases that were filled in to so many times."""
    for table in ("case_event", "rebate_case"):
        columns = await fetchval(service.database, COLUMNS, table)
        copy = COPY.format(table=table, columns=columns)
        await execute(service.database, copy, stored, times - 1)
    await execute(service.database, COUNT_COPIES, times - stored)
    await compact(service.database, service.now())


async def settle(service: Service) -> int:
    """Let the planner know, make sure that the tallies are right; return how many cases there are.

    Tens of millions of cases are not recounted: that takes all of them into memory.
    """
    await execute(service.database, "VACUUM ANALYZE")
    cases: int = await fetchval(service.database, "SELECT count(*) FROM rebate_case")
    if cases <= MOST_RECOUNTED:
        differing = await compare_tallies(service.database, service.today())
        assert not differing, f"{len(differing)} cells differ from a recount"
    return cases
