"""Senders against real receivers, which check what the vendors check and fail as they fail."""

import asyncio
import base64
import gzip
import hashlib
import hmac
import json
import re
import ssl
import subprocess
import traceback
import urllib.parse
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path
from shutil import which
from typing import Any

import aiohttp
import pytest
import structlog
from aiohttp import web
from aiohttp.test_utils import TestServer, unused_port
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session
from hypothesis import given
from hypothesis import strategies as st

from conftest import need
from rebate_monitor import __version__
from rebate_monitor.alerting.channels import email
from rebate_monitor.alerting.channels.channel import (
    Channel,
    Connection,
    DingtalkConnection,
    EmailConnection,
    FeishuConnection,
    Hours,
    MailSecurity,
    WebhookConnection,
    WecomConnection,
)
from rebate_monitor.alerting.channels.email import compose
from rebate_monitor.alerting.channels.factory import sender
from rebate_monitor.alerting.channels.http import open_session
from rebate_monitor.alerting.channels.layout import Layout, fitted, lay_out
from rebate_monitor.alerting.channels.message import DeliveryError, Message, Sender
from rebate_monitor.alerting.channels.robot import scrubbed
from rebate_monitor.catalogue import Language

DOCUMENT = Path(__file__).parent.parent.parent / "docs" / "notifications.md"
KEY, TOKEN, SECRET = "key/of+the=robot", "token-of-the-robot", "secret-of-the-robot"
LIMIT, SHORT = timedelta(seconds=5), timedelta(seconds=0.3)
LINK = "https://rebate.example/alerts?city=430100&kind=breached&level=1&state=open"
MESSAGE = Message(
    notification_id="0197b0a4-6f1e-7c55-9d43-0c9d6a4c1a10",
    title="【超时】长沙市：12 件退税已超办理时限",
    lines=("按管理类别：一类 2、二类 10", "下一步：请尽快办结。", f"查看：{LINK}"),
    link=LINK,
    payload='{"type":"rebate.alert.digest","city":{"name_zh":"长沙市"}}'.encode(),
)
TRIAL = replace(
    MESSAGE, title="Trial: export tax rebate monitor", lines=("There is nothing to do.",), link=None
)
LONG = replace(MESSAGE, lines=(*["长沙市税务局 · 二类 · 已超3个工作日"] * 2000, f"查看：{LINK}"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Received:
    """One request as it came."""

    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> Any:  # noqa: ANN401 - whatever was sent
        """Return the body's JSON."""
        return json.loads(self.body)


Answer = Callable[[Received], web.StreamResponse]


@dataclass
class Receiver:
    """An HTTP server that keeps what it receives and answers as a test wants."""

    answer: Answer = field(default=lambda _: web.Response())
    received: list[Received] = field(default_factory=list)
    released: asyncio.Event = field(default_factory=asyncio.Event)
    hangs: bool = False
    base_url: str = ""

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Keep a request and answer it."""
        got = Received(
            path=request.raw_path.partition("?")[0],
            query=dict(urllib.parse.parse_qsl(request.raw_path.partition("?")[2])),
            headers=request.headers,
            body=await request.read(),
        )
        self.received.append(got)
        if self.hangs:
            await self.released.wait()
        return self.answer(got)


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    """Return a running receiver."""
    receiver = Receiver()
    app = web.Application(client_max_size=2**24)
    app.router.add_route("*", "/{path:.*}", receiver.handle)
    async with TestServer(app) as server:
        receiver.base_url = str(server.make_url("")).rstrip("/")
        yield receiver
        receiver.released.set()


@pytest.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    """Return the session that the service uses."""
    async with open_session() as opened:
        yield opened


def connection(kind: str, base_url: str) -> Connection:
    """Return a connection of each type to a receiver."""
    kinds: dict[str, Connection] = {
        "webhook": WebhookConnection(url=f"{base_url}/hook?token={TOKEN}", secret=SECRET),
        "wecom": WecomConnection(base_url=base_url, key=KEY),
        "dingtalk": DingtalkConnection(base_url=base_url, access_token=TOKEN, secret=SECRET),
        "feishu": FeishuConnection(base_url=base_url, token=TOKEN, secret=SECRET),
    }
    return kinds[kind]


def channel(to: Connection, language: Language = Language.ZH) -> Channel:
    """Return a channel over a connection."""
    return Channel(
        name="people",
        language=language,
        hours=Hours(opens=0, closes=1440),
        workdays_only=False,
        digest_every=timedelta(0),
        per_minute=60,
        connection=to,
    )


Build = Callable[..., Sender]
Mail = Callable[..., Sender]


@pytest.fixture
def build(receiver: Receiver, session: aiohttp.ClientSession) -> Build:
    """Return what makes a sender of a type to the receiver."""

    def made(
        kind: str, *, limit: timedelta = LIMIT, language: Language = Language.ZH, to: str = ""
    ) -> Sender:
        over = connection(kind, to or receiver.base_url)
        return sender(channel(over, language), session, limit)

    return made


def now() -> datetime:
    """Return the real time, which receivers compare with theirs."""
    return datetime.now(UTC)


async def failure(attempt: Awaitable[None]) -> str:
    """Return why a delivery failed; the whole traceback shows no secret."""
    with pytest.raises(DeliveryError) as failed:
        await attempt
    shown = "".join(traceback.format_exception(failed.value)) + repr(failed.value)
    for secret in (KEY, urllib.parse.quote(KEY, safe=""), TOKEN, SECRET):
        assert secret not in shown
    assert "127.0.0.1" not in str(failed.value)
    assert failed.value.__cause__ is None
    return str(failed.value)


def signed(key: str, text: str) -> str:
    """Return the Base64 of an HMAC-SHA256, as the vendors' samples compute it."""
    return base64.b64encode(hmac.new(key.encode(), text.encode(), hashlib.sha256).digest()).decode()


def is_recent(seconds: float) -> bool:
    """Say whether a timestamp is within the hour that the vendors allow."""
    return abs(now().timestamp() - seconds) < 3600


def wecom(got: Received) -> web.Response:
    """Answer as WeCom does."""
    if got.path != "/cgi-bin/webhook/send" or got.query != {"key": KEY}:
        return web.json_response({"errcode": 93000, "errmsg": "invalid webhook url"})
    if got.json()["msgtype"] != "markdown":
        return web.json_response({"errcode": 40008, "errmsg": "invalid message type"})
    if len(got.json()["markdown"]["content"].encode()) > 4096:
        return web.json_response({"errcode": 40058, "errmsg": "exceed max length 4096"})
    return web.json_response({"errcode": 0, "errmsg": "ok"})


def dingtalk(got: Received) -> web.Response:
    """Answer as DingTalk does."""
    told, query = got.json(), got.query
    if got.path != "/robot/send" or query["access_token"] != TOKEN:
        return web.json_response({"errcode": 300001, "errmsg": "token is not exist"})
    if query["sign"] != signed(SECRET, f"{query['timestamp']}\n{SECRET}"):
        return web.json_response({"errcode": 310000, "errmsg": "sign not match"})
    if not is_recent(int(query["timestamp"]) / 1000):
        return web.json_response({"errcode": 310000, "errmsg": "invalid timestamp"})
    if len(got.body) > 20_000:
        return web.json_response({"errcode": 460101, "errmsg": "message too long"})
    if not told["markdown"]["title"] or not told["markdown"]["text"]:
        return web.json_response({"errcode": 40035, "errmsg": "lack of title or text"})
    return web.json_response({"errcode": 0, "errmsg": "ok"})


def feishu(got: Received) -> web.Response:
    """Answer as Feishu does."""
    told = got.json()
    if got.path != f"/open-apis/bot/v2/hook/{TOKEN}":
        return web.json_response({"code": 19001, "msg": "param invalid: incoming webhook"})
    if told["sign"] != signed(f"{told['timestamp']}\n{SECRET}", ""):
        return web.json_response({"code": 19021, "msg": "sign match fail"})
    if not is_recent(int(told["timestamp"])):
        return web.json_response({"code": 19021, "msg": "timestamp is not within one hour"})
    if len(got.body) > 20 * 1024:
        return web.json_response({"code": 9499, "msg": "Bad Request"})
    return web.json_response({"code": 0, "msg": "success", "data": {}})


VENDORS: dict[str, Answer] = {"wecom": wecom, "dingtalk": dingtalk, "feishu": feishu}
OWN_SECRETS = {"wecom": [KEY], "dingtalk": [TOKEN, SECRET], "feishu": [TOKEN, SECRET]}
ROBOTS, ALL_HTTP = tuple(VENDORS), ("webhook", *VENDORS)


@pytest.mark.parametrize("kind", ROBOTS)
@pytest.mark.parametrize("message", [MESSAGE, LONG, TRIAL], ids=["short", "long", "trial"])
async def test_robot_takes_a_message(
    build: Build, receiver: Receiver, kind: str, message: Message
) -> None:
    """Each vendor's checks of key, signature, time, form and length are passed."""
    receiver.answer = VENDORS[kind]

    await build(kind).send(message, now())

    (got,) = receiver.received
    assert "application/json" == got.headers["Content-Type"]
    assert f"rebate_monitor/{__version__}" == got.headers["User-Agent"]


@pytest.mark.parametrize(("kind", "code"), [("dingtalk", "310000"), ("feishu", "19021")])
async def test_robot_checks_the_time(
    build: Build, receiver: Receiver, kind: str, code: str
) -> None:
    """A sender whose clock is hours off is told so by the vendor: the time is really signed."""
    receiver.answer = VENDORS[kind]

    reason = await failure(build(kind).send(MESSAGE, now() - timedelta(hours=2)))

    assert code in reason


async def test_wecom_markdown(build: Build, receiver: Receiver) -> None:
    """WeCom gets a bold title, the lines, and the link as a link."""
    receiver.answer = wecom

    await build("wecom").send(MESSAGE, now())

    assert {
        "msgtype": "markdown",
        "markdown": {
            "content": "**【超时】长沙市：12 件退税已超办理时限**\n按管理类别：一类 2、二类 10\n"
            f"下一步：请尽快办结。\n[查看]({LINK})"
        },
    } == receiver.received[0].json()


async def test_dingtalk_markdown(build: Build, receiver: Receiver) -> None:
    """DingTalk gets paragraphs, since its Markdown joins lines."""
    receiver.answer = dingtalk

    await build("dingtalk").send(MESSAGE, now())

    assert {
        "msgtype": "markdown",
        "markdown": {
            "title": MESSAGE.title,
            "text": f"### {MESSAGE.title}\n\n按管理类别：一类 2、二类 10\n\n"
            f"下一步：请尽快办结。\n\n[查看]({LINK})",
        },
    } == receiver.received[0].json()


@pytest.mark.parametrize(("language", "locale"), [(Language.ZH, "zh_cn"), (Language.EN, "en_us")])
async def test_feishu_rich_text(
    build: Build, receiver: Receiver, language: Language, locale: str
) -> None:
    """Feishu gets rich text in the channel's language, with the link as a link."""
    receiver.answer = feishu

    await build("feishu", language=language).send(MESSAGE, now())

    told = receiver.received[0].json()
    assert "post" == told["msg_type"]
    assert {
        "post": {
            locale: {
                "title": MESSAGE.title,
                "content": [
                    [{"tag": "text", "text": "按管理类别：一类 2、二类 10"}],
                    [{"tag": "text", "text": "下一步：请尽快办结。"}],
                    [{"tag": "a", "text": "查看", "href": LINK}],
                ],
            }
        }
    } == told["content"]


async def test_feishu_of_older_deployments(build: Build, receiver: Receiver) -> None:
    """An answer that knows only `StatusCode` is decided by it."""
    receiver.answer = lambda _: web.json_response({"StatusCode": 0, "StatusMessage": "success"})
    await build("feishu").send(MESSAGE, now())

    receiver.answer = lambda _: web.json_response({"StatusCode": 7, "StatusMessage": "no"})
    assert "StatusCode 7: no" == await failure(build("feishu").send(MESSAGE, now()))


async def test_feishu_code_counts_before_status(build: Build, receiver: Receiver) -> None:
    """A code that is not 0 is a failure, whatever the older field says."""
    receiver.answer = lambda _: web.json_response({"code": 11232, "msg": "limit", "StatusCode": 0})

    assert "code 11232: limit" == await failure(build("feishu").send(MESSAGE, now()))


@pytest.mark.parametrize("kind", ROBOTS)
async def test_long_message_ends_between_lines(build: Build, receiver: Receiver, kind: str) -> None:
    """A message that is too long is cut between lines, says so, and keeps its link."""
    receiver.answer = VENDORS[kind]

    await build(kind).send(LONG, now())

    text = json.dumps(receiver.received[0].json(), ensure_ascii=False)
    lines = set(re.findall(r"长沙市税务局[^\"\\]*", text))
    assert {LONG.lines[0]} == lines
    assert "…" in text
    assert LINK in text
    assert len(receiver.received[0].body) > 3900


@pytest.mark.parametrize("kind", ROBOTS)
@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"<html>not the robot</html>", "an answer that is not the robot's JSON"),
        (b"", "an answer that is not the robot's JSON"),
        (b"{}", "an answer that is not the robot's JSON"),
        (b"[0]", "an answer that is not the robot's JSON"),
        (b'{"errcode": false, "code": false}', "an answer that is not the robot's JSON"),
        (b'{"errcode": "0", "code": "0"}', "an answer that is not the robot's JSON"),
        (b'{"errcode": null, "code": null}', "an answer that is not the robot's JSON"),
        (b'{"x": ' + b"[" * 60_000, "an answer that is not the robot's JSON"),
        (b"\xff\xfe", "an answer that is not the robot's JSON"),
        (b'{"errcode": 0, "code": 0, "x": "' + b"x" * 66_000 + b'"}', "larger than 64 KiB"),
    ],
    ids=["html", "empty", "no code", "array", "false", "text", "null", "deep", "bytes", "large"],
)
async def test_robot_answer_that_does_not_say_taken(
    build: Build, receiver: Receiver, kind: str, body: bytes, reason: str
) -> None:
    """HTTP 200 is not enough: only an answer with the code 0 says that a message was taken."""
    receiver.answer = lambda _: web.Response(body=body)

    assert reason in await failure(build(kind).send(MESSAGE, now()))


@pytest.mark.parametrize("kind", ROBOTS)
async def test_refusal_names_code_and_words(build: Build, receiver: Receiver, kind: str) -> None:
    """A refusal with HTTP 200 is told by its code and its words."""
    receiver.answer = lambda _: web.json_response(
        {"errcode": 45009, "errmsg": "too fast", "code": 45009, "msg": "too fast"}
    )

    assert "code 45009: too fast" in await failure(build(kind).send(MESSAGE, now()))


@pytest.mark.parametrize("kind", ROBOTS)
async def test_refusal_that_repeats_our_secrets(
    build: Build, receiver: Receiver, kind: str
) -> None:
    """What the other side repeats of key, token, secret, signature, address is not told on."""

    def repeat(got: Received) -> web.Response:
        told = got.json()
        words = f"bad {OWN_SECRETS[kind]} {got.query} {told.get('sign')} from "
        words += f"{receiver.base_url}{got.path}?{urllib.parse.urlencode(got.query)}\r\n\x1b[0m"
        return web.json_response({"errcode": 1, "errmsg": words, "code": 1, "msg": words})

    receiver.answer = repeat

    reason = await failure(build(kind).send(MESSAGE, now()))

    got = receiver.received[0]
    signature = got.query.get("sign") or got.json().get("sign")
    assert not signature or signature not in reason
    assert reason.isprintable()
    assert len(reason) < 230


@pytest.mark.parametrize("kind", ALL_HTTP)
@pytest.mark.parametrize("status", [400, 401, 404, 429, 500, 503])
async def test_status_that_is_not_success(
    build: Build, receiver: Receiver, kind: str, status: int
) -> None:
    """A status outside 200 to 299 is a failure, whatever the body says."""
    receiver.answer = lambda _: web.json_response({"errcode": 0, "code": 0}, status=status)

    assert f"HTTP {status}" == await failure(build(kind).send(MESSAGE, now()))


@pytest.mark.parametrize("kind", ALL_HTTP)
@pytest.mark.parametrize("status", [301, 302, 307, 308])
async def test_redirect_is_not_followed(
    build: Build, receiver: Receiver, kind: str, status: int
) -> None:
    """A redirect is a failure: neither message nor credentials go anywhere else."""
    receiver.answer = lambda _: web.Response(status=status, headers={"Location": "/elsewhere"})

    reason = await failure(build(kind).send(MESSAGE, now()))

    assert f"HTTP {status}: redirects are not followed" == reason
    assert 1 == len(receiver.received)


@pytest.mark.parametrize("kind", ALL_HTTP)
async def test_receiver_that_hangs(build: Build, receiver: Receiver, kind: str) -> None:
    """A receiver that takes the request and never answers costs the time limit, not more."""
    receiver.hangs = True

    reason = await failure(build(kind, limit=SHORT).send(MESSAGE, now()))

    assert "no answer within 0.3 s" == reason


@pytest.mark.parametrize("kind", ALL_HTTP)
async def test_receiver_that_is_away(build: Build, kind: str) -> None:
    """A receiver that nobody runs is a failure without its address."""
    away = f"http://127.0.0.1:{unused_port()}"

    reason = await failure(build(kind, to=away).send(MESSAGE, now()))

    assert "the connection failed (ClientConnectorError)" == reason


@pytest.mark.parametrize("kind", ALL_HTTP)
@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"220 mail.example ESMTP\r\n",
        b"HTTP/1.1 200 OK\r\nX: " + b"x" * 100_000 + b"\r\n\r\n",
        b"HTTP/1.1 2000000000 OK\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
    ],
    ids=["nothing", "another protocol", "huge header", "huge status", "negative length"],
)
async def test_receiver_that_does_not_speak_http(build: Build, kind: str, answer: bytes) -> None:
    """Whatever comes back that is not HTTP is a failure, never a fault of the service."""
    async with raw_server(answer) as address:
        reason = await failure(build(kind, to=address).send(MESSAGE, now()))

    assert reason.startswith("the connection failed (")


@pytest.mark.parametrize("kind", ROBOTS)
@pytest.mark.parametrize(
    ("hangs", "reason"), [(True, "no answer within 0.3 s"), (False, "the connection failed (")]
)
async def test_robot_answer_that_does_not_end(
    build: Build, kind: str, reason: str, *, hangs: bool
) -> None:
    """An answer whose body hangs, or breaks off, is no answer."""
    begun = b'HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{"errcode": 0, "code": 0'
    async with raw_server(begun, hangs=hangs) as address:
        told = await failure(build(kind, to=address, limit=SHORT).send(MESSAGE, now()))

    assert told.startswith(reason)


@asynccontextmanager
async def raw_server(answer: bytes, *, hangs: bool = False) -> AsyncIterator[str]:
    """Run a server that says these bytes and closes, or hangs; yield its address."""
    released = asyncio.Event()

    async def say(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer)
        if hangs:
            await released.wait()
        writer.close()

    async with await asyncio.start_server(say, "127.0.0.1", 0) as server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        released.set()


async def test_host_that_no_name_service_takes(build: Build, mail: Mail) -> None:
    """A name with a part that is too long is a failure like another."""
    host = f"{'x' * 64}.example"

    reasons = [
        await failure(build("wecom", to=f"http://{host}").send(MESSAGE, now())),
        await failure(mail(25, host=host).send(MESSAGE, now())),
    ]

    assert [] == [reason for reason in reasons if "xxx" in reason]


async def test_host_that_nobody_knows(build: Build) -> None:
    """A name without an address is a failure that does not repeat the name."""
    reason = await failure(build("wecom", to="http://nowhere.invalid").send(MESSAGE, now()))

    assert reason.startswith(("the connection failed (", "no answer"))
    assert "invalid" not in reason


@pytest.mark.parametrize("kind", ROBOTS)
async def test_compressed_flood(build: Build, receiver: Receiver, kind: str) -> None:
    """An answer that unpacks to megabytes is given up after 64 KiB."""
    flood = gzip.compress(b" " * 2**23)
    receiver.answer = lambda _: web.Response(body=flood, headers={"Content-Encoding": "gzip"})

    reason = await failure(build(kind).send(MESSAGE, now()))

    assert re.search("larger than 64 KiB|the connection failed", reason)


@pytest.mark.parametrize("kind", ALL_HTTP)
async def test_proxies_of_the_environment_are_not_used(
    build: Build, receiver: Receiver, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A proxy in the environment sees no message."""
    for name in ("HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{unused_port()}")
    receiver.answer = VENDORS.get(kind, receiver.answer)

    await build(kind).send(MESSAGE, now())

    assert 1 == len(receiver.received)


async def test_cookies_are_not_kept(build: Build, receiver: Receiver) -> None:
    """What a receiver wants remembered does not reach the next one."""
    receiver.answer = lambda _: web.Response(headers={"Set-Cookie": "a=b; Path=/"})
    for _ in range(2):
        await build("webhook").send(MESSAGE, now())

    assert ["Cookie" in got.headers for got in receiver.received] == [False, False]


class TestWebhook:
    async def test_payload_and_headers(self, build: Build, receiver: Receiver) -> None:
        """The payload goes out byte for byte, with id, time, signature and who we are."""
        moment = now()

        await build("webhook").send(MESSAGE, moment)

        (got,) = receiver.received
        assert (f"/hook?token={TOKEN}", MESSAGE.payload) == (
            f"{got.path}?{urllib.parse.urlencode(got.query)}",
            got.body,
        )
        assert {
            "Content-Type": "application/json",
            "User-Agent": f"rebate_monitor/{__version__}",
            "X-Notification-Id": MESSAGE.notification_id,
            "X-Notification-Timestamp": str(int(moment.timestamp())),
        }.items() <= dict(got.headers).items()
        assert re.fullmatch("v1=[0-9a-f]{64}", got.headers["X-Notification-Signature"])

    @pytest.mark.parametrize("status", [200, 201, 202, 204])
    async def test_any_success_is_taken(
        self, build: Build, receiver: Receiver, status: int
    ) -> None:
        """Every 2xx says that the message was taken."""
        receiver.answer = lambda _: web.Response(status=status)

        await build("webhook").send(MESSAGE, now())

    async def test_body_of_a_success_is_not_waited_for(
        self, build: Build, receiver: Receiver
    ) -> None:
        """2xx is the whole answer: what follows may be long, or nonsense."""
        receiver.answer = lambda _: web.Response(body=b"x" * 2**20)

        await build("webhook").send(MESSAGE, now())

    async def test_next_try_has_the_same_id_and_a_new_signature(
        self, build: Build, receiver: Receiver
    ) -> None:
        """A further try is known by its id, and its time is that of the try."""
        for later in (0, 60):
            await build("webhook").send(MESSAGE, now() + timedelta(seconds=later))

        first, second = (got.headers for got in receiver.received)
        assert first["X-Notification-Id"] == second["X-Notification-Id"]
        assert first["X-Notification-Timestamp"] != second["X-Notification-Timestamp"]
        assert first["X-Notification-Signature"] != second["X-Notification-Signature"]

    async def test_documented_verification(self, build: Build, receiver: Receiver) -> None:
        """The code that docs/notifications.md gives receivers takes a real request, no other."""
        is_genuine = documented_verification()
        await build("webhook").send(MESSAGE, now())
        await build("webhook").send(MESSAGE, now() - timedelta(minutes=6))
        fresh, old = receiver.received
        headers = dict(fresh.headers)

        assert is_genuine(headers, fresh.body, SECRET)
        assert not is_genuine(old.headers, old.body, SECRET)
        assert not is_genuine(headers, fresh.body + b" ", SECRET)
        assert not is_genuine(headers, fresh.body, "another-secret")
        assert not is_genuine({}, fresh.body, SECRET)
        for name in ("Id", "Timestamp", "Signature"):
            forged = headers | {f"X-Notification-{name}": "é" + headers[f"X-Notification-{name}"]}
            assert not is_genuine(forged, fresh.body, SECRET)


def documented_verification() -> Callable[..., bool]:
    """Return the function of the document, as a receiver would copy it."""
    (snippet,) = re.findall(
        r"```python\n(.*?def is_genuine.*?)```", DOCUMENT.read_text("utf-8"), re.DOTALL
    )
    namespace: dict[str, Any] = {}
    exec(snippet, namespace)  # noqa: S102 - the very code of the document
    verify: Callable[..., bool] = namespace["is_genuine"]
    return verify


@dataclass
class Mailbox:
    """A mail server's handler that keeps mails and refuses some recipients."""

    refused: frozenset[str] = frozenset()
    refuses_data: bool = False
    envelopes: list[Envelope] = field(default_factory=list)
    was_encrypted: list[bool] = field(default_factory=list)

    async def handle_RCPT(  # noqa: N802 - aiosmtpd calls it so
        self,
        _server: SMTP,
        _session: Session,
        envelope: Envelope,
        address: str,
        _options: list[str],
    ) -> str:
        """Take or refuse a recipient."""
        if address in self.refused:
            return f"550 5.1.1 <{address}> is unknown here"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(  # noqa: N802 - aiosmtpd calls it so
        self, _server: SMTP, session: Session, envelope: Envelope
    ) -> str:
        """Keep a mail."""
        if self.refuses_data:
            return f"554 5.7.1 {envelope.mail_from} sends too much"
        self.envelopes.append(envelope)
        self.was_encrypted.append(session.ssl is not None)
        return "250 OK"

    def mail(self) -> EmailMessage:
        """Return the last mail."""
        content = self.envelopes[-1].content
        assert isinstance(content, bytes)
        return message_from_bytes(content, policy=policy.default)


def allow(
    _server: SMTP,
    _session: Session,
    _envelope: Envelope,
    _way: str,
    told: object,
) -> AuthResult:
    """Let the one user in."""
    assert isinstance(told, LoginPassword)
    is_known = (b"monitor", SECRET.encode()) == (told.login, told.password)
    return AuthResult(success=is_known, handled=False)


@asynccontextmanager
async def mail_server(
    mailbox: Mailbox,
    implicit_tls: ssl.SSLContext | None = None,
    **options: Any,  # noqa: ANN401
) -> AsyncIterator[int]:
    """Run a mail server and yield its port."""
    loop = asyncio.get_running_loop()
    server = await loop.create_server(
        lambda: SMTP(mailbox, hostname="localhost", loop=loop, **options),
        "127.0.0.1",
        0,
        ssl=implicit_tls,
    )
    async with server:
        yield server.sockets[0].getsockname()[1]


def mail_connection(port: int, **told: Any) -> EmailConnection:  # noqa: ANN401 - any field
    """Return a plain connection to a local mail server, with some fields changed."""
    plain: dict[str, Any] = {
        "host": "127.0.0.1",
        "port": port,
        "security": MailSecurity.NONE,
        "user": None,
        "password": None,
        "sender": "monitor@example.gov.cn",
        "recipients": ("one@example.gov.cn", "two@example.gov.cn"),
    }
    return EmailConnection(**(plain | told))


@dataclass(frozen=True)
class Certificate:
    """A certificate for this machine, and the server's side of it."""

    file: Path
    context: ssl.SSLContext


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    """Make a certificate that only those trust who are told to."""
    need(which("openssl"), "openssl")
    folder = tmp_path_factory.mktemp("certificate")
    key, file = folder / "key.pem", folder / "certificate.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2",
         "-keyout", str(key), "-out", str(file), "-subj", "/CN=localhost",
         "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"],
        check=True, capture_output=True,
    )  # fmt: skip
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file, key)
    return Certificate(file, context)


@pytest.fixture
def mail(session: aiohttp.ClientSession) -> Mail:
    """Return what makes a sender of mail to a port of this machine."""

    def made(port: int, limit: timedelta = LIMIT, **told: Any) -> Sender:  # noqa: ANN401
        return sender(channel(mail_connection(port, **told)), session, limit)

    return made


class TestEmail:
    async def test_mail(self, mail: Mail) -> None:
        """A mail has title, text, both ids and all recipients, in Chinese as it was written."""
        moment, mailbox = now(), Mailbox()
        async with mail_server(mailbox) as port:
            await mail(port).send(MESSAGE, moment)

        got, (envelope,) = mailbox.mail(), mailbox.envelopes
        assert ("monitor@example.gov.cn", ["one@example.gov.cn", "two@example.gov.cn"]) == (
            envelope.mail_from,
            envelope.rcpt_tos,
        )
        assert {
            "From": "monitor@example.gov.cn",
            "To": "one@example.gov.cn, two@example.gov.cn",
            "Subject": MESSAGE.title,
            "Message-ID": f"<{MESSAGE.notification_id}@rebate-monitor>",
            "X-Notification-Id": MESSAGE.notification_id,
            "Auto-Submitted": "auto-generated",
        }.items() <= dict(got.items()).items()
        assert moment.replace(microsecond=0) == got["Date"].datetime
        assert "\n".join(MESSAGE.lines) == got.get_content().strip().replace("\r\n", "\n")

    async def test_next_try_has_the_same_message_id(self, mail: Mail) -> None:
        """Mailboxes can tell a further try by its Message-ID."""
        mailbox = Mailbox()
        async with mail_server(mailbox) as port:
            ids = []
            for later in (0, 60):
                await mail(port).send(MESSAGE, now() + timedelta(seconds=later))
                ids.append(mailbox.mail()["Message-ID"])

        assert 1 == len(set(ids))

    def test_title_with_line_ends_makes_no_header(self) -> None:
        """A title cannot bring a header of its own."""
        title = "title\r\nBcc: everybody@example.com"

        composed = compose(mail_connection(25), replace(MESSAGE, title=title), now())

        assert "title Bcc: everybody@example.com" == composed["Subject"]
        assert "Bcc" not in composed

    async def test_all_recipients_refused(self, mail: Mail) -> None:
        """A mail that nobody may get is a failure, told by its codes and by no address."""
        mailbox = Mailbox(refused=frozenset({"one@example.gov.cn", "two@example.gov.cn"}))
        async with mail_server(mailbox) as port:
            reason = await failure(mail(port).send(MESSAGE, now()))

        assert "every recipient was refused, SMTP 550 5.1.1" == reason

    async def test_one_recipient_refused(self, mail: Mail) -> None:
        """A mail that somebody got is not sent again; how many were refused is logged."""
        mailbox = Mailbox(refused=frozenset({"one@example.gov.cn"}))
        async with mail_server(mailbox) as port:
            with structlog.testing.capture_logs() as logged:
                await mail(port).send(MESSAGE, now())

        assert ["two@example.gov.cn"] == mailbox.envelopes[0].rcpt_tos
        assert [
            {
                "event": "email.recipients_refused",
                "log_level": "warning",
                "channel": "people",
                "refused": 1,
                "recipients": 2,
            }
        ] == logged

    async def test_mail_refused(self, mail: Mail) -> None:
        """A refusal of the mail itself is told by its codes."""
        async with mail_server(Mailbox(refuses_data=True)) as port:
            reason = await failure(mail(port).send(MESSAGE, now()))

        assert "SMTP 554 5.7.1 (SMTPDataError)" == reason

    async def test_starttls_and_user(
        self, mail: Mail, certificate: Certificate, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """With STARTTLS the user logs in over a verified connection."""
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate.file))
        mailbox = Mailbox()
        options: dict[str, Any] = {
            "tls_context": certificate.context,
            "require_starttls": True,
            "auth_required": True,
            "authenticator": allow,
        }
        async with mail_server(mailbox, **options) as port:
            security = MailSecurity.STARTTLS
            await mail(port, security=security, user="monitor", password=SECRET).send(
                MESSAGE, now()
            )

        assert [True] == mailbox.was_encrypted

    async def test_tls(
        self, mail: Mail, certificate: Certificate, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """With TLS the connection is encrypted from the beginning."""
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate.file))
        mailbox = Mailbox()
        async with mail_server(mailbox, certificate.context) as port:
            await mail(port, security=MailSecurity.TLS).send(MESSAGE, now())

        assert 1 == len(mailbox.envelopes)

    @pytest.mark.parametrize("security", [MailSecurity.STARTTLS, MailSecurity.TLS])
    async def test_unknown_certificate(
        self, mail: Mail, certificate: Certificate, security: MailSecurity
    ) -> None:
        """A server whose certificate nobody vouches for gets neither mail nor password."""
        mailbox = Mailbox()
        implicit = certificate.context if security is MailSecurity.TLS else None
        explicit = None if implicit else certificate.context
        async with mail_server(mailbox, implicit, tls_context=explicit) as port:
            attempt = mail(port, security=security, user="monitor", password=SECRET)
            reason = await failure(attempt.send(MESSAGE, now()))

        assert "the mail was not taken (SSLCertVerificationError)" == reason
        assert [] == mailbox.envelopes

    async def test_server_without_starttls(self, mail: Mail) -> None:
        """Where STARTTLS is wanted and not there, nothing is sent in clear."""
        mailbox = Mailbox()
        async with mail_server(mailbox) as port:
            reason = await failure(mail(port, security=MailSecurity.STARTTLS).send(MESSAGE, now()))

        assert "the mail was not taken (SMTPNotSupportedError)" == reason
        assert [] == mailbox.envelopes

    async def test_wrong_password(self, mail: Mail) -> None:
        """A refused login is told by its codes, not by its credentials."""
        options: dict[str, Any] = {"authenticator": allow, "auth_require_tls": False}
        async with mail_server(Mailbox(), **options) as port:
            wrong = mail(port, user="monitor", password=TOKEN)
            reason = await failure(wrong.send(MESSAGE, now()))

        assert "SMTP 535 5.7.8 (SMTPAuthenticationError)" == reason

    async def test_server_that_is_away(self, mail: Mail) -> None:
        """A server that nobody runs is a failure without its address."""
        reason = await failure(mail(unused_port()).send(MESSAGE, now()))

        assert "the mail was not taken (ConnectionRefusedError)" == reason

    async def test_server_that_hangs(self, mail: Mail) -> None:
        """A server that never greets costs one time limit, not more."""
        released = asyncio.Event()

        async def hang(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await released.wait()
            writer.close()

        async with await asyncio.start_server(hang, "127.0.0.1", 0) as server:
            port = server.sockets[0].getsockname()[1]
            reason = await failure(mail(port, limit=SHORT).send(MESSAGE, now()))
            released.set()

        assert "the mail was not taken (SMTPServerDisconnected)" == reason

    async def test_slow_server_is_waited_for(self, mail: Mail) -> None:
        """Answers that each come in time may take long together: one try, one mail."""

        class Slow(SMTP):
            async def smtp_RCPT(self, argument: str) -> None:  # noqa: N802 - aiosmtpd's name
                await asyncio.sleep(0.25)
                await super().smtp_RCPT(argument)

        loop, mailbox = asyncio.get_running_loop(), Mailbox()
        server = await loop.create_server(lambda: Slow(mailbox, loop=loop), "127.0.0.1", 0)
        async with server:
            port = server.sockets[0].getsockname()[1]
            await mail(port, limit=SHORT).send(MESSAGE, now())

        assert 1 == len(mailbox.envelopes)

    async def test_endless_server_is_cut_off(
        self, mail: Mail, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A server that goes on talking is left in the end, and the mail is not handed over."""
        monkeypatch.setattr(email, "MAIL_STEPS", 2)

        async def drip(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            with suppress(ConnectionError):
                for _ in range(100):
                    writer.write(b"220-wait\r\n")
                    await writer.drain()
                    await asyncio.sleep(0.05)
            writer.close()

        async with await asyncio.start_server(drip, "127.0.0.1", 0) as server:
            port = server.sockets[0].getsockname()[1]
            reason = await failure(mail(port, limit=SHORT).send(MESSAGE, now()))

        assert reason.startswith("the mail was not taken")

    async def test_challenge_that_is_no_base64(self, mail: Mail) -> None:
        """A server that answers AUTH with rubbish is a failure, not a crash."""

        async def rubbish(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            answers = iter((b"220 x\r\n", b"250-x\r\n250 AUTH CRAM-MD5\r\n", b"334 !!!a\r\n"))
            for answer in answers:
                writer.write(answer)
                await reader.readline()
            writer.close()

        async with await asyncio.start_server(rubbish, "127.0.0.1", 0) as server:
            port = server.sockets[0].getsockname()[1]
            reason = await failure(mail(port, user="u", password="p").send(MESSAGE, now()))

        assert "the mail was not taken (Error)" == reason

    async def test_farewell_that_fails(self, mail: Mail) -> None:
        """A server that takes a mail and drops the line has taken it."""

        class Rude(SMTP):
            async def smtp_QUIT(self, _argument: str) -> None:  # noqa: N802 - aiosmtpd's name
                assert isinstance(self.transport, asyncio.Transport)
                self.transport.abort()

        loop, mailbox = asyncio.get_running_loop(), Mailbox()
        server = await loop.create_server(lambda: Rude(mailbox, loop=loop), "127.0.0.1", 0)
        async with server:
            await mail(server.sockets[0].getsockname()[1]).send(MESSAGE, now())

        assert 1 == len(mailbox.envelopes)


def test_senders_show_no_secret(session: aiohttp.ClientSession) -> None:
    """Neither `repr` nor `str` of a sender has a secret."""
    connections = [
        *(connection(kind, "http://a.example") for kind in ALL_HTTP),
        mail_connection(25, user="monitor", password=SECRET),
    ]
    senders = [sender(channel(over), session, LIMIT) for over in connections]

    shown = "".join(f"{made!r}{made!s}" for made in senders)
    assert [] == [secret for secret in (KEY, TOKEN, SECRET) if secret in shown]


@pytest.mark.parametrize(
    ("reason", "expected"),
    [
        ("ok", "ok"),
        ("key is k/1, k%2F1", "key is ***, ***"),
        ("see HTTPS://open.work.weixin.qq.com/devtool?e=1 now", "see *** now"),
        ("a\r\nb\t\x00c\x1b[0m", "a b c [0m"),
        ("x" * 300, "x" * 200 + "…"),
        ("y" * 196 + "k/1 z", "y" * 196 + "*** …"),
        ("", ""),
    ],
)
def test_scrubbing(reason: str, expected: str) -> None:
    """Secrets and addresses go before the words are shortened to one printable line."""
    assert expected == scrubbed(reason, ["k/1", ""])


@given(
    lines=st.lists(st.text(st.characters(codec="utf-8"), max_size=40), max_size=30),
    limit=st.integers(40, 400),
)
def test_fitting(lines: list[str], limit: int) -> None:
    """Whole lines from the beginning, a line that says so where some are missing, and no more."""

    def build(layout: Layout) -> bytes:
        return "\0".join((layout.title, *layout.lines, layout.link or "")).encode()

    layout = Layout("title", tuple(lines), "open", "https://a.example")
    title, *kept, link = fitted(layout, build, limit).decode().split("\0")
    whole = build(layout).decode().split("\0")

    assert len(fitted(layout, build, limit)) <= limit
    assert ("title", "https://a.example") == (title, link)
    assert [title, *kept, link] == whole or ("…" == kept[-1] and whole[1 : len(kept)] == kept[:-1])


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        (
            Message(notification_id="n", title=" a\nb ", lines=("x",), link=None, payload=b""),
            Layout("a b", ("x",), "", None),
        ),
        (
            Message(notification_id="n", title="t", lines=("x",), link="https://l", payload=b""),
            Layout("t", ("x",), "https://l", "https://l"),
        ),
        (
            Message(
                notification_id="n",
                title="t" * 300,
                lines=("x", "Open: https://l"),
                link="https://l",
                payload=b"",
            ),
            Layout("t" * 200, ("x",), "Open", "https://l"),
        ),
    ],
    ids=["no link", "link without a line", "link"],
)
def test_layout(message: Message, expected: Layout) -> None:
    """The link's line becomes a link; the title is one line of bounded length."""
    assert expected == lay_out(message)


def test_link_with_parentheses_stays_one_link() -> None:
    """A parenthesis in an address does not end the link."""
    layout = Layout("t", (), "Open", "https://a.example/(x)")

    assert ("[Open](https://a.example/%28x%29)",) == layout.markdown_link()
