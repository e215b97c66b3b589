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
    """One thread for the whole command, unless OMP_NUM_THREADS says otherwise: see `one_thread`."""
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
