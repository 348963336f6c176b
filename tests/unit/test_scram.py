"""The verifier that PostgreSQL keeps of a password."""

import base64

import pytest

from rebate_monitor.storage.scram import UnusablePasswordError, scram_verifier

RFC_7677 = (
    "SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==$"
    "WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=:wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU="
)


def test_the_example_of_the_standard() -> None:
    """The password and salt of RFC 7677 give its keys."""
    assert scram_verifier("pencil", base64.b64decode("W22ZaJ0SNY7soEsUEjb6gQ==")) == RFC_7677


def test_every_verifier_has_its_own_salt() -> None:
    """Two verifiers of one password have nothing in common that could be looked up."""
    assert scram_verifier("pencil") != scram_verifier("pencil")


@pytest.mark.parametrize("password", ["", "密码密码密码密码", "with\nline", "tab\there"])
def test_what_clients_might_send_otherwise_is_refused(password: str) -> None:
    """Only printable ASCII is the same for every client."""
    with pytest.raises(UnusablePasswordError):
        scram_verifier(password)
