"""Convert one `[[channel]]` block: defaults by type, secrets inline or by file."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any, Literal, assert_never

import msgspec

from rebate_monitor.alerting.channels.channel import (
    Channel,
    ChannelType,
    Connection,
    DingtalkConnection,
    EmailConnection,
    FeishuConnection,
    Hours,
    MailSecurity,
    WebhookConnection,
    WecomConnection,
)
from rebate_monitor.alerting.fields import base_address, convert_fields, web_address
from rebate_monitor.catalogue import Language

Text = Annotated[str, msgspec.Meta(min_length=1, max_length=2000)]
ATOM = r"[0-9A-Za-z.!#$%&'*+/=?^_`{|}~-]"
MailAddress = Annotated[str, msgspec.Meta(pattern=rf"^{ATOM}+@[0-9A-Za-z.-]+\Z", max_length=254)]
HOST = r"^([0-9A-Za-z._-]{1,253}|[0-9A-Fa-f.]*(:[0-9A-Fa-f.]*){2,8})\Z"  # a name, or IPv6
Recipients = Annotated[tuple[MailAddress, ...], msgspec.Meta(min_length=1, max_length=100)]

HOURS = re.compile(r"(?P<opens>[0-2][0-9]:[0-5][0-9])-(?P<closes>[0-2][0-9]:[0-5][0-9])")
MINUTES_A_DAY = 24 * 60
FILE_SUFFIX = "_file"
MAIL_PORTS: Mapping[MailSecurity, int] = {
    MailSecurity.STARTTLS: 587,
    MailSecurity.TLS: 465,
    MailSecurity.NONE: 25,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Defaults:
    """What a channel does unless it is told otherwise."""

    per_minute: int
    hours: str = "09:00-18:00"
    days: Literal["workdays", "all"] = "workdays"
    digest_minutes: int = 15


DEFAULTS: Mapping[ChannelType, _Defaults] = {
    ChannelType.WEBHOOK: _Defaults(
        per_minute=600, hours="00:00-24:00", days="all", digest_minutes=0
    ),
    ChannelType.WECOM: _Defaults(per_minute=20),
    ChannelType.DINGTALK: _Defaults(per_minute=20),
    ChannelType.FEISHU: _Defaults(per_minute=100),
    ChannelType.EMAIL: _Defaults(per_minute=60),
}


class _Channel(msgspec.Struct, kw_only=True):
    name: Annotated[str, msgspec.Meta(pattern=r"^[a-z0-9][a-z0-9-]{0,62}\Z")]
    type: ChannelType
    language: Language = Language.ZH
    hours: str | None = None
    days: Literal["workdays", "all"] | None = None
    digest_minutes: Annotated[int, msgspec.Meta(ge=0, le=MINUTES_A_DAY)] | None = None
    per_minute: Annotated[int, msgspec.Meta(ge=1, le=60_000)] | None = None


class _Webhook(_Channel, kw_only=True):
    url: Text | None = None
    url_file: Text | None = None
    secret: Text | None = None
    secret_file: Text | None = None


class _Wecom(_Channel, kw_only=True):
    base_url: Text = "https://qyapi.weixin.qq.com"
    key: Text | None = None
    key_file: Text | None = None


class _Dingtalk(_Channel, kw_only=True):
    base_url: Text = "https://oapi.dingtalk.com"
    access_token: Text | None = None
    access_token_file: Text | None = None
    secret: Text | None = None
    secret_file: Text | None = None


class _Feishu(_Channel, kw_only=True):
    base_url: Text = "https://open.feishu.cn"
    token: Text | None = None
    token_file: Text | None = None
    secret: Text | None = None
    secret_file: Text | None = None


class _Email(_Channel, kw_only=True):
    host: Annotated[str, msgspec.Meta(pattern=HOST)]
    sender: MailAddress
    recipients: Recipients
    port: Annotated[int, msgspec.Meta(ge=1, le=65535)] | None = None
    security: MailSecurity = MailSecurity.STARTTLS
    user: Text | None = None
    password: Text | None = None
    password_file: Text | None = None


BLOCKS: Mapping[str, type[_Webhook | _Wecom | _Dingtalk | _Feishu | _Email]] = {
    ChannelType.WEBHOOK: _Webhook,
    ChannelType.WECOM: _Wecom,
    ChannelType.DINGTALK: _Dingtalk,
    ChannelType.FEISHU: _Feishu,
    ChannelType.EMAIL: _Email,
}


def convert_channel(block: Mapping[str, Any]) -> Channel:
    """Convert a `[[channel]]` block; raise ValueError with field, problem and rule."""
    wanted = block.get("type")
    if not isinstance(wanted, str) or wanted not in BLOCKS:
        raise ValueError(f"type: must be one of {', '.join(BLOCKS)}")
    told = convert_fields(block, BLOCKS[wanted])
    defaults = DEFAULTS[told.type]
    minutes = defaults.digest_minutes if told.digest_minutes is None else told.digest_minutes
    return Channel(
        name=told.name,
        language=told.language,
        hours=_hours(defaults.hours if told.hours is None else told.hours),
        workdays_only=(told.days or defaults.days) == "workdays",
        digest_every=timedelta(minutes=minutes),
        per_minute=told.per_minute or defaults.per_minute,
        connection=_connection(told),
    )


def _hours(text: str) -> Hours:
    match = HOURS.fullmatch(text)
    if match is None:
        raise ValueError('hours: must be HH:MM-HH:MM, such as "09:00-18:00" or "00:00-24:00"')
    hours = Hours(opens=_minutes(match["opens"]), closes=_minutes(match["closes"]))
    if not hours.opens < hours.closes <= MINUTES_A_DAY:
        raise ValueError("hours: must end after they begin, at 24:00 at the latest")
    return hours


def _minutes(clock: str) -> int:
    hours, minutes = clock.split(":")
    return int(hours) * 60 + int(minutes)


def _connection(told: _Webhook | _Wecom | _Dingtalk | _Feishu | _Email) -> Connection:
    match told:
        case _Webhook():
            return WebhookConnection(
                url=web_address("url", _secret(told, "url")), secret=_secret(told, "secret")
            )
        case _Wecom():
            return WecomConnection(
                base_url=base_address("base_url", told.base_url), key=_word(told, "key")
            )
        case _Dingtalk():
            return DingtalkConnection(
                base_url=base_address("base_url", told.base_url),
                access_token=_word(told, "access_token"),
                secret=_secret(told, "secret"),
            )
        case _Feishu():
            return FeishuConnection(
                base_url=base_address("base_url", told.base_url),
                token=_word(told, "token"),
                secret=_secret(told, "secret"),
            )
        case _Email():
            return _mail(told)
    assert_never(told)


def _mail(told: _Email) -> EmailConnection:
    password = _told_secret(told, "password")
    if (told.user is None) != (password is None):
        raise ValueError("user: must be given together with password or password_file, or neither")
    if not (f"{told.user}{password}").isascii():
        raise ValueError("user: must be ASCII, and so must password: SMTP takes nothing else")
    if len(set(told.recipients)) < len(told.recipients):
        raise ValueError("recipients: an address is given twice")
    return EmailConnection(
        host=told.host,
        port=told.port or MAIL_PORTS[told.security],
        security=told.security,
        user=told.user,
        password=password,
        sender=told.sender,
        recipients=told.recipients,
    )


def _secret(told: _Channel, field: str) -> str:
    secret = _told_secret(told, field)
    if secret is None:
        raise ValueError(f"{field}: is missing; give {field} or {field}{FILE_SUFFIX}")
    return secret


def _word(told: _Channel, field: str) -> str:
    """Return the secret word of a robot's address; the whole address is the usual mistake."""
    word = _secret(told, field)
    if "://" in word:
        raise ValueError(
            f"{field}: is an address; give only what follows its last `=` or `/`, and where the "
            "robot has another host, that as base_url"
        )
    return word


def _told_secret(told: _Channel, field: str) -> str | None:
    inline, file = getattr(told, field), getattr(told, field + FILE_SUFFIX)
    if inline is not None and file is not None:
        raise ValueError(f"{field}: is given together with {field}{FILE_SUFFIX}; give one")
    if file is None:
        return None if inline is None else _usable(field, inline)
    return _usable(field + FILE_SUFFIX, _read(field + FILE_SUFFIX, file))


def _read(field: str, file: str) -> str:
    try:
        return Path(file).read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ValueError(f"{field}: {file} cannot be read ({type(error).__name__})") from None


def _usable(field: str, secret: str) -> str:
    """Return a secret without the line end of its file; it goes into addresses and headers."""
    stripped = secret.strip()
    if not stripped or not stripped.isprintable():
        raise ValueError(f"{field}: must be one line that is not empty")
    return stripped
