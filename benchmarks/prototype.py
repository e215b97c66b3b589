"""The recipe that min-norm replaced: Adam with a penalty weight that hunts for the constraint.

Minimise ``||x - b||_1 - log_odds / w``: the weight grows by 1.1 while the log-odds are at least c
and shrinks by 0.9 while they are not; the best feasible image is kept. Measured against, never
shipped.
"""

from __future__ import annotations

import torch
from torch import Tensor

from triggerfish.model.classifier import Classifier
from triggerfish.search.activation_maximization import OBJECTIVES, Adam, objective_and_gradient


@torch.no_grad()
def minimize_norm_by_adam(
    classifier: Classifier,
    baseline: Tensor,
    target: Tensor,
    target_log_odds: float,
    *,
    steps: int = 150,
    lr: float = 0.1,
    weight: float = 0.1,
) -> Tensor:
    """Smallest L1 norm (N,) found for rows ``baseline`` (N, C, H, W), ``target`` (N,)."""
    x = baseline.clone()
    norm = torch.full((len(x),), torch.inf, dtype=x.dtype)
    weights = torch.full_like(norm, weight)
    adam = Adam(x, lr)
    for _ in range(steps):
        value, gradient = objective_and_gradient(classifier, x, target, OBJECTIVES["log-odds"])
        distance = (x - baseline).abs().flatten(1).sum(1)
        feasible = value >= target_log_odds
        norm = torch.where(feasible & (distance < norm), distance, norm)
        weights = torch.where(feasible, weights * 1.1, weights * 0.9)
        adam.step_(x, weights.view(-1, 1, 1, 1) * (x - baseline).sign() - gradient)
        x.clamp_(0.0, 1.0)
    return norm
