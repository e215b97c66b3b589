"""The child process in which a file's program is read and run: one job on stdin, one answer."""

from __future__ import annotations

import contextlib
import json
import os
import sys
from pathlib import Path
from typing import Any

import torch

from triggerfish.errors import TriggerfishError, one_line
from triggerfish.loading.guards.confinement import cut_off_network, limit_resources
from triggerfish.model.classifier import Preprocessing
from triggerfish.model.memory import is_out_of_memory
from triggerfish.structure.analyse import analyse_file, structure_to

CPU_SECONDS = 180


def main() -> None:
    """Do the job and print an answer; every failure becomes one."""
    job = json.load(sys.stdin)
    answer_to = os.dup(1)  # what the file's libraries print must not look like an answer
    os.dup2(2, 1)
    answer: dict[str, Any] = {"error": "", "message": "", "imports": (), "structure": None}
    try:
        torch.set_num_threads(1)
        limit_resources(CPU_SECONDS)
        with contextlib.suppress(OSError):  # no such filter: no code of the file could use it
            cut_off_network()
        answer["structure"] = _structure(job)
    except TriggerfishError as problem:
        answer["error"], answer["message"] = type(problem).__name__, str(problem)
        answer["imports"] = getattr(problem, "imports", ())
    except Exception as problem:  # whatever the file provokes is the parent's to report
        answer["error"] = "UnsupportedModelError"
        answer["message"] = f"{type(problem).__name__}: {one_line(problem)}"
        if isinstance(problem, MemoryError) or is_out_of_memory(problem):
            answer["message"] = "expected a small program, got one out of memory"
    os.write(answer_to, json.dumps(answer).encode() + b"\n")


def _structure(job: dict[str, Any]) -> dict[str, Any]:
    prepared = job["preprocessing"]
    if prepared is not None:
        prepared = Preprocessing(
            tuple(prepared["mean"]),
            tuple(prepared["std"]),
            (prepared["input_range"][0], prepared["input_range"][1]),
            bool(prepared["channels_last"]),
        )
    shape = job["input_shape"]
    shape = None if shape is None else tuple(shape)
    return structure_to(analyse_file(Path(job["path"]), shape, prepared, run=job["run"]))


if __name__ == "__main__":
    main()
