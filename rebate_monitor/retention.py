"""`[retention]` of REBATE_CONFIG: for how long a case keeps who it is about."""

from collections.abc import Mapping
from datetime import date, datetime, time
from typing import Annotated, Any

import msgspec

from rebate_monitor.domain.local_time import SHANGHAI
from rebate_monitor.told_fields import ToldError, check_table

Years = Annotated[
    int, msgspec.Meta(ge=1, le=100, description="a whole number of years from 1 to 100")
]


class RetentionError(ToldError):
    """The block is not what it should be; each problem names its field."""


class Retention(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The identity of a case may be erased so many years after the case ended."""

    identity_years: Years

    def ended_before(self, today: date) -> datetime:
        """Return the first instant of the day, Asia/Shanghai, before which a case must have ended.

        On 29 February that is the 28th of a year that has no such day: none goes too early.
        """
        year = today.year - self.identity_years
        try:
            day = today.replace(year=year)
        except ValueError:
            day = date(year, 2, 28)
        return datetime.combine(day, time.min, SHANGHAI)


def retention(config: Mapping[str, Any]) -> Retention | None:
    """Read the block, None where there is none; raise RetentionError."""
    if "retention" not in config:
        return None
    told = check_table(config["retention"], Retention).titled("[retention]")
    if told.problems:
        raise RetentionError(*told.problems)
    return told.table
