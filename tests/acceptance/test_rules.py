"""Notices imported and policies applied by the real command, in a process of its own."""

import asyncio
import os
import pty
import re
import signal
import subprocess
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from amended_years import (
    labour_day_2019_amended,
    labour_day_2019_first,
    spring_festival_2020_amended,
    spring_festival_2020_first,
)
from cloud_events import Json, accepted, event, ndjson
from notice_files import TRIAL, notice_file
from rebate_monitor.ingest.recompute import BY_EVENTS
from service_process import call, command, environment, serving

ASKED = "publish this? [y/N]: "
WAIT_SECONDS = 60
FILES = {
    "2019-first.json": notice_file(labour_day_2019_first(), "国办发明电〔2018〕15号"),
    "2019-amended.json": notice_file(labour_day_2019_amended(), "国办发明电〔2019〕3号"),
    "2020-first.json": notice_file(spring_festival_2020_first(), "国办发明电〔2019〕16号"),
    "2020-amended.json": notice_file(spring_festival_2020_amended(), "国办发明电〔2020〕1号"),
    "trial.toml": TRIAL.encode(),
}


@pytest.fixture(autouse=True)
def files(folder: Path) -> None:
    """Lay the files down that the tests import."""
    for name, content in FILES.items():
        (folder / name).write_bytes(content)


class Office:
    """Runs commands of an office on one database, within its folder."""

    def __init__(self, folder: Path, dsn: str) -> None:
        self.folder, self.dsn = folder, dsn

    def run(self, *arguments: str) -> str:
        """Run a command that must succeed; return what it printed, each gap one space."""
        done = call(self.folder, *self.within(arguments), REBATE_DATABASE_URL=self.dsn)
        assert done.returncode == 0, done.stdout + done.stderr
        return plain(done.stdout)

    def within(self, arguments: tuple[str, ...]) -> list[str]:
        """Name files by their place in the folder."""
        return [str(self.folder / told) if told in FILES else told for told in arguments]

    def load(self, *events: Json) -> None:
        """Import events."""
        file = self.folder / "events.ndjson"
        file.write_bytes(ndjson(list(events)))
        self.run("import", str(file))

    @contextmanager
    def started(self, *arguments: str, **more: Any) -> Iterator[subprocess.Popen[str]]:  # noqa: ANN401
        """Start a command, and leave none behind."""
        told = environment(self.folder, REBATE_DATABASE_URL=self.dsn)
        process = subprocess.Popen(
            command(*self.within(arguments)),
            env=told,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            **more,
        )
        try:
            yield process
        finally:
            process.kill()
            process.communicate()


@pytest.fixture
def office(folder: Path, dsn: str) -> Office:
    """Return an office with a database of its own."""
    return Office(folder, dsn)


def plain(printed: str) -> str:
    """Return a text with each gap within a line as one space, however a table is laid out."""
    return "\n".join(re.sub(r" +", " ", line).strip() for line in printed.splitlines())


@pytest.fixture
async def sql(dsn: str) -> AsyncIterator["asyncpg.Connection[asyncpg.Record]"]:
    """Return a connection beside the command."""
    connection = await asyncpg.connect(dsn)
    yield connection
    await connection.close()


Sql = asyncpg.Connection


async def due_dates(sql: "Sql[asyncpg.Record]") -> dict[str, str]:
    """Return every due date by case."""
    rows = await sql.fetch("SELECT case_id, due_date FROM rebate_case WHERE due_date IS NOT NULL")
    return {row["case_id"]: f"{row['due_date']}" for row in rows}


async def verdicts(sql: "Sql[asyncpg.Record]") -> dict[str, str]:
    """Return the verdicts of ended cases."""
    rows = await sql.fetch(
        "SELECT case_id, settled_verdict FROM rebate_case WHERE stopped_on > '2000-01-01'"
    )
    return {row["case_id"]: row["settled_verdict"] for row in rows}


LABOUR_DAY = [
    accepted("2019-04-26T09:00:00", subject="open-before"),
    accepted("2019-04-29T09:00:00", subject="open-after", category="III"),
    accepted("2019-04-25T09:00:00", subject="made-late"),
    event("voucher_issued", "2019-04-30T15:00:00", subject="made-late"),
    accepted("2019-04-29T09:00:00", subject="no-longer-late"),
    event("voucher_issued", "2019-05-06T15:00:00", subject="no-longer-late"),
    accepted("2019-06-03T09:00:00", subject="in-june"),
    event("voucher_issued", "2019-06-05T15:00:00", subject="in-june"),
]
LABOUR_DAY_MOVES = """
* 2019-04-28 Sun 周日 weekend 周末 make-up 调休上班 劳动节 - → 1
* 2019-05-02 Thu 周四 workday 工作日 day off 放假 劳动节 - → 1
* 2019-05-03 Fri 周五 workday 工作日 day off 放假 劳动节 - → 1
2019-05-04 Sat 周六 weekend 周末 day off 放假 劳动节 - → 1
* 2019-05-05 Sun 周日 weekend 周末 make-up 调休上班 劳动节 - → 1
* moves clocks 影响计时
notice 通知 1: 国办发明电〔2019〕3号
notice 通知 2: 国办发明电〔2018〕15号
"""


async def test_labour_day_2019_is_replayed(office: Office, sql: "Sql[asyncpg.Record]") -> None:
    """First one day off, then four: shown before anything is written, and then it is so."""
    office.run("policy", "apply", "trial.toml", "--yes")
    office.run("calendar", "import", "2019-first.json", "--force", "--yes")
    office.load(*LABOUR_DAY)
    first = await due_dates(sql), await verdicts(sql)
    dry = office.run("calendar", "import", "2019-amended.json", "--dry-run")
    after_dry = await due_dates(sql), await verdicts(sql)
    told = office.run("calendar", "import", "2019-amended.json", "--yes", "--by", "王小明")
    amended = await due_dates(sql), await verdicts(sql)

    assert first == after_dry
    assert ("2019-05-02", "2019-04-30") == (first[0]["open-before"], amended[0]["open-before"])
    assert ("2019-05-06", "2019-05-07") == (first[0]["open-after"], amended[0]["open-after"])
    assert ("met", "missed") == (first[1]["made-late"], amended[1]["made-late"])
    assert ("missed", "met") == (first[1]["no-longer-late"], amended[1]["no-longer-late"])
    assert (first[0]["in-june"], first[1]["in-june"]) == (
        amended[0]["in-june"],
        amended[1]["in-june"],
    )
    assert LABOUR_DAY_MOVES in told
    moved = sum(first[0][case_id] != amended[0][case_id] for case_id in first[0])
    assert f"{moved} due dates moved 到期日变动\n1 would become late" in dry
    assert "1 would no longer be late" in dry
    assert "2019-04 category_1_2 一二类 1 3.0000 4.0000" in dry
    assert "2019-05 all 全部 1 4.0000 3.0000" in dry
    assert dry.endswith("nothing was written")
    assert "published: version 4 of the rules, by 王小明" in told
    assert f"{moved} due dates moved, 1 became late, 1 are no longer late" in told


SPRING_FESTIVAL = [
    accepted("2020-01-22T09:00:00", subject="open"),
    accepted("2020-01-22T09:00:00", subject="no-longer-late", category="III"),
    event("voucher_issued", "2020-02-05T15:00:00", subject="no-longer-late"),
]


async def test_spring_festival_2020_is_replayed(office: Office, sql: "Sql[asyncpg.Record]") -> None:
    """Three more days off, one of them worked until then; a closed month stays as reported."""
    office.run("policy", "apply", "trial.toml", "--yes")
    office.run("calendar", "import", "2020-first.json", "--yes")
    office.load(*SPRING_FESTIVAL)
    office.run("recompute")
    office.run("month", "close", "2020-02")
    first = await due_dates(sql)
    told = office.run("calendar", "import", "2020-amended.json", "--yes")
    amended = await due_dates(sql)
    shown = office.run("month", "show", "2020-02", "--lang", "en")
    year = office.run("calendar", "show", "2020")

    assert ("2020-02-01", "2020-02-04") == (first["open"], amended["open"])
    assert "* 2020-01-31 Fri 周五 workday 工作日 day off 放假 春节 - → 1" in told
    assert "* 2020-02-01 Sat 周六 make-up 调休上班 day off 放假 春节 2 → 1" in told
    assert "2020: 3 days differ, 2 of them move clocks; workdays 全年工作日 251 → 249" in told
    assert "2020-02 closed 已关账 all 全部 1 6.0000 4.0000" in told
    assert "as a correction: `rebate-monitor month show 2020-02`" in told
    assert "counted, 6 workdays" in shown
    assert "counted, 4 workdays" in shown
    assert "春节 01-24 to 02-02, 10 days 01-19 Sun 周日" in year
    assert re.search(r"^3 4 \S+ \S+ calendar import, by 01-31 off 休息$", year, re.MULTILINE)


async def test_a_kill_in_mid_recompute_is_made_good(
    office: Office, sql: "Sql[asyncpg.Record]"
) -> None:
    """SIGKILL between two pages: what is done stays done, and `recompute` does the rest."""
    cases = 2 * BY_EVENTS + 50
    office.load(*(accepted("2026-11-20T09:00:00", subject=f"case-{n:04}") for n in range(cases)))
    office.run("recompute")
    (office.folder / "trial.toml").write_text(STOPS_EARLIER, "utf-8")
    async with held_case(sql, f"case-{cases - 1:04}"):
        with office.started("policy", "apply", "trial.toml", "--yes") as process:
            done = await some_done(sql)
            process.kill()
    status = office.run("recompute", "--status")
    by_old_rules = await sql.fetchval(BY_OLD_RULES)
    resumed = office.run("recompute")
    deep = office.run("doctor", "--deep")

    assert 0 < done < cases
    assert f" under_way {cases} {done} " in status
    assert by_old_rules == cases - done
    assert f"{cases} cases were looked at, {cases} come out otherwise" in resumed
    assert 0 == await sql.fetchval(BY_OLD_RULES)
    assert "nothing is wrong" in deep


STOPS_EARLIER = """
[[policy]]
id = "hunan-2025"
title = "湖南省2025年办理时限"
effective_from = 2025-01-01
stop_at = "approved"
limits = { default = 5 }
"""
BY_OLD_RULES = "SELECT count(*) FROM rebate_case WHERE limit_workdays <> 5"


@asynccontextmanager
async def held_case(sql: "Sql[asyncpg.Record]", case_id: str) -> AsyncIterator[None]:
    """Hold a case, so that a recompute stands still before it."""
    async with sql.transaction():
        await sql.execute("SELECT FROM rebate_case WHERE case_id = $1 FOR UPDATE", case_id)
        yield


async def some_done(sql: "Sql[asyncpg.Record]") -> int:
    """Wait until a recompute has got somewhere, and stands still; return how far it is."""
    before = 0
    for _ in range(WAIT_SECONDS):
        await asyncio.sleep(1)
        done = await sql.fetchval("SELECT done FROM recompute WHERE finished_at IS NULL") or 0
        if 0 < done == before:
            return before
        before = done
    raise AssertionError("no recompute got anywhere")


async def test_ctrl_c_says_how_it_goes_on(office: Office, sql: "Sql[asyncpg.Record]") -> None:
    """Interrupted while it follows: one line, no traceback, and the change stands."""
    cases = BY_EVENTS + 1
    office.load(*(accepted("2026-11-20T09:00:00", subject=f"case-{n:04}") for n in range(cases)))
    office.run("recompute")
    (office.folder / "trial.toml").write_text(STOPS_EARLIER, "utf-8")
    async with held_case(sql, f"case-{cases - 1:04}"):
        with office.started("policy", "apply", "trial.toml", "--yes") as process:
            await some_done(sql)
            process.send_signal(signal.SIGINT)
            printed, _ = await asyncio.to_thread(process.communicate, timeout=WAIT_SECONDS)
    resumed = office.run("recompute")

    assert "Traceback" not in printed
    assert 130 == process.returncode, printed
    assert "interrupted; what is published stands, and nothing is lost" in printed
    assert "`rebate-monitor recompute --status` shows how far it is" in printed
    assert f"{cases} cases were looked at" in resumed


ALL_DONE = "SELECT count(*) = 0 FROM recompute WHERE finished_at IS NULL AND superseded_by IS NULL"


@contextmanager
def at_terminal(office: Office, *arguments: str) -> Iterator[tuple[subprocess.Popen[str], int]]:
    """Start a command whose standard input is a terminal; yield it and where to type."""
    typed, terminal = pty.openpty()
    try:
        with office.started(*arguments, stdin=terminal) as process:
            yield process, typed
    finally:
        os.close(typed)
        os.close(terminal)


def read_until_asked(process: subprocess.Popen[str]) -> str:
    """Read what is printed up to the question; the test fails at the end of the output."""
    assert process.stdout is not None
    printed = ""
    while not printed.endswith(ASKED):
        letter = process.stdout.read(1)
        assert letter, printed
        printed += letter
    return printed


def answer(process: subprocess.Popen[str], typed: int, said: bytes) -> str:
    """Answer the question and read the rest."""
    os.write(typed, said)
    printed, _ = process.communicate(timeout=WAIT_SECONDS)
    return printed


@pytest.mark.parametrize(("said", "code"), [(b"\n", 1), (b"n\n", 1), (b"y\n", 0)])
async def test_a_terminal_is_asked(
    office: Office, sql: "Sql[asyncpg.Record]", said: bytes, code: int
) -> None:
    """Nothing is written before somebody says yes, and nothing at all if nobody does."""
    with at_terminal(office, "calendar", "import", "2020-first.json") as (process, typed):
        shown = read_until_asked(process)
        before = await sql.fetchval("SELECT count(*) FROM rulebook_version")
        rest = answer(process, typed, said)
    published = await sql.fetchval("SELECT count(*) FROM rulebook_version") - before

    assert "2020-02-01 Sat" in shown
    assert (code, code == 0) == (process.returncode, published == 1)
    assert ("nothing was written" in rest) == (code == 1)


async def test_what_was_not_shown_is_not_published(office: Office) -> None:
    """Others publish while somebody thinks: it is shown and asked once more, on top of theirs."""
    with at_terminal(office, "calendar", "import", "2020-first.json") as (process, typed):
        read_until_asked(process)
        office.run("calendar", "import", "2019-first.json", "--force", "--yes", "--by", "李华")
        os.write(typed, b"y\n")
        again = read_until_asked(process)
        rest = answer(process, typed, b"y\n")
    years = [office.run("calendar", "show", year) for year in ("2019", "2020")]

    assert "the rules were changed meanwhile by somebody else; once more:" in again
    assert "2020-02-01 Sat" in again
    assert "published: version 3 of the rules" in rest
    assert "劳动节 05-01" in years[0]
    assert "春节 01-24 to 01-30, 7 days" in years[1]


async def test_beside_a_service(folder: Path, office: Office, sql: "Sql[asyncpg.Record]") -> None:
    """With --no-wait the service lays the cases down; else the command and it share the work."""
    office.run("policy", "apply", "trial.toml", "--yes")
    office.load(*SPRING_FESTIVAL)
    office.run("recompute")
    with serving(folder, REBATE_DATABASE_URL=office.dsn):
        told = office.run("calendar", "import", "2020-first.json", "--yes", "--no-wait")
        for _ in range(WAIT_SECONDS):
            if await sql.fetchval(ALL_DONE):
                break
            await asyncio.sleep(1)
        first = await due_dates(sql)
        followed = office.run("calendar", "import", "2020-amended.json", "--yes")
        amended = await due_dates(sql)

    assert "the service lays the cases down anew" in told
    assert ("2020-02-01", "2020-02-04") == (first["open"], amended["open"])
    assert "2 cases were looked at, 2 come out otherwise" in followed


def test_a_new_user_needs_no_database(folder: Path) -> None:
    """In an empty folder everything works at once, and what came first is kept as the first."""
    (folder / "events.ndjson").write_bytes(ndjson(LABOUR_DAY))
    call(folder, "import", str(folder / "events.ndjson"))
    begun = call(folder, "recompute", "--status").stdout
    told = call(folder, "calendar", "import", str(folder / "2020-first.json"), "--yes")
    year = plain(call(folder, "calendar", "show", "2020").stdout)
    policies = plain(call(folder, "policy", "show").stdout)

    assert 0 == told.returncode, told.stderr
    assert "no stored case is touched" in told.stdout
    assert "under_way" not in begun
    assert "1 1 the beginning the package" in year
    assert "2020 工作日历: version 2 of 2" in year
    assert "from 来源 the package" in policies
    assert "ended 已到期 2024-12-31, later cases are judged by it" in policies
