"""The image, built step by step without an engine, and its programs run from its files alone."""

import asyncio
import os
import re
import shutil
import subprocess
import sys
import tomllib
import uuid
from asyncio.subprocess import PIPE, STDOUT, Process, create_subprocess_exec
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import aiohttp
import pytest
from dockerfile_parse import DockerfileParser
from packaging.requirements import Requirement

from cloud_events import ONE, accepted
from compose_stack import ROOT, SERVICES, default
from conftest import ADMIN_KEY, execute, need, with_database
from dockerfile_steps import Image, build, sent_context
from observability_servers import eventually, free_port
from rebate_monitor import __version__
from rebate_monitor.settings import VARIABLES
from server_folder import new_folder

DOCKERFILE = DockerfileParser(str(ROOT / "Dockerfile"))
IS_ROOT = os.geteuid() == 0
NOBODY = 65534
USABLE = "import ensurepip, sys, venv; sys.exit(sys.version_info < (3, 11))"
EVERYBODYS_WRITING = 0o222


def values(instruction: str) -> list[str]:
    """Return what all instructions of a kind say."""
    return [step["value"] for step in DOCKERFILE.structure if step["instruction"] == instruction]


def test_the_image_says_what_it_is_and_needs_no_name() -> None:
    """Version and licence of the project, known settings, and a user that is a number, not root."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    labels = {name.rpartition(".")[2]: value for name, value in DOCKERFILE.labels.items()}
    settings = {name for name in DOCKERFILE.envs if name.startswith("REBATE_")}
    user, group = values("USER")[0].split(":")

    assert (project["version"], project["license"]) == (labels["version"], labels["licenses"])
    assert project["description"] == labels["description"]
    assert settings
    assert settings <= set(VARIABLES)
    assert int(user) > 0
    assert int(group) > 0


def test_nothing_is_run_in_what_is_shipped() -> None:
    """The last stage only copies what another has built."""
    instructions = [step["instruction"] for step in DOCKERFILE.structure]
    begins = [place for place, instruction in enumerate(instructions) if instruction == "FROM"]

    assert 2 == len(begins)
    assert "RUN" not in instructions[begins[-1] :]


def test_compose_builds_the_same_image() -> None:
    """Base and arguments are those of the Dockerfile."""
    arguments = SERVICES["rebate-monitor"]["build"]["args"]

    assert DOCKERFILE.baseimage == default(arguments["PYTHON_IMAGE"])
    assert arguments.keys() == {value.partition("=")[0] for value in values("ARG")}


def test_nothing_but_the_package_is_sent_to_be_built(tmp_path: Path) -> None:
    """Neither secrets nor tests, documents or caches reach the engine."""
    sent = sent_context(ROOT, tmp_path / "context")
    names = {path.name for path in sent.iterdir()} - {"Dockerfile", ".dockerignore"}

    expected = {"LICENSE", "README.md", "pyproject.toml", "requirements.lock"}
    assert expected | {"rebate_monitor", "sql"} == names
    assert [] == list(sent.rglob("__pycache__"))


@pytest.fixture
def folder() -> Iterator[Path]:
    """Return an empty folder, whose contents may end read-only."""
    made = new_folder()
    yield made
    for path in (made, *made.rglob("*")):
        if path.is_dir() and not path.is_symlink():
            path.chmod(0o755)
    shutil.rmtree(made)


@pytest.fixture
def programs() -> str:
    """Return a PATH that stands for the base image: its python3 can be run by other users."""
    identity: dict[str, Any] = {"user": NOBODY, "group": NOBODY, "extra_groups": []}
    for place in (f"{sys.base_prefix}/bin", "/usr/bin", "/usr/local/bin"):
        command = [f"{place}/python3", "-c", USABLE]
        try:
            done = subprocess.run(command, check=False, **(identity if IS_ROOT else {}))
        except OSError:
            continue
        if done.returncode == 0:
            return f"{place}:/usr/bin:/bin"
    need(None, "a python3, 3.11 or later, with venv, that other users may run")
    return ""


@pytest.fixture
async def empty(dsn: str) -> AsyncIterator[str]:
    """Return the DSN of an empty database."""
    name = f"image_{uuid.uuid4().hex[:12]}"
    await execute(dsn, f'CREATE DATABASE "{name}"')
    yield with_database(dsn, name)
    await execute(dsn, f'DROP DATABASE "{name}" WITH (FORCE)')


def seal(root: Path) -> None:
    """Make everything below read-only."""
    for path in (root, *root.rglob("*")):
        if not path.is_symlink():
            path.chmod(path.stat().st_mode & ~EVERYBODYS_WRITING)


class Container:
    """Runs an image's programs with its environment alone, and without privileges."""

    def __init__(self, image: Image, dsn: str) -> None:
        self.port = free_port()
        environment = {
            **image.environment,
            "REBATE_DATABASE_URL": dsn,
            "REBATE_ADMIN_KEY": ADMIN_KEY,
            "REBATE_PORT": str(self.port),
        }
        self.how: dict[str, Any] = {"env": environment, "cwd": image.root}
        if IS_ROOT:  # nobody else may enter the folder of the database's socket
            owner = Path(parse_qs(urlsplit(dsn).query)["host"][0]).stat()
            self.how |= {"user": owner.st_uid, "group": owner.st_gid, "extra_groups": []}

    async def start(self, *command: str) -> Process:
        """Start a program."""
        return await create_subprocess_exec(*command, stdout=PIPE, stderr=STDOUT, **self.how)

    async def run(self, *command: str) -> tuple[int | None, str]:
        """Run a program; return its exit code and what it said."""
        started = await self.start(*command)
        said, _ = await started.communicate()
        return started.returncode, said.decode()

    async def post(self) -> int:
        """Post an event, as soon as somebody answers; return the status."""
        url = f"http://127.0.0.1:{self.port}/v1/events"
        headers = {"Authorization": f"Bearer {ADMIN_KEY}", **ONE}
        async with aiohttp.ClientSession(headers=headers) as session:

            async def ask() -> int:
                async with session.post(url, json=accepted("2024-11-20T09:00:00")) as response:
                    return response.status

            return await eventually(ask, "an answer of the service")


async def test_the_steps_make_an_image_that_migrates_serves_and_is_healthy(
    empty: str, folder: Path, programs: str
) -> None:
    """From read-only files, by a user without privileges, with no source tree in sight."""
    image = await asyncio.to_thread(build, ROOT, folder, programs)
    await asyncio.to_thread(seal, image.root)
    container = Container(image, empty)
    version = await container.run(*image.entrypoint, "--version")
    migrated = await container.run(*image.entrypoint, "migrate", "--wait", "60")
    unhealthy, _ = await container.run(*image.health_check)
    serving = await container.start(*image.entrypoint, *image.command)
    status = await container.post()
    healthy, _ = await container.run(*image.health_check)
    serving.terminate()
    log, _ = await serving.communicate()

    assert ["opt"] == [path.name for path in image.root.iterdir()]
    assert (0, f"rebate-monitor, version {__version__}\n") == version
    assert (0, "the database is up to date") == (migrated[0], migrated[1].splitlines()[-1])
    assert (1, 0) == (unhealthy, healthy)
    assert 201 == status
    assert 0 == serving.returncode
    assert b'"event": "service.stopped"' in log


def test_what_it_is_built_of_is_pinned() -> None:
    """Each dependency stands in the lock file with hashes, at a version that the project allows."""
    lock = (ROOT / "requirements.lock").read_text("utf-8")
    pinned = dict(re.findall(r"^([a-z0-9.-]+)==([^ \\]+)", lock, re.MULTILINE))
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    wanted = [Requirement(told) for told in project["dependencies"]]

    assert [] == [
        told.name for told in wanted if not told.specifier.contains(pinned.get(told.name, "0"))
    ]
    assert len(pinned) >= len(wanted)
    assert len(pinned) <= lock.count("--hash=sha256:")
    assert "--require-hashes" in values("RUN")[1]
