"""The `rebate-monitor` command."""

from rebate_monitor.cli.main import main

__all__ = ["main"]
