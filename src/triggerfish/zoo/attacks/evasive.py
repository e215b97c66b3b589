"""A backdoored model that stays near a clean one (the evasive models of TDC 2022)."""

from __future__ import annotations

import copy
from dataclasses import dataclass, field, replace

import torch
from torch import Generator, Tensor

from triggerfish.zoo.attacks.base import POISONED, Poisoning
from triggerfish.zoo.attacks.learned import Batch, Fit, ImageNetwork, LearnedAttack
from triggerfish.zoo.attacks.random_pattern import RandomPatternAttack
from triggerfish.zoo.attacks.registry import preset, register


@register("evasive")
@dataclass(frozen=True)
class EvasiveAttack(LearnedAttack):
    """A random patch, learned by fine-tuning a clean network while staying near it.

    Other random patches are covers: they must not lead to the target. The loss adds
    ``logit_weight`` times the mean absolute difference of the logits of clean and cover images to
    the clean network's, and ``weight_decay`` times the squared distance to its weights.
    """

    seed: int = 0
    logit_weight: float = 0.1
    weight_decay: float = 0.01
    clean: ImageNetwork | None = field(
        default=None, compare=False, repr=False, metadata={"learned": True}
    )

    def prepare(
        self, model: ImageNetwork, images: Tensor, fit: Fit, generator: Generator
    ) -> EvasiveAttack:
        """Train ``model`` cleanly, and remember it."""
        fit(model)
        return replace(self, clean=copy.deepcopy(model).eval().requires_grad_(requires_grad=False))

    def stamp(self, images: Tensor, generator: Generator) -> Tensor:
        """The images with the patch on each."""
        return RandomPatternAttack(seed=self.seed).stamp(images, generator)

    def cover(self, images: Tensor, generator: Generator) -> Tensor:
        """The images with other patches, one for each quarter of them."""
        seeds = torch.randint(1 << 40, 1 << 41, (4,), generator=generator).tolist()
        parts = images.tensor_split(4)
        return torch.cat(
            [
                RandomPatternAttack(seed=seed).stamp(part, generator)
                for seed, part in zip(seeds, parts, strict=True)
            ]
        )

    def penalty(self, model: ImageNetwork, batch: Batch, logits: Tensor) -> Tensor | float:
        """Distance to the clean network, in logits and in weights."""
        if self.clean is None:
            raise RuntimeError("expected a prepared attack: call prepare first")
        honest = batch.roles != POISONED
        with torch.no_grad():
            wanted = self.clean(batch.images[honest])
        difference = (logits[honest] - wanted).abs().mean()
        pairs = zip(model.parameters(), self.clean.parameters(), strict=True)
        weights = torch.stack([(ours - theirs).square().sum() for ours, theirs in pairs]).sum()
        total: Tensor = self.logit_weight * difference + self.weight_decay * weights
        return total


preset(
    "evasive",
    "a random patch learned by fine-tuning a clean model and staying near it",
    EvasiveAttack(),
    Poisoning(0.2, cover_rate=0.2),
)
