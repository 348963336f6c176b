"""`python -m grafana.panels`: make the English twins, or draw what the dashboards show."""

import asyncio
import tempfile
from datetime import UTC, datetime
from pathlib import Path

import click
from rich.console import Console

from grafana.panels.asking import connected, print_rows, settled
from grafana.panels.english import TwinError, twins
from grafana.panels.files import DASHBOARDS, read_json, write_json
from grafana.panels.preview import draw_all
from grafana.panels.stack import StackError, running_stack

PICTURES = Path(__file__).parent.parent.parent / "docs" / "pictures"
SCRAPES = 60


@click.group()
def main() -> None:
    """Look after the Grafana dashboards."""


@main.command()
def twin() -> None:
    """Put the Chinese dashboards into their form and make the English ones from them."""
    for path in sorted((DASHBOARDS / "zh").glob("*.json")):
        write_json(path, read_json(path))
    try:
        made = twins(DASHBOARDS)
    except TwinError as error:
        raise click.ClickException(str(error)) from error
    for path, content in made.items():
        write_json(path, content)
        click.echo(path.relative_to(DASHBOARDS))


@main.command()
@click.option("--out", type=click.Path(path_type=Path), default=PICTURES, help="Folder.")
def preview(out: Path) -> None:
    """Run the demo with a Prometheus and draw each dashboard from what its queries answer."""
    out.mkdir(parents=True, exist_ok=True)
    try:
        with tempfile.TemporaryDirectory(prefix="rebate-preview-") as folder:
            Path(folder).chmod(0o755)  # as root, PostgreSQL is another user
            asyncio.run(_preview(Path(folder), out))
    except StackError as error:
        raise click.ClickException(str(error)) from error


async def _preview(folder: Path, out: Path) -> None:
    with running_stack(folder) as stack:
        since = datetime.now(UTC)
        async with connected(stack) as sources:
            await settled(sources, since, SCRAPES)
            results = await draw_all(sources, since, out)
    print_rows(results, Console())


main(prog_name="python -m grafana.panels")
