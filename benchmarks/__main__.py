"""`make bench`: run every benchmark, or those named, and print both sides and the ratio."""

import asyncio
import sys
from collections.abc import Callable, Coroutine
from typing import Any

from benchmarks import by_month, clock, ingest, midnight, phases, recompute, scrape

BENCHMARKS: dict[str, tuple[str, Callable[[], Coroutine[Any, Any, None] | None]]] = {
    "clock": ("W(b) - W(a)", clock.run),
    "ingest": (
        "over HTTP, durable, cases folded; 4 connections with batches, 64 with events",
        ingest.run,
    ),
    "phases": ("where the time of ingest goes, batches of 1,000, one writer", phases.run),
    "scrape": ("fresh figures, rendered, by number of stored cases", scrape.run),
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
