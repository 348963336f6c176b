"""The steps of a Dockerfile carried out without an engine.

A folder stands for `/`. As in an image, every stage has the same `/`: each is built at the same
place and then moved away, so that what one stage wrote about its own paths is right in the next.
"""

import json
import os
import re
import shlex
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from docker.utils.build import exclude_paths
from dockerfile_parse import DockerfileParser

OUTER_PATH = "OUTER_PATH"
NOT_PASSED_ON = re.compile(r"PYTHON|VIRTUAL_ENV|REBATE_")


@dataclass(frozen=True, slots=True, kw_only=True)
class Image:
    """What an engine would start from: `root` stands for `/`."""

    root: Path
    environment: Mapping[str, str]
    user: str
    entrypoint: list[str]
    command: list[str]
    health_check: list[str]


@dataclass
class Build:
    """A build under way in a folder; the programs of `outer_path` stand for the base image."""

    context: Path
    folder: Path
    outer_path: str
    arguments: dict[str, str] = field(default_factory=dict)
    stages: dict[str, Path] = field(default_factory=dict)
    told: dict[str, str] = field(default_factory=dict)
    stage: str = ""

    @property
    def root(self) -> Path:
        """What stands for `/`."""
        return self.folder / "root"

    def inside(self, path: str) -> Path:
        """Return a path in the image as a path here."""
        return self.root / self.told.get("WORKDIR", "/").lstrip("/") / path.replace("/", "", 1)

    def step(self, instruction: str, value: str) -> None:
        """Carry out one instruction; what only describes the image is noted."""
        match instruction:
            case "FROM":
                self.begin(value)
            case "ARG":
                name, _, told = value.partition("=")
                self.arguments |= {name: told} if told else {}
            case "RUN":
                self.run(value)
            case "COPY":
                self.copy(shlex.split(value))
            case "WORKDIR" | "USER" | "HEALTHCHECK" | "ENTRYPOINT" | "CMD":
                self.told[instruction] = value
            case "ENV" | "LABEL" | "EXPOSE" | "COMMENT":
                pass
            case _:
                raise AssertionError(f"{instruction} is not carried out here")

    def begin(self, value: str) -> None:
        """Begin a stage, after moving the one before it away."""
        if self.root.exists():
            self.stages[self.stage] = self.root.rename(self.folder / f"stage-{self.stage}")
        self.root.mkdir()
        self.stage = value.partition(" AS ")[2]
        self.told = {}

    def run(self, command: str) -> None:
        """Run a command, in which `/` at the beginning of a word is the folder."""
        here = re.sub(r"(?<!\S)/", f"{self.root}/", command)
        workdir = self.inside("")
        workdir.mkdir(parents=True, exist_ok=True)
        environment = {k: v for k, v in os.environ.items() if not NOT_PASSED_ON.match(k)}
        environment |= {**self.arguments, "PATH": self.outer_path}
        done = subprocess.run(
            ["/bin/sh", "-c", here],
            cwd=workdir,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr

    def copy(self, words: list[str]) -> None:
        """Copy files, and the contents of folders, from the context or from another stage."""
        stage = words.pop(0).removeprefix("--from=") if words[0].startswith("--from=") else None
        home = self.stages[stage] if stage else self.context
        *sources, target = words
        place = self.inside(target)
        for source in sources:
            found = home / source.lstrip("/")
            if found.is_dir():
                shutil.copytree(found, place, symlinks=True, dirs_exist_ok=True)
            else:
                place.mkdir(parents=True, exist_ok=True)
                shutil.copy2(found, place)


def build(project: Path, folder: Path, outer_path: str) -> Image:
    """Carry out the Dockerfile of a project in an empty folder."""
    dockerfile = DockerfileParser(str(project / "Dockerfile"), parent_env={"PATH": OUTER_PATH})
    work = Build(sent_context(project, folder / "context"), folder, outer_path)
    for step in dockerfile.structure:
        work.step(step["instruction"], step["value"])
    for left in (*work.stages.values(), work.context):
        shutil.rmtree(left)
    return Image(
        root=work.root,
        environment={**dockerfile.envs, "PATH": _path_here(work, dockerfile.envs["PATH"])},
        user=work.told["USER"],
        entrypoint=json.loads(work.told["ENTRYPOINT"]),
        command=json.loads(work.told["CMD"]),
        health_check=json.loads(work.told["HEALTHCHECK"].partition("CMD ")[2]),
    )


def _path_here(work: Build, path: str) -> str:
    here = {OUTER_PATH: work.outer_path}
    return ":".join(here.get(part, f"{work.root}{part}") for part in path.split(":"))


def sent_context(project: Path, folder: Path) -> Path:
    """Copy what would be sent to an engine: what .dockerignore leaves, as docker reads it."""
    patterns = [
        line
        for line in (project / ".dockerignore").read_text("utf-8").splitlines()
        if line and not line.startswith("#")
    ]
    for name in exclude_paths(str(project), patterns):
        source, target = project / name, folder / name
        if source.is_dir():
            target.mkdir(parents=True, exist_ok=True)
        else:
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source, target)
    return folder
