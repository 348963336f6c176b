"""The role that the service runs as: it writes what it must, and owns nothing."""

from collections.abc import Mapping
from dataclasses import dataclass

from rebate_monitor.storage.database import Connection
from rebate_monitor.storage.reader import NOT_WRITING, READER
from rebate_monitor.storage.statements import statement

ROLE_OF_SERVER = statement("role_of_server")
PRIVILEGES_OF_ROLES = statement("privileges_of_roles")

READ = ("SELECT",)
ADDED_ONLY = (*READ, "INSERT")
CHANGED = (*ADDED_ONLY, "UPDATE")
KEPT_SMALL = (*CHANGED, "DELETE")
REPLACED = (*ADDED_ONLY, "DELETE")
ONE_ROW = (*READ, "UPDATE")
PRIVILEGES: Mapping[str, tuple[str, ...]] = {
    # What was told, who did what, and what was reported, is only ever added to.
    "case_event": ADDED_ONLY,
    "audit_record": ADDED_ONLY,
    "alert_told": ADDED_ONLY,
    "rulebook_version": ADDED_ONLY,
    # Cases and their alerts change, and are never gone.
    "rebate_case": CHANGED,
    "alert": CHANGED,
    "channel_state": CHANGED,
    "recompute": CHANGED,
    "month_foreseen": CHANGED,
    "alerting_state": ONE_ROW,
    "lookup_state": ONE_ROW,
    "ingest_state": ONE_ROW,
    # What is compacted, sent, replayed or written anew.
    "tally": KEPT_SMALL,
    "quarantine": KEPT_SMALL,
    "outbox": KEPT_SMALL,
    "tally_delta": REPLACED,
    "recompute_course": REPLACED,
    "rule_day": REPLACED,
    "place": ("INSERT", "DELETE"),
    "browser_session": REPLACED,
    # Keys are made, months closed, identities erased and migrations applied by the owner.
    "api_key": READ,
    "frozen_month": READ,
    "schema_migration": READ,
}
"""What the service may do with each table; a table that is not named here it may not even see."""


class ServiceRoleError(Exception):
    """The role cannot be what the service runs as; the message says why and what to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TablePrivileges:
    """What each role may do with a table, in the order of the roles asked for."""

    table: str
    privileges: tuple[tuple[str, ...], ...]


async def grant_service(connection: Connection, role: str) -> None:
    """Grant a role what the service needs and take all else from it; raise ServiceRoleError."""
    found = await connection.fetchrow(ROLE_OF_SERVER, role)
    if found is None:
        raise ServiceRoleError(
            f"REBATE_SERVICE_ROLE: there is no role {role}; an administrator makes it once: "
            f"CREATE ROLE {role} LOGIN, and a password"
        )
    if found["is_owner"] or found["is_superuser"]:
        raise ServiceRoleError(
            f"REBATE_SERVICE_ROLE: {role} owns the database or is a superuser, so nothing can be "
            "kept from it; must be another role"
        )
    name = found["quoted"]
    database = await connection.fetchval("SELECT quote_ident(current_database())")
    await connection.execute(NOT_WRITING.format(database=database))
    await connection.execute(f"REVOKE ALL ON ALL TABLES IN SCHEMA public FROM {name}")
    await connection.execute(f"REVOKE ALL ON SCHEMA public FROM {name}")
    await connection.execute("REVOKE CREATE ON SCHEMA public FROM PUBLIC")
    await connection.execute(f"REVOKE ALL ON ALL TABLES IN SCHEMA reporting FROM {name}")
    await connection.execute(f"REVOKE ALL ON SCHEMA reporting FROM {name}")
    await connection.execute(f"GRANT USAGE ON SCHEMA public TO {name}")
    for table, privileges in PRIVILEGES.items():
        await connection.execute(f"GRANT {', '.join(privileges)} ON {table} TO {name}")


async def privileges_of_roles(
    connection: Connection, service_role: str | None
) -> tuple[list[str], list[TablePrivileges]]:
    """Return the roles there are, the owner first, and what each may do with each table."""
    owner = await connection.fetchval("SELECT current_user::text")
    wanted = [owner, *([service_role] if service_role else []), READER]
    roles = [role for role in wanted if await connection.fetchrow(ROLE_OF_SERVER, role)]
    rows = await connection.fetch(PRIVILEGES_OF_ROLES, roles)
    told = [
        TablePrivileges(
            table=row["table_name"],
            privileges=tuple(tuple(filter(None, one.split(" "))) for one in row["privileges"]),
        )
        for row in rows
    ]
    return roles, told


def deviations(role: str, told: Mapping[str, tuple[str, ...]]) -> list[str]:
    """Say where the service's role may more, or less, with a table or view than it should."""
    said = []
    for table, privileges in told.items():
        may, should = set(privileges), set(PRIVILEGES.get(table, ()))
        more, less = sorted(may - should), sorted(should - may)
        said += [f"{role} may {word.lower()} {table}, and should not" for word in more]
        said += [f"{role} may not {word.lower()} {table}, and should" for word in less]
    return said
