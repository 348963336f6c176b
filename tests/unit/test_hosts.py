"""Which servers a DSN names."""

import pytest

from rebate_monitor.storage.hosts import dsn_of_each_host

WRITES = "target_session_attrs=read-write"


@pytest.mark.parametrize(
    ("dsn", "expected"),
    [
        ("postgresql://u@one/db", ["postgresql://u@one/db"]),
        ("postgresql:///db?host=/run/pg", ["postgresql:///db?host=/run/pg"]),
        (
            "postgresql://u:a,b%40@one:5432,two/db",
            [
                f"postgresql://u:a,b%40@one:5432/db?{WRITES}",
                f"postgresql://u:a,b%40@two/db?{WRITES}",
            ],
        ),
        (
            "postgresql://one,two/db?target_session_attrs=any&sslmode=require",
            [
                f"postgresql://{host}/db?target_session_attrs=any&sslmode=require"
                for host in ("one", "two")
            ],
        ),
        (
            "postgresql:///db?host=one,two&port=1,2",
            [
                f"postgresql:///db?{WRITES}&host=one&port=1",
                f"postgresql:///db?{WRITES}&host=two&port=2",
            ],
        ),
        (
            "postgresql:///db?host=one,two",
            [f"postgresql:///db?{WRITES}&host=one", f"postgresql:///db?{WRITES}&host=two"],
        ),
    ],
)
def test_each_server_has_a_dsn_of_its_own(dsn: str, expected: list[str]) -> None:
    """One server is left as it is told; of several only one that takes writes will do."""
    assert expected == dsn_of_each_host(dsn)


def test_one_port_may_be_that_of_all() -> None:
    """A single port in the query counts for every host."""
    told = dsn_of_each_host("postgresql:///db?host=one,two&port=6000")

    assert [True, True] == ["port=6000" in dsn for dsn in told]
