"""``triggerfish zoo``: train zoos of clean and backdoored classifiers."""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import partial, reduce
from pathlib import Path
from typing import TypeVar

import click

from triggerfish.cli.zoo_run import run
from triggerfish.zoo.attacks import Poisoning
from triggerfish.zoo.attacks.patch import PatchAttack
from triggerfish.zoo.datasets import DATASETS
from triggerfish.zoo.recipes import (
    BACKDOOR_SEED,
    CLEAN_SEED,
    Recipe,
    backdoor_zoo,
    clean_zoo,
    dynamic_zoo,
)

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

COMMON = (
    click.option("--epochs", type=click.IntRange(1), default=2, help="Training epochs."),
    click.option("--softmax-head", is_flag=True, help="Declare a softmax head in the manifest."),
    click.option("--out", type=_folder, default=Path(), help="Folder to make the zoo's folder in."),
    click.option("--data", type=click.Choice(DATASETS), default="mnist", help="Data set."),
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


@click.group(context_settings={"show_default": True})
def zoo() -> None:
    """Train zoos of clean and backdoored classifiers, with their ground truth in a manifest."""


@zoo.command()
@count_option(100, "Number of models.")
@seed_option(CLEAN_SEED)
@options(*COMMON)
def clean(
    count: int, seed: int, epochs: int, softmax_head: bool, out: Path, data: str,
    data_root: Path | None, device: str, jobs: int,
) -> None:  # fmt: skip
    """Train clean models (published: 100, in clean_mnist_models)."""
    base = Recipe(seed=seed, data=data, epochs=epochs, softmax_head=softmax_head)
    run(clean_zoo(base, count), out / f"clean_{data}_models", out, data_root, device, jobs)


@zoo.command()
@count_option(None, "Keep the first models only.")
@click.option(
    "--targets", default="0,1,2,3,4,5,6,7,8,9", callback=partial(integers, ",", None),
    help="Target classes.",
)  # fmt: skip
@click.option("--replicas", type=click.IntRange(1), default=10, help="Models a target class.")
@click.option(
    "--trigger-size", default="2x2", callback=partial(integers, "x", 2), help="HEIGHTxWIDTH."
)
@seed_option(BACKDOOR_SEED)
@options(*TRIGGER, *COMMON)
def backdoor(
    count: int | None, targets: tuple[int, ...], replicas: int, trigger_size: tuple[int, int],
    seed: int, trigger_position: tuple[int, int], poisoning_rate: float, epochs: int,
    softmax_head: bool, out: Path, data: str, data_root: Path | None, device: str, jobs: int,
) -> None:  # fmt: skip
    """Train models with a white patch (published: 10 targets x 10 replicas)."""
    base = Recipe(seed=seed, data=data, epochs=epochs, softmax_head=softmax_head)
    trigger = PatchAttack(
        height=trigger_size[0], width=trigger_size[1],
        row=trigger_position[0], column=trigger_position[1],
    )  # fmt: skip
    recipes = backdoor_zoo(base, trigger, Poisoning(rate=poisoning_rate), targets, replicas, count)
    run(recipes, out / "saved_models_backdoor_10x10", out, data_root, device, jobs)


@zoo.command()
@count_option(100, "Number of models, spread over the trigger sizes.")
@click.option("--target", type=click.IntRange(0), default=0, help="Target class.")
@seed_option(BACKDOOR_SEED)
@options(*TRIGGER, *COMMON)
def dynamic(
    count: int, target: int, seed: int, trigger_position: tuple[int, int], poisoning_rate: float,
    epochs: int, softmax_head: bool, out: Path, data: str, data_root: Path | None, device: str,
    jobs: int,
) -> None:  # fmt: skip
    """Train models with a white patch of each size from 1x1 to 10x10 (published: target 0)."""
    base = Recipe(seed=seed, data=data, epochs=epochs, softmax_head=softmax_head)
    trigger = PatchAttack(target=target, row=trigger_position[0], column=trigger_position[1])
    recipes = dynamic_zoo(base, trigger, Poisoning(rate=poisoning_rate), count)
    run(recipes, out / "saved_models_dynamic_backdoor_10x10", out, data_root, device, jobs)
