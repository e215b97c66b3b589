"""What makes one plain picture a class, as min-norm finds it: evidence as well."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from triggerfish.reports.words import by_pattern
from triggerfish.results import ClassScores, ClassSizes, Perturbation, Scanned


def plain_perturbations(result: Scanned) -> list[tuple[ClassScores, Perturbation]]:
    """For each class that a pattern accuses and that has an image, the perturbation that it is."""
    scores = result.scores
    if not len(scores.images):
        return []
    shown = [k for k in result.verdict.flagged if k in scores.classes and by_pattern(result, k)]
    return [_of(scores, k) for k in shown]


def beyond_ground(image: Tensor) -> Tensor:
    """What an image (C, H, W) has beyond the level that most of its pixels are at."""
    levels = (image.flatten(1) * 255).round()
    ground = levels.mode(dim=1).values.view(-1, 1, 1) / 255
    return image - ground


def _of(scores: ClassScores, k: int) -> tuple[ClassScores, Perturbation]:
    """The perturbation, and scores that have the size of every class beside it."""
    sizes = _sizes(scores, k)
    perturbation = Perturbation(
        target=k,
        basis="pixel",
        delta=beyond_ground(scores.images[scores.classes.index(k)]),
        size=float(sizes[k]),
        median_size=float(sizes.nanquantile(0.5)),
        success_rate=math.nan,
        status=scores.status[k],
    )
    beside = ClassScores(
        name=scores.name,
        statistic=scores.statistic,
        status=scores.status,
        images=scores.images[:0],
        probability=scores.probability,
        logits=scores.logits[:0],
        sizes=(ClassSizes("pixel", sizes),),
        shown=(),
    )
    return beside, perturbation


def _sizes(scores: ClassScores, k: int) -> Tensor:
    """The norms (K,) from the baseline that the image of ``k`` starts from; NaN if not known."""
    shown = scores.shown_baseline
    place = 0 if shown is None else int(shown[k])
    if not 0 <= place < len(scores.norms):
        return torch.full_like(scores.statistic, torch.nan)
    norm = scores.norms[place].norm
    return torch.where(norm.isfinite(), norm, torch.nan).double()
