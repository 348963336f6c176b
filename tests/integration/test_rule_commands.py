"""`rebate-monitor calendar` and `rebate-monitor policy`: what they print, refuse and write."""

import asyncio
import re
from dataclasses import replace
from datetime import date, datetime
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from amended_years import (
    labour_day_2019_amended,
    labour_day_2019_first,
    spring_festival_2020_first,
)
from cloud_events import accepted, event, ndjson
from conftest import execute
from domain_builders import day
from notice_files import TRIAL, csv_notices, notice_file
from rebate_monitor.calendar_sources import published_notices
from rebate_monitor.cli.calendar_checks import Horizon
from rebate_monitor.cli.doctor import Level
from rebate_monitor.cli.main import main
from rebate_monitor.domain.local_time import SHANGHAI
from rebate_monitor.domain.work_calendar import SATURDAY, DayKind, SpecialDay, YearNotice
from rebate_monitor.policy_file import parse_policies
from rebate_monitor.storage.database import Database
from rebate_monitor.storage.rulebooks import Version, latest_version

HUNAN = "hunan-2023-46"
LEGAL = """
[[policy]]
id = "legal-limits"
title = "法定时限"
effective_from = 2025-01-01
limits = { I = 5, II = 10, III = 15, default = 20 }
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the folder in which commands run."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


async def run(dsn: str, *arguments: str, stdin: bytes | None = None) -> Result:
    """Run the command on the test's database; it goes by the real clock."""
    environment = {"REBATE_DATABASE_URL": dsn, "COLUMNS": "80", "REBATE_CONFIG": None}
    return await asyncio.to_thread(
        CliRunner().invoke, main, arguments, env=environment, input=stdin
    )


async def printed(dsn: str, *arguments: str) -> str:
    """Run a command that must succeed; return what it printed, each gap as one space."""
    done = await run(dsn, *arguments)
    assert done.exit_code == 0, done.output
    return plain(done.output)


def plain(text: str) -> str:
    return "\n".join(re.sub(r" +", " ", line).strip() for line in text.splitlines())


async def in_force(database: Database) -> tuple[int, Version]:
    """Return the version in force."""
    async with database.connection() as connection:
        latest = await latest_version(connection)
    assert latest is not None
    return latest


def this_year() -> int:
    return datetime.now(SHANGHAI).year


def ordinary(year: int) -> YearNotice:
    """Return a made-up notice with as many workdays as a year has."""
    every = [date(year, month, n) for n in range(1, 29) for month in (1, 4, 5, 10)]
    days = [on for on in every if on.weekday() < SATURDAY][:12]
    off = {d: SpecialDay(kind=DayKind.DAY_OFF, name="国庆节") for d in days}
    return YearNotice(year=year, days=off, notice="made up")


async def test_a_year_that_was_estimated_becomes_published(
    dsn: str, folder: Path, database: Database
) -> None:
    """Plain days of it are not listed; only what moves, and the days that the notice names."""
    year = this_year() + 5
    (folder / "next.json").write_bytes(notice_file(ordinary(year)))
    told = await printed(dsn, "calendar", "import", "next.json", "--yes")
    shown = await printed(dsn, "calendar", "show", str(year))
    _, version = await in_force(database)
    given_up = await printed(dsn, "calendar", "withdraw", str(year), "--dry-run")

    assert f"{year}: an estimate 估算 until now, published 已公布 from now on" in told
    assert 12 <= len(re.findall(rf"^\*? ?{year}-", told, re.MULTILINE)) < 60
    assert "source 来源: imported 导入 by" in shown
    assert f"{year}: published 已公布 until now, an estimate 估算 from now on" in given_up
    assert f"{year}: no longer as imported; it is an estimate again" in given_up
    assert {year} == version.imported_years


async def test_a_long_difference_is_cut(dsn: str, folder: Path) -> None:
    """Sixty rows are shown, and how many more there are."""
    years = [ordinary(year) for year in range(2031, 2036)]
    every = [replace(told, days={**told.days, **_sundays(told.year)}) for told in years]
    (folder / "years.csv").write_bytes(csv_notices(every, "made up"))
    told = await printed(dsn, "calendar", "import", "years.csv", "--dry-run", "--force")

    assert 60 == len(re.findall(r"^\*? ?203\d-", told, re.MULTILINE))
    assert re.search(r"^and \d+ more$", told, re.MULTILINE)


def _sundays(year: int) -> dict[date, SpecialDay]:
    worked = SpecialDay(kind=DayKind.MAKEUP_WORKDAY, name="调休")
    days = [date(year, month, n) for month in (3, 6) for n in range(1, 29)]
    return {on: worked for on in days if on.weekday() > SATURDAY}


async def test_names_alone_touch_no_case(dsn: str, folder: Path, database: Database) -> None:
    """Another paper for the same days is a version of its own, and no case is looked at."""
    before, _ = await in_force(database)
    (folder / "2026.json").write_bytes(
        notice_file(published_notices()[2026], "国办发明电〔2025〕7号")
    )
    told = await printed(dsn, "calendar", "import", "2026.json", "--yes")
    again = await printed(dsn, "calendar", "import", "2026.json", "--yes")
    after, _ = await in_force(database)

    assert "stay as they are, told by another notice" in told
    assert "no stored case is touched" == told.splitlines()[-1]
    assert "nothing differs from the rules in force: nothing was written" == again
    assert before + 1 == after


async def test_the_same_days_stand_as_imported(dsn: str, folder: Path, database: Database) -> None:
    """A year imported as the package has it is the office's own from then on."""
    notice = published_notices()[2026]
    (folder / "2026.json").write_bytes(notice_file(notice, notice.notice or ""))
    told = await printed(dsn, "calendar", "import", "2026.json", "--yes")
    _, version = await in_force(database)

    assert "no day differs from the calendar in force" in told
    assert "2026: from now on as imported, whatever a later package says" in told
    assert {2026} == version.imported_years


async def test_standard_input_and_a_withdrawal(dsn: str, database: Database) -> None:
    """A notice may come through a pipe; given up, the package speaks for its year again."""
    notice = notice_file(labour_day_2019_first())
    piped = await run(dsn, "calendar", "import", "-", "--force", "--yes", stdin=notice)
    imported = (await in_force(database))[1]
    told = await printed(dsn, "calendar", "withdraw", "2019", "--yes", "--by", "李华")
    _, given_up = await in_force(database)
    again = await run(dsn, "calendar", "withdraw", "2019", "--yes")
    shown = await printed(dsn, "calendar", "show", "2019")
    older = await printed(dsn, "calendar", "show", "2019", "--version", "2")

    assert 0 == piped.exit_code, piped.output
    assert {2019} == imported.imported_years
    assert DayKind.WORKDAY is imported.rulebook.calendar.kind(day("2019-05-02"))
    assert "* 2019-05-02 Thu 周四 workday 工作日 day off 放假 劳动节" in told
    assert "2019: no longer as imported; the package speaks for it again" in told
    assert frozenset() == given_up.imported_years
    assert DayKind.DAY_OFF is given_up.rulebook.calendar.kind(day("2019-05-02"))
    assert "2019 was not imported; imported years: none" in again.output
    assert "source 来源: the package chinesecalendar" in shown
    assert "withdrawn, by" in shown
    assert "2019 工作日历: version 2 of 3" in older
    assert re.search(r"^劳动节 05-01$", older, re.MULTILINE)


async def test_a_year_at_a_glance(dsn: str) -> None:
    """Holidays in order with their make-up days, workdays by month, and each day if asked."""
    told = await printed(dsn, "calendar", "show", "2026")
    days = await printed(dsn, "calendar", "show", "2026", "--days")
    december = await printed(dsn, "calendar", "show", "2022")

    assert "notice 通知: 国务院办公厅关于2026年部分节假日安排的通知" in told
    assert "中秋节 09-25 to 09-27, 3 days\n国庆节 10-01 to 10-07, 7 days 09-20 Sun 周日" in told
    assert "21 16 22 21 19 21 23 21 22 18 21 23 248" in told
    assert "2026-01-04 Sun 周日 make-up 调休上班 元旦 1\n" in days
    assert 365 == len(re.findall(r"^2026-\d\d-\d\d ", days, re.MULTILINE))
    assert "元旦 12-31" in december


async def test_every_source_is_compared(dsn: str, folder: Path) -> None:
    """What was imported and the package differ: the days are told, a second source says so, too."""
    (folder / "2019.json").write_bytes(notice_file(labour_day_2019_first()))
    years = [ordinary(year) for year in (this_year(), this_year() + 1)]
    (folder / "years.csv").write_bytes(csv_notices(years, "made up"))
    await printed(dsn, "calendar", "import", "2019.json", "--force", "--yes", "--by", "王小明")
    await printed(dsn, "calendar", "import", "years.csv", "--force", "--yes")
    told = await printed(dsn, "calendar", "check")

    assert "2019 imported 导入 by 王小明, 20" in told
    assert f"ok published 已公布 until {this_year() + 1}-12-31" in told
    assert f"ok no open case falls due after {this_year() + 1}-12-31" in told
    assert re.search(r"note 2019: 4 days are not as chinesecalendar \S+ has it", told)
    assert "* 2019-05-02 Thu 周四 day off 放假 workday 工作日 劳动节" in told
    assert "note 2019: worked, though a day off by `holidays`: 2019-05-02 Thu 周四" in told


UNTIL = date(2026, 12, 31)
HORIZONS = [
    (date(2026, 11, 30), UNTIL, {}, [Level.NOTE, Level.FINE]),
    (date(2026, 12, 1), UNTIL, {}, [Level.WRONG, Level.FINE]),
    (date(2027, 3, 1), UNTIL, {}, [Level.WRONG, Level.FINE]),
    (date(2026, 12, 31), date(2027, 12, 31), {}, [Level.FINE, Level.FINE]),
    (date(2026, 11, 30), UNTIL, {date(2027, 1, 4): 2}, [Level.NOTE, Level.WRONG]),
]


@pytest.mark.parametrize(("today", "until", "beyond", "levels"), HORIZONS)
def test_the_horizon_is_watched(
    today: date, until: date, beyond: dict[date, int], levels: list[Level]
) -> None:
    """Next year may be missing up to December, an open case beyond what is published never."""
    horizon = Horizon(today=today, published_until=until, beyond=beyond)

    assert levels == [finding.level for finding in horizon.findings()]


async def test_open_cases_beyond_the_published_days_are_counted(dsn: str, folder: Path) -> None:
    """A case that falls due on an estimated day makes the check fail, and says when it is due."""
    (folder / "slow.toml").write_text(SLOW, "utf-8")
    await printed(dsn, "policy", "apply", "slow.toml", "--yes")
    moment = f"{datetime.now(SHANGHAI):%Y-%m-%dT00:00:00}"
    (folder / "events.ndjson").write_bytes(ndjson([accepted(moment, subject="slow-case")]))
    await printed(dsn, "import", "events.ndjson")
    told = await run(dsn, "calendar", "check")

    assert 1 == told.exit_code
    assert re.search(
        r"!!! +1 open case falls due after \S+, on estimated days 估算: 1 on 20", told.output
    )


SLOW = """
[[policy]]
id = "slow"
title = "慢"
effective_from = 2025-01-01
limits = { default = 366 }
"""


async def test_a_policy_is_applied_ended_and_withdrawn(
    dsn: str, folder: Path, database: Database
) -> None:
    """Its whole life: new, ended, withdrawn, and put back from what is kept of it."""
    (folder / "legal.toml").write_text(LEGAL, "utf-8")
    applied = await printed(dsn, "policy", "apply", "legal.toml", "--yes", "--by", "李华")
    ended = await printed(dsn, "policy", "retire", "legal-limits", "--on", "2026-12-31", "--yes")
    gone = await printed(dsn, "policy", "withdraw", "legal-limits", "--yes", "--by", "王小明")
    shown = await printed(dsn, "policy", "show", "legal-limits")
    kept = await run(dsn, "policy", "show", "legal-limits", "--toml", "--version", "1")
    (folder / "kept.toml").write_text(kept.output, "utf-8")
    await printed(dsn, "policy", "apply", "kept.toml", "--yes")
    _, version = await in_force(database)

    assert 'policy "legal-limits" is new:' in applied
    assert "* limits.II 10" in applied
    assert "from 2025-01-01 on hunan-2023-46, lapsed 沿用 legal-limits\n" in applied
    assert "published: version 2 of the rules, by 李华" in applied
    assert 'policy "legal-limits": 1 field differs, 1 of them judges cases:' in ended
    assert "* effective_to - 2026-12-31" in ended
    assert "from 2027-01-01 on legal-limits legal-limits, lapsed 沿用" in ended
    assert 'policy "legal-limits" is withdrawn 撤销' in gone
    assert "withdrawn, as if" in shown
    assert "withdrawn 已撤销: legal-limits, by 王小明, 20" in shown
    assert parse_policies(LEGAL)[0] in version.rulebook.policies.policies
    assert frozenset() == version.withdrawn_policies


async def test_what_is_left_without_a_policy_is_said(dsn: str) -> None:
    """Withdrawn or ended for good: whose cases get no verdict any longer is told in plain words."""
    none = ("--after-expiry", "none", "--dry-run")
    ended = await printed(dsn, "policy", "retire", HUNAN, "--on", "2024-06-30", *none)
    gone = await printed(dsn, "policy", "withdraw", HUNAN, "--dry-run")

    assert (
        "accepted from 2024-07-01 to 2024-12-31: no policy judges these cases any longer" in ended
    )
    assert "accepted from 2023-10-26 to 2024-12-31: no policy judges these cases any" in gone
    assert "from 2025-01-01 on hunan-2023-46, lapsed 沿用 nobody 无" in gone


async def test_words_and_targets_judge_nobody(dsn: str, folder: Path) -> None:
    """Another title and target: told as such, and no case is looked at."""
    text = (await run(dsn, "policy", "show", HUNAN, "--toml")).output
    renamed = text.replace("all = 4, category_1_2 = 3", "all = 3.5, category_1_2 = 3")
    (folder / "again.toml").write_text(renamed.replace("measure 16", "16"), "utf-8")
    told = await printed(dsn, "policy", "check", "again.toml")

    assert f'policy "{HUNAN}": 2 fields differ, none of them judge cases:' in told
    assert "\ntargets.all 4 3.5" in told
    assert "who judges" not in told
    assert "dry run 试算: no stored case is touched\nnothing was written" in told


async def test_policies_are_read_back(dsn: str, folder: Path, database: Database) -> None:
    """What --toml prints says the same: no field differs, but from then on it is the office's."""
    (folder / "all.toml").write_text((await run(dsn, "policy", "show", "--toml")).output, "utf-8")
    told = await printed(dsn, "policy", "apply", "all.toml", "--yes")
    again = await printed(dsn, "policy", "apply", "all.toml", "--yes")
    _, version = await in_force(database)

    assert f'policy "{HUNAN}": no field differs; from now on it stands as applied' in told
    assert "nothing differs from the rules in force: nothing was written" == again
    assert {HUNAN} == version.applied_policies


async def test_every_policy_says_how_it_stands(dsn: str, folder: Path) -> None:
    """Where it comes from, what it does today, and what carries over: never in silence."""
    lapsed = await printed(dsn, "policy", "show")
    (folder / "legal.toml").write_text(LEGAL, "utf-8")
    (folder / "trial.toml").write_text(TRIAL.replace("2023-10-25", "2022-12-31"), "utf-8")
    await printed(dsn, "policy", "apply", "legal.toml", "--yes", "--by", "李华")
    await printed(dsn, "policy", "apply", "trial.toml", "--yes")
    told = await printed(dsn, "policy", "show")
    versions = await printed(dsn, "policy", "show", "--versions")

    assert "today 目前 ended 已到期 2024-12-31, later cases are judged by it" in lapsed
    assert "from 来源 the package\nknown since 知悉 the beginning" in lapsed
    assert "today 目前 ended 已到期 2024-12-31, followed by legal-limits" in told
    assert "today 目前 judges cases accepted today 有效" in told
    assert "(carry_over 沿用) up to 2023-10-26, when hunan-2023-46" in told
    assert "from 来源 policy apply, by 李华" in told
    assert "targets 平均目标 none" in told
    assert "versions of legal-limits:" in versions


async def test_a_configuration_that_is_not_in_force_is_told(dsn: str, folder: Path) -> None:
    """REBATE_CONFIG has another policy than the database: said, and so is a contradiction."""
    (folder / "legal.toml").write_text(LEGAL, "utf-8")
    config = {"REBATE_DATABASE_URL": dsn, "COLUMNS": "80", "REBATE_CONFIG": "legal.toml"}
    told = await asyncio.to_thread(CliRunner().invoke, main, ["policy", "show"], env=config)
    (folder / "other.toml").write_text(LEGAL.replace("legal-limits", "other"), "utf-8")
    await printed(dsn, "policy", "apply", "other.toml", "--yes")
    contrary = await asyncio.to_thread(CliRunner().invoke, main, ["policy", "show"], env=config)

    assert "has other policies than are in force;\n`serve` brings them in" in plain(told.output)
    assert "contradicts what was applied, and is left aside" in contrary.output
    assert 'policy "' in contrary.output


FIVE_ERRORS = """
[[policy]]
id = "Hunan 2027"
title = "x"
effective_from = 2027-01-01
effective_to = 2026-12-31
limits = { I = "3", default = 4 }
warn_workday_left = 1

[[channel]]
name = "office"
"""
OVERLAP = LEGAL.replace("2025-01-01", "2024-07-01")
WRONG_NOTICE = b'{"year": 2026, "days": [{"name": "x", "date": "2027-01-01", "isOffDay": 1}]}'
SHRUNK = notice_file(labour_day_2019_first())
REFUSED = [
    (("calendar", "import", "-", "--yes"), WRONG_NOTICE, ["2 things are wrong", "days[0].date"]),
    (("calendar", "import", "-", "--yes"), b"\xff", ["standard input: 1 thing is wrong", "UTF-8"]),
    (("calendar", "import", "-", "--yes"), SHRUNK, ["must not lose days", "--force"]),
    (("calendar", "import", "-", "--dry-run"), SHRUNK, ["must not lose days (fewer_days)"]),
    (("calendar", "check", "-"), SHRUNK, ["must not lose days"]),
    (
        ("calendar", "import", "-"),
        notice_file(spring_festival_2020_first()),
        ["there is no terminal to ask on; --yes"],
    ),
    (("calendar", "withdraw", "2020", "--yes"), b"", ["2020 was not imported"]),
    (("calendar", "show", "2026", "--version", "2"), b"", ["2026 has 1 version; there is no"]),
    (
        ("policy", "apply", "-", "--yes"),
        FIVE_ERRORS.encode(),
        [
            "standard input: 5 things are wrong, nothing was written",
            "channel: belongs into REBATE_CONFIG",
            '"Hunan 2027" is of another form',
            "limits.I",
            "did you mean warn_workdays_left?",
            "lies before effective_from",
        ],
    ),
    (("policy", "check", "-"), b"polcy = 1", ["did you mean policy?", "[[policy]]: is missing"]),
    (("policy", "check", "-"), b"\xff", ["byte 1 is not UTF-8"]),
    (("policy", "check", "-"), b"a = ", ["not TOML"]),
    (
        ("policy", "apply", "-", "--yes"),
        OVERLAP.encode(),
        ["1 thing is wrong", "`rebate-monitor policy retire hunan-2023-46 --on 2024-06-30`"],
    ),
    (("policy", "apply", "-"), LEGAL.encode(), ["there is no terminal to ask on; --yes"]),
    (("policy", "retire", "hunan-2023-64", "--on", "2024-12-31"), b"", [f"did you mean {HUNAN}?"]),
    (("policy", "retire", "x", "--on", "2024-12-31"), b"", [f"must be one of {HUNAN}"]),
    (("policy", "retire", HUNAN, "--on", "2023-10-25"), b"", ["lies before effective_from"]),
    (("policy", "withdraw", "x"), b"", [f"must be one of {HUNAN}"]),
    (("policy", "show", "x"), b"", [f"must be one of {HUNAN}"]),
    (("policy", "show", HUNAN, "--version", "2"), b"", ["has 1 version; there is no version 2"]),
]


@pytest.mark.parametrize(("arguments", "stdin", "said"), REFUSED)
async def test_what_is_wrong_is_said_and_nothing_is_written(
    dsn: str, database: Database, arguments: tuple[str, ...], stdin: bytes, said: list[str]
) -> None:
    """Every problem is named, the exit code is 1, and no version is added."""
    before, _ = await in_force(database)
    done = await run(dsn, *arguments, stdin=stdin)
    after, _ = await in_force(database)

    assert 1 == done.exit_code, done.output
    assert [] == [text for text in said if text not in done.output]
    assert before == after


MISUSED = [
    (("policy", "show", "--version", "1"), "name its ID"),
    (("policy", "retire", HUNAN), "Missing option '--on'"),
    (("policy", "retire", HUNAN, "--on", "31.12.2024"), "does not match the format"),
    (("calendar", "show", "1999"), "is not in the range"),
    (("calendar", "withdraw", "2026", "--by", " "), "must name who changes the rules"),
    (("calendar", "import", "nowhere.json"), "does not exist"),
]


@pytest.mark.parametrize(("arguments", "said"), MISUSED)
async def test_what_is_misused_is_said(arguments: tuple[str, ...], said: str) -> None:
    """A wrong option is told before any database is asked."""
    done = await run("postgresql://nobody@127.0.0.1:1/none", *arguments)

    assert 2 == done.exit_code
    assert said in done.output


AWAY = [
    ("calendar", "show"),
    ("calendar", "check"),
    ("calendar", "withdraw", "2026"),
    ("policy", "show"),
    ("policy", "retire", HUNAN, "--on", "2024-12-31"),
]


@pytest.mark.parametrize("arguments", AWAY)
async def test_a_database_that_is_away_is_told(arguments: tuple[str, ...]) -> None:
    """One line says so, and where to look."""
    done = await run("postgresql://nobody@127.0.0.1:1/none", *arguments)

    assert 1 == done.exit_code
    assert "the database cannot be used" in done.output


WRONG_CONFIG = [*AWAY, ("calendar", "check", "-"), ("policy", "check", "-")]


@pytest.mark.parametrize("arguments", WRONG_CONFIG)
async def test_a_wrong_configuration_is_told(
    dsn: str, folder: Path, arguments: tuple[str, ...]
) -> None:
    """One line names the file and the fault, whatever was asked for."""
    (folder / "wrong.toml").write_text("polcy = 1", "utf-8")
    config = {"REBATE_DATABASE_URL": dsn, "REBATE_CONFIG": "wrong.toml"}
    files = {"calendar": notice_file(ordinary(2031)), "policy": LEGAL.encode()}
    done = await asyncio.to_thread(
        CliRunner().invoke, main, arguments, env=config, input=files[arguments[0]]
    )

    assert 1 == done.exit_code
    assert "wrong.toml: polcy: unknown table; did you mean policy?" in done.output


LATEST_IS_MISSING = """
DELETE FROM schema_migration WHERE number = (SELECT max(number) FROM schema_migration)
"""


async def test_a_database_that_is_not_migrated_is_told(dsn: str) -> None:
    """One line says what to run."""
    await execute(dsn, LATEST_IS_MISSING)
    done = await run(dsn, "policy", "show")

    assert 1 == done.exit_code
    assert "run `rebate-monitor migrate` first" in done.output


async def test_a_stop_elsewhere_is_tried_by_events(dsn: str, folder: Path) -> None:
    """Where clocks stop is another: cases enter and leave the mean, and the dry run says so."""
    (folder / "events.ndjson").write_bytes(
        ndjson(
            [
                accepted("2024-03-04T09:00:00", subject="a", category="I"),
                event("approved", "2024-03-05T09:00:00", subject="a"),
                event("voucher_issued", "2024-04-01T09:00:00", subject="a"),
                accepted("2024-03-04T09:00:00", subject="b", category="I"),
                event("suspended", "2024-03-04T10:00:00", subject="b", reason="onsite"),
                event("approved", "2024-03-06T09:00:00", subject="b"),
            ]
        )
    )
    text = (await run(dsn, "policy", "show", HUNAN, "--toml")).output
    (folder / "new.toml").write_text(
        text.replace('"voucher_issued"', '"approved"').replace(
            'onsite = "exclude"', 'onsite = "run"'
        )
    )
    await printed(dsn, "import", "events.ndjson")
    told = await printed(dsn, "policy", "apply", "new.toml", "--yes")

    assert "* stop_at voucher_issued approved" in told
    assert "* suspensions.onsite exclude run" in told
    assert "dry run 试算: 2 cases looked at, 2 come out otherwise:" in told
    assert "1 would no longer be late 不再超期\n1 enter or leave the mean 进出均值" in told
    assert "2024-03 all 全部 0 → 2 - 1.5000" in told
    assert "2024-04 all 全部 1 → 0 20.0000 -" in told
    assert "2 cases were looked at, 2 come out otherwise" in told


async def test_both_amendments_at_once(dsn: str, folder: Path, database: Database) -> None:
    """A CSV brings several years in one version."""
    notices = [labour_day_2019_amended(), spring_festival_2020_first()]
    (folder / "years.csv").write_bytes(csv_notices(notices, "国办发明电"))
    told = await printed(dsn, "calendar", "import", "years.csv", "--yes")
    checked = await run(dsn, "calendar", "check", "years.csv")
    _, version = await in_force(database)

    assert "2019, 2020: from now on as imported" in told
    assert "no day differs from the calendar in force" in checked.output
    assert {2019, 2020} == version.imported_years
