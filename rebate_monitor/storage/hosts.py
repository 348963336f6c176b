"""A DSN that names several servers, of which one takes writes: who is asked, and for how long.

asyncpg asks them in turn within one time limit, so that a machine that went dark (no refusal, no
answer) uses it all up and the others are never asked. Here each has its own share.
"""

from collections.abc import Iterator
from typing import Any
from urllib.parse import SplitResult, parse_qsl, urlencode, urlsplit

import asyncpg

WRITES = ("target_session_attrs", "read-write")
FAILURES = (OSError, asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError)


class Hosts:
    """The servers of a DSN; the one that answered last is asked first."""

    def __init__(self, dsn: str) -> None:
        self._dsns = dsn_of_each_host(dsn)

    async def connect(
        self,
        *_: object,
        timeout: float,  # noqa: ASYNC109 - as asyncpg's pool calls it
        **options: Any,  # noqa: ANN401 - as asyncpg's pool calls it
    ) -> "asyncpg.Connection[asyncpg.Record]":
        """Connect to the first server that will do; raise the last one's error when none does."""
        share = timeout / len(self._dsns)
        *others, last = list(self._dsns)
        for dsn in others:
            try:
                found = await asyncpg.connect(dsn, timeout=share, **options)
            except FAILURES:
                continue
            return self._remember(dsn, found)
        return self._remember(last, await asyncpg.connect(last, timeout=share, **options))

    def _remember(
        self, dsn: str, found: "asyncpg.Connection[asyncpg.Record]"
    ) -> "asyncpg.Connection[asyncpg.Record]":
        self._dsns.sort(key=lambda known: known != dsn)
        return found


def dsn_of_each_host(dsn: str) -> list[str]:
    """Return a DSN for each server that one DSN names; of several, only one that takes writes.

    `postgresql://u@one:5432,two:5432/db` and `postgresql:///db?host=one,two&port=5432` are known.
    """
    told = urlsplit(dsn)
    query = dict(parse_qsl(told.query, keep_blank_values=True))
    login, at, hosts = told.netloc.rpartition("@")
    if "," in hosts:
        each = [(told._replace(netloc=login + at + host), query) for host in hosts.split(",")]
    elif "," in query.get("host", ""):
        each = [(told, query | asked) for asked in _hosts_asked(query)]
    else:
        return [dsn]
    return [_one(place, dict([WRITES]) | asked) for place, asked in each]


def _hosts_asked(query: dict[str, str]) -> Iterator[dict[str, str]]:
    """Yield each host with its port: one of a list, or the one that all have."""
    hosts, ports = query["host"].split(","), query.get("port", "").split(",")
    for place, host in enumerate(hosts):
        port = ports[place] if len(ports) > 1 else ports[0]
        yield {"host": host} | ({"port": port} if port else {})


def _one(place: SplitResult, query: dict[str, str]) -> str:
    return f"{place.scheme}://{place.netloc}{place.path}?{urlencode(query)}"
