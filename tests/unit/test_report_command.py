"""What `rebate-monitor report` refuses, before it asks a database for anything."""

from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from rebate_monitor.cli import session
from rebate_monitor.cli.report import report, write

OCTOBER = ("--month", "2025-10")
REFUSED = [
    (("--month", "2099-01"), "2099-01 has not begun"),
    (("--month", "1999-12"), "the calendar begins in 2000"),
    (("--month", "2026-13"), "must be a month such as 2026-10"),
    (("--month", "202610"), "must be a month such as 2026-10"),
    ((), "Missing option '--month'"),
    ((*OCTOBER, "--format", "pdf"), "is not one of"),
    ((*OCTOBER, "--lang", "fr"), "is not one of"),
    ((*OCTOBER, "--min-cases", "0"), "is not in the range"),
    ((*OCTOBER, "--out", "nowhere/report.html"), "nowhere/report.html cannot be a file"),
    ((*OCTOBER, "--out", "."), ". cannot be a file"),
]


@pytest.mark.parametrize(("arguments", "said"), REFUSED)
def test_what_is_wrong_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...], said: str
) -> None:
    """A wrong month, format or target is refused in one line that names the option."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delattr(session, "told_settings")
    done = CliRunner().invoke(report, arguments)

    assert (2, "") == (done.exit_code, done.stdout)
    assert said in done.stderr
    assert [] == list(tmp_path.iterdir())


def test_a_file_is_replaced_as_a_whole_or_not_at_all(tmp_path: Path) -> None:
    """An older report stays where the new one cannot be written, and nothing is left beside it."""
    target = tmp_path / "report.html"
    write(target, b"old")
    write(target, b"new")
    too_long = tmp_path / ("x" * 300)

    with pytest.raises(click.ClickException, match="cannot be written: File name too long"):
        write(too_long, b"never")

    assert b"new" == target.read_bytes()
    assert [target] == list(tmp_path.iterdir())
