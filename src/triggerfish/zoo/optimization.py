"""The optimizer of a recipe and how its learning rate goes."""

from __future__ import annotations

import math
from collections.abc import Iterable

from torch import nn
from torch.optim import SGD, Adam, Optimizer
from torch.optim.lr_scheduler import ConstantLR, LRScheduler, OneCycleLR

from triggerfish.zoo.recipes import Recipe

MOMENTUM = 0.9
"""Nesterov momentum of SGD, as in most of the literature on CIFAR-10."""
RISE = 0.25
"""Share of a one-cycle training in which the rate rises; then it falls to zero."""


def optimizer_of(recipe: Recipe, parameters: Iterable[nn.Parameter]) -> Optimizer:
    """Adam or SGD; the weight decay is a gradient's part in both."""
    rate, decay = recipe.learning_rate, recipe.weight_decay
    if recipe.optimizer == "adam":
        return Adam(parameters, lr=rate, weight_decay=decay, fused=True)
    return SGD(
        parameters, lr=rate, momentum=MOMENTUM, nesterov=True, weight_decay=decay, fused=True
    )


def schedule_of(recipe: Recipe, optimizer: Optimizer, images: int) -> LRScheduler:
    """The rate after each batch of a training on that many ``images``.

    ``one-cycle`` (Smith and Topin 2018): along half a cosine up to the recipe's rate, and along
    another one down to nothing.
    """
    if recipe.schedule == "constant":
        return ConstantLR(optimizer, factor=1.0)
    return OneCycleLR(
        optimizer, recipe.learning_rate, total_steps=steps_of(recipe, images),
        pct_start=RISE, cycle_momentum=False,
    )  # fmt: skip


def steps_of(recipe: Recipe, images: int) -> int:
    """Batches of a whole training."""
    return recipe.steps or recipe.epochs * math.ceil(images / recipe.batch_size)
