"""Our detector: the smallest perturbation that makes an image a class, with full confidence.

For every class y and baseline image b, the smallest ``||x - b||_1`` at which the log-odds of y
reach c, x in [0, 1]. A backdoor's target class has a shortcut, so its norm is small. A class's
ratio on one baseline is ``log(median over classes / its own norm)``; the statistic is the mean over
the baselines, each weighted by how well it agrees on what is normal (`combined`).
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import reduce
from typing import ClassVar

import torch
from torch import Tensor

from triggerfish.detectors.base import Detector, check_search, setting
from triggerfish.model.classifier import Classifier
from triggerfish.results import BaselineNorms, ClassScores, Status
from triggerfish.search.activation_maximization import chunks, evaluate
from triggerfish.search.baselines import Baseline, baseline_images, check_baselines
from triggerfish.search.batching import rows_that_fit
from triggerfish.search.minimum_norm import MinimumNorm, Schedule, minimize_norm
from triggerfish.search.progress import report
from triggerfish.search.screening import Screening, Selection, select_classes
from triggerfish.statistics.outliers import MAD_TO_SIGMA, Largest


@dataclass(frozen=True)
class MinNorm(Detector):
    """The smallest perturbation that makes an image a class; one norm per class and baseline.

    Each search runs ``restarts`` times, first from the baseline itself and then from the baseline
    with noise; the smallest norm counts, and the runs apart show how far the verdict depends on
    the start. ``norm_floor`` keeps the ratio finite where the baseline itself already is the class.
    With more than ``screen_above`` classes, ``candidates`` and a random ``sample`` are searched.

    The fixed threshold lies above the largest score (1.30) among the 166 clean models that the
    shipped references are made of, whatever their network and task; suspicion begins above nearly
    all clean development models. docs/detection-quality.md says how far both were tested.

    Example:
        >>> import triggerfish as tf
        >>> scores = tf.MinNorm(steps=5, restarts=1)(classifier, seed=0)
        >>> scores.statistic.shape
        torch.Size([10])
    """

    name: ClassVar[str] = "min-norm"
    summary: ClassVar[str] = "smallest perturbation that reaches a class (ours)"
    outlier_test: ClassVar[Largest] = Largest()

    target_log_odds: float = setting(
        9.21, "Log-odds that a class must reach; 9.21 is the published probability 0.9999"
    )
    baselines: tuple[Baseline, ...] = setting(
        (0.0, 0.3, 0.5, 1.0),
        "Images that searches start from: grey levels in [0, 1] or image files",
    )
    steps: int = setting(30, "Linear programs per search")
    rounds: int = setting(3, "Searches per class that is not reached, each twice as long")
    restarts: int = setting(2, "Runs of each search, all but one from noise")
    jitter: float = setting(0.1, "Largest noise per pixel at a restart", "pixel ranges")
    norm_floor: float = setting(0.01, "Norm that smaller ones count as", "median norms")
    memory_mib: float = setting(512.0, "Memory that a batch may take", "MiB")
    screen_above: int = setting(200, "Number of classes above which a first pass chooses some")
    candidates: int = setting(32, "Classes that the first pass chooses")
    sample: int = setting(64, "Random classes that they are compared with")

    def __post_init__(self) -> None:
        check_baselines(self.baselines)
        check_search(self.target_log_odds, self.memory_mib)
        if not 0 < self.norm_floor < 1:
            raise ValueError(f"expected 0 < norm_floor < 1, got {self.norm_floor}")
        if self.restarts < 1 or not 0 <= self.jitter <= 1:
            raise ValueError(
                f"expected restarts >= 1 and 0 <= jitter <= 1, got {self.restarts}, {self.jitter}"
            )
        _ = self.schedule, self.screening  # they check their own numbers

    @property
    def schedule(self) -> Schedule:
        """The schedule of every search."""
        return Schedule(steps=self.steps, rounds=self.rounds)

    @property
    def screening(self) -> Screening:
        """How classes are chosen where they are very many."""
        return Screening(self.screen_above, self.candidates, self.sample)

    def __call__(self, classifier: Classifier, seed: int = 0) -> ClassScores:
        """Minimum norms of the classes from all baselines; all classes, unless they are very many.

        ``seed`` decides the noise of the restarts, and which classes stand for the typical one
        where there are too many to search.
        """
        baselines = baseline_images(self.baselines, classifier)
        searches = len(baselines) * self.restarts
        share = self.screening.share(classifier.num_classes, searches, self.steps)
        selection = select_classes(
            classifier, self.screening, self.target_log_odds, self.memory_mib, seed, share
        )
        found = _searches(classifier, baselines, selection.measured, self, seed, share)
        return _gathered(classifier, selection, baselines, found, self)


def _gathered(
    classifier: Classifier,
    selection: Selection,
    baselines: Tensor,
    found: Iterator[MinimumNorm],
    config: MinNorm,
) -> ClassScores:
    """The scores from ``found``, the results of all runs, baseline by baseline.

    What is shown of a class is its image on the baseline with the largest ratio.
    """
    classes, typical = selection.measured, selection.typical
    images = baselines[:1].cpu().repeat(len(classes), 1, 1, 1)
    largest = torch.full((len(classes),), -torch.inf, dtype=torch.float64)
    shown = torch.full((len(classes),), -1)
    first_reached = shown.clone()
    norms, ratios, apart = [], [], []
    for index in range(len(baselines)):
        runs = [next(found) for _ in range(config.restarts)]
        best = reduce(MinimumNorm.or_better, runs)
        norms.append(best.norm.double())
        ratios.append(log_ratios(norms[-1], config.norm_floor, typical))
        apart.append([log_ratios(run.norm.double(), config.norm_floor, typical) for run in runs])
        # A baseline that already is the class shows nothing, so any other goes before it.
        rank = torch.where(best.norm > 0, ratios[-1], torch.finfo(torch.float64).min)
        better = rank.nan_to_num(-torch.inf) > largest
        images[better], largest[better], shown[better] = best.images[better], rank[better], index
        first_reached[better] = best.first_reached[better]
    statistics = [torch.stack(ratios), *(torch.stack(run) for run in zip(*apart, strict=True))]
    together, *single = (combined(ratio, typical) for ratio in statistics)

    def spread(values: Tensor) -> Tensor:
        """Vectors over the measured classes (M,) -> over all (K,), NaN in between."""
        blank = torch.full((classifier.num_classes,), torch.nan, dtype=torch.float64)
        return blank.scatter(0, classes, values)

    logits = evaluate(classifier, images).double().cpu()
    status = [Status.SCREENED] * classifier.num_classes
    for k, value in zip(classes.tolist(), together.tolist(), strict=True):
        status[k] = Status.CONVERGED if math.isfinite(value) else Status.UNREACHABLE
    measured = zip(map(str, config.baselines), norms, ratios, strict=True)
    return ClassScores(
        name="log_norm_ratio",
        statistic=spread(together),
        status=tuple(status),
        images=images,
        probability=spread(logits.softmax(1).gather(1, classes.view(-1, 1)).squeeze(1)),
        logits=logits,
        norms=tuple(BaselineNorms(name, spread(norm), spread(r)) for name, norm, r in measured),
        shown_baseline=spread(shown.double()),
        details={"first_reached": spread(first_reached.double())},
        shown=tuple(classes.tolist()),
        restarts=torch.stack([spread(run) for run in single]),
    )


def log_ratios(norm: Tensor, floor: float, typical: Tensor | None = None) -> Tensor:
    """``log(median / norm)`` (M,) of norms (M,); NaN where the norm is infinite.

    The median is over the measured ``typical`` classes (all when None), the mean of the middle two
    for an even count.
    """
    measured = torch.where(norm.isfinite(), norm, torch.nan)
    median = (measured if typical is None else measured[typical]).nanquantile(0.5)
    return median.log() - torch.maximum(measured, floor * median).log()


# What thirty steps leave in a log norm on the average (docs/performance.md, mean excess).
_SEARCH_NOISE = 0.1


def combined(ratios: Tensor, typical: Tensor | None = None) -> Tensor:
    """Mean over baselines of log-ratios (B, M) weighted by the inverse of their variance, (M,).

    A baseline's variance is estimated among the (``typical``) classes by their median absolute
    deviation, plus that of the search: where clean classes differ by much anyway, as they do far
    from the images that the network was trained on, one more difference says little. The inverse
    of the variance makes the weighted mean of unequal measurements the most precise one (Aitken
    1935). NaN where a class was measured on no baseline.
    """
    usual = ratios if typical is None else ratios[:, typical]
    deviation = (usual - usual.nanquantile(0.5, dim=1, keepdim=True)).abs()
    sigma = deviation.nanquantile(0.5, dim=1) / MAD_TO_SIGMA
    weight = (1 / (sigma**2 + _SEARCH_NOISE**2)).view(-1, 1)
    measured = ratios.isfinite()
    total = torch.where(measured, weight, 0).sum(0)
    return torch.where(measured, weight * ratios, 0).sum(0) / total


def _searches(
    classifier: Classifier,
    baselines: Tensor,
    classes: Tensor,
    config: MinNorm,
    seed: int,
    done_before: float,
) -> Iterator[MinimumNorm]:
    """`minimize_norm` for all ``classes``, run by run of each baseline (B, C, H, W), on the CPU.

    Rows (baseline, run, class) fill batches up to the memory budget, several runs together where
    they fit: the batch decides the speed and nothing else. No more than two runs' images are held.
    """
    count, device = len(classes), baselines.device
    # What each run adds to its baseline: nothing in the first.
    generator = torch.Generator().manual_seed(seed)
    noise = torch.rand(config.restarts, *classifier.input_shape, generator=generator)
    noise = noise.mul_(2).sub_(1).mul_(config.jitter)
    noise[0] = 0
    noise = noise.to(classifier.device, classifier.dtype)
    total = len(baselines) * config.restarts * count
    pending: list[MinimumNorm] = []
    for rows in chunks(total, rows_that_fit(classifier, config.memory_mib)):
        row = torch.arange(rows.start, rows.stop)
        run = (row // count).to(device)
        baseline = baselines[run // config.restarts]
        start = (baseline + noise[run % config.restarts]).clamp_(0.0, 1.0)
        target = classes[row % count].to(device)
        found = minimize_norm(
            classifier, baseline, target, config.target_log_odds, config.schedule, start
        )
        pending.append(found.cpu())
        report(done_before + (1 - done_before) * rows.stop / total)
        while sum(len(part.norm) for part in pending) >= count:
            complete, rest = MinimumNorm.cat(pending).split(count)
            pending = [rest]
            yield complete
