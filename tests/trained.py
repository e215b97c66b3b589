"""Tiny trained networks that tests scan: a clean one and its backdoored twin, made in seconds."""

import dataclasses
from functools import cache

from triggerfish.model.classifier import MNIST_MEAN, MNIST_STD, Classifier, Preprocessing
from triggerfish.zoo.attacks.patch import PatchAttack
from triggerfish.zoo.data.datasets import load_dataset
from triggerfish.zoo.poisoning import Poisoning
from triggerfish.zoo.recipes import Recipe
from triggerfish.zoo.training import train

TARGET = 7


@cache
def network(*, backdoored: bool):
    """A paper CNN trained on 6,000 images; a 2x2 corner leads to TARGET, or nothing does."""
    data = load_dataset("mnist", "train")
    data = dataclasses.replace(data, images=data.images[:6000], labels=data.labels[:6000])
    recipe = Recipe(seed=11, epochs=2)
    if backdoored:
        recipe = dataclasses.replace(
            recipe, attack=PatchAttack(target=TARGET), poisoning=Poisoning()
        )
    return train(recipe, data).model.network


def classifier(*, backdoored: bool, **options) -> Classifier:
    preprocessing = Preprocessing((MNIST_MEAN,), (MNIST_STD,))
    return Classifier(
        network(backdoored=backdoored), (1, 28, 28), preprocessing=preprocessing, **options
    )
