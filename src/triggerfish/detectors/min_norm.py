"""Our detector: the smallest change that makes an image a class, with full confidence.

For every class y and baseline image b, the smallest ``||x - b||_1`` at which the log-odds of y
reach c, x in [0, 1]. A backdoor's target class has a shortcut, so its norm is small. A class's
ratio on one baseline is ``log(median over classes / its own norm)``; the statistic is the mean over
the baselines, each divided by the spread that clean models show on it.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import Tensor

from triggerfish.classifier import Classifier
from triggerfish.memory import rows_that_fit
from triggerfish.norm_minimization import MinimumNorm, Schedule, minimize_norm
from triggerfish.optimization import chunks, evaluate
from triggerfish.results import ClassScores, Status


@dataclass(frozen=True)
class MinNormConfig:
    """Settings of the search.

    ``target_log_odds`` 9.21 is the published probability 0.9999. ``baselines`` are grey levels in
    [0, 1]. A norm under ``norm_floor`` times the median counts as that much: it keeps the ratio
    finite where the baseline itself already is the class. ``memory_mib`` bounds the batch.
    """

    target_log_odds: float = 9.21
    baselines: tuple[float, ...] = (0.0, 0.3, 0.5, 1.0)
    schedule: Schedule = field(default_factory=Schedule)
    norm_floor: float = 0.01
    memory_mib: float = 512.0

    def __post_init__(self) -> None:
        if not self.baselines or not all(0 <= b <= 1 for b in self.baselines):
            raise ValueError(f"expected baselines in [0, 1], got {self.baselines}")
        if not 0 < self.norm_floor < 1:
            raise ValueError(f"expected 0 < norm_floor < 1, got {self.norm_floor}")


def min_norm(classifier: Classifier, config: MinNormConfig, seed: int = 0) -> ClassScores:
    """Minimum norms of all classes from all baselines. Deterministic: ``seed`` is not used."""
    count, grid = classifier.num_classes, len(config.baselines)
    target = torch.arange(count, device=classifier.device).repeat(grid)
    levels = torch.tensor(config.baselines, device=classifier.device, dtype=classifier.dtype)
    found = _in_chunks(classifier, levels.repeat_interleave(count), target, config)
    norms = found.norm.view(grid, count).double().cpu()
    ratios = log_ratios(norms, config.norm_floor)
    statistic = ratios.nanmean(0)
    # A baseline that is the class as it stands shows nothing: prefer one that had to change.
    telling = torch.where(norms > 0, ratios, -torch.inf)
    shown = telling.nan_to_num(-torch.inf).argmax(0)
    images = found.images.view(grid, count, *classifier.input_shape)[shown, range(count)]
    logits = evaluate(classifier, images.to(classifier.device)).double().cpu()
    return ClassScores(
        name="log_norm_ratio",
        statistic=statistic,
        status=tuple(
            Status.CONVERGED if ok else Status.UNREACHABLE for ok in statistic.isfinite().tolist()
        ),
        images=images,
        probability=logits.softmax(1).diagonal(),
        logits=logits,
        details={
            **{f"min_norm_{b:g}": norms[i] for i, b in enumerate(config.baselines)},
            **{f"log_ratio_{b:g}": ratios[i] for i, b in enumerate(config.baselines)},
            "first_reached": found.first_reached.view(grid, count)[
                shown.to(target), range(count)
            ].cpu(),
            "baseline": torch.tensor(config.baselines, dtype=torch.float64)[shown],
        },
    )


def log_ratios(norms: Tensor, floor: float) -> Tensor:
    """``log(median / norm)`` (B, K) of norms (B, K); NaN where the norm is infinite.

    The median is over the measured classes, the mean of the middle two for an even count.
    """
    measured = torch.where(norms.isfinite(), norms, torch.nan)
    median = measured.nanquantile(0.5, dim=1, keepdim=True)
    return median.log() - torch.maximum(measured, floor * median).log()


def _in_chunks(
    classifier: Classifier, levels: Tensor, target: Tensor, config: MinNormConfig
) -> MinimumNorm:
    """`minimize_norm` over rows (level, target) in batches that fit the memory budget."""
    parts = []
    for rows in chunks(len(target), rows_that_fit(classifier, config.memory_mib)):
        baseline = levels[rows].view(-1, 1, 1, 1).expand(-1, *classifier.input_shape).contiguous()
        parts.append(
            minimize_norm(
                classifier, baseline, target[rows], config.target_log_odds, config.schedule
            )
        )
    return MinimumNorm(
        images=torch.cat([p.images.cpu() for p in parts]),
        norm=torch.cat([p.norm for p in parts]),
        first_reached=torch.cat([p.first_reached for p in parts]),
        steps=torch.cat([p.steps for p in parts]),
    )
