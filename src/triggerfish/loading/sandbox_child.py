"""The child process of the sandbox: one job on stdin, one answer on stdout."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

import torch

from triggerfish.errors import TriggerfishError, UnsupportedModelError, one_line
from triggerfish.loading.formats.pickled_module import trace_pickled
from triggerfish.loading.guards.confinement import cut_off_network, limit_resources
from triggerfish.loading.guards.sandbox import hints_from
from triggerfish.loading.hints import LoadOptions
from triggerfish.loading.load import open_readings
from triggerfish.model.classifier import Classifier
from triggerfish.model.memory import is_out_of_memory

_ALIKE = 1e-2  # far above rounding, far below what normalizing over a batch changes


def main() -> None:
    """Do the job and print an answer; every failure becomes one."""
    job = json.load(sys.stdin)
    # What code in the file prints must not look like an answer.
    answer_to = os.dup(1)
    os.dup2(2, 1)
    error, message = "", ""
    imports: tuple[str, ...] = ()
    try:
        _confine(job["task"])
        _do(job)
    except TriggerfishError as problem:
        error, message = type(problem).__name__, str(problem)
        imports = getattr(problem, "imports", ())
    except Exception as problem:  # whatever the file provokes is the parent's to report
        error, message = "UnsupportedModelError", f"{type(problem).__name__}: {one_line(problem)}"
        if isinstance(problem, MemoryError) or is_out_of_memory(problem):
            message = "expected a small program, got one out of memory"
    answer = {"error": error, "message": message, "imports": imports}
    os.write(answer_to, json.dumps(answer).encode() + b"\n")


def _confine(task: str) -> None:
    torch.set_num_threads(1)
    limit_resources()
    try:
        cut_off_network()
    except OSError as error:
        if task == "convert":
            raise UnsupportedModelError(
                "expected a system that can cut a process off from the network (Linux with "
                f"seccomp), got {error}: convert the module in a container"
            ) from error


def _do(job: dict[str, Any]) -> None:
    options = LoadOptions(hints_from(job["given"]))
    if job["task"] == "convert":
        trace_pickled(Path(job["path"]), Path(job["target"]), options.given)
        return
    for reading in open_readings(Path(job["path"]), options, confined=True):
        _try(reading.classifier)


def _try(classifier: Classifier) -> None:
    """Run a classifier forward and backward on a few images."""
    images = torch.rand(4, *classifier.input_shape, requires_grad=True)
    logits = classifier.logits(images)
    _refuse_mixing(
        logits.detach(), torch.cat([classifier.logits(x[None]) for x in images.detach()])
    )
    torch.autograd.grad(logits.sum(), images)


def _refuse_mixing(together: torch.Tensor, alone: torch.Tensor) -> None:
    """Refuse a program whose answer to an image depends on its neighbors, or on chance."""
    if float((together - alone).abs().max()) > _ALIKE * (1 + float(alone.abs().max())):
        raise UnsupportedModelError(
            "expected a model that answers each image by itself, got answers that depend on the "
            "other images of the batch, or on chance: export it in evaluation mode"
        )


if __name__ == "__main__":
    main()
