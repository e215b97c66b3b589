"""A change, tried in ways that a trigger stands: half of it, elsewhere, without its summit."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from triggerfish.model.classifier import Classifier
from triggerfish.search.picture_pool import PicturePool, success_rate

SHIFTS = ((0.25, 0.0), (0.0, 0.25), (-0.25, -0.25))  # fractions of the height and the width


@dataclass(frozen=True)
class Tried:
    """Fractions of pictures that a change turns: as it is, and changed itself."""

    success: float
    half: float
    shifted: float
    without_largest: float


NOTHING = Tried(0.0, 0.0, 0.0, 0.0)


def tried(classifier: Classifier, fresh: PicturePool, change: Tensor, target: int) -> Tried:
    """What a change (C, H, W) towards ``target`` does to the ``fresh`` pictures."""
    variants = torch.stack(
        [change, 0.5 * change, without_largest(change), *(shifted(change, by) for by in SHIFTS)]
    )
    goal = torch.full((len(variants),), target)
    full, half, less, *moved = successes(classifier, fresh, variants, goal)
    return Tried(full, half, sum(moved) / len(moved), less)


def successes(
    classifier: Classifier, fresh: PicturePool, changes: Tensor, target: Tensor
) -> tuple[float, ...]:
    """Fractions (R,) of the ``fresh`` pictures that changes (R, C, H, W) take to ``target`` (R,).

    0 where all pictures are called the target already.
    """
    moved = changes.to(fresh.images)
    rates = success_rate(classifier, fresh, moved, target.to(moved.device))
    return tuple(rates.nan_to_num(0.0).tolist())


def without_largest(change: Tensor) -> Tensor:
    """A change (C, H, W) with the pixel set to 0, in all channels, that it changes most."""
    place = int(change.abs().amax(0).argmax())
    less = change.clone(memory_format=torch.contiguous_format)
    less.flatten(1)[:, place] = 0
    return less


def shifted(change: Tensor, by: tuple[float, float]) -> Tensor:
    """A change (C, H, W) moved by fractions of the height and the width, around the border."""
    height, width = change.shape[1:]
    return change.roll((round(by[0] * height), round(by[1] * width)), (1, 2))
