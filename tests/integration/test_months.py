"""Closed months: kept as reported, and set against the present case by case, never silently.

The clock of these tests stands at Monday 2026-11-23 10:00 unless a test moves it.
"""

import asyncio
import json
import random
from collections.abc import Sequence
from dataclasses import replace
from datetime import date, datetime, timedelta

import pytest
from click.testing import CliRunner, Result
from jsonschema import Draft202012Validator

from cloud_events import BATCH, Json, accepted, event
from conftest import Client, FixedClock
from late_arrivals import END, arrivals, tell
from rebate_monitor.api import months as api
from rebate_monitor.api.service import Service
from rebate_monitor.cli.main import main
from rebate_monitor.domain.frozen import FrozenMonth, contribution
from rebate_monitor.domain.known_then import received_by
from rebate_monitor.domain.local_time import SHANGHAI
from rebate_monitor.domain.periods import named_month
from rebate_monitor.domain.policy import PolicyBook, StopAt
from rebate_monitor.domain.rulebook import Rulebook
from rebate_monitor.domain.standing import standing_of
from rebate_monitor.ingest.incoming import Incoming
from rebate_monitor.ingest.wire import decode_event
from rebate_monitor.ingest.writer import Reception, Writer
from rebate_monitor.storage.case_events import receipts_of_cases
from rebate_monitor.storage.database import Connection, Database
from rebate_monitor.storage.frozen import Closing, MonthRefusedError, check_clock, frozen_month
from turning import drain, recomputer, turn

OCTOBER = named_month("2026-10")
STOPPED = [
    accepted("2026-10-12T09:00:00", subject="a"),
    event("voucher_issued", "2026-10-14T09:00:00", subject="a", id="v"),
    accepted("2026-10-12T09:00:00", subject="b", category="III", office="14302000000"),
    event("voucher_issued", "2026-10-16T09:00:00", subject="b"),
    accepted("2026-10-30T09:00:00", subject="open"),
]


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


async def close(service: Service, month: str = "2026-10", by: str = "王小明") -> FrozenMonth:
    """Close a month by the service's clock and rules."""
    closing = Closing(month=named_month(month), by=by, rules=service.rules, clock=service.now)
    return await closing.close(service.database)


def totals(told: Json) -> Json:
    """Return the total of all categories."""
    group: Json = told["groups"][0]
    assert ("none", None, "all") == (group["by"], group["group"], group["scope"])
    return group


async def test_a_closed_month(client: Client, service: Service) -> None:
    """It is listed with who closed it and by which rules, and nothing is corrected yet."""
    await post(client, *STOPPED)
    assert [] == (await get(client, "/v1/months"))["months"]
    assert (await get(client, "/v1/evaluation?period=last_month"))["frozen"] is None

    await close(service)

    (policy,) = service.rules.own.policies.policies
    about = {
        "month": "2026-10",
        "closed_at": "2026-11-23T10:00:00+08:00",
        "closed_by": "王小明",
        "known_at": "2026-11-23T10:00:00+08:00",
        "policy_version": policy.version,
        "calendar_version": service.rules.own.calendar.version,
    }
    told = await get(client, "/v1/months/2026-10")
    total = totals(told)
    assert [about] == (await get(client, "/v1/months"))["months"]
    assert about | {"changed_cases": 0, "explained": True, "cases": []} == {
        name: told[name] for name in (*about, "changed_cases", "explained", "cases")
    }
    assert total["frozen"] == total["now"]
    assert (2, 3.0, 0.0) == (
        total["frozen"]["n"],
        total["frozen"]["mean_workdays"],
        total["correction"]["mean_workdays"],
    )
    assert {"open_n": 1, "open_mean_workdays": 16.0, "mean_if_open_stopped_now": 7.333333} == (
        total["open_when_frozen"]
    )
    assert {"closed_at": "2026-11-23T10:00:00+08:00", "differs": False} == (
        (await get(client, "/v1/evaluation?from=2026-10-01&to=2026-10-31"))["frozen"]
    )


async def test_what_is_frozen_is_the_evaluation(client: Client, service: Service) -> None:
    """Every group of every grouping is kept as GET /v1/evaluation answered it."""
    await post(client, *STOPPED)
    told = {
        by: (await get(client, f"/v1/evaluation?period=last_month&by={by}"))["groups"]
        for by in ("none", "category", "city", "office", "rebate_type")
    }
    await close(service)
    groups = (await get(client, "/v1/months/2026-10"))["groups"]
    kept = {(g["by"], g["group"], g["scope"]): g for g in groups}

    shown = [(by, group) for by, groups in told.items() for group in groups if group["n"]]
    assert len(shown) == len(kept) > 8
    for by, group in shown:
        frozen = kept[by, group["group"], group["scope"]]
        both = frozen | frozen["frozen"] | frozen["open_when_frozen"]
        assert {name: group[name] for name in group.keys() & both.keys()} == {
            name: both[name] for name in group.keys() & both.keys()
        }
        assert set(frozen["frozen"]) | set(frozen["open_when_frozen"]) <= set(group)


async def test_later_facts_are_corrections(client: Client, service: Service) -> None:
    """What was frozen stays, what is now is beside it, and each changed case says why."""
    await post(client, *STOPPED)
    await close(service)
    await post(
        client,
        event("voucher_issued", "2026-10-31T23:59:59", subject="open", id="late"),
        event("corrected", "2026-11-20T09:00:00", subject="b", office="14301000000", id="moved"),
        event("retracted", "2026-11-20T09:00:00", subject="a", id="back") | {"data": {"id": "v"}},
        accepted("2026-11-20T09:00:00", subject="november"),
        event("voucher_issued", "2026-11-20T10:00:00", subject="november"),
    )

    told = await get(client, "/v1/months/2026-10")
    total, groups = totals(told), {(g["by"], g["group"], g["scope"]): g for g in told["groups"]}

    assert (3, True) == (told["changed_cases"], told["explained"])
    assert (2, 2, 0, 2) == (
        total["frozen"]["n"],
        total["now"]["n"],
        total["correction"]["n"],
        total["changed_cases"],
    )
    assert (3.0, 2.0, -1.0) == tuple(
        total[part]["mean_workdays"] for part in ("frozen", "now", "correction")
    )
    assert (1, 0, -1, None) == (
        groups["city", "430200", "all"]["frozen"]["n"],
        groups["city", "430200", "all"]["now"]["n"],
        groups["city", "430200", "all"]["correction"]["n"],
        groups["city", "430200", "all"]["correction"]["mean_workdays"],
    )
    assert {"a": "back", "b": "moved", "open": "late"} == {
        case["case_id"]: cause["id"] for case in told["cases"] for cause in case["causes"]
    }
    a, b, still_open = told["cases"]
    assert (2, None) == (a["then"]["workdays"], a["now"])
    assert ("430200", "430100") == (b["then"]["city"], b["now"]["city"])
    assert (None, "normal") == (still_open["then"], still_open["now"]["ended_as"])
    assert {
        "because": "event",
        "source": "/hunan/14301000000",
        "id": "late",
        "type": "rebate.case.voucher_issued",
        "time": "2026-10-31T23:59:59+08:00",
        "received_at": "2026-11-23T10:00:00.000001+08:00",
        "version": None,
        "brought": None,
    } == still_open["causes"][0]
    frozen = (await get(client, "/v1/evaluation?period=last_month"))["frozen"]
    assert {"closed_at": "2026-11-23T10:00:00+08:00", "differs": True} == frozen


async def test_figures_of_a_closed_month_go_on(client: Client, service: Service) -> None:
    """Performance and evaluation answer as of now, also after the month was closed."""
    await post(client, *STOPPED)
    await close(service)
    await post(client, event("voucher_issued", "2026-10-30T10:00:00", subject="open"))

    for path in ("performance", "evaluation"):
        told = await get(client, f"/v1/{path}?from=2026-10-01&to=2026-10-31")
        assert 3 == told["groups"][0]["n"]


def frozen_figures(told: Json) -> dict[tuple[str, str | None, str], Json]:
    """Return what stands as frozen, by group."""
    return {
        (g["by"], g["group"], g["scope"]): g["frozen"]
        for g in told["groups"]
        if g["open_when_frozen"]
    }


@pytest.mark.parametrize("seed", [41, 42, 43])
async def test_every_correction_is_explained(
    client: Client, service: Service, database: Database, clock: FixedClock, seed: int
) -> None:
    """Whatever comes late: the changed cases are exactly those that fold otherwise, and add up."""
    told = arrivals(random.Random(seed), cases=80)
    closing = datetime(2026, 11, 6, 9, 0, tzinfo=SHANGHAI)
    await tell(client, clock, [arrival for arrival in told if arrival[0] <= closing])
    clock.instant = closing
    frozen = await close(service)
    before = await get(client, "/v1/months/2026-10")
    await tell(client, clock, [arrival for arrival in told if arrival[0] > closing])
    clock.instant = END
    after = await get(client, "/v1/months/2026-10")

    assert before["changed_cases"] == 0
    assert after["explained"]
    assert await changed_by_folding(service, frozen) == {c["case_id"] for c in after["cases"]}
    assert after["changed_cases"] == len(after["cases"]) >= 3
    kept = frozen_figures(before)
    assert kept == {key: f for key, f in frozen_figures(after).items() if key in kept}
    for by in ("none", "category", "city", "office", "rebate_type"):
        query = f"/v1/evaluation?from=2026-10-01&to=2026-10-31&by={by}"
        now = {
            (g["group"], g["scope"]): g
            for g in (await get(client, query))["groups"]
            if any(g[name] for name in ("n", "excluded", "rejected", "withdrawn", "refiled"))
        }
        groups = {(g["group"], g["scope"]): g for g in after["groups"] if g["by"] == by}
        assert set(now) <= set(groups)
        for key, group in groups.items():
            if key in now:
                assert group["now"] == {name: now[key][name] for name in group["now"]}
            for name in ("n", "excluded", "rejected", "withdrawn", "refiled"):
                expected = group["now"][name] - group["frozen"][name]
                assert expected == group["correction"][name]


async def changed_by_folding(service: Service, frozen: FrozenMonth) -> set[str]:
    """Fold every case by what had come when the month was closed, and by all there is."""
    async with service.database.transaction(snapshot=True) as connection:
        rows = await connection.fetch("SELECT case_id FROM rebate_case")
        known = await receipts_of_cases(connection, [row["case_id"] for row in rows])
    return {
        case_id
        for case_id, receipts in known.items()
        if contributed(service, case_id, receipts, frozen.known_at)
        != contributed(service, case_id, receipts, END)
    }


def contributed(service: Service, case_id: str, receipts: Sequence, moment: datetime) -> object:  # type: ignore[type-arg]
    events = received_by(receipts, moment)
    return contribution(standing_of(*service.rules.own.assess(case_id, events)), OCTOBER)


@pytest.fixture
def other_rules(service: Service) -> Rulebook:
    """Return rules that stop at the approval and allow one workday."""
    (policy,) = service.rules.own.policies.policies
    rules = replace(policy.rules, stop_at=StopAt.APPROVED)
    stricter = replace(policy, default_limit=1, limits={}, rules=rules)
    return replace(service.rules.own, policies=PolicyBook([stricter]))


async def test_new_rules_are_a_cause(
    client: Client, service: Service, other_rules: Rulebook, clock: FixedClock
) -> None:
    """A policy set anew after the month was closed corrects it, and is named by its version."""
    await post(client, *STOPPED)
    await close(service)
    clock.instant += timedelta(days=1)
    published = await turn(service, other_rules)
    unfolded = await get(client, "/v1/months/2026-10")
    await drain(recomputer(service), published.recompute)
    told = await get(client, "/v1/months/2026-10")

    (policy,) = other_rules.policies.policies
    assert ([], True) == (unfolded["cases"], unfolded["explained"])
    assert (2, 0, True) == (
        totals(told)["frozen"]["n"],
        totals(told)["now"]["n"],
        told["explained"],
    )
    assert {("a", "policy", policy.version), ("b", "policy", policy.version)} == {
        (case["case_id"], cause["because"], cause["version"])
        for case in told["cases"]
        for cause in case["causes"]
    }


async def test_a_target_that_was_set_anew_is_a_difference(client: Client, service: Service) -> None:
    """The same cases against another target are not what was reported."""
    await post(client, *STOPPED)
    await close(service)
    (policy,) = service.rules.own.policies.policies
    changed = PolicyBook([replace(policy, targets={})])
    await turn(service, replace(service.rules.own, policies=changed))

    told = await get(client, "/v1/months/2026-10")

    assert (True, None) == (
        totals(told)["frozen"]["meets_target"],
        totals(told)["now"]["meets_target"],
    )
    assert (await get(client, "/v1/evaluation?period=last_month"))["frozen"]["differs"]


async def test_the_document_is_true(client: Client, service: Service) -> None:
    """Closed months are answered as /openapi.json says, with nothing missing and nothing more."""
    await post(client, *STOPPED)
    await close(service)
    await post(client, event("voucher_issued", "2026-10-31T23:59:59", subject="open"))
    schemas = (await get(client, "/openapi.json"))["components"]["schemas"]

    months = await get(client, "/v1/months")
    month = await get(client, "/v1/months/2026-10")

    for told, name in (
        (months, "FrozenMonthsView"),
        (month, "CorrectedMonthView"),
        (month["groups"][0], "CorrectedGroupView"),
        (month["cases"][0], "CorrectedCaseView"),
    ):
        schema = {**schemas[name], "components": {"schemas": schemas}}
        assert [] == [e.message for e in Draft202012Validator(schema).iter_errors(told)]
        assert set(told) == set(schemas[name]["properties"])


REFUSED = {
    "2026-11": "has not ended; it can be closed once 2026-11-30 is over",
    "2027-01": "has not ended",
    "9999-12": "has not ended",
    "2026-09": "no case ended in 2026-09: there is nothing to close",
    "1000-01": "no case ended in 1000-01",
}


async def test_what_cannot_be_closed(client: Client, service: Service) -> None:
    """A month that lasts, lies ahead, or has no case is refused, and nothing is kept."""
    await post(client, *STOPPED)

    for month, said in REFUSED.items():
        with pytest.raises(MonthRefusedError, match=said):
            await close(service, month)
    assert [] == (await get(client, "/v1/months"))["months"]


async def test_a_month_ends_at_midnight_in_shanghai(
    client: Client, service: Service, clock: FixedClock
) -> None:
    """In its last microsecond a month has not ended, right after it has."""
    await post(client, *STOPPED, event("voucher_issued", "2026-11-20T09:00:00", subject="open"))
    clock.instant = datetime(2026, 11, 30, 23, 59, 59, 999999, tzinfo=SHANGHAI)
    with pytest.raises(MonthRefusedError, match="has not ended"):
        await close(service, "2026-11")
    clock.instant += timedelta(microseconds=1)

    assert "2026-11" == (await close(service, "2026-11")).month


async def test_a_month_is_closed_once(client: Client, service: Service) -> None:
    """A second time is refused and changes nothing, also of two at once."""
    await post(client, *STOPPED)
    told = await asyncio.gather(
        *(close(service, by=f"{n}") for n in range(4)), return_exceptions=True
    )
    (first,) = [month for month in told if isinstance(month, FrozenMonth)]
    refusals = [str(error) for error in told if isinstance(error, MonthRefusedError)]

    assert 3 == len(refusals)
    assert all(f"2026-10 was closed by {first.closed_by} at" in said for said in refusals)
    assert first.closed_by == (await get(client, "/v1/months"))["months"][0]["closed_by"]


async def test_rows_that_wait_for_a_recompute_are_refused(
    client: Client, service: Service, other_rules: Rulebook
) -> None:
    """Figures that would change by themselves are not frozen."""
    await post(client, *STOPPED)
    published = await turn(service, other_rules)

    with pytest.raises(MonthRefusedError, match="cases are being recomputed by rules"):
        await close(service)
    await drain(recomputer(service), published.recompute)
    with pytest.raises(MonthRefusedError, match="no case ended in 2026-10"):
        await close(service)


async def store(writer: Writer, connection: Connection, at: datetime, *events: Json) -> None:
    """Store events in a transaction of the test's own."""
    bodies = [json.dumps(told).encode() for told in events]
    batch = [
        Incoming(index=n, body=body, decoded=decode_event(body, at, writer.max_ahead))
        for n, body in enumerate(bodies)
    ]
    await writer.store(connection, batch, Reception(received_from="a test", at=at))


async def test_closing_waits_for_what_is_being_written(
    client: Client, service: Service, database: Database
) -> None:
    """A batch that has begun is in the frozen figures: closing waits for its commit."""
    await post(client, *STOPPED)
    late = event("voucher_issued", "2026-10-30T10:00:00", subject="open")
    async with database.transaction() as connection:
        await store(service.writer, connection, service.now(), late)
        closing = asyncio.create_task(close(service))
        await asyncio.wait_for(waiting(database), 20)
    frozen = await closing

    assert 3 == frozen.groups[0].evaluated.performance.n
    told = await get(client, "/v1/months/2026-10")
    assert (0, True) == (told["changed_cases"], told["explained"])


async def waiting(database: Database) -> None:
    """Wait until somebody waits for a lock of the events."""
    query = "SELECT count(*) FROM pg_locks WHERE NOT granted AND relation = 'case_event'::regclass"
    async with database.connection() as connection:
        while not await connection.fetchval(query):  # noqa: ASYNC110 - no event tells it
            await asyncio.sleep(0.01)


async def test_what_was_on_its_way_is_received_after_the_closing(
    client: Client, service: Service, database: Database, clock: FixedClock
) -> None:
    """A batch that came before and commits after was not reported, so it is a correction."""
    await post(client, *STOPPED)
    came = service.now()
    clock.instant += timedelta(seconds=3)
    frozen = await close(service)
    late = event("voucher_issued", "2026-10-30T10:00:00", subject="open")
    async with database.transaction() as connection:
        await store(service.writer, connection, came, late)
        received = await connection.fetchval("SELECT max(received_at) FROM case_event")

    told = await get(client, "/v1/months/2026-10")
    assert frozen.known_at + timedelta(microseconds=1) == received
    assert (1, True) == (told["changed_cases"], told["explained"])


async def test_a_replica_whose_clock_is_ahead(
    client: Client, service: Service, clock: FixedClock
) -> None:
    """What is stored already was known, whatever the clock of who took it says."""
    clock.instant += timedelta(minutes=2)
    await post(client, *STOPPED)
    ahead = clock.instant
    clock.instant -= timedelta(minutes=2)
    frozen = await close(service)

    told = await get(client, "/v1/months/2026-10")
    assert ahead == frozen.known_at
    assert (0, True) == (told["changed_cases"], told["explained"])


async def test_only_some_cases_are_listed(
    client: Client, service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Beyond the limit cases are counted, not listed."""
    monkeypatch.setattr(api, "MAX_CASES", 1)
    await post(client, *STOPPED)
    await close(service)
    late = [event("corrected", "2026-11-20T09:00:00", subject=s, amount_cny="1") for s in "ab"]
    await post(client, *late)

    told = await get(client, "/v1/months/2026-10")
    assert (2, ["a"]) == (told["changed_cases"], [case["case_id"] for case in told["cases"]])


NOT_THERE = {
    "/v1/months/2026-10": 404,
    "/v1/months/2026-13": 422,
    "/v1/months/october": 422,
    "/v1/months/2026-10%00": 422,
    "/v1/months/2026-10?lang=zh": 422,
    "/v1/months?limit=1": 422,
}


async def test_what_is_not_there(client: Client) -> None:
    """An open month is not found, and what is no month is refused."""
    for path, status in NOT_THERE.items():
        async with client.get(path) as response:
            assert (path, status) == (path, response.status)
            assert response.content_type == "application/problem+json"


async def test_months_need_a_key(stranger: Client) -> None:
    """Without a key there are no closed months."""
    for path in ("/v1/months", "/v1/months/2026-10", "/v1/months/x"):
        assert (await stranger.get(path)).status == 401


@pytest.mark.parametrize("postgres_version", ["15", "18"], indirect=True)
async def test_the_view_says_what_the_answer_says(
    client: Client, service: Service, database: Database, clock: FixedClock
) -> None:
    """Grafana reads the same counts, means and corrections, group by group."""
    told = arrivals(random.Random(51), cases=60)
    closing = datetime(2026, 11, 6, 9, 0, tzinfo=SHANGHAI)
    await tell(client, clock, [arrival for arrival in told if arrival[0] <= closing])
    clock.instant = closing
    await close(service)
    await tell(client, clock, [arrival for arrival in told if arrival[0] > closing])
    clock.instant = END
    answer = await get(client, "/v1/months/2026-10")
    async with database.connection() as connection:
        rows = await connection.fetch("SELECT * FROM reporting.frozen_month")

    expected = {
        (g["by"], g["group"], g["scope"]): [
            *(_n_and_mean(g[part]) for part in ("frozen", "now", "correction"))
        ]
        for g in answer["groups"]
        if g["frozen"]["n"] or g["now"]["n"]
    }
    assert len(expected) > 10
    assert expected == {
        (row["group_by"], row["group"], row["scope"]): [
            (row[f"{part}_n"], _approximately(row[f"{part}_mean_workdays"]))
            for part in ("frozen", "current", "correction")
        ]
        for row in rows
    }
    assert {("2026-10", closing)} == {(row["month"], row["closed_at"]) for row in rows}


def _n_and_mean(figures: Json) -> tuple[int, float | None]:
    return figures["n"], figures["mean_workdays"]


def _approximately(mean: object) -> object:
    return mean if mean is None else pytest.approx(float(str(mean)), abs=1e-6)


async def command(dsn: str, *arguments: str) -> Result:
    """Run the command on the test's database; it goes by the real clock."""
    environment = {"REBATE_DATABASE_URL": dsn, "COLUMNS": "80"}
    return await asyncio.to_thread(CliRunner().invoke, main, arguments, env=environment)


MARCH = [
    accepted("2024-03-04T09:00:00", subject="a"),
    event("voucher_issued", "2024-03-06T09:00:00", subject="a"),
    accepted("2024-03-04T09:00:00", subject="b", category=None),
]


async def test_the_command(client: Client, dsn: str) -> None:
    """Close, list and show, in both languages, with each changed case and its cause."""
    await post(client, *MARCH)
    closed = await command(dsn, "month", "close", "2024-03", "--by", "王小明")
    listed = await command(dsn, "month", "list")
    unchanged = await command(dsn, "month", "show", "2024-03")
    late = event("voucher_issued", "2024-03-12T09:00:00", subject="b", id="late")
    await post(client, late)
    shown = {
        lang: await command(dsn, "month", "show", "2024-03", "--lang", lang)
        for lang in ("zh", "en")
    }

    assert [0] * 5 == [r.exit_code for r in (closed, listed, unchanged, *shown.values())]
    assert closed.output.startswith("2024-03 is closed by 王小明, as of 20")
    assert "  all: 1 case, mean workdays 2.00" in closed.output
    assert listed.output.startswith("2024-03  closed 20")
    assert "关账后无更正。" in unchanged.output
    for lang, words in SHOWN.items():
        assert (lang, []) == (lang, [w for w in words if w not in shown[lang].output])


SHOWN = {
    "zh": [
        "2024年3月 正常退税平均办理时限：关账数、现值与更正",
        "由王小明关账",
        "合计 全部        1    2   +1   2.00 4.00 +2.00    1",
        "关账后有更正：1 件退税的计数与关账时不同。",
        "b: 不在本月 -> 计入，6 个工作日（长沙市，未定类）",
        "rebate.case.voucher_issued，事件时间2024-03-12 09:00:00（/hunan/14301000000 late）",
    ],
    "en": [
        "March 2024: mean workdays of normal rebates as frozen, as of now, and the correction",
        "Closed by 王小明 on 20",
        "Corrected since: 1 case counts otherwise than when the month was closed.",
        "b: not in this month -> counted, 6 workdays (Changsha, Unknown category)",
    ],
}


PLAINLY = [
    (("close", "2024-13"), 2, "'2024-13' must be a month such as 2026-10"),
    (("close", "march"), 2, "must be a month such as 2026-10"),
    (("show", "2024/03"), 2, "must be a month such as 2026-10"),
    (("close", "2024-03", "--by", " "), 2, "must name who closes the month"),
    (("close", "2024-03", "--by", "x" * 101), 2, "must name who closes the month"),
    (("close", "2024-03", "--by", "a\nb"), 2, "must name who closes the month"),
    (("close", "2098-12"), 1, "2098-12 has not ended"),
    (("close", "2024-02"), 1, "no case ended in 2024-02"),
    (("show", "2024-03"), 1, "2024-03 is not closed: `rebate-monitor month close 2024-03`"),
    (("close", "2024-03", "--again"), 2, "No such option"),
    (("list",), 0, "no month is closed yet"),
]


async def test_the_command_refuses_plainly(client: Client, dsn: str) -> None:
    """One line says what is wrong and what helps."""
    await post(client, *MARCH)

    for arguments, code, said in PLAINLY:
        told = await command(dsn, "month", *arguments)
        assert (arguments, code) == (arguments, told.exit_code)
        assert said in told.output


async def test_the_command_closes_once(client: Client, dsn: str, database: Database) -> None:
    """A second time is refused, by whom it was closed is told, and the first stands."""
    await post(client, *MARCH)
    first = await command(dsn, "month", "close", "2024-03")
    second = await command(dsn, "month", "close", "2024-03", "--by", "another")
    async with database.connection() as connection:
        kept = await frozen_month(connection, "2024-03")

    assert (0, 1) == (first.exit_code, second.exit_code)
    assert kept is not None
    assert f"2024-03 was closed by {kept.closed_by} at" in second.output
    assert "another" != kept.closed_by


async def test_no_day_of_the_month_is_lost(client: Client, service: Service) -> None:
    """The first second and the last one of a month are in it, in Shanghai and not in UTC."""
    for name, end in (("first", "2026-10-01T00:00:00"), ("last", "2026-10-31T23:59:59")):
        await post(
            client,
            accepted("2026-09-28T09:00:00", subject=name),
            event("voucher_issued", end, subject=name),
        )
    for name, end in (("before", "2026-09-30T23:59:59"), ("after", "2026-11-01T00:00:00")):
        await post(
            client,
            accepted("2026-09-28T09:00:00", subject=name),
            event("voucher_issued", end, subject=name),
        )
    frozen = await close(service)

    assert 2 == frozen.groups[0].evaluated.performance.n
    assert date(2026, 10, 31) == OCTOBER.last


async def test_a_clock_ahead_closes_nothing(database: Database) -> None:
    """A closing by a fast clock could never be taken back, and would date what comes after it."""
    async with database.connection() as connection:
        told = await connection.fetchval("SELECT now()")

    await check_clock(database, told)
    with pytest.raises(MonthRefusedError, match="is ahead of the database's"):
        await check_clock(database, told + timedelta(minutes=1))
