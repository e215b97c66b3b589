"""Options that the zoo commands share, and how their values are read."""

from __future__ import annotations

from collections.abc import Callable
from functools import reduce
from pathlib import Path
from typing import TypeVar

import click

from triggerfish.cli.devices import device_option
from triggerfish.cli.numbers import Numbers
from triggerfish.cli.threads import jobs_option

Command = TypeVar("Command", bound=Callable[..., None])

CORNERS = {
    "top-left": (0, 0),
    "top-right": (0, -1),
    "bottom-left": (-1, 0),
    "bottom-right": (-1, -1),
}


PLACED = Numbers("int", "a corner, or a row and a column", "top-left or 1,2", count=2)
CLASSES = Numbers("int", "classes", "0,3,7")


def position(context: click.Context, option: click.Parameter, text: str) -> object:
    """Click callback: the name of a corner, or row and column."""
    return CORNERS[text] if text in CORNERS else PLACED(context, option, text)


_folder = click.Path(file_okay=False, path_type=Path)

TARGETS = click.option(
    "--targets",
    default="0,1,2,3,4,5,6,7,8,9",
    callback=CLASSES,
    help="Target classes.",
)

PLACE = (
    click.option("--out", type=_folder, default=Path(), help="Folder to make the zoo's folder in."),
    click.option("--data-root", type=_folder, help="Folder with the data set's files."),
    device_option("PyTorch device to train on"),
    jobs_option("Models trained at a time"),
)  # fmt: skip

TRIGGER = (
    click.option(
        "--trigger-position", default="top-left", callback=position,
        help="Corner (top-left, ...) or ROW,COLUMN; negative ones count from the far side.",
    ),
    click.option(
        "--poisoning-rate", type=click.FloatRange(0, 1, min_open=True), default=0.2,
        help="Probability that an image is poisoned, each time it is drawn.",
    ),
)  # fmt: skip


def options(*decorators: Callable[[Command], Command]) -> Callable[[Command], Command]:
    """Several options as one decorator, listed by ``--help`` in their order."""

    def add(command: Command) -> Command:
        return reduce(lambda inner, option: option(inner), reversed(decorators), command)

    return add


def count_option(default: int | None, text: str) -> Callable[[Command], Command]:
    """``--count``, which differs in its default and its meaning."""
    return click.option(
        "--count", type=click.IntRange(1), default=default, show_default=True, help=text
    )


def seed_option(default: int) -> Callable[[Command], Command]:
    """``--seed``, the first of a zoo's seeds."""
    return click.option("--seed", default=default, help="Seed of the first model.")
