"""Options that the zoo commands share, and how their values are read."""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import partial, reduce
from pathlib import Path
from typing import TypeVar

import click

Command = TypeVar("Command", bound=Callable[..., None])

CORNERS = {
    "top-left": (0, 0),
    "top-right": (0, -1),
    "bottom-left": (-1, 0),
    "bottom-right": (-1, -1),
}


def integers(
    separator: str, length: int | None, _: click.Context, option: click.Parameter, text: str
) -> tuple[int, ...]:
    """Click callback: integers in a text, ``length`` of them when it is given."""
    try:
        values = tuple(int(part) for part in text.lower().split(separator))
    except ValueError:
        values = ()
    if not values or (length is not None and len(values) != length):
        example = separator.join("123"[: length or 3])
        raise click.BadParameter(f"expected integers like {example}, got {text}", param=option)
    return values


def position(context: click.Context, option: click.Parameter, text: str) -> tuple[int, ...]:
    """Click callback: the name of a corner, or row and column."""
    return CORNERS[text] if text in CORNERS else integers(",", 2, context, option, text)


_folder = click.Path(file_okay=False, path_type=Path)

TARGETS = click.option(
    "--targets",
    default="0,1,2,3,4,5,6,7,8,9",
    callback=partial(integers, ",", None),
    help="Target classes.",
)

PLACE = (
    click.option("--out", type=_folder, default=Path(), help="Folder to make the zoo's folder in."),
    click.option("--data-root", type=_folder, help="Folder with the data set's files."),
    click.option("--device", default="cpu", help="PyTorch device to train on."),
    click.option(
        "--jobs", type=click.IntRange(1), default=os.cpu_count() or 1,
        show_default="number of cores",
        help="Models trained at a time, each in a process of one thread.",
    ),
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
