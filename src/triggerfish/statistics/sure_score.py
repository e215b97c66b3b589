"""Sizes on images that a network is sure of -> one score per class, for any task.

The null is the network itself: the other classes, and what any trigger costs. A class counts as
suspicious when it is much smaller than the others *and* small in itself: a trigger is a few pixels,
or a low wave, whatever the task. Form and constants were chosen on networks that other people
trained and on half of the tasks of the benchmark's zoo (docs/detection-quality.md).
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

PIXELS = 10.0
"""Whole pixels' ranges, at a side of `SIDE`: half of the logarithm below it speaks for a class."""
SIDE = 32
"""Side of an image for which `PIXELS` holds; it grows with the side."""
SIZE_WEIGHT = 0.5
HEIGHT = 0.15
"""Height of a wave, in pixel ranges: the logarithm below it speaks for a class."""


def above_the_others(size: Tensor) -> Tensor:
    """``log(median of the other classes / size)`` (K,); NaN where it or all others are NaN.

    Without the class itself a median means something from two classes on.
    """
    logs = size.double().log()
    found = torch.full_like(logs, torch.nan)
    for k in range(len(logs)):
        others = torch.cat((logs[:k], logs[k + 1 :]))
        if bool(others.isfinite().any()):
            found[k] = others.nanquantile(0.5) - logs[k]
    return found


def sure_score(pixel: Tensor, frequency: Tensor, shape: tuple[int, int, int]) -> Tensor:
    """The score (K,) of sizes (K,) in the two bases, for images of ``shape`` (C, H, W).

    The larger of both bases' counts; a class that neither reaches is NaN.
    """
    channels, height, width = shape
    allowed = PIXELS * math.sqrt(height * width) / SIDE
    small = math.log(allowed) - (pixel.double() / channels).log()
    low = math.log(HEIGHT * math.sqrt(channels * height * width)) - frequency.double().log()
    spot = above_the_others(pixel) + SIZE_WEIGHT * small
    wave = above_the_others(frequency) + low
    score = torch.maximum(spot.nan_to_num(-torch.inf), wave.nan_to_num(-torch.inf))
    return torch.where(score.isfinite(), score, torch.nan)


def everywhere_score(pixel: Tensor, untargeted: float, shape: tuple[int, int, int]) -> float | None:
    """How much smaller *any other class* is than one class, and how small in itself.

    ``pixel`` (K,) are the sizes of the classes, ``untargeted`` that of a perturbation away from the
    predicted class; None where either search did not get there. Half of the logarithm below
    `PIXELS` is added to that of ``sqrt(least * median)`` above the untargeted size.
    """
    logs = pixel.double()[pixel.isfinite()].log()
    if not math.isfinite(untargeted) or not len(logs):
        return None
    channels, height, width = shape
    allowed = PIXELS * channels * math.sqrt(height * width) / SIDE
    ratio = float((logs.min() + logs.quantile(0.5)) / 2) - math.log(untargeted)
    return ratio + SIZE_WEIGHT * math.log(allowed / untargeted)
