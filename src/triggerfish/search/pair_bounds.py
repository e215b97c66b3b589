"""From the searches for classes, how small a perturbation from one class to another can be at most.

A perturbation that leads images of all classes to a target leads those of one source class there at
some fraction of its size, and that fraction takes forward passes alone. So of all pairs those that
a trigger may serve are known before any pair is searched (docs/performance.md has the table).
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from triggerfish.model.classifier import Classifier, log_odds
from triggerfish.search.activation_maximization import (
    EVALUATED_VALUES,
    chunks,
    evaluate,
    objective_and_gradient,
)
from triggerfish.search.picture_pool import PicturePool

FRACTIONS = (0.25, 0.45, 0.7, 1.0)
IMAGES = 8  # of each source that fractions are tried on
SLOPES = 12  # images of each source that the slope is taken at
BEYOND = 1.5  # of a size for every missing unit of success, where the whole is not enough


@torch.no_grad()
def pair_bounds(
    classifier: Classifier, pool: PicturePool, perturbation: Tensor, size: Tensor, wanted: float
) -> Tensor:
    """Log-sizes (K, K), source by target, at which ``wanted`` of a source's images go to a target.

    ``perturbation`` (K, C, H, W) leads to each target, ``size`` (K,) NaN where none was found. The
    diagonal is NaN, and the row of a source that no image of the ``pool`` is predicted as.
    """
    count = classifier.num_classes
    bound = torch.full((count, count), torch.nan, dtype=torch.float64)
    fractions = torch.tensor(FRACTIONS).to(perturbation).view(-1, 1, 1, 1, 1)
    together = max(1, EVALUATED_VALUES // (len(FRACTIONS) * IMAGES * classifier.num_pixels))
    for source in range(count):
        images = pool.predicted_as(source, IMAGES).images
        others = [k for k in range(count) if k != source and math.isfinite(float(size[k]))]
        for part in chunks(len(others) if len(images) else 0, together):
            target = torch.tensor(others[part])
            towards = perturbation[target.to(images.device)].view(-1, 1, 1, *images.shape[1:])
            changed = images + fractions * towards
            logits = evaluate(classifier, changed.clamp_(0.0, 1.0).flatten(0, 2)).cpu()
            hit = logits.argmax(1).view(len(target), len(FRACTIONS), -1) == target.view(-1, 1, 1)
            for k, rate in zip(target.tolist(), hit.double().mean(2), strict=True):
                bound[source, k] = math.log(_fraction(rate, wanted)) + size[k].log()
    return bound


def linear_sizes(classifier: Classifier, pool: PicturePool, rows_at_once: int) -> Tensor:
    """Log-sizes (K, K), source by target, that the slope at the source's images alone promises.

    What a class perturbation cannot show is a trigger that no other class answers to. The mean
    log-odds of the target are taken as linear; pixels go, the steepest first, a whole range each.
    """
    count = classifier.num_classes
    size = torch.full((count, count), torch.nan, dtype=torch.float64)
    for source in range(count):
        images = pool.predicted_as(source, SLOPES).images
        others = torch.tensor([k for k in range(count) if k != source]).to(images.device)
        for part in chunks(len(others) if len(images) else 0, max(1, rows_at_once // SLOPES)):
            target = others[part]
            value, slope = objective_and_gradient(
                classifier,
                images.repeat(len(target), 1, 1, 1),
                target.repeat_interleave(len(images)),
                log_odds,
            )
            missing = -value.view(len(target), -1).mean(1, keepdim=True)
            mean = slope.flatten(1).view(len(target), len(images), -1).mean(1)
            gain = mean.abs().sort(dim=1, descending=True).values.cumsum(1)
            needed = (gain < missing).sum(1) + 1
            size[source, target.cpu()] = needed.double().log().cpu()
    return size


def _fraction(rate: Tensor, wanted: float) -> float:
    """Where success rates (F,) at `FRACTIONS` reach ``wanted``, between two linearly."""
    rates: list[float] = torch.cummax(rate, 0).values.tolist()
    if rates[-1] < wanted:
        return 1.0 + BEYOND * (wanted - rates[-1])
    above = next(n for n, one in enumerate(rates) if one >= wanted)
    if above == 0:
        return FRACTIONS[0]
    low, high = rates[above - 1], rates[above]
    share = (wanted - low) / (high - low)
    return FRACTIONS[above - 1] + share * (FRACTIONS[above] - FRACTIONS[above - 1])
