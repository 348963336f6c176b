"""A configured channel: whom it reaches, when, how often, and over which connection."""

from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum
from typing import ClassVar

from rebate_monitor.catalogue import Language


class ChannelType(StrEnum):
    """The outside systems that can be notified."""

    WEBHOOK = "webhook"
    WECOM = "wecom"
    DINGTALK = "dingtalk"
    FEISHU = "feishu"
    EMAIL = "email"


class MailSecurity(StrEnum):
    """How the connection to a mail server is protected."""

    STARTTLS = "starttls"
    TLS = "tls"
    NONE = "none"


@dataclass(frozen=True, slots=True, kw_only=True)
class WebhookConnection:
    """A receiver of our own JSON; its address may hold a token, so it counts as a secret."""

    type: ClassVar[ChannelType] = ChannelType.WEBHOOK
    url: str = field(repr=False)
    secret: str = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class WecomConnection:
    """A WeCom group robot 企业微信群机器人."""

    type: ClassVar[ChannelType] = ChannelType.WECOM
    base_url: str
    key: str = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class DingtalkConnection:
    """A DingTalk custom robot 钉钉自定义机器人 that checks signatures."""

    type: ClassVar[ChannelType] = ChannelType.DINGTALK
    base_url: str
    access_token: str = field(repr=False)
    secret: str = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class FeishuConnection:
    """A Feishu custom bot 飞书自定义机器人 that checks signatures."""

    type: ClassVar[ChannelType] = ChannelType.FEISHU
    base_url: str
    token: str = field(repr=False)
    secret: str = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class EmailConnection:
    """A mail server and who writes to whom over it; without `user` it is used unauthenticated."""

    type: ClassVar[ChannelType] = ChannelType.EMAIL
    host: str
    port: int
    security: MailSecurity
    user: str | None
    password: str | None = field(repr=False)
    sender: str
    recipients: tuple[str, ...]


Connection = (
    WebhookConnection | WecomConnection | DingtalkConnection | FeishuConnection | EmailConnection
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Hours:
    """The part of a day in which people are told: minutes after 00:00 Asia/Shanghai, half-open."""

    opens: int
    closes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Channel:
    """One configured channel.

    A digest is made at most once in `digest_every`; zero is at once. `per_minute` is how many
    messages the other side takes in a minute.
    """

    name: str
    language: Language
    hours: Hours
    workdays_only: bool
    digest_every: timedelta
    per_minute: int
    connection: Connection

    @property
    def type(self) -> ChannelType:
        """The outside system that it reaches."""
        return self.connection.type
