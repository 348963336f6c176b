"""Read how long the cases of the last months took, by city."""

from datetime import date

from rebate_monitor.domain.trend import MonthSums
from rebate_monitor.storage.database import Connection
from rebate_monitor.storage.statements import statement

STOPPED_BY_CITY_AND_MONTH = statement("stopped_by_city_and_month")


async def read_month_sums(connection: Connection, first: date, last: date) -> list[MonthSums]:
    """Read the normal cases stopped from a day to another, both included."""
    rows = await connection.fetch(STOPPED_BY_CITY_AND_MONTH, first, last)
    return [MonthSums(**dict(row)) for row in rows]
