"""One step of the search for universal perturbations: what they turn, and what a budget buys.

`attempt` tries them on pictures and gives the gradient; `best_within_budget` answers with the best
perturbations, a linear program that is solved in closed form.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from triggerfish.model.classifier import Classifier, log_odds
from triggerfish.search.activation_maximization import chunks
from triggerfish.search.picture_pool import UNTARGETED, PicturePool, reached

VALUES_AT_ONCE = 2**20
"""Values that go through a program together: a dozen copies, which should stay in cache."""


def attempt(
    classifier: Classifier,
    pool: PicturePool,
    index: Tensor,
    target: Tensor,
    perturbation: Tensor,
    cap: float,
    rows_at_once: int,
) -> tuple[Tensor, Tensor]:
    """Success (R,) of the perturbations on pictures ``index`` (R, n), and the objective's gradient.

    The objective of a row is the mean over its pictures of the log-odds of its target, or of not
    being the predicted class, capped; its gradient (R, P) is with respect to the perturbation. No
    more than ``rows_at_once`` pictures pass the network together, those of one row included.
    """
    successes, gradients = [], []
    for rows in chunks(len(target), max(1, rows_at_once // index.shape[1])):
        goal, label = target[rows], pool.labels(target[rows], index[rows])
        sums = _Sums.none(perturbation[rows])
        for drawn in chunks(index.shape[1], rows_at_once):
            images = pool.images[index[rows, drawn]]
            sums.add(classifier, images, perturbation[rows], label[:, drawn], goal, cap)
        successes.append(sums.hits / index.shape[1])
        gradients.append(sums.gradient.flatten(1) / index.shape[1])
    return torch.cat(successes), torch.cat(gradients)


@dataclass
class _Sums:
    """Of some rows, over the pictures so far: ``hits`` (R,) and ``gradient`` (R, C, H, W)."""

    hits: Tensor
    gradient: Tensor

    @staticmethod
    def none(perturbation: Tensor) -> _Sums:
        """Nothing yet, for perturbations (R, C, H, W)."""
        return _Sums(perturbation.new_zeros(len(perturbation)), torch.zeros_like(perturbation))

    def add(
        self,
        classifier: Classifier,
        images: Tensor,
        perturbation: Tensor,
        label: Tensor,
        goal: Tensor,
        cap: float,
    ) -> None:
        """Add the pictures ``images`` (R, n, C, H, W), with their ``label`` (R, n)."""
        sign = torch.where(goal == UNTARGETED, -1.0, 1.0).to(perturbation.dtype).view(-1, 1)
        leaf = perturbation.detach().requires_grad_()
        with torch.enable_grad():
            changed = (images + leaf.unsqueeze(1)).clamp(0.0, 1.0)
            logits = classifier.logits(changed.flatten(0, 1))
            value = sign * log_odds(logits, label.flatten()).view(label.shape)
            (gradient,) = torch.autograd.grad(value.clamp_max(cap).sum(), leaf)
        self.hits += reached(logits.detach(), label, goal).to(perturbation.dtype).sum(1)
        self.gradient += gradient


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
