"""Performance by month over a million stopped cases, against counting the same rows.

The rows are made by one statement in a PostgreSQL of the benchmark's own, spread over three years;
the answer is asked for over HTTP, from the request to the last byte.
"""

import statistics
import time
from collections.abc import Awaitable, Callable
from datetime import date

from aiohttp.test_utils import TestClient, TestServer

from benchmarks.ground import BEARER, KEY, execute, fresh_database, own_postgres
from rebate_monitor.log import configure_logging
from rebate_monitor.server import application, compose
from rebate_monitor.settings import Settings
from rebate_monitor.storage.database import Database

CASES = 1_000_000
ROUNDS = 9
FIRST, LAST = date(2023, 12, 1), date(2026, 11, 30)

FILL = """
INSERT INTO rebate_case (case_id, status, settled_verdict, normal, category, office, city,
                         rebate_type, amount_cny, limit_workdays, accepted_at, ended_at, stopped_on,
                         counted_workdays, in_time, same_day, events, stages, suspensions)
SELECT 'case-' || n, 'stopped', 'met', true, (ARRAY['I', 'II', 'III', 'IV', NULL])[1 + n % 5],
       '1' || 430000 + 100 * (1 + n % 14) || '0000', (430000 + 100 * (1 + n % 14))::text,
       'exempt_refund', n % 1000000 + 0.25, 4, day, day, day, n % 11, n % 11 <= 4, n % 11 = 0, 5,
       '[]', '[]'
FROM generate_series(1, $1::int) AS n,
     LATERAL (SELECT $2::date + n % ($3::date - $2::date + 1) AS day) AS stopped
"""
COUNT = """
SELECT count(*) FROM rebate_case
WHERE status = 'stopped' AND normal AND stopped_on BETWEEN $1 AND $2
"""


async def run() -> None:
    """Print the median milliseconds of both sides, and the ratio."""
    configure_logging("json", "warning")
    async with own_postgres() as dsn, fresh_database(dsn) as (database, _):
        await execute(database, FILL, CASES, FIRST, LAST)
        await execute(database, "VACUUM ANALYZE rebate_case")
        await _measure(database)


async def _measure(database: Database) -> None:
    service = compose(Settings(admin_key=KEY), database)
    path = f"/v1/performance?from={FIRST}&to={LAST}&by=month"
    async with TestClient(TestServer(application(service)), headers=BEARER) as client:

        async def ours() -> None:
            async with client.get(path) as response:
                assert response.status == 200, await response.text()
                assert len((await response.json())["groups"]) == 72

        async def theirs() -> None:
            async with database.connection() as connection:
                assert await connection.fetchval(COUNT, FIRST, LAST) == CASES

        answer, count = await _median(ours), await _median(theirs)
    print(
        f"  {CASES:,} cases: answer over HTTP {answer:.0f} ms, SELECT count(*) {count:.0f} ms, "
        f"ratio {answer / count:.2f}"
    )


async def _median(work: Callable[[], Awaitable[None]]) -> float:
    seconds = []
    for _ in range(ROUNDS):
        started = time.perf_counter()
        await work()
        seconds.append(time.perf_counter() - started)
    return statistics.median(seconds) * 1000
