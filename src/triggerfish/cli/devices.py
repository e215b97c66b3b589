"""``--device``."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click

from triggerfish.runtime import choose_device

Command = TypeVar("Command", bound=Callable[..., Any])


def device_option(text: str) -> Callable[[Command], Command]:
    """``--device``, refused at once when it does not work here."""
    return click.option(
        "--device",
        default="cpu",
        show_default=True,
        callback=_checked,
        help=f"{text}: cpu, cuda, cuda:N, mps, or auto (a GPU if there is one).",
    )


def _checked(context: click.Context, option: click.Parameter, name: str) -> str:
    if context.params.get("ray") is not None:
        return name  # the machines of a cluster know what they have
    try:
        return choose_device(name)
    except ValueError as error:
        raise click.BadParameter(str(error), param=option) from error
