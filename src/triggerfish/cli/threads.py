"""How many threads and processes a command uses."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any, TypeVar

import click
import torch

from triggerfish.parallel import cores

Command = TypeVar("Command", bound=Callable[..., Any])


def use_one_thread() -> None:
    """One thread unless OMP_NUM_THREADS says otherwise.

    The networks are small: a second thread gains little, and where another process holds one of
    the cores it makes the same scan much slower (docs/performance.md).
    """
    if "OMP_NUM_THREADS" not in os.environ:
        torch.set_num_threads(1)


def jobs_option(text: str, *, fewer: bool = False) -> Callable[[Command], Command]:
    """``--jobs``: as many as there are cores, unless it is given; None for `processes` to say."""
    return click.option(
        "--jobs",
        type=click.IntRange(1),
        default=None if fewer else cores,
        show_default="number of cores" + (", fewer for a few models" if fewer else ""),
        help=f"{text}, each in a process of one thread.",
    )
