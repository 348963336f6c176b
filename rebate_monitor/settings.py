"""Settings from `REBATE_*` environment variables (DESIGN 8); a misspelt one is an error."""

import difflib
import ipaddress
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from datetime import timedelta
from pathlib import Path
from typing import Any

PREFIX = "REBATE_"
FILE_SUFFIX = "_FILE"
SECRETS = {"database_url", "admin_key", "reader_password"}
MIN_ADMIN_KEY = 16
MIN_READER_PASSWORD = 12
MAX_PORT = 65535
LEAST_RETENTION, MOST_RETENTION = 184, 36_500
"""Days: network logs are kept six months at least (Cybersecurity Law of the PRC 网络安全法)."""


Network = ipaddress.IPv4Network | ipaddress.IPv6Network


class SettingsError(ValueError):
    """A setting is missing, misspelt or wrong; the message names it, never a secret's value."""


def default_data_dir() -> Path:
    """Return where the embedded PostgreSQL lives unless told otherwise."""
    return Path("rebate-data")


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What the service is told from outside.

    Without `database_url` an embedded PostgreSQL runs under `data_dir`. `max_ahead` is how far an
    event's time may lie ahead of the service's clock. `database_behind_pooler` says that the
    database is reached through pgbouncer or the like, which lends a connection for a transaction.
    With `tls_certificate` and `tls_key`, PEM files, the service speaks TLS.
    Only requests from `proxy_addresses` may say for whom they are. `audit prune` leaves what is
    younger than `audit_retention_days`. With `reader_password` the role
    that reads the reporting views can log in; `service_role` is the one that the service runs as,
    where that is not the owner of the database.
    """

    database_url: str | None = field(default=None, repr=False)
    data_dir: Path = field(default_factory=default_data_dir)
    host: str = "127.0.0.1"
    port: int = 8080
    tls_certificate: Path | None = None
    tls_key: Path | None = None
    admin_key: str | None = field(default=None, repr=False)
    reader_password: str | None = field(default=None, repr=False)
    service_role: str | None = None
    config: Path | None = None
    anonymous_read: bool = False
    proxy_addresses: tuple[Network, ...] = ()
    audit_retention_days: int = 1095
    max_ahead: timedelta = timedelta(minutes=5)
    database_connections: int = 10
    database_behind_pooler: bool = False
    log_format: str = "auto"
    log_level: str = "info"

    @property
    def is_loopback(self) -> bool:
        """Whether only this machine can reach the service."""
        if self.host == "localhost":
            return True
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return False


def _text(value: str) -> str:
    if not value.strip():
        raise ValueError("must not be empty")
    return value.strip()


def _port(value: str) -> int:
    return _number(value, 0, MAX_PORT)


def _number(value: str, least: int, most: int) -> int:
    if not value.isascii() or not value.isdigit() or not least <= int(value) <= most:
        raise ValueError(f"must be a whole number from {least} to {most}")
    return int(value)


def _switch(value: str) -> bool:
    if value not in {"0", "1"}:
        raise ValueError("must be 0 or 1")
    return value == "1"


def _choice(*choices: str) -> Callable[[str], str]:
    def parse(value: str) -> str:
        if value not in choices:
            raise ValueError(f"must be one of {', '.join(choices)}")
        return value

    return parse


def _networks(value: str) -> tuple[Network, ...]:
    try:
        told = tuple(ipaddress.ip_network(part.strip()) for part in value.split(","))
    except ValueError:
        raise ValueError(
            "must be addresses or networks with commas between them, such as 10.0.0.5,10.1.0.0/16"
        ) from None
    if any(network.prefixlen == 0 for network in told):
        raise ValueError("must not be all addresses: anybody could say who they are")
    return told


def _database_url(value: str) -> str:
    if not value.strip().startswith(("postgresql://", "postgres://")):
        raise ValueError("must begin with postgresql://")
    return value.strip()


def _admin_key(value: str) -> str:
    if len(value.strip()) < MIN_ADMIN_KEY:
        raise ValueError(f"must have at least {MIN_ADMIN_KEY} characters")
    return value.strip()


def _reader_password(value: str) -> str:
    password = value.strip()
    is_plain = password.isascii() and password.isprintable()
    if len(password) < MIN_READER_PASSWORD or not is_plain:
        raise ValueError(f"must be at least {MIN_READER_PASSWORD} characters of printable ASCII")
    return password


def _role(value: str) -> str:
    role = value.strip()
    if not re.fullmatch(r"[a-z_][a-z0-9_]{0,62}", role):
        raise ValueError("must be a role of PostgreSQL: a-z, 0-9 and _, 63 at most")
    return role


def _existing_file(value: str) -> Path:
    if not Path(value).is_file():
        raise ValueError("must name a file that exists")
    return Path(value)


PARSERS: Mapping[str, tuple[str, Callable[[str], Any]]] = {
    "DATABASE_URL": ("database_url", _database_url),
    "DATA_DIR": ("data_dir", lambda value: Path(_text(value))),
    "HOST": ("host", _text),
    "PORT": ("port", _port),
    "TLS_CERTIFICATE": ("tls_certificate", _existing_file),
    "TLS_KEY": ("tls_key", _existing_file),
    "ADMIN_KEY": ("admin_key", _admin_key),
    "READER_PASSWORD": ("reader_password", _reader_password),
    "SERVICE_ROLE": ("service_role", _role),
    "CONFIG": ("config", _existing_file),
    "ANONYMOUS_READ": ("anonymous_read", _switch),
    "PROXY_ADDRESSES": ("proxy_addresses", _networks),
    "AUDIT_RETENTION_DAYS": (
        "audit_retention_days",
        lambda value: _number(value, LEAST_RETENTION, MOST_RETENTION),
    ),
    "MAX_AHEAD_SECONDS": (
        "max_ahead",
        lambda value: timedelta(seconds=_number(value, 0, 86400)),
    ),
    "DATABASE_CONNECTIONS": ("database_connections", lambda value: _number(value, 1, 1000)),
    "DATABASE_BEHIND_POOLER": ("database_behind_pooler", _switch),
    "LOG_FORMAT": ("log_format", _choice("auto", "json", "console")),
    "LOG_LEVEL": ("log_level", _choice("debug", "info", "warning", "error")),
}
VARIABLES = tuple(
    f"{PREFIX}{name}{suffix}"
    for name, (attribute, _) in PARSERS.items()
    for suffix in (("", FILE_SUFFIX) if attribute in SECRETS else ("",))
)


def read_settings(environment: Mapping[str, str], **overrides: object) -> Settings:
    """Read the settings; `overrides` (command-line options) win. Raise SettingsError."""
    told = {name: value for name, value in environment.items() if name.startswith(PREFIX)}
    for name in told:
        if name not in VARIABLES:
            raise SettingsError(f"{name}: unknown setting{_suggestion(name)}")
    values = dict(_values(told))
    known = {setting.name for setting in fields(Settings)}
    values |= {k: v for k, v in overrides.items() if k in known and v is not None}
    settings = Settings(**values)
    if settings.anonymous_read and not settings.is_loopback:
        raise SettingsError(
            f"{PREFIX}ANONYMOUS_READ: allowed only on loopback, but {PREFIX}HOST is {settings.host}"
        )
    if (settings.tls_certificate is None) is not (settings.tls_key is None):
        raise SettingsError(
            f"{PREFIX}TLS_CERTIFICATE and {PREFIX}TLS_KEY: must be set both, or none"
        )
    return settings


def _values(told: Mapping[str, str]) -> list[tuple[str, Any]]:
    values = []
    for name, (attribute, parse) in PARSERS.items():
        variable, value = _told_value(told, PREFIX + name)
        if value is None:
            continue
        try:
            values.append((attribute, parse(value)))
        except ValueError as error:
            raise SettingsError(f"{variable}: {error}") from None
    return values


def _told_value(told: Mapping[str, str], variable: str) -> tuple[str, str | None]:
    file_variable = variable + FILE_SUFFIX
    if file_variable not in told:
        return variable, told.get(variable)
    if variable in told:
        raise SettingsError(f"{variable} and {file_variable} are both set; set one")
    try:
        return file_variable, Path(told[file_variable]).read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"{file_variable}: cannot be read ({type(error).__name__})") from None


def _suggestion(name: str) -> str:
    known = [variable.removeprefix(PREFIX) for variable in VARIABLES]
    close = difflib.get_close_matches(name.removeprefix(PREFIX).upper(), known, n=1)
    return f"; did you mean {PREFIX}{close[0]}?" if close else f"; known: {', '.join(VARIABLES)}"
