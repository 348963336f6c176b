"""Query parameters, checked one by one; an unknown one is refused rather than ignored."""

import re
from collections.abc import Callable, Iterable
from datetime import UTC, date, datetime
from typing import TypeVar

from aiohttp import web

from rebate_monitor.api.problems import InvalidProblem

CITY = re.compile(r"[1-9][0-9]{5}")
DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
OFFICE = re.compile(r"1[0-9]{10}")
MAX_DIGITS = 9
T = TypeVar("T")


def allow_only(request: web.Request, names: Iterable[str]) -> None:
    """Refuse unknown and repeated parameters."""
    known = set(names)
    for name in request.query:
        if name not in known:
            raise InvalidProblem(
                f"{name[:64]}: unknown parameter; known: {', '.join(sorted(known))}"
            )
        if len(request.query.getall(name)) > 1:
            raise InvalidProblem(f"{name}: given more than once")


def parameter(request: web.Request, name: str, parse: Callable[[str], T]) -> T | None:
    """Return a parsed parameter, None when it is absent; raise InvalidProblem."""
    value = request.query.get(name)
    if value is None:
        return None
    try:
        return parse(value)
    except ValueError as error:
        raise InvalidProblem(f"{name}: {error}") from None


def a_date(value: str) -> date:
    """Parse a calendar date."""
    try:
        if not DATE.fullmatch(value):
            raise ValueError  # noqa: TRY301 - week dates and the like are ISO, too, but not ours
        return date.fromisoformat(value)
    except ValueError:
        raise ValueError("must be a date such as 2026-11-20") from None


def an_instant(value: str) -> datetime:
    """Parse an instant; one without an offset is refused (DESIGN 3.1)."""
    try:
        # A `+` in a query string that nobody escaped arrives as a space.
        instant = datetime.fromisoformat(value.replace(" ", "+"))
    except ValueError:
        instant = datetime.min  # noqa: DTZ901 - never used, it is refused below
    if instant.tzinfo is None:
        raise ValueError("must be an instant with its offset, such as 2026-11-20T09:15:00+08:00")
    return instant


def a_utc_instant(value: str) -> datetime:
    """Parse an instant into UTC, so that PostgreSQL takes every one of them."""
    return utc_instant(an_instant(value).isoformat())


def utc_instant(text: str) -> datetime:
    """Read an instant out of a cursor, in UTC, so that PostgreSQL reads every one of them."""
    instant = datetime.fromisoformat(text)
    if instant.tzinfo is None:
        raise ValueError("has no offset")
    try:
        return instant.astimezone(UTC)
    except OverflowError:
        raise ValueError("lies outside the years 1 to 9999") from None


def one_of(*choices: str) -> Callable[[str], str]:
    """Make a parser of a few words."""

    def parse(value: str) -> str:
        if value not in choices:
            raise ValueError(f"must be one of {', '.join(choices)}")
        return value

    return parse


def a_flag(value: str) -> bool:
    """Parse what is true or false."""
    return one_of("true", "false")(value) == "true"


def a_name(most: int) -> Callable[[str], str]:
    """Make a parser of names as producers may give them."""

    def parse(value: str) -> str:
        if not 1 <= len(value) <= most or "\x00" in value:
            raise ValueError(f"must have 1 to {most} characters, none of them U+0000")
        return value

    return parse


def a_number(least: int, most: int) -> Callable[[str], int]:
    """Make a parser of whole numbers within bounds."""

    def parse(value: str) -> int:
        if not (_is_short_number(value) and least <= int(value) <= most):
            raise ValueError(f"must be a whole number from {least} to {most}")
        return int(value)

    return parse


def _is_short_number(value: str) -> bool:
    return len(value) <= MAX_DIGITS and value.isascii() and value.isdigit()


def a_city(value: str) -> str:
    """Parse a six-digit city code."""
    if not CITY.fullmatch(value):
        raise ValueError("must be a six-digit city code such as 430100")
    return value


def an_office(value: str) -> str:
    """Parse an eleven-digit office code."""
    if not OFFICE.fullmatch(value):
        raise ValueError("must be an eleven-digit office code such as 14301000000")
    return value
