"""Run the command as `python -m rebate_monitor`."""

from rebate_monitor.cli import main

main()
