"""A real HTTP receiver of webhook notices: it checks signatures, and fails when it is told to."""

import hashlib
import hmac
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web
from aiohttp.test_utils import TestServer

SECRET = "a-webhook-secret-made-up-for-tests"


@dataclass
class Receiver:
    """What a webhook receiver has got: notices by id, the tries of each, and how it answers."""

    url: str = ""
    status: int = 200
    notices: dict[str, dict[str, Any]] = field(default_factory=dict)
    tries: list[str] = field(default_factory=list)

    def told(self, kind: str) -> list[str]:
        """Return the cases of all notices of a kind, one for each time that it was told."""
        return sorted(
            case["case_id"]
            for notice in self.notices.values()
            if notice["kind"] == kind
            for case in notice["cases"]
        )

    async def take(self, request: web.Request) -> web.Response:
        """Take one POST, if its signature is right and the receiver is well."""
        body = await request.read()
        id_ = request.headers["X-Notification-Id"]
        signed = f"{id_}.{request.headers['X-Notification-Timestamp']}.".encode() + body
        mac = hmac.new(SECRET.encode(), signed, hashlib.sha256).hexdigest()
        if request.headers["X-Notification-Signature"] != f"v1={mac}":
            return web.Response(status=401)
        self.tries.append(id_)
        if self.status == 200:
            self.notices[id_] = json.loads(body)
        return web.Response(status=self.status)


@dataclass
class Chat:
    """A WeCom robot: HTTP 200 whatever happens, and an errcode that says what did."""

    url: str = ""
    errcode: int = 0
    messages: list[str] = field(default_factory=list)

    async def take(self, request: web.Request) -> web.Response:
        """Take one message, unless the robot is told to refuse it."""
        told = await request.json()
        if not self.errcode:
            self.messages.append(told[told["msgtype"]]["content"])
        return web.json_response({"errcode": self.errcode, "errmsg": "as told"})


@asynccontextmanager
async def chatting() -> AsyncIterator[Chat]:
    """Run a robot until the end."""
    chat = Chat()
    app = web.Application()
    app.router.add_post("/cgi-bin/webhook/send", chat.take)
    async with TestServer(app) as server:
        chat.url = str(server.make_url("")).rstrip("/")
        yield chat


@asynccontextmanager
async def receiving(port: int | None = None) -> AsyncIterator[Receiver]:
    """Run a receiver until the end."""
    receiver = Receiver()
    app = web.Application(client_max_size=2**26)
    app.router.add_post("/hook", receiver.take)
    server = TestServer(app, port=port)
    async with server:
        receiver.url = str(server.make_url("/hook"))
        yield receiver


def webhook_config(name: str, url: str, **route: str) -> str:
    """Write the TOML of a webhook channel with one route; without conditions it gets everything."""
    told = {"type": '"webhook"', "url": f'"{url}"', "secret": f'"{SECRET}"'}
    return _block("channel", name=f'"{name}"', **told) + _route(name, **route)


def chat_config(name: str, url: str, language: str = "zh", per_minute: int = 240) -> str:
    """Write the TOML of a WeCom robot that is told of everything."""
    told = {"type": '"wecom"', "base_url": f'"{url}"', "key": '"k"', "language": f'"{language}"'}
    pace = {"per_minute": str(per_minute)}
    return _block("channel", name=f'"{name}"', **told, **pace) + _route(name)


def _route(name: str, **conditions: str) -> str:
    return _block("route", channels=f'["{name}"]', **conditions)


def _block(kind: str, **fields: str) -> str:
    lines = [f"{key} = {value}" for key, value in fields.items()]
    return "\n".join([f"[[{kind}]]", *lines, "", ""])
