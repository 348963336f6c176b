"""Check the fields of one configuration block, with messages that name field, problem and rule."""

import re
from collections.abc import Mapping
from typing import Any, TypeVar
from urllib.parse import urlsplit

import msgspec
from yarl import URL

Block = TypeVar("Block", bound=msgspec.Struct)

RULES: Mapping[str, str] = {
    "name": "1 to 63 of a-z, 0-9 and -, not beginning with -",
    "language": "zh or en",
    "days": "workdays or all",
    "security": "starttls, tls or none",
    "kinds": "at_risk, breached or overdue; a correction goes to those who were told",
    "categories": "I, II, III, IV or unknown",
    "cities": "six digits",
    "offices": "eleven digits, the first of them 1",
    "recipients": "bare addresses, such as person@example.gov.cn",
    "sender": "a bare address, such as monitor@example.gov.cn",
    "host": "a host name or an address, without port and scheme",
}
"""What a field may hold, where the type's own message does not say it in plain words."""

MISSING = re.compile(r"^Object missing required field `(?P<field>\w+)`$")
PATTERN = re.compile(r" matching regex .*$")
WRONG = re.compile(r"^(?P<problem>.*) - at `\$\.(?P<field>\w+).*`$", re.DOTALL)


def convert_fields(block: Mapping[str, Any], to: type[Block]) -> Block:
    """Convert a block of a parsed file; raise ValueError with field, problem and rule."""
    known = to.__struct_fields__
    for field in sorted(block.keys() - set(known)):
        raise ValueError(f"{field}: unknown field; known: {', '.join(known)}")
    try:
        return msgspec.convert(block, to)
    except msgspec.ValidationError as error:
        raise ValueError(_in_plain_words(str(error))) from None


def _in_plain_words(message: str) -> str:
    if missing := MISSING.match(message):
        return f"{missing['field']}: is missing{_rule(missing['field'])}"
    if wrong := WRONG.match(message):
        problem = wrong["problem"].replace("`", "").replace(" | null", "")  # TOML has none
        problem = PATTERN.sub(" of another form", problem)
        return f"{wrong['field']}: {problem[0].lower()}{problem[1:]}{_rule(wrong['field'])}"
    return message


def _rule(field: str) -> str:
    return f"; must be {RULES[field]}" if field in RULES else ""


def web_address(field: str, address: str) -> str:
    """Return an http(s) address unchanged; raise ValueError, which never repeats the address."""
    if not _is_web_address(address):
        raise ValueError(
            f"{field}: is not an address that can be used; must be http:// or https:// with a "
            "host, without user, password and fragment"
        )
    return address


def base_address(field: str, address: str) -> str:
    """Return an http(s) address that paths are appended to, without a slash at its end."""
    if "?" in web_address(field, address):
        raise ValueError(f"{field}: must have no query, since paths are appended to it")
    return address.rstrip("/")


def _is_web_address(address: str) -> bool:
    if not address.isascii() or not address.isprintable() or set(address) & set(' "<>\\#'):
        return False
    try:
        parts = urlsplit(address)
        host = URL(address).host if parts.port != 0 else None
    except ValueError:
        return False
    return parts.scheme in {"http", "https"} and bool(host) and "@" not in parts.netloc
