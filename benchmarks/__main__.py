"""`make bench`: run every benchmark, or those named, and print both sides and the ratio."""

import asyncio
import sys

from benchmarks import by_month, clock, ingest, midnight, recompute, scrape

wanted = set(sys.argv[1:]) or {"clock", "ingest", "scrape", "midnight", "by-month", "recompute"}
if "clock" in wanted:
    print("clock: W(b) - W(a)")
    clock.run()
if "ingest" in wanted:
    print("\ningest: over HTTP, durable, cases folded; 4 connections with batches, 64 with events")
    asyncio.run(ingest.run_benchmark())
if "scrape" in wanted:
    print("\nscrape: fresh figures, rendered, by number of stored cases")
    asyncio.run(scrape.run())
if "midnight" in wanted:
    print("\nmidnight: cases that breach in the same second")
    asyncio.run(midnight.run_benchmark())
if "by-month" in wanted:
    print("\nby-month: GET /v1/performance?by=month over a million stopped cases")
    asyncio.run(by_month.run())
if "recompute" in wanted:
    print("\nrecompute: every case laid down anew after a calendar change")
    asyncio.run(recompute.run())
