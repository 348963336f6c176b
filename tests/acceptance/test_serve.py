"""The real command in a process of its own, sent real requests and real signals."""

import asyncio
import json
import os
import re
import signal
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import aiohttp
import pytest

from cloud_events import ONE, accepted, event, ndjson
from conftest import ADMIN_KEY, execute
from rebate_monitor.domain.local_time import SHANGHAI
from rebate_monitor.embedded_postgres import EmbeddedPostgres
from service_process import call, serving

EVENT = {"Content-Type": "application/cloudevents+json"}
KEY = {"Authorization": f"Bearer {ADMIN_KEY}"}


@pytest.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(headers=KEY) as opened:
        yield opened


async def test_sigterm_ends_with_exit_code_0(folder: Path, session: aiohttp.ClientSession) -> None:
    """A request that has begun is answered before the service ends, and the exit code is 0."""
    with serving(folder) as service:
        slow = asyncio.create_task(_slow_post(session, service.url))
        await asyncio.sleep(0.3)
        service.process.send_signal(signal.SIGTERM)
        status = await slow
        code = await asyncio.to_thread(service.process.wait, 30)

    assert (status, code) == (201, 0)


async def _slow_post(session: aiohttp.ClientSession, url: str) -> int:
    body = json.dumps(accepted("2024-11-20T09:00:00")).encode()

    async def slowly() -> AsyncIterator[bytes]:
        yield body[:10]
        await asyncio.sleep(1)
        yield body[10:]

    async with session.post(f"{url}/v1/events", data=slowly(), headers=EVENT) as response:
        return response.status


async def test_a_body_that_cannot_be_read_is_no_fault_of_the_service(
    folder: Path, session: aiohttp.ClientSession
) -> None:
    """What is no gzip is refused, and leaves one line in the log instead of a traceback."""
    headers = {"Content-Type": "application/x-ndjson", "Content-Encoding": "gzip"}
    with serving(folder) as service:
        told = await session.post(f"{service.url}/v1/events", data=b"no gzip", headers=headers)
        service.process.send_signal(signal.SIGTERM)
        await asyncio.to_thread(service.process.wait, 30)
        assert service.process.stderr is not None
        said = service.process.stderr.read()

    assert told.status == 400
    assert "request.answered" in said
    assert "Traceback" not in said


async def test_kill_9_loses_nothing_that_was_acknowledged(
    folder: Path, session: aiohttp.ClientSession
) -> None:
    """SIGKILL in the middle of a flood of posts: every acknowledged case is there afterwards."""
    acknowledged: list[str] = []

    async def flood(url: str) -> None:
        for number in range(10_000):
            told = accepted("2024-11-20T09:00:00", subject=f"case-{number}", id=f"e-{number}")
            async with session.post(f"{url}/v1/events", json=told, headers=EVENT) as response:
                if response.status == 201:
                    acknowledged.append(told["subject"])

    with serving(folder) as service:
        flooding = asyncio.create_task(flood(service.url))
        await asyncio.sleep(1)
        service.process.kill()
        with pytest.raises(aiohttp.ClientError):
            await flooding

    with serving(folder) as service:
        answers = [
            (await session.get(f"{service.url}/v1/cases/{case_id}")).status
            for case_id in acknowledged
        ]
    deep = call(folder, "doctor", "--deep")

    assert len(acknowledged) > 10
    assert {200} == set(answers)
    assert "tallies: equal to a full recount" in deep.stdout


async def test_a_killed_postgres_is_started_again(
    folder: Path, session: aiohttp.ClientSession
) -> None:
    """SIGKILL of the embedded PostgreSQL: 503 at most for a while, then the same cases again."""
    with serving(folder) as service:
        told = accepted("2024-11-20T09:00:00")
        await session.post(f"{service.url}/v1/events", json=told, headers=EVENT)
        before = await (await session.get(f"{service.url}/v1/cases/case-1")).read()
        pid = int((folder / "data" / "pgdata" / "postmaster.pid").read_text().splitlines()[0])
        os.kill(pid, signal.SIGKILL)
        seen = set()
        for _ in range(300):
            response = await session.get(f"{service.url}/v1/cases/case-1")
            seen.add(response.status)
            if response.status == 200 and 503 in seen:
                break
            await asyncio.sleep(0.1)
        after = await (await session.get(f"{service.url}/v1/cases/case-1")).read()

    assert {200, 503} == seen
    assert before == after


def test_a_second_serve_says_who_serves(folder: Path) -> None:
    """Two services on one data folder: the second ends at once and names the first."""
    with serving(folder) as service:
        second = call(folder, "serve")

    assert second.returncode == 1
    assert str(service.process.pid) in second.stderr


def test_a_taken_port_is_told_plainly(folder: Path) -> None:
    """A port in use is one line with what to do, not a traceback."""
    with serving(folder) as service:
        port = service.url.rpartition(":")[2]
        second = call(folder, "serve", REBATE_PORT=port, REBATE_DATA_DIR=str(folder / "other"))

    assert second.returncode == 1
    assert f"cannot listen on 127.0.0.1:{port}" in second.stderr
    assert "Traceback" not in second.stderr


async def test_keys_work_beside_a_running_service(
    folder: Path, session: aiohttp.ClientSession
) -> None:
    """A key made by the command works at once, and no longer once it is revoked."""
    with serving(folder) as service:
        made = call(folder, "keys", "create", "reader", "--scope", "cases:read")
        key = made.stdout.strip()
        headers = {"Authorization": f"Bearer {key}"}
        allowed = await session.get(f"{service.url}/v1/policies", headers=headers)
        key_id = key.split("_")[1]
        call(folder, "keys", "revoke", key_id)
        revoked = await session.get(f"{service.url}/v1/policies", headers=headers)
        listed = call(folder, "keys", "list")

    assert (allowed.status, revoked.status) == (200, 401)
    assert key not in listed.stdout


def test_a_misspelt_setting_is_an_error(folder: Path) -> None:
    """A misspelt variable ends the start and suggests the right one."""
    told = call(folder, "serve", REBATE_ADMINKEY="x")

    assert told.returncode != 0
    assert "did you mean REBATE_ADMIN_KEY?" in told.stderr


async def test_an_unreachable_database_is_waited_out(
    folder: Path, session: aiohttp.ClientSession
) -> None:
    """Without its database the service starts all the same, says 503 and is not ready."""
    away = "postgresql://nobody@127.0.0.1:1/none"
    with serving(folder, REBATE_DATABASE_URL=away) as service:
        ready = await session.get(f"{service.url}/readyz")
        healthy = await session.get(f"{service.url}/healthz")
        posted = await session.post(
            f"{service.url}/v1/events", json=accepted("2024-11-20T09:00:00"), headers=EVENT
        )

    assert (ready.status, healthy.status, posted.status) == (503, 200, 503)
    assert "Retry-After" in posted.headers


def test_the_real_log_is_imported_once(folder: Path, shared: Path) -> None:
    """The second import of the real log finds nothing but duplicates and the same figures."""
    log = str(shared / "data" / "permit_receipts.ndjson")
    first, second = call(folder, "import", log), call(folder, "import", log)

    assert "6876 accepted, 0 duplicate, 0 rejected" in first.stdout
    assert "0 accepted, 6876 duplicate, 0 rejected" in second.stdout
    assert first.stdout.splitlines()[1:] == second.stdout.splitlines()[1:]


def test_an_import_says_what_was_refused_and_why(folder: Path) -> None:
    """The summary of an import counts the reasons, and the quarantine keeps the events."""
    file = folder / "events.csv"
    file.write_text(
        "subject,type,time,office,category\n"
        "c-1,accepted,2024-11-20 09:00:00,14301000000,I\n"
        "c-2,accepted,2024-11-20 09:00:00,999,I\n",
        encoding="utf-8",
    )

    told = call(folder, "import", str(file), "--offset", "+08:00", COLUMNS="200")
    kept = call(folder, "quarantine", "list", COLUMNS="200")

    assert "1 accepted, 0 duplicate, 1 rejected" in told.stdout
    assert "data.office" in told.stdout
    assert "c-2" in kept.stdout


async def test_the_demo_shows_moving_figures(folder: Path, session: aiohttp.ClientSession) -> None:
    """`demo` prints an address and a key, fills in history, and its events go on."""
    with serving(folder, "demo", "--months", "2", "--data-dir", str(folder / "demo")) as service:
        counts = []
        for _ in range(120):
            text = await (await session.get(f"{service.url}/metrics", headers={})).text()
            counts.append(sum(map(float, re.findall(r'outcome="accepted"} ([\d.e+]+)', text))))
            if counts[-1] > 20_000 and len(set(counts[-6:])) > 3:
                break
            await asyncio.sleep(0.5)
        service.process.send_signal(signal.SIGTERM)
        code = await asyncio.to_thread(service.process.wait, 30)

    assert counts[-1] > 20_000
    assert code == 0


def test_help_lists_every_command(folder: Path) -> None:
    """The help of the command and of each subcommand can be read."""
    told = call(folder, "--help").stdout
    names = ["demo", "serve", "migrate", "import", "simulate", "explain", "keys"]
    names += ["quarantine", "recompute"]

    assert [name for name in [*names, "doctor"] if f"  {name}" not in told] == []
    assert all(call(folder, name, "--help").returncode == 0 for name in names)


def test_the_doctor_says_what_is_wrong(folder: Path) -> None:
    """`doctor` ends with exit code 1 when something is wrong, and says what."""
    told = call(folder, "doctor", REBATE_DATABASE_URL="postgresql://nobody@127.0.0.1:1/none")

    assert told.returncode == 1
    assert "cannot be used" in told.stdout


def test_a_changed_configuration_is_published_by_the_next_start(folder: Path, shared: Path) -> None:
    """The doctor says that it will be; a start publishes it and lays every case down anew."""
    call(folder, "import", str(shared / "data" / "permit_receipts.ndjson"))
    config = folder / "config.toml"
    config.write_text(
        '[[policy]]\nid = "hunan-2023-46"\ntitle = "x"\neffective_from = 2023-10-26\n'
        "limits = { default = 10 }\n",
        encoding="utf-8",
    )
    told = {"REBATE_CONFIG": str(config)}
    before = call(folder, "doctor", "--deep", **told)
    with serving(folder, **told):
        call(folder, "recompute", **told)
        after = call(folder, "doctor", "--deep", **told)

    assert (0, 0) == (before.returncode, after.returncode)
    assert "the next start of the service publishes them" in before.stdout
    assert "rules: version 2 is in force\n" in after.stdout
    assert "what the events fold to" in after.stdout


def test_explain_takes_a_count_apart(folder: Path) -> None:
    """A case is explained in both languages without a service; an unknown one is told."""
    events = folder / "events.ndjson"
    told = [
        accepted("2026-02-13T10:00:00", category="I"),
        event("voucher_issued", "2026-02-24T10:00:00"),
    ]
    events.write_bytes(ndjson(told))
    call(folder, "import", str(events))
    chinese = call(folder, "explain", "case-1").stdout
    english = call(folder, "explain", "case-1", "--lang", "en").stdout
    unknown = call(folder, "explain", "case-9")

    assert "2026-02-14 周六" in chinese
    assert "判定：限时办结，2个工作日，未超过3个。" in chinese
    assert "make-up workday" in english
    assert "Verdict: met, 2 workdays are not more than 3." in english
    assert (1, True) == (unknown.returncode, "'case-9' has been received" in unknown.stderr)


def test_what_if_on_the_real_log(folder: Path, shared: Path) -> None:
    """From 4 to 3 workdays for everybody: counted, listed case by case, and nothing written."""
    call(folder, "import", str(shared / "data" / "permit_receipts.ndjson"))
    listed = folder / "changes.csv"
    period = ("--from", "2023-11-01", "--to", "2025-02-28")
    told = call(folder, "what-if", "--limit", "3", *period, "--csv", str(listed)).stdout
    nothing = call(folder, "what-if", *period)
    deep = call(folder, "doctor", "--deep")
    rows = listed.read_text("utf-8-sig").splitlines()

    assert "1,434 cases accepted from 2023-11-01 to 2025-02-28" in told
    assert f"{len(rows) - 1:,} cases come out otherwise" in told
    assert f"{sum('breach_made' in row for row in rows):,} become late" in told
    assert (1, True) == (nothing.returncode, "nothing is proposed" in nothing.stderr)
    assert deep.returncode == 0


def test_migrate_prepares_the_reader(folder: Path) -> None:
    """`migrate` says what it has done, and with a password that the reader can log in."""
    first = call(folder, "migrate").stdout
    second = call(folder, "migrate", REBATE_READER_PASSWORD="a-password-made-up")
    doctor = call(folder, "doctor").stdout

    assert "applied 0003_reports" in first
    assert "made the reporting views anew" in first
    assert "cannot log in without a password" in first
    assert ["the role rebate_reader reads the reporting views", "the database is up to date"] == (
        second.stdout.splitlines()
    )
    assert "a-password-made-up" not in second.stdout + second.stderr
    assert "reporting views: up to date" in doctor


async def test_a_deep_look_is_never_skipped_in_silence(folder: Path) -> None:
    """A note about something else does not keep the doctor from recounting."""
    call(folder, "keys", "create", "office", "--scope", "cases:read")
    with EmbeddedPostgres(folder / "data") as dsn:
        await execute(
            dsn,
            "INSERT INTO outbox (notification_id, channel, subject, body, created_at,"
            " next_attempt_at, dead_at)"
            " VALUES (gen_random_uuid(), 'c', 's', '{}', now(), now(), now());"
            "INSERT INTO tally (figure, cases, workdays_sum, judged, in_time, same_day)"
            " VALUES ('missed', 1, 0, 0, 0, 0)",
        )
        told = await asyncio.to_thread(call, folder, "doctor", "--deep")

    assert "1 were given up" in told.stdout
    assert "tallies: 1 cells differ" in told.stdout
    assert told.returncode == 1


def test_a_case_id_is_no_markup(folder: Path) -> None:
    """Brackets in a case id are letters, and a moment beyond the calendar is refused plainly."""
    events = folder / "events.ndjson"
    events.write_bytes(ndjson([accepted("2026-02-13T10:00:00", subject="4301[red]x[/2026]7")]))
    call(folder, "import", str(events))
    told = call(folder, "explain", "4301[red]x[/2026]7", "--at", "2026-02-14T00:00:00+08:00")
    beyond = call(folder, "explain", "4301[red]x[/2026]7", "--at", "2200-01-01T00:00:00+08:00")

    assert "4301[red]x[/2026]7" in told.stdout
    assert "--at: must lie from 2000-01-01 to 2099-12-31" in beyond.stderr


def test_a_demo_leaves_a_real_database_alone(folder: Path) -> None:
    """A folder with a database that no demo made is refused, and nothing in it is touched."""
    call(folder, "keys", "create", "office", "--scope", "cases:read")
    refused = call(folder, "demo", "--data-dir", str(folder / "data"))

    assert refused.returncode == 1
    assert "is not a demo's" in refused.stderr
    assert "office" in call(folder, "keys", "list").stdout


def test_a_csv_from_chinese_excel_is_read(folder: Path) -> None:
    """GBK, slashes in dates, thousands set apart and Chinese names are what people have."""
    file = folder / "导出.csv"
    file.write_bytes(
        "case_id,type,time,office,category,amount_cny,rebate_type\n"
        '长沙-1,accepted,2024/11/2 9:05,14301000000,II,"1,234,567.80",免抵退税\n'.encode("gb18030")
    )
    told = call(folder, "import", str(file), "--offset", "+08:00")
    again = call(folder, "import", str(file), "--offset", "+08:00")

    assert "1 accepted, 0 duplicate, 0 rejected" in told.stdout
    assert "0 accepted, 1 duplicate, 0 rejected" in again.stdout


def test_a_damaged_row_is_refused_by_itself(folder: Path) -> None:
    """One wrong byte in a UTF-8 file refuses its row, and makes no other case of the rest."""
    file = folder / "a.csv"
    rows = "subject,type,time\n长沙-1,paid,2024-11-02 09:00:00\n长沙-2,paid,2024-11-02 09:00:00\n"
    file.write_bytes(rows.encode().replace("长沙-2".encode(), "长沙-2".encode()[1:]))
    told = call(folder, "import", str(file), "--offset", "+08:00")

    assert "1 accepted, 0 duplicate, 1 rejected" in told.stdout


def test_keys_are_bound_and_rotated(folder: Path) -> None:
    """What a key is bound to, until when it counts, and what took over from it, is listed."""
    made = call(
        *(folder, "keys", "create", "Changsha", "--scope", "events:write", "--days", "30"),
        *("--source", "/hunan/14301000000", "--office", "14301000000"),
    )
    key_id = made.stdout.split("_")[1]
    bound = call(folder, "keys", "bind", key_id, "--source", "/hunan/*")
    rotated = call(folder, "keys", "rotate", key_id, "--grace-hours", "0")
    again = call(folder, "keys", "rotate", key_id)
    listed = call(folder, "keys", "list", COLUMNS="200")

    assert "bound to source /hunan/14301000000, office 14301000000" in made.stderr
    assert "is bound to source /hunan/*" in bound.stdout
    assert f"takes over from {key_id}" in rotated.stderr
    assert rotated.stdout.strip().startswith("rbm_")
    assert f"there is no key {key_id} that still counts" in again.stderr
    assert f"for {key_id}" in listed.stdout
    assert "expired" in listed.stdout
    assert "active until" in listed.stdout


def test_what_a_key_cannot_be_is_refused(folder: Path) -> None:
    """Administration is of all offices; a key has one end."""
    create = (folder, "keys", "create", "x", "--scope", "admin")
    bound = call(*create, "--office", "14301000000")
    ends = call(*create, "--days", "3", "--expires-at", "2199-01-01T00:00:00Z")
    until = datetime.now(UTC).replace(microsecond=0) + timedelta(days=3)
    made = call(*create, "--expires-at", until.isoformat())

    assert "admin is of all offices" in bound.stderr
    assert "told beside --days" in ends.stderr
    assert f"counts until {until.astimezone(SHANGHAI):%Y-%m-%d %H:%M} (+08:00)" in made.stderr


@pytest.mark.parametrize(
    ("option", "value", "rule"),
    [
        ("--office", "14301", "must be a tax authority code"),
        ("--office", "143010000001", "must be a tax authority code"),
        ("--source", "/a*b", "only at its end"),
        ("--source", "", "1 to 200 characters"),
        ("--days", "0", "1<=x"),
        ("--expires-at", "2030-01-01", "must be an instant with its offset"),
        ("--expires-at", "2020-01-01T00:00:00Z", "must lie ahead"),
    ],
)
def test_bounds_that_hold_nothing_are_refused(
    folder: Path, option: str, value: str, rule: str
) -> None:
    """A bound that no event or office could lie in is a mistake, and is told so."""
    told = call(folder, "keys", "create", "x", "--scope", "cases:read", option, value)

    assert told.returncode == 2
    assert option in told.stderr
    assert rule in told.stderr


def test_commands_are_recorded(folder: Path) -> None:
    """Keys, reads and what was dropped, by the account that ran the command."""
    events = folder / "events.ndjson"
    events.write_bytes(ndjson([accepted("2026-11-20T10:00:00"), {"specversion": "1.0"}]))
    call(folder, "import", str(events))
    made = call(folder, "keys", "create", "office", "--scope", "cases:read")
    call(folder, "keys", "revoke", made.stdout.split("_")[1])
    call(folder, "explain", "case-1")
    listed = call(folder, "quarantine", "list", "--body").stdout
    digest = listed.partition("digest ")[2].split()[0]
    dropped = call(folder, "quarantine", "drop", digest, "--reason", "a test event")
    wrong = call(folder, "quarantine", "drop", "x", "--reason", "a test event")
    told = call(folder, "audit", "list", COLUMNS="220").stdout
    of_case = call(folder, "audit", "list", "--object", "case-1", COLUMNS="220").stdout
    too_soon = call(folder, "audit", "prune", "--older-than-days", "183")
    pruned = call(folder, "audit", "prune", "--older-than-days", "184")

    actions = ("key.made", "key.revoked", "case.explained", "quarantine.read")
    assert all(action in told for action in (*actions, "quarantine.dropped", "command"))
    assert "1 of 1 dropped" in dropped.stdout
    assert "64 hexadecimal digits" in wrong.stderr
    assert "a test event" in told
    assert "case.explained" in of_case
    assert "key.made" not in of_case
    assert "184<=x" in too_soon.stderr
    assert pruned.stdout.startswith("0 records from before ")


async def test_the_service_runs_as_its_own_role(
    folder: Path, session: aiohttp.ClientSession
) -> None:
    """Granted by `migrate`, it serves; keys are the owner's, and it is told so plainly."""
    with EmbeddedPostgres(folder / "data") as dsn:
        await execute(dsn, "CREATE ROLE rebate_service LOGIN")
        granted = await asyncio.to_thread(
            call, folder, "migrate", REBATE_SERVICE_ROLE="rebate_service"
        )
        roles = await asyncio.to_thread(
            call, folder, "doctor", "--roles", REBATE_SERVICE_ROLE="rebate_service", COLUMNS="150"
        )
        own = dsn.replace("user=rebate", "user=rebate_service")
        refused = await asyncio.to_thread(
            call, folder, "keys", "create", "x", "--scope", "admin", REBATE_DATABASE_URL=own
        )
        with serving(folder, REBATE_DATABASE_URL=own) as service:
            told = await session.post(
                f"{service.url}/v1/events", json=accepted("2026-11-20T10:00:00"), headers=ONE
            )

    assert "the role rebate_service may do what the service does" in granted.stdout
    everything = "select insert update delete truncate"
    assert re.search(rf"audit_record +{everything} +select insert +-", roles.stdout)
    assert refused.returncode == 1
    assert "permission denied for table api_key; its owner may" in refused.stderr
    assert told.status == 201


def test_an_enterprise_is_erased(folder: Path) -> None:
    """After a look at how many cases are meant, and only with a reason."""
    events = folder / "events.ndjson"
    events.write_bytes(ndjson([accepted("2026-11-20T10:00:00", taxpayer_id="91350100M000100Y43")]))
    call(folder, "import", str(events))
    nobody = call(folder, "erase", "--reason", "x")
    no_day = call(folder, "erase", "--ended-before", "soon", "--reason", "x")
    dry = call(folder, "erase", "case-1", "--reason", "asked for by law", "--dry-run")
    done = call(folder, "erase", "case-1", "--reason", "asked for by law", "--yes")
    again = call(folder, "erase", "case-1", "--reason", "asked for by law", "--yes")
    deep = call(folder, "doctor", "--deep")

    assert "tell one of: cases, --ended-before, --due, --taxpayer" in nobody.stderr
    assert "must be a day such as 2016-01-01" in no_day.stderr
    assert "1 cases say who their enterprise is\n" == dry.stdout
    assert "erased in 1 events of 1 cases; 0 refused events were dropped" in done.stdout
    assert "0 cases say who their enterprise is\n" == again.stdout
    assert "equal to a full recount" in deep.stdout


async def test_who_read_is_recorded_before_it_is_answered(
    folder: Path, session: aiohttp.ClientSession
) -> None:
    """SIGKILL right after the answer: the record of it is there."""
    with serving(folder) as service:
        told = accepted("2024-11-20T09:00:00")
        await session.post(f"{service.url}/v1/events", json=told, headers=EVENT)
        status = (await session.get(f"{service.url}/v1/cases/case-1")).status
        service.process.kill()
    listed = call(folder, "audit", "list", "--object", "case-1", COLUMNS="200")

    assert status == 200
    assert re.search(r"REBATE_ADMIN_KEY +key +case\.read +case-1 ", listed.stdout)
