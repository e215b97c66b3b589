"""The sizes of universal changes and the margins -> one score per class, and one for all classes.

Constants and form were chosen on networks that other people trained, and on attacked versions of
them, none of which the tables in docs/detection-quality.md report.
"""

from __future__ import annotations

import torch
from torch import Tensor

FREQUENCY_WEIGHT = 0.7
"""Cosine coefficients are fewer than pixels, and clean networks' sizes scatter more in them."""
MARGIN_WEIGHT = 0.5
MARGIN_FLOOR = 0.05
"""A margin below this fraction of the median counts as that much."""


def log_ratios(size: Tensor, typical: Tensor) -> Tensor:
    """``log(median / size)`` (M,), the median over the measured ``typical`` classes (M,) bool."""
    median: Tensor = size[typical].nanquantile(0.5)
    return median.log() - size.log()


def universal_score(pixel: Tensor, frequency: Tensor, margin: Tensor, typical: Tensor) -> Tensor:
    """``max(u, 0.7 d) + 0.5 m`` (M,), from log-ratios u and d (M,) and margins (M,).

    A class that a basis does not reach has nothing to show there, and counts as ordinary in it;
    one that neither reaches is NaN.
    """
    shortcut = torch.maximum(pixel.nan_to_num(0.0), FREQUENCY_WEIGHT * frequency.nan_to_num(0.0))
    score = shortcut + MARGIN_WEIGHT * margin_score(margin, typical)
    return torch.where(pixel.isnan() & frequency.isnan(), torch.nan, score)


def margin_score(margin: Tensor, typical: Tensor) -> Tensor:
    """``log(margin / median)`` (M,); 0 everywhere when half of the classes win nowhere."""
    median = margin[typical].quantile(0.5)
    if not median > 0:
        return torch.zeros_like(margin)
    return (margin.clamp_min(MARGIN_FLOOR * float(median)) / median).log()


def all_classes_score(smallest: Tensor, untargeted: Tensor) -> float | None:
    """``log(cheapest class / untargeted)``: how much cheaper *any other class* is than one class.

    None where either search did not get there.
    """
    score = float((smallest.log() - untargeted.log()).squeeze())
    return score if torch.isfinite(torch.tensor(score)) else None
