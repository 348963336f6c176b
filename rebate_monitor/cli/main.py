"""The group of all commands."""

import click

from rebate_monitor import __version__
from rebate_monitor.cli.audit import audit
from rebate_monitor.cli.calendar import calendar
from rebate_monitor.cli.channel import channel
from rebate_monitor.cli.demo import demo
from rebate_monitor.cli.doctor import doctor
from rebate_monitor.cli.erase import erase_identities
from rebate_monitor.cli.explain import explain
from rebate_monitor.cli.importing import import_file
from rebate_monitor.cli.keys import keys
from rebate_monitor.cli.maintenance import migrate_database, recompute_cases
from rebate_monitor.cli.month import month
from rebate_monitor.cli.outbox import outbox
from rebate_monitor.cli.policy import policy
from rebate_monitor.cli.quarantine import quarantine
from rebate_monitor.cli.report import report
from rebate_monitor.cli.serve import serve
from rebate_monitor.cli.simulate import simulate
from rebate_monitor.cli.what_if import what_if


class InOrder(click.Group):
    """Lists commands in the order in which a newcomer needs them."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        """Return the names in the order of registration."""
        return list(self.commands)


@click.group(cls=InOrder, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="rebate-monitor")
def main() -> None:
    """Working-day clocks, figures and breach alerts for export tax rebates.

    Settings come from REBATE_* environment variables; README lists them. Without
    REBATE_DATABASE_URL an embedded PostgreSQL runs under REBATE_DATA_DIR (./rebate-data); every
    command needs the same settings as `serve`.
    """


for command in (
    demo,
    serve,
    migrate_database,
    import_file,
    simulate,
    explain,
    what_if,
    calendar,
    policy,
    month,
    report,
    keys,
    audit,
    erase_identities,
    quarantine,
    channel,
    outbox,
    recompute_cases,
    doctor,
):
    main.add_command(command)
