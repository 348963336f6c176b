"""What can happen to the service, its database, and the wire between them."""

import asyncio
import os
import random
import signal
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import suppress
from datetime import timedelta

import psutil

from chaos.stage import Stage

SHORT, LONG = 0.3, 1.5
MEGABYTE = 1 << 20
STREAM_MEGABYTES = int(os.environ.get("CHAOS_STREAM_MEGABYTES", "64"))
MOST_MEMORY = 250.0
"""MB that a service may take at most, whatever is sent to it."""
Fault = Callable[[Stage, random.Random], Awaitable[None]]


async def service_killed(stage: Stage, rng: random.Random) -> None:
    """Kill one of the services, and start it again."""
    replica = rng.choice(stage.scene.replicas)
    await replica.end(signal.SIGKILL)
    await replica.start()


async def service_ended(stage: Stage, rng: random.Random) -> None:
    """End one of the services as an upgrade does, and start it again."""
    replica = rng.choice(stage.scene.replicas)
    await replica.end(signal.SIGTERM)
    await replica.start()


async def backend_killed(stage: Stage, rng: random.Random) -> None:
    """Kill a process of PostgreSQL that serves a connection; it recovers by itself."""
    serving = [one for one in stage.postmaster().children() if "[local]" in _title(one)]
    if serving:
        with suppress(psutil.NoSuchProcess):
            rng.choice(serving).kill()
    await asyncio.sleep(LONG)


async def postgres_killed(stage: Stage, rng: random.Random) -> None:
    """Kill all of PostgreSQL at once, as a loss of power does, and start it a while later."""
    postmaster = stage.postmaster()
    everything = [postmaster, *postmaster.children(recursive=True)]
    for process in everything:
        with suppress(psutil.NoSuchProcess):
            process.kill()
    psutil.wait_procs(everything)
    await asyncio.sleep(rng.uniform(0, LONG))
    await asyncio.to_thread(stage.revive)


def _title(process: psutil.Process) -> str:
    try:
        return " ".join(process.cmdline())
    except psutil.Error:
        return ""


async def wire_slow(stage: Stage, rng: random.Random) -> None:
    """Let everything between service and database come late."""
    stage.link.delay = rng.uniform(0.01, 0.05)
    await asyncio.sleep(LONG)
    stage.link.be_open()


async def wire_silent(stage: Stage, rng: random.Random) -> None:
    """Let nothing through, and tell nobody."""
    stage.link.be_silent()
    await asyncio.sleep(rng.uniform(SHORT, LONG))
    stage.link.be_open()


async def wire_cut(stage: Stage, rng: random.Random) -> None:
    """Reset every connection, perhaps in the middle of a commit; for a while there is none."""
    stage.link.cut()
    await asyncio.sleep(rng.uniform(0, SHORT))
    stage.link.be_open()
    await asyncio.sleep(SHORT)


async def disk_full(stage: Stage, rng: random.Random) -> None:
    """Leave PostgreSQL no room, then give it room again."""
    with suppress(OSError), stage.filler.open("wb") as file:
        while True:
            file.write(bytes(1 << 16))
            file.flush()
    await asyncio.sleep(rng.uniform(SHORT, LONG))
    os.truncate(stage.filler, 0)
    await asyncio.to_thread(stage.revive)


async def clock_stepped(stage: Stage, rng: random.Random) -> None:
    """Let the machine's clock jump ahead, then back behind where it was."""
    now = stage.scene.clock()
    for hours in (rng.uniform(1, 30), -rng.uniform(1, 5), 0):
        stage.scene.clock.set(now + timedelta(hours=hours))
        await asyncio.sleep(SHORT)


async def stream_huge(stage: Stage, rng: random.Random) -> None:
    """Send a huge stream, of lines as long as they may be, and look at the memory it takes."""
    replica = rng.choice(stage.scene.replicas)
    line = b'"' + b"x" * (MEGABYTE - 100) + b'"\n'

    async def lines() -> AsyncIterator[bytes]:
        for number in range(STREAM_MEGABYTES):
            yield line
            if number % 16 == 0:
                replica.look()

    headers = {"Content-Type": "application/x-ndjson"}
    url = f"{replica.url}/v1/events"
    async with stage.scene.office.session.post(url, data=lines(), headers=headers) as response:
        told = await response.json(content_type=None)
    replica.look()
    highest = max(replica.lives[-1].memory)
    if told.get("rejected") != STREAM_MEGABYTES:
        stage.found.append(f"a stream of {STREAM_MEGABYTES} wrong lines: {response.status} {told}")
    if highest > MOST_MEMORY:
        stage.found.append(f"a stream of {STREAM_MEGABYTES} MB took {highest:.0f} MB of memory")


FAULTS: Mapping[str, Fault] = {
    "service-killed": service_killed,
    "service-ended": service_ended,
    "backend-killed": backend_killed,
    "postgres-killed": postgres_killed,
    "wire-slow": wire_slow,
    "wire-silent": wire_silent,
    "wire-cut": wire_cut,
    "disk-full": disk_full,
    "clock-stepped": clock_stepped,
    "stream-huge": stream_huge,
}
