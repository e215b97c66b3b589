"""Options that decide how a zoo's networks are trained, and the recipe that they make."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import click

from triggerfish.architectures import ARCHITECTURES
from triggerfish.zoo.attacks import Preset
from triggerfish.zoo.data.datasets import DATASETS
from triggerfish.zoo.origin import find_origins, tuned_zoo
from triggerfish.zoo.recipes import Origin, Recipe, Recipes
from triggerfish.zoo.trainings import fine_tuning, usual_network, usual_training

TRAINING = (
    click.option("--data", type=click.Choice(DATASETS), default="mnist", help="Data set."),
    click.option(
        "--architecture", type=click.Choice(tuple(ARCHITECTURES)), metavar="NAME",
        help="Network, by its name in the catalogue.  [default: the data set's]",
    ),
    click.option("--softmax-head", is_flag=True, help="Declare a softmax head in the manifest."),
    click.option(
        "--epochs", type=click.IntRange(1),
        help="Training epochs.  [default: the network's and the attack's]",
    ),
    click.option(
        "--optimizer", type=click.Choice(("adam", "sgd")),
        help="What trains the weights.  [default: the network's]",
    ),
    click.option(
        "--learning-rate", type=click.FloatRange(0, min_open=True),
        help="The largest one of a schedule.  [default: the network's]",
    ),
    click.option(
        "--schedule", type=click.Choice(("constant", "one-cycle")),
        help="How the learning rate goes.  [default: the network's]",
    ),
    click.option(
        "--augmentation", type=click.Choice(("none", "flip-crop")),
        help="Mirror and shift images while training.  [default: the network's]",
    ),
    click.option(
        "--precision", type=click.Choice(("float32", "bfloat16")), default="float32",
        help="bfloat16: mixed precision, faster on processors that have it.",
    ),
)  # fmt: skip

FINE_TUNING = (
    click.option(
        "--from", "source", type=click.Path(exists=True, path_type=Path),
        help="Implant the attack in this clean checkpoint, or in those of a zoo in turn.",
    ),
    click.option(
        "--steps", type=click.IntRange(1),
        help="Batches of a training with --from.  [default: the attack's]",
    ),
)  # fmt: skip

_CHOSEN = ("epochs", "optimizer", "learning_rate", "schedule", "augmentation", "precision")


@dataclass(frozen=True)
class Training:
    """The recipe that the options make, and the checkpoints that they start from, if any."""

    recipe: Recipe
    origins: tuple[Origin, ...] = ()

    def preset(self, preset: Preset) -> Preset:
        """The preset as it is trained here: at the rate of fine-tuning, if that is what happens."""
        return preset.tuned() if self.origins else preset

    def zoo(self, recipes: Recipes, steps: int) -> Recipes:
        """The recipes, fine-tuned in ``steps`` batches where there are origins."""
        return tuned_zoo(recipes, self.origins, steps) if self.origins else recipes


def training_of(seed: int, options: Mapping[str, object], epochs: int = 1) -> Training:
    """What the options of `TRAINING` and `FINE_TUNING` say; an attack needs ``epochs`` at least."""
    data, architecture, source = (options.get(k) for k in ("data", "architecture", "source"))
    found = find_origins(Path(str(source))) if source else None
    architecture = architecture or (found and found.architecture) or usual_network(str(data))
    usual = fine_tuning if found else usual_training
    recipe = usual(
        Recipe(seed, str(data), str(architecture), softmax_head=bool(options["softmax_head"]))
    )
    recipe = replace(recipe, epochs=max(recipe.epochs, epochs))
    chosen = {key: options[key] for key in _CHOSEN if options[key] is not None}
    return Training(replace(recipe, **chosen), found.origins if found else ())  # type: ignore[arg-type]
