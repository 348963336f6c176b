"""Alerts of named cases: raised once and on time, told once, corrected, acknowledged, listed."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

import pytest

from alerting_office import Office, at, open_office
from cloud_events import BATCH, accepted, event
from conftest import Client, FixedClock
from rebate_monitor.api.service import Service
from rebate_monitor.calendar_sources import work_calendar
from rebate_monitor.domain.local_time import local_date
from rebate_monitor.domain.policy import PolicyBook
from rebate_monitor.domain.work_calendar import DayKind, SpecialDay
from rebate_monitor.ingest.incoming import Sender
from rebate_monitor.server import compose
from rebate_monitor.storage.database import Database
from rebate_monitor.storage.recount import compare_tallies
from receivers import receiving, webhook_config
from turning import turn_and_recompute

ON_BOTH = pytest.mark.parametrize("postgres_version", ["15", "18"], indirect=True)
SINCE = "enforce_from = 2026-01-01"


@pytest.fixture
async def open_with(
    database: Database, clock: FixedClock, tmp_path: Path
) -> AsyncIterator[Callable[[str], Awaitable[Office]]]:
    """Return what opens the service with one webhook under an `[alerts]` block."""
    async with AsyncExitStack() as stack:
        receiver = await stack.enter_async_context(receiving())

        async def open_under(block: str) -> Office:
            config = tmp_path / "config.toml"
            channel = webhook_config("machine", receiver.url)
            config.write_text(f"[alerts]\n{block}\n{channel}", encoding="utf-8")
            return await open_office(stack, database, clock, receiver, config)

        yield open_under


@pytest.fixture
async def office(open_with: Callable[[str], Awaitable[Office]]) -> Office:
    return await open_with(SINCE)


MONDAY = accepted("2026-11-23T09:00:00")  # category I, limit 3: due Thursday 26 November


@ON_BOTH
async def test_a_case_climbs_the_whole_ladder(office: Office) -> None:
    """Warned a workday before its limit, told at the breach, stepped up at 2 and 4 over it."""
    await office.post(MONDAY)
    climbed = {}
    for until in ("11-24T23:59", "11-25T00:00", "11-26T23:59", "11-27T00:00", "12-07T00:00"):
        await office.pass_time(until)
        climbed[until] = await office.kinds()

    assert {
        "11-24T23:59": [],
        "11-25T00:00": ["at_risk"],
        "11-26T23:59": ["at_risk"],
        "11-27T00:00": ["at_risk", "breached"],
        "12-07T00:00": ["at_risk", "breached", "overdue", "overdue"],
    } == climbed
    assert ["case-1"] == office.receiver.told("at_risk") == office.receiver.told("breached")


async def test_an_alert_says_what_it_is(office: Office) -> None:
    """The level, the instant, the rule's version and the cause stand beside the case."""
    await office.post(MONDAY)
    await office.pass_time("11-27T08:00")

    alert = (await office.alerts(kind="breached"))[0]

    assert alert.pop("id").isalnum()
    assert alert.pop("policy_version").startswith("hunan-2023-46:")
    assert {
        "case_id": "case-1",
        "kind": "breached",
        "level": 1,
        "occurrence": 1,
        "city": "430100",
        "office": "14301000000",
        "category": "I",
        "whitelisted": None,
        "limit_workdays": 3,
        "due_date": "2026-11-26",
        "at": "2026-11-27T00:00:00+08:00",
        "cause": {
            "because": "time",
            "source": None,
            "id": None,
            "event_type": None,
            "version": None,
            "brought": None,
        },
        "silent": False,
        "told": ["machine"],
        "raised_at": "2026-11-27T08:00:00+08:00",
        "resolved_at": None,
        "resolution": None,
        "resolved_cause": None,
        "undone_by": None,
        "acknowledged": False,
        "acknowledged_at": None,
        "acknowledged_by": None,
        "acknowledged_key": None,
        "note": None,
    } == alert


async def test_a_late_fact_names_itself_as_the_cause(office: Office) -> None:
    """A case that is already over its limit when it is told of is breached by that event."""
    await office.post(accepted("2026-11-16T09:00:00", id="late-1"))
    await office.pass_time("11-23T10:00")

    causes = [alert["cause"]["because"] for alert in await office.alerts()]
    breached = (await office.alerts(kind="breached"))[0]

    assert {"event"} == set(causes)
    assert ("late-1", "rebate.case.accepted") == (
        breached["cause"]["id"],
        breached["cause"]["event_type"],
    )


async def test_a_caught_up_case_is_told_once_by_its_highest_level(office: Office) -> None:
    """After an outage the transitions are all there, and people hear of the worst one only."""
    await office.post(MONDAY)
    await office.pass_time("12-07T09:00")

    told = [(n["kind"], n["level"], n["count"]) for n in office.receiver.notices.values()]

    assert ["at_risk", "breached", "overdue", "overdue"] == await office.kinds()
    assert [("overdue", 3, 1)] == told


async def test_after_an_outage_alerts_are_raised_in_instant_order(office: Office) -> None:
    """Many cases catch up side by side, not one after the other."""
    days = ["2026-11-19T09:00:00", "2026-11-20T09:00:00", "2026-11-23T09:00:00"]
    await office.post(*(accepted(day, subject=f"c-{n}") for n, day in enumerate(days)))
    await office.pass_time("12-10T09:00")

    instants = [alert["at"] for alert in reversed(await office.alerts())]

    assert 12 == len(instants)
    assert sorted(instants) == instants


async def test_alerts_end_when_the_case_stops(office: Office) -> None:
    """A late voucher ends the breach; nobody needs to be told what they did themselves."""
    await office.post(MONDAY)
    await office.pass_time("11-27T09:00")
    await office.post(event("voucher_issued", "2026-11-27T10:00:00", id="voucher"))
    await office.pass_time("11-27T10:01")

    breached = (await office.alerts(kind="breached"))[0]

    assert [] == await office.alerts(state="open")
    assert ("stopped", "voucher") == (breached["resolution"], breached["resolved_cause"]["id"])
    assert 1 == len(office.receiver.notices)


async def test_a_late_fact_that_undoes_a_breach_is_told_once(office: Office) -> None:
    """The voucher of the day before arrives after the breach: whoever was told is told again."""
    await office.post(MONDAY)
    await office.pass_time("11-27T09:00")
    await office.post(event("voucher_issued", "2026-11-26T17:00:00", id="voucher"))
    await office.pass_time("11-27T09:30")
    await office.pass_time("11-27T09:31")

    breached = (await office.alerts(kind="breached"))[0]
    correction = (await office.alerts(kind="corrected"))[0]

    assert ["case-1"] == office.receiver.told("corrected")
    assert ("corrected", correction["id"]) == (breached["resolution"], breached["undone_by"])
    assert ("voucher", 1) == (correction["cause"]["id"], correction["level"])
    assert [] == await office.alerts(state="open")


async def test_what_is_left_of_a_corrected_breach_is_told(office: Office) -> None:
    """A case that is not late after all, but due today, is told as at risk beside it."""
    await office.post(accepted("2026-11-20T09:00:00"))
    await office.pass_time("11-26T09:00")
    await office.post(event("corrected", "2026-11-26T09:30:00", category="IV"))
    await office.pass_time("11-26T10:00")

    told = [(n["kind"], n["level"]) for n in office.receiver.notices.values()]
    warning = (await office.alerts(kind="at_risk"))[0]

    assert [("breached", 1), ("corrected", 1), ("at_risk", 0)] == told
    assert ("2026-11-26", 4, "2026-11-25T00:00:00+08:00", None) == (
        warning["due_date"],
        warning["limit_workdays"],
        warning["at"],
        warning["resolved_at"],
    )


async def test_a_breach_that_nobody_heard_of_is_undone_in_silence(office: Office) -> None:
    """Raised and undone between two digests: there is nothing to tell and nothing to correct."""
    await office.post(MONDAY)
    await office.sweep("11-27T09:00")
    await office.post(event("voucher_issued", "2026-11-26T17:00:00"))
    await office.pass_time("11-27T09:01")

    assert ["at_risk", "breached", "corrected"] == await office.kinds()
    assert {} == office.receiver.notices


async def test_a_retracted_acceptance_undoes_all(office: Office) -> None:
    """A case that was never accepted was never late: whoever heard of it hears that."""
    await office.post(accepted("2026-11-23T09:00:00", id="never"))
    await office.pass_time("11-27T09:00")
    taken_back = event("retracted", "2026-11-27T10:00:00")
    taken_back["data"] = {"id": "never"}
    await office.post(taken_back)
    await office.pass_time("11-27T10:01")

    correction = (await office.alerts(kind="corrected"))[0]

    assert [] == await office.alerts(state="open")
    assert ("430100", ["case-1"]) == (correction["city"], office.receiver.told("corrected"))


async def test_a_clock_that_is_set_back_undoes_nothing(office: Office) -> None:
    """A second before midnight comes twice; what was raised in between stands."""
    await office.post(MONDAY)
    await office.pass_time("11-27T00:00:00")
    office.clock.instant = at("11-26T23:59:58")
    await office.post(event("reviewed", "2026-11-26T23:59:00"))
    await office.pass_time("11-26T23:59:59")

    assert ["at_risk", "breached"] == await office.kinds(state="open")
    assert ["at_risk", "breached"] == await office.kinds()


async def test_a_new_policy_undoes_a_breach_and_is_named(office: Office) -> None:
    """With 5 workdays instead of 3 the case is in time; who was told is told, once, and why."""
    await office.post(MONDAY)
    await office.pass_time("11-27T09:00")
    book = office.service.rules.own.policies
    generous = [replace(policy, default_limit=5, limits={}) for policy in book.policies]
    rules = replace(office.service.rules.own, policies=PolicyBook(generous))
    await turn_and_recompute(office.service, rules)
    await office.pass_time("11-27T10:00")
    await office.pass_time("11-30T09:00")

    correction = (await office.alerts(kind="corrected"))[0]

    (policy,) = correction["cause"]["brought"]["policies"]

    assert ("policy", generous[0].version, generous[0].id, 2) == (
        correction["cause"]["because"],
        correction["cause"]["version"],
        policy["id"],
        policy["version"],
    )
    assert ["at_risk"] == await office.kinds(state="open")
    assert ["case-1"] == office.receiver.told("corrected")


async def test_a_new_calendar_undoes_a_breach_and_is_named(office: Office) -> None:
    """A day off that is announced late moves the due date; the calendar's version is the cause."""
    await office.post(MONDAY)
    await office.pass_time("11-27T00:00")
    known = office.service.rules.own.calendar.notices[2026]
    day_off = {date(2026, 11, 26): SpecialDay(kind=DayKind.DAY_OFF, name="made up")}
    calendar = work_calendar([replace(known, days={**known.days, **day_off})])
    rules = replace(office.service.rules.own, calendar=calendar)
    await turn_and_recompute(office.service, rules)
    await office.pass_time("11-27T10:00")

    correction = (await office.alerts(kind="corrected"))[0]

    assert ("calendar", calendar.version) == (
        correction["cause"]["because"],
        correction["cause"]["version"],
    )
    assert "2026-11-27" == correction["due_date"]
    assert ["at_risk"] == await office.kinds(state="open")


async def test_what_comes_true_again_is_told_again(office: Office) -> None:
    """A correction that is taken back breaches the case a second time, as another occurrence."""
    await office.post(MONDAY)
    await office.pass_time("11-27T09:00")
    await office.post(event("voucher_issued", "2026-11-26T17:00:00", id="voucher"))
    await office.pass_time("11-27T09:30")
    taken_back = event("retracted", "2026-11-27T10:00:00")
    taken_back["data"] = {"id": "voucher"}
    await office.post(taken_back)
    await office.pass_time("11-27T10:01")

    breaches = await office.alerts(kind="breached")

    assert [2, 1] == [alert["occurrence"] for alert in breaches]
    assert [None, "corrected"] == [alert["resolution"] for alert in breaches]
    assert ["case-1", "case-1"] == office.receiver.told("breached")


async def test_a_pause_takes_the_warning_back(office: Office) -> None:
    """A suspended case is not at risk; when it runs on with a day left it is warned of again."""
    await office.post(MONDAY)
    await office.pass_time("11-25T09:00")
    await office.post(event("suspended", "2026-11-25T10:00:00", reason="other"))
    await office.pass_time("11-25T10:01")
    paused = await office.alerts(state="open")
    await office.post(event("resumed", "2026-11-27T10:00:00"))
    await office.pass_time("11-27T10:01")

    assert [] == paused
    assert ["at_risk"] == await office.kinds(state="open")
    assert ["suspended", None] == [a["resolution"] for a in reversed(await office.alerts())]
    assert [] == office.receiver.told("corrected")


async def test_an_acknowledgement_stops_the_step_up(office: Office) -> None:
    """Who has taken a breach on is not reminded; the history says who, when and why."""
    await office.post(MONDAY)
    await office.pass_time("11-27T09:00")
    breached = (await office.alerts(kind="breached"))[0]
    told = {"who": "王小明", "note": "waiting for the treasury"}
    async with office.client.post(f"/v1/alerts/{breached['id']}/ack", json=told) as response:
        assert 204 == response.status
    await office.pass_time("12-10T09:00")

    kept = (await office.alerts(kind="breached"))[0]

    assert ["at_risk", "breached"] == await office.kinds()
    assert (True, "王小明", "waiting for the treasury", "2026-11-27T09:00:00+08:00") == (
        kept["acknowledged"],
        kept["acknowledged_by"],
        kept["note"],
        kept["acknowledged_at"],
    )


async def test_an_acknowledgement_takes_on_what_led_to_it(office: Office) -> None:
    """Who takes an overdue case on has taken its breach on, too; a new level is another matter."""
    await office.post(MONDAY)
    await office.pass_time("12-01T09:00")
    before = await office.kinds(acknowledged="false")
    breached = (await office.alerts(kind="breached"))[0]["id"]
    await office.client.post(f"/v1/alerts/{breached}/ack", json={})

    assert ["at_risk", "breached", "overdue"] == before
    assert ["at_risk", "breached"] == await office.kinds(acknowledged="true")
    assert [] == await compare_tallies(office.service.database, local_date(office.clock()))


async def test_an_acknowledgement_is_checked(office: Office) -> None:
    """Wrong ids, bodies and second thoughts are told plainly; the same again is harmless."""
    await office.post(MONDAY, accepted("2026-11-23T09:00:00", subject="other"))
    await office.pass_time("11-27T09:00")
    breached = (await office.alerts(kind="breached", case_id="case-1"))[0]["id"]
    answers = []
    for id_, body in (
        ("no-such-id", {}),
        ("0" * 24, {}),
        (breached, {"who": ""}),
        (breached, {"what": "x"}),
        (breached, {"note": "a\x00b"}),
        (breached, {"who": "  "}),
        (breached, {"who": "a\nb"}),
        (breached, {"who": 5}),
        (breached, {"who": "A"}),
        (breached, {"who": "A"}),
        (breached, {"who": "B"}),
    ):
        async with office.client.post(f"/v1/alerts/{id_}/ack", json=body) as response:
            answers.append(response.status)
    await office.post(event("voucher_issued", "2026-11-27T10:00:00", subject="other"))
    await office.pass_time("11-27T10:01")
    over = (await office.alerts(case_id="other"))[0]["id"]
    async with office.client.post(f"/v1/alerts/{over}/ack", json={}) as response:
        answers.append(response.status)
        said = (await response.json())["detail"]

    assert [404, 404, 422, 422, 422, 422, 422, 422, 204, 204, 409, 409] == answers
    assert "the alert is resolved, only open ones are taken on" == said


async def test_an_acknowledgement_must_be_json(office: Office) -> None:
    """A form that a foreign page could send is no acknowledgement."""
    for content_type, status in (("text/plain", 415), ("application/json", 400)):
        headers = {"Content-Type": content_type}
        async with office.client.post(
            f"/v1/alerts/{'0' * 24}/ack", data=b"who=me", headers=headers
        ) as response:
            assert status == response.status


async def test_imports_page_nobody(office: Office) -> None:
    """What an import brings is recorded and shown; what comes after it is told."""
    await office.service.writer.take(
        [json.dumps(accepted("2026-11-16T09:00:00")).encode()],
        sender=Sender("import"),
        now=office.clock(),
        is_import=True,
    )
    await office.pass_time("11-23T10:00")
    silent = [(alert["kind"], alert["silent"]) for alert in reversed(await office.alerts())]
    at_once = dict(office.receiver.notices)
    await office.pass_time("11-25T09:00")

    assert [("at_risk", True), ("breached", True)] == silent[:2]
    assert {} == at_once
    assert ["case-1"] == office.receiver.told("overdue")
    assert [] == await compare_tallies(office.service.database, local_date(office.clock()))


async def test_nobody_is_told_of_what_was_before_enforcement(
    open_with: Callable[[str], Awaitable[Office]],
) -> None:
    """`enforce_from` draws the line; levels reached later are told."""
    office = await open_with("enforce_from = 2026-11-24")
    await office.post(accepted("2026-11-16T09:00:00", subject="old"), MONDAY)
    await office.pass_time("11-23T23:00")
    before = list(office.receiver.notices)
    await office.pass_time("11-25T09:00")

    assert [] == before
    assert ["case-1"] == office.receiver.told("at_risk")
    assert [] == office.receiver.told("breached")


async def test_without_a_configuration_alerting_begins_with_the_database(
    client: Client, service: Service, clock: FixedClock
) -> None:
    """A new installation that is fed its history pages nobody, and still shows what is over."""
    await client.post("/v1/events", json=[accepted("2026-11-02T09:00:00")], headers=BATCH)
    await service.alerting.sweeper.sweep()
    async with client.get("/v1/alerts?state=open") as response:
        alerts = (await response.json())["alerts"]

    assert 4 == len(alerts)
    assert {True} == {alert["silent"] for alert in alerts}


@ON_BOTH
async def test_two_sweeps_at_once_raise_once(office: Office) -> None:
    """Any replica may sweep: of two at the same moment one does the work."""
    await office.post(*(accepted("2026-11-23T09:00:00", subject=f"c-{n}") for n in range(500)))
    office.clock.instant = at("11-27T00:00")
    other = compose(office.service.settings, office.service.database, office.clock)
    for _ in range(4):
        await asyncio.gather(
            office.service.alerting.sweeper.sweep(), other.alerting.sweeper.sweep()
        )
    await office.pass_time("11-27T00:01")

    assert [f"c-{n}" for n in range(500)] == sorted(
        office.receiver.told("breached"), key=lambda c: int(c[2:])
    )
    assert 500 == len(set(office.receiver.told("breached")))


async def test_an_alert_follows_its_case_to_another_office(office: Office) -> None:
    """Who does not answer for a case is not shown as late with it."""
    await office.post(MONDAY)
    await office.pass_time("11-27T09:00")
    await office.post(event("corrected", "2026-11-27T10:00:00", office="14302000000"))
    await office.pass_time("11-27T10:01")

    async with office.client.get("/v1/supervision") as response:
        offices = (await response.json())["offices"]

    assert [("14302000000", "430200", 1)] == [
        (row["office"], row["city"], row["breached"]) for row in offices
    ]
    assert [] == await compare_tallies(office.service.database, local_date(office.clock()))


async def test_supervision_shows_arrears_by_office(office: Office) -> None:
    """Each case counts once by its highest level, the oldest breach dates the arrears."""
    await office.post(
        accepted("2026-11-23T09:00:00", subject="a"),
        accepted("2026-11-25T09:00:00", subject="b"),
        accepted("2026-11-26T09:00:00", subject="c"),
        accepted("2026-11-27T09:00:00", subject="d", office="14302000000"),
    )
    await office.pass_time("12-01T09:00")
    worst = (await office.alerts(case_id="b"))[0]["id"]
    await office.client.post(f"/v1/alerts/{worst}/ack", json={})

    async with office.client.get("/v1/supervision") as response:
        offices = (await response.json())["offices"]

    assert [
        {
            "office": "14301000000",
            "name_zh": None,
            "name_en": None,
            "city": "430100",
            "at_risk": 1,
            "breached": 1,
            "overdue": 1,
            "acknowledged": 1,
            "highest_level": 2,
            "oldest_breach_at": "2026-11-27T00:00:00+08:00",
            "age_workdays": 3,
        },
        {
            "office": "14302000000",
            "name_zh": None,
            "name_en": None,
            "city": "430200",
            "at_risk": 1,
            "breached": 0,
            "overdue": 0,
            "acknowledged": 0,
            "highest_level": 0,
            "oldest_breach_at": None,
            "age_workdays": None,
        },
    ] == offices


async def test_alerts_are_listed_page_by_page(office: Office) -> None:
    """The latest first, and every alert on exactly one page."""
    await office.post(*(accepted("2026-11-23T09:00:00", subject=f"c-{n}") for n in range(7)))
    await office.pass_time("11-27T09:00")
    seen: list[str] = []
    wanted: dict[str, str] | None = {"kind": "breached", "limit": "3"}
    while wanted:
        async with office.client.get("/v1/alerts", params=wanted) as response:
            page = await response.json()
        seen += [alert["case_id"] for alert in page["alerts"]]
        following = page["next"]
        wanted = {"kind": "breached", "limit": "3", "cursor": following} if following else None

    assert [f"c-{n}" for n in reversed(range(7))] == seen


@pytest.mark.parametrize(
    "wanted",
    [
        {"state": "shut"},
        {"kind": "late"},
        {"city": "Changsha"},
        {"since": "2026-11-20"},
        {"level": "-1"},
        {"acknowledged": "yes"},
        {"cursor": "!"},
        {"case_id": ""},
        {"colour": "red"},
    ],
    ids=str,
)
async def test_a_wrong_filter_is_named(client: Client, wanted: dict[str, str]) -> None:
    """Nothing is silently ignored."""
    async with client.get("/v1/alerts", params=wanted) as response:
        detail = (await response.json())["detail"]

        assert 422 == response.status
    assert next(iter(wanted)) in detail


async def test_filters_narrow(office: Office) -> None:
    """State, kind, level, city, since and acknowledged each ask their own question."""
    await office.post(MONDAY, accepted("2026-11-25T09:00:00", subject="x", office="14302000000"))
    await office.pass_time("11-27T09:00")

    found = {
        question: len(await office.alerts(**dict([question.split("=")])))
        for question in (
            "state=open",
            "state=resolved",
            "kind=breached",
            "level=0",
            "city=430200",
            "office=14301000000",
            "since=2026-11-27T09:00:00+08:00",
            "since=2026-11-27T09:00:01+08:00",
            "acknowledged=true",
            "acknowledged=false",
        )
    }

    assert [3, 0, 1, 2, 1, 2, 3, 0, 0, 3] == list(found.values())


async def test_reading_alerts_needs_a_key(stranger: Client) -> None:
    """Named cases are not for everybody."""
    for method, path in (
        ("GET", "/v1/alerts"),
        ("GET", "/v1/supervision"),
        ("POST", f"/v1/alerts/{'0' * 24}/ack"),
    ):
        async with stranger.request(method, path) as response:
            assert 401 == response.status


async def test_the_tally_of_open_alerts_equals_a_recount(office: Office) -> None:
    """Raised, acknowledged, moved and resolved alerts leave the figure right."""
    await office.post(*(accepted("2026-11-23T09:00:00", subject=f"c-{n}") for n in range(9)))
    await office.pass_time("11-27T09:00")
    for case in ("c-1", "c-2"):
        id_ = (await office.alerts(case_id=case))[0]["id"]
        await office.client.post(f"/v1/alerts/{id_}/ack", json={})
    await office.post(
        event("voucher_issued", "2026-11-27T10:00:00", subject="c-2"),
        event("voucher_issued", "2026-11-26T10:00:00", subject="c-3"),
        event("corrected", "2026-11-27T10:00:00", subject="c-1", office="14302000000"),
    )
    await office.pass_time("11-27T10:01")

    async with office.client.get("/metrics") as response:
        told = [
            line
            for line in (await response.text()).splitlines()
            if line.startswith("rebate_open_alerts{")
        ]

    assert [] == await compare_tallies(office.service.database, local_date(office.clock()))
    assert [
        'rebate_open_alerts{acknowledged="false",city="430100",kind="at_risk"} 6.0',
        'rebate_open_alerts{acknowledged="true",city="430200",kind="at_risk"} 1.0',
        'rebate_open_alerts{acknowledged="false",city="430100",kind="breached"} 6.0',
        'rebate_open_alerts{acknowledged="true",city="430200",kind="breached"} 1.0',
    ] == told


async def test_breaches_in_total_never_fall(office: Office) -> None:
    """A breach that was undone has been counted: a counter that falls looks like a restart."""
    await office.post(MONDAY)
    totals = []
    for until, told in (
        ("11-27T09:00", None),
        ("11-27T09:30", event("voucher_issued", "2026-11-26T17:00:00", id="v")),
        ("11-27T10:00", event("corrected", "2026-11-27T09:50:00", category="III")),
    ):
        await office.pass_time(until)
        if told:
            await office.post(told)
            await office.pass_time(until)
        async with office.client.get("/metrics") as response:
            lines = (await response.text()).splitlines()
        totals.append([line for line in lines if line.startswith("rebate_sla_breaches_total{")])

    assert [['rebate_sla_breaches_total{category="I",city="430100"} 1.0']] * 3 == totals


async def test_the_sweep_sleeps_until_the_next_instant_and_is_woken(office: Office) -> None:
    """A commit that may bring an instant nearer ends the sleep at once."""
    sweeper = office.service.alerting.sweeper
    await office.post(MONDAY)
    await sweeper.sweep()
    sweeper.wake()
    await asyncio.wait_for(sweeper.rest(), 5)
    resting = asyncio.ensure_future(sweeper.rest())
    await asyncio.sleep(0.5)
    sleeps = not resting.done()
    await office.post(accepted("2026-11-16T09:00:00", subject="late"))
    await asyncio.wait_for(resting, 5)

    assert sleeps


async def test_readiness_asks_the_sweep(client: Client, service: Service) -> None:
    """A sweep that has not moved for two minutes makes the replica unready."""
    service.alerting.sweeper._seen -= 121
    async with client.get("/readyz") as response:
        checks = (await response.json())["checks"]

        assert 503 == response.status
    assert "the sweep of alerts stands still" == checks["sweep"]


async def test_metrics_tell_of_the_sweep_and_the_outbox(office: Office) -> None:
    """Operations see when all was last looked at, what waits and what was given up."""
    await office.post(MONDAY)
    office.receiver.status = 500
    await office.pass_time("11-27T09:00")
    office.clock.instant += timedelta(seconds=30)
    async with office.client.get("/metrics") as response:
        told = dict(
            line.rsplit(" ", 1)
            for line in (await response.text()).splitlines()
            if not line.startswith("#")
        )

    assert at("11-27T09:00").timestamp() == float(
        told["rebate_sweep_last_success_timestamp_seconds"]
    )
    assert ("1.0", "30.0", "0.0", "1.0") == (
        told["rebate_outbox_pending"],
        told["rebate_outbox_oldest_seconds"],
        told["rebate_outbox_dead"],
        told['rebate_notifications_total{channel="machine",outcome="failed"}'],
    )
