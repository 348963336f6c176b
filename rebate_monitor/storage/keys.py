"""API keys: shown once, kept as a digest only."""

import hashlib
import secrets
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from asyncpg import Record

from rebate_monitor.domain.bounds import UNBOUND, Bounds
from rebate_monitor.storage.audit import Through
from rebate_monitor.storage.database import Connection
from rebate_monitor.storage.statements import statement

ADD_KEY = statement("add_key")
KEYS_BY_DIGEST = statement("keys_by_digest")
LIST_KEYS = statement("list_keys")
REVOKE_KEY = statement("revoke_key")
ROTATE_KEY = statement("rotate_key")
BIND_KEY = statement("bind_key")
BOUNDS_BY_NAME = statement("bounds_by_name")

SECRET_BYTES = 32


class Scope(StrEnum):
    """What a key may do."""

    EVENTS_WRITE = "events:write"
    CASES_READ = "cases:read"
    SENSITIVE_READ = "sensitive:read"
    ADMIN = "admin"


@dataclass(frozen=True, slots=True, kw_only=True)
class Principal:
    """Who asks, how they are known, what they may do, and what they are bound to."""

    name: str
    scopes: frozenset[Scope]
    bounds: Bounds = UNBOUND
    through: Through = Through.KEY
    key_id: str | None = None

    def may(self, scope: Scope) -> bool:
        """Say whether the scope is held; `admin` does not imply the others."""
        return scope in self.scopes


@dataclass(frozen=True, slots=True, kw_only=True)
class Grant:
    """What a key is made for: whose it is, what it may do, and until when."""

    name: str
    scopes: frozenset[Scope]
    bounds: Bounds = UNBOUND
    expires_at: datetime | None = None


class KeyState(StrEnum):
    """Whether a key counts."""

    ACTIVE = "active"
    EXPIRED = "expired"
    REVOKED = "revoked"


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiKey:
    """A stored key, without its secret; `replaces` is the id of the one it was rotated from."""

    key_id: str
    name: str
    scopes: tuple[str, ...]
    bounds: Bounds = field(default=UNBOUND)
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None
    replaces: str | None

    def state(self, now: datetime) -> KeyState:
        """Say whether the key counts now."""
        if self.revoked_at is not None:
            return KeyState.REVOKED
        if self.expires_at is not None and self.expires_at <= now:
            return KeyState.EXPIRED
        return KeyState.ACTIVE


def key_digest(key: str) -> bytes:
    """Return what is stored of a key: it has 256 random bits, so a plain digest is enough."""
    return hashlib.sha256(key.encode("utf-8", "surrogatepass")).digest()


async def create_key(connection: Connection, grant: Grant, now: datetime) -> tuple[str, str]:
    """Store a new key and return its id and the key itself, which cannot be had again."""
    key_id, key = _new_key()
    await connection.execute(
        ADD_KEY,
        key_id,
        grant.name,
        key_digest(key),
        sorted(grant.scopes),
        list(grant.bounds.sources),
        list(grant.bounds.offices),
        now,
        grant.expires_at,
    )
    return key_id, key


async def rotate_key(
    connection: Connection, key_id: str, now: datetime, old_until: datetime
) -> tuple[str, str, str] | None:
    """Make a key like another, which goes on until an instant: return its name, id and the key.

    None where there is no such key, or where it counts no longer.
    """
    new_id, key = _new_key()
    name: str | None = await connection.fetchval(
        ROTATE_KEY, key_id, new_id, key_digest(key), now, old_until
    )
    return None if name is None else (name, new_id, key)


def _new_key() -> tuple[str, str]:
    key_id = secrets.token_hex(4)
    return key_id, f"rbm_{key_id}_{secrets.token_urlsafe(SECRET_BYTES)}"


async def find_keys(connection: Connection, digests: Sequence[bytes]) -> list[Principal | None]:
    """Return whom each key belongs to by its digest; None for one that counts no longer."""
    rows = await connection.fetch(KEYS_BY_DIGEST, list(set(digests)))
    known = {
        row["digest"]: Principal(
            name=row["name"],
            scopes=frozenset(map(Scope, row["scopes"])),
            bounds=_bounds(row),
            key_id=row["key_id"],
        )
        for row in rows
    }
    return [known.get(digest) for digest in digests]


async def list_keys(connection: Connection) -> list[ApiKey]:
    """Return every key, the oldest first."""
    return [
        ApiKey(
            key_id=row["key_id"],
            name=row["name"],
            scopes=tuple(row["scopes"]),
            bounds=_bounds(row),
            created_at=row["created_at"],
            expires_at=row["expires_at"],
            revoked_at=row["revoked_at"],
            replaces=row["replaces"],
        )
        for row in await connection.fetch(LIST_KEYS)
    ]


async def revoke_key(connection: Connection, key_id: str, now: datetime) -> str | None:
    """Revoke a key and return its name, or None when there is no such key."""
    name: str | None = await connection.fetchval(REVOKE_KEY, key_id, now)
    return name


async def bind_key(connection: Connection, key_id: str, bounds: Bounds) -> str | None:
    """Bind a key anew and return its name, or None when there is no such key."""
    name: str | None = await connection.fetchval(
        BIND_KEY, key_id, list(bounds.sources), list(bounds.offices)
    )
    return name


async def bounds_by_name(connection: Connection, names: Iterable[str]) -> Mapping[str, Bounds]:
    """Return what the latest key of each name is bound to; a name without a key is missing."""
    rows = await connection.fetch(BOUNDS_BY_NAME, list(set(names)))
    return {row["name"]: _bounds(row) for row in rows}


def _bounds(row: Record) -> Bounds:
    return Bounds(sources=tuple(row["sources"]), offices=tuple(row["offices"]))
