"""What a scan knows so far, and what a stage is: evidence is appended to it, never edited."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Protocol

from triggerfish.model.classifier import Classifier
from triggerfish.references.known import Known
from triggerfish.results import ClassScores, Confirmation, Evidence, Finding, Verdict
from triggerfish.stages.config import ScanConfig
from triggerfish.verdict.conclude import conclude


@dataclass(frozen=True)
class Found:
    """What a stage adds; ``scores`` replace those so far, None where it has measured none."""

    evidence: tuple[Evidence, ...] = ()
    findings: tuple[Finding, ...] = ()
    notes: tuple[str, ...] = ()
    scores: ClassScores | None = None
    confirmations: tuple[Confirmation, ...] = ()


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

    @cached_property
    def verdict(self) -> Verdict:
        """What the evidence so far amounts to."""
        return conclude(self.evidence, self.findings, self.notes)

    def with_(self, found: Found) -> State:
        """With what a stage has found."""
        return replace(
            self,
            evidence=(*self.evidence, *found.evidence),
            findings=(*self.findings, *found.findings),
            notes=(*self.notes, *found.notes),
            scores=self.scores if found.scores is None else found.scores,
            confirmations=(*self.confirmations, *found.confirmations),
        )


class Stage(Protocol):
    """One search of a scan."""

    def applies(self, state: State) -> bool:
        """Whether it has anything to do, after what came before."""
        ...

    def share(self, state: State) -> tuple[float, float]:
        """Where it begins and ends, as fractions of the scan's time: for the progress alone."""
        ...

    def __call__(self, state: State) -> Found:
        """Search; everything that was found comes back as rows."""
        ...
