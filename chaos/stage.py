"""Two services on one PostgreSQL, with a wire between them that can be slow, silent or cut."""

import asyncio
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

import asyncpg
import psutil

from chaos.link import Link, linked
from rebate_monitor.embedded_postgres import EmbeddedPostgres
from soak.delivery import Scale
from soak.month import Scene, scene_on

DISK_MEGABYTES = 400
LATER = timedelta(days=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """What a fault can get at."""

    scene: Scene
    postgres: EmbeddedPostgres
    folder: Path
    link: Link
    found: list[str] = field(default_factory=list)
    """What a fault has seen itself that should not be."""

    @property
    def filler(self) -> Path:
        """A file beside PostgreSQL's own, on the same small disk."""
        return self.folder / "filler"

    def postmaster(self) -> psutil.Process:
        """Return PostgreSQL's first process."""
        number = (self.folder / "pgdata" / "postmaster.pid").read_text("utf-8").split()[0]
        return psutil.Process(int(number))

    def revive(self) -> None:
        """Start PostgreSQL where it has ended; where it goes on, this changes nothing."""
        self.postgres.start()


@asynccontextmanager
async def staged(scale: Scale) -> AsyncIterator[Stage]:
    """Set everything up with the clock behind the last event, and take it down again."""
    with tempfile.TemporaryDirectory(prefix="rebate-chaos-") as told:
        os.chmod(told, 0o755)  # noqa: PTH101, S103 - as root, PostgreSQL is another user
        folder = Path(told)
        with _small_disk(folder / "disk") as disk:
            postgres = EmbeddedPostgres(disk)
            try:
                dsn = await asyncio.to_thread(postgres.start)
                await _keep_little_log(dsn)
                socket = re.findall(r"host=([^&]+)", dsn)[0].replace("%2F", "/")
                async with linked(Path(socket) / ".s.PGSQL.5432") as link:
                    by_link = f"postgresql://rebate@127.0.0.1:{link.port}/rebate"
                    async with scene_on(by_link, folder, scale) as scene:
                        scene.clock.set(scale.end + LATER)
                        yield Stage(scene=scene, postgres=postgres, folder=disk, link=link)
            finally:
                await asyncio.to_thread(postgres.stop)


async def _keep_little_log(dsn: str) -> None:
    """Let PostgreSQL keep no more of its log than a small disk can hold."""
    connection = await asyncpg.connect(dsn)
    await connection.execute("ALTER SYSTEM SET max_wal_size = '64MB'")
    await connection.execute("SELECT pg_reload_conf()")
    await connection.close()


@contextmanager
def _small_disk(folder: Path) -> Iterator[Path]:
    """Lend a folder on a disk of its own, which can be full; without root on the common one."""
    folder.mkdir()
    mount = shutil.which("mount")
    if os.geteuid() != 0 or mount is None:
        yield folder
        return
    told = [mount, "-t", "tmpfs", "-o", f"size={DISK_MEGABYTES}m", "tmpfs", str(folder)]
    is_mounted = subprocess.run(told, check=False, capture_output=True).returncode == 0
    try:
        yield folder
    finally:
        if is_mounted:
            subprocess.run(["umount", "--lazy", str(folder)], check=True)  # noqa: S607 - as mount


def has_small_disk(folder: Path) -> bool:
    """Say whether a folder is on a disk of its own."""
    return os.path.ismount(folder)
