"""Who an enterprise is can be erased; every count stays, and it does not come back by itself."""

import asyncio
import json
from datetime import date, datetime

import pytest

from cloud_events import BATCH, ONE, STRICT, Json, accepted, event
from conftest import Client, FixedClock
from rebate_monitor.api.service import Service
from rebate_monitor.domain.event import EventType
from rebate_monitor.domain.local_time import SHANGHAI
from rebate_monitor.ingest.incoming import Incoming
from rebate_monitor.ingest.recompute import count_stale
from rebate_monitor.ingest.wire import decode_event
from rebate_monitor.ingest.writer import Reception
from rebate_monitor.retention import Retention, RetentionError, retention
from rebate_monitor.storage.audit import Action, AuditFilter, Deed, Through, list_records
from rebate_monitor.storage.case_events import StoredEvent, events_of_cases, new_event
from rebate_monitor.storage.database import Database
from rebate_monitor.storage.erasure import Erasable, Erased, erase, identified_cases, sweep_up
from rebate_monitor.storage.recount import compare_tallies
from turning import recompute_all

TAXPAYER = "91350100M000100Y43"
TOLD: list[Json] = [
    accepted("2026-10-12T09:00:00", subject="ended", id="acceptance", taxpayer_id=TAXPAYER)
    | {"traceparent": "00-abc"},
    event("corrected", "2026-10-13T09:00:00", subject="ended", taxpayer_id=TAXPAYER, category="II"),
    event("voucher_issued", "2026-10-14T09:00:00", subject="ended"),
    accepted("2026-11-16T09:00:00", subject="open", taxpayer_id=TAXPAYER),
    accepted("2026-11-16T09:00:00", subject="nameless"),
    event("corrected", "2026-10-13T09:00:00", subject="ended", taxpayer_id=TAXPAYER, unknown="x"),
]
BY = Deed(at=datetime(2026, 11, 23, tzinfo=SHANGHAI), who="wang", through=Through.COMMAND)
PATHS = ("/v1/performance?from=2026-10-01&to=2026-11-23", "/v1/cases/ended/explanation")


async def everything(database: Database) -> str:
    """Return all that is stored of events, as text."""
    async with database.connection() as connection:
        rows = await connection.fetch(
            "SELECT (SELECT string_agg(e::text, '\n') FROM case_event AS e) AS events,"
            " (SELECT string_agg(convert_from(body, 'UTF8'), '\n') FROM quarantine) AS refused"
        )
    return f"{rows[0]['events']}\n{rows[0]['refused']}"


async def wiped(database: Database, *case_ids: str) -> Erased:
    """Erase who some enterprises are."""
    async with database.transaction() as connection:
        return await erase(connection, case_ids, "asked for by law", BY)


async def test_every_count_stays(client: Client, database: Database, service: Service) -> None:
    """The same figures and the same explanation, and nothing of the enterprise anywhere."""
    await client.post("/v1/events", json=TOLD, headers=BATCH)
    before = [await (await client.get(path)).json() for path in PATHS]
    erased = [await wiped(database, "ended", "open") for _ in range(2)]
    after = [await (await client.get(path)).json() for path in PATHS]
    case: Json = await (await client.get("/v1/cases/ended")).json()

    assert Erased(cases=2, events=3, refused=1) == erased[0]
    assert (0, 0) == (erased[1].events, erased[1].refused)
    assert json.dumps(before) == json.dumps(after)
    assert (None, "II") == (case["attributes"]["taxpayer_id"], case["attributes"]["category"])
    assert TAXPAYER not in await everything(database)
    assert "00-abc" not in await everything(database)
    assert [] == await compare_tallies(database, service.today())


async def test_a_repetition_does_not_bring_it_back(
    client: Client, database: Database, service: Service
) -> None:
    """A repeat is known, a new fact is taken without the name, what is refused is not kept."""
    await client.post("/v1/events", json=TOLD, headers=BATCH)
    await wiped(database, "ended", "open")
    new = event("corrected", "2026-10-15T09:00:00", subject="ended", taxpayer_id=TAXPAYER)
    new |= {"traceparent": "00-abc"}
    other = TOLD[0] | {"data": TOLD[0]["data"] | {"amount_cny": "1.00"}}
    unfit = new | {"id": "unfit", "data": {"taxpayer_id": TAXPAYER, "office": 1}}

    statuses = [
        (await client.post("/v1/events", json=one, headers=ONE)).status
        for one in (TOLD[0], new, new, other, unfit)
    ]
    strict = await client.post("/v1/events", json=TOLD[:4], headers=BATCH | STRICT)
    await recompute_all(service)
    replayed = await client.post("/v1/quarantine/replay")
    stored = await everything(database)

    assert [200, 201, 200, 409, 422] == statuses
    assert (200, 200) == (strict.status, replayed.status)
    assert (False, False) == (TAXPAYER in stored, "00-abc" in stored)
    assert 0 == await count_stale(database, service.rules)
    assert [] == await compare_tallies(database, service.today())


async def test_what_is_left_gives_nobody_away(client: Client, database: Database) -> None:
    """Who tries the ids of a public register finds none whose digest is the stored one."""
    await client.post("/v1/events", json=TOLD, headers=BATCH)
    before = await stored_events(database, "ended")
    await wiped(database, "ended")
    after = await stored_events(database, "ended")

    changed = {one.digest for one in before if one.event.event_type is not EventType.VOUCHER_ISSUED}
    assert changed.isdisjoint(one.digest for one in after)
    assert {one.digest for one in after} == {new_event(one.event).digest for one in after}


async def stored_events(database: Database, case_id: str) -> list[StoredEvent]:
    async with database.connection() as connection:
        return (await events_of_cases(connection, [case_id]))[case_id]


async def test_a_taxpayer_is_erased_everywhere(client: Client, database: Database) -> None:
    """From every case that named it, and from what was refused, whatever case that is of."""
    elsewhere = event("corrected", "2026-11-17T09:00:00", subject="x", a=TAXPAYER)
    await client.post("/v1/events", json=[*TOLD, elsewhere], headers=BATCH)
    wanted = Erasable(taxpayer_id=TAXPAYER)
    async with database.connection() as connection:
        found = await identified_cases(connection, wanted, "", 10)
    await wiped(database, *found)
    swept = await sweep_up(database, wanted, "asked for by law", BY)

    assert ["ended", "open"] == found
    assert Erased(refused=1) == swept
    assert TAXPAYER not in await everything(database)


async def test_erasing_and_telling_at_once(client: Client, database: Database) -> None:
    """Whatever comes between: no event is lost, and none keeps who it is about."""
    await client.post("/v1/events", json=TOLD, headers=BATCH)
    many = [
        event("corrected", f"2026-10-15T09:00:{n:02}", subject="ended", taxpayer_id=TAXPAYER)
        for n in range(40)
    ]
    telling = [client.post("/v1/events", json=one, headers=ONE) for one in many]
    erasing = asyncio.create_task(wiped(database, "ended", "open"))
    answers = await asyncio.gather(*telling)
    await erasing

    assert {201} == {answer.status for answer in answers}
    assert TAXPAYER not in await everything(database)


async def test_what_is_refused_meanwhile_goes_as_well(
    client: Client, database: Database, service: Service
) -> None:
    """A batch that began before an erasure and commits after it leaves nothing behind either."""
    await client.post("/v1/events", json=TOLD, headers=BATCH)
    body = b'{"subject": "open", "more": "%s"}' % TAXPAYER.encode()
    refused = [Incoming(index=0, body=body, decoded=decode_event(body, service.now()))]
    wanted = Erasable(case_ids=["open"])
    async with database.transaction() as connection:
        await service.writer.store(
            connection, refused, Reception(received_from="x", at=service.now())
        )
        await wiped(database, "ended", "open")
        sweeping = asyncio.create_task(sweep_up(database, wanted, "x", BY))
        await asyncio.sleep(0.2)
        waits = not sweeping.done()
    swept = await asyncio.wait_for(sweeping, 10)

    assert waits
    assert Erased(refused=1) == swept
    assert TAXPAYER not in await everything(database)


def test_a_retention_is_counted_in_years_of_shanghai() -> None:
    """To the day, never a day too early, also where a year has no 29 February."""
    ten = retention({"retention": {"identity_years": 10}})

    assert Retention(identity_years=10) == ten
    assert "2016-11-23T00:00:00+08:00" == ten.ended_before(date(2026, 11, 23)).isoformat()
    assert "2018-02-28T00:00:00+08:00" == ten.ended_before(date(2028, 2, 29)).isoformat()
    assert retention({}) is None


@pytest.mark.parametrize(
    ("block", "said"),
    [
        (
            {"identity_years": 0},
            "identity_years: 0 is out of range; must be a whole number of years",
        ),
        ({}, "identity_years: is missing"),
        ({"identity_year": 3}, "identity_year: unknown field; did you mean identity_years?"),
        ([], "must be a table"),
    ],
)
def test_a_wrong_retention_names_its_field(block: object, said: str) -> None:
    """What is wrong is said with field and rule."""
    with pytest.raises(RetentionError, match=r"\[retention\]") as raised:
        retention({"retention": block})

    assert said in str(raised.value)


async def test_who_is_meant(client: Client, database: Database, clock: FixedClock) -> None:
    """By name, or by when a case ended; those that say nothing of it are left out."""
    await client.post("/v1/events", json=TOLD, headers=BATCH)
    async with database.connection() as connection:
        found = [
            await identified_cases(connection, wanted, after, 10)
            for wanted, after in (
                (Erasable(case_ids=["open", "nameless", "nothing"]), ""),
                (Erasable(ended_before=clock()), ""),
                (Erasable(ended_before=datetime(2026, 10, 14, tzinfo=SHANGHAI)), ""),
                (Erasable(case_ids=["ended", "open"]), "ended"),
            )
        ]

    assert [["open"], ["ended"], [], ["open"]] == found


async def test_it_is_recorded(client: Client, database: Database) -> None:
    """Each case, and each refused event that was dropped, with the reason."""
    await client.post("/v1/events", json=TOLD, headers=BATCH)
    await wiped(database, "ended")
    async with database.connection() as connection:
        kept = await list_records(connection, AuditFilter(who="wang"), None, 10)

    assert [Action.CASE_ERASED, Action.QUARANTINE_DROPPED] == [k.record.action for k in kept]
    assert all(k.record.detail.startswith("asked for by law") for k in kept)
    assert not any(TAXPAYER in repr(k.record) for k in kept)
    assert "ended" == kept[0].record.object
