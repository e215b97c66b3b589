"""Runs a task on a file in a child process with little memory and time, and without network."""

from __future__ import annotations

import dataclasses
import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from triggerfish.errors import CheckpointError, DangerousFileError, UnsupportedModelError
from triggerfish.loading.hints import Hints, LoadOptions

SECONDS = 1200
"""Of wall time, for a busy machine; the child's time on the processor has a limit of its own."""
_OUT_OF_TIME = 24
"""The number of SIGXCPU on Linux, which alone is sent it (`confinement`)."""
_ERRORS = {kind.__name__: kind for kind in (CheckpointError, UnsupportedModelError)}


def probe(path: Path, options: LoadOptions) -> None:
    """Load the program in a child process and run it forward and backward on a few images.

    Raises the child's `CheckpointError` or `UnsupportedModelError`, or one of them when the child
    ran out of memory or time.
    """
    _run("probe", path, options)


def convert_pickled_module(path: Path, options: LoadOptions, target: Path) -> None:
    """Unpickle a module in a child process (this runs its code) and trace it to ``target``.

    Raises `CheckpointError` or `UnsupportedModelError`; also where the system cannot cut a process
    off from the network.
    """
    _run("convert", path, options, target)


def _run(task: str, path: Path, options: LoadOptions, target: Path | None = None) -> None:
    job = {
        "task": task,
        "path": str(path.absolute()),
        "target": str(target) if target else None,
        "given": dataclasses.asdict(options.given),
    }
    in_child("triggerfish.loading.sandbox_child", job, "runs on four images")


def in_child(module: str, job: Mapping[str, object], what: str) -> dict[str, Any]:
    """What a module answers to a job that it reads as JSON, in a process of its own.

    Raises what it says was wrong, and `UnsupportedModelError` where it says nothing in time;
    ``what`` is expected of the program in the file.
    """
    try:
        child = subprocess.run(
            [sys.executable, "-m", module],
            input=json.dumps(job),
            capture_output=True,
            text=True,
            timeout=SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise UnsupportedModelError(
            f"expected a program that {what} within {SECONDS} s, got a longer one"
        ) from error
    answer = _answer(child.stdout)
    if answer is None and -child.returncode == _OUT_OF_TIME:
        raise UnsupportedModelError(
            f"expected a program that {what} in little processor time, got one that was stopped "
            "when its share was used up: scan a smaller export of it, or its weights with --arch"
        )
    if answer is None:
        reason = (child.stderr.strip().splitlines() or [f"exit code {child.returncode}"])[-1]
        raise UnsupportedModelError(
            f"expected a program that {what} with little memory and time, got: {reason[:200]}"
        )
    if answer.get("imports"):
        raise DangerousFileError(answer["message"], tuple(map(str, answer["imports"])))
    if answer["error"]:
        raise _ERRORS.get(answer["error"], UnsupportedModelError)(answer["message"])
    return answer


def _answer(text: str) -> dict[str, Any] | None:
    """The child's last line as JSON; None when it died before, or code in the file printed."""
    try:
        answer = json.loads(text.splitlines()[-1])
    except (ValueError, IndexError, RecursionError):
        return None
    return answer if isinstance(answer, dict) and "error" in answer else None


def hints_from(data: dict[str, Any]) -> Hints:
    """`Hints` from their JSON form, whose lists were tuples."""
    values: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in data.items()}
    return Hints(**values)
