"""Detectors by name. A new one is one file and one line in `DETECTORS`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from triggerfish.detectors.l1_weight import L1WeightConfig, l1_weight
from triggerfish.detectors.last_layer import LastLayerConfig, last_layer
from triggerfish.detectors.min_norm import MinNormConfig, min_norm
from triggerfish.detectors.mm_bd import MMBDConfig, mm_bd
from triggerfish.detectors.pairwise_norm import PairwiseNormConfig, pairwise_norm
from triggerfish.model.classifier import Classifier
from triggerfish.results import ClassScores


@dataclass(frozen=True)
class Detector:
    """A statistic: ``run(classifier, settings, seed)`` gives `ClassScores`.

    ``outlier_test`` judges it when no reference matches, at ``threshold`` (the test's own when
    None). A score between ``doubt`` and ``threshold`` is then neither ordinary nor unheard of.
    """

    summary: str
    config: type[Any]
    run: Callable[[Classifier, Any, int], ClassScores]
    outlier_test: str
    threshold: float | None = None
    doubt: float | None = None


# Fixed thresholds of our detectors: above the largest score (1.30, 1.57) among the 166 clean models
# that the shipped references are made of, whatever their network and task. Doubt begins above
# nearly all clean development models. docs/detection-quality.md says how far both were tested.
DETECTORS: dict[str, Detector] = {
    "min-norm": Detector(
        "smallest change that reaches a class (ours)",
        MinNormConfig,
        min_norm,
        "largest",
        threshold=1.4,
        doubt=1.0,
    ),
    "pairwise-norm": Detector(
        "smallest change from one class to another (ours)",
        PairwiseNormConfig,
        pairwise_norm,
        "largest",
        threshold=1.6,
        doubt=1.1,
    ),
    "l1-weight": Detector(
        "largest L1 weight a class bears (published)", L1WeightConfig, l1_weight, "one-sided-mad"
    ),
    "mm-bd": Detector(
        "largest margin, Wang et al. 2024 (for comparison)", MMBDConfig, mm_bd, "gamma"
    ),
    "last-layer": Detector(
        "outlying last-layer weights (for comparison)",
        LastLayerConfig,
        last_layer,
        "largest",
        3.5,
    ),
}
