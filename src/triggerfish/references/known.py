"""Which reference populations a model belongs to: every question about it is answered once."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from triggerfish.detectors.base import Detector
from triggerfish.levels import is_compared_with_tasks
from triggerfish.model.classifier import Classifier
from triggerfish.references.population import Reference
from triggerfish.references.recognition import ALIKE, answers, fingerprint, geometry, likeness
from triggerfish.results import Finding
from triggerfish.statistics.outliers import Array

MISMATCH = "reference-mismatch"

_DECISIVE = ("arch", "mean", "std", "input_range", "input_shape", "channels_last")
"""Assumptions under which nobody knows whether a shipped reference is one of this network."""


@dataclass(frozen=True)
class Choice:
    """The ``reference`` that applies, None when none does: then ``because`` says why not.

    ``others`` are references made with this detector on other networks or tasks: no error rate
    follows from them, but they tell an ordinary score from one that nothing clean has had so far.
    ``same_task`` are clean networks of the task. ``withheld`` says that a reference would apply if
    what is assumed about the model were known.
    """

    reference: Reference | None
    because: str = ""
    others: tuple[Reference, ...] = ()
    same_task: Reference | None = None
    findings: tuple[Finding, ...] = ()
    withheld: bool = False

    def note(self, values: Array) -> str:
        """What a verdict on the statistic (K,) rests on, and for which models a p-value holds."""
        if (own := self.reference) is not None:
            return (
                f"calibrated on {own.size} clean models: {own.name}; the p-value holds for clean "
                f"models of the same recipe ({own.recipe or 'which is not stated'})"
            )
        compared = _among(self.same_task, values) or _compared(self.others, values)
        return f"uncalibrated: {self.because}" + (f"; {compared}" if compared else "")


@dataclass(frozen=True)
class Known:
    """What is known about a ``classifier`` before it is scanned.

    ``asked`` is the reference that the user names, and then no other is tried; ``shipped`` are
    those that come with the package.
    """

    classifier: Classifier
    asked: Reference | None
    shipped: tuple[Reference, ...]
    # Every detector asks again, and of many references several have the same answers.
    _likeness: dict[tuple[tuple[float, ...], ...], float] = field(
        default_factory=dict, init=False, repr=False, compare=False
    )

    @cached_property
    def fingerprint(self) -> tuple[str, dict[str, object]]:
        """The network as a digest, and the task's geometry."""
        return fingerprint(self.classifier)

    @cached_property
    def answers(self) -> Array:
        """What the network answers on synthetic images (P, K)."""
        return answers(self.classifier)

    def likeness(self, reference: Reference) -> float:
        """How alike its answers are to those of clean networks; -1 for another geometry."""
        model, theirs = self.classifier, reference.answers
        if not theirs or reference.task != geometry(model.input_shape, model.num_classes):
            return -1.0
        if theirs not in self._likeness:
            self._likeness[theirs] = likeness(self.answers, np.array(theirs))
        return self._likeness[theirs]

    def choose(self, detector: Detector) -> Choice:
        """What a detector's scores of this model are compared with."""
        known = self.shipped if self.asked is None else (self.asked,)
        others = tuple(r for r in known if r.is_made_with(detector) and r.kind != "same-task")
        same_task = self._same_task(known, detector)
        missing = f"no clean reference models of this network and task for {detector.name}"
        if self.asked is not None and (differs := self._differences(self.asked, detector)):
            return Choice(None, missing, others, findings=(_mismatch(self.asked, differs),))
        fitting = [r for r in others if r.is_calibrated and not self._differences(r, detector)]
        if not fitting:
            return Choice(None, missing, others, same_task)
        assumed = [
            a.name for a in self.classifier.assumptions if a.name.replace("-", "_") in _DECISIVE
        ]
        if self.asked is None and assumed:
            because = (
                f"the reference {fitting[0].name!r} is not used, because {', '.join(assumed)} "
                "is guessed: set it with the option of that name"
            )
            return Choice(None, because, others, same_task, withheld=True)
        return Choice(fitting[0])

    def has_population(self, detector: Detector) -> bool:
        """Whether clean networks of the recipe or of the task are known to compare with."""
        choice = self.choose(detector)
        return (
            choice.reference is not None
            or choice.same_task is not None
            or any(map(self.can_decide, detector.parts))
        )

    def can_decide(self, part: Detector) -> bool:
        """Whether clean models are known by which that part of a detector decides by itself."""
        if self.asked is not None and not self.asked.is_made_with(part):
            return False
        choice = self.choose(part)
        return choice.reference is not None or bool(choice.findings)

    def _same_task(self, references: Iterable[Reference], detector: Detector) -> Reference | None:
        """The clean networks of the task that this one is most like, where it is like any."""
        if not is_compared_with_tasks(detector.scored_by):
            return None
        known = [r for r in references if r.kind == "same-task" and r.is_comparable(detector)]
        found = [(self.likeness(r), r) for r in known]
        best, nearest = max(found, key=lambda pair: pair[0], default=(-1.0, None))
        return nearest if best >= ALIKE else None

    def _differences(self, reference: Reference, detector: Detector) -> tuple[str, ...]:
        """In what it differs from the reference; a network without weights is like none."""
        differs = [] if reference.is_made_with(detector) else ["detector, or one of other settings"]
        if reference.kind == "same-task":
            differs += [] if self.likeness(reference) >= ALIKE else ["task"]
        if reference.is_calibrated:
            network, task = self.fingerprint
            differs += ["network"] if not network or network != reference.network else []
            differs += ["task"] if task != reference.task else []
        return tuple(differs)


def _mismatch(asked: Reference, differs: Iterable[str]) -> Finding:
    return Finding(
        MISMATCH,
        f"the reference {asked.name!r} is of another {' and another '.join(differs)}. Calibrate on "
        "clean models like this one, or leave the reference out",
    )


def _among(same_task: Reference | None, values: Array) -> str:
    """How many clean networks of the same task have a class as far above its mean."""
    if same_task is None:
        return ""
    index = same_task.centered(values)
    if not np.isfinite(index).any():
        return ""
    highest = float(np.nanmax(index))
    above = int(np.sum(same_task.clean_maxima() >= highest))
    return (
        f"it answers synthetic images as {same_task.size} clean networks of {same_task.name} do; "
        f"compared class by class, {above} of them score as high "
        f"(uncalibrated p {same_task.p_value(highest):.2g})"
    )


def _compared(others: Iterable[Reference], values: Array) -> str:
    """How many clean models of other people, or of other networks, score as high."""
    found = list(others)
    strangers = [r for r in found if not r.is_calibrated]
    maxima = np.concatenate([r.raw_maxima() for r in strangers or found] or [np.empty(0)])
    if not len(maxima) or not np.isfinite(values).any():
        return ""
    above = int(np.sum(maxima >= np.nanmax(values)))
    if not strangers:
        return f"of {len(maxima)} clean models of others, {above} score as high"
    p = (1 + above) / (1 + len(maxima))
    return (
        f"of {len(maxima)} clean networks of other people, {above} score as high "
        f"(uncalibrated p {p:.2g})"
    )
