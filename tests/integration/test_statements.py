"""SQL: every named statement is understood, hot ones use their index, keys contain the case."""

import asyncio
import json
import re
from collections.abc import AsyncIterator, Iterator
from datetime import date, datetime, timedelta
from typing import Any

import pytest

from cloud_events import Json
from conftest import TEMPLATE, Servers, execute, with_database
from rebate_monitor.domain.local_time import SHANGHAI
from rebate_monitor.metrics import windows
from rebate_monitor.storage.database import Connection, Database, open_database
from rebate_monitor.storage.statements import (
    UnknownStatementError,
    sql_folder,
    statement,
    statements,
)

ON_BOTH = pytest.mark.parametrize("postgres_version", ["15", "18"], indirect=True)
CHANGES_SESSION = re.compile(
    r"\A\s*(SET(?! LOCAL)|RESET|LISTEN|UNLISTEN|PREPARE|DECLARE|LOAD|CREATE\s+TEMP)\b"
    r"|\bpg_(try_)?advisory_(lock|unlock)|set_config\([^)]*false",
    re.IGNORECASE,
)
NOW = datetime(2026, 11, 23, 10, 0, tzinfo=SHANGHAI)
TODAY = NOW.date()
CASES = 20_000
HANDFULS = {"rulebook_version", "schema_migration"}
"""Tables of a handful of rows, read once: whether by their key, the planner may choose."""

FILL = f"""
INSERT INTO case_event (case_id, source, id, event_type, time, data, digest, received_at)
SELECT 'case-' || n, '/s', 'e-' || k, 'rebate.case.reviewed', now(), '{{}}', '\\x00', now()
FROM generate_series(1, {CASES}) AS n, generate_series(1, 2) AS k;
INSERT INTO rebate_case (case_id, status, settled_verdict, normal, city, urgent_at, breach_at,
                         at_risk_at, stopped_on, counted_workdays, events)
SELECT 'case-' || n,
       CASE WHEN n % 20 = 0 THEN 'running' ELSE 'stopped' END,
       CASE WHEN n % 20 = 0 THEN NULL ELSE 'met' END,
       true, '4301' || (n % 14) || '0',
       CASE WHEN n % 20 = 0 THEN timestamptz '2026-11-01' + n * interval '1 minute'
            ELSE 'infinity' END,
       CASE WHEN n % 20 = 0 THEN timestamptz '2026-11-01' + n * interval '1 minute' END,
       CASE WHEN n % 20 = 0 THEN timestamptz '2026-10-30' + n * interval '1 minute' END,
       CASE WHEN n % 20 <> 0 THEN date '2022-01-01' + n % 1700 END,
       n % 9, 2
FROM generate_series(1, {CASES}) AS n;
UPDATE rebate_case SET next_alert_at = breach_at WHERE breach_at IS NOT NULL;
INSERT INTO alert (case_id, kind, level, policy_version, occurrence, alert_id, city, at, silent,
                   cause, raised_at, resolved_at)
SELECT 'case-' || n, 'breached', 1, 'p', 1, md5(n::text), '4301' || (n % 14) || '0', now(), false,
       '{{"because": "time"}}', now(), CASE WHEN n % 20 <> 0 THEN now() END
FROM generate_series(1, {CASES}) AS n;
INSERT INTO alert_told (case_id, alert_id, channel, told_at, notification_id)
SELECT case_id, alert_id, 'chat', now(), gen_random_uuid() FROM alert;
INSERT INTO channel_state (channel, told_through) VALUES ('chat', 0);
INSERT INTO outbox (notification_id, channel, subject, body, created_at, next_attempt_at, sent_at)
SELECT gen_random_uuid(), 'chat', n::text, '{{}}', now(), now(),
       CASE WHEN n % 100 <> 0 THEN now() END
FROM generate_series(1, {CASES}) AS n;
INSERT INTO audit_record (at, who, through, action, object)
SELECT timestamptz '2026-11-01' + n * interval '1 second', 'key-' || n % 50, 'key', 'case.read',
       'case-' || n % 2000
FROM generate_series(1, {CASES}) AS n;
INSERT INTO tally (figure, category, stopped_on, cases, workdays_sum, judged, in_time, same_day)
SELECT 'stopped', category, date '2000-01-01' + n, 5, 10, 5, 5, 0
FROM generate_series(1, 9800) AS n, unnest(ARRAY['I', 'II', 'III', 'IV', 'unknown']) AS category;
ANALYZE;
"""


@pytest.fixture(scope="module")
def filled_databases() -> dict[str, str]:
    """Return the DSN of the one filled database on each server; tests leave it as it is."""
    return {}


@pytest.fixture
async def filled(
    servers: Servers, postgres_version: str, filled_databases: dict[str, str]
) -> AsyncIterator[Connection]:
    """Lend a connection to a database with enough rows for indexes to matter; roll back after."""
    if postgres_version not in filled_databases:
        main = await asyncio.to_thread(servers.dsn, postgres_version)
        await execute(main, f"CREATE DATABASE filled TEMPLATE {TEMPLATE}")
        filled_databases[postgres_version] = with_database(main, "filled")
        await execute(filled_databases[postgres_version], FILL)
    dsn = filled_databases[postgres_version]
    async with open_database(dsn) as database, database.connection() as connection:
        transaction = connection.transaction()
        await transaction.start()
        yield connection
        await transaction.rollback()


async def plan(connection: Connection, name: str, *arguments: object) -> Json:
    """Return the plan of a named statement."""
    text = await connection.fetchval(f"EXPLAIN (FORMAT JSON) {statement(name)}", *arguments)
    root: Json = json.loads(text)[0]["Plan"]
    return root


def nodes(root: Json) -> Iterator[Json]:
    """Yield every node of a plan."""
    yield root
    for inner in root.get("Plans", ()):
        yield from nodes(inner)


def indexes(root: Json) -> set[str]:
    """Return the names of the indexes that a plan uses."""
    return {node["Index Name"] for node in nodes(root) if "Index Name" in node}


def scanned(root: Json) -> set[str]:
    """Return the names of the tables that a plan reads from end to end."""
    return {node["Relation Name"] for node in nodes(root) if node["Node Type"] == "Seq Scan"}


@ON_BOTH
async def test_every_statement_prepares(database: Database) -> None:
    """PostgreSQL knows every table, column and type that a statement names."""
    async with database.connection() as connection:
        for name, text in statements().items():
            prepared = await connection.prepare(text)
            assert prepared is not None, name


def test_every_statement_is_found_by_its_name() -> None:
    """A name leads to one statement, an unknown name to an error."""
    files = (sql_folder() / "queries").glob("*.sql")
    marks = sum(file.read_text("utf-8").count("-- name: ") for file in files)

    assert marks == len(statements())
    assert all(statement(name) for name in statements())
    with pytest.raises(UnknownStatementError):
        statement("no_such_statement")


@ON_BOTH
async def test_events_of_cases_uses_the_key(filled: Connection) -> None:
    """The events of a batch's cases are found by the primary key."""
    told = await plan(filled, "events_of_cases", [f"case-{n}" for n in range(50)])

    assert {"case_event_pkey"} == indexes(told)
    assert set() == scanned(told)


@ON_BOTH
async def test_lock_cases_uses_the_key(filled: Connection) -> None:
    """The rows of a batch's cases are found by the primary key."""
    told = await plan(filled, "lock_cases", [f"case-{n}" for n in range(50)])

    assert {"rebate_case_pkey"} == indexes(told) - {f"{table}_pkey" for table in HANDFULS}
    assert scanned(told) <= HANDFULS


def listing(**wanted: object) -> list[Any]:
    """Return the arguments of list_cases: now, filters, keyset, size, a key's offices, due from."""
    names = ("status", "verdict", "category", "city", "office", "due_before", "urgent_at")
    told = [wanted.get(name) for name in (*names, "case_id")]
    return [NOW, *told, wanted.get("limit", 51), wanted.get("offices"), wanted.get("due_from")]


@ON_BOTH
async def test_a_page_of_cases_uses_the_order_of_its_index(filled: Connection) -> None:
    """The first page is read off the index, without sorting all cases."""
    told = await plan(filled, "list_cases", *listing())

    assert {"rebate_case_urgent"} == indexes(told)
    assert "Sort" not in {node["Node Type"] for node in nodes(told)}


@ON_BOTH
async def test_a_later_page_begins_at_its_place(filled: Connection) -> None:
    """A deep page costs what the first one costs: the keyset is a condition of the index."""
    place = {"urgent_at": "2026-11-10 00:00:00+08", "case_id": "case-9"}

    told = await plan(filled, "list_cases", *listing(**place))

    (scan,) = [node for node in nodes(told) if node.get("Index Name") == "rebate_case_urgent"]
    assert "urgent_at" in scan["Index Cond"]


@ON_BOTH
async def test_deep_pages_stay_quick_however_often(filled: Connection) -> None:
    """Once PostgreSQL may choose a plan for any arguments, a deep page still reads few rows."""
    prepared = await filled.prepare(
        f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {statement('list_cases')}"
    )
    place = {"urgent_at": "infinity", "case_id": "case-9", "limit": 10}

    plans = [json.loads(await prepared.fetchval(*listing(**place)))[0]["Plan"] for _ in range(8)]

    assert [p for p in plans if p["Shared Hit Blocks"] + p["Shared Read Blocks"] > 100] == []


@ON_BOTH
async def test_a_page_of_one_city_uses_its_index(filled: Connection) -> None:
    """The list of a city is read off the index of cities."""
    told = await plan(filled, "list_cases", *listing(city="430130"))

    assert {"rebate_case_city_urgent"} == indexes(told)
    assert set() == scanned(told)


@ON_BOTH
async def test_a_scrape_reads_only_its_windows(filled: Connection) -> None:
    """The sums of stopped cases are read off the days of the windows, not off all years."""
    firsts = windows(TODAY)
    earliest = min(firsts.values())

    told = await plan(
        filled, "stopped_by_window", list(firsts), list(firsts.values()), earliest, TODAY
    )

    assert {"tally_cell"} == indexes(told)
    assert "tally" not in scanned(told)


@ON_BOTH
async def test_performance_reads_only_its_period(filled: Connection) -> None:
    """The stopped cases of a month are found by their day."""
    first, last = date(2026, 3, 1), date(2026, 3, 31)

    told = await plan(filled, "stopped_distribution", first, last, "none")

    assert {"rebate_case_stopped"} == indexes(told)
    assert set() == scanned(told)


SWEEP = {
    "raise_due": (NOW, 500, NOW),
    "lock_changed_cases": (100,),
    "next_due_instant": (),
}


@ON_BOTH
@pytest.mark.parametrize("name", SWEEP)
@pytest.mark.parametrize("at", ["breach_at", "'2026-11-02'", "'-infinity'"])
async def test_the_sweep_finds_what_is_due_by_its_index(
    filled: Connection, name: str, at: str
) -> None:
    """What is due next is read off the index by instant, however many are due at the same one."""
    await filled.execute(f"UPDATE rebate_case SET next_alert_at = {at}; ANALYZE rebate_case")

    told = await plan(filled, name, *SWEEP[name])

    scans = [
        n for n in nodes(told) if n.get("Relation Name") == "rebate_case" and "Index Name" in n
    ]
    updates = [n for node in nodes(told) if node["Node Type"] == "ModifyTable" for n in nodes(node)]
    read = {n["Index Name"] for n in scans if n not in updates}
    assert {"rebate_case_next_alert"} == read
    assert set() == scanned(told)


@ON_BOTH
async def test_alerts_of_cases_are_found_by_the_key(filled: Connection) -> None:
    """The alerts of a page of cases are found by the case."""
    known = await plan(filled, "alerts_of_cases", [f"case-{n}" for n in range(50)])

    assert {"alert_pkey"} == indexes(known)
    assert set() == scanned(known)


@ON_BOTH
@pytest.mark.parametrize(
    ("wanted", "index"),
    [
        ({}, "alert_seq"),
        ({"state": "open"}, "alert_open"),
        ({"state": "open", "city": "430100"}, "alert_open"),
        ({"case_id": "case-7"}, "alert_pkey"),
    ],
    ids=["all", "open", "open of a city", "of a case"],
)
async def test_each_list_of_alerts_has_its_index(
    filled: Connection, wanted: dict[str, str], index: str
) -> None:
    """A page of alerts is read off the index of its filter, however many alerts are over."""
    names = ("state", "kind", "level", "city", "office", "case_id", "since", "acknowledged")
    arguments = [*(wanted.get(name) for name in names), None, 51, None]
    async with filled.transaction():
        await filled.execute(statement("plan_for_arguments"))
        prepared = await filled.prepare(f"EXPLAIN (FORMAT JSON) {statement('list_alerts')}")
        root: Json = json.loads(await prepared.fetchval(*arguments))[0]["Plan"]

    assert {index, "alert_told_pkey"} == indexes(root)
    assert "Sort" not in {n["Node Type"] for n in nodes(root)} or index == "alert_pkey"


@ON_BOTH
@pytest.mark.parametrize(
    ("wanted", "index"),
    [
        ({}, "audit_record_pkey"),
        ({"seq": 7_000}, "audit_record_pkey"),
        ({"who": "key-7"}, "audit_record_who"),
        ({"object": "case-7"}, "audit_record_object"),
    ],
    ids=["all", "a later page", "of somebody", "of a case"],
)
async def test_each_list_of_the_audit_has_its_index(
    filled: Connection, wanted: dict[str, object], index: str
) -> None:
    """A page of the record is read off the index of its filter, however much was recorded."""
    names = ("who", "action", "object", "since", "seq")
    async with filled.transaction():
        await filled.execute(statement("plan_for_arguments"))
        prepared = await filled.prepare(f"EXPLAIN (FORMAT JSON) {statement('list_audit_records')}")
        told = await prepared.fetchval(*map(wanted.get, names), 51, None)
        root: Json = json.loads(told)[0]["Plan"]

    assert {index} == indexes(root)
    assert set() == scanned(root)


@ON_BOTH
async def test_what_a_channel_is_told_begins_at_its_place(filled: Connection) -> None:
    """A digest reads the alerts after the channel's place, not all that there ever were."""
    told = await plan(filled, "untold_groups", "chat", 19_900, 20_000)

    assert "alert_seq" in indexes(told)
    assert set() == scanned(told)


@ON_BOTH
async def test_a_message_is_claimed_by_its_channel(filled: Connection) -> None:
    """The next message of a channel is found among those that wait, not among those sent."""
    until = NOW + timedelta(seconds=15)

    told = await plan(filled, "claim_message", "chat", NOW, until, until, until, until)

    assert "outbox_pending" in indexes(told)
    assert "outbox" not in scanned(told)


@ON_BOTH
@pytest.mark.parametrize("table", ["case_event", "rebate_case", "alert", "alert_told"])
async def test_every_key_contains_the_case(database: Database, table: str) -> None:
    """Each primary key and unique index of a case-owned table could be distributed by case."""
    async with database.connection() as connection:
        rows = await connection.fetch(
            "SELECT indexrelid::regclass::text AS name,"
            " ARRAY(SELECT attname::text FROM pg_attribute"
            "       WHERE attrelid = indrelid AND attnum = ANY (indkey::int2[])) AS columns"
            " FROM pg_index WHERE indrelid = $1::text::regclass AND indisunique",
            table,
        )

    keys = {row["name"]: row["columns"] for row in rows}
    assert f"{table}_pkey" in keys
    assert {} == {name: columns for name, columns in keys.items() if "case_id" not in columns}


@ON_BOTH
async def test_there_are_no_triggers(database: Database) -> None:
    """What happens to a row stands in the statement that does it."""
    async with database.connection() as connection:
        triggers = await connection.fetch("SELECT tgname FROM pg_trigger WHERE NOT tgisinternal")

    assert [] == triggers


@ON_BOTH
async def test_no_extension_is_needed(database: Database) -> None:
    """A plain PostgreSQL will do."""
    async with database.connection() as connection:
        rows = await connection.fetch("SELECT extname FROM pg_extension")

    assert {"plpgsql"} == {row["extname"] for row in rows}


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        ("SET work_mem = '1GB'", True),
        ("SELECT pg_advisory_lock(1)", True),
        ("SET LOCAL plan_cache_mode = force_custom_plan", False),
        ("UPDATE x\nSET y = 1", False),
        ("SELECT pg_try_advisory_xact_lock(1)", False),
    ],
)
def test_what_changes_a_session_is_known(*, told: str, expected: bool) -> None:
    """Settings and locks that outlive a transaction are told from those that do not."""
    assert expected == bool(CHANGES_SESSION.search(told))


def test_no_statement_changes_its_session() -> None:
    """Connections go back to the pool as they are, and may be shared through pgbouncer."""
    changing = [name for name, text in statements().items() if CHANGES_SESSION.search(text)]

    assert [] == changing
