"""`make bench`: run every benchmark, or those named, and print both sides and the ratio."""

import asyncio
import sys
from collections.abc import Callable, Coroutine
from typing import Any

from benchmarks import (
    by_month,
    clock,
    growth,
    ingest,
    midnight,
    phases,
    recompute,
    replicas,
    sizing,
)

BENCHMARKS: dict[str, tuple[str, Callable[[], Coroutine[Any, Any, None] | None]]] = {
    "clock": ("W(b) - W(a)", clock.run),
    "ingest": (
        "over HTTP, durable, cases folded; 4 connections with batches, 64 with events",
        ingest.run,
    ),
    "phases": ("where the time of ingest goes, batches of 1,000, one writer", phases.run),
    "replicas": ("one, two and four services on one PostgreSQL", replicas.run),
    "sizing": ("what an event costs, and what a year of many cases needs", sizing.run),
    "growth": ("what everything costs by the number of stored cases", growth.run),
    "midnight": ("cases that breach in the same second", midnight.run),
    "by-month": ("GET /v1/performance?by=month over a million stopped cases", by_month.run),
    "recompute": ("every case laid down anew after a calendar change", recompute.run),
}


def run(names: list[str]) -> None:
    """Run the benchmarks of these names, all where none is named."""
    unknown = set(names) - set(BENCHMARKS)
    if unknown:
        raise SystemExit(f"no benchmark {min(unknown)}; there are {', '.join(BENCHMARKS)}")
    for name in names or BENCHMARKS:
        title, work = BENCHMARKS[name]
        print(f"\n{name}: {title}", flush=True)
        told = work()
        if told is not None:
            asyncio.run(told)


if __name__ == "__main__":
    run(sys.argv[1:])
