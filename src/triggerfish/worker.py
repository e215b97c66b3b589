"""A process that does one item after the other, seen from both of its ends."""

from __future__ import annotations

import multiprocessing
import os
import pickle
import signal
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Any, Literal

import torch

from triggerfish.errors import one_line
from triggerfish.runtime import keep_freed_memory

READY = b""


@dataclass(frozen=True)
class Loss:
    """Why an item has no result: its process ``died``, or took longer than ``seconds``."""

    reason: Literal["died", "too long"]
    seconds: float = 0.0

    def __str__(self) -> str:
        if self.reason == "died":
            return (
                "expected an end of the work, got a process that died twice, perhaps for lack of "
                "memory: lower --jobs"
            )
        return f"expected an end within {self.seconds:g} s, got none: raise --timeout"


class RemoteTracebackError(Exception):
    """The traceback of an error in another process, as its cause."""

    def __str__(self) -> str:
        return f"\n{self.args[0]}"


@dataclass(frozen=True)
class Answer:
    """What a process has sent for an item: a result, or an error with its traceback."""

    value: Any = None
    error: BaseException | None = None
    trace: str = ""

    def result(self) -> Any:  # noqa: ANN401 - whatever the work returns
        """The result; raises the error."""
        if self.error is not None:
            raise self.error from RemoteTracebackError(self.trace)
        return self.value


class Worker:
    """The parent's end: at most one item at a time, and always known which."""

    def __init__(self, work: Callable[[Any], object]) -> None:
        context = multiprocessing.get_context("spawn")
        self.connection, theirs = context.Pipe()
        self._process = context.Process(target=_serve, args=(theirs, work), daemon=True)
        with _no_interrupts():
            self._process.start()
        theirs.close()
        self._item: Any = None
        self._ready, self.busy, self._since = False, False, 0.0

    @property
    def idle(self) -> bool:
        """Whether it waits for an item."""
        return self._ready and not self.busy

    @property
    def seconds(self) -> float:
        """How long it has been at its item; 0 without one."""
        return time.monotonic() - self._since if self.busy else 0.0

    def give(self, item: object) -> None:
        """Send an item. A process that has died meanwhile is noticed when it is listened to."""
        self._item, self.busy, self._since = item, True, time.monotonic()
        with suppress(OSError):
            self.connection.send_bytes(pickle.dumps(item))

    def receive(self) -> Answer | None:
        """An answer, or None for "ready"; raises ``EOFError`` or ``OSError`` when it has died."""
        message = self.connection.recv_bytes()
        self._ready = True
        return None if message == READY else pickle.loads(message)

    def take_back(self) -> Any:  # noqa: ANN401
        """Its item; it has none any more."""
        item, self._item, self.busy = self._item, None, False
        return item

    def kill(self) -> None:
        """End it at once, with whatever it has started."""
        if self._process.pid is None or not self._process.is_alive():
            return
        if hasattr(os, "killpg"):
            with suppress(ProcessLookupError, PermissionError):  # not yet a group of its own
                os.killpg(self._process.pid, signal.SIGKILL)
        self._process.kill()

    def join(self) -> None:
        """Wait for its end and let go of its pipe."""
        self._process.join()
        self.connection.close()


@contextmanager
def _no_interrupts() -> Iterator[None]:
    """Ctrl-C is for the parent: a child that starts meanwhile never gets it; the parent later."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _serve(connection: Connection, work: Callable[[Any], object]) -> None:
    """The child's end: say "ready", then answer items until the parent hangs up."""
    _end_with_parent()
    torch.set_num_threads(1)
    keep_freed_memory()
    connection.send_bytes(READY)
    while True:
        try:
            item = pickle.loads(connection.recv_bytes())
        except EOFError:
            return
        connection.send_bytes(_answer(work, item))


def _answer(work: Callable[[Any], object], item: object) -> bytes:
    """As bytes: tensors would otherwise travel through shared memory, which is small."""
    try:
        return pickle.dumps(Answer(work(item)))
    except Exception as error:
        trace = traceback.format_exc()
        try:
            pickle.loads(pickle.dumps(error))
        except Exception:  # an error that does not travel: its words do
            error = RuntimeError(f"{type(error).__name__}: {one_line(error)}")
        return pickle.dumps(Answer(error=error, trace=trace))


def _end_with_parent() -> None:
    """Be the head of a process group, and end it when the parent dies, however that comes."""
    if hasattr(os, "setsid"):
        os.setsid()
    parent = multiprocessing.parent_process()
    if parent is None:
        return

    def watch() -> None:
        parent.join()
        if hasattr(os, "killpg"):
            os.killpg(os.getpgrp(), signal.SIGKILL)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
