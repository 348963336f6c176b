"""What one digest tells: counts, the most urgent few, and where to look; never who."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import NamedTuple

from rebate_monitor.domain.alert import AlertKind


class Urgent(NamedTuple):
    """One of the most urgent cases, told without naming it.

    `workdays_left` is negative once the limit is passed; None where the clock stands still. The due
    date of a `provisional` case lies in a year that nobody has published.
    """

    office: str
    category: str | None
    due_date: date | None
    workdays_left: int | None
    provisional: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Digest:
    """The alerts of one kind, level and city that one channel has not been told of.

    `first_at` and `last_at` are the earliest and latest instants at which their levels were
    reached. `open_total` counts the open cases of the city whose highest level this is, those told
    of before included, and `acknowledged_total` those of them that somebody has taken on.
    """

    kind: AlertKind
    level: int
    city: str
    count: int
    by_category: Mapping[str, int]
    urgent: tuple[Urgent, ...]
    first_at: datetime
    last_at: datetime
    open_total: int
    acknowledged_total: int
