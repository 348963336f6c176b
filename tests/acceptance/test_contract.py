"""Schemathesis over the service's own OpenAPI document: what it says is what it does.

`EXAMPLES=500 make fuzz` looks longer; what it printed is in docs/reliability.md.
"""

import os
import subprocess
import sys
from pathlib import Path

from conftest import ADMIN_KEY
from service_process import call, serving

CONTRACT = Path(__file__).parent / "contract"
EXAMPLES = os.environ.get("EXAMPLES", "10")
SEED = os.environ.get("SEED", "1")


def test_the_service_keeps_its_contract(folder: Path) -> None:
    """No 500, no answer that the document does not know, nothing wrong that is taken."""
    call(folder, "simulate", "--out", str(folder / "events.ndjson"), "--days", "20")
    call(folder, "import", str(folder / "events.ndjson"))
    with serving(folder, program=[str(CONTRACT / "serve.py")], REBATE_LOG_LEVEL="error") as service:
        done = subprocess.run(
            [
                *(sys.executable, "-m", "schemathesis.cli"),
                *("--config-file", str(CONTRACT / "schemathesis.toml")),
                *("run", f"{service.url}/openapi.json"),
                *("--header", f"Authorization: Bearer {ADMIN_KEY}", "--checks", "all"),
                *("--max-examples", EXAMPLES, "--seed", SEED, "--no-color"),
            ],
            cwd=folder,
            capture_output=True,
            text=True,
            check=False,
        )
        sys.stdout.write(done.stdout[-3000:])

    assert 0 == done.returncode, done.stdout + done.stderr
