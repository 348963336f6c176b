"""Who looked at which case, and who changed what, is recorded before it is answered."""

import asyncio
import base64
import json
import re
from datetime import UTC, datetime

import asyncpg
import pytest

from cloud_events import BATCH, ONE, Json, accepted, event
from conftest import Client
from rebate_monitor.api.openapi import openapi_document
from rebate_monitor.api.service import Service
from rebate_monitor.domain.bounds import Bounds
from rebate_monitor.domain.periods import named_month
from rebate_monitor.storage.audit import (
    MOST_NAME,
    Action,
    AuditFilter,
    Deed,
    KeptRecord,
    Through,
    add_records,
    list_records,
)
from rebate_monitor.storage.database import Database
from rebate_monitor.storage.frozen import Closing
from rebate_monitor.storage.keys import Grant, Scope, create_key

TIME = "2026-11-20T09:00:00"


async def recorded(
    database: Database, *, who: str | None = None, action: Action | None = None
) -> list[KeptRecord]:
    """Return what is recorded after the start, the latest first."""
    wanted = AuditFilter(who=who, action=action)
    async with database.connection() as connection:
        kept = await list_records(connection, wanted, None, 100)
    return [one for one in kept if one.record.action is not Action.RULES_STARTED]


@pytest.fixture
async def reader(database: Database, service: Service) -> dict[str, str]:
    """Return the header of a key of one office."""
    bounds = Bounds(offices=("14301000000",))
    grant = Grant(name="reader", scopes=frozenset({Scope.CASES_READ}), bounds=bounds)
    async with database.connection() as connection:
        _, key = await create_key(connection, grant, service.now())
    return {"Authorization": f"Bearer {key}"}


@pytest.fixture
async def auditor(database: Database, service: Service) -> dict[str, str]:
    """Return the header of a key that administers."""
    async with database.connection() as connection:
        grant = Grant(name="auditor", scopes=frozenset({Scope.ADMIN}))
        _, key = await create_key(connection, grant, service.now())
    return {"Authorization": f"Bearer {key}"}


@pytest.mark.parametrize(
    "asked",
    [
        ("/v1/cases/case-1", Action.CASE_READ, "case-1"),
        ("/v1/cases/case-1/explanation", Action.CASE_EXPLAINED, "case-1"),
        ("/v1/cases/case-1/history", Action.CASE_HISTORY_READ, "case-1"),
        ("/v1/cases?city=430100", Action.CASES_LISTED, "city=430100"),
    ],
)
async def test_every_read_of_a_case(
    client: Client,
    stranger: Client,
    database: Database,
    reader: dict[str, str],
    asked: tuple[str, Action, str],
) -> None:
    """By whom, of which case, and from where; once for each answer."""
    path, action, what = asked
    await client.post("/v1/events", json=accepted(TIME), headers=ONE)
    for _ in range(2):
        assert (await stranger.get(path, headers=reader)).status == 200

    told = [(kept.record.action, kept.record.object) for kept in await recorded(database)]
    (latest, _) = await recorded(database, who="reader")
    assert [(action, what)] * 2 == told
    assert (Through.KEY, "127.0.0.1") == (latest.record.deed.through, latest.record.deed.address)


async def test_what_is_not_shown_is_no_read(
    stranger: Client, database: Database, reader: dict[str, str]
) -> None:
    """A case that is not there, or is another office's."""
    told = accepted(TIME, subject="another's", office="14302000000")
    await stranger.post("/v1/events", json=told, headers=ONE | reader)
    for case_id in ("nothing", "another's"):
        assert (await stranger.get(f"/v1/cases/{case_id}", headers=reader)).status == 404

    assert [] == await recorded(database)


async def test_what_cannot_be_recorded_is_not_shown(client: Client, database: Database) -> None:
    """While the record cannot be written, cases are not read; figures are."""
    await client.post("/v1/events", json=accepted(TIME), headers=ONE)
    async with database.connection() as connection, connection.transaction():
        await connection.execute("LOCK TABLE audit_record IN ACCESS EXCLUSIVE MODE")
        asking = asyncio.create_task(client.get("/v1/cases/case-1"))
        done, _ = await asyncio.wait({asking}, timeout=0.3)
        figures = (await client.get("/v1/performance")).status

    assert (set(), 200) == (done, figures)
    assert (await asking).status == 200
    assert 1 == len(await recorded(database))


RECORDED = {
    ("GET", "/v1/cases"): Action.CASES_LISTED,
    ("GET", "/v1/cases/{case_id}"): Action.CASE_READ,
    ("GET", "/v1/cases/{case_id}/explanation"): Action.CASE_EXPLAINED,
    ("GET", "/v1/cases/{case_id}/history"): Action.CASE_HISTORY_READ,
    ("GET", "/v1/months/{month}"): Action.MONTH_READ,
    ("POST", "/v1/what-if"): Action.WHAT_IF_READ,
    ("GET", "/v1/quarantine"): Action.QUARANTINE_READ,
    ("POST", "/v1/quarantine/replay"): Action.QUARANTINE_REPLAYED,
    ("GET", "/v1/audit"): Action.AUDIT_READ,
}
RECORDED_BY_OTHER_TESTS = {("PUT", "/v1/calendar/{year}"), ("POST", "/v1/quarantine/drop")}
NOT_RECORDED = {
    ("POST", "/v1/events"): "an event says itself where it came from",
    ("GET", "/v1/alerts"): "no enterprise",
    ("GET", "/v1/supervision"): "counts by office",
    ("POST", "/v1/alerts/{alert_id}/ack"): "an alert says itself who took it on",
    ("GET", "/v1/performance"): "figures",
    ("GET", "/v1/evaluation"): "figures",
    ("GET", "/v1/months"): "figures",
    ("GET", "/v1/foresight"): "figures",
    ("GET", "/v1/calendar"): "rules",
    ("GET", "/v1/calendar/{year}/versions"): "rules",
    ("GET", "/v1/policies"): "rules",
    ("GET", "/v1/recompute"): "how far it is",
}


def test_every_route_is_recorded_or_said_not_to_be() -> None:
    """A new one cannot forget it."""
    documented = {
        (method.upper(), path)
        for path, operations in openapi_document()["paths"].items()
        for method in operations
        if operations[method]["security"]
    }

    assert documented == {*RECORDED, *RECORDED_BY_OTHER_TESTS, *NOT_RECORDED}


async def test_each_of_them_is_recorded(
    client: Client, database: Database, service: Service
) -> None:
    """Once for each answer, and of how many cases it was."""
    told = [
        accepted("2026-10-12T09:00:00"),
        event("voucher_issued", "2026-10-13T09:00:00"),
        event("unknown", TIME),
    ]
    await client.post("/v1/events", json=told, headers=BATCH)
    closing = Closing(
        month=named_month("2026-10"), by="王小明", rules=service.rules, clock=service.now
    )
    await closing.close(database)
    tried = {"from": "2026-10-01", "to": "2026-10-31", "limits": {"I": 1}}
    for method, path in RECORDED:
        address = path.format(case_id="case-1", month="2026-10")
        body = tried if path == "/v1/what-if" else None
        async with client.request(method, address, json=body) as response:
            assert response.status == 200, (path, await response.text())

    found = [kept.record for kept in reversed(await recorded(database))]
    assert list(RECORDED.values()) == [record.action for record in found]
    details = {record.action: (record.object, record.detail) for record in found}
    assert ("2026-10", "0 cases") == details[Action.MONTH_READ]
    assert ("2026-10-01 to 2026-10-31", "1 cases") == details[Action.WHAT_IF_READ]


async def test_keys_that_are_called_alike_are_told_apart(
    client: Client, stranger: Client, database: Database, reader: dict[str, str]
) -> None:
    """By the id, which the key itself begins with."""
    await client.post("/v1/events", json=accepted(TIME), headers=ONE)
    await stranger.get("/v1/cases", headers=reader)
    (kept,) = await recorded(database, who="reader")

    key_id = reader["Authorization"].split("_")[1]
    assert f"1 cases, key {key_id}" == kept.record.detail


async def test_whatever_is_asked_for_can_be_recorded(client: Client, database: Database) -> None:
    """A record holds the beginning of what is long, and brings down nobody else's.

    No two characters are alike, so nothing compresses them; an index takes 2,704 bytes of a value.
    """
    long = "".join(map(chr, range(0x20000, 0x20000 + 900)))
    place = json.dumps(["infinity", long], ensure_ascii=False).encode()
    cursor = base64.urlsafe_b64encode(place).decode()
    async with client.get(f"/v1/cases?cursor={cursor}") as response:
        status = response.status
    (kept,) = await recorded(database)

    assert (200, MOST_NAME) == (status, len(kept.record.object))


async def test_no_text_is_refused(database: Database) -> None:
    """Neither U+0000 nor half a character, nor what is long: each is kept as far as it can be."""
    odd = "\x00\ud800" + "".join(map(chr, range(0x20000, 0x20000 + 9000)))
    deed = Deed(at=datetime.now(UTC), who=odd, through=Through.PROXY, address=odd)
    async with database.connection() as connection:
        await add_records(connection, [deed.record(Action.CASE_READ, odd, odd)] * 2)
        await add_records(connection, [])
    kept, _ = await recorded(database)

    assert MOST_NAME == len(kept.record.object) == len(kept.record.deed.who)
    assert kept.record.object.startswith("\ufffd?\U00020000")


async def test_many_reads_at_once_are_all_recorded(client: Client, database: Database) -> None:
    """They share statements, not records."""
    await client.post("/v1/events", json=accepted(TIME), headers=ONE)
    answers = await asyncio.gather(*(client.get("/v1/cases/case-1") for _ in range(50)))

    assert [200] * 50 == [answer.status for answer in answers]
    assert 50 == len(await recorded(database))


async def test_it_is_read_page_by_page_and_filtered(
    client: Client, stranger: Client, auditor: dict[str, str]
) -> None:
    """The latest first; and whoever reads it is recorded as well."""
    for subject in ("case-1", "case-2", "case-3"):
        await client.post("/v1/events", json=accepted(TIME, subject=subject), headers=ONE)
        assert (await client.get(f"/v1/cases/{subject}")).status == 200

    async def page(query: str) -> tuple[list[str], str | None]:
        told: Json = await (await stranger.get(f"/v1/audit?{query}", headers=auditor)).json()
        return [entry["object"] for entry in told["records"]], told["next"]

    first, cursor = await page("limit=2&action=case.read")
    rest, end = await page(f"limit=2&action=case.read&cursor={cursor}")
    assert (["case-3", "case-2"], ["case-1"], None) == (first, rest, end)
    assert (["case-2"], None) == await page("object=case-2")
    assert (["case-2", "everything", "everything"], None) == await page("who=auditor")
    assert ([], None) == await page("since=2027-01-01T00:00:00Z")
    assert ([], None) == await page("until=2026-11-01T00:00:00Z")
    assert (["case-1"], None) == await page("until=2027-01-01T00:00:00Z&object=case-1")


@pytest.mark.parametrize(
    "query",
    ["action=everything", "limit=0", "cursor=x", "since=today", "until=x", "whom=x", "who="],
)
async def test_wrong_questions_are_told(client: Client, query: str) -> None:
    """The parameter is named."""
    async with client.get(f"/v1/audit?{query}") as response:
        told = await response.json(content_type="application/problem+json")

    assert 422 == response.status
    assert query.partition("=")[0] in told["detail"]


class TestDrop:
    """POST /v1/quarantine/drop."""

    @pytest.fixture
    async def digests(self, client: Client) -> list[str]:
        """Have two refused events."""
        for _ in range(2):
            await client.post("/v1/events", json=event("unknown", TIME), headers=ONE)
        kept: Json = await (await client.get("/v1/quarantine")).json()
        return [told["digest"] for told in kept["events"]]

    async def test_it_is_dropped_for_a_reason(
        self, client: Client, database: Database, digests: list[str]
    ) -> None:
        """Each with a record of its own; what is gone already is not dropped again."""
        told = {"digests": digests[:1], "reason": "a test event"}
        answers = [
            await (await client.post("/v1/quarantine/drop", json=told)).json() for _ in range(2)
        ]
        left: Json = await (await client.get("/v1/quarantine")).json()
        (kept,) = await recorded(database, action=Action.QUARANTINE_DROPPED)

        assert [{"dropped": 1}, {"dropped": 0}] == answers
        assert digests[1:] == [told["digest"] for told in left["events"]]
        assert digests[0] == kept.record.object
        assert "a test event (case case-1, from REBATE_ADMIN_KEY)" == kept.record.detail

    @pytest.mark.parametrize(
        ("body", "problem"),
        [
            ({"digests": ["0" * 64]}, "reason"),
            ({"digests": [], "reason": "x"}, "digests"),
            ({"digests": ["x"], "reason": "x"}, "digests"),
            ({"digests": ["0" * 64], "reason": " "}, "reason"),
            ({"digests": ["0" * 64], "reason": "a\nb"}, "reason"),
            ({"digests": ["0" * 64], "reason": "x", "force": True}, "force"),
        ],
    )
    async def test_a_wrong_body_is_told(self, client: Client, body: Json, problem: str) -> None:
        """The field is named, and nothing is dropped."""
        async with client.post("/v1/quarantine/drop", json=body) as response:
            told = await response.json(content_type="application/problem+json")

        assert 422 == response.status
        assert problem in told["detail"]

    async def test_what_was_sent_is_read_for_the_record(
        self, database: Database, digests: list[str]
    ) -> None:
        """The body of a refused event may be confidential."""
        (kept,) = await recorded(database, action=Action.QUARANTINE_READ)

        assert "2 events" == kept.record.detail
        assert 2 == len(digests)


async def test_a_calendar_that_is_put_is_recorded(
    client: Client, database: Database, service: Service
) -> None:
    """With the version that it became, in the same transaction."""
    days = [{"name": "元旦", "date": "2027-01-01", "isOffDay": True}]
    notice = {"year": 2027, "papers": ["https://www.gov.cn/"], "days": days}
    put = await client.put("/v1/calendar/2027?force=true", json=notice)
    (kept,) = await recorded(database, action=Action.CALENDAR_IMPORTED)

    assert put.status in {201, 202}
    assert ("REBATE_ADMIN_KEY", Through.KEY) == (kept.record.deed.who, kept.record.deed.through)
    assert "2027" == kept.record.object
    assert re.fullmatch(r"rules \d+, by REBATE_ADMIN_KEY", kept.record.detail)
    assert service.now() == kept.record.deed.at


async def test_records_are_not_lost_with_a_table(database: Database) -> None:
    """Nothing else refers to them, so that nothing takes them along."""
    async with database.connection() as connection:
        with pytest.raises(asyncpg.NotNullViolationError):
            await connection.execute("INSERT INTO audit_record (at) VALUES (now())")
