"""``triggerfish zoo``: train zoos of clean and backdoored classifiers."""

from __future__ import annotations

from dataclasses import replace

import click

from triggerfish.cli.numbers import numbers
from triggerfish.cli.zoo_options import (
    COMMON,
    TARGETS,
    TRIGGER,
    count_option,
    epochs_option,
    options,
    seed_option,
)
from triggerfish.cli.zoo_run import Place, run
from triggerfish.zoo.attacks import PRESETS, Poisoning
from triggerfish.zoo.attacks.patch import PatchAttack
from triggerfish.zoo.recipes import (
    ATTACK_SEED,
    BACKDOOR_SEED,
    CLEAN_SEED,
    Recipe,
    attack_zoo,
    backdoor_zoo,
    clean_zoo,
    dynamic_zoo,
    network_for,
)
from triggerfish.zoo.varieties import VARIETIES, variety


@click.group(context_settings={"show_default": True})
def zoo() -> None:
    """Train zoos of clean and backdoored classifiers, with their ground truth in a manifest."""


@zoo.command()
@count_option(100, "Number of models.")
@click.option(
    "--variety", "name", type=click.Choice(tuple(VARIETIES)), default="published",
    help="What differs from the published training.",
)  # fmt: skip
@seed_option(CLEAN_SEED)
@epochs_option(2)
@options(*COMMON)
def clean(
    count: int, name: str, seed: int, epochs: int, softmax_head: bool, data: str, **place: object
) -> None:
    """Train clean models (published: 100, in clean_mnist_models)."""
    base = Recipe(seed, data, network_for(data), softmax_head, epochs)
    middle = "" if name == "published" else f"{name}_"
    run(clean_zoo(variety(name, base), count), f"clean_{data}_{middle}models", Place.of(place))


@zoo.command()
@count_option(None, "Keep the first models only.")
@TARGETS
@click.option("--replicas", type=click.IntRange(1), default=10, help="Models a target class.")
@click.option("--trigger-size", default="2x2", callback=numbers(int, 2, "x"), help="HEIGHTxWIDTH.")
@options(*TRIGGER)
@seed_option(BACKDOOR_SEED)
@epochs_option(2)
@options(*COMMON)
def backdoor(
    count: int | None, targets: tuple[int, ...], replicas: int, trigger_size: tuple[int, int],
    trigger_position: tuple[int, int], poisoning_rate: float, seed: int, epochs: int,
    softmax_head: bool, data: str, **place: object,
) -> None:  # fmt: skip
    """Train models with a white patch (published: 10 targets x 10 replicas)."""
    base = Recipe(seed, data, network_for(data), softmax_head, epochs)
    (height, width), (row, column) = trigger_size, trigger_position
    trigger = PatchAttack(height=height, width=width, row=row, column=column)
    recipes = backdoor_zoo(base, trigger, Poisoning(poisoning_rate), targets, replicas, count)
    run(recipes, "saved_models_backdoor_10x10", Place.of(place))


@zoo.command()
@count_option(100, "Number of models, spread over the trigger sizes.")
@click.option("--target", type=click.IntRange(0), default=0, help="Target class.")
@options(*TRIGGER)
@seed_option(BACKDOOR_SEED)
@epochs_option(2)
@options(*COMMON)
def dynamic(
    count: int, target: int, trigger_position: tuple[int, int], poisoning_rate: float, seed: int,
    epochs: int, softmax_head: bool, data: str, **place: object,
) -> None:  # fmt: skip
    """Train models with a white patch of each size from 1x1 to 10x10 (published: target 0)."""
    base = Recipe(seed, data, network_for(data), softmax_head, epochs)
    trigger = PatchAttack(target=target, row=trigger_position[0], column=trigger_position[1])
    recipes = dynamic_zoo(base, trigger, Poisoning(poisoning_rate), count)
    run(recipes, "saved_models_dynamic_backdoor_10x10", Place.of(place))


@zoo.command(
    epilog="\b\nAttacks:\n"
    + "\n".join(f"  {name:18}{preset.summary}" for name, preset in PRESETS.items())
)
@click.argument("name", type=click.Choice(tuple(PRESETS)), metavar="NAME")
@count_option(10, "Number of models, target by target.")
@TARGETS
@click.option(
    "--poisoning-rate", type=click.FloatRange(0, 1, min_open=True),
    help="Fraction of the training images poisoned.  [default: the attack's]",
)  # fmt: skip
@seed_option(ATTACK_SEED)
@epochs_option(None, "Training epochs.  [default: the attack's]")
@options(*COMMON)
def attack(
    name: str, count: int, targets: tuple[int, ...], poisoning_rate: float | None, seed: int,
    epochs: int | None, softmax_head: bool, data: str, **place: object,
) -> None:  # fmt: skip
    """Train models under an attack of the literature, with settings at which it works on MNIST."""
    preset = PRESETS[name]
    if poisoning_rate is not None:
        preset = replace(preset, poisoning=replace(preset.poisoning, rate=poisoning_rate))
    base = Recipe(seed, data, network_for(data), softmax_head, epochs or preset.epochs)
    run(attack_zoo(base, name, preset, targets, count), f"{data}_{name}_models", Place.of(place))
