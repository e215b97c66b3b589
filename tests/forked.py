"""The sandbox's child as a fork of the test's own process: the same, but PyTorch is there already.

To start Python and to import PyTorch takes seconds, and the corpus of hostile files needs dozens of
children. tests/loading/guards/test_sandbox.py starts the real ones.
"""

import io
import os
import signal
import subprocess
import sys
import time
import traceback
from collections.abc import Sequence
from tempfile import TemporaryFile
from types import SimpleNamespace
from typing import IO, NoReturn

import pytest

from triggerfish.loading import sandbox_child
from triggerfish.loading.guards import sandbox


def fork_sandbox(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the sandbox fork its children for the rest of the test."""
    stand_in = SimpleNamespace(run=run, TimeoutExpired=subprocess.TimeoutExpired)
    monkeypatch.setattr(sandbox, "subprocess", stand_in)


def run(
    command: Sequence[str],
    *,
    input: str,  # noqa: A002 - as `subprocess.run` calls it
    timeout: float,
    **_: bool,
) -> subprocess.CompletedProcess[str]:
    """What `subprocess.run` does for the sandbox."""
    assert list(command[1:]) == ["-m", sandbox_child.__name__]
    with TemporaryFile("w+") as out, TemporaryFile("w+") as err:
        child = os.fork()
        if child == 0:
            _be_the_child(input, out, err)
        code = _exit_code(child, time.monotonic() + timeout)
        if code is None:
            raise subprocess.TimeoutExpired(list(command), timeout)
        texts = [stream.read() for stream in (out, err) if stream.seek(0) == 0]
    return subprocess.CompletedProcess(list(command), code, *texts)


def _be_the_child(job: str, out: IO[str], err: IO[str]) -> NoReturn:
    code = 1
    try:
        os.dup2(out.fileno(), 1)
        os.dup2(err.fileno(), 2)
        sys.stdin, sys.stdout, sys.stderr = io.StringIO(job), out, err
        sandbox_child.main()
        code = 0
    except BaseException:
        traceback.print_exc()
    finally:
        err.flush()
        os._exit(code)


def _exit_code(child: int, deadline: float) -> int | None:
    """None where it did not end in time; then it is ended."""
    while (ended := os.waitpid(child, os.WNOHANG)) == (0, 0):
        if time.monotonic() > deadline:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
            return None
        time.sleep(0.01)
    return os.waitstatus_to_exitcode(ended[1])
