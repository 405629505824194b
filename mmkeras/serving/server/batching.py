"""Rows of requests that arrive together are answered together."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeAlias

from mmkeras.serving.server.cells import Row
from mmkeras.serving.server.limits import Limits

Answer = dict[str, Any]
# Rows of a request, and where their answers go.
_Part: TypeAlias = "tuple[Sequence[Row], asyncio.Future[list[Answer]]]"


class Busy(Exception):
    """More rows wait than the server takes."""


class Batcher:
    """Collects rows for a few milliseconds, and answers them in one thread.

    Args:
        answer: Answers the rows of several requests, in a thread of its own.
        limits: How many rows, and how long they wait.

    Attributes:
        waiting: Rows that were not answered yet.
        answered: Rows that were.
    """

    def __init__(
        self, answer: Callable[[Sequence[Sequence[Row]]], list[list[Answer]]], limits: Limits
    ):
        self._answer, self._limits = answer, limits
        self._waiting: deque[_Part] = deque()
        self._arrived = asyncio.Event()
        self._thread = ThreadPoolExecutor(1, "answers")
        self._task: asyncio.Task[None] | None = None
        self.waiting = self.answered = 0

    def start(self) -> None:
        """Begins to answer; to be called where the event loop runs."""
        self._task = asyncio.create_task(self._run())

    async def stop(self) -> None:
        """Ends; requests that still wait get no answer."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        for _, future in self._waiting:
            future.cancel()
        self._thread.shutdown(wait=True, cancel_futures=True)

    async def answers(self, rows: Sequence[Row]) -> list[Answer]:
        """The answers to a request's rows.

        Raises:
            Busy: Too many rows are waiting.
        """
        if self.waiting + len(rows) > self._limits.waiting_rows:
            raise Busy
        self.waiting += len(rows)
        parts = []
        step = self._limits.batch_rows
        for first in range(0, len(rows), step):
            future: asyncio.Future[list[Answer]] = asyncio.get_running_loop().create_future()
            self._waiting.append((rows[first : first + step], future))
            parts.append(future)
        self._arrived.set()
        try:
            return [answer for part in await asyncio.gather(*parts) for answer in part]
        finally:
            self.waiting -= len(rows)

    async def _run(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            batch = await self._next_batch()
            if not batch:
                continue
            requests = [rows for rows, _ in batch]
            try:
                found = await loop.run_in_executor(self._thread, self._answer, requests)
            except Exception as error:
                # Of these requests alone; the next ones are answered.
                for _, future in batch:
                    if not future.done():
                        future.set_exception(error)
                continue
            for (rows, future), answers in zip(batch, found, strict=True):
                self.answered += len(rows)
                if not future.done():
                    future.set_result(answers)

    async def _next_batch(self) -> list[_Part]:
        """What has arrived until there are enough rows, or the first has waited long enough."""
        while not self._waiting:
            self._arrived.clear()
            await self._arrived.wait()
        until = time.monotonic() + self._limits.wait
        most = self._limits.batch_rows
        while (left := until - time.monotonic()) > 0 and self._count() < most:
            self._arrived.clear()
            try:
                await asyncio.wait_for(self._arrived.wait(), left)
            except asyncio.TimeoutError:
                break
        batch: list[_Part] = []
        rows = 0
        while self._waiting and (not batch or rows + len(self._waiting[0][0]) <= most):
            part = self._waiting.popleft()
            if not part[1].done():  # nobody waits for an answer any more
                batch.append(part)
                rows += len(part[0])
        return batch

    def _count(self) -> int:
        return sum(len(rows) for rows, _ in self._waiting)
