"""How many threads and processes a scan uses."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any, TypeVar

import click
import torch

Command = TypeVar("Command", bound=Callable[..., Any])


def use_one_thread() -> None:
    """One thread unless OMP_NUM_THREADS says otherwise.

    The networks are small: a second thread gains little, and where another process holds one of
    the cores it makes the same scan much slower (docs/performance.md).
    """
    if "OMP_NUM_THREADS" not in os.environ:
        torch.set_num_threads(1)


def jobs_option(text: str) -> Callable[[Command], Command]:
    """``--jobs``: as many as there are cores, unless it is given."""
    return click.option(
        "--jobs",
        type=click.IntRange(1),
        default=os.cpu_count() or 1,
        show_default="number of cores",
        help=text,
    )


def processes(jobs: int | None, models: int) -> int:
    """How many processes for so many models: what was asked for, else at least 4 models each.

    A process imports PyTorch first, which takes as long as a few scans.
    """
    wanted = jobs if jobs is not None else min(os.cpu_count() or 1, models // 4)
    return max(1, min(wanted, models))
