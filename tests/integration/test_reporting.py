"""The schema `reporting`: agrees with the API, is read by one role only, and is made anew."""

import asyncio
import base64
import random
from collections import defaultdict
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from datetime import datetime, timedelta

import asyncpg
import pytest

from cloud_events import BATCH, Json, accepted, event
from conftest import Client, FixedClock, Servers, execute, with_database
from rebate_monitor.api.service import Service
from rebate_monitor.domain.calendar_change import with_notice
from rebate_monitor.domain.case import Anomaly
from rebate_monitor.domain.event import SuspensionReason
from rebate_monitor.domain.local_time import SHANGHAI
from rebate_monitor.places import Place, Places
from rebate_monitor.storage import patience
from rebate_monitor.storage import reporting as module
from rebate_monitor.storage.database import Database, open_database
from rebate_monitor.storage.lookups import Lookups
from rebate_monitor.storage.migrations import MigrationError, migrate, packaged_migrations
from rebate_monitor.storage.reader import READER
from rebate_monitor.storage.reporting import packaged_views, views_are_current
from rebate_monitor.storage.scram import scram_verifier
from rebate_monitor.storage.upgrade import upgrade
from turning import recompute_all, turn_and_recompute

ON_BOTH = pytest.mark.parametrize("postgres_version", ["15", "18"], indirect=True)
LINK = "https://rebate.example.gov.cn"
OFFICES = ("14301000000", "14301210000", "14302000000", "14331000000", "14407000000")
TYPES = ("exempt_refund", "exempt_credit_refund", "agency", None)
PASSWORD = "a-password-made-up-for-tests"


@pytest.fixture
def clock() -> FixedClock:
    """Return the real time, which views go by."""
    return FixedClock(datetime.now(SHANGHAI))


@pytest.fixture
async def published(service: Service) -> None:
    """Publish the rules and names, as the service does at its start."""
    await lookups(service).publish(service.database)


def lookups(service: Service, places: Places | None = None) -> Lookups:
    return Lookups(places or service.places, LINK)


def told_events(now: datetime) -> Iterator[Json]:
    """Make up the recent past of a province, in which everything happens."""
    rng = random.Random(7)
    for number in range(400):
        subject, at = f"case-{number:03}", now - timedelta(hours=rng.randint(1, 24 * 75))
        yield _at(
            accepted(
                "2026-01-01T00:00:00",
                subject=subject,
                office=rng.choice(OFFICES),
                category=rng.choice(("I", "II", "III", "IV", None)),
                rebate_type=rng.choice(TYPES),
                amount_cny=f"{rng.randint(1, 10**6)}.50",
            ),
            at,
        )
        for kind in rng.choice(HISTORIES):
            at += timedelta(hours=rng.randint(0, 60))
            if at > now:
                break
            more = {"reason": rng.choice(list(SuspensionReason))} if kind == "suspended" else {}
            yield _at(event(kind, "2026-01-01T00:00:00", subject=subject, **more), at)


HISTORIES = (
    ("reviewed", "approved", "voucher_issued", "paid"),
    ("reviewed", "suspended", "resumed", "approved", "voucher_issued"),
    ("suspended",),
    ("reviewed", "approved"),
    ("rejected",),
    ("reviewed", "withdrawn"),
    ("suspended", "suspended", "voucher_issued"),
)


def _at(told: Json, at: datetime) -> Json:
    return {**told, "time": at.replace(microsecond=0).isoformat()}


@pytest.fixture
async def province(client: Client, clock: FixedClock, published: None) -> None:
    """Fill the service with the recent past."""
    async with client.post(
        "/v1/events", json=list(told_events(clock())), headers=BATCH
    ) as response:
        assert response.status == 200, await response.text()


async def rows(database: Database, query: str) -> list[asyncpg.Record]:
    async with database.connection() as connection:
        return await connection.fetch(query)


SUMS = """
SELECT coalesce(nullif({group}, ''), '') AS "group", scope.scope, sum(n) AS n,
       sum(workdays_sum) / nullif(sum(n), 0) AS mean_workdays,
       sum(in_time) / nullif(sum(judged), 0) AS in_time_rate,
       sum(same_day) / nullif(sum(n), 0) AS same_day_rate,
       sum(excluded) AS excluded, sum(rejected) AS rejected, sum(withdrawn) AS withdrawn
FROM reporting.ended JOIN reporting.scope USING (category)
WHERE period = '{period}' AND part = 'this'
GROUP BY 1, 2
"""
FIGURES = (
    "n",
    "mean_workdays",
    "in_time_rate",
    "same_day_rate",
    "excluded",
    "rejected",
    "withdrawn",
)


def figures(row: Json | asyncpg.Record) -> Json:
    """Take the common figures out of a view's row or an answer's group."""
    return {
        name: None if row[name] is None else pytest.approx(float(row[name]), abs=1e-6)
        for name in FIGURES
    }


@ON_BOTH
@pytest.mark.parametrize("by", ["category", "office", "rebate_type"])
@pytest.mark.parametrize("period", ["month", "last_month", "year", "rolling_30d"])
async def test_ended_cases_agree_with_the_api(
    client: Client, database: Database, province: None, by: str, period: str
) -> None:
    """For each period and group the view gives the figures that GET /v1/performance gives."""
    told = await rows(
        database,
        f"SELECT first, last FROM reporting.period WHERE period = '{period}' AND part = 'this'",
    )
    query = f"/v1/performance?from={told[0]['first']}&to={told[0]['last']}&by={by}"
    async with client.get(query) as response:
        groups = (await response.json())["groups"]
    expected = {
        (group["group"], group["scope"]): figures(group)
        for group in groups
        if group["n"] + group["excluded"] + group["rejected"] + group["withdrawn"] > 0
    }
    counted = await rows(database, SUMS.format(group=by, period=period))
    actual = {(row["group"], row["scope"]): figures(row) for row in counted}

    assert expected == actual
    assert expected or period == "month"  # the first of a month may have none


async def test_open_cases_agree_with_the_api(
    client: Client, database: Database, province: None
) -> None:
    """Counts, verdicts, due dates and the open means are what the API says of the same moment."""
    async with client.get("/v1/cases?limit=500") as response:
        cases = [c for c in (await response.json())["cases"] if c["accepted_at"]]
    async with client.get("/v1/performance?by=category") as response:
        groups = (await response.json())["groups"]
    expected = {
        c["case_id"]: (c["verdict"], c["workdays"], c["due_date"], c["normal"], c["anomalies"])
        for c in cases
        if c["status"] in {"running", "suspended"}
    }
    told = await rows(database, "SELECT * FROM reporting.open_case")
    actual = {
        row["case_id"]: (
            row["verdict"],
            row["workdays"],
            row["due_date"] and row["due_date"].isoformat(),
            row["normal"],
            row["anomalies"],
        )
        for row in told
    }
    still_open = await rows(
        database,
        "SELECT category, sum(open_n) AS n, sum(open_workdays_sum) AS total"
        " FROM reporting.still_open GROUP BY category",
    )

    assert len(expected) > 50
    assert expected == actual
    assert {g["group"]: g["open_n"] for g in groups if g["scope"] == "all" and g["open_n"]} == {
        row["category"]: row["n"] for row in still_open
    }
    assert {
        g["group"]: pytest.approx(g["open_mean_workdays"], abs=1e-6)
        for g in groups
        if g["scope"] == "all" and g["open_n"]
    } == {row["category"]: float(row["total"] / row["n"]) for row in still_open}


async def test_estimates_are_marked_as_the_api_marks_them(
    client: Client, database: Database, service: Service, province: None
) -> None:
    """While this year is an estimate every open clock says so; published, each as the API says."""
    own, year = service.rules.own, service.today().year
    estimate = replace(own.calendar.notices[year], provisional=True)
    published = await marks(client, database)
    await turn_and_recompute(service, replace(own, calendar=with_notice(own.calendar, [estimate])))
    estimated = await marks(client, database)

    assert published["view"] == published["api"]
    assert estimated["view"] == estimated["api"] == dict.fromkeys(estimated["api"], True)
    assert len(estimated["api"]) > 50


async def marks(client: Client, database: Database) -> dict[str, dict[str, bool]]:
    """Return which open cases are provisional, by the view and by the API."""
    async with client.get("/v1/cases?limit=500") as response:
        cases = (await response.json())["cases"]
    still_open = {"running", "suspended"}
    told = await rows(database, "SELECT case_id, provisional FROM reporting.open_case")
    return {
        "api": {c["case_id"]: c["provisional"] for c in cases if c["status"] in still_open},
        "view": {row["case_id"]: row["provisional"] for row in told},
    }


async def test_stages_agree_with_the_api(
    client: Client, database: Database, province: None
) -> None:
    """The workdays by stage are the sums of what each case says of itself."""
    expected: dict[str, list[int]] = defaultdict(list)
    async with client.get("/v1/cases?limit=500&status=stopped") as response:
        cases = (await response.json())["cases"]
    year = f"{datetime.now(SHANGHAI):%Y}"
    for told in cases:
        async with client.get(f"/v1/cases/{told['case_id']}") as response:
            case = await response.json()
        if case["normal"] and case["stopped_at"].startswith(year):
            for stage in case["stages"]:
                expected[stage["case_stage"]].append(stage["workdays"])
    spent = await rows(
        database,
        "SELECT case_stage, sum(n) AS n, sum(workdays_sum) AS total FROM reporting.stage"
        " WHERE period = 'year' AND part = 'this' GROUP BY case_stage",
    )

    assert {name: (len(days), sum(days)) for name, days in expected.items()} == {
        row["case_stage"]: (row["n"], row["total"]) for row in spent
    }


async def test_suspensions_are_counted_by_reason(
    client: Client, database: Database, clock: FixedClock, published: None
) -> None:
    """A suspension that ended has its workdays, one that lasts those up to today."""
    now = clock()
    since, until = now - timedelta(days=14), now - timedelta(days=7)
    await client.post(
        "/v1/events",
        json=[
            _at(accepted("2026-01-01T00:00:00", subject="a"), since),
            _at(event("suspended", "2026-01-01T00:00:00", subject="a", reason="hold"), since),
            _at(event("resumed", "2026-01-01T00:00:00", subject="a"), until),
            _at(accepted("2026-01-01T00:00:00", subject="b"), since),
            _at(event("suspended", "2026-01-01T00:00:00", subject="b", reason="other"), since),
        ],
        headers=BATCH,
    )
    workdays = await rows(
        database,
        f"SELECT max(workday_number) - min(workday_number) AS n FROM reporting.calendar"
        f" WHERE day IN ('{since:%Y-%m-%d}', '{until:%Y-%m-%d}')"
        f" UNION ALL"
        f" SELECT max(workday_number) - min(workday_number) FROM reporting.calendar"
        f" WHERE day IN ('{since:%Y-%m-%d}', '{now:%Y-%m-%d}')",
    )
    told = await rows(
        database,
        "SELECT reason, effect, lasting, n, workdays FROM reporting.suspension"
        " WHERE period = 'rolling_30d' AND part = 'this' ORDER BY reason",
    )

    assert [
        ("hold", "exclude", False, 1, workdays[0]["n"]),
        ("other", "pause", True, 1, workdays[1]["n"]),
    ] == [tuple(row) for row in told]


async def test_a_period_is_compared_up_to_the_same_day(database: Database) -> None:
    """The month so far is compared with as much of the month before, and of the year before."""
    told = {
        row["part"]: (row["first"], row["last"])
        for row in await rows(database, "SELECT * FROM reporting.period WHERE period = 'month'")
    }
    first, last = told["this"]

    assert last == datetime.now(SHANGHAI).date()
    assert told["previous"][0].day == 1
    assert told["previous"][1].day <= last.day
    assert told["previous"][1] < first
    assert (told["year_ago"][0].year, told["year_ago"][0].month) == (first.year - 1, first.month)


@ON_BOTH
async def test_the_reader_reads_the_views_and_nothing_else(
    database: Database, province: None
) -> None:
    """Every view is open to the role, every table is closed, and nothing can be written."""
    views = await rows(database, "SELECT viewname FROM pg_views WHERE schemaname = 'reporting'")
    tables = await rows(database, "SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
    async with database.connection() as connection:
        await connection.execute(f"SET ROLE {READER}")
        for (view,) in views:
            await connection.fetch(f"SELECT * FROM reporting.{view} LIMIT 1")
        for (table,) in tables:
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await connection.fetch(f"SELECT * FROM {table} LIMIT 1")
        for statement in (
            "DELETE FROM reporting.city",
            "UPDATE reporting.service SET link = 'x'",
            "CREATE TABLE reporting.mine ()",
            "CREATE TABLE public.mine ()",
        ):
            with pytest.raises(asyncpg.PostgresError):
                await connection.execute(statement)
        await connection.execute("RESET ROLE")

    assert len(views) > 10
    assert len(tables) > 10


@pytest.mark.parametrize("view", ["ended", "stage", "suspension", "still_open", "open_count"])
async def test_only_lists_of_cases_have_ids_and_amounts(database: Database, view: str) -> None:
    """Sums and distributions name no case and no amount; no view names an enterprise."""
    columns = await rows(
        database,
        "SELECT table_name, column_name FROM information_schema.columns"
        " WHERE table_schema = 'reporting'",
    )
    of_view = {c["column_name"] for c in columns if c["table_name"] == view}

    assert of_view
    assert not of_view & {"case_id", "amount_cny"}
    assert "taxpayer_id" not in {c["column_name"] for c in columns}


SMALL_GROUPS = [
    ({"430100": 2, "430200": 3, "430300": 5}, {"430300": 5}),
    ({"430100": 9, "430200": 3, "430300": 1}, {"430200": 3}),
    ({"430100": 1, "430200": 1, "430300": 10}, {}),
    ({"430100": 1, "430200": 1, "430300": 1, "430400": 9}, {"430400": 9}),
    ({"430100": 2}, {}),
    ({"430100": 3, "430200": 4}, {"430100": 3, "430200": 4}),
]


@pytest.mark.parametrize("size", range(len(SMALL_GROUPS)))
async def test_what_is_published_hides_small_groups(
    client: Client, database: Database, clock: FixedClock, published: None, size: int
) -> None:
    """Fewer than three cases are hidden, and so are others until no total gives them away."""
    counts, expected = SMALL_GROUPS[size]
    last_month = clock().replace(day=1) - timedelta(days=3)
    for city, cases in counts.items():
        told = [
            (_accepted_at(f"{city}-{n}", f"1{city[:4]}000000", last_month), _stopped(city, n))
            for n in range(cases)
        ]
        events = [_at(e, last_month) for pair in told for e in pair]
        await client.post("/v1/events", json=events, headers=BATCH)
    shown = await rows(database, "SELECT city, n, suppressed FROM reporting.published_performance")

    assert set(counts) == {row["city"] for row in shown}
    assert expected == {row["city"]: row["n"] for row in shown if not row["suppressed"]}
    assert all((row["n"] is None) == row["suppressed"] for row in shown)


def _accepted_at(subject: str, office: str, at: datetime) -> Json:
    return _at(accepted("2026-01-01T00:00:00", subject=subject, office=office), at)


def _stopped(city: str, number: int) -> Json:
    return event("voucher_issued", "2026-01-01T00:00:00", subject=f"{city}-{number}")


async def test_a_running_month_is_not_published(
    client: Client, database: Database, clock: FixedClock, published: None
) -> None:
    """From one day to the next its figures would give a single case away."""
    told = [
        (accepted("2026-01-01T00:00:00", subject=f"430100-{n}"), _stopped("430100", n))
        for n in range(9)
    ]
    events = [_at(e, clock()) for pair in told for e in pair]
    await client.post("/v1/events", json=events, headers=BATCH)

    assert [] == await rows(database, "SELECT FROM reporting.published_performance")


async def test_what_others_rest_on_is_not_dropped(
    empty_dsn: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Views of somebody's own keep the views from being made anew, and are named."""
    async with open_database(empty_dsn) as database:
        await upgrade(database)
        await execute(empty_dsn, "CREATE VIEW public.mine AS SELECT * FROM reporting.ended")
        monkeypatch.setattr(module, "packaged_views", lambda: [*packaged_views(), "SELECT 1"])
        with pytest.raises(MigrationError, match=r"view mine depends on view reporting\.ended"):
            await upgrade(database)
        kept = await rows(database, "SELECT count(*) FROM mine")

    assert 1 == len(kept)


async def test_who_could_read_can_read_after(
    empty_dsn: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rights that others were granted, and what they put beside the views, outlive an upgrade."""
    role = f"analyst_{random.Random().getrandbits(40):x}"
    await execute(empty_dsn, f"CREATE ROLE {role}")
    try:
        async with open_database(empty_dsn) as database:
            await upgrade(database)
            await execute(
                empty_dsn,
                f"GRANT USAGE ON SCHEMA reporting TO {role};"
                f"GRANT SELECT ON reporting.ended TO {role};"
                "CREATE VIEW reporting.theirs AS SELECT 1 AS one",
            )
            monkeypatch.setattr(module, "packaged_views", lambda: [*packaged_views(), "SELECT 1"])
            assert (await upgrade(database)).views_made
            async with database.connection() as connection:
                await connection.execute(f"SET ROLE {role}")
                await connection.fetch("SELECT * FROM reporting.ended LIMIT 1")
                await connection.execute("RESET ROLE")
                beside = await connection.fetchval("SELECT one FROM reporting.theirs")
    finally:
        await execute(empty_dsn, f"DROP OWNED BY {role}; DROP ROLE {role}")

    assert 1 == beside


async def test_nobody_queues_behind_a_waiting_upgrade(
    empty_dsn: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While a backup keeps its lock, an upgrade waits in short turns and others are served."""
    known = packaged_migrations()
    monkeypatch.setattr(patience, "LOCK_TIMEOUT", "50ms")
    monkeypatch.setattr(patience, "REST_SECONDS", 0.05)
    async with open_database(empty_dsn) as database:
        await migrate(database, known[:2])
        async with database.transaction() as backup:
            await backup.execute("LOCK TABLE rebate_case IN ACCESS SHARE MODE")
            upgrading = asyncio.create_task(upgrade(database))
            await asyncio.sleep(0.5)
            async with database.connection() as reader:
                await reader.fetch("SELECT count(*) FROM rebate_case", timeout=5)
            was_done = upgrading.done()
        await upgrading

    assert not was_done


async def test_an_upgrade_gives_up_and_says_why(
    empty_dsn: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A lock that is never given back ends the upgrade with nothing changed."""
    monkeypatch.setattr(patience, "LOCK_TIMEOUT", "50ms")
    monkeypatch.setattr(patience, "REST_SECONDS", 0.01)
    monkeypatch.setattr(patience, "TURNS", 3)
    known = packaged_migrations()
    async with open_database(empty_dsn) as database:
        await migrate(database, known[:2])
        async with database.transaction() as forgotten:
            await forgotten.execute("LOCK TABLE rebate_case IN ACCESS SHARE MODE")
            with pytest.raises(MigrationError, match="somebody keeps a lock on the tables"):
                await upgrade(database)
        done = await upgrade(database)

    assert known[2:] == done.applied


async def test_a_backup_restored_over_a_database_is_noticed(empty_dsn: str) -> None:
    """A ledger that has lost its key and holds migrations twice is refused."""
    async with open_database(empty_dsn) as database:
        await upgrade(database)
        await execute(
            empty_dsn,
            "ALTER TABLE schema_migration DROP CONSTRAINT schema_migration_pkey;"
            "INSERT INTO schema_migration SELECT * FROM schema_migration",
        )
        with pytest.raises(MigrationError, match="restored over a database that was not empty"):
            await upgrade(database)


async def test_a_reader_without_its_rights_gets_them_again(empty_dsn: str) -> None:
    """A backup is restored without rights: the next upgrade grants them, though no view is new."""
    async with open_database(empty_dsn) as database:
        await upgrade(database)
        await execute(empty_dsn, f"REVOKE ALL ON ALL TABLES IN SCHEMA reporting FROM {READER}")
        done = await upgrade(database)
        reads = await rows(
            database, f"SELECT has_table_privilege('{READER}', 'reporting.ended', 'SELECT')"
        )

    assert not done.views_made
    assert [(True,)] == [tuple(row) for row in reads]


async def test_another_database_keeps_its_password(servers: Servers) -> None:
    """The role is one for all databases of a server: a second one does not change its password."""
    main = await asyncio.to_thread(servers.dsn, "18")
    names = [f"reader_{random.Random().getrandbits(40):x}" for _ in range(2)]
    done = []
    for name in names:
        await execute(main, f"CREATE DATABASE {name}")
        async with open_database(with_database(main, name)) as database:
            done.append((await upgrade(database, PASSWORD)).reader)
    await execute(main, f"DROP DATABASE {names[0]} WITH (FORCE)")
    async with open_database(with_database(main, names[1])) as database:
        done.append((await upgrade(database, PASSWORD)).reader)
    await execute(main, f"DROP DATABASE {names[1]} WITH (FORCE)")

    assert done[0].refusal is None
    assert f"it is that of the database {names[0]}, too" == done[1].refusal
    assert done[2].refusal is None


async def test_codes_that_share_a_cell_have_names(database: Database) -> None:
    """Every reason and every anomaly has a Chinese and an English name."""
    told = await rows(database, "SELECT kind, code FROM reporting.word")

    assert {
        *(("suspension_reason", str(reason)) for reason in SuspensionReason),
        *(("anomaly", str(anomaly)) for anomaly in Anomaly),
    } == {tuple(row) for row in told}


async def test_a_period_reads_only_its_days(database: Database, published: None) -> None:
    """A month's figures are found by the index of stop days, not by reading all cases."""
    async with database.connection() as connection:
        await connection.execute(
            "INSERT INTO rebate_case (case_id, status, settled_verdict, normal, stopped_on,"
            " counted_workdays) SELECT n::text, 'stopped', 'met', true, current_date - n % 3000, 3"
            " FROM generate_series(1, 30000) AS n"
        )
        await connection.execute("ANALYZE")
        plan = await connection.fetch(
            "EXPLAIN SELECT sum(n) FROM reporting.ended WHERE period = 'month' AND part = 'this'"
        )
    text = "\n".join(row[0] for row in plan)

    assert "rebate_case_stopped" in text
    assert "Seq Scan on rebate_case" not in text


async def test_names_are_published_once(service: Service, database: Database) -> None:
    """The same names are not written again; another name is."""
    renamed = Places(
        cities={"430100": Place(code="430100", name_zh="星城", name_en="Star City")}, offices={}
    )

    assert await lookups(service).publish(database)
    assert not await lookups(service).publish(database)
    assert await lookups(service, renamed).publish(database)
    assert [("星城",), ("其他",)] == [
        tuple(row) for row in await rows(database, "SELECT name_zh FROM reporting.city")
    ]


async def test_two_replicas_publish_one_after_the_other(
    service: Service, database: Database
) -> None:
    """Of replicas that start together one writes, and the others find it done."""
    told = await asyncio.gather(*(lookups(service).publish(database) for _ in range(4)))

    assert [False, False, False, True] == sorted(told)


async def test_days_are_those_of_the_calendar(service: Service, database: Database) -> None:
    """W, kind and targets of a day are what the service goes by, and the link is the one told."""
    await lookups(service).publish(database)
    calendar = service.rules.own.calendar
    told = await rows(
        database,
        "SELECT * FROM reporting.calendar WHERE day BETWEEN '2026-01-01' AND '2026-12-31'",
    )

    assert [
        (d.date, d.kind.value, d.name, calendar.workdays_through(d.date), 4, 3)
        for d in calendar.days(told[0]["day"], told[-1]["day"])
    ] == [
        (
            r["day"],
            r["kind"],
            r["name"],
            r["workday_number"],
            r["target_all"],
            r["target_category_1_2"],
        )
        for r in told
    ]
    assert [(LINK,)] == [tuple(r) for r in await rows(database, "SELECT * FROM reporting.service")]


@pytest.fixture
async def empty_dsn(servers: Servers, postgres_version: str) -> AsyncIterator[str]:
    """Return the DSN of an empty database, dropped at the end."""
    main = await asyncio.to_thread(servers.dsn, postgres_version)
    name = f"views_{random.Random().getrandbits(40):x}"
    await execute(main, f"CREATE DATABASE {name}")
    yield with_database(main, name)
    await execute(main, f"DROP DATABASE {name} WITH (FORCE)")


@ON_BOTH
async def test_views_are_made_once_and_again_when_they_changed(
    empty_dsn: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A second upgrade leaves them alone; one with other texts makes them anew."""
    async with open_database(empty_dsn) as database:
        made = [(await upgrade(database)).views_made for _ in range(2)]
        monkeypatch.setattr(module, "packaged_views", lambda: [*packaged_views(), "SELECT 1"])
        made += [(await upgrade(database)).views_made for _ in range(2)]
        async with database.connection() as connection:
            await connection.execute("DROP VIEW reporting.published_performance")
            was_current = await views_are_current(connection)
        made.append((await upgrade(database)).views_made)

    assert [True, False, True, False, True] == made
    assert not was_current


async def test_a_schema_of_somebody_else_is_left_alone(empty_dsn: str) -> None:
    """A schema `reporting` that this service has not made is not dropped."""
    await execute(empty_dsn, "CREATE SCHEMA reporting CREATE TABLE theirs ()")
    async with open_database(empty_dsn) as database:
        with pytest.raises(MigrationError, match="a schema `reporting` of somebody else"):
            await upgrade(database)

    await execute(empty_dsn, "SELECT FROM reporting.theirs")


async def test_a_migration_may_change_what_views_read(empty_dsn: str) -> None:
    """Views make way for a migration, and are there again after the upgrade."""
    async with open_database(empty_dsn) as database:
        known = packaged_migrations()
        await migrate(database, known[:-1])
        await execute(empty_dsn, "CREATE SCHEMA reporting")
        await execute(
            empty_dsn, "COMMENT ON SCHEMA reporting IS 'rebate_monitor views x: old, gone'"
        )
        await execute(empty_dsn, "CREATE VIEW reporting.old AS SELECT status FROM rebate_case")
        done = await upgrade(database)
        views = await rows(database, "SELECT FROM pg_views WHERE viewname = 'old'")

    assert [known[-1]] == list(done.applied)
    assert [] == views


async def test_rows_from_before_get_their_stages_by_a_recompute(
    client: Client, service: Service, database: Database, province: None
) -> None:
    """After an upgrade the new columns are empty until the cases are folded anew."""
    before = await rows(database, "SELECT case_id, stages, suspensions FROM rebate_case ORDER BY 1")
    async with database.connection() as connection:
        await connection.execute("UPDATE rebate_case SET stages = NULL, suspensions = NULL")
    await recompute_all(service)
    after = await rows(database, "SELECT case_id, stages, suspensions FROM rebate_case ORDER BY 1")

    assert before == after
    assert any(row["stages"] != b"[]" for row in after)


async def test_the_reader_gets_the_password_without_telling_it(
    database: Database,
) -> None:
    """The stored verifier is the one that PostgreSQL itself would have made of the password."""
    done = await upgrade(database, PASSWORD)
    stored = (
        await rows(database, f"SELECT rolpassword FROM pg_authid WHERE rolname = '{READER}'")
    )[0][0]
    async with database.connection() as connection:
        await connection.execute(f"ALTER ROLE {READER} PASSWORD '{PASSWORD}'")
        own = await connection.fetchval(
            f"SELECT rolpassword FROM pg_authid WHERE rolname = '{READER}'"
        )
        await connection.execute(f"ALTER ROLE {READER} NOLOGIN PASSWORD NULL")
    iterations, salt = own.split("$")[1].split(":")

    assert done.reader.can_log_in
    assert stored.startswith(f"SCRAM-SHA-256${iterations}:")
    assert own == scram_verifier(PASSWORD, base64.b64decode(salt))


async def test_an_owner_who_may_not_make_roles_is_told(empty_dsn: str) -> None:
    """Without the right to make a role the database is still brought up to date."""
    owner = f"owner_{random.Random().getrandbits(40):x}"
    async with open_database(empty_dsn) as database, database.connection() as connection:
        await connection.execute(f"CREATE ROLE {owner}")
        name = await connection.fetchval("SELECT current_database()")
        await connection.execute(f'ALTER DATABASE "{name}" OWNER TO {owner}')
        await connection.execute(f"GRANT ALL ON SCHEMA public TO {owner}")
    try:
        async with open_database(f"{empty_dsn}&options=-c%20role%3D{owner}") as database:
            done = await upgrade(database, PASSWORD)
            current = await rows(database, "SELECT count(*) FROM reporting.period")
    finally:
        await execute(
            empty_dsn,
            f"REASSIGN OWNED BY {owner} TO CURRENT_USER; DROP OWNED BY {owner}; DROP ROLE {owner}",
        )

    assert done.reader.refusal
    assert done.reader.reads
    assert current
