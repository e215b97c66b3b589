"""For source-specific and all-to-all attacks: the smallest step from one class to another.

From several synthesized exemplars of class s, the smallest ``||d||_1`` of one perturbation d that
makes them all class t. The matrix of ``-log`` norms loses its row and column medians; a pair that a
trigger serves stands out. A class's statistic is that of its most suspicious source.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import ClassVar

import torch
from torch import Tensor

from triggerfish.detectors.base import Detector, check_search, setting
from triggerfish.detectors.pair_scores import pair_scores
from triggerfish.errors import UnsupportedModelError
from triggerfish.model.classifier import Classifier
from triggerfish.results import ClassScores, Pairs
from triggerfish.search.activation_maximization import chunks
from triggerfish.search.baselines import Baseline, baseline_images, check_baselines, cloud_images
from triggerfish.search.batching import rows_that_fit
from triggerfish.search.minimum_norm import MinimumNorm, Schedule, minimize_norm
from triggerfish.search.progress import report
from triggerfish.search.shared_change import NO_CHANGE, SCALE, apply_change, shared_change
from triggerfish.statistics.outliers import Largest
from triggerfish.statistics.scores import median_polish


@dataclass(frozen=True)
class PairwiseNorm(Detector):
    """The smallest perturbation that leads one class to another; one norm per pair of classes.

    An exemplar is the smallest perturbation of a baseline at which its class's log-odds reach
    ``exemplar_log_odds``; about 5 is what real images have. ``target_log_odds`` 0 is as probable as
    all other classes together: a trigger hardly does more on an exemplar. One exemplar per class
    comes from each of ``baselines`` and ``clouds``. The work grows with the square of the classes.

    The fixed threshold lies above the largest score (1.57) among the 166 clean models that the
    shipped references are made of; suspicion begins above nearly all clean development models.

    Example:
        >>> import triggerfish as tf
        >>> scores = tf.PairwiseNorm(steps=5, rounds=1)(classifier, seed=0)
        >>> scores.statistic.shape
        torch.Size([10])
    """

    name: ClassVar[str] = "pairwise-norm"
    summary: ClassVar[str] = "smallest perturbation from one class to another (ours)"
    outlier_test: ClassVar[Largest] = Largest()

    exemplar_log_odds: float = setting(5.0, "Log-odds that an exemplar's own class must reach")
    target_log_odds: float = setting(0.0, "Log-odds that a changed exemplar must reach")
    baselines: tuple[Baseline, ...] = setting(
        (0.0, 0.15, 0.3), "Images that searches start from: grey levels in [0, 1] or image files"
    )
    clouds: tuple[float, ...] = setting(
        (0.2, 0.3, 0.4, 0.5, 0.3), "Brightness in (0, 1] of blurred noise that exemplars start from"
    )
    steps: int = setting(30, "Linear programs per search")
    rounds: int = setting(3, "Searches per class that is not reached, each twice as long")
    memory_mib: float = setting(512.0, "Memory that a batch may take", "MiB")
    max_classes: int = setting(64, "Number of classes above which a model is refused")

    def __post_init__(self) -> None:
        check_baselines(self.baselines)
        check_search(self.target_log_odds, self.memory_mib)
        if not all(0 < top <= 1 for top in self.clouds):
            raise ValueError(f"expected clouds of a brightness in (0, 1], got {self.clouds}")
        if self.max_classes < 2:
            raise ValueError(f"expected max_classes >= 2, got {self.max_classes}")
        if not self.exemplar_log_odds + self.target_log_odds > 0:
            raise ValueError(
                "expected exemplar_log_odds + target_log_odds > 0, so that no exemplar is a "
                f"target from the start, got {self.exemplar_log_odds} + {self.target_log_odds}"
            )
        _ = self.schedule  # it checks its own numbers

    @property
    def schedule(self) -> Schedule:
        """The schedule of every search."""
        return Schedule(steps=self.steps, rounds=self.rounds)

    def __call__(self, classifier: Classifier, seed: int = 0) -> ClassScores:
        """Scores of all pairs and, for every class, of its most suspicious source.

        ``seed`` decides the clouds. A pair that no perturbation serves is NaN, and so is a class
        without any measured pair. The image of a class is an exemplar of that source, changed.
        """
        count = classifier.num_classes
        if count > self.max_classes:
            raise UnsupportedModelError(
                f"expected at most {self.max_classes} classes for {self.name}, got {count}: "
                "the work grows with their square; raise --max-classes, or use min-norm"
            )
        exemplars = synthesize_exemplars(classifier, self, seed)
        norm, perturbations = _pair_norms(classifier, exemplars, self)
        return _scores(classifier, exemplars, norm, perturbations)


def _pair_norms(
    classifier: Classifier, exemplars: tuple[Tensor, ...], config: PairwiseNorm
) -> tuple[Tensor, Tensor]:
    """Norms (K, K) of the smallest perturbations and the changes themselves (K, K, C, H, W)."""
    count = classifier.num_classes
    norm = torch.full((count, count), torch.nan, dtype=torch.float64)
    perturbations = torch.full(
        (count, count, *classifier.input_shape), NO_CHANGE, dtype=classifier.dtype
    )
    for source, images in enumerate(exemplars):
        others = torch.tensor([k for k in range(count) if k != source])
        if len(images):
            found = _smallest_perturbations(classifier, images, others, config)
            norm[source, others] = _measured(SCALE * found.norm.double())
            perturbations[source, others] = found.images
        report((source + 2) / (count + 1))
    return norm, perturbations


def _scores(
    classifier: Classifier, exemplars: tuple[Tensor, ...], norm: Tensor, perturbations: Tensor
) -> ClassScores:
    pairs = Pairs(median_polish(-norm.log()), norm)
    shown = partial(_shown, classifier, exemplars, perturbations)
    return pair_scores(classifier, "pair_residual", pairs, "pair_norm", shown)


def synthesize_exemplars(
    classifier: Classifier, config: PairwiseNorm, seed: int = 0
) -> tuple[Tensor, ...]:
    """For each class its exemplars (E, C, H, W), fewer where a baseline did not get there."""
    count = classifier.num_classes
    starts = baseline_images(config.baselines, classifier)
    if config.clouds:
        starts = torch.cat([starts, cloud_images(config.clouds, classifier, seed)])
    parts = []
    for rows in chunks(len(starts) * count, rows_that_fit(classifier, config.memory_mib)):
        row = torch.arange(rows.start, rows.stop, device=starts.device)
        parts.append(
            minimize_norm(
                classifier,
                starts[row // count],
                row % count,
                config.exemplar_log_odds,
                config.schedule,
            )
        )
    found = MinimumNorm.cat(parts)
    report(1 / (count + 1))
    images = found.images.view(len(starts), count, *classifier.input_shape)
    reached = found.norm.isfinite().view(len(starts), count)
    return tuple(images[reached[:, k], k] for k in range(count))


def _smallest_perturbations(
    classifier: Classifier, images: Tensor, targets: Tensor, config: PairwiseNorm
) -> MinimumNorm:
    """The smallest perturbation of all ``images`` (E, C, H, W) for each of ``targets`` (T,)."""
    view = shared_change(classifier, images)
    parts = []
    for rows in chunks(len(targets), rows_that_fit(view, config.memory_mib)):
        target = targets[rows].to(images.device)
        start = torch.full_like(images[:1], NO_CHANGE).repeat(len(target), 1, 1, 1)
        found = minimize_norm(view, start, target, config.target_log_odds, config.schedule)
        parts.append(found.cpu())
    return MinimumNorm.cat(parts)


def _measured(norm: Tensor) -> Tensor:
    return torch.where(norm.isfinite(), norm, torch.nan)


def _shown(
    classifier: Classifier, exemplars: tuple[Tensor, ...], perturbations: Tensor, sources: Tensor
) -> Tensor:
    """Per class (K, C, H, W) the first exemplar of its source, with the perturbation."""

    def first(source: int) -> Tensor:
        images = exemplars[source]
        return images[0] if len(images) else torch.zeros(classifier.input_shape).to(images)

    images = torch.stack([first(source) for source in sources.tolist()])
    perturbation = perturbations[sources, torch.arange(len(sources))].to(images)
    return apply_change(images, perturbation)
