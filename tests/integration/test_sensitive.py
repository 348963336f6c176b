"""What only `sensitive:read` shows: who the enterprise is, and that it is inquired about."""

import json
from datetime import timedelta

import pytest

from cloud_events import BATCH, Json, accepted, event
from conftest import Client
from rebate_monitor.api.openapi import openapi_document
from rebate_monitor.api.service import Service
from rebate_monitor.storage.database import Database
from rebate_monitor.storage.keys import Grant, Scope, create_key

TAXPAYER = "91350100M000100Y43"
WITHHELD = {"zh": "不公开的原因", "en": "a reason that is withheld"}
NAMED = {
    "correspondence": {"zh": "函调", "en": "a letter to the supplier's tax office"},
    "hold": {"zh": "暂不办理", "en": "a hold"},
}
SECRETS = [TAXPAYER, *NAMED, *(word for words in NAMED.values() for word in words.values())]
SAY_WHAT_THERE_IS = ("/openapi.json", "/v1/policies")
"""They name every reason there is, of no case."""
PARAMETERS = {"from": "2026-11-01", "to": "2026-11-30", "by": "none", "lang": "zh"}


@pytest.fixture(params=sorted(NAMED))
async def reason(client: Client, request: pytest.FixtureRequest) -> str:
    """Have a case of a known enterprise that is inquired about, and an event that was refused."""
    reason: str = request.param
    told = [
        accepted("2026-11-02T09:00:00", taxpayer_id=TAXPAYER),
        event("suspended", "2026-11-04T09:00:00", reason=reason),
        event("resumed", "2026-11-10T09:00:00"),
        event("corrected", "2026-11-10T09:00:00", taxpayer_id=TAXPAYER, unknown=reason),
    ]
    async with client.post("/v1/events", json=told, headers=BATCH) as response:
        assert response.status == 207
    return reason


@pytest.fixture
async def reader(database: Database, service: Service) -> dict[str, str]:
    """Return the header of a key that may read and administer, but nothing sensitive."""
    grant = Grant(name="reader", scopes=frozenset({Scope.CASES_READ, Scope.ADMIN}))
    async with database.connection() as connection:
        _, key = await create_key(connection, grant, service.now() - timedelta(days=1))
    return {"Authorization": f"Bearer {key}"}


def paths() -> list[str]:
    """Return every address that is read, of the case where it is of one."""
    found = []
    for path, operations in openapi_document()["paths"].items():
        if "get" not in operations or path in SAY_WHAT_THERE_IS:
            continue
        asked = {
            told["name"]: PARAMETERS[told["name"]]
            for told in operations["get"].get("parameters", [])
            if told["name"] in PARAMETERS and told["in"] == "query"
        }
        filled = path.format(case_id="case-1", month="2026-10", year="2026")
        found.append(
            filled + ("?" + "&".join(f"{k}={v}" for k, v in asked.items()) if asked else "")
        )
    return found


@pytest.mark.parametrize("accept", ["application/json", "text/html"])
async def test_no_answer_holds_a_secret(
    stranger: Client, reason: str, reader: dict[str, str], accept: str
) -> None:
    """Every address that is read, in both languages, as JSON and as a page."""
    told = dict[str, str]()
    for path in paths():
        for lang in ("zh", "en"):
            address = path.replace("lang=zh", f"lang={lang}")
            headers = reader | {"Accept": accept}
            async with stranger.get(address, headers=headers) as response:
                assert response.status in {200, 404}, (address, await response.text())
                told[address] = await response.text()

    leaks = [(address, s) for address, text in told.items() for s in SECRETS if s in text]
    assert any("case-1/explanation" in address for address in told)
    assert leaks == []
    assert reason in NAMED


async def test_what_is_withheld_is_said_to_be(
    client: Client, stranger: Client, reason: str, reader: dict[str, str]
) -> None:
    """The suspension itself is shown; why is null, and in words it says that it is withheld."""
    masked: Json = await (await stranger.get("/v1/cases/case-1", headers=reader)).json()
    whole: Json = await (await client.get("/v1/cases/case-1")).json()

    assert ([None], [reason]) == tuple(
        [told["reason"] for told in case["suspensions"]] for case in (masked, whole)
    )
    assert masked["workdays"] == whole["workdays"]
    for lang, words in WITHHELD.items():
        path = f"/v1/cases/case-1/explanation?lang={lang}"
        without = json.dumps(
            await (await stranger.get(path, headers=reader)).json(), ensure_ascii=False
        )
        with_it = json.dumps(await (await client.get(path)).json(), ensure_ascii=False)
        assert words in without
        assert NAMED[reason][lang] in with_it
