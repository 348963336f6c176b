"""The compose file against the files, settings and programs that it names, without an engine."""

import re
import subprocess
import tomllib
from asyncio.subprocess import DEVNULL, create_subprocess_exec
from pathlib import Path

import pytest
import yaml

from compose_stack import (
    COMPOSE,
    COMPOSE_FILE,
    EXAMPLE,
    LONG_RUNNING,
    ONE_SHOTS,
    ROOT,
    SECRETS_INSIDE,
    SERVICES,
    config,
    default,
    environment,
    make_secrets,
    mounts,
    on_host,
)
from observability_servers import (
    Alertmanager,
    eventually,
    free_port,
    hasty_alertmanager_config,
    tool,
)
from rebate_monitor.server import CLOSE_SECONDS, DRAIN_SECONDS, configured_alerts
from rebate_monitor.settings import Settings, read_settings

PINNED = re.compile(r"\$\{[A-Z]+_IMAGE:-[a-z/-]+:v?\d+\.\d+[\w.-]*\}")
UNIT_SECONDS = {"s": 1, "m": 60}


def seconds(duration: str) -> int:
    """Read 20s, or 2m."""
    return int(duration[:-1]) * UNIT_SECONDS[duration[-1]]


@pytest.mark.parametrize("files", [(COMPOSE_FILE,), (COMPOSE_FILE, EXAMPLE)], ids=len)
def test_compose_accepts_the_files(files: tuple[Path, ...]) -> None:
    """Both the stack and the stack with the example override are read without a word."""
    done = config(*files)

    assert (0, "") == (done.returncode, done.stderr)


def test_the_example_does_what_its_comments_say() -> None:
    """A certificate for the proxy, no PostgreSQL in the stack, and a migration that gets out."""
    merged = yaml.safe_load(config(COMPOSE_FILE, EXAMPLE).stdout)["services"]

    assert {"PROXY_CERTIFICATE": f"{SECRETS_INSIDE}/proxy_certificate"} == (
        merged["proxy"]["environment"]
    )
    assert "PROXY_CERTIFICATE" in (ROOT / "deploy" / "haproxy.cfg").read_text("utf-8")
    assert 0 == merged["postgres"]["deploy"]["replicas"]
    assert "front" in merged["migrate"]["networks"]
    assert merged["grafana"]["environment"].keys() > environment("grafana").keys()


def test_ports_are_open_on_this_machine_only() -> None:
    """Without variables every published port is bound to loopback."""
    ports = [default(port) for service in SERVICES.values() for port in service.get("ports", [])]

    assert ports
    assert [] == [port for port in ports if not port.startswith("127.0.0.1:")]


@pytest.mark.parametrize("name", sorted(LONG_RUNNING))
def test_a_service_that_runs_on_is_watched_limited_and_confined(name: str) -> None:
    """Health check, restart, limits, rotated logs and grace; read-only and without privileges."""
    service = SERVICES[name]

    assert {"test", "interval", "timeout", "retries", "start_period"} == (
        service["healthcheck"].keys()
    )
    assert "unless-stopped" == service["restart"]
    assert {"cpus", "memory"} == service["deploy"]["resources"]["limits"].keys()
    assert {"max-size", "max-file"} == service["logging"]["options"].keys()
    assert seconds(service["stop_grace_period"]) > 10
    assert service["read_only"] is True
    assert ["ALL"] == service["cap_drop"]
    assert ["no-new-privileges:true"] == service["security_opt"]


def test_two_replicas_wait_for_one_migration() -> None:
    """The migration is the one service that ends; it is not started again."""
    service = SERVICES["rebate-monitor"]

    assert {"migrate"} == ONE_SHOTS
    assert "no" == SERVICES["migrate"]["restart"]
    assert 2 == service["deploy"]["replicas"]
    assert "service_completed_successfully" == service["depends_on"]["migrate"]["condition"]


def test_who_waits_for_health_waits_for_a_service_that_has_a_check() -> None:
    """Every condition names a service that can fulfil it."""
    healthy = {
        other
        for service in SERVICES.values()
        for other, told in service.get("depends_on", {}).items()
        if told["condition"] == "service_healthy"
    }

    assert {"postgres", "rebate-monitor", "prometheus", "alertmanager"} == healthy
    assert healthy <= LONG_RUNNING


def test_grace_is_longer_than_what_is_waited_for() -> None:
    """The service drains, and the proxy ends its streams, before either would be killed."""
    draining = DRAIN_SECONDS + CLOSE_SECONDS
    text = (ROOT / "deploy" / "haproxy.cfg").read_text("utf-8")
    (hard_stop,) = (seconds(told) for told in re.findall(r"hard-stop-after (\w+)", text))

    assert seconds(SERVICES["rebate-monitor"]["stop_grace_period"]) > draining
    assert seconds(SERVICES["proxy"]["stop_grace_period"]) > hard_stop > draining


def test_images_are_pinned_and_can_come_from_a_mirror() -> None:
    """Each image is a variable whose default names a version; ours is that of the project."""
    images = {name: service["image"] for name, service in SERVICES.items()}
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]

    assert [] == [image for image in images.values() if not PINNED.fullmatch(image)]
    assert {f"{project['name']}:{project['version']}"} == {
        default(images[name]) for name in ("rebate-monitor", "migrate")
    }


def test_variables_of_the_compose_file_are_told_in_it() -> None:
    """Its head names every variable that an operator may set."""
    text = COMPOSE_FILE.read_text("utf-8")
    head = text[: text.index("\n\n")]
    variables = set(re.findall(r"\$\{(\w+):-", text))

    assert variables
    assert [] == [name for name in variables if name not in head]


def test_what_is_used_is_declared_and_what_is_declared_is_used() -> None:
    """Named volumes, networks and secrets."""
    volumes = [told for service in SERVICES.values() for told in service.get("volumes", [])]

    assert COMPOSE["volumes"].keys() == {
        told.split(":")[0] for told in volumes if not told.startswith("./")
    }
    assert COMPOSE["networks"].keys() == {
        name for service in SERVICES.values() for name in service["networks"]
    }
    assert COMPOSE["secrets"].keys() == {
        name for service in SERVICES.values() for name in service.get("secrets", [])
    }


def test_what_is_mounted_exists(tmp_path: Path) -> None:
    """Each file and folder is part of the project, or made with the secrets."""
    make_secrets(tmp_path / "secrets")
    mounted = [place for service in SERVICES.values() for place in mounts(service).values()]
    secrets = [ROOT / told["file"] for told in COMPOSE["secrets"].values()]
    places = [place.relative_to(ROOT) for place in (*mounted, *secrets)]
    homes = {place: tmp_path if place.parts[0] == "secrets" else ROOT for place in places}

    assert [] == [place for place, home in homes.items() if not (home / place).exists()]


@pytest.mark.parametrize("name", ["migrate", "rebate-monitor"])
def test_the_service_understands_its_environment(name: str, tmp_path: Path) -> None:
    """Every variable is known, and every secret has the form that it must have."""
    make_secrets(tmp_path)
    told = {
        variable: value.replace(SECRETS_INSIDE, str(tmp_path))
        for variable, value in environment(name).items()
    }
    told["REBATE_CONFIG"] = str(on_host(name, told["REBATE_CONFIG"]))
    settings = read_settings(told)

    assert settings.database_url
    assert bool(settings.reader_password) == (name == "migrate")
    assert bool(settings.admin_key) == (name == "rebate-monitor")


@pytest.mark.parametrize(
    ("service", "program"),
    [("prometheus", "prometheus"), ("alertmanager", "prometheus-alertmanager")],
)
def test_the_programs_know_their_options(service: str, program: str) -> None:
    """Each option of the command is one of the real program, and its file is mounted."""
    command = [tool(program, program), "--help"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    options = dict(option.split("=", 1) for option in SERVICES[service]["command"])

    assert [] == [name for name in options if f"{name}=" not in done.stdout + done.stderr]
    assert on_host(service, options["--config.file"]).is_file()


async def test_the_health_check_of_alertmanager_tells_whether_it_runs(tmp_path: Path) -> None:
    """It is carried out as shipped, against a real Alertmanager."""
    tool("amtool", "prometheus-alertmanager")
    config_file = hasty_alertmanager_config(tmp_path, f"http://127.0.0.1:{free_port()}")
    manager = Alertmanager(tmp_path, config_file)
    _, *shipped = SERVICES["alertmanager"]["healthcheck"]["test"]
    check = [word.replace("http://127.0.0.1:9093", manager.url) for word in shipped]

    async def is_healthy() -> bool:
        started = await create_subprocess_exec(*check, stdout=DEVNULL, stderr=DEVNULL)
        return await started.wait() == 0

    before = await is_healthy()
    with manager.running():
        while_it_runs = await eventually(is_healthy, "a healthy Alertmanager")

    assert (False, True) == (before, while_it_runs)


def test_the_examples_in_the_configuration_hold_once_they_are_no_comments(tmp_path: Path) -> None:
    """The file as shipped tells nobody; with its examples there is a channel and a route to it."""
    shipped = ROOT / "deploy" / "config.toml"
    (tmp_path / "bureau-wecom").write_text("a-key-made-up-for-tests", "utf-8")
    text = re.sub(r"^# (?=\[|\w+ = )", "", shipped.read_text("utf-8"), flags=re.MULTILINE)
    changed = tmp_path / "config.toml"
    changed.write_text(text.replace(f"{SECRETS_INSIDE}/channels", str(tmp_path)), "utf-8")
    told = configured_alerts(Settings(config=changed))

    assert [] == list(configured_alerts(Settings(config=shipped)).channels)
    assert ["bureau-wecom"] == [channel.name for channel in told.channels]
    assert told.link
