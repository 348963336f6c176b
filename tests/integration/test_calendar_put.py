"""PUT /v1/calendar/{year}: tried on the stored cases, stored as a version, never silently.

The clock of these tests stands at Monday 2026-11-23 10:00 unless a test moves it.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from alerting_office import Office, at, open_office
from amended_years import (
    labour_day_2019_amended,
    labour_day_2019_first,
    spring_festival_2020_amended,
    spring_festival_2020_first,
)
from cloud_events import BATCH, Json, accepted, event
from conftest import Client, FixedClock
from holiday_cn import holiday_cn, made_up, published, put
from rebate_monitor.api import calendar as module
from rebate_monitor.api.service import Service
from rebate_monitor.domain.local_time import SHANGHAI
from rebate_monitor.domain.periods import named_month
from rebate_monitor.domain.policy import Policy
from rebate_monitor.ingest.rule_changes import PolicyChange
from rebate_monitor.storage import patience
from rebate_monitor.storage.database import Database
from rebate_monitor.storage.frozen import Closing
from rebate_monitor.storage.keys import Grant, Scope, create_key
from rebate_monitor.storage.recount import compare_tallies
from receivers import receiving, webhook_config
from turning import bring, drain, recomputer

COUNTS = ("changed", "due_dates_moved", "breaches_made", "breaches_unmade", "normal_changed")
NOW = "2026-11-23T10:00:00+08:00"
JSON = {"Content-Type": "application/json"}
TUESDAY_OFF = published(2026, off=["2026-11-24"])
FOUR_DAYS = ["2026-10-14", "2026-11-18", "2026-11-20", "2026-11-24"]
CASES = [
    accepted("2026-10-12T09:00:00", subject="done", category="III"),
    event("voucher_issued", "2026-10-16T09:00:00", subject="done"),
    accepted("2026-11-16T09:00:00", subject="late", category="I"),
    accepted("2026-11-20T09:00:00", subject="open", category="I"),
]


async def get(client: Client, path: str) -> Json:
    """Return an answer."""
    async with client.get(path) as response:
        assert response.status == 200, await response.text()
        told: Json = await response.json()
        return told


async def post(client: Client, *events: Json) -> None:
    """Post events that must all be taken."""
    async with client.post("/v1/events", json=list(events), headers=BATCH) as response:
        assert response.status == 200, await response.text()


@pytest.fixture
async def filled(client: Client) -> Client:
    """Return a client of a service with a few cases."""
    await post(client, *CASES)
    return client


async def everything(database: Database) -> list[Any]:
    """Return every row that a change of the rules may write."""
    tables = ("rulebook_version", "recompute", "rule_day", "rebate_case", "tally", "tally_delta")
    async with database.connection() as connection:
        return [await connection.fetch(f"SELECT * FROM {table} ORDER BY 1, 2") for table in tables]


async def test_a_notice_is_in_force_at_once(filled: Client, service: Service) -> None:
    """The answer says what was stored, by whom, which days move and what goes on."""
    told = await put(filled, TUESDAY_OFF, status=202)

    assert ("published", 2026, 2, 2, NOW, "REBATE_ADMIN_KEY", []) == tuple(
        told[name]
        for name in ("outcome", "year", "version", "rules", "known_since", "by", "objections")
    )
    assert [
        {
            "date": "2026-11-24",
            "moves": True,
            "before": {
                "workday": True,
                "kind": "workday",
                "name": None,
                "notice": None,
                "provisional": False,
            },
            "after": {
                "workday": False,
                "kind": "day_off",
                "name": "加放",
                "notice": "国务院办公厅关于2026年部分节假日安排的通知",
                "provisional": False,
            },
        }
    ] == told["changes"]
    assert ("under_way", 2, "import", "REBATE_ADMIN_KEY") == tuple(
        told["recompute"][name] for name in ("state", "rules", "because", "by")
    )
    day = (await get(filled, "/v1/calendar?from=2026-11-24&to=2026-11-24"))["days"][0]
    assert ("day_off", "加放") == (day["kind"], day["name"])


async def test_it_links_to_its_recompute(filled: Client) -> None:
    """The address in the answer tells how far the recompute is."""
    async with filled.put("/v1/calendar/2026", json=TUESDAY_OFF) as response:
        told, address = await response.json(), response.headers["Location"]

    assert told["recompute"] == (await get(filled, address))["under_way"]


async def test_the_difference_is_what_the_recompute_comes_to(
    filled: Client, service: Service
) -> None:
    """Cases, due dates and breaches are counted beforehand as they are afterwards."""
    told = await put(filled, published(2026, off=FOUR_DAYS))
    done = await drain(recomputer(service), told["recompute"]["number"])

    difference = told["difference"]
    assert (3, 3, 0, 1, 0) == tuple(difference[name] for name in COUNTS)
    assert (3, 3, 0, 1) == (
        done.changes.changed,
        done.changes.due_dates_moved,
        done.changes.breaches_made,
        done.changes.breaches_unmade,
    )
    assert [] == await compare_tallies(service.database, service.today())


async def test_means_are_told_with_their_months(
    filled: Client, service: Service, clock: FixedClock
) -> None:
    """The official means before and after, and which months were closed, which stay as reported."""
    closing = Closing(
        month=named_month("2026-10"), by="王小明", rules=service.rules, clock=service.now
    )
    await closing.close(service.database)
    clock.instant += timedelta(hours=1)
    told = await put(filled, published(2026, off=["2026-10-14"]))
    await drain(recomputer(service), told["recompute"]["number"])
    month = await get(filled, "/v1/months/2026-10")

    assert [
        {
            "month": "2026-10",
            "scope": "all",
            "n_before": 1,
            "mean_before": 4.0,
            "n_after": 1,
            "mean_after": 3.0,
            "closed": True,
        }
    ] == told["difference"]["means"]
    (cause,) = month["cases"][0]["causes"]
    assert ("calendar", 2, "import", "REBATE_ADMIN_KEY", [(2026, 2)]) == (
        cause["because"],
        cause["brought"]["rules"],
        cause["brought"]["how"],
        cause["brought"]["by"],
        [(year["year"], year["version"]) for year in cause["brought"]["years"]],
    )
    assert (4.0, 3.0) == tuple(month["groups"][0][s]["mean_workdays"] for s in ("frozen", "now"))


async def test_a_dry_run_writes_nothing(filled: Client, database: Database) -> None:
    """It answers the same difference, and not a row differs."""
    before = await everything(database)
    dry = await put(filled, TUESDAY_OFF, "dry_run=true", status=200)
    after = await everything(database)
    told = await put(filled, TUESDAY_OFF, "dry_run=false")

    assert before == after
    assert ("dry_run", None, None, None, None, None) == tuple(
        dry[name] for name in ("outcome", "version", "rules", "known_since", "by", "recompute")
    )
    assert (told["changes"], told["difference"]) == (dry["changes"], dry["difference"])


async def test_the_same_again_is_no_version(
    filled: Client, service: Service, clock: FixedClock, database: Database
) -> None:
    """A notice that says nothing new is answered with who brought it, and nothing is written."""
    told = await put(filled, TUESDAY_OFF)
    await drain(recomputer(service), told["recompute"]["number"])
    clock.instant = datetime(2026, 11, 25, tzinfo=SHANGHAI)
    before = await everything(database)
    again = await put(filled, TUESDAY_OFF, status=200)

    assert before == await everything(database)
    assert ("unchanged", [], None) == (again["outcome"], again["changes"], again["recompute"])
    assert 0 == again["difference"]["changed"]
    for name in ("version", "rules", "known_since", "by"):
        assert (name, told[name]) == (name, again[name])


async def test_what_the_package_says_can_be_put_too(filled: Client) -> None:
    """Then it stands whatever a later package says: a version of the rules that moves no case."""
    told = await put(filled, published(2026), status=201)

    assert ("published", [], "finished", 0) == (
        told["outcome"],
        told["changes"],
        told["recompute"]["state"],
        told["difference"]["cases"],
    )
    assert (1, 2, NOW) == (told["version"], told["rules"], told["known_since"])


async def test_a_year_nobody_had_published(
    filled: Client, service: Service, clock: FixedClock
) -> None:
    """A year that was an estimate becomes certain: only days that it changes otherwise are told."""
    clock.instant = at("12-30T17:00")
    await post(filled, accepted("2026-12-30T09:00:00", subject="over", category="III"))
    before = await get(filled, "/v1/cases/over")
    told = await put(filled, made_up(2027, off=["2027-01-01", "2027-01-04"]), "force=true")
    await drain(recomputer(service), told["recompute"]["number"])
    after = await get(filled, "/v1/cases/over")
    calendar = await get(filled, "/v1/calendar?from=2027-01-01&to=2027-12-31")

    changed = {change["date"]: change["moves"] for change in told["changes"]}
    assert True is changed["2027-01-04"]
    assert "2027-03-03" not in changed
    assert [(True, "2027-01-06"), (False, "2027-01-07")] == [
        (case["provisional"], case["due_date"]) for case in (before, after)
    ]
    assert "2027-12-31" == calendar["published_until"]
    assert not any(day["provisional"] for day in calendar["days"])


async def test_who_put_it_is_the_key(
    filled: Client, stranger: Client, database: Database, clock: FixedClock
) -> None:
    """The name of the key is kept with the version, and the paper with each day."""
    async with database.connection() as connection:
        grant = Grant(name="税务局", scopes=frozenset({Scope.ADMIN}))
        _, key = await create_key(connection, grant, clock())
    headers = {"Authorization": f"Bearer {key}"}
    async with stranger.put(
        "/v1/calendar/2026", json=published(2026, "国办发明电〔2026〕9号"), headers=headers
    ) as response:
        told = await response.json()
    versions = (await get(filled, "/v1/calendar/2026/versions"))["versions"]

    assert "税务局" == told["by"]
    assert [("start", None, None), ("import", "税务局", NOW)] == [
        (version["because"], version["by"], version["known_since"]) for version in versions
    ]
    assert {"国办发明电〔2026〕9号"} == {day["notice"] for day in versions[1]["days"]}
    assert not any(change["moves"] for change in told["changes"])


FEWER: Json = {"year": 2026, "days": [{"name": "元旦", "date": "2026-01-01", "isOffDay": True}]}
TOO_MANY = published(2026, off=[f"2026-08-{day:02}" for day in (*range(3, 8), *range(10, 15))])
OBJECTIONS = {
    "fewer days": (FEWER, ["fewer_days", "workdays"], "a published year must not lose days"),
    "many days": (TOO_MANY, ["workdays"], "a year has from 240 to 256"),
}


@pytest.mark.parametrize("name", OBJECTIONS)
async def test_what_speaks_against_a_notice(filled: Client, database: Database, name: str) -> None:
    """It is 409 with the rule by name, and nothing is stored; who insists is obeyed."""
    notice, rules, said = OBJECTIONS[name]
    before = await everything(database)
    async with filled.put("/v1/calendar/2026?force=false", json=notice) as response:
        problem = await response.json()
    dry = await put(filled, notice, "dry_run=true")
    after = await everything(database)
    forced = await put(filled, notice, "force=true", status=202)

    assert (409, "urn:rebate-monitor:problem:objections") == (response.status, problem["type"])
    assert said in problem["detail"]
    assert "force=true" in problem["detail"]
    assert before == after
    for told in (problem, dry, forced):
        assert rules == [objection["rule"] for objection in told["objections"]]
    assert dry["difference"] == forced["difference"]


WRONG: dict[str, tuple[str, Any, int, str]] = {
    "no year": ("/v1/calendar/last", TUESDAY_OFF, 422, "year: must be a year from 2000 to 2099"),
    "too early": ("/v1/calendar/1999", TUESDAY_OFF, 422, "year: must be"),
    "too late": ("/v1/calendar/2100", TUESDAY_OFF, 422, "year: must be"),
    "other digits": ("/v1/calendar/２０２６", TUESDAY_OFF, 422, "year: must be"),
    "another year": (
        "/v1/calendar/2025",
        TUESDAY_OFF,
        422,
        "year: the path is of 2025, the notice of 2026",
    ),
    "force": ("/v1/calendar/2026?force=1", TUESDAY_OFF, 422, "force: must be one of true, false"),
    "dry run": ("/v1/calendar/2026?dry_run=yes", TUESDAY_OFF, 422, "dry_run: must be one of"),
    "unknown": ("/v1/calendar/2026?by=me", TUESDAY_OFF, 422, "by: unknown parameter"),
    "no object": ("/v1/calendar/2026", [TUESDAY_OFF], 422, "a list of 1 is no object"),
    "nothing": ("/v1/calendar/2026", {}, 422, "year: is missing"),
    "no days": ("/v1/calendar/2026", {"year": 2026, "days": []}, 422, "days: an empty list"),
}


@pytest.mark.parametrize("name", WRONG)
async def test_what_cannot_be_stored_is_told(client: Client, database: Database, name: str) -> None:
    """A wrong path, parameter or notice is 422, with the field and the rule."""
    path, notice, status, said = WRONG[name]
    before = await everything(database)
    async with client.put(path, json=notice) as response:
        problem = await response.json()

    assert (status, before) == (response.status, await everything(database))
    assert said in problem["detail"]


async def test_the_first_year_may_name_the_december_before(client: Client) -> None:
    """That December lies before the calendar: it is kept as told, and no day of it can change."""
    told = made_up(2000, off=["1999-12-31", "2000-01-04"])
    answer = await put(client, told, "force=true")
    (_, version) = (await get(client, "/v1/calendar/2000/versions"))["versions"]

    assert "1999-12-31" not in [change["date"] for change in answer["changes"]]
    assert ["1999-12-31", "2000-01-04"] == [day["date"] for day in version["days"]]


async def test_every_fault_of_a_notice_is_named(client: Client) -> None:
    """Each with its place; the detail has the first of them, the list has all."""
    worked = {"name": "", "date": "2026-11-23", "isOffDay": False}
    days = [worked, {"name": "x", "date": "2026-02-30", "isOffDay": 1}, *[{}] * 20]
    async with client.put("/v1/calendar/2026", json={"year": 2026, "days": days}) as response:
        problem = await response.json()

    assert (422, "urn:rebate-monitor:problem:notice") == (response.status, problem["type"])
    assert [
        "days[0].name: '' is no name; must be 1 to 100 characters, none of them control characters",
        "days[0].date: 2026-11-23 is a weekday; a make-up workday is a Saturday or Sunday",
        "days[1].date: '2026-02-30' is no date; must be written like 2026-10-01",
        "days[1].isOffDay: 1 is no truth value; must be true or false",
    ] == problem["problems"][:4]
    assert 4 + 3 * 20 == len(problem["problems"])
    assert problem["detail"].endswith(f"and {4 + 3 * 20 - 20} more")


async def test_a_flood_of_faults_is_cut(client: Client) -> None:
    """Who sends rubbish is told enough of it."""
    rubbish = dict.fromkeys([str(n) for n in range(2_000)], 0)
    days = {"year": 2026, "days": [{**FEWER["days"][0], **rubbish}]}
    async with client.put("/v1/calendar/2026", json=days) as response:
        problem = await response.json()

    assert (422, module.MOST_PROBLEMS) == (response.status, len(problem["problems"]))
    assert "and 1980 more" in problem["detail"]


@pytest.mark.parametrize(
    ("body", "headers", "status", "said"),
    [
        (b"{", JSON, 400, "must be a JSON object"),
        (b"\xff", JSON, 400, "encoded in UTF-8"),
        (b"", JSON, 400, "must be a JSON object"),
        (b"[" * 9_000, JSON, 422, "nested too deeply"),
        (b" " * (512 * 1024 + 1), JSON, 413, "at most 524288 bytes"),
        (b"{}", JSON | {"Content-Encoding": "gzip"}, 400, "Content-Encoding"),
        (b"date,kind,year_notice,source", {"Content-Type": "text/csv"}, 415, "application/json"),
    ],
)
async def test_no_json(
    client: Client, body: bytes, headers: dict[str, str], status: int, said: str
) -> None:
    """What is not JSON, or too much of it, is told so."""
    async with client.put("/v1/calendar/2026", data=body, headers=headers) as response:
        problem = await response.json()

    assert status == response.status
    assert said in problem["detail"]


async def test_a_stream_is_bounded(client: Client) -> None:
    """A body that does not tell its length is measured as it comes."""

    async def flood() -> AsyncIterator[bytes]:
        for _ in range(9):
            yield b" " * 65_536

    async with client.put("/v1/calendar/2026", data=flood(), headers=JSON) as response:
        assert 413 == response.status


@pytest.mark.parametrize("scope", [Scope.CASES_READ, Scope.EVENTS_WRITE, Scope.SENSITIVE_READ])
async def test_only_an_administrator_may(
    stranger: Client, database: Database, clock: FixedClock, scope: Scope
) -> None:
    """Other keys may not, not even dry, and without a key nobody may."""
    before = await everything(database)
    async with database.connection() as connection:
        _, key = await create_key(connection, Grant(name="x", scopes=frozenset({scope})), clock())
    headers = {"Authorization": f"Bearer {key}"}
    statuses = [
        (await stranger.put("/v1/calendar/2026", json=TUESDAY_OFF, headers=told)).status
        for told in (headers, {})
    ]
    dry = await stranger.put("/v1/calendar/2026?dry_run=true", json=TUESDAY_OFF, headers=headers)

    assert ([403, 401], 403) == (statuses, dry.status)
    assert before == await everything(database)


async def test_two_at_once_follow_one_another(filled: Client, service: Service) -> None:
    """Both are answered, each with the difference from the version that it came after."""
    wednesday = published(2026, off=["2026-11-25"])
    answers = await asyncio.gather(put(filled, TUESDAY_OFF), put(filled, wednesday))
    one, other = sorted(answers, key=lambda told: int(told["rules"]))
    await drain(recomputer(service), other["recompute"]["number"])
    versions = (await get(filled, "/v1/calendar/2026/versions"))["versions"]

    assert [(2, 2), (3, 3)] == [(told["version"], told["rules"]) for told in (one, other)]
    assert [2, 3] == [version["rules"] for version in versions[1:]]
    moved = [{day["date"] for day in told["changes"] if day["moves"]} for told in (one, other)]
    assert 1 == len(moved[0])
    assert {"2026-11-24", "2026-11-25"} == moved[1]
    assert [] == await compare_tallies(service.database, service.today())


async def test_rules_that_never_rest_are_told(
    filled: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever is overtaken too often stores nothing and is told to come again."""
    monkeypatch.setattr(module, "TRIES", 1)
    notices = (TUESDAY_OFF, published(2026, off=["2026-11-25"]))
    responses = await asyncio.gather(
        *(filled.put("/v1/calendar/2026", json=notice) for notice in notices)
    )
    versions = (await get(filled, "/v1/calendar/2026/versions"))["versions"]

    assert [202, 503] == sorted(response.status for response in responses)
    assert ["5"] == [r.headers["Retry-After"] for r in responses if r.status == 503]
    assert 2 == len(versions)


async def test_somebody_keeps_the_rules_locked(
    filled: Client, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A lock that is not to be had is 503 after a while, and nothing is stored."""
    monkeypatch.setattr(patience, "TURNS", 1)
    monkeypatch.setattr(patience, "LOCK_TIMEOUT", "50ms")
    async with database.transaction() as connection:
        await connection.execute("SELECT FROM lookup_state FOR UPDATE")
        async with filled.put("/v1/calendar/2026", json=TUESDAY_OFF) as response:
            problem = await response.json()

    assert (503, "5") == (response.status, response.headers["Retry-After"])
    assert "nothing was changed" in problem["detail"]


async def test_the_first_rules_come_before_an_import(client: Client, database: Database) -> None:
    """Where the service has not published its rules yet, they are what was known always."""
    async with database.connection() as connection:
        await connection.execute("DELETE FROM rule_day; DELETE FROM rulebook_version")
        await connection.execute("DELETE FROM recompute")
    told = await put(client, TUESDAY_OFF)
    versions = (await get(client, "/v1/calendar/2026/versions"))["versions"]

    assert ["start", "import"] == [version["because"] for version in versions]
    assert (2, None, NOW) == (
        told["version"],
        versions[0]["known_since"],
        versions[1]["known_since"],
    )


async def test_what_a_case_says_while_its_turn_has_not_come(
    filled: Client, service: Service
) -> None:
    """Until the recompute reaches it a case is told by the old rules, and its history too."""
    before = await get(filled, "/v1/cases/open"), await get(filled, "/v1/cases/open/history")
    told = await put(filled, TUESDAY_OFF)
    pending = await get(filled, "/v1/cases/open"), await get(filled, "/v1/cases/open/history")
    await drain(recomputer(service), told["recompute"]["number"])
    after = await get(filled, "/v1/cases/open")

    assert before == pending
    assert ("2026-11-25", "2026-11-26") == (before[0]["due_date"], after["due_date"])


EARLIER = Policy(
    id="before-2023",
    title="made up: 3 workdays",
    effective_from=date(2019, 1, 1),
    effective_to=date(2023, 10, 25),
    default_limit=3,
)
AMENDMENTS = {
    2019: (
        labour_day_2019_first(),
        labour_day_2019_amended(),
        ["fewer_days"],
        ("2019-04-29T09:00:00", "2019-05-03", "2019-05-06"),
    ),
    2020: (
        spring_festival_2020_first(),
        spring_festival_2020_amended(),
        [],
        ("2020-01-22T09:00:00", "2020-02-01", "2020-02-04"),
    ),
}
PAPER = "国办发明电：关于延长假期的通知"


async def apply(service: Service, policy: Policy) -> None:
    """Apply a policy, as the command does; before 2023 the package has none."""
    change = PolicyChange(by="李红", policies=(policy,))
    await bring(service, change)
    await drain(recomputer(service), 1)


@pytest.mark.parametrize("year", AMENDMENTS)
async def test_an_amended_year_is_replayed(
    client: Client, service: Service, clock: FixedClock, year: int
) -> None:
    """As first published, then as amended: due dates move, and both stay answerable."""
    first, amended, rules, (accepted_at, due_before, due_after) = AMENDMENTS[year]
    clock.instant = at(accepted_at)
    await apply(service, EARLIER)
    objections = (await put(client, holiday_cn(first), "force=true"))["objections"]
    await post(client, accepted(accepted_at))
    before = await get(client, "/v1/cases/case-1")
    clock.instant = at(f"{due_before}T17:00")
    told = await put(client, {**holiday_cn(amended), "papers": [PAPER]})
    await drain(recomputer(service), told["recompute"]["number"])
    after = await get(client, "/v1/cases/case-1")
    then = await get(client, f"/v1/cases/case-1?known_at={due_before}T16:59:59%2B08:00")

    assert rules == [objection["rule"] for objection in objections]
    assert (due_before, due_after) == (before["due_date"], after["due_date"])
    assert (due_before, "at_risk") == (then["due_date"], then["verdict"])
    assert (1, 0) == (told["difference"]["due_dates_moved"], told["difference"]["breaches_made"])
    assert {PAPER} == {
        day["notice"]
        for day in (await get(client, f"/v1/calendar/{year}/versions"))["versions"][2]["days"]
    }


@pytest.fixture
async def office(database: Database, clock: FixedClock, tmp_path: Path) -> AsyncIterator[Office]:
    """Open the service with one webhook, in the year 2020."""
    clock.instant = at("2020-01-20T09:00")
    async with AsyncExitStack() as stack:
        receiver = await stack.enter_async_context(receiving())
        config = tmp_path / "config.toml"
        channel = webhook_config("machine", receiver.url)
        config.write_text(f"[alerts]\nenforce_from = 2020-01-01\n{channel}", encoding="utf-8")
        yield await open_office(stack, database, clock, receiver, config)


async def test_an_extension_that_is_told_late_is_corrected_once(office: Office) -> None:
    """The Spring Festival of 2020: a breach that never was is taken back, once, with its reason."""
    client, service = office.client, office.service
    await apply(service, EARLIER)
    await put(client, holiday_cn(spring_festival_2020_first()), "force=true")
    await office.post(accepted("2020-01-22T09:00:00"))
    await office.pass_time("2020-02-03T09:00")
    assert ["at_risk", "breached"] == await office.kinds(state="open")

    office.clock.instant = at("2020-02-03T10:00")
    told = await put(client, {**holiday_cn(spring_festival_2020_amended()), "papers": [PAPER]})
    await drain(recomputer(service), told["recompute"]["number"])
    for moment in ("2020-02-03T10:00", "2020-02-03T11:00", "2020-02-04T09:00"):
        await office.pass_time(moment)
    history = (await get(client, "/v1/cases/case-1/history"))["changes"]
    correction = (await office.alerts(kind="corrected"))[0]
    breach = (await office.alerts(kind="breached"))[0]

    assert ["at_risk"] == await office.kinds(state="open")
    assert ["case-1"] == office.receiver.told("corrected")
    assert [
        ("2020-01-22T09:00:00+08:00", "on_track", "event"),
        ("2020-01-31T00:00:00+08:00", "at_risk", "time"),
        ("2020-02-03T00:00:00+08:00", "breached", "time"),
        ("2020-02-03T10:00:00+08:00", "at_risk", "calendar"),
    ] == [(change["known_at"], change["verdict"], change["because"]) for change in history]
    assert {
        "rules": 4,
        "known_since": "2020-02-03T10:00:00+08:00",
        "how": "import",
        "by": "REBATE_ADMIN_KEY",
        "policies": [],
        "years": [{"year": 2020, "version": 3, "notice": PAPER, "provisional": False}],
    } == history[-1]["brought"]
    assert history[-1]["brought"] == correction["cause"]["brought"]
    assert correction["cause"] == breach["resolved_cause"]
    assert None is breach["cause"]["brought"]
    assert ("breached", "2020-02-01") == await as_known(client, "2020-02-03T09:59:59")
    assert ("at_risk", "2020-02-04") == await as_known(client, "2020-02-03T10:00:00")


async def as_known(client: Client, moment: str) -> tuple[str, str]:
    told = await get(client, f"/v1/cases/case-1?known_at={moment}%2B08:00")
    return told["verdict"], told["due_date"]
