"""E-mail over SMTP, by the standard library in a thread."""

import asyncio
import contextlib
import re
import smtplib
import socket
import ssl
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from email.message import EmailMessage
from email.utils import format_datetime

import structlog

from rebate_monitor.alerting.channels.channel import EmailConnection, MailSecurity
from rebate_monitor.alerting.channels.layout import lay_out
from rebate_monitor.alerting.channels.message import DeliveryError, Message

ENHANCED_STATUS = re.compile(rb"[245]\.\d{1,3}\.\d{1,3}")

MAIL_STEPS = 20
"""A mail takes many answers: all of them together may take so many times one of them."""
_MAILERS = ThreadPoolExecutor(max_workers=8, thread_name_prefix="mail")

log = structlog.get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class EmailSender:
    """Writes one mail to all recipients of a channel."""

    name: str
    connection: EmailConnection
    limit: timedelta

    async def send(self, message: Message, now: datetime) -> None:
        """Deliver once; raise DeliveryError unless the server took the mail for somebody.

        Where it refused only some recipients the mail is on its way, and a further try would
        repeat it: that is logged, not raised.
        """
        attempt = _Attempt(self.connection, compose(self.connection, message, now), self.limit)
        try:
            refused = await attempt.run()
        except (smtplib.SMTPException, OSError, ValueError) as error:  # a bad challenge is a value
            raise DeliveryError(_reason(error)) from None
        if refused:
            log.warning(
                "email.recipients_refused",
                channel=self.name,
                refused=refused,
                recipients=len(self.connection.recipients),
            )


def compose(connection: EmailConnection, message: Message, now: datetime) -> EmailMessage:
    """Write the mail; its `Message-ID` is the same at every try, so mailboxes can tell."""
    mail = EmailMessage()
    mail["From"] = connection.sender
    mail["To"] = ", ".join(connection.recipients)
    mail["Subject"] = lay_out(message).title
    mail["Date"] = format_datetime(now)
    mail["Message-ID"] = f"<{message.notification_id}@rebate-monitor>"
    mail["X-Notification-Id"] = message.notification_id
    mail["Auto-Submitted"] = "auto-generated"  # RFC 3834: no out-of-office answers, please
    mail.set_content("\n".join(message.lines) + "\n", charset="utf-8", cte="base64")
    return mail


class _Attempt:
    """One try in a thread, which may wait for each answer as long as `limit`.

    A slow server is waited for: a thread left alone would hand the mail over all the same, and each
    further try would repeat it. One that never comes to an end is cut off.
    """

    def __init__(self, connection: EmailConnection, mail: EmailMessage, limit: timedelta) -> None:
        self.connection, self.mail, self.limit = connection, mail, limit
        self.server: smtplib.SMTP | None = None

    async def run(self) -> int:
        """Hand the mail over; return how many of several recipients were refused."""
        future = asyncio.get_running_loop().run_in_executor(_MAILERS, self._deliver)
        try:
            async with asyncio.timeout(self.limit.total_seconds() * MAIL_STEPS):
                return await asyncio.shield(future)
        except TimeoutError:
            self._cut_off()
            return await future

    def _cut_off(self) -> None:
        if self.server is not None and self.server.sock is not None:
            with contextlib.suppress(OSError):
                self.server.sock.shutdown(socket.SHUT_RDWR)

    def _deliver(self) -> int:
        connection = self.connection
        with _connected(connection, self.limit) as self.server:
            if connection.security is MailSecurity.STARTTLS:
                self.server.starttls(context=ssl.create_default_context())
            if connection.user is not None and connection.password is not None:
                self.server.login(connection.user, connection.password)
            refused = self.server.send_message(self.mail, connection.sender, connection.recipients)
            return len(refused)


@contextmanager
def _connected(connection: EmailConnection, limit: timedelta) -> Iterator[smtplib.SMTP]:
    address = (connection.host, connection.port)
    seconds, name = limit.total_seconds(), _own_name()
    if connection.security is MailSecurity.TLS:
        context = ssl.create_default_context()
        server: smtplib.SMTP = smtplib.SMTP_SSL(
            *address, local_hostname=name, timeout=seconds, context=context
        )
    else:
        server = smtplib.SMTP(*address, local_hostname=name, timeout=seconds)
    try:
        yield server
        with contextlib.suppress(smtplib.SMTPException, OSError):
            server.quit()  # the mail is taken: a farewell that fails must not repeat it
    finally:
        server.close()


def _own_name() -> str:
    """Return the name to greet with; `getfqdn` would ask a DNS that isolated networks lack."""
    name = socket.gethostname()
    return name if "." in name else "[127.0.0.1]"


def _reason(error: Exception) -> str:
    """Say what a server answered by its codes: its words may repeat credentials and addresses."""
    match error:
        case smtplib.SMTPRecipientsRefused():
            code, words = next(iter(error.recipients.values()))
            return f"every recipient was refused, SMTP {_codes(code, words)}"
        case smtplib.SMTPResponseException():
            return f"SMTP {_codes(error.smtp_code, error.smtp_error)} ({type(error).__name__})"
        case _:
            return f"the mail was not taken ({type(error).__name__})"


def _codes(code: int, words: bytes | str) -> str:
    enhanced = ENHANCED_STATUS.match(words if isinstance(words, bytes) else words.encode())
    return f"{code} {enhanced[0].decode()}" if enhanced else str(code)
