"""What commands read and change is recorded with the account that runs them."""

import asyncio
import json
import os
import pwd
import re
import socket
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from cloud_events import BATCH, accepted, event
from conftest import Client, execute
from holiday_cn import published
from notice_files import TRIAL
from rebate_monitor.cli.acting import acting
from rebate_monitor.cli.main import main
from rebate_monitor.storage.audit import Action, AuditFilter, AuditRecord, list_records
from rebate_monitor.storage.database import open_database

ACCOUNT = pwd.getpwuid(os.geteuid()).pw_name


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the folder in which commands run."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


async def run(dsn: str, *arguments: str) -> Result:
    """Run a command on the test's database, by the real clock."""
    environment = {"REBATE_DATABASE_URL": dsn, "REBATE_CONFIG": None, "USER": "somebody else"}
    return await asyncio.to_thread(CliRunner().invoke, main, arguments, env=environment)


async def done(dsn: str, *arguments: str) -> str:
    """Run a command that must succeed; return what it printed."""
    result = await run(dsn, *arguments)
    assert result.exit_code == 0, result.output
    return result.stdout


async def records(dsn: str, action: Action | None = None) -> list[AuditRecord]:
    """Return what is recorded of commands, the earliest first."""
    async with open_database(dsn) as database, database.connection() as connection:
        found = await list_records(connection, AuditFilter(action=action), None, 100)
    told = [kept.record for kept in reversed(found)]
    return [record for record in told if record.action is not Action.RULES_STARTED]


async def test_keys(dsn: str) -> None:
    """From making to revoking, each by its id; never with the key itself."""
    create = ("keys", "create", "长沙", "--scope", "cases:read", "--office", "14301000000")
    key = (await done(dsn, *create)).strip()
    key_id = key.split("_")[1]
    await done(dsn, "keys", "bind", key_id, "--source", "/hunan/*")
    new = (await done(dsn, "keys", "rotate", key_id)).strip()
    await done(dsn, "keys", "revoke", key_id)
    assert (await run(dsn, "keys", "revoke", "nothing")).exit_code == 1
    assert (await run(dsn, "keys", "rotate", "nothing")).exit_code == 1
    assert (await run(dsn, "keys", "bind", "nothing")).exit_code == 1
    found = await records(dsn)

    assert [Action.KEY_MADE, Action.KEY_BOUND, Action.KEY_ROTATED, Action.KEY_REVOKED] == [
        record.action for record in found
    ]
    assert {(key_id, ACCOUNT, socket.gethostname())} == {
        (record.object, record.deed.who, record.deed.address) for record in found
    }
    assert "长沙: cases:read; bound to office 14301000000" == found[0].detail
    assert new.split("_")[1] in found[2].detail
    assert not any(secret in repr(found) for secret in (key, new))


async def test_a_key_that_cannot_be_recorded_is_not_made(dsn: str) -> None:
    """The key and its record are one transaction."""
    await execute(dsn, "ALTER TABLE audit_record RENAME TO elsewhere")
    made = await run(dsn, "keys", "create", "x", "--scope", "cases:read")
    await execute(dsn, "ALTER TABLE elsewhere RENAME TO audit_record")

    assert (1, "") == (made.exit_code, made.stdout)
    assert "there are no keys yet" in await done(dsn, "keys", "list")


async def test_rules(dsn: str, folder: Path) -> None:
    """A calendar and a policy: who says that they do it, and whose account it was."""
    file = folder / "2026.json"
    file.write_text(json.dumps(published(2026, off=["2026-11-18"])), "utf-8")
    (folder / "trial.toml").write_text(TRIAL, "utf-8")
    agreed = ("--yes", "--no-wait", "--by", "王小明")
    await done(dsn, "calendar", "import", str(file), "--force", *agreed)
    await done(dsn, "calendar", "withdraw", "2026", *agreed)
    await done(dsn, "policy", "apply", "trial.toml", "--dry-run")
    await done(dsn, "policy", "apply", "trial.toml", *agreed)
    await done(dsn, "policy", "retire", "trial-2018", "--on", "2019-12-31", *agreed)
    await done(dsn, "policy", "withdraw", "trial-2018", *agreed)
    found = await records(dsn)

    assert [
        ("calendar.imported", "2026"),
        ("calendar.withdrawn", "2026"),
        ("policy.applied", "trial-2018"),
        ("policy.retired", "trial-2018"),
        ("policy.withdrawn", "trial-2018"),
    ] == [(record.action, record.object) for record in found]
    assert {ACCOUNT} == {record.deed.who for record in found}
    assert all(record.detail.endswith("by 王小明") for record in found)


async def test_reads(client: Client, dsn: str, folder: Path) -> None:
    """One case, a closed month, a what-if, a report, and what was refused as it was sent."""
    told = [
        accepted("2025-10-13T09:00:00"),
        event("voucher_issued", "2025-10-14T09:00:00"),
        {"id": "1"},
    ]
    await client.post("/v1/events", json=told, headers=BATCH)
    await done(dsn, "explain", "case-1")
    await done(dsn, "month", "close", "2025-10")
    await done(dsn, "month", "show", "2025-10")
    await done(dsn, "what-if", "--limit", "1", "--from", "2025-10-01", "--to", "2025-10-31")
    out = str(folder / "report.csv")
    await done(dsn, "report", "--month", "2025-10", "--format", "csv", "--out", out)
    await done(dsn, "quarantine", "list", "--body")
    found = await records(dsn)

    assert [
        ("case.explained", "case-1"),
        ("month.read", "2025-10"),
        ("what_if.read", "2025-10-01 to 2025-10-31"),
        ("report.made", "2025-10"),
        ("quarantine.read", "quarantine"),
    ] == [(record.action, record.object) for record in found]


async def test_the_quarantine(client: Client, dsn: str) -> None:
    """What `list` shows is what `drop` takes; what it was and why is recorded."""
    await client.post("/v1/events", json=[{"id": "1"}, {"id": "2"}], headers=BATCH)
    listed = await done(dsn, "quarantine", "list")
    first, second = re.findall(r"^  digest ([0-9a-f]{64})$", listed, re.MULTILINE)
    said = await done(dsn, "quarantine", "drop", first, first, "--reason", "made up")
    left = await done(dsn, "quarantine", "list")
    (found,) = await records(dsn, Action.QUARANTINE_DROPPED)

    assert said.startswith("1 of ")
    assert (False, True) == (first in left, second in left)
    assert (first, "made up (case ?, from REBATE_ADMIN_KEY)") == (found.object, found.detail)


async def test_pruning(client: Client, dsn: str) -> None:
    """What is younger than the retention stays; the rest goes, and that is recorded."""
    await client.get("/v1/cases")
    kept = await done(dsn, "audit", "prune")
    await execute(dsn, "UPDATE audit_record SET at = at - interval '4 years'")
    gone = await done(dsn, "audit", "prune")
    found = await records(dsn)

    assert kept.startswith("0 records")
    assert re.match(r"[1-9]\d* records from before", gone)
    assert [Action.AUDIT_PRUNED] == [record.action for record in found]


def test_an_account_without_a_name_has_its_number(monkeypatch: pytest.MonkeyPatch) -> None:
    """A container need not name its user."""
    monkeypatch.setattr(os, "geteuid", lambda: 4_000_000)

    assert "account 4000000" == acting().who
