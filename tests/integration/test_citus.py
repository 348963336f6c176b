"""The schema can be distributed by case: sql/citus, held against the schema and the statements.

Citus itself is not among what a fresh machine can have. What is held to here is what its manual
says of distributed tables ("SQL Support and Workarounds").
"""

import re
from collections.abc import Callable

import pytest

from rebate_monitor.storage.database import Database
from rebate_monitor.storage.statements import sql_folder, statements

DISTRIBUTE = (sql_folder() / "citus" / "distribute.sql").read_text("utf-8")
DISTRIBUTED = set(re.findall(r"create_distributed_table\('(\w+)', 'case_id'", DISTRIBUTE))
REFERENCE = set(re.findall(r"create_reference_table\('(\w+)'\)", DISTRIBUTE))
LOCAL = set(re.findall(r"\w+", DISTRIBUTE[DISTRIBUTE.index("-- All else stays") :]))

NAMED = re.compile(r"\b(?:FROM|JOIN|UPDATE|INTO)\s+(\w+)", re.IGNORECASE)
LOCKS = re.compile(r"\bFOR (UPDATE|SHARE)\b")
OF_ONE_CASE = re.compile(r"\bcase_id = \$\d")
REFUSED: dict[str, Callable[[str], object]] = {
    "locks rows of several shards": lambda text: (
        LOCKS.search(text) and not OF_ONE_CASE.search(text)
    ),
    "recursive over several shards": lambda text: "RECURSIVE" in text,
    "grouping sets over several shards": lambda text: re.search(r"GROUPING SETS|CUBE|ROLLUP", text),
    "a volatile function in an UPDATE": lambda text: (
        re.search(rf"UPDATE ({'|'.join(DISTRIBUTED)})\b", text)
        and re.search(r"\b(random|gen_random_uuid|clock_timestamp|nextval)\(", text)
    ),
}
KNOWN = {
    (name, "locks rows of several shards")
    for name in (
        *("lock_cases", "lay_page", "lock_changed_cases", "raise_due"),
        *("lock_alert", "lock_channel"),
    )
}
"""What docs/scale.md says has to change first."""


@pytest.fixture
async def tables(database: Database) -> dict[str, bool]:
    """Return the tables of the schema, and whether each belongs to cases."""
    async with database.connection() as connection:
        rows = await connection.fetch(
            "SELECT relname::text AS name,"
            " EXISTS (SELECT FROM pg_attribute WHERE attrelid = pg_class.oid"
            "         AND attname = 'case_id' AND attnotnull) AS of_cases"
            " FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace"
        )
    return {row["name"]: row["of_cases"] for row in rows}


def test_what_belongs_to_cases_is_distributed(tables: dict[str, bool]) -> None:
    """Every table with a case in each row, and no other."""
    assert {name for name, of_cases in tables.items() if of_cases} == DISTRIBUTED


def test_every_table_has_its_place(tables: dict[str, bool]) -> None:
    """On the shards, on every node, or on the coordinator; on one of them only."""
    assert set() == DISTRIBUTED & REFERENCE
    assert set(tables) - DISTRIBUTED - REFERENCE == set(tables) & LOCAL


def test_what_citus_refuses_is_known() -> None:
    """No other statement does to distributed tables what Citus refuses."""
    of_cases = {
        name: text
        for name, text in statements().items()
        if DISTRIBUTED & {table.lower() for table in NAMED.findall(text)}
    }
    found = {
        (name, what)
        for name, text in of_cases.items()
        for what, refuses in REFUSED.items()
        if refuses(text)
    }

    assert len(of_cases) > len(KNOWN)
    assert found == KNOWN


def test_the_known_are_told() -> None:
    """Whoever distributes reads of each."""
    told = (sql_folder().parent / "docs" / "scale.md").read_text("utf-8")

    assert [] == [name for name, _ in KNOWN if f"`{name}`" not in told]
