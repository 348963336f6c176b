"""The sender of each configured channel."""

from datetime import timedelta
from typing import assert_never

import aiohttp

from rebate_monitor.alerting.channels.channel import (
    Channel,
    DingtalkConnection,
    EmailConnection,
    FeishuConnection,
    WebhookConnection,
    WecomConnection,
)
from rebate_monitor.alerting.channels.dingtalk import DingtalkSender
from rebate_monitor.alerting.channels.email import EmailSender
from rebate_monitor.alerting.channels.feishu import FeishuSender
from rebate_monitor.alerting.channels.message import Sender
from rebate_monitor.alerting.channels.webhook import WebhookSender
from rebate_monitor.alerting.channels.wecom import WecomSender


def sender(channel: Channel, session: aiohttp.ClientSession, limit: timedelta) -> Sender:
    """Return what delivers to a channel; one try takes `limit` at most."""
    match channel.connection:
        case WebhookConnection() as connection:
            return WebhookSender(connection=connection, session=session, limit=limit)
        case WecomConnection() as connection:
            return WecomSender(connection=connection, session=session, limit=limit)
        case DingtalkConnection() as connection:
            return DingtalkSender(connection=connection, session=session, limit=limit)
        case FeishuConnection() as connection:
            return FeishuSender(
                connection=connection, language=channel.language, session=session, limit=limit
            )
        case EmailConnection() as connection:
            return EmailSender(name=channel.name, connection=connection, limit=limit)
    assert_never(channel.connection)
