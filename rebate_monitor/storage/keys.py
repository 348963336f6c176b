"""API keys: shown once, kept as a digest only."""

import hashlib
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from rebate_monitor.storage.database import Connection
from rebate_monitor.storage.statements import statement

ADD_KEY = statement("add_key")
KEYS_BY_DIGEST = statement("keys_by_digest")
LIST_KEYS = statement("list_keys")
REVOKE_KEY = statement("revoke_key")

SECRET_BYTES = 32


class Scope(StrEnum):
    """What a key may do."""

    EVENTS_WRITE = "events:write"
    CASES_READ = "cases:read"
    SENSITIVE_READ = "sensitive:read"
    ADMIN = "admin"


@dataclass(frozen=True, slots=True, kw_only=True)
class Principal:
    """Who asks, and what they may do."""

    name: str
    scopes: frozenset[Scope]

    def may(self, scope: Scope) -> bool:
        """Say whether the scope is held; `admin` does not imply the others."""
        return scope in self.scopes


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiKey:
    """A stored key, without its secret."""

    key_id: str
    name: str
    scopes: tuple[str, ...]
    created_at: datetime
    revoked_at: datetime | None


def key_digest(key: str) -> bytes:
    """Return what is stored of a key: it has 256 random bits, so a plain digest is enough."""
    return hashlib.sha256(key.encode("utf-8", "surrogatepass")).digest()


async def create_key(
    connection: Connection, name: str, scopes: frozenset[Scope], now: datetime
) -> tuple[str, str]:
    """Store a new key and return its id and the key itself, which cannot be had again."""
    key_id = secrets.token_hex(4)
    key = f"rbm_{key_id}_{secrets.token_urlsafe(SECRET_BYTES)}"
    await connection.execute(ADD_KEY, key_id, name, key_digest(key), sorted(scopes), now)
    return key_id, key


async def find_keys(connection: Connection, digests: Sequence[bytes]) -> list[Principal | None]:
    """Return whom each key belongs to by its digest; None for an unknown or revoked one."""
    rows = await connection.fetch(KEYS_BY_DIGEST, list(set(digests)))
    known = {
        row["digest"]: Principal(name=row["name"], scopes=frozenset(map(Scope, row["scopes"])))
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
            created_at=row["created_at"],
            revoked_at=row["revoked_at"],
        )
        for row in await connection.fetch(LIST_KEYS)
    ]


async def revoke_key(connection: Connection, key_id: str, now: datetime) -> str | None:
    """Revoke a key and return its name, or None when there is no such key."""
    name: str | None = await connection.fetchval(REVOKE_KEY, key_id, now)
    return name
