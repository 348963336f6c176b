"""Named SQL statements: every statement of the service stands in sql/queries/*.sql."""

from functools import cache
from pathlib import Path

MARK = "-- name: "


class UnknownStatementError(LookupError):
    """No file in sql/queries names this statement."""


def sql_folder() -> Path:
    """Return the folder with migrations and queries: in the wheel, or beside the package."""
    package = Path(__file__).parent.parent
    packaged = package / "sql"
    return packaged if packaged.is_dir() else package.parent / "sql"


@cache
def statements() -> dict[str, str]:
    """Return every named statement."""
    found: dict[str, str] = {}
    for file in sorted((sql_folder() / "queries").glob("*.sql")):
        for block in file.read_text("utf-8").split(MARK)[1:]:
            name, _, body = block.partition("\n")
            if name.strip() in found:
                raise ValueError(f"statement {name.strip()} stands twice, again in {file.name}")
            found[name.strip()] = body.strip()
    return found


def statement(name: str) -> str:
    """Return one statement; raise UnknownStatementError."""
    try:
        return statements()[name]
    except KeyError:
        raise UnknownStatementError(name) from None
