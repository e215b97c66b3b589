"""The executor on a Ray cluster: actors that load PyTorch once, results written by the driver.

Actors get paths, so model files have to be at the same place on every machine; what comes back is
a line and small files, one model's at a time, and is let go as soon as it is written.
"""

from __future__ import annotations

import importlib
import os
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch

from triggerfish.errors import WorkerError, one_line
from triggerfish.parallel import TICK_SECONDS, Done
from triggerfish.runs.model import Model
from triggerfish.runs.outcome import Outcome, Work
from triggerfish.runtime import keep_freed_memory
from triggerfish.worker import Loss

START_SECONDS = 600.0
"""How long to wait for a first actor, while a cluster grows and PyTorch loads."""
FALSE_STARTS = 3


@dataclass(frozen=True)
class Cluster:
    """Where to scan: ``address`` as Ray has it, or ``local`` to start one here.

    ``actors`` at most, each with one core and, with ``gpu``, one GPU; as many as there is room for
    when None. ``timeout`` is in seconds a model. Is an executor of `scan_files`.
    """

    address: str = "auto"
    actors: int | None = None
    gpu: bool = False
    timeout: float | None = None

    def __call__(
        self, work: Work, models: Iterable[Model], may_start: Callable[[], bool]
    ) -> AbstractContextManager[Iterator[Done[Model, Outcome]]]:
        """Scan ``models`` there."""
        return on_ray(self, work, models, may_start)


class Scanner:
    """What runs on the cluster: one model at a time, and nothing is ever raised."""

    def __init__(self, work: Work) -> None:
        torch.set_num_threads(1)
        keep_freed_memory()
        self._work = work

    def process(self) -> int:
        """Say that PyTorch is there, and in which process."""
        return os.getpid()

    def scan(self, model: Model) -> Outcome:
        """A model's line and files."""
        return self._work(model)


@contextmanager
def on_ray(
    cluster: Cluster, work: Work, models: Iterable[Model], may_start: Callable[[], bool]
) -> Iterator[Iterator[Done[Model, Outcome]]]:
    """Scan on a cluster that exists, or on one that is started here when there is no address.

    Raises:
        WorkerError: Ray is not installed, not reached, or has no room for a single actor.
    """
    ray = _import_ray()
    ours = not ray.is_initialized()
    if ours:
        _connect(ray, cluster.address)
    pool = _Actors(ray, cluster, work, iter(models), may_start)
    try:
        yield pool.run()
    finally:
        pool.close()
        if ours:
            ray.shutdown()


@dataclass
class _Actor:
    handle: Any
    model: Model | None = None
    since: float = field(default_factory=time.monotonic)


class _Actors:
    def __init__(
        self,
        ray: Any,  # noqa: ANN401 - the optional package
        cluster: Cluster,
        work: Work,
        models: Iterator[Model],
        may_start: Callable[[], bool],
    ) -> None:
        self._ray, self._models, self._may_start = ray, models, may_start
        self._timeout = cluster.timeout
        room = int(ray.cluster_resources().get("GPU" if cluster.gpu else "CPU", 0))
        if room < 1:
            raise WorkerError(f"expected a cluster with a {'GPU' if cluster.gpu else 'core'}")
        self._wanted = min(room, cluster.actors or room)
        self._make = ray.remote(Scanner).options(num_cpus=1, num_gpus=int(cluster.gpu)).remote
        self._work = ray.put(work)
        self._idle: deque[_Actor] = deque()
        # What is awaited: that an actor is ready, or a model's outcome.
        self._awaited: dict[Any, _Actor] = {}
        self._again: deque[Model] = deque()
        self._tried: set[str] = set()
        self._exhausted, self._false_starts, self._heard = False, 0, time.monotonic()

    def run(self) -> Iterator[Done[Model, Outcome]]:
        """Results as they come; no more models are out than there are actors."""
        while True:
            self._dispatch()
            if not self._again and self._exhausted and not self._busy():
                return
            self._start()
            ready = []
            if self._awaited:
                ready, _ = self._ray.wait(list(self._awaited), timeout=TICK_SECONDS)
            else:
                time.sleep(TICK_SECONDS)
            for reference in ready:
                yield from self._take(self._awaited.pop(reference), reference)
            yield from self._expire()

    def close(self) -> None:
        """End the actors, whatever they are at."""
        for actor in [*self._idle, *self._awaited.values()]:
            self._ray.kill(actor.handle)
        self._idle.clear()
        self._awaited.clear()

    def _busy(self) -> bool:
        return any(actor.model is not None for actor in self._awaited.values())

    def _start(self) -> None:
        """Ask for actors; a model waits for none that has not answered yet."""
        while len(self._idle) + len(self._awaited) < self._wanted:
            actor = _Actor(self._make(self._work))
            self._awaited[actor.handle.process.remote()] = actor

    def _dispatch(self) -> None:
        while self._idle and (model := self._next()) is not None:
            actor = _Actor(self._idle.popleft().handle, model)
            self._awaited[actor.handle.scan.remote(model)] = actor

    def _next(self) -> Model | None:
        if self._again:
            return self._again.popleft()
        if self._exhausted or not self._may_start():
            return None
        model = next(self._models, None)
        self._exhausted = model is None
        return model

    def _take(self, actor: _Actor, reference: Any) -> Iterator[Done[Model, Outcome]]:  # noqa: ANN401
        model = actor.model
        try:
            answer = self._ray.get(reference)
        except self._ray.exceptions.RayError as error:
            yield from self._lost(model, error)
            return
        self._false_starts, self._heard = 0, time.monotonic()
        self._idle.append(_Actor(actor.handle))
        if model is not None:
            yield Done(model, answer)

    def _lost(self, model: Model | None, error: Exception) -> Iterator[Done[Model, Outcome]]:
        """Try a model whose actor, or its machine, has died once more on another."""
        if model is None:
            self._false_starts += 1
            if self._false_starts >= FALSE_STARTS:
                raise WorkerError(
                    f"expected Ray actors that start, got {type(error).__name__}: {one_line(error)}"
                )
        elif model.key in self._tried:
            yield Done(model, None, Loss("died"))
        else:
            self._tried.add(model.key)
            self._again.append(model)

    def _expire(self) -> Iterator[Done[Model, Outcome]]:
        """Give up models that take too long, and a cluster that has no room for a single actor."""
        now = time.monotonic()
        if not self._idle and not self._busy() and now - self._heard > START_SECONDS:
            raise WorkerError(
                f"expected room for an actor on the Ray cluster within {START_SECONDS:g} s, "
                "got none"
            )
        for reference, actor in list(self._awaited.items()):
            limit = self._timeout
            if actor.model is not None and limit is not None and now - actor.since > limit:
                del self._awaited[reference]
                self._ray.kill(actor.handle)
                yield Done(actor.model, None, Loss("too long", limit))


def _connect(ray: Any, address: str) -> None:  # noqa: ANN401
    try:
        ray.init(
            address=address,
            include_dashboard=False,
            log_to_driver=False,
            logging_level="ERROR",
        )
    except (ConnectionError, RuntimeError, ValueError) as error:
        raise WorkerError(
            f"expected a Ray cluster at {address}, got {type(error).__name__}: {one_line(error)}"
        ) from error


def _import_ray() -> Any:  # noqa: ANN401
    try:
        return importlib.import_module("ray")
    except ImportError as error:
        raise WorkerError(
            "expected the ray package for --ray, got none: pip install 'triggerfish[ray]'"
        ) from error
