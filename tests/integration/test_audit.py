"""Who looked at which case, and who changed what, is recorded before it is answered."""

import asyncio

import asyncpg
import pytest

from cloud_events import ONE, Json, accepted, event
from conftest import Client
from rebate_monitor.api.service import Service
from rebate_monitor.domain.bounds import Bounds
from rebate_monitor.storage.audit import Action, AuditFilter, KeptRecord, Through, list_records
from rebate_monitor.storage.database import Database
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


@pytest.mark.parametrize(
    "query", ["action=everything", "limit=0", "cursor=x", "since=today", "whom=x", "who="]
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
        assert (digests[0], "a test event") == (kept.record.object, kept.record.detail)

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
    assert kept.record.object.startswith("rules ")
    assert service.now() == kept.record.deed.at


async def test_records_are_not_lost_with_a_table(database: Database) -> None:
    """Nothing else refers to them, so that nothing takes them along."""
    async with database.connection() as connection:
        with pytest.raises(asyncpg.NotNullViolationError):
            await connection.execute("INSERT INTO audit_record (at) VALUES (now())")
