"""The documents are tested: what is not named in README fails the build."""

import re
from pathlib import Path

import pytest

from rebate_monitor.cli.main import main
from rebate_monitor.domain.case import Anomaly
from rebate_monitor.settings import FILE_SUFFIX, VARIABLES

ROOT = Path(__file__).parent.parent.parent
README = (ROOT / "README.md").read_text("utf-8")
DOCUMENTS = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


def test_readme_names_every_setting() -> None:
    """Every REBATE_ variable stands in README, and README names no other."""
    plain = {variable for variable in VARIABLES if not variable.endswith(FILE_SUFFIX)}
    named = set(re.findall(r"REBATE_[A-Z_]+", README)) - {"REBATE_"}

    assert set() == plain - named
    assert set() == {name.removesuffix("_FILE") for name in named} - plain


def test_readme_names_every_command() -> None:
    """Every command of `rebate-monitor` is shown somewhere in the documents."""
    text = "".join(document.read_text("utf-8") for document in DOCUMENTS)
    commands = [name for name in main.commands if name != "demo"]

    assert [name for name in commands if f"rebate-monitor {name}" not in text] == []


def test_readme_names_every_anomaly() -> None:
    """Every anomaly that a case can list is explained."""
    assert [anomaly for anomaly in Anomaly if f"`{anomaly}`" not in README] == []


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda document: document.name)
def test_links_lead_somewhere(document: Path) -> None:
    """Every relative link of a document names a file that exists."""
    targets = re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", document.read_text("utf-8"))

    assert [target for target in targets if not (document.parent / target).exists()] == []
