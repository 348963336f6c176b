"""Run `rebate-monitor` on the soak's clock: `python -m soak.command CLOCK_FILE serve`.

Only the entry points know the real clock, and here it is another one before they are read.
"""

import sys
from functools import partial
from pathlib import Path

from rebate_monitor import server
from soak.clock import SharedClock


def run(clock_file: str, *arguments: str) -> None:
    """Run one command as the real one runs."""
    clock = SharedClock(Path(clock_file))
    server.utc_now = clock
    server.compose = partial(server.compose, now=clock)
    from rebate_monitor.cli import main  # noqa: PLC0415 - commands take their clock when imported

    main(arguments, prog_name="rebate-monitor")


if __name__ == "__main__":
    run(*sys.argv[1:])
