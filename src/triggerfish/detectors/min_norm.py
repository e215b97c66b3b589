"""Our detector: the smallest change that makes an image a class, with full confidence.

For every class y and baseline image b, the smallest ``||x - b||_1`` with log-odds of y at least c,
x in [0, 1]. A backdoor's target class has a shortcut, so its norm is small. The statistic of a
class is ``log(median over classes / its own norm)``, combined over the baselines.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from triggerfish.classifier import Classifier
from triggerfish.optimization import OBJECTIVES, Adam, evaluate, objective_and_gradient
from triggerfish.results import ClassScores, Status


@dataclass(frozen=True)
class MinNormConfig:
    """Settings of the search.

    ``target_log_odds`` 9.21 is the published probability 0.9999; ``baselines`` are grey levels in
    [0, 1]; ``lr`` is in units of the [0, 1] box a step.
    """

    target_log_odds: float = 9.21
    baselines: tuple[float, ...] = (0.0, 0.3, 0.5, 1.0)
    steps: int = 150
    lr: float = 0.1

    def __post_init__(self) -> None:
        if not self.baselines or not all(0 <= b <= 1 for b in self.baselines):
            raise ValueError(f"expected baselines in [0, 1], got {self.baselines}")
        if self.steps < 1 or self.lr <= 0:
            raise ValueError(f"expected steps >= 1 and lr > 0, got {self.steps} and {self.lr}")


@dataclass(frozen=True)
class MinNorms:
    """Best feasible images of N rows: ``norm`` (N,), infinite where none was found."""

    images: Tensor
    norm: Tensor
    first_reached: Tensor


@torch.no_grad()
def minimize_norm(
    classifier: Classifier, baseline: Tensor, target: Tensor, config: MinNormConfig
) -> MinNorms:
    """Smallest L1 distance from ``baseline`` (N, C, H, W) at which ``target`` (N,) is reached."""
    x, best = baseline.clone(), baseline.clone()
    norm = torch.full_like(baseline[:, 0, 0, 0], torch.inf)
    first = torch.full_like(target, -1)
    weight = torch.full_like(norm, 0.1)
    adam = Adam(x, config.lr)
    for step in range(config.steps):
        value, gradient = objective_and_gradient(classifier, x, target, OBJECTIVES["log-odds"])
        distance = (x - baseline).abs().flatten(1).sum(1)
        feasible = value >= config.target_log_odds
        better = feasible & (distance < norm)
        norm = torch.where(better, distance, norm)
        best[better] = x[better]
        first[feasible & (first < 0)] = step
        weight = torch.where(feasible, weight * 1.1, weight * 0.9)
        adam.step_(x, weight.view(-1, 1, 1, 1) * (x - baseline).sign() - gradient)
        x.clamp_(0.0, 1.0)
    return MinNorms(best, norm, first)


def min_norm(classifier: Classifier, config: MinNormConfig, seed: int = 0) -> ClassScores:
    """Log-ratio of the median minimum norm to each class's own, mean over the baselines."""
    count, grid = classifier.num_classes, len(config.baselines)
    levels = torch.tensor(config.baselines, device=classifier.device, dtype=classifier.dtype)
    baseline = levels.view(-1, 1, 1, 1, 1).expand(grid, count, *classifier.input_shape)
    target = torch.arange(count, device=classifier.device).expand(grid, count)
    found = minimize_norm(classifier, baseline.flatten(0, 1).contiguous(), target.flatten(), config)
    norms = found.norm.view(grid, count).double().cpu()
    ratios = norms.median(1, keepdim=True).values.log() - norms.log()
    statistic = ratios.mean(0)
    logits = evaluate(classifier, found.images).view(grid, count, -1).double()
    images = found.images.view(grid, count, *classifier.input_shape)
    return ClassScores(
        name="log_norm_ratio",
        statistic=torch.where(statistic.isfinite(), statistic, torch.nan),
        status=tuple(Status.CONVERGED if s else Status.UNREACHABLE for s in statistic.isfinite()),
        images=images[0].cpu(),
        probability=logits[0].softmax(1).diagonal().cpu(),
        logits=logits[0].cpu(),
        details={f"min_norm_{b:g}": norms[i] for i, b in enumerate(config.baselines)},
    )
