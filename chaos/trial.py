"""Faults, one a round, while producers post; then everything is recounted."""

import asyncio
import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta

from chaos.faults import FAULTS
from chaos.stage import Stage, has_small_disk, staged
from rebate_monitor.ingest.decision import Outcome
from soak.delivery import Delivery, Scale, hours, tellings
from soak.month import recounted
from soak.office import AWAY, NO_ANSWER

CASES_A_DAY = 60
LATER = timedelta(days=2)
"""By how much the clock has gone on at the end, so that no step of it lies ahead."""


class NoSmallDiskError(Exception):
    """A full disk needs a disk of its own, which only root may make."""


@dataclass(slots=True, kw_only=True)
class Result:
    """What a trial came to: how much was told and answered, and what the recount found."""

    fault: str
    rounds: int
    requests: int = 0
    acknowledged: int = 0
    repeated: int = 0
    away: int = 0
    unanswered: int = 0
    faults: list[str] = field(default_factory=list)


async def tried(faults: Sequence[str], rounds: int, seed: int) -> Result:
    """Let faults happen in turn, one a round, under load; return what came of it."""
    rng, scale = random.Random(seed), _scale(rounds, seed)
    told = tellings(scale)
    deliveries = [each for hour in hours(scale, told) for each in hour.deliveries]
    result = Result(fault=" ".join(faults), rounds=rounds)
    async with staged(scale) as stage:
        if "disk-full" in faults and not has_small_disk(stage.folder):
            raise NoSmallDiskError
        for number in range(rounds):
            share = deliveries[number::rounds]
            await _round(stage, faults[number % len(faults)], share, rng)
            result.requests += len(share)
        stage.link.be_open()
        stage.scene.clock.set(scale.end + LATER)
        result.faults = [*stage.found, *await recounted(stage.scene, told[0].body)]
        office = stage.scene.office
    result.acknowledged = len(office.ledger.stored)
    result.repeated = office.ledger.answers[Outcome.DUPLICATE]
    for (_, status), count in office.statuses.items():
        result.away += count * (status == str(AWAY))
        result.unanswered += count * (status == NO_ANSWER)
    return result


def _scale(rounds: int, seed: int) -> Scale:
    return Scale(cases_per_month=30 * CASES_A_DAY, days=2 + rounds, seed=seed)


async def _round(stage: Stage, fault: str, share: Sequence[Delivery], rng: random.Random) -> None:
    """Send a share of the requests, and let the fault happen somewhere in the middle."""
    async with asyncio.TaskGroup() as group:
        for delivery in share:
            group.create_task(stage.scene.office.deliver(delivery))
        await asyncio.sleep(rng.uniform(0, 0.2))
        await FAULTS[fault](stage, rng)
