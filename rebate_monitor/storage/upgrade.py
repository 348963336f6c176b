"""Bring a database to this version: migrations first, then the views and who reads them."""

from dataclasses import dataclass

from rebate_monitor.storage.database import Database
from rebate_monitor.storage.migrations import Migration, MigrationError, migrate, only_one
from rebate_monitor.storage.patience import LockedError
from rebate_monitor.storage.reader import Reader, prepare_reader, present_reader
from rebate_monitor.storage.reporting import ForeignSchemaError, ViewsInUseError, refresh_views
from rebate_monitor.storage.service_role import ServiceRoleError, grant_service


@dataclass(frozen=True, slots=True, kw_only=True)
class Upgraded:
    """What was done: migrations applied, views made anew or not, and the role that reads them."""

    applied: tuple[Migration, ...]
    views_made: bool
    reader: Reader


async def upgrade(
    database: Database, reader_password: str | None = None, service_role: str | None = None
) -> Upgraded:
    """Bring a database to this version; raise MigrationError, DatabaseAwayError.

    With a password the role that reads the reporting views can log in with it. A role of the
    service is granted what it needs, and no more.
    """
    applied = await migrate(database)
    async with database.connection() as connection, only_one(connection):
        try:
            views_made = await refresh_views(connection)
        except (ForeignSchemaError, ViewsInUseError, LockedError) as error:
            raise MigrationError(str(error)) from error
        reader = await present_reader(connection)
        if reader is None or views_made or reader_password is not None:
            reader = await prepare_reader(connection, reader_password)
        if service_role is not None:
            try:
                await grant_service(connection, service_role)
            except ServiceRoleError as error:
                raise MigrationError(str(error)) from error
    return Upgraded(applied=applied, views_made=views_made, reader=reader)
