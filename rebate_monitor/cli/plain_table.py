"""Tables that fit a terminal of 80 columns, of texts that are taken as they are."""

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

MOST_ROWS = 60


def plain_table(*columns: str, title: str | None = None) -> Table:
    """Return an empty table."""
    table = Table(
        box=SIMPLE_HEAD,
        show_edge=False,
        pad_edge=False,
        title=title,
        title_justify="left",
        title_style="",
    )
    for column in columns:
        table.add_column(column, overflow="fold")  # Chinese has no spaces to wrap at
    return table


def show_table(table: Table) -> None:
    """Print a table after a blank line; names come from files and are no markup."""
    console = Console(markup=False, emoji=False, highlight=False)
    console.print()
    console.print(table)
