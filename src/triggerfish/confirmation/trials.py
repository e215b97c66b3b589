"""Perturbations, tried as a trigger can be (half, elsewhere, without the summit), and compared."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations

import torch
from torch import Tensor
from torch.nn.functional import conv2d, pad

from triggerfish.model.classifier import Classifier
from triggerfish.search.frequency import CosineBasis
from triggerfish.search.picture_pool import PicturePool, success_rate

SHIFTS = ((0.25, 0.0), (0.0, 0.25), (-0.25, -0.25))  # fractions of the height and the width

VARIANTS_ON = 80  # pictures: what the perturbation itself does decides, and is tried on all


@dataclass(frozen=True)
class Tried:
    """Fractions of pictures that a perturbation flips: as it is, and changed itself."""

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

    0 where all pictures are the target already.
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


_BLUR = 2  # passes: places a pixel or two apart count as nearly the same


def likeness(perturbations: Tensor, basis: CosineBasis | None) -> float:
    """The best cosine of two of (N, C, H, W), in [0, 1]; 0 where fewer than two are not 0.

    Compared are the absolute values, added up over channels and blurred: of pixels, or of the
    coefficients in ``basis`` where there is one.
    """
    values = perturbations if basis is None else basis.analyze(perturbations.to(basis.axes)).cpu()
    maps = _blurred(values.abs().sum(1)).flatten(1)
    norms = maps.norm(dim=1)
    pairs = [(i, j) for i, j in combinations(range(len(maps)), 2) if norms[i] > 0 and norms[j] > 0]
    return max((float(maps[i] @ maps[j] / (norms[i] * norms[j])) for i, j in pairs), default=0.0)


def _blurred(maps: Tensor) -> Tensor:
    """Maps (N, H, W) under a binomial blur (1, 2, 1) / 4 along both axes, several times."""
    kernel = torch.tensor([1.0, 2.0, 1.0], dtype=maps.dtype) / 4
    kernel = (kernel.view(3, 1) * kernel).view(1, 1, 3, 3)
    blurred = maps.unsqueeze(1)
    for _ in range(_BLUR):
        blurred = conv2d(pad(blurred, (1, 1, 1, 1)), kernel)
    return blurred.squeeze(1)
