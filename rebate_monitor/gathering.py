"""Do work for many who ask at once: who asks while it is under way is served by the next round."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, TypeVar

Asked = TypeVar("Asked")
Answer = TypeVar("Answer")
Work = Callable[[Sequence[Asked]], Awaitable[Sequence[Answer]]]


class Gathering(Generic[Asked, Answer]):
    """Gathers what is asked into rounds of `work`, one round at a time.

    A round begins as soon as the one before has ended, with all that waits by then, up to `most` by
    weight and at least one; so nothing ever waits for a timer. `work` returns an answer for each
    that is asked, in order; what it raises, all of its round are told.
    """

    def __init__(
        self,
        work: Work[Asked, Answer],
        most: int,
        weigh: Callable[[Asked], int] = lambda _asked: 1,
    ) -> None:
        self._work, self._most, self._weigh = work, most, weigh
        self._waiting: deque[tuple[Asked, asyncio.Future[Answer]]] = deque()
        self._working: asyncio.Task[None] | None = None

    async def ask(self, asked: Asked) -> Answer:
        """Ask, and wait for the round that serves it; its work goes on if the asker leaves."""
        answer: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self._waiting.append((asked, answer))
        if self._working is None:
            self._working = asyncio.create_task(self._work_off())
        return await answer

    async def _work_off(self) -> None:
        try:
            while self._waiting:
                await self._round(self._next())
        finally:
            self._working = None

    def _next(self) -> list[tuple[Asked, asyncio.Future[Answer]]]:
        """Take who waits, in order, as far as one round may go."""
        taken, weight = [self._waiting.popleft()], 0
        weight += self._weigh(taken[0][0])
        while self._waiting:
            weight += self._weigh(self._waiting[0][0])
            if weight > self._most:
                break
            taken.append(self._waiting.popleft())
        return taken

    async def _round(self, taken: list[tuple[Asked, asyncio.Future[Answer]]]) -> None:
        try:
            answers = await self._work([asked for asked, _ in taken])
        except Exception as error:  # noqa: BLE001 - whoever asked is told
            for _, answer in taken:
                if not answer.done():
                    answer.set_exception(error)
            return
        for (_, answer), told in zip(taken, answers, strict=True):
            if not answer.done():
                answer.set_result(told)
