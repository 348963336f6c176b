"""Work for many who ask at once: in order, in rounds, each answered by itself."""

import asyncio
from collections.abc import Sequence

import pytest

from rebate_monitor.gathering import Gathering


class Rounds:
    """Work that doubles numbers and waits to be let on; a 0 breaks its round."""

    def __init__(self) -> None:
        self.rounds: list[list[int]] = []
        self.gate = asyncio.Event()

    async def __call__(self, asked: Sequence[int]) -> list[int]:
        """Double each number."""
        self.rounds.append(list(asked))
        await self.gate.wait()
        if 0 in asked:
            raise ZeroDivisionError
        return [2 * number for number in asked]


async def test_who_asks_meanwhile_is_in_the_next_round() -> None:
    """The first begins at once, all others are served together, in order."""
    work = Rounds()
    gathering = Gathering[int, int](work, most=10)
    first = asyncio.create_task(gathering.ask(1))
    await asyncio.sleep(0.01)
    others = [asyncio.create_task(gathering.ask(number)) for number in (2, 3, 4)]
    await asyncio.sleep(0.01)
    work.gate.set()

    assert [2, 4, 6, 8] == await asyncio.gather(first, *others)
    assert [[1], [2, 3, 4]] == work.rounds


async def test_a_round_has_its_bound_and_at_least_one() -> None:
    """What is too heavy for any round goes by itself."""
    work = Rounds()
    work.gate.set()
    gathering = Gathering[int, int](work, most=5, weigh=lambda number: number)
    told = await asyncio.gather(*map(gathering.ask, (2, 3, 9, 1)))

    assert [4, 6, 18, 2] == told
    assert [[2, 3], [9], [1]] == work.rounds


async def test_a_broken_round_breaks_no_other() -> None:
    """Whoever was in it is told, and the next round is served."""
    work = Rounds()
    work.gate.set()
    gathering = Gathering[int, int](work, most=2)
    told = await asyncio.gather(*map(gathering.ask, (1, 0, 5)), return_exceptions=True)

    assert [ZeroDivisionError, ZeroDivisionError] == [type(answer) for answer in told[:2]]
    assert 10 == told[2]


async def test_who_leaves_takes_nothing_along() -> None:
    """The work goes on, and the others of the round get their answers."""
    work = Rounds()
    gathering = Gathering[int, int](work, most=10)
    tasks = [asyncio.create_task(gathering.ask(number)) for number in (1, 2)]
    await asyncio.sleep(0.01)
    tasks[0].cancel()
    work.gate.set()

    assert 4 == await tasks[1]
    with pytest.raises(asyncio.CancelledError):
        await tasks[0]
    assert 6 == await gathering.ask(3)


async def test_busy_lanes_are_served_side_by_side() -> None:
    """A lane where enough wait for a round waits for no other."""
    work = Rounds()
    gathering = Gathering[int, int](work, most=2, lanes=2, enough=2)
    tasks = [asyncio.create_task(gathering.ask(n, lane=n % 2)) for n in (2, 4, 6, 1, 3)]
    await asyncio.sleep(0.01)
    begun = [list(numbers) for numbers in work.rounds]
    work.gate.set()

    assert [4, 8, 12, 2, 6] == await asyncio.gather(*tasks)
    assert [[2, 4], [1, 3]] == begun
    assert [6] == work.rounds[-1]


async def test_light_lanes_share_a_round() -> None:
    """A lane where few wait lets the round end that is under way, of whatever lane."""
    work = Rounds()
    gathering = Gathering[int, int](work, most=9, lanes=2, enough=3)
    tasks = [asyncio.create_task(gathering.ask(1, lane=1))]
    await asyncio.sleep(0.01)
    tasks += [asyncio.create_task(gathering.ask(n, lane=n % 2)) for n in (2, 3, 4, 5)]
    await asyncio.sleep(0.01)
    begun = [list(numbers) for numbers in work.rounds]
    work.gate.set()

    assert [2, 4, 6, 8, 10] == await asyncio.gather(*tasks)
    assert [[1]] == begun
    assert [2, 4, 3, 5] == work.rounds[-1]


async def test_what_fits_no_more_waits_for_the_next_round() -> None:
    """Lanes that share a round keep to its bound together."""
    work = Rounds()
    work.gate.set()
    gathering = Gathering[int, int](work, most=3, lanes=2, enough=3)
    told = await asyncio.gather(*(gathering.ask(n, lane=n % 2) for n in (2, 4, 1, 3)))

    assert [4, 8, 2, 6] == told
    assert [[2, 4, 1], [3]] == work.rounds
