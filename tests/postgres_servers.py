"""Real PostgreSQL servers that listen on TCP: one, or two of which one is the other's standby."""

import os
import pwd
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from server_folder import new_folder

USER, DATABASE = "rebate", "rebate_monitor"
WAIT_SECONDS = 60
CONFIGURATION = """
listen_addresses = '127.0.0.1'
unix_socket_directories = ''
wal_level = replica
hot_standby = on
"""


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def account() -> dict[str, Any]:
    """Return as whom to run: PostgreSQL refuses root."""
    return {"user": "postgres", "group": "postgres"} if os.geteuid() == 0 else {}


@dataclass
class Server:
    """One server with its folder."""

    bin_dir: Path
    folder: Path
    port: int
    process: subprocess.Popen[bytes] | None = None

    @property
    def address(self) -> str:
        """Where it listens."""
        return f"127.0.0.1:{self.port}"

    @property
    def dsn(self) -> str:
        """How it is reached."""
        return f"postgresql://{USER}@{self.address}/{DATABASE}"

    def run(self, program: str, *arguments: str) -> None:
        """Run one of PostgreSQL's programs to its end."""
        done = subprocess.run(
            [self.bin_dir / program, *arguments],
            capture_output=True,
            text=True,
            check=False,
            cwd="/",
            **account(),
        )
        assert done.returncode == 0, done.stderr

    def initialise(self) -> None:
        """Make an empty cluster."""
        told = ("--auth=trust", f"--username={USER}", "--encoding=UTF8", "--locale=C.UTF-8")
        self.run("initdb", *told, "-D", str(self.folder))
        with (self.folder / "postgresql.conf").open("a") as file:
            file.write(CONFIGURATION)

    def copy_of(self, other: "Server") -> None:
        """Become a standby of another server."""
        source = f"host=127.0.0.1 port={other.port} user={USER} application_name=standby"
        told = ("--checkpoint=fast", "--write-recovery-conf", "-D", str(self.folder), "-d", source)
        self.run("pg_basebackup", *told)

    def start(self) -> None:
        """Start it and wait until it answers."""
        with (self.folder / "server.log").open("ab") as log:
            self.process = subprocess.Popen(
                [self.bin_dir / "postgres", "-D", self.folder, "-p", str(self.port)],
                stdout=log,
                stderr=log,
                cwd="/",
                start_new_session=True,
                **account(),
            )
        deadline = time.monotonic() + WAIT_SECONDS
        while time.monotonic() < deadline:
            told = ["-q", "-h", "127.0.0.1", "-p", str(self.port), "-d", "postgres", "-U", USER]
            if subprocess.run([self.bin_dir / "pg_isready", *told], check=False).returncode == 0:
                return
            time.sleep(0.1)
        raise AssertionError((self.folder / "server.log").read_text())

    def kill(self) -> None:
        """End all of its processes at once, as a machine that loses its power."""
        if self.process is not None:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
            self.process = None

    def execute(self, query: str, database: str = "postgres") -> None:
        """Run one statement."""
        told = ("-h", "127.0.0.1", "-p", str(self.port), "-U", USER, "-d", database, "-qc", query)
        self.run("psql", *told)


@dataclass
class Pair:
    """A primary and its standby; what is committed on the one is durable on the other."""

    primary: Server
    standby: Server

    @property
    def dsn(self) -> str:
        """Return the address of both; whichever takes writes is meant."""
        both = f"{self.primary.address},{self.standby.address}"
        return f"postgresql://{USER}@{both}/{DATABASE}?target_session_attrs=read-write"

    def promote(self) -> None:
        """Let the standby take over; from then on it waits for nobody."""
        self.standby.execute("ALTER SYSTEM RESET synchronous_standby_names")
        self.standby.run("pg_ctl", "promote", "-D", str(self.standby.folder))


@contextmanager
def open_folder() -> Iterator[Path]:
    """Lend a folder that the servers' account owns."""
    folder = new_folder()
    if os.geteuid() == 0:
        owner = pwd.getpwnam("postgres")
        os.chown(folder, owner.pw_uid, owner.pw_gid)
    try:
        yield folder
    finally:
        shutil.rmtree(folder)


@contextmanager
def postgres_server(bin_dir: Path, folder: Path) -> Iterator[Server]:
    """Lend one server with an empty database."""
    server = Server(bin_dir, folder / "one", free_port())
    try:
        server.initialise()
        server.start()
        server.execute(f"CREATE DATABASE {DATABASE}")
        yield server
    finally:
        server.kill()


@contextmanager
def postgres_pair(bin_dir: Path) -> Iterator[Pair]:
    """Lend both servers, with replication under way."""
    with open_folder() as folder, postgres_server(bin_dir, folder) as primary:
        standby = Server(bin_dir, folder / "two", free_port())
        try:
            standby.copy_of(primary)
            standby.start()
            primary.execute("ALTER SYSTEM SET synchronous_standby_names = 'standby'")
            primary.execute("SELECT pg_reload_conf()")
            yield Pair(primary, standby)
        finally:
            standby.kill()
