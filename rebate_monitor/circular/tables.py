"""All tables of a circular, in the order in which they are read."""

from collections.abc import Callable, Iterator

from rebate_monitor.circular import course_tables, group_tables
from rebate_monitor.circular.document import Table
from rebate_monitor.circular.maker import Maker

PUBLISHED: tuple[Callable[[Maker], Table], ...] = (
    group_tables.means,
    group_tables.behind,
    group_tables.cities,
    group_tables.offices,
    group_tables.categories,
    group_tables.rebate_types,
    course_tables.trend,
    course_tables.distribution,
    course_tables.stages,
    course_tables.suspensions,
)
INTERNAL = (course_tables.data_quality,)
"""What only those in the office see; sources of events may name an office or a system."""


def tables(make: Maker) -> Iterator[Table]:
    """Yield the tables."""
    for table in (*PUBLISHED, *(INTERNAL if make.internal else ())):
        yield table(make)
