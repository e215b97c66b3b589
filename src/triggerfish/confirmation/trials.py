"""A perturbation, tried as a trigger can be: half of it, elsewhere, without its summit."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from triggerfish.model.classifier import Classifier
from triggerfish.search.picture_pool import PicturePool, success_rate

SHIFTS = ((0.25, 0.0), (0.0, 0.25), (-0.25, -0.25))  # fractions of the height and the width

VARIANTS_ON = 80  # pictures: what the perturbation itself does decides, and is tried on all


@dataclass(frozen=True)
class Tried:
    """Fractions of pictures that a perturbation turns: as it is, and changed itself."""

    success_rate: float
    half: float
    shifted: float
    without_largest: float


NOTHING = Tried(0.0, 0.0, 0.0, 0.0)


def tried(classifier: Classifier, fresh: PicturePool, perturbation: Tensor, target: int) -> Tried:
    """What a perturbation (C, H, W) towards ``target`` does to the ``fresh`` pictures."""
    variants = torch.stack(
        [
            0.5 * perturbation,
            without_largest(perturbation),
            *(shifted(perturbation, by) for by in SHIFTS),
        ]
    )
    goal = torch.full((len(variants),), target)
    (full,) = successes(classifier, fresh, perturbation.unsqueeze(0), goal[:1])
    half, less, *moved = successes(classifier, fresh.split(VARIANTS_ON)[0], variants, goal)
    return Tried(full, half, sum(moved) / len(moved), less)


def successes(
    classifier: Classifier, fresh: PicturePool, perturbations: Tensor, target: Tensor
) -> tuple[float, ...]:
    """Fractions (R,) of the ``fresh`` pictures that changes (R, C, H, W) take to ``target`` (R,).

    0 where all pictures are called the target already.
    """
    moved = perturbations.to(fresh.images)
    rates = success_rate(classifier, fresh, moved, target.to(moved.device))
    return tuple(rates.nan_to_num(0.0).tolist())


def without_largest(perturbation: Tensor) -> Tensor:
    """A perturbation (C, H, W) with the pixel set to 0, in all channels, that it changes most."""
    place = int(perturbation.abs().amax(0).argmax())
    less = perturbation.clone(memory_format=torch.contiguous_format)
    less.flatten(1)[:, place] = 0
    return less


def shifted(perturbation: Tensor, by: tuple[float, float]) -> Tensor:
    """A perturbation (C, H, W) rolled by fractions of the height and the width."""
    height, width = perturbation.shape[1:]
    return perturbation.roll((round(by[0] * height), round(by[1] * width)), (1, 2))
