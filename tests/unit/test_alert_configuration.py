"""The blocks about alerts of REBATE_CONFIG: what they come to, and how they are refused."""

import re
import tomllib
from dataclasses import fields
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from rebate_monitor.alerting.channels.channel import (
    Channel,
    ChannelType,
    DingtalkConnection,
    EmailConnection,
    FeishuConnection,
    Hours,
    MailSecurity,
    WebhookConnection,
    WecomConnection,
)
from rebate_monitor.alerting.configuration import (
    AlertSettings,
    ConfigurationError,
    alert_settings,
)
from rebate_monitor.alerting.routes import Route
from rebate_monitor.catalogue import Language
from rebate_monitor.domain.alert import AlertKind
from rebate_monitor.domain.local_time import SHANGHAI
from rebate_monitor.places import places
from rebate_monitor.policy_file import KNOWN_TABLES

WEBHOOK = """
[[channel]]
name = "platform"
type = "webhook"
url = "https://platform.example/hook?token=url-secret"
secret = "webhook-secret"
"""
WECOM = """
[[channel]]
name = "changsha-wecom"
type = "wecom"
key = "wecom-secret"
"""
DINGTALK = """
[[channel]]
name = "changsha-dingtalk"
type = "dingtalk"
access_token = "dingtalk-token"
secret = "dingtalk-secret"
"""
FEISHU = """
[[channel]]
name = "changsha-feishu"
type = "feishu"
token = "feishu-token"
secret = "feishu-secret"
"""
EMAIL = """
[[channel]]
name = "supervision"
type = "email"
host = "mail.example"
user = "monitor"
password = "mail-password"
sender = "monitor@example.gov.cn"
recipients = ["one@example.gov.cn", "two@example.gov.cn"]
"""
SECRETS = (
    "url-secret", "webhook-secret", "wecom-secret", "dingtalk-token", "dingtalk-secret",
    "feishu-token", "feishu-secret", "mail-password",
)  # fmt: skip
ALL = WEBHOOK + WECOM + DINGTALK + FEISHU + EMAIL


def route_to(*channels: str, conditions: str = "") -> str:
    """Return a `[[route]]` block."""
    return f"\n[[route]]\nchannels = {list(channels)}\n{conditions}\n"


def read(text: str) -> AlertSettings:
    """Read the alert settings of a configuration."""
    return alert_settings(tomllib.loads(text), places())


def read_channel(block: str) -> Channel:
    """Read one channel."""
    name = tomllib.loads(block)["channel"][0]["name"]
    (channel,) = read(block + route_to(name)).channels
    return channel


def refusal(text: str) -> str:
    """Return the message with which a configuration is refused."""
    with pytest.raises(ConfigurationError) as refused:
        read(text)
    return str(refused.value)


@pytest.mark.parametrize("config", [None, {}])
def test_nothing_told_is_nobody_told(config: dict[str, object] | None) -> None:
    """Without blocks about alerts there is no channel, and the defaults hold."""
    settings = alert_settings(config, places())

    assert AlertSettings() == settings
    assert (20, timedelta(seconds=10), timedelta(days=90)) == (
        settings.max_attempts,
        settings.request_timeout,
        settings.retention,
    )


def test_everything_told_about_alerts() -> None:
    """Every field of `[alerts]` reaches its setting; the link loses its last slash."""
    settings = read("""
        [alerts]
        enforce_from = 2026-12-01T00:00:00+08:00
        link = "https://rebate.example.gov.cn/"
        max_attempts = 5
        request_timeout_seconds = 2.5
        retention_days = 30
        """)

    assert (
        AlertSettings(
            enforce_from=datetime(2026, 12, 1, tzinfo=SHANGHAI),
            link="https://rebate.example.gov.cn",
            max_attempts=5,
            request_timeout=timedelta(seconds=2.5),
            retention=timedelta(days=30),
        )
        == settings
    )


@pytest.mark.parametrize("told", ["2026-12-01", "2026-11-30T16:00:00Z"])
def test_enforce_from(told: str) -> None:
    """A date is its 00:00 in Asia/Shanghai; an instant may have any offset."""
    settings = read(f"[alerts]\nenforce_from = {told}")

    assert datetime(2026, 11, 30, 16, tzinfo=UTC) == settings.enforce_from


def test_webhook_defaults() -> None:
    """A webhook is told everything at once, at any hour of any day."""
    assert Channel(
        name="platform",
        language=Language.ZH,
        hours=Hours(opens=0, closes=1440),
        workdays_only=False,
        digest_every=timedelta(0),
        per_minute=600,
        connection=WebhookConnection(
            url="https://platform.example/hook?token=url-secret", secret="webhook-secret"
        ),
    ) == read_channel(WEBHOOK)


@pytest.mark.parametrize(
    ("block", "per_minute"), [(WECOM, 20), (DINGTALK, 20), (FEISHU, 100), (EMAIL, 60)]
)
def test_people_defaults(block: str, per_minute: int) -> None:
    """People are told every quarter of an hour in the working hours of workdays."""
    channel = read_channel(block)

    assert (
        Language.ZH,
        Hours(opens=540, closes=1080),
        True,
        timedelta(minutes=15),
        per_minute,
    ) == (
        channel.language,
        channel.hours,
        channel.workdays_only,
        channel.digest_every,
        channel.per_minute,
    )


@pytest.mark.parametrize(
    ("block", "kind", "connection"),
    [
        (
            WECOM,
            ChannelType.WECOM,
            WecomConnection(base_url="https://qyapi.weixin.qq.com", key="wecom-secret"),
        ),
        (
            DINGTALK,
            ChannelType.DINGTALK,
            DingtalkConnection(
                base_url="https://oapi.dingtalk.com",
                access_token="dingtalk-token",
                secret="dingtalk-secret",
            ),
        ),
        (
            FEISHU,
            ChannelType.FEISHU,
            FeishuConnection(
                base_url="https://open.feishu.cn", token="feishu-token", secret="feishu-secret"
            ),
        ),
        (
            EMAIL,
            ChannelType.EMAIL,
            EmailConnection(
                host="mail.example",
                port=587,
                security=MailSecurity.STARTTLS,
                user="monitor",
                password="mail-password",
                sender="monitor@example.gov.cn",
                recipients=("one@example.gov.cn", "two@example.gov.cn"),
            ),
        ),
    ],
)
def test_connections(block: str, kind: ChannelType, connection: object) -> None:
    """Each type of channel has its own connection, with the vendor's address by default."""
    channel = read_channel(block)

    assert (kind, connection) == (channel.type, channel.connection)


def test_everything_told_about_a_channel() -> None:
    """What is told replaces every default, a digest of zero minutes included."""
    channel = read_channel(
        WECOM + 'language = "en"\nhours = "08:30-24:00"\ndays = "all"\ndigest_minutes = 0\n'
        'per_minute = 5\nbase_url = "http://wecom.gov.example:8443/prefix/"\n'
    )

    assert (
        Channel(
            name="changsha-wecom",
            language=Language.EN,
            hours=Hours(opens=510, closes=1440),
            workdays_only=False,
            digest_every=timedelta(0),
            per_minute=5,
            connection=WecomConnection(
                base_url="http://wecom.gov.example:8443/prefix", key="wecom-secret"
            ),
        )
        == channel
    )


@pytest.mark.parametrize(
    ("security", "port"),
    [(MailSecurity.STARTTLS, 587), (MailSecurity.TLS, 465), (MailSecurity.NONE, 25)],
)
def test_mail_port_by_security(security: MailSecurity, port: int) -> None:
    """The port that goes with the protection, unless another is told."""
    block = EMAIL + f'security = "{security}"\n'

    ports = [read_channel(text).connection for text in (block, block + "port = 2525\n")]

    assert [port, 2525] == [c.port for c in ports if isinstance(c, EmailConnection)]


def test_mail_server_without_user() -> None:
    """A relay may be used without a user."""
    block = EMAIL.replace('user = "monitor"\n', "").replace('password = "mail-password"\n', "")

    connection = read_channel(block).connection

    assert isinstance(connection, EmailConnection)
    assert (None, None) == (connection.user, connection.password)


def test_secret_by_file(tmp_path: Path) -> None:
    """A secret may lie in a file; the line end is not part of it."""
    file = tmp_path / "key"
    file.write_text("wecom-secret\n", "utf-8")
    block = WECOM.replace('key = "wecom-secret"', f'key_file = "{file}"')

    assert read_channel(WECOM) == read_channel(block)


def test_every_secret_has_a_file(tmp_path: Path) -> None:
    """Whatever is kept out of `repr` can be given by file, and by nothing else than that."""
    file = tmp_path / "secret"
    connections = {
        type(read_channel(block).connection): block
        for block in (WEBHOOK, WECOM, DINGTALK, FEISHU, EMAIL)
    }

    for connection, block in connections.items():
        for secret in (field.name for field in fields(connection) if not field.repr):
            told = "https://from.example/file" if secret == "url" else "from-file"
            file.write_text(f"{told}\n", "utf-8")
            lines = [
                f'{secret}_file = "{file}"' if line.startswith(f"{secret} = ") else line
                for line in block.splitlines()
            ]
            channel = read_channel("\n".join(lines))
            assert told == getattr(channel.connection, secret)


def test_routes() -> None:
    """Every condition reaches its route, and a channel knows its routes."""
    settings = read(
        WEBHOOK + WECOM + route_to("platform") + route_to(
            "changsha-wecom", "platform",
            conditions="""
                kinds = ["breached", "overdue"]
                levels = [1, 2]
                cities = ["430100"]
                offices = ["14301000000"]
                categories = ["I", "unknown"]
                whitelisted = true
                """,
        )
    )  # fmt: skip

    everything = Route(channels=("platform",))
    narrow = Route(
        channels=("changsha-wecom", "platform"),
        kinds=frozenset({AlertKind.BREACHED, AlertKind.OVERDUE}),
        levels=frozenset({1, 2}),
        cities=frozenset({"430100"}),
        offices=frozenset({"14301000000"}),
        categories=frozenset({"I", "unknown"}),
        whitelisted=True,
    )
    assert (everything, narrow) == settings.routes
    assert (everything, narrow) == settings.routes_of("platform")
    assert (narrow,) == settings.routes_of("changsha-wecom")


def test_secrets_are_never_shown() -> None:
    """Neither `repr` nor `str` of the settings, of a channel or of a connection has a secret."""
    names = [block["name"] for block in tomllib.loads(ALL)["channel"]]
    settings = read(ALL + route_to(*names))

    shown = "".join(
        f"{thing!r}{thing!s}"
        for channel in settings.channels
        for thing in (settings, channel, channel.connection)
    )
    assert [] == [secret for secret in SECRETS if secret in shown]


WRONG = {
    # alerts
    "alerts as a list": ("[[alerts]]", "[alerts]: must be one table"),
    "alerts misspelt": ("[alerts]\nlinks = 'x'", "[alerts]: links: unknown field; known: enforce_"),
    "local instant": ("[alerts]\nenforce_from = 2026-12-01T00:00:00", "enforce_from: must be an"),
    "quoted instant": ("[alerts]\nenforce_from = '2026-12-01'", "neither in quotation marks"),
    "time of day": ("[alerts]\nenforce_from = 00:00:00", "enforce_from: must be an instant"),
    "no attempts": ("[alerts]\nmax_attempts = 0", "max_attempts: expected int >= 1"),
    "attempts as text": ("[alerts]\nmax_attempts = '20'", "max_attempts: expected int, got str"),
    "timeout too short": ("[alerts]\nrequest_timeout_seconds = 0.05", "expected float >= 0.1"),
    "timeout too long": ("[alerts]\nrequest_timeout_seconds = 61", "expected float <= 60"),
    "timeout nan": ("[alerts]\nrequest_timeout_seconds = nan", "request_timeout_seconds: expected"),
    "retention": ("[alerts]\nretention_days = 0", "retention_days: expected int >= 1"),
    "link without scheme": ("[alerts]\nlink = 'rebate.example'", "link: is not an address"),
    "link with query": ("[alerts]\nlink = 'https://a.example/?a=1'", "link: must have no query"),
    # channels
    "one bracket": ("[channel]\nname = 'x'", "[[channel]]: must be tables, each written [[chan"),
    "no name": ("[[channel]]\ntype = 'webhook'", "[[channel]] number 1: name: is missing; must be"),
    "name": (WECOM.replace("changsha-wecom", "Changsha"), "[[channel]] 'Changsha': name: expected"),
    "name too long": (WECOM.replace("changsha-wecom", "x" * 64), "must be 1 to 63 of a-z, 0-9 and"),
    "name twice": (WECOM + WECOM + route_to("changsha-wecom"), "name: is given twice; every chann"),
    "no type": ("[[channel]]\nname = 'x'", "[[channel]] 'x': type: must be one of webhook, wecom"),
    "type": (WECOM.replace('"wecom"', '"sms"'), "type: must be one of webhook, wecom, dingtalk"),
    "field of another type": (WECOM + "port = 25", "'changsha-wecom': port: unknown field; known:"),
    "language": (WECOM + "language = 'de'", "language: invalid enum value 'de'; must be zh or en"),
    "days": (WECOM + "days = 'weekdays'", "days: invalid enum value 'weekdays'; must be workdays "),
    "digest too long": (WECOM + "digest_minutes = 1441", "digest_minutes: expected int <= 1440"),
    "digest negative": (WECOM + "digest_minutes = -1", "digest_minutes: expected int >= 0"),
    "no messages": (WECOM + "per_minute = 0", "per_minute: expected int >= 1"),
    "switch for a number": (WECOM + "per_minute = true", "per_minute: expected int, got bool"),
    "secret missing": (WECOM.replace("key =", "#"), "key: is missing; give key or key_file"),
    "secret twice": (WECOM + "key_file = 'x'", "key: is given together with key_file; give one"),
    "secret empty": (WECOM.replace("wecom-secret", " "), "key: must be one line that is not empty"),
    "secret of two lines": (WECOM.replace("wecom-secret", "a\\nb"), "key: must be one line"),
    "address for a key": (
        WECOM.replace("wecom-secret", "https://qyapi.weixin.qq.com/x?key=wecom-secret"),
        "key: is an address; give only what follows its last `=`",
    ),
    "address with password": (WECOM + "base_url = 'https://a:b@c.example'", "base_url: is not an"),
    "address with fragment": (WECOM + "base_url = 'https://c.example/#x'", "base_url: is not an"),
    "address with query": (WECOM + "base_url = 'https://c.example?x=1'", "base_url: must have no"),
    "no user": (EMAIL.replace("user =", "#"), "user: must be given together with password or"),
    "no password": (EMAIL.replace("password =", "#"), "user: must be given together with"),
    "mail password": (EMAIL.replace("mail-password", "密码"), "user: must be ASCII, and so must"),
    "no recipients": (EMAIL.replace('"one@example.gov.cn", "two@example.gov.cn"', ""), ">= 1"),
    "recipient": (EMAIL.replace("one@", "Li <one@"), "recipients: expected str of another form"),
    "recipient twice": (EMAIL.replace("two@", "one@"), "recipients: an address is given twice"),
    "sender": (EMAIL.replace("monitor@example", "monitor\\r\\n@example"), "sender: expected str"),
    "mail host": (EMAIL.replace("mail.example", "mail.example:25"), "host: expected str of"),
    "mail port": (EMAIL + "port = 65536", "port: expected int <= 65535"),
    "security": (EMAIL + "security = 'ssl'", "security: invalid enum value 'ssl'; must be startt"),
    "no route": (WECOM, "[[channel]] 'changsha-wecom': no [[route]] names it"),
    # routes
    "unknown channel": (
        WECOM + route_to("changsha-wecom", "x"),
        "[[route]] number 1: channels: 'x' is not a known [[channel]]; known: changsha-wecom",
    ),
    "no channels": (route_to(), "[[route]] number 1: channels: expected array of length >= 1"),
    "channels missing": ("[[route]]\nlevels = [1]", "channels: is missing"),
    "route misspelt": (route_to(conditions="level = [1]"), "level: unknown field; known: channels"),
}  # fmt: skip


DOCS = Path(__file__).parent.parent.parent / "docs"


@pytest.mark.parametrize(
    ("document", "channels"),
    [
        (
            "notifications.md",
            ["changsha-wecom", "platform", "province-feishu", "supervision",
             "supervision-dingtalk"],
        ),
        ("configuration.md", ["changsha-wecom", "platform"]),
    ],
)  # fmt: skip
def test_documented_examples(tmp_path: Path, document: str, channels: list[str]) -> None:
    """What the documents show is taken as it stands, with the reader's own secrets."""
    (tmp_path / "url_file").write_text("https://platform.example/hook", "utf-8")
    (tmp_path / "file").write_text("a-secret-word", "utf-8")
    text = (DOCS / document).read_text("utf-8")
    example = "\n".join(re.findall(r"```toml\n(.*?)```", text, re.DOTALL))
    own = re.sub(r'(url_)?file = "/run/secrets/[^"]+"', rf'\1file = "{tmp_path}/\1file"', example)
    config = tomllib.loads(own)

    settings = alert_settings(config, places(config))

    assert channels == sorted(channel.name for channel in settings.channels)
    assert settings.link is not None
    assert KNOWN_TABLES >= config.keys()


@pytest.mark.parametrize(("text", "message"), WRONG.values(), ids=list(WRONG))
def test_wrong_block_is_refused(text: str, message: str) -> None:
    """What is wrong is refused with block, field, problem and rule, and without any secret."""
    told = refusal(text)

    assert message in told
    assert [] == [secret for secret in SECRETS if secret in told]


WRONG_CONDITIONS = {
    "kinds": ("kinds = ['late']", "kinds: invalid enum value 'late'; must be at_risk, breached or"),
    "corrected": ("kinds = ['corrected']", "a correction goes to those who were told"),
    "no kinds": ("kinds = []", "kinds: expected array of length >= 1"),
    "levels": ("levels = [-1]", "levels: expected int >= 0"),
    "contradiction": ("kinds = ['at_risk']\nlevels = [1, 2]", "levels: none of them is of the kin"),
    "city": ("cities = ['4301']", "cities: expected str of another form; must be six digits"),
    "unknown city": ("cities = ['430199']", "cities: '430199' is not a known [[city]]; known: 4"),
    "office": ("offices = ['4301000000']", "must be eleven digits, the first of them 1"),
    "category": ("categories = ['V']", "categories: invalid enum value 'V'; must be I, II, III"),
    "whitelisted": ("whitelisted = 'yes'", "whitelisted: expected bool, got str"),
}  # fmt: skip


@pytest.mark.parametrize(
    ("conditions", "message"), WRONG_CONDITIONS.values(), ids=list(WRONG_CONDITIONS)
)
def test_wrong_condition_is_refused(conditions: str, message: str) -> None:
    """A condition that nothing could meet is refused with the number of its route."""
    good = route_to("changsha-wecom")

    told = refusal(WECOM + good + route_to("changsha-wecom", conditions=conditions))

    assert told.startswith("[[route]] number 2: ")
    assert message in told


@pytest.mark.parametrize(
    "hours",
    ["9-18", "09:00", "09:00-18:60", "24:00-24:00", "18:00-09:00", "09:00-09:00", "00:00-24:01",
     "09:00-25:00", "09:00 - 18:00", "０9:00-18:00", "09:00-18:00\\n", ""],
)  # fmt: skip
def test_malformed_hours_are_refused(hours: str) -> None:
    """Hours are HH:MM-HH:MM and end after they begin, at 24:00 at the latest."""
    told = refusal(WECOM + f'hours = "{hours}"')

    assert told.startswith("[[channel]] 'changsha-wecom': hours: must ")


@pytest.mark.parametrize(
    "address",
    ["", "platform.example", "ftp://a.example", "file:///etc/passwd", "https://", "https:///path",
     "https://:443/", "https://url-secret@a.example", "https://u:url-secret@a.example",
     "https://a.example/#url-secret", "https://a.example#", "https://a.example:0/",
     "https://a.example:65536/", "https://a.example:x/", "https://a b.example/",
     "https://a.ex\\tample/", "https://[::1/", "https://政务.example/", "https://a\\\\b.example/",
     "javascript:alert(1)"],
)  # fmt: skip
def test_bad_webhook_address_is_refused(address: str) -> None:
    """An address needs http(s) and a host, and the refusal does not repeat its secret."""
    block = WEBHOOK.replace("https://platform.example/hook?token=url-secret", address)

    told = refusal(block + route_to("platform"))

    assert told.startswith("[[channel]] 'platform': url: ")
    assert "url-secret" not in told


@pytest.mark.parametrize(
    "address", ["http://127.0.0.1:8080/x", "https://[::1]:8443/", "HTTPS://a.example?x=%20"]
)
def test_good_webhook_address_is_kept(address: str) -> None:
    """An address is used as it was told."""
    block = WEBHOOK.replace("https://platform.example/hook?token=url-secret", address)

    connection = read_channel(block).connection

    assert isinstance(connection, WebhookConnection)
    assert address == connection.url


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "cannot be read (FileNotFoundError)"),
        (b"\xff\xfesecret-in-file", "cannot be read (UnicodeDecodeError)"),
        (b"\n \n", "key_file: must be one line that is not empty"),
        (b"secret-in-file\nmore", "key_file: must be one line"),
    ],
)
def test_bad_secret_file_is_refused(tmp_path: Path, content: bytes | None, message: str) -> None:
    """A secret's file that cannot be used is refused by field and file, not by its content."""
    file = tmp_path / "key"
    if content is not None:
        file.write_bytes(content)

    told = refusal(WECOM.replace('key = "wecom-secret"', f'key_file = "{file}"'))

    assert told.startswith("[[channel]] 'changsha-wecom': key_file: ")
    assert message in told
    assert "secret-in-file" not in told


def test_refusal_hides_its_cause() -> None:
    """The refusal carries no inner exception in which a secret could hide."""
    with pytest.raises(ConfigurationError) as refused:
        read(WECOM + "per_minute = 0")

    assert refused.value.__cause__ is None
    assert refused.value.__suppress_context__
