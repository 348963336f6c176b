"""`make bench`: run every benchmark and print both sides and the ratio."""

import asyncio

from benchmarks import clock, scrape

print("clock: W(b) - W(a)")
clock.run()
print("\nscrape: fresh figures, rendered, by number of stored cases")
asyncio.run(scrape.run())
