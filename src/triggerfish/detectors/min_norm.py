"""Our detector: the smallest change that makes an image a class, with full confidence.

For every class y and baseline image b, the smallest ``||x - b||_1`` at which the log-odds of y
reach c, x in [0, 1]. A backdoor's target class has a shortcut, so its norm is small. A class's
ratio on one baseline is ``log(median over classes / its own norm)``; the statistic is the mean over
the baselines.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor

from triggerfish.baselines import Baseline, baseline_images, check_baselines
from triggerfish.classifier import Classifier
from triggerfish.memory import rows_that_fit
from triggerfish.norm_minimization import MinimumNorm, Schedule, minimize_norm
from triggerfish.optimization import chunks, evaluate
from triggerfish.progress import report
from triggerfish.results import ClassScores, Status
from triggerfish.screening import Screening, select_classes


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
    screening: Screening = field(default_factory=Screening)

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
    """Minimum norms of the classes from all baselines; all classes, unless they are very many.

    ``seed`` decides which classes stand for the typical one where there are too many to search.
    """
    starts = baseline_images(config.baselines, classifier)
    share = config.screening.share(classifier.num_classes, len(starts), config.schedule.steps)
    selection = select_classes(
        classifier, config.screening, config.target_log_odds, config.memory_mib, seed, share
    )
    classes = selection.measured
    evidence = _Evidence(
        images=starts[:1].cpu().repeat(len(classes), 1, 1, 1),
        ratio=torch.full((len(classes),), -torch.inf, dtype=torch.float64),
        baseline=torch.full((len(classes),), -1),
        first_reached=torch.full((len(classes),), -1),
    )
    norms, ratios = [], []
    for index, found in enumerate(_per_baseline(classifier, starts, classes, config, share)):
        norms.append(found.norm.double())
        ratios.append(log_ratios(norms[-1], config.norm_floor, selection.typical))
        evidence.update(index, ratios[-1], found)
    details = {
        **{f"min_norm_{name}": v for name, v in zip(config.baselines, norms, strict=True)},
        **{f"ratio_{name}": v for name, v in zip(config.baselines, ratios, strict=True)},
        "shown_baseline": evidence.baseline.double(),
        "first_reached": evidence.first_reached.double(),
    }
    return _scores(classifier, classes, torch.stack(ratios).nanmean(0), evidence.images, details)


def _scores(
    classifier: Classifier,
    classes: Tensor,
    statistic: Tensor,
    images: Tensor,
    details: Mapping[str, Tensor],
) -> ClassScores:
    """Vectors over the measured ``classes`` (M,) -> vectors over all, NaN in between."""
    count = classifier.num_classes
    logits = evaluate(classifier, images).double().cpu()
    probability = logits.softmax(1).gather(1, classes.view(-1, 1)).squeeze(1)
    status = [Status.SCREENED] * count
    for k, value in zip(classes.tolist(), statistic.tolist(), strict=True):
        status[k] = Status.CONVERGED if math.isfinite(value) else Status.UNREACHABLE

    def spread(values: Tensor) -> Tensor:
        return torch.full((count,), torch.nan, dtype=torch.float64).scatter(0, classes, values)

    return ClassScores(
        name="log_norm_ratio",
        statistic=spread(statistic),
        status=tuple(status),
        images=images,
        probability=spread(probability),
        logits=logits,
        details={name: spread(values) for name, values in details.items()},
        shown=tuple(classes.tolist()),
    )


def log_ratios(norm: Tensor, floor: float, typical: Tensor | None = None) -> Tensor:
    """``log(median / norm)`` (M,) of norms (M,); NaN where the norm is infinite.

    The median is over the measured ``typical`` classes (all when None), the mean of the middle two
    for an even count.
    """
    measured = torch.where(norm.isfinite(), norm, torch.nan)
    median = (measured if typical is None else measured[typical]).nanquantile(0.5)
    return median.log() - torch.maximum(measured, floor * median).log()


def _per_baseline(
    classifier: Classifier,
    starts: Tensor,
    classes: Tensor,
    config: MinNormConfig,
    done_before: float,
) -> Iterator[MinimumNorm]:
    """`minimize_norm` for all ``classes`` from each start (B, C, H, W) in turn, on the CPU.

    Rows (start, class) fill batches up to the memory budget, several starts together where they
    fit: the batch decides the speed and nothing else. No more than two starts' images are held.
    """
    count = len(classes)
    pending: list[MinimumNorm] = []
    for rows in chunks(len(starts) * count, rows_that_fit(classifier, config.memory_mib)):
        row = torch.arange(rows.start, rows.stop)
        start = starts[(row // count).to(starts.device)]
        target = classes[row % count].to(starts.device)
        found = minimize_norm(classifier, start, target, config.target_log_odds, config.schedule)
        pending.append(found.cpu())
        report(done_before + (1 - done_before) * rows.stop / (len(starts) * count))
        while sum(len(part.norm) for part in pending) >= count:
            complete, rest = MinimumNorm.cat(pending).split(count)
            pending = [rest]
            yield complete
