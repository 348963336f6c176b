"""The schema `reporting`: views for Grafana and reports, made anew when their text has changed."""

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import asyncpg

from rebate_monitor.storage.database import Connection
from rebate_monitor.storage.patience import patiently
from rebate_monitor.storage.statements import sql_folder, statement

MARK = "rebate_monitor views "
VIEW = re.compile(r"^CREATE VIEW reporting\.(\w+)", re.MULTILINE)

REPORTING_STATE = statement("reporting_state")
REPORTING_READERS = statement("reporting_readers")


class ForeignSchemaError(Exception):
    """There is a schema `reporting` that this service has not made; it is left as it is."""

    def __init__(self) -> None:
        super().__init__(
            "the database has a schema `reporting` of somebody else, and the views of "
            "rebate_monitor are made in a schema of that name; use another database"
        )


class ViewsInUseError(Exception):
    """Somebody's own objects rest on the views, which therefore cannot be made anew."""

    def __init__(self, detail: str) -> None:
        super().__init__(
            f"the reporting views cannot be made anew, since others rest on them ({detail}): "
            "drop these first, and make them again afterwards"
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Stored:
    """The schema as it is: its comment and the names of its relations, empty without it."""

    comment: str = ""
    names: frozenset[str] = frozenset()

    @property
    def is_foreign(self) -> bool:
        return bool(self.names) and not self.comment.startswith(MARK)

    @property
    def our_views(self) -> list[str]:
        """The views that this service made, by whatever version."""
        _, _, told = self.comment.partition(": ")
        return sorted(self.names & set(told.split(", ")))

    @property
    def is_current(self) -> bool:
        return self.comment == _comment() and set(_names()) <= self.names


def packaged_views(folder: Path | None = None) -> Sequence[str]:
    """Return the texts of the view files, in order."""
    files = sorted((folder or sql_folder() / "views").glob("*.sql"))
    return [file.read_text("utf-8") for file in files]


async def drop_views(connection: Connection) -> None:
    """Make way for a migration, inside its transaction; raise ForeignSchemaError, ViewsInUseError.

    A column that a view reads cannot be changed. What somebody else made in the schema stays.
    """
    stored = await _stored(connection)
    if stored.is_foreign:
        raise ForeignSchemaError
    if stored.our_views:
        names = ", ".join(f"reporting.{name}" for name in stored.our_views)
        try:
            await connection.execute(f"DROP VIEW {names}")
        except asyncpg.DependentObjectsStillExistError as error:
            raise ViewsInUseError((error.detail or str(error)).replace("\n", "; ")) from error


async def refresh_views(connection: Connection) -> bool:
    """Make the views anew where they are not those of this version; say whether they were made.

    Whoever could read the views before can read them after. Raises ForeignSchemaError,
    ViewsInUseError, LockedError.
    """
    if (await _stored(connection)).is_current:
        return False
    await patiently(connection, _make_views)
    return True


async def _make_views(connection: Connection) -> None:
    readers = await connection.fetch(REPORTING_READERS)
    await drop_views(connection)
    await connection.execute("CREATE SCHEMA IF NOT EXISTS reporting")
    for text in packaged_views():
        await connection.execute(text)
    names = ", ".join(f"reporting.{name}" for name in _names())
    for (reader,) in readers:
        await connection.execute(f"GRANT SELECT ON {names} TO {reader}")
    await connection.execute(f"COMMENT ON SCHEMA reporting IS '{_comment()}'")


async def views_are_current(connection: Connection) -> bool:
    """Say whether the views are those of this version."""
    return (await _stored(connection)).is_current


async def _stored(connection: Connection) -> _Stored:
    row = await connection.fetchrow(REPORTING_STATE)
    if row is None:
        return _Stored()
    return _Stored(comment=row["comment"] or "", names=frozenset(row["names"]))


def _names() -> list[str]:
    return VIEW.findall("\n".join(packaged_views()))


def _comment() -> str:
    digest = hashlib.sha256("\n".join(packaged_views()).encode()).hexdigest()
    return f"{MARK}{digest}: {', '.join(_names())}"
