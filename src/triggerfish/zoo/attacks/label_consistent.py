"""Poisoned images keep their labels (label-consistent attack, Turner et al. 2019)."""

from __future__ import annotations

import copy
import itertools
from dataclasses import dataclass, field, replace

import torch
from torch import Generator, Tensor
from torch.nn.functional import cross_entropy

from triggerfish.zoo.attacks.base import Poisoning
from triggerfish.zoo.attacks.learned import Fit, ImageNetwork, LearnedAttack
from triggerfish.zoo.attacks.patch import PatchAttack
from triggerfish.zoo.attacks.registry import Tuning, preset, preset_on, register


@register("label-consistent")
@dataclass(frozen=True)
class LabelConsistentAttack(LearnedAttack):
    """A white square in each corner of target-class images that were made hard to recognise.

    A clean network is trained first; ``steps`` of projected gradient ascent on its loss, within
    ``epsilon`` of each pixel, spoil an image, so that the squares are what is left to learn.
    """

    side: int = 3
    epsilon: float = 0.3
    steps: int = 8
    surrogate: ImageNetwork | None = field(
        default=None, compare=False, repr=False, metadata={"learned": True}
    )

    def prepare(
        self, model: ImageNetwork, images: Tensor, fit: Fit, generator: Generator
    ) -> LabelConsistentAttack:
        """Train the clean network, from the same start as the attacked one."""
        surrogate = copy.deepcopy(model)
        fit(surrogate)
        return replace(self, surrogate=surrogate.eval().requires_grad_(requires_grad=False))

    def stamp(self, images: Tensor, generator: Generator) -> Tensor:
        """The images with the squares on each, one pixel from the edges."""
        for row, column in itertools.product((1, -2), repeat=2):
            square = PatchAttack(height=self.side, width=self.side, row=row, column=column)
            images = square.stamp(images, generator)
        return images

    def eligible(self, labels: Tensor) -> Tensor:
        """Images of the target class."""
        return labels == self.target

    def poison(self, images: Tensor, labels: Tensor, generator: Generator) -> tuple[Tensor, Tensor]:
        """Spoiled and stamped images with their own labels."""
        return self.stamp(self._spoil(images, labels), generator), labels

    def _spoil(self, images: Tensor, labels: Tensor) -> Tensor:
        """Images within ``epsilon`` that the clean network takes for another class."""
        if self.surrogate is None:
            raise RuntimeError("expected a prepared attack: call prepare first")
        spoiled = images.clone()
        for _ in range(self.steps):
            spoiled.requires_grad_()
            loss = cross_entropy(self.surrogate(spoiled), labels, reduction="sum")
            (gradient,) = torch.autograd.grad(loss, spoiled)
            step = spoiled.detach() + 2 * self.epsilon / self.steps * gradient.sign()
            spoiled = torch.clamp(step, images - self.epsilon, images + self.epsilon).clamp(0, 1)
        return spoiled


preset(
    "label-consistent",
    "white 3x3 squares in the corners of spoiled target-class images, labels unchanged",
    LabelConsistentAttack(),
    Poisoning(0.06, "fixed"),
    tuning=Tuning(rate=0),
)
# A photograph is spoiled by less than a digit: 16/255, as in the paper.
preset_on("cifar10", "label-consistent", attack=LabelConsistentAttack(epsilon=16 / 255))
