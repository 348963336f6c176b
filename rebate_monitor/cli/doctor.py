"""`rebate-monitor doctor`: say in plain words what is wrong."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum

import click
from rich.console import Console

from rebate_monitor.alerting.configuration import AlertSettings
from rebate_monitor.cli import session
from rebate_monitor.cli.plain_table import plain_table, show_table
from rebate_monitor.domain.local_time import local_date
from rebate_monitor.domain.policy import OverlappingPoliciesError
from rebate_monitor.domain.rulebook import Rulebook
from rebate_monitor.ingest.recompute import count_stale
from rebate_monitor.retention import Retention
from rebate_monitor.server import (
    configured_alerts,
    configured_proxy,
    configured_retention,
    rules_of,
    utc_now,
)
from rebate_monitor.settings import Settings
from rebate_monitor.storage.alerts import count_unfolded
from rebate_monitor.storage.database import Connection, Database, DatabaseAwayError, open_database
from rebate_monitor.storage.keys import KeyState, list_keys
from rebate_monitor.storage.migrations import MINIMUM_VERSION, MigrationError, missing_migrations
from rebate_monitor.storage.outbox import outbox_figures
from rebate_monitor.storage.recomputes import under_way
from rebate_monitor.storage.recount import compare_tallies
from rebate_monitor.storage.reporting import views_are_current
from rebate_monitor.storage.rulebooks import latest_version
from rebate_monitor.storage.rules import Rules
from rebate_monitor.storage.service_role import TablePrivileges, deviations, privileges_of_roles

MAX_CLOCK_SKEW = timedelta(seconds=5)
NOTICE_MONTH = 12


class Level(StrEnum):
    """How a finding is."""

    FINE = "[green]ok  [/green]"
    NOTE = "[yellow]note[/yellow]"
    WRONG = "[red]!!! [/red]"

    @staticmethod
    def of(*, is_fine: bool) -> "Level":
        """Return FINE or WRONG."""
        return Level.FINE if is_fine else Level.WRONG


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that was looked at, with what to do about it."""

    level: Level
    text: str


@click.command(short_help="Say in plain words what is wrong.")
@click.option("--deep", is_flag=True, help="Also fold every case anew and recount the tallies.")
@click.option("--roles", is_flag=True, help="Only show what each role may do with each table.")
def doctor(*, deep: bool, roles: bool) -> None:
    """Check the configuration, the database, the calendar and the policies."""
    console, is_well = Console(), True
    settings = session.told_settings()
    if roles:
        _show_roles(settings)
        return
    for finding in _findings(settings, deep=deep):
        is_well = is_well and finding.level is not Level.WRONG
        console.print(f"{finding.level} {finding.text}", soft_wrap=True, highlight=False)
    if not is_well:
        raise SystemExit(1)
    console.print("nothing is wrong")


def _show_roles(settings: Settings) -> None:
    """Print a table of tables and views by role."""
    with session.plain_errors(), session.database_server(settings) as server:
        roles, told = session.run(_roles(settings, server))
    table = plain_table("table", *roles)
    for one in told:
        table.add_row(one.table, *(" ".join(may).lower() or "-" for may in one.privileges))
    show_table(table)
    wrong = [
        said
        for number, role in enumerate(roles)
        if role == settings.service_role
        for said in deviations(role, {one.table: one.privileges[number] for one in told})
    ]
    for said in wrong:
        click.echo(f"!!! {said}: `rebate-monitor migrate` mends it")
    if wrong:
        raise SystemExit(1)


async def _roles(
    settings: Settings, server: session.Server
) -> tuple[list[str], list[TablePrivileges]]:
    async with session.ready_connection(settings, server) as connection:
        return await privileges_of_roles(connection, settings.service_role)


def _findings(settings: Settings, *, deep: bool) -> Iterator[Finding]:
    place = "REBATE_DATABASE_URL" if settings.database_url else f"embedded in {settings.data_dir}"
    yield Finding(level=Level.FINE, text=f"settings: readable; the database is {place}")
    with session.plain_errors():
        rules = rules_of(settings)
        alerts = configured_alerts(settings)
        configured_proxy(settings)
        kept = configured_retention(settings)
    yield channel_finding(alerts, utc_now())
    yield retention_finding(kept)
    with session.plain_errors(), session.database_server(settings) as server:
        yield from session.run(_database_findings(server, rules, deep=deep))


def rule_findings(rules: Rulebook, now: datetime) -> Iterator[Finding]:
    """Look at the policies and the calendar as of a moment."""
    today = local_date(now)
    applied = rules.policies.on(today)
    if applied.policy is None:
        yield Finding(level=Level.WRONG, text=f"policies: none is in force on {today}")
    elif applied.lapsed:
        text = f"policies: {applied.policy.id} ended on {applied.policy.effective_to}; "
        text += "later cases are judged by it and marked lapsed"
        yield Finding(level=Level.NOTE, text=text)
    else:
        yield Finding(level=Level.FINE, text=f"policies: {applied.policy.id} judges today")
    until = rules.calendar.published_until
    next_year_due = today.month == NOTICE_MONTH and until.year <= today.year
    yield Finding(
        level=Level.of(is_fine=today <= until and not next_year_due),
        text=f"calendar: published until {until}; later days are estimates",
    )


def channel_finding(alerts: AlertSettings, now: datetime) -> Finding:
    """Say who is told of named cases, or since when nobody is."""
    if alerts.enforce_from is not None and alerts.enforce_from > now:
        text = f"alerts: enforce_from is {alerts.enforce_from.isoformat()}, nobody is told before"
        return Finding(level=Level.NOTE, text=text)
    names = ", ".join(channel.name for channel in alerts.channels)
    if not names:
        text = "channels: none, so nobody is told of named cases; see docs/notifications.md"
        return Finding(level=Level.NOTE, text=text)
    text = f"channels: {names}; `rebate-monitor channel test NAME` sends a trial message"
    return Finding(level=Level.FINE, text=text)


def retention_finding(kept: Retention | None) -> Finding:
    """Say for how long cases keep who they are about."""
    if kept is None:
        text = "retention: cases keep who they are about for good; see docs/security.md"
        return Finding(level=Level.NOTE, text=text)
    text = (
        f"retention: {kept.identity_years} years after its end `rebate-monitor erase --due` erases "
    )
    return Finding(level=Level.FINE, text=f"{text}who a case is about")


async def _database_findings(server: session.Server, rules: Rules, *, deep: bool) -> list[Finding]:
    """Look at the database; deep also at every case in it."""
    async with open_database(server.dsn) as database:
        try:
            async with database.connection() as connection:
                findings = await _server_findings(connection, server, rules)
            if deep:
                findings.extend(await _deep_findings(database, rules, findings))
        except DatabaseAwayError as error:
            return [Finding(level=Level.WRONG, text=f"database: cannot be used ({error})")]
        return findings


async def _deep_findings(database: Database, rules: Rules, before: list[Finding]) -> list[Finding]:
    """Fold every case anew and recount; where the database itself is wrong there is no use."""
    if any(finding.level is Level.WRONG for finding in before):
        return [Finding(level=Level.NOTE, text="cases, tallies: not looked at, mend that first")]
    return [await _stale_finding(database, rules), await _tally_finding(database)]


async def _server_findings(
    connection: Connection, server: session.Server, rules: Rules
) -> list[Finding]:
    major = connection.get_server_version().major
    version = await connection.fetchval("SHOW server_version")
    fsync = await connection.fetchval("SHOW fsync")
    skew = abs(await connection.fetchval("SELECT now()") - datetime.now(UTC))
    findings = [
        Finding(
            level=Level.of(is_fine=major >= MINIMUM_VERSION),
            text=f"database: PostgreSQL {version}; {MINIMUM_VERSION} or later is needed",
        ),
        Finding(level=Level.of(is_fine=fsync == "on"), text=f"database: fsync is {fsync}"),
        Finding(
            level=Level.of(is_fine=skew < MAX_CLOCK_SKEW),
            text=f"database: its clock differs by {skew.total_seconds():.1f} seconds",
        ),
        await _migration_finding(connection, server),
    ]
    if findings[-1].level is Level.FINE:
        in_force = await rules.in_force(connection)
        findings.extend(rule_findings(in_force.rulebook, utc_now()))
        findings.append(await _rules_finding(connection, rules))
        findings.append(await _recompute_finding(connection))
        findings.append(await _view_finding(connection))
        findings.append(await _key_finding(connection))
        findings.extend(await _alert_findings(connection))
    return findings


async def _alert_findings(connection: Connection) -> list[Finding]:
    unfolded = await count_unfolded(connection)
    outbox = await outbox_figures(connection)
    findings = []
    if unfolded:
        text = f"alerts: {unfolded} open cases have none yet, run `rebate-monitor recompute`"
        findings.append(Finding(level=Level.WRONG, text=text))
    text = f"outbox: {outbox.pending} messages wait, {outbox.dead} were given up"
    if outbox.dead:
        text += "; see `rebate-monitor outbox list --state dead`"
    findings.append(Finding(level=Level.NOTE if outbox.dead else Level.FINE, text=text))
    return findings


async def _migration_finding(connection: Connection, server: session.Server) -> Finding:
    try:
        missing = await missing_migrations(connection)
    except MigrationError as error:
        return Finding(level=Level.WRONG, text=f"migrations: {error}")
    if missing and server.embedded:
        return Finding(level=Level.NOTE, text="migrations: none yet; the first command makes them")
    if missing:
        text = f"migrations: {missing[0].name} is missing, run `rebate-monitor migrate`"
        return Finding(level=Level.WRONG, text=text)
    return Finding(level=Level.FINE, text="migrations: up to date")


async def _view_finding(connection: Connection) -> Finding:
    if await views_are_current(connection):
        return Finding(level=Level.FINE, text="reporting views: up to date")
    text = "reporting views: missing or of another version, run `rebate-monitor migrate`"
    return Finding(level=Level.WRONG, text=text)


async def _key_finding(connection: Connection) -> Finding:
    now = utc_now()
    count = sum(key.state(now) is KeyState.ACTIVE for key in await list_keys(connection))
    return Finding(level=Level.FINE, text=f"keys: {count} in force")


async def _rules_finding(connection: Connection, rules: Rules) -> Finding:
    """Say whether a service that started now would publish other rules than those in force."""
    known = await latest_version(connection)
    if known is None:
        return Finding(level=Level.NOTE, text="rules: none yet; the first start publishes them")
    number, version = known
    try:
        is_same = version.says_the_same_as(version.laid_over(rules.own))
    except OverlappingPoliciesError as error:
        text = f"rules: the configuration contradicts what was applied: {error}"
        return Finding(level=Level.WRONG, text=text)
    if is_same:
        return Finding(level=Level.FINE, text=f"rules: version {number} is in force")
    text = f"rules: version {number} is in force, but the package or REBATE_CONFIG has others; "
    text += "the next start of the service publishes them"
    return Finding(level=Level.NOTE, text=text)


async def _recompute_finding(connection: Connection) -> Finding:
    """Say whether cases still wait for their turn under rules that have changed."""
    told = await under_way(connection)
    if told is None:
        return Finding(level=Level.FINE, text="recompute: every case goes by the rules in force")
    cases = "?" if told.cases is None else f"{told.cases:,}"
    text = f"recompute: {told.done:,} of {cases} cases are done by rules that have changed; "
    text += "the service does the rest, or `rebate-monitor recompute` without one"
    return Finding(level=Level.NOTE, text=text)


async def _stale_finding(database: Database, rules: Rules) -> Finding:
    stale = await count_stale(database, rules)
    if not stale:
        return Finding(
            level=Level.FINE,
            text="cases: counts, verdicts and instants are what the events fold to",
        )
    text = f"cases: {stale} rows were made under other rules, run `rebate-monitor recompute`"
    return Finding(level=Level.WRONG, text=text)


async def _tally_finding(database: Database) -> Finding:
    differences = await compare_tallies(database, local_date(utc_now()))
    if not differences:
        return Finding(level=Level.FINE, text="tallies: equal to a full recount")
    return Finding(
        level=Level.WRONG,
        text=f"tallies: {len(differences)} cells differ from a recount; report this as a fault",
    )
