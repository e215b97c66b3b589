"""The settings of a whole scan: what to run, and how to judge it."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field

from triggerfish.confirmation import ConfirmConfig
from triggerfish.detectors import DETECTORS, Detector, Ensemble, L1Weight, UniversalPairs
from triggerfish.detectors.base import settings_of
from triggerfish.verdict.judge import Judge, published_judge


@dataclass(frozen=True)
class ScanConfig:
    """What to run and how to judge it.

    Args:
        detector: The statistic, with its settings.
        judge: Turns the detector's scores into evidence.
        seed: Decides what is random in the detector.
        confirm: Whether classes that are flagged, or nearly, get a confirmation test. It
            takes a flag away that it refutes, and flags a class that it confirms. For detectors
            that search for universal perturbations.
        pairs: Whether a default scan that finds nothing looks for a trigger that works on one
            class only, where clean networks of the same task are known. Not with ``fast``. It
            takes as long as the scan itself, and what it finds is a note.
        confirmation: The settings of confirmation tests.
        pair_search: Those of the search for pairs of classes.

    Raises:
        ValueError: No detector, or a judge that cannot judge what it measures.

    Example:
        >>> import triggerfish as tf
        >>> config = tf.ScanConfig(tf.MinNorm(restarts=1), tf.Judge(threshold=1.2))
        >>> config.as_plain()["detector"]
        'min-norm'
    """

    detector: Detector = field(default_factory=Ensemble)
    judge: Judge = field(default_factory=Judge)
    seed: int = 0
    confirm: bool = True
    pairs: bool = False
    confirmation: ConfirmConfig = field(default_factory=ConfirmConfig)
    pair_search: UniversalPairs = field(default_factory=UniversalPairs)

    def __post_init__(self) -> None:
        if isinstance(self.detector, type) or not isinstance(self.detector, Detector):
            raise ValueError(
                f"expected a detector of {list(DETECTORS)} with its settings, such as Ensemble(), "
                f"got {self.detector!r}"
            )
        self.judge.check(self.detector)

    def as_plain(self) -> dict[str, object]:
        """The configuration as plain data, as it is stored in every result."""
        return {
            "detector": self.detector.name,
            "settings": settings_of(self.detector),
            "judge": self.judge.as_plain(),
            "seed": self.seed,
            "confirm": self.confirm,
            "pairs": self.pairs,
            "confirmation": asdict(self.confirmation),
            "pair_search": settings_of(self.pair_search),
        }


def published(detector: L1Weight | None = None) -> ScanConfig:
    """The published system, to the letter: L1-weight search, two-sided MAD at 3.5."""
    detector = detector or L1Weight()
    return ScanConfig(detector, published_judge(detector.max_l1_weight))
