"""Sizes of universal perturbations and margins -> one score per class, and one for all.

Constants and form were chosen on networks that other people trained, and on attacked versions of
them, none of which the tables in docs/detection-quality.md report.
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


def all_classes_score(size: Tensor, untargeted: float) -> float | None:
    """How much cheaper *any other class* is than one class: ``log(sqrt(least * median) / B)``.

    ``size`` (M,) are those of the classes in the pixel basis, NaN where not measured; B is that of
    the ``untargeted`` change. None where either search did not get there.
    """
    if not math.isfinite(untargeted) or not bool(size.isfinite().any()):
        return None
    logs = size[size.isfinite()].log()
    return float((logs.min() + logs.quantile(0.5)) / 2 - math.log(untargeted))
