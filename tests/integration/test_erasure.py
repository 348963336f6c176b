"""Who an enterprise is can be erased; every count stays, and it does not come back by itself."""

import json
from datetime import datetime

from cloud_events import BATCH, ONE, Json, accepted, event
from conftest import Client, FixedClock
from rebate_monitor.api.service import Service
from rebate_monitor.domain.local_time import SHANGHAI
from rebate_monitor.storage.audit import Action, AuditFilter, Deed, Through, list_records
from rebate_monitor.storage.database import Database
from rebate_monitor.storage.erasure import Erasable, Erased, erase, identified_cases
from rebate_monitor.storage.recount import compare_tallies

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


async def test_a_repetition_does_not_bring_it_back(client: Client, database: Database) -> None:
    """The same event told again is known, and nothing of it is kept; a new fact is one."""
    await client.post("/v1/events", json=TOLD[:1], headers=BATCH)
    await wiped(database, "ended")
    again = await client.post("/v1/events", json=TOLD[0], headers=ONE)
    stored = await everything(database)
    new = event("corrected", "2026-10-15T09:00:00", subject="ended", taxpayer_id=TAXPAYER)
    told = await client.post("/v1/events", json=new, headers=ONE)

    assert (200, 201) == (again.status, told.status)
    assert TAXPAYER not in stored
    assert TAXPAYER in await everything(database)


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
