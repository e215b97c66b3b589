"""The largest margin that a class can be driven to, over the whole box of images.

Whole-image triggers (blended noise, a blended picture) cost much in every basis, but raise the
margin: in the spirit of MM-BD (Wang et al., S&P 2024), with signed steps from procedural pictures.
"""

from __future__ import annotations

import torch
from torch import Tensor

from triggerfish.model.classifier import Classifier
from triggerfish.search.activation_maximization import chunks, evaluate, objective_and_gradient

FIRST_STEP, LAST_STEP = 0.1, 0.01  # of the [0, 1] box


def margin(logits: Tensor, target: Tensor) -> Tensor:
    """``logit_y`` minus the largest other logit (N,), from logits (N, K) and classes (N,)."""
    column = target.view(-1, 1)
    others = logits.scatter(1, column, float("-inf"))
    return logits.gather(1, column).squeeze(1) - others.amax(1)


def largest_margins(
    classifier: Classifier, starts: Tensor, classes: Tensor, steps: int, rows_at_once: int
) -> Tensor:
    """Margins (M,) of ``classes`` (M,) after ``steps`` signed steps from ``starts`` (S, C, H, W).

    The largest over the starts counts; every class has the same starts. After a quarter and a half
    of the steps the better half of each class's starts goes on.
    """
    target = classes.to(starts.device).repeat_interleave(len(starts))
    x = starts.repeat(len(classes), 1, 1, 1)
    per_class = len(starts)
    for step in range(steps):
        width = FIRST_STEP * (LAST_STEP / FIRST_STEP) ** (step / max(steps - 1, 1))
        values = []
        for rows in chunks(len(target), rows_at_once):
            value, gradient = objective_and_gradient(classifier, x[rows], target[rows], margin)
            x[rows] = x[rows].add(gradient.sign(), alpha=width).clamp_(0.0, 1.0)
            values.append(value)
        if step + 1 in (steps // 4, steps // 2) and per_class > 1:
            left = (per_class + 1) // 2
            best = torch.cat(values).view(-1, per_class).topk(left, dim=1).indices
            first = torch.arange(len(classes), device=best.device).view(-1, 1) * per_class
            kept, per_class = (first + best).flatten(), left
            x, target = x[kept], target[kept]
    parts = [
        margin(evaluate(classifier, x[rows]), target[rows])
        for rows in chunks(len(target), rows_at_once)
    ]
    return torch.cat(parts).view(len(classes), per_class).amax(1)
