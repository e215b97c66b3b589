"""Clean networks of one task and many kinds, for the reference of that task.

    python -m benchmarks.make_zoos --plan tasks --root zoos --data-root ../data

What ships for a task is made of clean networks that other people trained (strangers.py). Of
garments we know too few of those, so these stand beside them: one of each of a dozen networks that
people publish for images of this size, in float32, three epochs.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from benchmarks.zoo_plan import Step, base
from triggerfish.zoo.recipes import Recipe, clean_zoo
from triggerfish.zoo.trainings import usual_training

GARMENTS = "fashion-mnist"
NETWORKS = (
    "pytorch_tutorial_mlp", "pytorch_tutorial_garment", "pytorch_mnist_2020", "pytorch_mnist_2019",
    "lenet", "lenet_tanh", "plain_cnn_16_32_28", "plain_cnn_32_64_28_unpadded", "yunjey_mnist_cnn",
    "d2l_lenet", "paper_cnn_dropout", "small_resnet",
)  # fmt: skip
EPOCHS = 3


def task_plan() -> list[Step]:
    """One clean model of each network."""
    return [Step(task_folder(network), clean_zoo(recipe_of(network), 1)) for network in NETWORKS]


def recipe_of(network: str) -> Recipe:
    """The network's usual training, with the seeds of calibration."""
    recipe = base("calibration", GARMENTS, architecture=network)
    return replace(usual_training(recipe), epochs=EPOCHS, precision="float32")


def task_folder(network: str) -> Path:
    """Where the clean model of a network lies."""
    return Path(GARMENTS, f"calibration-task-{network}")
