"""The role that the service runs as: it writes what it must, and owns nothing."""

from collections.abc import Mapping
from dataclasses import dataclass

from rebate_monitor.storage.database import Connection
from rebate_monitor.storage.reader import NOT_WRITING, READER
from rebate_monitor.storage.statements import statement

ROLE_OF_SERVER = statement("role_of_server")
PRIVILEGES_OF_ROLES = statement("privileges_of_roles")

ADDED_ONLY = ("SELECT", "INSERT")
CHANGED = (*ADDED_ONLY, "UPDATE")
KEPT_SMALL = (*CHANGED, "DELETE")
PRIVILEGES: Mapping[str, tuple[str, ...]] = {
    # What was told, who did what, and what was reported, is only ever added to.
    "case_event": ADDED_ONLY,
    "audit_record": ADDED_ONLY,
    "alert_told": ADDED_ONLY,
    "rulebook_version": ADDED_ONLY,
    "frozen_month": ADDED_ONLY,
    # Cases and their alerts change, and are never gone.
    "rebate_case": CHANGED,
    "alert": CHANGED,
    "alerting_state": CHANGED,
    "recompute": CHANGED,
    "lookup_state": CHANGED,
    # What is compacted, sent, replayed or written anew.
    "tally": KEPT_SMALL,
    "tally_delta": KEPT_SMALL,
    "quarantine": KEPT_SMALL,
    "outbox": KEPT_SMALL,
    "channel_state": KEPT_SMALL,
    "recompute_course": KEPT_SMALL,
    "rule_day": KEPT_SMALL,
    "place": KEPT_SMALL,
    "month_foreseen": KEPT_SMALL,
    # Keys are made, identities erased, and migrations applied, by the owner.
    "api_key": ("SELECT",),
    "schema_migration": ("SELECT",),
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
    await connection.execute(f"GRANT USAGE ON SCHEMA public, reporting TO {name}")
    await connection.execute(f"GRANT SELECT ON ALL TABLES IN SCHEMA reporting TO {name}")
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
