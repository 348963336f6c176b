"""Where the time of ingest goes: each step of a commit, by one writer with nobody beside it.

For each step the microseconds per event that pass, and how many of them this process computes; the
rest is waited for PostgreSQL. What HTTP costs is not in it.
"""

import os
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import wraps
from inspect import iscoroutinefunction
from typing import Any
from unittest.mock import patch

from benchmarks.ground import fresh_database, own_postgres
from benchmarks.traffic import in_batches, made_up_events
from rebate_monitor.domain.rulebook import Rulebook
from rebate_monitor.ingest import intake, writer
from rebate_monitor.ingest.incoming import Sender
from rebate_monitor.server import collect_seldom, compose
from rebate_monitor.settings import Settings

EVENTS = int(os.environ.get("PHASES_EVENTS", "60000"))
STEPS: tuple[tuple[object, str], ...] = (
    (writer, "decode_event"),
    (writer, "lock_cases"),
    (writer, "events_of_cases"),
    (writer, "decide"),
    (writer, "append_events"),
    (Rulebook, "fold"),
    (Rulebook, "assess_case"),
    (writer, "case_row"),
    (writer, "write_cases"),
    (writer, "change_of"),
    (writer, "add_deltas"),
)


@dataclass
class Watch:
    """Adds up what each step took, in seconds: passed and computed."""

    passed: dict[str, float] = field(default_factory=lambda: defaultdict(float))
    computed: dict[str, float] = field(default_factory=lambda: defaultdict(float))

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        """Take the time of one step."""
        passed, computed = time.perf_counter(), time.process_time()
        try:
            yield
        finally:
            self.passed[name] += time.perf_counter() - passed
            self.computed[name] += time.process_time() - computed

    def watched(self, name: str, work: Callable[..., Any]) -> Callable[..., Any]:
        """Return work that is watched."""

        @wraps(work)
        async def waits(*told: Any, **more: Any) -> Any:  # noqa: ANN401 - whatever it takes
            with self.step(name):
                return await work(*told, **more)

        @wraps(work)
        def computes(*told: Any, **more: Any) -> Any:  # noqa: ANN401 - whatever it takes
            with self.step(name):
                return work(*told, **more)

        return waits if iscoroutinefunction(work) else computes


async def run() -> None:
    """Print what each step takes per event."""
    collect_seldom()
    batches = in_batches(made_up_events(EVENTS))
    watch = Watch()
    async with own_postgres() as dsn, fresh_database(dsn) as (database, _):
        service = compose(Settings(database_url=dsn), database)
        await _write(service.intake, batches[: len(batches) // 4])
        async with database.connection() as connection:
            await connection.execute("VACUUM ANALYZE")
        with ExitStack() as patches:
            for place, name in STEPS:
                work = watch.watched(name, getattr(place, name))
                patches.enter_context(patch.object(place, name, work))
            measured = batches[len(batches) // 4 :]
            with watch.step("all"):
                await _write(service.intake, measured)
    _say(watch, sum(map(len, measured)))


async def _write(taking: intake.Intake, batches: list[Any]) -> None:
    for batch in batches:
        now = datetime.now(UTC)
        report = await taking.writer.take(batch, sender=Sender("phases"), now=now)
        assert report.accepted == len(batch), report


def _say(watch: Watch, events: int) -> None:
    print(f"  {'step':<18}{'passes':>10}{'computed':>10}   microseconds per event")
    for name in (*(name for _, name in STEPS), "all"):
        passed, computed = (t[name] / events * 1e6 for t in (watch.passed, watch.computed))
        print(f"  {name:<18}{passed:>10.1f}{computed:>10.1f}")
