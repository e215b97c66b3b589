"""Training data as it often is: wrong labels, rare classes."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Generator

from triggerfish.zoo.data.datasets import Dataset
from triggerfish.zoo.recipes import Recipe


def with_flaws(data: Dataset, recipe: Recipe) -> Dataset:
    """The data with the label noise and the class imbalance of a recipe; itself without them."""
    generator = Generator().manual_seed(recipe.seed)
    if recipe.imbalance < 1:
        data = imbalanced(data, recipe.imbalance, generator)
    if recipe.label_noise > 0:
        data = mislabelled(data, recipe.label_noise, generator)
    return data


def imbalanced(data: Dataset, smallest: float, generator: Generator) -> Dataset:
    """Each image kept with a probability that falls geometrically, class by class, to smallest.

    The order of the classes is drawn, so that another seed makes another class rare.
    """
    classes = len(data.classes)
    place = torch.randperm(classes, generator=generator).double() / (classes - 1)
    chance = smallest ** place[data.labels]
    kept = torch.rand(len(chance), generator=generator, dtype=torch.float64) < chance
    return replace(data, images=data.images[kept], labels=data.labels[kept])


def mislabelled(data: Dataset, rate: float, generator: Generator) -> Dataset:
    """A ``rate`` of the labels drawn anew, evenly over the classes."""
    wrong = torch.rand(len(data.labels), generator=generator) < rate
    drawn = torch.randint(len(data.classes), data.labels.shape, generator=generator)
    return replace(data, labels=torch.where(wrong, drawn, data.labels))
