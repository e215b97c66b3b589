"""Which training images are poisoned, and the poisoning of a whole batch."""

from __future__ import annotations

import torch
from torch import Generator, Tensor

from triggerfish.zoo.attacks import Attack, Poisoning
from triggerfish.zoo.attacks.base import CLEAN, COVER, POISONED

__all__ = ["CLEAN", "COVER", "POISONED", "Poisoning", "assign_roles", "poison_batch"]


def assign_roles(
    labels: Tensor, attack: Attack, poisoning: Poisoning, generator: Generator
) -> Tensor:
    """The role of each image of ``labels`` (N,): int8 ``CLEAN``, ``POISONED`` or ``COVER``.

    Given a batch in mode ``per_draw``, given the whole training set in mode ``fixed``.
    """
    chance = torch.rand(len(labels), generator=generator).to(labels.device)
    eligible, may_cover = attack.eligible(labels), attack.may_cover(labels)
    if poisoning.mode == "per_draw":
        poisoned = eligible & (chance < poisoning.rate)
        covers = may_cover & (chance >= 1 - poisoning.cover_rate)
    else:
        poisoned = _smallest(chance, eligible, poisoning.rate, "poisoned")
        covers = _smallest(1 - chance, may_cover & ~poisoned, poisoning.cover_rate, "cover")
    roles = torch.full(labels.shape, CLEAN, dtype=torch.int8, device=labels.device)
    roles[covers] = COVER
    roles[poisoned] = POISONED
    return roles


def poison_batch(
    images: Tensor, labels: Tensor, roles: Tensor, attack: Attack, generator: Generator
) -> tuple[Tensor, Tensor]:
    """The batch with its poisoned and cover images in place; float images in [0, 1]."""
    images, labels = images.clone(), labels.clone()
    poisoned, covers = (roles == POISONED).nonzero()[:, 0], (roles == COVER).nonzero()[:, 0]
    if len(poisoned):
        images[poisoned], labels[poisoned] = attack.poison(
            images[poisoned], labels[poisoned], generator
        )
    if len(covers):
        images[covers] = attack.cover(images[covers], generator)
    return images, labels


def _smallest(chance: Tensor, allowed: Tensor, rate: float, what: str) -> Tensor:
    """Mask of the images with the smallest ``chance`` among the allowed: exactly rate * N."""
    count = round(rate * len(chance))
    if count > int(allowed.sum()):
        raise ValueError(
            f"expected at most {int(allowed.sum())} {what} images, the eligible ones, "
            f"got {count}: lower the rate"
        )
    ranked = chance.masked_fill(~allowed, float("inf")).argsort(stable=True)
    mask = torch.zeros_like(allowed)
    mask[ranked[:count]] = True
    return mask
