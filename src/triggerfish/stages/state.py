"""What a scan is told, what it knows so far, and what a stage is.

Evidence is appended to a state, never edited.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from typing import Protocol

from triggerfish.confirmation import ConfirmConfig
from triggerfish.detectors import DETECTORS, Detector, Ensemble, L1Weight, Universal
from triggerfish.detectors.base import settings_of
from triggerfish.model.classifier import Classifier
from triggerfish.references.known import Known
from triggerfish.results import (
    ClassScores,
    Confirmation,
    Evidence,
    Finding,
    Null,
    NullKind,
    Stamp,
    Verdict,
)
from triggerfish.verdict.conclude import conclude, is_void
from triggerfish.verdict.judge import Judge, published_judge


@dataclass(frozen=True)
class ScanConfig:
    """What to run and how to judge it.

    Args:
        detector: The statistic, with its settings.
        judge: Turns the detector's scores into evidence.
        seed: Decides what is random in the detector.
        confirm: Whether classes that are flagged, or nearly, get a confirmation test. It
            takes a flag away that it refutes, and gives none. For detectors that search for
            universal perturbations.
        untargeted: Whether a scan that finds no target looks for a trigger that moves the images
            of one class only, or those of every class.
        confirmation: The settings of confirmation tests.

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
    untargeted: bool = True
    confirmation: ConfirmConfig = field(default_factory=ConfirmConfig)

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
            "untargeted": self.untargeted,
            "confirmation": asdict(self.confirmation),
        }


def published(detector: L1Weight | None = None) -> ScanConfig:
    """The published system, to the letter: L1-weight search, two-sided MAD at 3.5."""
    detector = detector or L1Weight()
    return ScanConfig(detector, published_judge(detector.max_l1_weight))


@dataclass(frozen=True)
class Found:
    """What a stage adds; ``scores`` replace those so far, None where it has measured none."""

    evidence: tuple[Evidence, ...] = ()
    findings: tuple[Finding, ...] = ()
    notes: tuple[str, ...] = ()
    scores: ClassScores | None = None
    confirmations: tuple[Confirmation, ...] = ()
    stamps: tuple[Stamp, ...] = ()


@dataclass(frozen=True)
class State:
    """A scan between two stages. ``findings`` begin with those about the model itself."""

    classifier: Classifier
    config: ScanConfig
    known: Known
    findings: tuple[Finding, ...] = ()
    evidence: tuple[Evidence, ...] = ()
    notes: tuple[str, ...] = ()
    scores: ClassScores | None = None
    confirmations: tuple[Confirmation, ...] = ()
    stamps: tuple[Stamp, ...] = ()

    @cached_property
    def verdict(self) -> Verdict:
        """What the evidence so far amounts to."""
        return conclude(self.evidence, self.findings, self.notes)

    def in_question(self, *nulls: NullKind) -> dict[int, Null]:
        """The classes that rows so far flag or suspect, each with the null of the last such row.

        By rows of these ``nulls`` alone, where any are given.
        """
        return {
            row.hypothesis.target: row.null
            for row in self.evidence
            if row.hypothesis.kind == "target"
            and row.hypothesis.target is not None
            and row.is_suspicious
            and not row.note_only
            and (not nulls or row.null.kind in nulls)
        }

    def with_(self, found: Found) -> State:
        """With what a stage has found."""
        return replace(
            self,
            evidence=(*self.evidence, *found.evidence),
            findings=(*self.findings, *found.findings),
            notes=(*self.notes, *found.notes),
            scores=self.scores if found.scores is None else found.scores,
            confirmations=(*self.confirmations, *found.confirmations),
            stamps=(*self.stamps, *found.stamps),
        )


def universal_of(detector: Detector) -> Universal | None:
    """The search for universal perturbations that a detector makes, if it makes one."""
    made = (detector, *detector.parts) if isinstance(detector, Ensemble) else (detector,)
    return next((one for one in made if isinstance(one, Universal)), None)


def runs_in_full(state: State) -> bool:
    """Whether a scan looks for more than targets of classes: by the default rules, not ``fast``."""
    config = state.config
    return (
        not (isinstance(config.detector, Ensemble) and config.detector.fast)
        and config.judge == Judge(false_positive_rate=config.judge.false_positive_rate)
        and not is_void(state.findings)
    )


class Stage(Protocol):
    """One search of a scan."""

    def applies(self, state: State) -> bool:
        """Whether it has anything to do, after what came before."""
        ...

    def passes(self, state: State) -> float:
        """About how many images pass the network in it: for the progress. Default: unexpected."""
        return 0.0

    def __call__(self, state: State) -> Found:
        """Search; everything that was found comes back as rows."""
        ...
