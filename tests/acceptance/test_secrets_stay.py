"""No secret is in a log, an error, a metric, an answer or the list of processes."""

import asyncio
import re
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import aiohttp
import psutil
import pytest

from cloud_events import ONE, accepted
from observability_servers import free_port
from service_process import call, command, environment

ADMIN = "admin-key-that-nobody-may-see"
PASSWORD = "database-password-that-nobody-may-see"
ROBOT = "robot-key-that-nobody-may-see"
HOOK = "hook-secret-that-nobody-may-see"
TRIED = "tried-key-that-nobody-may-see"
SECRETS = (ADMIN, PASSWORD, ROBOT, HOOK, TRIED)
CONFIG = """
[alerts]
enforce_from = 2026-01-01
[[channel]]
name = "robot"
type = "wecom"
base_url = "http://127.0.0.1:9"
key_file = "{folder}/robot"
hours = "00:00-24:00"
days = "all"
[[channel]]
name = "hook"
type = "webhook"
url = "http://127.0.0.1:9/hook"
secret_file = "{folder}/hook"
[[route]]
channels = ["robot", "hook"]
"""
PORT = free_port()
TRIED_IN_VAIN = r'channel="(\w+)",outcome="failed"\} [1-9]'
EVENTS = ONE | {"Authorization": f"Bearer {ADMIN}"}


@pytest.fixture
def secrets(folder: Path) -> dict[str, str]:
    """Keep every secret in a file; return the settings that name them."""
    for name, secret in (("admin", ADMIN), ("robot", ROBOT), ("hook", HOOK)):
        (folder / name).write_text(secret, "utf-8")
    (folder / "url").write_text(f"postgresql://rebate:{PASSWORD}@127.0.0.1:9/rebate", "utf-8")
    (folder / "config.toml").write_text(CONFIG.format(folder=folder), "utf-8")
    return {
        "REBATE_ADMIN_KEY_FILE": str(folder / "admin"),
        "REBATE_CONFIG": str(folder / "config.toml"),
        "REBATE_LOG_LEVEL": "debug",
        "REBATE_LOG_FORMAT": "json",
    }


@pytest.fixture
def service(folder: Path, secrets: dict[str, str]) -> Iterator["subprocess.Popen[bytes]"]:
    """Run the service with its secrets, everything it says in a file."""
    told = environment(folder, **secrets, REBATE_PORT=str(PORT))
    told.pop("REBATE_ADMIN_KEY")
    with (folder / "said").open("wb") as said:
        process = subprocess.Popen(command("serve"), env=told, stdout=said, stderr=said)
        yield process
        process.terminate()
        process.wait(30)


async def ready(session: aiohttp.ClientSession, url: str) -> None:
    """Wait until the service answers that it is."""
    while True:
        with suppress(aiohttp.ClientConnectionError):
            async with session.get(f"{url}/readyz") as response:
                if response.status == 200:
                    return
        await asyncio.sleep(0.1)


async def _unreadable() -> str:
    """Show a key in a header that cannot be read; return the answer."""
    reader, writer = await asyncio.open_connection("127.0.0.1", PORT)
    writer.write(f"GET / HTTP/1.1\r\nAuthorization: Bearer {TRIED}\x00\r\n\r\n".encode())
    answer = await asyncio.wait_for(reader.read(), 10)
    writer.close()
    return answer.decode()


async def test_nothing_is_told(folder: Path, service: "subprocess.Popen[bytes]") -> None:
    """Through a start, wrong keys, refused events, alerts that nobody takes, and an end.

    A request that cannot be read as one is no exception.
    """
    url, told = f"http://127.0.0.1:{PORT}", list[str]()
    wrong = {"Authorization": f"Bearer {TRIED}"}
    basic = {"Authorization": aiohttp.encode_basic_auth("x", TRIED), "Accept": "text/html"}
    async with aiohttp.ClientSession() as session:
        await ready(session, url)
        late = accepted("2026-03-02T09:00:00")
        for asked in (
            session.post(f"{url}/v1/events", json=late, headers=EVENTS),
            session.post(f"{url}/v1/events", data=b"{" + ADMIN.encode(), headers=EVENTS),
            session.post(f"{url}/v1/events", json={"a": TRIED}, headers=ONE | wrong),
            session.get(f"{url}/v1/cases?key={TRIED}", headers=wrong),
            session.get(f"{url}/v1/cases", headers=basic),
            session.get(f"{url}/v1/audit", headers=EVENTS),
            session.get(f"{url}/v1/policies?x={TRIED}", headers=EVENTS),
            session.get(f"{url}/openapi.json"),
        ):
            async with asked as response:
                told.append(await response.text())
        told.append(await _unreadable())
        for _ in range(300):  # until a channel has been tried in vain
            async with session.get(f"{url}/metrics") as response:
                told.append(await response.text())
            if re.findall(TRIED_IN_VAIN, told[-1]):
                break
            await asyncio.sleep(0.1)
    running = [one.info["cmdline"] or [] for one in psutil.process_iter(["cmdline"])]
    listed = " ".join(word for words in running for word in words)
    service.terminate()
    service.wait(30)
    said = (folder / "said").read_text("utf-8")

    everything = "\n".join([said, listed, *told])
    assert [] == [secret for secret in SECRETS if secret in everything]
    assert "request.answered" in said
    assert ["hook"] == re.findall(TRIED_IN_VAIN, told[-1])


def test_nothing_is_told_of_a_robot_that_is_away(folder: Path, secrets: dict[str, str]) -> None:
    """Its key is part of the address."""
    told = call(folder, "channel", "test", "robot", **secrets)

    assert told.returncode != 0
    assert [] == [secret for secret in SECRETS if secret in told.stdout + told.stderr]


def test_nothing_is_told_of_a_database_that_is_away(folder: Path, secrets: dict[str, str]) -> None:
    """Neither by commands nor by their traces."""
    told = [
        call(folder, *words, **secrets, REBATE_DATABASE_URL_FILE=str(folder / "url"))
        for words in (("doctor",), ("migrate",), ("keys", "list"), ("channel", "list"))
    ]
    said = "\n".join(one.stdout + one.stderr for one in told)

    assert [] == [secret for secret in SECRETS if secret in said]
    assert all(one.returncode for one in told[:3])
