"""The compose stack as its files describe it, and its secrets as the shipped script makes them."""

import re
import subprocess
from pathlib import Path

from observability_servers import Json, load, tool

ROOT = Path(__file__).parent.parent
COMPOSE_FILE = ROOT / "docker-compose.yml"
EXAMPLE = ROOT / "compose.override.example.yml"
COMPOSE = load(COMPOSE_FILE)
SERVICES: dict[str, Json] = COMPOSE["services"]
ONE_SHOTS = {
    name
    for service in SERVICES.values()
    for name, told in service.get("depends_on", {}).items()
    if told["condition"] == "service_completed_successfully"
}
LONG_RUNNING = SERVICES.keys() - ONE_SHOTS
SECRETS_INSIDE = "/run/secrets"


def config(*files: Path) -> subprocess.CompletedProcess[str]:
    """Have compose read the files and say what it understood."""
    command = [tool("docker-compose", "docker-compose"), "--project-directory", str(ROOT)]
    named = [argument for file in files for argument in ("--file", str(file))]
    return subprocess.run(
        [*command, *named, "config"], capture_output=True, text=True, timeout=60, check=False
    )


def make_secrets(folder: Path) -> str:
    """Run the shipped script; return what it printed."""
    script = ROOT / "deploy" / "secrets.sh"
    return subprocess.run(
        [script, folder], capture_output=True, text=True, timeout=60, check=True
    ).stdout


def default(value: str) -> str:
    """Put the default in the place of each variable of a compose file."""
    return re.sub(r"\$\{\w+:-([^}]*)\}", r"\1", value)


def mounts(service: Json) -> dict[str, Path]:
    """Return the files and folders of this project that a service sees, by the place it sees."""
    bound = [volume.split(":") for volume in service.get("volumes", []) if volume.startswith("./")]
    return {inside: ROOT / outside for outside, inside, *_ in bound}


def on_host(service: str, inside: str) -> Path:
    """Return the file of this project behind a path in a service's container."""
    for place, outside in mounts(SERVICES[service]).items():
        if Path(inside).is_relative_to(place):
            return outside / Path(inside).relative_to(place)
    raise AssertionError(f"{service} has nothing mounted at {inside}")


def environment(service: str) -> dict[str, str]:
    """Return the environment of a service, without variables of the host."""
    told = SERVICES[service].get("environment", {})
    return {name: default(value) for name, value in told.items()}


def reaches(service: str, host: str) -> bool:
    """Whether a service shares a network with another."""
    return not set(SERVICES[service]["networks"]).isdisjoint(SERVICES[host]["networks"])
