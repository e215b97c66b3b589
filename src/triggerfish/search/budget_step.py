"""The best perturbation a budget buys: in L1 a linear program, in closed form; in L2 a turn."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from triggerfish.search.activation_maximization import chunks

VALUES_AT_ONCE = 2**20
"""Values that go through a program together: a dozen copies, which should stay in cache."""


def best_within_budget(
    perturbation: Tensor, slope: Tensor, budget: Tensor, half_width: Tensor, bound: Tensor
) -> Tensor:
    """Optimum z (R, P) of: maximize ``slope . z`` such that ``||z||_1 <= budget``.

    z stays within ``half_width`` of ``perturbation`` (R, P) and in [-``bound``, ``bound``]; budget,
    half_width and bound have one value a row, (R,). A fractional knapsack: every entry first
    returns towards 0 as far as allowed, then the entries of the steepest slope go as far as
    allowed, the last one a fraction of the way. Where even the first part costs more than the
    budget, that part is the answer.
    """
    parts = [
        _program(perturbation[rows], slope[rows], budget[rows], half_width[rows], bound[rows])
        for rows in chunks(len(perturbation), max(1, VALUES_AT_ONCE // perturbation.shape[1]))
    ]
    return torch.cat(parts)


def toward_slope(perturbation: Tensor, slope: Tensor, budget: Tensor, share: float) -> Tensor:
    """``perturbation`` (R, P) turned by ``share`` towards ``slope`` (R, P), at ``budget`` (R,).

    Norms are L2. The best one within the ball is all slope; ``share`` is the trust region's.
    """
    turned = (1 - share) * _unit(perturbation) + share * _unit(slope)
    return _unit(turned) * budget.unsqueeze(1)


def _unit(rows: Tensor) -> Tensor:
    norm: Tensor = rows.norm(dim=1, keepdim=True)
    return rows / norm.clamp_min(torch.finfo(rows.dtype).tiny)


def _program(
    perturbation: Tensor, slope: Tensor, budget: Tensor, half_width: Tensor, bound: Tensor
) -> Tensor:
    half, bound = half_width.unsqueeze(1), bound.unsqueeze(1)
    home = perturbation - perturbation.sign() * torch.minimum(perturbation.abs(), half)
    away = torch.minimum(torch.maximum(perturbation + half * slope.sign(), -bound), bound)
    cost = torch.where(slope == 0, 0.0, (away.abs() - home.abs()).clamp_min(0.0))
    order = _steepest_first(slope)
    costs = cost.gather(1, order)
    before = costs.cumsum(1) - costs
    left = (budget - home.abs().sum(1)).clamp_min(0.0).unsqueeze(1)
    fraction = (left - before) / costs.clamp_min(torch.finfo(perturbation.dtype).tiny)
    share = torch.zeros_like(perturbation).scatter_(1, order, fraction.clamp_(0.0, 1.0))
    return torch.lerp(home, away, share)


def _steepest_first(slope: Tensor) -> Tensor:
    """Indices (R, P) of each row by the size of its ``slope`` (R, P), largest first."""
    size = slope.abs()
    if size.device.type == "cpu":  # numpy sorts with vector instructions, several times as fast
        return torch.from_numpy(np.argsort(-size.numpy(), axis=1))
    return size.argsort(dim=1, descending=True)
