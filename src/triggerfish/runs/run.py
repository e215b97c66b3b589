"""One run over many models, wherever they are scanned: everything that ``triggerfish scan`` does.

Discovery has ended, options are read: `run` gives results in the order of the paths, keeps them in
a folder where there is one, and leaves out what is there already.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from triggerfish.parallel import TICK_SECONDS, Done, in_processes
from triggerfish.results import Scanned, Skipped
from triggerfish.runs.folder import RunFolder
from triggerfish.runs.model import Model
from triggerfish.runs.outcome import Outcome, Work
from triggerfish.runtime import keep_freed_memory

Finished = Done[Model, Outcome]
Executor = Callable[
    [Work, Iterable[Model], Callable[[], bool]], AbstractContextManager[Iterator[Finished]]
]
"""Does the work on models, which it takes one at a time and only when it may."""


@dataclass(frozen=True)
class Row:
    """One path and its result; ``taken_over`` says that it was not scanned this time.

    ``folder`` has its files, inside the run folder; None where there is none.
    """

    path: Path
    result: Scanned | Skipped
    taken_over: bool = False
    folder: str | None = None


@contextmanager
def here(
    work: Work, models: Iterable[Model], may_start: Callable[[], bool]
) -> Iterator[Iterator[Finished]]:
    """An executor: one model after the other, in this process."""
    keep_freed_memory()  # as the processes of a pool do

    def loop() -> Iterator[Finished]:
        for model in models:
            yield Done(model, work(model))
            while not may_start():
                time.sleep(TICK_SECONDS)

    while not may_start():
        time.sleep(TICK_SECONDS)
    yield loop()


def locally(jobs: int, timeout: float | None) -> Executor:
    """An executor: processes of this machine; this process, for one job without a time limit."""
    if jobs == 1 and timeout is None:
        return here
    return lambda work, models, may_start: in_processes(
        work, models, jobs, timeout=timeout, may_start=may_start
    )


def to_do(models: Iterable[Model], folder: RunFolder | None, *, rescan: bool) -> list[Model]:
    """The models that have no settled result in ``folder``; all of them to ``rescan``."""
    if folder is None or rescan:
        return list(models)
    return [model for model in models if not folder.settled(model)]


def run(
    models: list[Model],
    work: Work,
    executor: Executor,
    folder: RunFolder | None = None,
    *,
    rescan: bool = False,
) -> Generator[Row]:
    """Scan ``models``; a row for every path, in order, as soon as it is its turn.

    Raises:
        OutputError: the folder does not take more: full, or turned read-only.
    """
    todo = to_do(models, folder, rescan=rescan)
    results = _Results(models, {model.key for model in todo}, folder)
    yield from results.ready()
    queue = _Queue(todo, folder)
    with executor(work, queue, queue.may_start) as finished:
        for one in finished:
            outcome = one.result or work.outcome(
                Skipped(one.item.path, str(one.loss), one.item.sha256, "failed")
            )
            results.add(one.item, outcome)
            yield from results.ready()
    yield from results.ready()


class _Queue:
    """Models nobody else is at. Others' are passed over, and looked at again when all are done."""

    def __init__(self, models: list[Model], folder: RunFolder | None) -> None:
        self._waiting, self._folder = deque(models), folder
        self._next: Model | None = None

    def may_start(self) -> bool:
        """Whether there is one to take now; also when there is nothing left to wait for."""
        for _ in range(len(self._waiting) if self._next is None else 0):
            model = self._waiting.popleft()
            if self._folder is None or self._folder.claim(model):
                if self._folder is not None and self._folder.settled(model, since_start=True):
                    self._folder.release(model)  # another process was faster
                    continue
                self._next = model
                break
            self._waiting.append(model)
        return self._next is not None or not self._waiting

    def __iter__(self) -> Iterator[Model]:
        while self.may_start() and self._next is not None:
            model, self._next = self._next, None
            yield model


class _Results:
    """Rows in the order of the paths, from results in the order in which they come."""

    def __init__(self, models: list[Model], new: set[str], folder: RunFolder | None) -> None:
        self._models, self._new, self._folder = deque(models), new, folder
        self._in_memory: dict[str, Scanned | Skipped] = {}
        self._scanned: set[str] = set()

    def add(self, model: Model, outcome: Outcome) -> None:
        """Take in one result and put it on disk."""
        if self._folder is not None:
            self._folder.keep(model, outcome.document, outcome.files)
            self._folder.release(model)
        elif outcome.result is not None:
            self._in_memory[model.key] = outcome.result
        self._scanned.add(model.key)

    def ready(self) -> Iterator[Row]:
        """The rows whose turn it is."""
        while self._models and (result := self._result(self._models[0])) is not None:
            model = self._models.popleft()
            old = model.key not in self._scanned
            place = None if self._folder is None else self._folder.lines.latest[model.key].folder
            for path in model.paths:
                yield Row(path, replace(result, path=path), old, place)

    def _result(self, model: Model) -> Scanned | Skipped | None:
        if self._folder is None:
            return self._in_memory.pop(model.key, None)
        fresh = model.key not in self._new or model.key in self._scanned
        if not fresh and not self._folder.settled(model, since_start=True):
            return None
        if model.key not in self._scanned:
            self._folder.add_names(model)
        return self._folder.result(model.key)
