"""One model -> `Scanned`."""

from __future__ import annotations

import platform
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import torch

from triggerfish._version import __version__
from triggerfish.confirmation import confirm
from triggerfish.confirmation.verdict import after_confirmations, classes_to_confirm
from triggerfish.detectors import DETECTORS, Detector, Ensemble, L1Weight
from triggerfish.detectors.base import settings_of
from triggerfish.model.classifier import Classifier
from triggerfish.results import ClassScores, Confirmation, Scanned, Verdict
from triggerfish.search.batching import with_enough_memory
from triggerfish.search.progress import share_of_work
from triggerfish.source_specific import START, is_possible, look_for_pairs
from triggerfish.trial import with_answers
from triggerfish.verdict.judge import Judge, published_judge
from triggerfish.verdict.model_checks import check_model

DETECTION = 0.7
"""Of the time, where confirmation tests follow; few models need some, so it is not expected."""

Load = Callable[[Path], Classifier]


@dataclass(frozen=True)
class ScanConfig:
    """What to run and how to judge it.

    Args:
        detector: The statistic, with its settings.
        judge: Turns the detector's scores into a verdict.
        seed: Decides what is random in the detector.
        confirm: Whether classes that are flagged, or nearly, get a confirmation test. It
            takes a flag away that it refutes, and flags a class that it confirms. For detectors
            that search for universal perturbations.
        pairs: Whether a default scan that finds nothing looks for a trigger that works on one
            class only, where clean networks of the same task are known. Not with ``fast``.

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
    pairs: bool = True

    def __post_init__(self) -> None:
        if isinstance(self.detector, type) or not isinstance(self.detector, Detector):
            raise ValueError(
                f"expected a detector of {list(DETECTORS)} with its settings, such as Ensemble(), "
                f"got {self.detector!r}"
            )
        self.judge.check(self.detector)

    @property
    def looks_for_pairs(self) -> bool:
        """Whether a search for source-specific attacks may follow."""
        return self.pairs and isinstance(self.detector, Ensemble) and not self.detector.fast

    def as_plain(self) -> dict[str, object]:
        """The configuration as plain data, as it is stored in every result."""
        return {
            "detector": self.detector.name,
            "settings": settings_of(self.detector),
            "judge": self.judge.as_plain(),
            "seed": self.seed,
            "confirm": self.confirm,
            "pairs": self.pairs,
        }


def published(detector: L1Weight | None = None) -> ScanConfig:
    """The published system, to the letter: L1-weight search, two-sided MAD at 3.5."""
    detector = detector or L1Weight()
    return ScanConfig(detector, published_judge(detector.max_l1_weight))


def scan_classifier(
    classifier: Classifier, config: ScanConfig, path: Path | None = None, sha256: str | None = None
) -> Scanned:
    """Scan one model; ``path`` and ``sha256`` say where it is from."""
    start = time.perf_counter()
    findings = check_model(classifier)
    pairs_may_follow = config.looks_for_pairs and is_possible(classifier, config.judge)
    with share_of_work(0.0, START if pairs_may_follow else 1.0):
        scores = with_enough_memory(lambda: config.detector(classifier, config.seed))
    verdict = config.judge(scores, classifier, config.detector, findings)
    confirmations = confirmation_tests(classifier, scores, verdict, config)
    verdict = after_confirmations(verdict, confirmations)
    if pairs_may_follow and verdict.name == "clean":
        search = partial(look_for_pairs, classifier, scores, verdict, config.judge, config.seed)
        scores, verdict = with_enough_memory(search)
    return Scanned(
        path=path,
        sha256=sha256,
        detector=config.detector.name,
        scores=with_answers(scores, classifier),
        verdict=verdict,
        config=config.as_plain(),
        seconds=time.perf_counter() - start,
        environment=_environment(classifier.device),
        assumptions=classifier.assumptions,
        facts=classifier.facts,
        class_names=classifier.class_names,
        confirmations=confirmations,
    )


def confirmation_tests(
    classifier: Classifier, scores: ClassScores, verdict: Verdict, config: ScanConfig
) -> tuple[Confirmation, ...]:
    """A confirmation test of every class that universal perturbations have flagged, or nearly."""
    if not config.confirm or not scores.perturbations or verdict.sources:
        return ()
    targets = classes_to_confirm(verdict)
    confirmations = []
    for number, target in enumerate(targets):
        width = (1.0 - DETECTION) / len(targets)
        start = DETECTION + number * width
        with share_of_work(start, start + width):
            confirmation = partial(confirm, classifier, target, seed=config.seed)
            confirmations.append(with_enough_memory(confirmation))
    return tuple(confirmations)


def _environment(device: torch.device) -> dict[str, str]:
    return {
        "triggerfish": __version__,
        "torch": torch.__version__,
        "python": platform.python_version(),
        "device": str(device),
        "threads": str(torch.get_num_threads()),
    }
