"""Ctrl-C and SIGTERM: end in good order, and in any case soon."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from types import FrameType

from triggerfish.cli.exit_codes import INTERRUPTED

GRACE_SECONDS = 1.0
MESSAGE = "interrupted"


@dataclass
class Interrupt:
    """The exit code of an interrupted command: 128 and the signal's number, as shells have it."""

    code: int = INTERRUPTED
    seen: bool = False

    def leave(self) -> None:
        """After a real signal, end now: to take PyTorch down in good order takes seconds."""
        if self.seen:
            for stream in (sys.stdout, sys.stderr):
                with suppress(OSError, ValueError, AttributeError):
                    stream.flush()
            os._exit(self.code)


@contextmanager
def interruptible() -> Iterator[Interrupt]:
    """Both signals raise ``KeyboardInterrupt``, which the end of every block here cleans up after.

    Should something swallow it, or a second signal come, the process ends without ado; its workers
    notice, and nothing that is on disk is ever half written.
    """
    state = Interrupt()
    if threading.current_thread() is not threading.main_thread():
        yield state
        return

    def interrupt(number: int, _: FrameType | None) -> None:
        if state.seen:
            _leave(state)
        state.code, state.seen = 128 + number, True
        timer = threading.Timer(GRACE_SECONDS, _leave, [state])
        timer.daemon = True
        timer.start()
        raise KeyboardInterrupt

    before = {
        number: signal.signal(number, interrupt) for number in (signal.SIGINT, signal.SIGTERM)
    }
    try:
        yield state
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _leave(state: Interrupt) -> None:
    with suppress(OSError):
        os.write(2, f"{MESSAGE}\n".encode())
    os._exit(state.code)
