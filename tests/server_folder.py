"""A folder that a test's own PostgreSQL can live in."""

import os
import shutil
import tempfile
from pathlib import Path


def new_folder() -> Path:
    """Make a folder that PostgreSQL's user can reach, which pytest's own is not for root.

    In memory if there is room: half a second of initdb is waiting for the disk.
    """
    memory = Path("/dev/shm")  # noqa: S108 - a private folder is made in it
    usable = (
        memory.exists()
        and shutil.disk_usage(memory).free > 2**30
        and not os.statvfs(memory).f_flag & os.ST_NOEXEC
    )
    made = Path(tempfile.mkdtemp(prefix="rebate-test-", dir=memory if usable else None))
    made.chmod(0o755)
    return made
