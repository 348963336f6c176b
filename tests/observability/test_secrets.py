"""The secrets of the compose stack: who makes them, who is given them, who can read them."""

import re
from pathlib import Path

from compose_stack import COMPOSE, SECRETS_INSIDE, SERVICES, environment, make_secrets, mounts

HOLDS_A_SECRET = re.compile(r"(PASSWORD|SECRET|TOKEN|KEY|DATABASE_URL)$")
# What the script cannot know: it belongs to the bureau's own alert gateway and mail server.
TO_BE_PUT_IN = {"alert_gateway_token", "smtp_password"}
READABLE = {".cfg", ".sql", ".toml", ".yml"}


def contents(folder: Path) -> dict[str, str]:
    """Return the secrets in a folder by name."""
    return {file.name: file.read_text("utf-8") for file in folder.iterdir() if file.is_file()}


def test_the_script_makes_what_compose_names_once(tmp_path: Path) -> None:
    """A second run keeps every secret, and both runs say so by name."""
    first = make_secrets(tmp_path / "secrets")
    made = contents(tmp_path / "secrets")
    second = make_secrets(tmp_path / "secrets")

    assert {Path(told["file"]).name for told in COMPOSE["secrets"].values()} == made.keys()
    assert made == contents(tmp_path / "secrets")
    assert {f"made  {name}" for name in made} <= set(first.splitlines())
    assert {f"kept  {name}" for name in made} <= set(second.splitlines())


def test_secrets_are_random_and_not_shown(tmp_path: Path) -> None:
    """No two are the same, none is printed, and what has to be put in by hand is named."""
    said = make_secrets(tmp_path)
    made = contents(tmp_path)
    random = [value for name, value in made.items() if name not in TO_BE_PUT_IN]
    to_do = {line.split()[2].rstrip(":") for line in said.splitlines() if line.startswith("TO DO")}

    assert len(random) == len(set(random))
    assert min(len(value) for value in random) >= 32
    assert [] == [value for value in random if value in said]
    assert TO_BE_PUT_IN == to_do
    assert f"rebate:{made['database_password']}@postgres:5432/" in made["database_url"]


def test_another_installation_has_other_secrets(tmp_path: Path) -> None:
    """Nothing but the placeholders is the same on two machines."""
    for name in ("one", "other"):
        make_secrets(tmp_path / name)
    one, other = (set(contents(tmp_path / name).items()) for name in ("one", "other"))

    assert TO_BE_PUT_IN == {name for name, _ in one & other}


def test_containers_can_read_secrets_and_the_host_cannot(tmp_path: Path) -> None:
    """The folder is closed; the files, mounted one by one, are for every user of a container."""
    make_secrets(tmp_path / "secrets")
    files = [file for file in (tmp_path / "secrets").iterdir() if file.is_file()]

    assert 0o700 == (tmp_path / "secrets").stat().st_mode & 0o777
    assert {0o444} == {file.stat().st_mode & 0o777 for file in files}


def test_a_service_is_given_the_secrets_that_it_names_and_no_other() -> None:
    """No variable holds a secret, and every file below /run/secrets is a secret of that service."""
    given = {name: set(service.get("secrets", [])) for name, service in SERVICES.items()}
    variables = [name for service in SERVICES for name in environment(service)]

    assert [] == [name for name in variables if HOLDS_A_SECRET.search(name)]
    assert given == {service: named_by(service) for service in SERVICES}


def named_by(service: str) -> set[str]:
    """Return the secrets that a service's variables and mounted files name, comments aside."""
    files = [
        file
        for place in mounts(SERVICES[service]).values()
        for file in (place, *sorted(place.rglob("*")))
        if file.suffix in READABLE
    ]
    lines = [line for file in files for line in file.read_text("utf-8").splitlines()]
    told = [line for line in lines if not line.lstrip().startswith(("#", "--"))]
    text = "\n".join([*environment(service).values(), *told])
    return set(re.findall(rf"{SECRETS_INSIDE}/(\w+)", text))
