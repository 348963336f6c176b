"""Settings from the environment (DESIGN 8): nothing misspelt, no secret ever repeated."""

from datetime import timedelta
from ipaddress import ip_network
from pathlib import Path

import pytest

from rebate_monitor.settings import VARIABLES, Settings, SettingsError, read_settings

URL = "postgresql://monitor:very-secret@db.example/rebates"
KEY = "0123456789abcdef-admin"
PASSWORD = "a-password-made-up"


def refusal(environment: dict[str, str]) -> str:
    """Return the message with which an environment is refused."""
    with pytest.raises(SettingsError) as refused:
        read_settings(environment)
    return str(refused.value)


def test_nothing_told_is_a_service_on_loopback() -> None:
    """Without any variable the service listens on this machine and starts its own PostgreSQL."""
    settings = read_settings({})

    assert Settings() == settings
    assert ("127.0.0.1", 8080, None) == (settings.host, settings.port, settings.database_url)
    assert timedelta(minutes=5) == settings.max_ahead
    assert not settings.anonymous_read


def test_everything_told(tmp_path: Path) -> None:
    """Every variable reaches its setting."""
    config = tmp_path / "config.toml"
    config.touch()
    told = {
        "REBATE_DATABASE_URL": URL,
        "REBATE_DATA_DIR": "/var/lib/rebates",
        "REBATE_HOST": "0.0.0.0",  # noqa: S104 - a setting, nothing listens
        "REBATE_PORT": "9000",
        "REBATE_TLS_CERTIFICATE": str(config),
        "REBATE_TLS_KEY": str(config),
        "REBATE_ADMIN_KEY": KEY,
        "REBATE_READER_PASSWORD": PASSWORD,
        "REBATE_SERVICE_ROLE": "rebate_service",
        "REBATE_CONFIG": str(config),
        "REBATE_ANONYMOUS_READ": "0",
        "REBATE_PROXY_ADDRESSES": "10.0.0.5, 2001:db8::/32",
        "REBATE_AUDIT_RETENTION_DAYS": "730",
        "REBATE_MAX_AHEAD_SECONDS": "60",
        "REBATE_DATABASE_CONNECTIONS": "20",
        "REBATE_DATABASE_BEHIND_POOLER": "1",
        "REBATE_LOG_FORMAT": "json",
        "REBATE_LOG_LEVEL": "debug",
    }

    settings = read_settings(told)

    assert {v for v in VARIABLES if not v.endswith("_FILE")} == set(told)
    assert (
        Settings(
            database_url=URL,
            data_dir=Path("/var/lib/rebates"),
            host="0.0.0.0",  # noqa: S104 - a setting, nothing listens
            port=9000,
            tls_certificate=config,
            tls_key=config,
            admin_key=KEY,
            reader_password=PASSWORD,
            service_role="rebate_service",
            config=config,
            proxy_addresses=(ip_network("10.0.0.5"), ip_network("2001:db8::/32")),
            audit_retention_days=730,
            max_ahead=timedelta(minutes=1),
            database_connections=20,
            database_behind_pooler=True,
            log_format="json",
            log_level="debug",
        )
        == settings
    )


@pytest.mark.parametrize("name", ["REBATE_TLS_CERTIFICATE", "REBATE_TLS_KEY"])
def test_a_certificate_needs_its_key(name: str) -> None:
    """One without the other is a mistake, and plain HTTP no answer to it."""
    assert "set both, or none" in refusal({name: __file__})


def test_other_variables_are_not_ours() -> None:
    """Only names that begin with REBATE_ are read."""
    assert Settings() == read_settings({"PATH": "/bin", "PORT": "1", "XREBATE_PORT": "1"})


@pytest.mark.parametrize(
    ("misspelt", "meant"),
    [
        ("REBATE_DATABSE_URL", "REBATE_DATABASE_URL"),
        ("REBATE_ADMINKEY", "REBATE_ADMIN_KEY"),
        ("REBATE_ANONYMOUS", "REBATE_ANONYMOUS_READ"),
        ("REBATE_port", "REBATE_PORT"),
        ("REBATE_CONFIG_FILE", "REBATE_CONFIG"),
    ],
)
def test_a_misspelt_variable_is_an_error_with_a_suggestion(misspelt: str, meant: str) -> None:
    """A variable that nobody reads is refused, and the one that was meant is named."""
    expected = f"{misspelt}: unknown setting; did you mean {meant}?"

    assert expected == refusal({misspelt: "whatever-very-secret"})


def test_an_unknown_variable_is_answered_with_all_that_are_known() -> None:
    """Where nothing is similar, every known variable is named."""
    detail = refusal({"REBATE_X": "1"})

    assert detail.startswith("REBATE_X: unknown setting; known: ")
    assert [name for name in VARIABLES if name not in detail] == []


NETWORKS = "must be addresses or networks with commas between them, such as 10.0.0.5,10.1.0.0/16"
EVERYBODY = "must not be all addresses: anybody could say who they are"
BAD_VALUES = [
    ("REBATE_PORT", "http", "must be a whole number from 0 to 65535"),
    ("REBATE_PORT", "65536", "must be a whole number from 0 to 65535"),
    ("REBATE_PORT", "-1", "must be a whole number from 0 to 65535"),
    ("REBATE_PORT", "8080 ", "must be a whole number from 0 to 65535"),
    ("REBATE_PORT", "８０", "must be a whole number from 0 to 65535"),
    ("REBATE_PORT", "", "must be a whole number from 0 to 65535"),
    ("REBATE_HOST", " ", "must not be empty"),
    ("REBATE_DATA_DIR", "", "must not be empty"),
    ("REBATE_ANONYMOUS_READ", "yes", "must be 0 or 1"),
    ("REBATE_MAX_AHEAD_SECONDS", "5m", "must be a whole number from 0 to 86400"),
    ("REBATE_SERVICE_ROLE", "a role", "must be a role of PostgreSQL: a-z, 0-9 and _, 63 at most"),
    ("REBATE_PROXY_ADDRESSES", "10.0.0.1/8", NETWORKS),
    ("REBATE_PROXY_ADDRESSES", "proxy.example", NETWORKS),
    ("REBATE_PROXY_ADDRESSES", "::/0", EVERYBODY),
    ("REBATE_AUDIT_RETENTION_DAYS", "183", "must be a whole number from 184 to 36500"),
    ("REBATE_DATABASE_CONNECTIONS", "0", "must be a whole number from 1 to 1000"),
    ("REBATE_LOG_FORMAT", "xml", "must be one of auto, json, console"),
    ("REBATE_LOG_LEVEL", "DEBUG", "must be one of debug, info, warning, error"),
    ("REBATE_CONFIG", "/no/such/file.toml", "must name a file that exists"),
    ("REBATE_DATABASE_URL", "mysql://x", "must begin with postgresql://"),
    ("REBATE_ADMIN_KEY", "short", "must have at least 16 characters"),
    ("REBATE_ADMIN_KEY", " " * 20, "must have at least 16 characters"),
    ("REBATE_READER_PASSWORD", "short", "must be at least 12 characters of printable ASCII"),
    ("REBATE_READER_PASSWORD", "密码" * 8, "must be at least 12 characters of printable ASCII"),
]


@pytest.mark.parametrize(("name", "value", "rule"), BAD_VALUES)
def test_a_bad_value_is_named_with_its_rule(name: str, value: str, rule: str) -> None:
    """A wrong value names its variable and the rule."""
    assert f"{name}: {rule}" == refusal({name: value})


SECRETS = [
    ("REBATE_DATABASE_URL", "database_url", URL),
    ("REBATE_ADMIN_KEY", "admin_key", KEY),
    ("REBATE_READER_PASSWORD", "reader_password", PASSWORD),
]


@pytest.mark.parametrize(("name", "attribute", "secret"), SECRETS)
def test_a_secret_may_come_from_a_file(
    tmp_path: Path, name: str, attribute: str, secret: str
) -> None:
    """Every secret is read from the file that its _FILE variable names, without the line end."""
    file = tmp_path / "secret"
    file.write_text(f"{secret}\n")

    settings = read_settings({f"{name}_FILE": str(file)})

    assert secret == getattr(settings, attribute)


@pytest.mark.parametrize(("name", "attribute", "secret"), SECRETS)
def test_a_secret_told_twice_is_an_error(
    tmp_path: Path, name: str, attribute: str, secret: str
) -> None:
    """Nobody has to guess which of the two counts."""
    file = tmp_path / "secret"
    file.write_text(secret)

    detail = refusal({name: secret, f"{name}_FILE": str(file)})

    assert f"{name} and {name}_FILE are both set; set one" == detail


@pytest.mark.parametrize(("name", "attribute", "secret"), SECRETS)
def test_a_secret_file_that_is_missing(name: str, attribute: str, secret: str) -> None:
    """A file that cannot be read is named by its variable and the kind of error."""
    expected = f"{name}_FILE: cannot be read (FileNotFoundError)"

    assert expected == refusal({f"{name}_FILE": "/no/such/secret"})


def test_a_secret_file_that_is_no_text(tmp_path: Path) -> None:
    """A file that is not text is not a secret."""
    file = tmp_path / "secret"
    file.write_bytes(b"\xff\xfe")

    detail = refusal({"REBATE_ADMIN_KEY_FILE": str(file)})

    assert detail == "REBATE_ADMIN_KEY_FILE: cannot be read (UnicodeDecodeError)"


def test_what_is_no_secret_has_no_file_form() -> None:
    """A port is not read from a file."""
    assert refusal({"REBATE_PORT_FILE": "/x"}).startswith("REBATE_PORT_FILE: unknown setting")


def test_secrets_are_not_in_the_repr() -> None:
    """Settings can be logged."""
    text = repr(Settings(database_url=URL, admin_key=KEY, reader_password=PASSWORD))

    assert "secret" not in text
    assert KEY not in text
    assert PASSWORD not in text
    assert "host='127.0.0.1'" in text


@pytest.mark.parametrize(
    "environment",
    [
        {"REBATE_DATABASE_URL": f"mysql{URL}"},
        {"REBATE_ADMIN_KEY": "very-secret"},
        {"REBATE_ADMIN_KYE": "very-secret"},
        {"REBATE_DATABASE_URL": URL, "REBATE_PORT": "x"},
        {"REBATE_ADMIN_KEY": "very-secret", "REBATE_ADMIN_KEY_FILE": "/x"},
    ],
)
def test_secrets_are_not_in_an_error(environment: dict[str, str]) -> None:
    """A refusal names the variable and never what it holds."""
    assert "very-secret" not in refusal(environment)


def test_an_error_hides_what_caused_it(tmp_path: Path) -> None:
    """A traceback would show the text of the cause, so there is none."""
    file = tmp_path / "secret"
    file.write_text("very-secret")

    with pytest.raises(SettingsError) as refused:
        read_settings({"REBATE_DATABASE_URL_FILE": str(file)})

    assert refused.value.__suppress_context__
    assert str(refused.value) == "REBATE_DATABASE_URL_FILE: must begin with postgresql://"


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.8.8", "::1", "localhost"])
def test_anonymous_reading_on_loopback(host: str) -> None:
    """Reading without a key is allowed where only this machine can ask."""
    settings = read_settings({"REBATE_ANONYMOUS_READ": "1", "REBATE_HOST": host})

    assert settings.anonymous_read


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "10.0.0.8", "monitor.example"])  # noqa: S104 - nothing listens
def test_no_anonymous_reading_elsewhere(host: str) -> None:
    """Reading without a key is refused where others can ask."""
    expected = f"REBATE_ANONYMOUS_READ: allowed only on loopback, but REBATE_HOST is {host}"

    assert expected == refusal({"REBATE_ANONYMOUS_READ": "1", "REBATE_HOST": host})


def test_no_anonymous_reading_by_way_of_an_option() -> None:
    """An option that opens the host is held to the same."""
    with pytest.raises(SettingsError, match="only on loopback"):
        read_settings({"REBATE_ANONYMOUS_READ": "1"}, host="10.0.0.8")


def test_an_option_wins() -> None:
    """What is told on the command line wins over the environment; what is not told does not."""
    settings = read_settings({"REBATE_PORT": "9000"}, port=9001, host=None, folder="x")

    assert (9001, "127.0.0.1") == (settings.port, settings.host)
