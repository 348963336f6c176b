"""Do work for many who ask at once: who asks while it is under way is served by a later round."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Generic, TypeVar

Asked = TypeVar("Asked")
Answer = TypeVar("Answer")
Work = Callable[[Sequence[Asked]], Awaitable[Sequence[Answer]]]


@dataclass(slots=True)
class _Lane(Generic[Asked, Answer]):
    """Who waits in one lane, and how heavy they are together; it rests while no round is of it."""

    waiting: deque[tuple[Asked, int, asyncio.Future[Answer]]] = field(default_factory=deque)
    weight: int = 0
    rests: bool = True

    def add(self, asked: Asked, weight: int, answer: asyncio.Future[Answer]) -> None:
        self.waiting.append((asked, weight, answer))
        self.weight += weight

    def take(self) -> tuple[Asked, asyncio.Future[Answer]]:
        asked, weight, answer = self.waiting.popleft()
        self.weight -= weight
        return asked, answer


class Gathering(Generic[Asked, Answer]):
    """Gathers what is asked into rounds of `work`, one at a time in each lane.

    A round begins as soon as the one before has ended, with all that waits by then, up to `most` by
    weight and at least one; so nothing ever waits for a timer. Few who ask share one round, of
    whatever lanes; a lane where `enough` wait, by weight, is served beside the others: while one
    round waits for somebody else, the next is worked at. `work` returns an answer for each that is
    asked, in order; what it raises, all of its round are told.
    """

    def __init__(
        self,
        work: Work[Asked, Answer],
        most: int,
        weigh: Callable[[Asked], int] = lambda _asked: 1,
        lanes: int = 1,
        enough: int = 1,
    ) -> None:
        self._work, self._most, self._weigh, self._enough = work, most, weigh, enough
        self._lanes = [_Lane[Asked, Answer]() for _ in range(lanes)]
        self._rounds: set[asyncio.Task[None]] = set()

    async def ask(self, asked: Asked, lane: int = 0) -> Answer:
        """Ask, and wait for the round that serves it; its work goes on if the asker leaves."""
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[Answer] = loop.create_future()
        self._lanes[lane].add(asked, self._weigh(asked), answer)
        if self._lanes[lane].rests:
            loop.call_soon(self._begin)  # with whoever asks in the same turn of the loop
        return await answer

    def _begin(self) -> None:
        """Begin a round for whoever waits in a lane that rests."""
        while lanes := self._next_lanes():
            for lane in lanes:
                lane.rests = False
            work = asyncio.create_task(self._round(lanes, self._next(lanes)))
            self._rounds.add(work)
            work.add_done_callback(self._rounds.discard)

    def _next_lanes(self) -> list[_Lane[Asked, Answer]]:
        """Return a lane where enough wait, or else, where no round is under way, all that wait."""
        waited_at = [lane for lane in self._lanes if lane.rests and lane.waiting]
        busy = [lane for lane in waited_at if lane.weight >= self._enough]
        if busy or not all(lane.rests for lane in self._lanes):
            return busy[:1]
        return waited_at

    def _next(
        self, lanes: Iterable[_Lane[Asked, Answer]]
    ) -> list[tuple[Asked, asyncio.Future[Answer]]]:
        """Take who waits, in order, as far as one round may go."""
        taken, room = list[tuple[Asked, asyncio.Future[Answer]]](), self._most
        for lane in lanes:
            while lane.waiting and (not taken or lane.waiting[0][1] <= room):
                room -= lane.waiting[0][1]
                taken.append(lane.take())
        return taken

    async def _round(
        self,
        lanes: Iterable[_Lane[Asked, Answer]],
        taken: list[tuple[Asked, asyncio.Future[Answer]]],
    ) -> None:
        try:
            answers = await self._work([asked for asked, _ in taken])
        except Exception as error:  # noqa: BLE001 - whoever asked is told
            for _, answer in taken:
                if not answer.done():
                    answer.set_exception(error)
        else:
            for (_, answer), told in zip(taken, answers, strict=True):
                if not answer.done():
                    answer.set_result(told)
        finally:
            for lane in lanes:
                lane.rests = True
            self._begin()
