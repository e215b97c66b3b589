"""One step of the search for universal perturbations: what they flip, and what a budget buys.

`attempt` tries them on pictures and gives the gradient; `best_within_budget` answers with the best
perturbations, a linear program that is solved in closed form.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import normalize

from triggerfish.model.classifier import Classifier, log_odds
from triggerfish.search.activation_maximization import chunks
from triggerfish.search.minimum_norm import knapsack
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
        sign = torch.where(goal == UNTARGETED, -1.0, 1.0).to(perturbation.dtype).view(-1, 1)
        hits, total = perturbation.new_zeros(len(goal)), torch.zeros_like(perturbation[rows])
        for drawn in chunks(index.shape[1], rows_at_once):
            wanted = label[:, drawn]
            leaf = perturbation[rows].detach().requires_grad_()
            with torch.enable_grad():
                changed = (pool.images[index[rows, drawn]] + leaf.unsqueeze(1)).clamp(0.0, 1.0)
                logits = classifier.logits(changed.flatten(0, 1))
                value = sign * log_odds(logits, wanted.flatten()).view(wanted.shape)
                # A won image pulls no more: else the step is spent on what is reached already.
                (gradient,) = torch.autograd.grad(value.clamp_max(cap).sum(), leaf)
            hits += reached(logits.detach(), wanted, goal).to(perturbation.dtype).sum(1)
            total += gradient
        successes.append(hits / index.shape[1])
        gradients.append(total.flatten(1) / index.shape[1])
    return torch.cat(successes), torch.cat(gradients)


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
    parts = []
    for rows in chunks(len(perturbation), max(1, VALUES_AT_ONCE // perturbation.shape[1])):
        now, steep = perturbation[rows], slope[rows]
        half, most = half_width[rows].unsqueeze(1), bound[rows].unsqueeze(1)
        home = now - now.sign() * torch.minimum(now.abs(), half)
        away = torch.minimum(torch.maximum(now + half * steep.sign(), -most), most)
        # Without a slope an entry has nowhere to go: it must take none of the budget.
        cost = torch.where(steep == 0, 0.0, (away.abs() - home.abs()).clamp_min(0.0))
        left = (budget[rows] - home.abs().sum(1)).clamp_min(0.0)
        parts.append(knapsack(home, away, steep, cost, left))
    return torch.cat(parts)


def toward_slope(perturbation: Tensor, slope: Tensor, budget: Tensor, share: float) -> Tensor:
    """``perturbation`` (R, P) turned by ``share`` towards ``slope`` (R, P), at ``budget`` (R,).

    Norms are L2. The best one within the ball is all slope; ``share`` is the trust region's.
    """
    least = torch.finfo(perturbation.dtype).tiny  # a row of zeros stays one
    ahead, now = (normalize(rows, dim=1, eps=least) for rows in (slope, perturbation))
    turned = (1 - share) * now + share * ahead
    return normalize(turned, dim=1, eps=least) * budget.unsqueeze(1)
