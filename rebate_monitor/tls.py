"""Speak TLS with a certificate from files, and take a renewed one without a restart."""

import ssl
from pathlib import Path

import structlog

LOOK_EVERY_SECONDS = 60.0

log = structlog.get_logger()


class CertificateError(ValueError):
    """The certificate cannot be used; the message names the files and the problem."""


class Certificate:
    """A certificate with its chain and its key, both PEM, as they were last read."""

    def __init__(self, certificate: Path, key: Path) -> None:
        self._certificate, self._key = certificate, key
        self.context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        self.context.minimum_version = ssl.TLSVersion.TLSv1_2
        self._read_as = self._load()

    def renew(self) -> bool:
        """Read the files again where they have changed; connections from now on get the new one.

        A pair that cannot be used is left, and told to operations.
        """
        if self._state() == self._read_as:
            return False
        try:
            self._read_as = self._load()
        except CertificateError as error:
            log.warning("certificate.unusable", problem=str(error))
            return False
        log.info("certificate.renewed")
        return True

    def _load(self) -> tuple[int, ...]:
        state = self._state()
        try:
            self.context.load_cert_chain(self._certificate, self._key, _no_passphrase)
        except (OSError, ssl.SSLError) as error:
            raise CertificateError(
                f"{self._certificate} and {self._key} cannot be used: {error.strerror or error}; "
                "must be a certificate with its chain, and its key without a passphrase, in PEM"
            ) from None
        return state

    def _state(self) -> tuple[int, ...]:
        try:
            return tuple(file.stat().st_mtime_ns for file in (self._certificate, self._key))
        except OSError:
            return ()


def _no_passphrase() -> str:
    """Stand in for a terminal: a service cannot be asked."""
    raise CertificateError("the key has a passphrase, and nobody is there to type it")
