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

    The largest over the starts counts; every class has the same starts.
    """
    target = classes.repeat_interleave(len(starts))
    found = []
    for rows in chunks(len(target), rows_at_once):
        index = torch.arange(rows.start, rows.stop, device=starts.device) % len(starts)
        found.append(_climb(classifier, starts[index], target[rows], steps))
    return torch.cat(found).view(len(classes), len(starts)).amax(1)


def _climb(classifier: Classifier, x: Tensor, target: Tensor, steps: int) -> Tensor:
    for step in range(steps):
        _, gradient = objective_and_gradient(classifier, x, target, margin)
        width = FIRST_STEP * (LAST_STEP / FIRST_STEP) ** (step / max(steps - 1, 1))
        x = x.add(gradient.sign(), alpha=width).clamp_(0.0, 1.0)
    return margin(evaluate(classifier, x), target)
