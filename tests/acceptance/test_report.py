"""`rebate-monitor report` as a bureau runs it, in each format."""

import csv
import io
import shutil
import subprocess
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

import openpyxl
import pytest

from rebate_monitor.domain.local_time import SHANGHAI
from server_folder import new_folder
from service_process import call, command, end_processes_of, environment

CONFIG = """
[[city]]
code = "430200"
name_zh = "=1+1"
name_en = "<b>Zhuzhou</b>"
"""


def today() -> datetime:
    return datetime.now(SHANGHAI)


def last_month() -> str:
    return f"{today().replace(day=1) - timedelta(days=1):%Y-%m}"


def report(folder: Path, *arguments: str) -> subprocess.CompletedProcess[bytes]:
    """Run the command within the folder, whose configuration names cities badly."""
    return subprocess.run(
        command("report", *arguments),
        env=environment(folder, REBATE_CONFIG=str(folder / "config.toml")),
        cwd=folder,
        capture_output=True,
        timeout=120,
        check=False,
    )


@pytest.fixture(scope="module")
def office() -> Iterator[Path]:
    """Return the folder of an office with two months of made-up cases."""
    folder = new_folder()
    (folder / "config.toml").write_text(CONFIG, "utf-8")
    events = str(folder / "events.ndjson")
    made = call(folder, "simulate", "--cases-per-month", "300", "--out", events)
    imported = call(folder, "import", events)
    yield folder
    end_processes_of(folder)
    shutil.rmtree(folder, ignore_errors=True)
    assert (0, 0) == (made.returncode, imported.returncode), made.stderr + imported.stderr


def test_a_month_in_every_format(office: Path) -> None:
    """The same month as page, workbook and table, by the default names and to standard output."""
    month = last_month()
    page = report(office, "--month", month)
    book = report(office, "--month", month, "--lang", "en", "--format", "xlsx", "--internal")
    table = report(office, "--month", month, "--format", "csv", "--out", "-")
    piped = report(office, "--month", month, "--format", "xlsx", "--out", "-")

    html = (office / f"rebate-report-{month}-zh.html").read_text("utf-8")
    sheets = openpyxl.load_workbook(office / f"rebate-report-{month}-en-internal.xlsx")
    through_a_pipe = openpyxl.load_workbook(io.BytesIO(piped.stdout))
    rows = list(csv.DictReader(io.StringIO(table.stdout.decode("utf-8-sig"))))
    n = next(row["value"] for row in rows if row["section"] == "means" and row["figure"] == "n")

    assert (0, 0, 0) == (page.returncode, book.returncode, table.returncode)
    assert f"{month}: {len(html.encode()):,} bytes written to " in page.stderr.decode()
    assert f"停表的正常退税{int(n):,}件" in html
    assert int(n) == sheets["Means against targets"]["B4"].value
    assert len(sheets.sheetnames) >= len(through_a_pipe.sheetnames) > 1
    assert "<b>Zhuzhou</b>" in [cell.value for cell in sheets["Ranking of cities"]["A"]]
    assert {"'=1+1"} == {
        r["name"] for r in rows if (r["section"], r["group"]) == ("cities", "430200")
    }
    assert "内部资料" not in html
    assert b"" == page.stdout


def test_a_month_that_goes_on_says_so(office: Path) -> None:
    """This month can be told, with a warning in the report itself; an old file is replaced."""
    file = office / "report.html"
    file.write_text("the old one", "utf-8")
    done = report(office, "--month", f"{today():%Y-%m}", "--lang", "en", "--out", "report.html")

    assert 0 == done.returncode, done.stderr
    assert "The month has not ended" in file.read_text("utf-8")
    assert [] == list(office.glob(".report.html*"))
