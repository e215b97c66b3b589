"""One piece of work on many items, each in a process of one thread: the only pool there is.

Ours instead of ``concurrent.futures``, because a scan has to know which process has which item: to
stop one that takes too long, to lose one model and no more when a process dies, and to end all of
them, and what they have started, at once.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.connection import wait
from typing import Generic, TypeVar

from triggerfish.errors import WorkerError
from triggerfish.worker import Loss, Worker

Item = TypeVar("Item")
Result = TypeVar("Result")

FALSE_STARTS = 3
"""Processes that may die one after the other before they are ready."""
TICK_SECONDS = 0.2


@dataclass(frozen=True)
class Done(Generic[Item, Result]):
    """An item that is through: ``result``, or why there is none."""

    item: Item
    result: Result | None
    loss: Loss | None = None


def cores() -> int:
    """How many cores this process may use; a batch system often gives it less than there are."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def processes(jobs: int | None, models: int) -> int:
    """How many processes for so many models: what was asked for, else at least 4 models each.

    A process imports PyTorch first, which takes as long as a few scans.
    """
    wanted = jobs if jobs is not None else min(cores(), models // 4)
    return max(1, min(wanted, models))


def always() -> bool:
    """Let every item start as soon as a process is free."""
    return True


@contextmanager
def in_processes(
    work: Callable[[Item], Result],
    items: Iterable[Item],
    jobs: int,
    *,
    timeout: float | None = None,
    may_start: Callable[[], bool] = always,
) -> Iterator[Iterator[Done[Item, Result]]]:
    """Give ``work`` on every item, as the items end; leaving the block ends the processes.

    ``items`` is read one at a time, whenever a process is free and ``may_start`` says yes. An item
    whose process dies is tried once more, alone. ``timeout`` is in seconds an item. What ``work``
    raises is raised here. ``work``, items and results must be picklable.

    Raises:
        WorkerError: processes do not start.
    """
    pool = _Pool(work, iter(items), jobs, timeout, may_start)
    try:
        yield pool.run()
    finally:
        pool.close()


class _Pool(Generic[Item, Result]):
    def __init__(
        self,
        work: Callable[[Item], Result],
        items: Iterator[Item],
        jobs: int,
        timeout: float | None,
        may_start: Callable[[], bool],
    ) -> None:
        self._work, self._items, self._jobs = work, items, jobs
        self._timeout, self._may_start = timeout, may_start
        self._workers: list[Worker] = []
        self._next: deque[Item] = deque()
        self._again: deque[Item] = deque()
        self._alone: Item | None = None
        self._exhausted, self._false_starts = False, 0

    def run(self) -> Iterator[Done[Item, Result]]:
        while True:
            self._dispatch()
            if not (self._busy() or self._next or self._again) and self._exhausted:
                return
            ready = wait([worker.connection for worker in self._workers], TICK_SECONDS)
            for worker in list(self._workers):
                if worker.connection in ready:
                    yield from self._take(worker)
                elif self._timeout is not None and worker.seconds > self._timeout:
                    yield from self._lose(worker, Loss("too long", self._timeout))

    def close(self) -> None:
        """End every process at once; safe to call again."""
        for worker in self._workers:
            worker.kill()
        for worker in self._workers:
            worker.join()
        self._workers.clear()

    def _busy(self) -> int:
        return sum(worker.busy for worker in self._workers)

    def _dispatch(self) -> None:
        """Hand items to idle processes, making as many of these as there are items for."""
        self._fetch()
        wanted = min(self._jobs, self._busy() + len(self._next) + len(self._again))
        while len(self._workers) < wanted:
            self._workers.append(Worker(self._work))
        for worker in self._workers:
            if self._alone is not None or not worker.idle:
                continue
            if not self._again and self._next:
                worker.give(self._next.popleft())
            elif self._again and not self._busy():
                self._alone = self._again.popleft()
                worker.give(self._alone)

    def _fetch(self) -> None:
        """Read as many items as processes could take now."""
        while not self._exhausted and len(self._next) < self._jobs - self._busy():
            if not self._may_start():
                return
            try:
                self._next.append(next(self._items))
            except StopIteration:
                self._exhausted = True

    def _take(self, worker: Worker) -> Iterator[Done[Item, Result]]:
        """What a process has sent: that it is ready, an answer, or, by dying, nothing."""
        try:
            answer = worker.receive()
        except (EOFError, OSError):
            yield from self._lose(worker, Loss("died"))
            return
        self._false_starts = 0
        if answer is not None:
            item, self._alone = worker.take_back(), None
            yield Done(item, answer.result())

    def _lose(self, worker: Worker, loss: Loss) -> Iterator[Done[Item, Result]]:
        """Remove a process; its item is tried once more, or is lost."""
        self._workers.remove(worker)
        worker.kill()
        worker.join()
        if not worker.busy:
            self._false_starts += 1
            if self._false_starts >= FALSE_STARTS:
                raise WorkerError(
                    f"expected processes that start, got {FALSE_STARTS} that died at once: "
                    "try --jobs 1; a script needs its `if __name__ == '__main__':`"
                )
            return
        item = worker.take_back()
        if loss.reason == "died" and item is not self._alone:
            self._again.append(item)
            return
        self._alone = None
        yield Done(item, None, loss)
