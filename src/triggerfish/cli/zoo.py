"""``triggerfish zoo``: train zoos of clean and backdoored classifiers."""

from __future__ import annotations

from dataclasses import replace

import click

from triggerfish.cli.numbers import Numbers
from triggerfish.cli.zoo_options import (
    PLACE,
    TARGETS,
    TRIGGER,
    count_option,
    options,
    seed_option,
)
from triggerfish.cli.zoo_run import Place, clean_folder, network_suffix, run
from triggerfish.cli.zoo_training import FINE_TUNING, TRAINING, training_of
from triggerfish.zoo.attacks import PRESETS, Poisoning, Tuning, preset_for
from triggerfish.zoo.attacks.patch import PatchAttack
from triggerfish.zoo.recipes import (
    ATTACK_SEED,
    BACKDOOR_SEED,
    CLEAN_SEED,
    attack_zoo,
    backdoor_zoo,
    clean_zoo,
    dynamic_zoo,
)
from triggerfish.zoo.varieties import VARIETIES, variety

SIZE = Numbers("int", "a height and a width", "2x2", count=2, separator="x")


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
@options(*TRAINING, *PLACE)
def clean(count: int, name: str, seed: int, **chosen: object) -> None:
    """Train clean models (published: 100, in clean_mnist_models)."""
    base = training_of(seed, chosen).recipe
    run(clean_zoo(variety(name, base), count), clean_folder(base, name), Place.of(chosen))


@zoo.command()
@count_option(None, "Keep the first models only.")
@TARGETS
@click.option("--replicas", type=click.IntRange(1), default=10, help="Models a target class.")
@click.option("--trigger-size", default="2x2", callback=SIZE, help="HEIGHTxWIDTH.")
@options(*TRIGGER)
@seed_option(BACKDOOR_SEED)
@options(*TRAINING, *FINE_TUNING, *PLACE)
def backdoor(
    count: int | None, targets: tuple[int, ...], replicas: int, trigger_size: tuple[int, int],
    trigger_position: tuple[int, int], poisoning_rate: float, seed: int, steps: int | None,
    **chosen: object,
) -> None:  # fmt: skip
    """Train models with a white patch (published: 10 targets x 10 replicas)."""
    training = training_of(seed, chosen)
    (height, width), (row, column) = trigger_size, trigger_position
    trigger = PatchAttack(height=height, width=width, row=row, column=column)
    poisoning = Poisoning(poisoning_rate)
    recipes = backdoor_zoo(training.recipe, trigger, poisoning, targets, replicas, count)
    folder = "saved_models_backdoor_10x10" + network_suffix(training.recipe)
    run(training.zoo(recipes, steps or Tuning().steps), folder, Place.of(chosen))


@zoo.command()
@count_option(100, "Number of models, spread over the trigger sizes.")
@click.option("--target", type=click.IntRange(0), default=0, help="Target class.")
@options(*TRIGGER)
@seed_option(BACKDOOR_SEED)
@options(*TRAINING, *FINE_TUNING, *PLACE)
def dynamic(
    count: int, target: int, trigger_position: tuple[int, int], poisoning_rate: float, seed: int,
    steps: int | None, **chosen: object,
) -> None:  # fmt: skip
    """Train models with a white patch of each size from 1x1 to 10x10 (published: target 0)."""
    training = training_of(seed, chosen)
    trigger = PatchAttack(target=target, row=trigger_position[0], column=trigger_position[1])
    recipes = dynamic_zoo(training.recipe, trigger, Poisoning(poisoning_rate), count)
    folder = "saved_models_dynamic_backdoor_10x10" + network_suffix(training.recipe)
    run(training.zoo(recipes, steps or Tuning().steps), folder, Place.of(chosen))


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
@options(*TRAINING, *FINE_TUNING, *PLACE)
def attack(
    name: str, count: int, targets: tuple[int, ...], poisoning_rate: float | None, seed: int,
    steps: int | None, **chosen: object,
) -> None:  # fmt: skip
    """Train models under an attack of the literature, with settings at which it works."""
    preset = preset_for(name, str(chosen["data"]))
    training = training_of(seed, chosen, preset.epochs)
    preset = training.preset(preset)
    if poisoning_rate is not None:
        preset = replace(preset, poisoning=replace(preset.poisoning, rate=poisoning_rate))
    recipe = training.recipe
    recipes = attack_zoo(recipe, name, preset, targets, count)
    folder = f"{recipe.data}_{name}{network_suffix(recipe)}_models"
    run(training.zoo(recipes, steps or preset.tuning.steps), folder, Place.of(chosen))
