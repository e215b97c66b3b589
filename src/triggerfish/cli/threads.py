"""How many processes a command uses."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click

from triggerfish.parallel import cores

Command = TypeVar("Command", bound=Callable[..., Any])


def jobs_option(text: str, *, fewer: bool = False) -> Callable[[Command], Command]:
    """``--jobs``: as many as there are cores, unless it is given; None for `processes` to say."""
    return click.option(
        "--jobs",
        type=click.IntRange(1),
        default=None if fewer else cores,
        show_default="number of cores" + (", fewer for a few models" if fewer else ""),
        help=f"{text}, each in a process of one thread.",
    )
