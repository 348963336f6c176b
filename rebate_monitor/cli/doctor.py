"""`rebate-monitor doctor`: say in plain words what is wrong."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import click
from rich.console import Console

from rebate_monitor.cli import session
from rebate_monitor.domain.local_time import local_date
from rebate_monitor.domain.rulebook import Rulebook
from rebate_monitor.server import rulebook, utc_now
from rebate_monitor.settings import Settings
from rebate_monitor.storage.database import Connection, Database, DatabaseAwayError, open_database
from rebate_monitor.storage.keys import list_keys
from rebate_monitor.storage.migrations import MINIMUM_VERSION, MigrationError, missing_migrations
from rebate_monitor.storage.recount import compare_tallies

MAX_CLOCK_SKEW = timedelta(seconds=5)
NOTICE_MONTH = 12


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that was looked at: fine, or what is wrong and what to do."""

    is_fine: bool
    text: str


@click.command()
@click.option("--deep", is_flag=True, help="Also compare the tallies with a full recount.")
def doctor(*, deep: bool) -> None:
    """Check the configuration, the database, the calendar and the policies."""
    console, is_well = Console(), True
    settings = session.told_settings()
    for finding in _findings(settings, deep=deep):
        is_well = is_well and finding.is_fine
        mark = "[green]ok[/green]  " if finding.is_fine else "[red]!!![/red]"
        console.print(f"{mark} {finding.text}", soft_wrap=True, highlight=False)
    if not is_well:
        raise SystemExit(1)
    console.print("nothing is wrong")


def _findings(settings: Settings, *, deep: bool) -> Iterator[Finding]:
    place = "REBATE_DATABASE_URL" if settings.database_url else f"embedded in {settings.data_dir}"
    yield Finding(is_fine=True, text=f"settings: readable; the database is {place}")
    with session.plain_errors():
        rules = rulebook(settings)
    yield from rule_findings(rules, utc_now())
    with session.plain_errors(), session.database_server(settings) as server:
        yield from session.run(_database_findings(server, deep=deep))


def rule_findings(rules: Rulebook, now: datetime) -> Iterator[Finding]:
    """Look at the policies and the calendar as of a moment."""
    today = local_date(now)
    applied = rules.policies.on(today)
    if applied.policy is None:
        yield Finding(is_fine=False, text=f"policies: none is in force on {today}")
    else:
        state = f"lapsed on {applied.policy.effective_to}, carried over" if applied.lapsed else ""
        yield Finding(is_fine=True, text=f"policies: {applied.policy.id} judges today {state}")
    until = rules.calendar.published_until
    next_year_due = today.month == NOTICE_MONTH and until.year <= today.year
    yield Finding(
        is_fine=today <= until and not next_year_due,
        text=f"calendar: published until {until}; later days are estimates",
    )


async def _database_findings(server: session.Server, *, deep: bool) -> list[Finding]:
    async with open_database(server.dsn) as database:
        try:
            async with database.connection() as connection:
                findings = await _server_findings(connection)
            if deep and all(finding.is_fine for finding in findings):
                findings.append(await _tally_finding(database))
        except DatabaseAwayError as error:
            return [Finding(is_fine=False, text=f"database: cannot be used ({error})")]
        return findings


async def _server_findings(connection: Connection) -> list[Finding]:
    version = connection.get_server_version()
    fsync = await connection.fetchval("SHOW fsync")
    skew = abs(await connection.fetchval("SELECT now()") - datetime.now(UTC))
    findings = [
        Finding(
            is_fine=version.major >= MINIMUM_VERSION,
            text=f"database: PostgreSQL {version.major}.{version.minor}, needs {MINIMUM_VERSION}",
        ),
        Finding(is_fine=fsync == "on", text=f"database: fsync is {fsync}"),
        Finding(
            is_fine=skew < MAX_CLOCK_SKEW,
            text=f"database: its clock differs by {skew.total_seconds():.1f} seconds",
        ),
        await _migration_finding(connection),
    ]
    if findings[-1].is_fine:
        findings.append(await _key_finding(connection))
    return findings


async def _migration_finding(connection: Connection) -> Finding:
    try:
        missing = await missing_migrations(connection)
    except MigrationError as error:
        return Finding(is_fine=False, text=f"migrations: {error}")
    if missing:
        text = f"migrations: {missing[0].name} is missing, run `rebate-monitor migrate`"
        return Finding(is_fine=False, text=text)
    return Finding(is_fine=True, text="migrations: up to date")


async def _key_finding(connection: Connection) -> Finding:
    count = sum(key.revoked_at is None for key in await list_keys(connection))
    return Finding(is_fine=True, text=f"keys: {count} in force")


async def _tally_finding(database: Database) -> Finding:
    differences = await compare_tallies(database, local_date(utc_now()))
    if not differences:
        return Finding(is_fine=True, text="tallies: equal to a full recount")
    return Finding(
        is_fine=False,
        text=f"tallies: {len(differences)} cells differ from a recount; report this as a fault",
    )
