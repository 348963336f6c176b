"""GET /v1/evaluation: the figures of GET /v1/performance, ranked, compared, and what they hide.

The clock of these tests stands at Monday 2026-11-23 10:00; November 2026 has no holidays.
"""

import random
import re
from datetime import date, timedelta

import asyncpg
import numpy as np
import pytest

from cloud_events import BATCH, Json, accepted, event
from conftest import Client, FixedClock
from late_arrivals import END, arrivals, tell
from rebate_monitor.api.service import Service
from rebate_monitor.domain.local_time import SHANGHAI
from rebate_monitor.domain.periods import Days, PeriodName, named_periods
from rebate_monitor.ingest.recompute import count_stale
from rebate_monitor.storage import evaluation as module
from rebate_monitor.storage.database import Database
from rebate_monitor.storage.recount import compare_tallies
from rebate_monitor.storage.reporting import packaged_views
from turning import recompute_all

ZHUZHOU = "14302000000"
GROUP_KEYS = [
    "group", "name_zh", "name_en", "scope", "n", "mean_workdays", "median", "p90", "in_time_rate",
    "same_day_rate", "amount_weighted_mean", "target_workdays", "meets_target", "open_n",
    "open_mean_workdays", "mean_if_open_stopped_now", "excluded", "rejected", "withdrawn",
    "refiled", "previous_n", "previous_mean_workdays", "change_on_previous", "year_ago_n",
    "year_ago_mean_workdays", "change_on_year", "rank",
]  # fmt: skip


async def post(client: Client, *events: Json) -> None:
    """Post events that must all be taken."""
    async with client.post("/v1/events", json=list(events), headers=BATCH) as response:
        assert response.status == 200, await response.text()


async def get(client: Client, path: str) -> Json:
    """Return an answer."""
    async with client.get(path) as response:
        assert response.status == 200, await response.text()
        told: Json = await response.json()
        return told


def stopped(name: str, start: str, end: str, **data: object) -> list[Json]:
    """Tell of a case accepted and stopped on two days."""
    return [
        accepted(f"{start}T09:00:00", subject=name, **data),
        event("voucher_issued", f"{end}T09:00:00", subject=name),
    ]


PROVINCE = [
    *stopped("a", "2026-11-09", "2026-11-10"),
    *stopped("b", "2026-11-09", "2026-11-12", category="III"),
    *stopped("c", "2026-11-09", "2026-11-13", office=ZHUZHOU, category="III"),
    *stopped("d", "2026-11-09", "2026-11-11", office="14407000000"),
    *stopped("e", "2026-10-12", "2026-10-13"),
    *stopped("f", "2026-10-12", "2026-10-16"),
    *stopped("g", "2026-10-12", "2026-10-28"),  # after the same day of the month before
    *stopped("h", "2025-11-10", "2025-11-11", office=ZHUZHOU),
    accepted("2026-11-19T09:00:00", subject="open", office=ZHUZHOU, refiled_from="withdrawn"),
    accepted("2026-11-16T09:00:00", subject="late", category=None),
    accepted("2026-11-09T09:00:00", subject="withdrawn", office=ZHUZHOU),
    event("withdrawn", "2026-11-10T09:00:00", subject="withdrawn"),
]


async def test_the_worked_example(client: Client) -> None:
    """Cities against the month before and the year before, each up to the same day."""
    await post(client, *PROVINCE)

    told = await get(client, "/v1/evaluation?by=city&min_cases=2")

    groups = {g["group"]: g for g in told["groups"] if g["scope"] == "all"}
    changsha, zhuzhou, guangdong = (groups[code] for code in ("430100", "430200", "440700"))
    assert {
        "period": {
            "name": "month",
            "from": "2026-11-01",
            "to": "2026-11-23",
            "previous": {"from": "2026-10-01", "to": "2026-10-23"},
            "year_ago": {"from": "2025-11-01", "to": "2025-11-23"},
        },
        "by": "city",
        "min_cases": 2,
        "frozen": None,
    } == {name: told[name] for name in ("period", "by", "min_cases", "frozen")}
    assert [GROUP_KEYS] * 6 == [list(group) for group in told["groups"]]
    assert ("长沙市", "Changsha", 2, 2.0, 1) == tuple(
        changsha[name] for name in ("name_zh", "name_en", "n", "mean_workdays", "rank")
    )
    assert (2, 2.5, -0.5) == _change(changsha, "previous", "change_on_previous")
    assert (0, None, None) == _change(changsha, "year_ago", "change_on_year")
    assert (1, 1.0, 3.0) == _change(zhuzhou, "year_ago", "change_on_year")
    assert (1, 1, 1, None) == tuple(
        zhuzhou[name] for name in ("open_n", "withdrawn", "refiled", "rank")
    )
    assert ("440700", "440700") == (guangdong["name_zh"], guangdong["name_en"])


def _change(group: Json, other: str, change: str) -> tuple[object, ...]:
    return group[f"{other}_n"], group[f"{other}_mean_workdays"], group[change]


async def test_what_stands_beside_the_groups(client: Client) -> None:
    """Open cases by age and verdict, and all finished ones by workdays."""
    await post(client, *PROVINCE)

    told = await get(client, "/v1/evaluation")

    assert [
        {"workdays": 2, "on_track": 0, "at_risk": 1, "breached": 0, "not_applicable": 0},
        {"workdays": 5, "on_track": 0, "at_risk": 0, "breached": 1, "not_applicable": 0},
    ] == told["open_ageing"]
    assert [
        {"workdays": 1, "n": 1, "in_time": 1, "late": 0, "unjudged": 0},
        {"workdays": 2, "n": 1, "in_time": 1, "late": 0, "unjudged": 0},
        {"workdays": 3, "n": 1, "in_time": 1, "late": 0, "unjudged": 0},
        {"workdays": 4, "n": 1, "in_time": 1, "late": 0, "unjudged": 0},
    ] == told["distribution"]
    assert [{"anomaly": "unknown_category", "source": "/hunan/14301000000", "cases": 1}] == told[
        "data_quality"
    ]


async def test_an_empty_database(client: Client) -> None:
    """Of nothing there is the one group with its targets, and everything else is empty."""
    told = await get(client, "/v1/evaluation?period=year")

    assert [("合计", "Total", 0, None, 4.0, None), ("合计", "Total", 0, None, 3.0, None)] == [
        tuple(
            group[name]
            for name in ("name_zh", "name_en", "n", "mean_workdays", "target_workdays", "rank")
        )
        for group in told["groups"]
    ]
    assert [[], [], []] == [told[n] for n in ("open_ageing", "distribution", "data_quality")]
    assert [] == (await get(client, "/v1/evaluation?by=office"))["groups"]


async def test_names_of_groups(client: Client) -> None:
    """Every group is called by its Chinese and English name."""
    await post(client, *PROVINCE, *stopped("x", "2026-11-09", "2026-11-09", rebate_type="agency"))
    names = {
        by: {
            g["group"]: (g["name_zh"], g["name_en"])
            for g in (await get(client, f"/v1/evaluation?by={by}"))["groups"]
        }
        for by in ("category", "month", "rebate_type", "office")
    }

    assert {
        "I": ("一类", "Category I"),
        "III": ("三类", "Category III"),
        "unknown": ("未定类", "Unknown category"),
    } == names["category"]
    assert {"2026-11": ("2026年11月", "November 2026")} == names["month"]
    assert {"agency": ("代办退税", "Refund by an agent"), "unknown": ("未知", "Unknown")} == (
        names["rebate_type"]
    )
    assert (ZHUZHOU, ZHUZHOU) == names["office"][ZHUZHOU]


async def test_figures_are_those_of_performance(client: Client, clock: FixedClock) -> None:
    """Every figure that both answers have is the same, for this period and those beside it."""
    await tell(client, clock, arrivals(random.Random(5), cases=80))
    clock.instant = END

    for by in ("none", "category", "city", "office", "month", "rebate_type"):
        days = "from=2026-10-05&to=2026-11-20"
        told = await get(client, f"/v1/evaluation?{days}&by={by}&min_cases=1")
        period = told["period"]
        plain, previous, year_ago = [
            await get(client, f"/v1/performance?from={p['from']}&to={p['to']}&by={by}")
            for p in (period, period["previous"], period["year_ago"])
        ]
        actual = {(g["group"], g["scope"]): g for g in told["groups"]}
        expected = {(g["group"], g["scope"]): g for g in plain["groups"]}
        assert expected == {
            key: {name: actual[key][name] for name in group} for key, group in expected.items()
        }
        for name, other in (("previous", previous), ("year_ago", year_ago)):
            means = {(g["group"], g["scope"]): g for g in other["groups"]}
            for (group, scope), figures in actual.items():
                same = _month_before(group, period, period[name]) if by == "month" else group
                theirs = means.get((same, scope), {"n": 0, "mean_workdays": None})
                assert (theirs["n"], theirs["mean_workdays"]) == (
                    figures[f"{name}_n"],
                    figures[f"{name}_mean_workdays"],
                )


def _month_before(group: str, this: Json, other: Json) -> str:
    first, theirs = (date.fromisoformat(days["from"]) for days in (this, other))
    shift = 12 * (first.year - theirs.year) + first.month - theirs.month
    month = np.datetime64(group, "M") - shift
    return str(month)


async def test_percentiles_are_those_of_numpy(client: Client, clock: FixedClock) -> None:
    """Median and p90 are numpy's, over the counts that each case tells of itself."""
    await tell(client, clock, arrivals(random.Random(6), cases=80))
    clock.instant = END
    told = await get(client, "/v1/evaluation?from=2026-09-01&to=2026-12-31&by=city")
    cases = (await get(client, "/v1/cases?limit=500&status=stopped"))["cases"]

    for group in (g for g in told["groups"] if g["scope"] == "all" and g["n"]):
        days = [
            c["workdays"]
            for c in cases
            if c["normal"] and c["attributes"]["city"] == group["group"]
        ]
        assert (len(days), *np.percentile(days, [50, 90])) == pytest.approx(
            (group["n"], group["median"], group["p90"]), abs=1e-6
        )


async def test_refiled_cases_are_those_that_say_so(client: Client, clock: FixedClock) -> None:
    """Cases accepted in the period that name where they were filed before, by what is known now."""
    await tell(client, clock, arrivals(random.Random(7), cases=60))
    clock.instant = END
    cases = (await get(client, "/v1/cases?limit=500"))["cases"]
    expected: dict[str, int] = {}
    for case in cases:
        attributes = case["attributes"]
        if attributes["refiled_from"] and case["accepted_at"].startswith("2026-10"):
            expected[attributes["office"]] = expected.get(attributes["office"], 0) + 1
    told = await get(client, "/v1/evaluation?from=2026-10-01&to=2026-10-31&by=office")

    assert len(expected) > 1
    assert expected == {
        g["group"]: g["refiled"] for g in told["groups"] if g["scope"] == "all" and g["refiled"]
    }


async def test_rows_from_before_get_where_they_were_refiled_from(
    client: Client, service: Service, database: Database, clock: FixedClock
) -> None:
    """After an upgrade the column is empty; a recompute fills it, and the doctor misses it."""
    await tell(client, clock, arrivals(random.Random(8), cases=30))
    query = "SELECT case_id, refiled_from FROM rebate_case ORDER BY case_id"
    async with database.connection() as connection:
        before = [tuple(row) for row in await connection.fetch(query)]
        await connection.execute("UPDATE rebate_case SET refiled_from = NULL")
    stale = await count_stale(database, service.rules)
    await recompute_all(service)
    async with database.connection() as connection:
        after = [tuple(row) for row in await connection.fetch(query)]

    assert sum(told is not None for _, told in before) == stale > 0
    assert before == after
    assert [] == await compare_tallies(database, clock.instant.date())


async def test_anomalies_by_source(client: Client) -> None:
    """Each case counts once for a kind, at the source whose event brought it."""
    other = "/import"
    await post(
        client,
        *(accepted("2026-11-09T09:00:00", subject=f"case-{n}", category=None) for n in range(3)),
        event("corrected", "2026-11-10T09:00:00", subject="case-0", category=None, source=other),
        event("corrected", "2026-11-10T09:00:00", subject="case-1", category="I", source=other),
        event("resumed", "2026-11-10T09:00:00", subject="case-1", source=other),
        event("resumed", "2026-11-10T10:00:00", subject="case-1", source=other),
        accepted("2026-10-31T23:59:59", subject="october", category=None),
        event("resumed", "2026-11-10T09:00:00", subject="never accepted"),
    )

    told = await get(client, "/v1/evaluation?period=month")

    assert [
        {"anomaly": "resumed_while_running", "source": other, "cases": 1},
        {"anomaly": "unknown_category", "source": "/hunan/14301000000", "cases": 2},
    ] == told["data_quality"]


async def test_quality_is_bounded(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    """Only the latest cases are folded and only the largest sources are named; none is lost."""
    monkeypatch.setattr(module, "MAX_FOLDED", 5)
    monkeypatch.setattr(module, "MAX_SOURCES", 2)
    monkeypatch.setattr(module, "PAGE", 2)
    sources = ["/x", "/x", "/z", "/a", "/a", "/a", "/b", "/c"]  # the first ones are the oldest
    for number, source in enumerate(sources):
        told = accepted(f"2026-11-{number + 2:02}T09:00:00", subject=f"{number}", category=None)
        await post(client, told | {"source": source})

    told = await get(client, "/v1/evaluation")

    assert [("/a", 3), ("/b", 1), (None, 4)] == [
        (part["source"], part["cases"]) for part in told["data_quality"]
    ]


async def test_quality_folds_no_more_than_it_has_to(client: Client, database: Database) -> None:
    """The cases with anomalies are found by an index of their own."""
    async with database.connection() as connection:
        await connection.execute(
            "INSERT INTO rebate_case (case_id, accepted_at, anomalies)"
            " SELECT n::text, timestamptz '2020-01-01' + n * interval '1 hour',"
            " CASE WHEN n % 100 = 0 THEN ARRAY['after_end'] ELSE '{}' END"
            " FROM generate_series(1, 20000) AS n"
        )
        await connection.execute("ANALYZE")
        bounds = date(2021, 1, 1), date(2021, 3, 1)
        for query, arguments in (
            (module.ANOMALOUS_CASES, (*bounds, 100)),
            (module.ANOMALIES_BY_KIND, bounds),
        ):
            plan = await connection.fetch(f"EXPLAIN {query}", *arguments)
            assert "rebate_case_anomalous" in "\n".join(row[0] for row in plan)


WRONG = {
    "period=week": "period",
    "period=": "period",
    "period=month&from=2026-11-01": "period",
    "period=month&to=2026-11-01": "period",
    "by=week": "by",
    "min_cases=0": "min_cases",
    "min_cases=-1": "min_cases",
    "min_cases=1.5": "min_cases",
    "min_cases=9999999999": "min_cases",
    "from=2026-11-02&to=2026-11-01": "from",
    "from=2026-12-01": "from",
    "from=1999-12-31&to=2026-11-01": "from",
    "from=0001-01-01&to=0001-01-02": "from",
    "from=2026-11-01&to=2100-01-01": "to",
    "from=2026-11-01&to=9999-12-31": "to",
    "to=2026-11-31": "to",
    "city=430100": "city",
    "period=month&period=year": "period",
}


async def test_wrong_parameters_are_422(client: Client) -> None:
    """A wrong, unknown, repeated or contradicting parameter is named."""
    for query, name in WRONG.items():
        async with client.get(f"/v1/evaluation?{query}") as response:
            told = await response.json(content_type="application/problem+json")
            assert (query, 422, name) == (query, response.status, told["detail"].partition(":")[0])


PERIODS = {
    "": ("2026-11-01", "2026-11-23"),
    "?period=last_month": ("2026-10-01", "2026-10-31"),
    "?to=2026-10-15": ("2026-10-01", "2026-10-15"),
    "?to=2026-12-15": ("2026-11-01", "2026-12-15"),
    "?from=2026-11-10": ("2026-11-10", "2026-11-23"),
    "?from=2000-01-01&to=2099-12-31": ("2000-01-01", "2099-12-31"),
    "?from=2027-02-01&to=2027-02-28&by=month": ("2027-02-01", "2027-02-28"),
    "?from=2023-10-25&to=2023-10-25": ("2023-10-25", "2023-10-25"),
}


async def test_periods(client: Client) -> None:
    """A period may be named or told, by either end, and may lie ahead or before any policy."""
    for query, bounds in PERIODS.items():
        told = (await get(client, f"/v1/evaluation{query}"))["period"]
        assert (query, *bounds) == (query, told["from"], told["to"])


async def test_it_needs_a_key(stranger: Client) -> None:
    """Without a key there is no evaluation."""
    assert (await stranger.get("/v1/evaluation")).status == 401


async def test_periods_are_those_of_the_reporting_view(database: Database) -> None:
    """On each of very many days the view and the service mean the same days by a name."""
    days = [date(2023, 12, 1) + timedelta(days=n) for n in range(4 * 366 + 100)]
    async with database.connection() as connection:
        rows = await connection.fetch(_view_as_of("unnest($1::date[])"), days)

    told = {(row["day"], row["period"], row["part"]): (row["first"], row["last"]) for row in rows}
    assert {
        (day, str(name), part): (days.first, days.last)
        for day in days
        for name in PeriodName
        for part, days in _parts(name, day)
    } == {key: bounds for key, bounds in told.items() if key[1] in set(PeriodName)}


def _parts(name: PeriodName, day: date) -> list[tuple[str, Days]]:
    told = named_periods(name, day)
    return [("this", told.this), ("previous", told.previous), ("year_ago", told.year_ago)]


def _view_as_of(days: str) -> str:
    """Return the text of the view with other days in place of now."""
    text = "".join(packaged_views())
    found = re.search(r"CREATE VIEW reporting\.period AS\n(.*?);\n", text, re.DOTALL)
    assert found is not None
    now = "(now() AT TIME ZONE 'Asia/Shanghai')::date"
    body = found[1]
    assert body.count(now) == 1
    body = body.replace(now, "asked.day")
    return (
        f"SELECT asked.day, told.* FROM {days} AS asked (day) CROSS JOIN LATERAL ({body}) AS told"
    )


async def test_periods_are_those_of_the_view_right_now(
    database: Database, client: Client, clock: FixedClock
) -> None:
    """The view itself, as Grafana reads it, gives the days that the service answers."""
    async with database.connection() as connection:
        rows: list[asyncpg.Record] = await connection.fetch(
            "SELECT period, part, first, last, now() AS now FROM reporting.period"
        )
    clock.instant = rows[0]["now"].astimezone(SHANGHAI)
    told = {(r["period"], r["part"]): (str(r["first"]), str(r["last"])) for r in rows}

    for name in PeriodName:
        period = (await get(client, f"/v1/evaluation?period={name}"))["period"]
        parts = {"this": period, "previous": period["previous"], "year_ago": period["year_ago"]}
        for part, days in parts.items():
            assert told[str(name), part] == (days["from"], days["to"])
