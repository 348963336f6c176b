"""Working-day clocks, figures and breach alerts for export tax rebates."""

__version__ = "0.1.0"
