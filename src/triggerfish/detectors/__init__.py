"""Detectors by name. A new one is one file and one line in `DETECTORS`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from triggerfish.classifier import Classifier
from triggerfish.detectors.l1_weight import L1WeightConfig, l1_weight
from triggerfish.detectors.last_layer import LastLayerConfig, last_layer
from triggerfish.detectors.min_norm import MinNormConfig, min_norm
from triggerfish.detectors.mm_bd import MMBDConfig, mm_bd
from triggerfish.results import ClassScores


@dataclass(frozen=True)
class Detector:
    """A published or own statistic: ``run(classifier, settings, seed)`` gives `ClassScores`."""

    summary: str
    config: type[Any]
    run: Callable[[Classifier, Any, int], ClassScores]


DETECTORS: dict[str, Detector] = {
    "l1-weight": Detector("largest L1 weight a class bears (published)", L1WeightConfig, l1_weight),
    "min-norm": Detector("smallest change that reaches a class (ours)", MinNormConfig, min_norm),
    "mm-bd": Detector("largest margin, Wang et al. 2024 (for comparison)", MMBDConfig, mm_bd),
    "last-layer": Detector(
        "outlying last-layer weights (for comparison)", LastLayerConfig, last_layer
    ),
}
