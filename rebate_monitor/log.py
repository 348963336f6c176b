"""Structured logs on standard error: `noun.verb` with fields, JSON unless a terminal reads them."""

import logging
import sys

import structlog
from aiohttp.web import RequestPayloadError


def configure_logging(log_format: str = "auto", level: str = "info") -> None:
    """Set up structlog; `auto` is for people on a terminal and JSON otherwise."""
    human = log_format == "console" or (log_format == "auto" and sys.stderr.isatty())
    # Tracebacks without local variables: those may hold a key or an event.
    renderer: structlog.types.Processor = (
        structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)
        if human
        else structlog.processors.JSONRenderer()
    )
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info if not human else _unchanged,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(getattr(logging, level.upper())),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=False,
    )
    logging.getLogger("asyncio").setLevel(logging.ERROR)
    logging.getLogger("aiohttp.server").addFilter(_is_no_sender_s_fault)


def _is_no_sender_s_fault(record: logging.LogRecord) -> bool:
    """Leave out a body that cannot be read: it was answered, aiohttp only finds it once more."""
    return not (record.exc_info and isinstance(record.exc_info[1], RequestPayloadError))


def _unchanged(
    _logger: object, _name: str, event: structlog.types.EventDict
) -> structlog.types.EventDict:
    return event
