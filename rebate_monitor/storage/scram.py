"""A SCRAM-SHA-256 verifier: what PostgreSQL keeps of a password (RFC 5802, RFC 7677).

It is made here, as psql does, so that the password itself is never part of a
statement, which servers may write into their logs.
"""

import base64
import hashlib
import hmac
import secrets

ITERATIONS = 4096
SALT_BYTES = 16


class UnusablePasswordError(ValueError):
    """A password that clients could send in several forms (RFC 4013), or that is empty."""


def scram_verifier(password: str, salt: bytes | None = None) -> str:
    """Return the verifier of a password of printable ASCII; raise UnusablePasswordError."""
    if not password or not password.isascii() or not password.isprintable():
        raise UnusablePasswordError("a password must be printable ASCII, and not empty")
    salt = salt or secrets.token_bytes(SALT_BYTES)
    salted = hashlib.pbkdf2_hmac("sha256", password.encode(), salt, ITERATIONS)
    stored_key = hashlib.sha256(_keyed(salted, b"Client Key")).digest()
    keys = ":".join(map(_base64, (stored_key, _keyed(salted, b"Server Key"))))
    return f"SCRAM-SHA-256${ITERATIONS}:{_base64(salt)}${keys}"


def _keyed(key: bytes, message: bytes) -> bytes:
    return hmac.digest(key, message, "sha256")


def _base64(raw: bytes) -> str:
    return base64.b64encode(raw).decode()
