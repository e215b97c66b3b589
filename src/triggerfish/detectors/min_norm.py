"""Our detector: the smallest change that makes an image a class, with full confidence.

For every class y and baseline image b, the smallest ``||x - b||_1`` at which the log-odds of y
reach c, x in [0, 1]. A backdoor's target class has a shortcut, so its norm is small. A class's
ratio on one baseline is ``log(median over classes / its own norm)``; the statistic is the mean over
the baselines.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import torch
from torch import Tensor

from triggerfish.baselines import Baseline, baseline_images, check_baselines
from triggerfish.classifier import Classifier
from triggerfish.memory import rows_that_fit
from triggerfish.norm_minimization import MinimumNorm, Schedule, minimize_norm
from triggerfish.optimization import chunks, evaluate
from triggerfish.results import ClassScores, Status


@dataclass(frozen=True)
class MinNormConfig:
    """Settings of the search.

    ``target_log_odds`` 9.21 is the published probability 0.9999. ``baselines`` are grey levels in
    [0, 1] or image files. A norm under ``norm_floor`` times the median counts as that much: it
    keeps the ratio finite where the baseline itself already is the class. ``memory_mib`` bounds
    the batch.
    """

    target_log_odds: float = 9.21
    baselines: tuple[Baseline, ...] = (0.0, 0.3, 0.5, 1.0)
    schedule: Schedule = field(default_factory=Schedule)
    norm_floor: float = 0.01
    memory_mib: float = 512.0

    def __post_init__(self) -> None:
        check_baselines(self.baselines)
        if not 0 < self.norm_floor < 1:
            raise ValueError(f"expected 0 < norm_floor < 1, got {self.norm_floor}")
        if self.memory_mib <= 0:
            raise ValueError(f"expected a memory budget > 0 MiB, got {self.memory_mib}")


@dataclass
class _Evidence:
    """Per class, what is shown: the baseline with the largest ratio so far, and its image."""

    images: Tensor
    ratio: Tensor
    baseline: Tensor
    first_reached: Tensor

    def update(self, index: int, ratio: Tensor, found: MinimumNorm) -> None:
        """Take over the classes whose ``ratio`` (K,) on baseline ``index`` is the largest yet."""
        better = ratio.nan_to_num(-torch.inf) > self.ratio
        self.images[better] = found.images[better]
        self.ratio[better], self.baseline[better] = ratio[better], index
        self.first_reached[better] = found.first_reached[better]


def min_norm(classifier: Classifier, config: MinNormConfig, seed: int = 0) -> ClassScores:
    """Minimum norms of all classes from all baselines. Deterministic: ``seed`` is not used."""
    starts, count = baseline_images(config.baselines, classifier), classifier.num_classes
    evidence = _Evidence(
        images=starts[:1].cpu().repeat(count, 1, 1, 1),
        ratio=torch.full((count,), -torch.inf, dtype=torch.float64),
        baseline=torch.full((count,), -1),
        first_reached=torch.full((count,), -1),
    )
    norms, ratios = [], []
    for index, found in enumerate(_per_baseline(classifier, starts, config)):
        norms.append(found.norm.double())
        ratios.append(log_ratios(norms[-1], config.norm_floor))
        evidence.update(index, ratios[-1], found)
    statistic = torch.stack(ratios).nanmean(0)
    logits = evaluate(classifier, evidence.images).double().cpu()
    return ClassScores(
        name="log_norm_ratio",
        statistic=statistic,
        status=tuple(
            Status.CONVERGED if ok else Status.UNREACHABLE for ok in statistic.isfinite().tolist()
        ),
        images=evidence.images,
        probability=logits.softmax(1).diagonal(),
        logits=logits,
        details={
            **{
                f"min_norm_{name}": norm for name, norm in zip(config.baselines, norms, strict=True)
            },
            **{
                f"ratio_{name}": ratio for name, ratio in zip(config.baselines, ratios, strict=True)
            },
            "shown_baseline": evidence.baseline,
            "first_reached": evidence.first_reached,
        },
    )


def log_ratios(norm: Tensor, floor: float) -> Tensor:
    """``log(median / norm)`` (K,) of norms (K,); NaN where the norm is infinite.

    The median is over the measured classes, the mean of the middle two for an even count.
    """
    measured = torch.where(norm.isfinite(), norm, torch.nan)
    median = measured.nanquantile(0.5)
    return median.log() - torch.maximum(measured, floor * median).log()


def _per_baseline(
    classifier: Classifier, starts: Tensor, config: MinNormConfig
) -> Iterator[MinimumNorm]:
    """`minimize_norm` for all classes from each start (B, C, H, W) in turn, on the CPU.

    Rows (start, class) fill batches up to the memory budget, several starts together where they
    fit: the batch decides the speed and nothing else. No more than two starts' images are held.
    """
    count = classifier.num_classes
    pending: list[MinimumNorm] = []
    for rows in chunks(len(starts) * count, rows_that_fit(classifier, config.memory_mib)):
        row = torch.arange(rows.start, rows.stop, device=classifier.device)
        found = minimize_norm(
            classifier, starts[row // count], row % count, config.target_log_odds, config.schedule
        )
        pending.append(found.cpu())
        while sum(len(part.norm) for part in pending) >= count:
            complete, rest = MinimumNorm.cat(pending).split(count)
            pending = [rest]
            yield complete
