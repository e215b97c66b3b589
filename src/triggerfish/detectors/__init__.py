"""Detectors by name. A new one is one file and one line in `DETECTORS`."""

from __future__ import annotations

from triggerfish.detectors.base import Detector
from triggerfish.detectors.ensemble import Ensemble
from triggerfish.detectors.l1_weight import L1Weight
from triggerfish.detectors.last_layer import LastLayer
from triggerfish.detectors.min_norm import MinNorm
from triggerfish.detectors.mm_bd import MMBD
from triggerfish.detectors.pairwise_norm import PairwiseNorm
from triggerfish.detectors.universal import Universal
from triggerfish.detectors.universal_pairs import UniversalPairs

__all__ = [
    "DETECTORS",
    "MMBD",
    "Detector",
    "Ensemble",
    "L1Weight",
    "LastLayer",
    "MinNorm",
    "PairwiseNorm",
    "Universal",
    "UniversalPairs",
]

DETECTORS: dict[str, type[Detector]] = {
    detector.name: detector
    for detector in (
        Ensemble,
        MinNorm,
        Universal,
        UniversalPairs,
        PairwiseNorm,
        L1Weight,
        MMBD,
        LastLayer,
    )
}
