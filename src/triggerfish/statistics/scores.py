"""Sizes and margins -> one score per class, and one for an attack on all of them.

Of universal perturbations on synthetic images: constants and form were chosen on networks that
other people trained, and on attacked versions of them.

On images that a network is sure of the null is the network itself: the other classes, and what any
trigger costs. A class counts as suspicious when it is much smaller than the others *and* small in
itself: a trigger is a few pixels, or a low wave, whatever the task. Form and constants were chosen
on networks that other people trained and on half of the tasks of the benchmark's zoo.

Of class pairs: matrices are (K, K), row the source, column the target; NaN is *not measured*, as on
the diagonal.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

PIXEL_MARGIN = 0.5
"""Weight of the margin beside perturbations of pixels: a trigger that covers images raises it. A
sinusoidal one need not: on three of six develop networks its target's margin is near the median or
below it."""
MARGIN_FLOOR = 0.05
"""A margin below this fraction of the median counts as that much."""
MARGIN_CAP = 1.0
"""A margin is no more than a hint: larger ones count as this."""
MIN_REACHED = 3
"""With fewer classes within reach in a basis, its median says nothing."""


def log_ratios(size: Tensor, typical: Tensor) -> Tensor:
    """``log(median / size)`` (M,), the median over the measured ``typical`` classes (M,) bool.

    NaN where not measured, and everywhere when fewer than `MIN_REACHED` classes are.
    """
    if int(size.isfinite().sum()) < MIN_REACHED:
        return torch.full_like(size, torch.nan)
    median: Tensor = size[typical].nanquantile(0.5)
    return median.log() - size.log()


def universal_score(pixel: Tensor, frequency: Tensor, margin: Tensor, typical: Tensor) -> Tensor:
    """``max(u + m / 2, d)`` (M,), of log-ratios u and d (M,), and m of margins (M,), at most 1.

    A class that a basis does not reach has nothing to show there, and counts as ordinary in it;
    one that neither reaches is NaN.
    """
    hint = margin_score(margin, typical).clamp_max(MARGIN_CAP)
    score = torch.maximum(pixel.nan_to_num(0.0) + PIXEL_MARGIN * hint, frequency.nan_to_num(0.0))
    return torch.where(pixel.isnan() & frequency.isnan(), torch.nan, score)


def margin_score(margin: Tensor, typical: Tensor) -> Tensor:
    """``m = log(margin / median)`` (M,); 0 everywhere when half of the classes win nowhere."""
    median = margin[typical].quantile(0.5)
    if not median > 0:
        return torch.zeros_like(margin)
    return (margin.clamp_min(MARGIN_FLOOR * float(median)) / median).log()


_SWEEPS = 50  # of the polish; ten classes settle in about five
_SETTLED = 1e-12


def median_polish(values: Tensor) -> Tensor:
    """Residuals (K, K) after row and column medians are taken out in turn (Tukey 1977, EDA).

    A row that is easy to leave and a column that is easy to reach drop out; single pairs that
    stand out do not move a median, so they stay as they are.
    """
    residual = values.clone()
    for _ in range(_SWEEPS):
        before = residual
        residual = residual - residual.nanquantile(0.5, dim=1, keepdim=True)
        residual = residual - residual.nanquantile(0.5, dim=0, keepdim=True)
        if float((residual - before).abs().nan_to_num(0.0).max()) < _SETTLED:
            break
    return residual


def largest_into(scores: Tensor) -> tuple[Tensor, Tensor]:
    """Of each column the largest value (K,) and its row (K,); NaN and 0 for an unmeasured one."""
    best = scores.nan_to_num(-torch.inf).max(dim=0)
    return torch.where(best.values.isfinite(), best.values, torch.nan), best.indices


PIXELS = 10.0
"""Whole pixels' ranges, at a side of `SIDE`: half of the logarithm below it speaks for a class."""
SIDE = 32
"""Side of an image for which `PIXELS` holds; it grows with the side."""
SIZE_WEIGHT = 0.5
HEIGHT = 0.15
"""Height of a wave, in pixel ranges: the logarithm below it speaks for a class."""
EASY = 0.25
"""Quantile of the other classes that a target has to be smaller than by far. With their median, a
clean network whose classes fall into two kinds, easy and hard ones, has its easy ones accused."""


def above_the_others(size: Tensor, quantile: float = EASY) -> Tensor:
    """``log(quantile of the other classes / size)`` (K,); NaN where it or all others are NaN.

    Without the class itself a quantile means something from two classes on.
    """
    logs = size.double().log()
    found = torch.full_like(logs, torch.nan)
    for k in range(len(logs)):
        others = torch.cat((logs[:k], logs[k + 1 :]))
        if bool(others.isfinite().any()):
            found[k] = others.nanquantile(quantile) - logs[k]
    return found


def sure_score(pixel: Tensor, frequency: Tensor, shape: tuple[int, int, int]) -> Tensor:
    """The score (K,) of sizes (K,) in the two bases, for images of ``shape`` (C, H, W).

    The larger of both bases' counts; a class that neither reaches is NaN.
    """
    channels, height, width = shape
    small = _below_allowed(pixel, shape)
    low = math.log(HEIGHT * math.sqrt(channels * height * width)) - frequency.double().log()
    spot = above_the_others(pixel) + SIZE_WEIGHT * small
    wave = above_the_others(frequency) + low
    score = torch.maximum(spot.nan_to_num(-torch.inf), wave.nan_to_num(-torch.inf))
    return torch.where(score.isfinite(), score, torch.nan)


def way_out_scores(size: Tensor, shape: tuple[int, int, int]) -> Tensor:
    """The scores (K,) of ways out of classes, of sizes (K,) over pixels; NaN where not reached."""
    return above_the_others(size, 0.5) + SIZE_WEIGHT * _below_allowed(size, shape)


def _below_allowed(size: Tensor, shape: tuple[int, int, int]) -> Tensor:
    """How far sizes (K,) over pixels are below `PIXELS`, as logarithms (K,)."""
    channels, height, width = shape
    allowed = PIXELS * math.sqrt(height * width) / SIDE
    return math.log(allowed) - (size.double() / channels).log()


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
