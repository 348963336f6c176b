"""Who a command acts for: what is kept for good names whoever did it."""

import getpass
import os
import pwd
import socket

import click

from rebate_monitor.server import utc_now
from rebate_monitor.storage.audit import Deed, Through

MOST_CHARACTERS = 100


def acting() -> Deed:
    """Say who a command acts for in the audit record: the account that runs it, now, and where.

    As the operating system knows it, not by the environment, which anybody may set.
    """
    number = os.geteuid()
    try:
        name = pwd.getpwuid(number).pw_name
    except KeyError:  # a container need not name its user
        name = f"account {number}"
    return Deed(at=utc_now(), who=name, through=Through.COMMAND, address=socket.gethostname())


def who_acts(told: str | None, does: str) -> str:
    """Return the name told, or the account that runs this; `does` says what, as in `closes`."""
    return _checked(_account(does) if told is None else told, does)


def _account(does: str) -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # OSError since Python 3.13; a container need not name its user
        said = f"this account has no name: say who {does} with --by NAME"
        raise click.UsageError(said) from None


def _checked(told: str, does: str) -> str:
    name = told.strip()
    if not name or not name.isprintable() or len(name) > MOST_CHARACTERS:
        raise click.BadParameter(
            f"must name who {does} in 1 to {MOST_CHARACTERS} characters", param_hint="--by"
        )
    return name
