"""Sessions of browsers: each stands for the key that somebody signed in with."""

import secrets
from datetime import datetime, timedelta

from rebate_monitor.storage.database import Connection
from rebate_monitor.storage.keys import key_digest
from rebate_monitor.storage.statements import statement

OPEN_SESSION = statement("open_session")
KEY_OF_SESSION = statement("key_of_session")
CLOSE_SESSION = statement("close_session")
FORGET_EXPIRED_SESSIONS = statement("forget_expired_sessions")

SESSION_LASTS = timedelta(hours=12)
SECRET_BYTES = 32


async def open_session(connection: Connection, key: str, now: datetime) -> str:
    """Open a session for a key that counts; return its secret, of which only a digest is kept."""
    await connection.execute(FORGET_EXPIRED_SESSIONS, now)
    secret = secrets.token_urlsafe(SECRET_BYTES)
    await connection.execute(
        OPEN_SESSION, key_digest(secret), key_digest(key), now, now + SESSION_LASTS
    )
    return secret


async def key_of_session(connection: Connection, secret: str, now: datetime) -> bytes | None:
    """Return the digest of the key that a session stands for, None where it has ended."""
    found: bytes | None = await connection.fetchval(KEY_OF_SESSION, key_digest(secret), now)
    return found


async def close_session(connection: Connection, secret: str) -> None:
    """End a session."""
    await connection.execute(CLOSE_SESSION, key_digest(secret))
