"""Which scores are judged by which reference: the one asked for, a shipped one, or none."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from triggerfish.detectors.base import Detector
from triggerfish.model.classifier import Classifier
from triggerfish.results import ClassScores, Finding
from triggerfish.statistics.outliers import Array
from triggerfish.verdict.recognition import ALIKE
from triggerfish.verdict.reference import Reference

MISMATCH = "reference-mismatch"

_DECISIVE = ("arch", "mean", "std", "input_range", "input_shape", "channels_last")
"""Assumptions under which nobody knows whether a shipped reference is one of this network."""


@dataclass(frozen=True)
class Choice:
    """The ``reference`` that applies, None when none does: then ``because`` says why not.

    ``others`` are references made with this detector on other networks or tasks: no error rate
    follows from them, but they tell an ordinary score from one that nothing clean has had so far.
    ``withheld`` says that one would apply if what is assumed about the model were known.
    """

    reference: Reference | None
    because: str = ""
    others: tuple[Reference, ...] = ()
    same_task: Reference | None = None
    findings: tuple[Finding, ...] = ()
    withheld: bool = False

    def note(self, values: Array) -> str:
        """What a verdict on the statistic (K,) rests on."""
        if self.reference is not None:
            return self.reference.claim
        compared = _among(self.same_task, values) or _compared(self.others, values)
        return f"uncalibrated: {self.because}" + (f"; {compared}" if compared else "")


def choose_reference(
    asked: Reference | None,
    shipped: Sequence[Reference],
    classifier: Classifier,
    detector: Detector,
) -> Choice:
    """The reference for this model; ``asked`` is the user's own, and then no other is tried."""
    known = shipped if asked is None else (asked,)
    others = tuple(r for r in known if r.is_made_with(detector) and r.kind != "same-task")
    same_task = _same_task(known, classifier, detector)
    missing = f"no clean reference models of this network and task for {detector.name}"
    if asked is not None and (differs := asked.differs_by(classifier, detector)):
        return Choice(None, missing, others, findings=(_mismatch(asked, differs),))
    fitting = [r for r in others if r.is_calibrated and not r.differs_by(classifier, detector)]
    if not fitting:
        return Choice(None, missing, others, same_task)
    assumed = [a.name for a in classifier.assumptions if a.name.replace("-", "_") in _DECISIVE]
    if asked is None and assumed:
        because = (
            f"the reference {fitting[0].name!r} is not used, because {', '.join(assumed)} "
            "is assumed: say what is true"
        )
        return Choice(None, because, others, same_task, withheld=True)
    return Choice(fitting[0])


def _same_task(
    references: Sequence[Reference], classifier: Classifier, detector: Detector
) -> Reference | None:
    """The clean networks of the task that this one is most like, where it is like any."""
    if detector.SAME_TASK_THRESHOLD is None:
        return None
    known = [r for r in references if r.kind == "same-task" and r.is_comparable(detector)]
    found = [(r.likeness(classifier), r) for r in known]
    best, same_task = max(found, key=lambda pair: pair[0], default=(-1.0, None))
    return same_task if best >= ALIKE else None


@dataclass(frozen=True)
class Case:
    """What is judged: the ``scores`` of one ``detector``, by what ``choice`` says.

    ``same_task`` are those that the scores of the whole detector can be compared with.
    """

    detector: Detector
    scores: ClassScores
    choice: Choice
    same_task: Reference | None = None


def choose_case(
    asked: Reference | None,
    shipped: Sequence[Reference],
    classifier: Classifier,
    detector: Detector,
    scores: ClassScores,
) -> Case:
    """The part of the detector that clean models like this one are known for, else the whole.

    A score of which the error rate is known decides before one of which it is not.
    """
    choice = choose_reference(asked, shipped, classifier, detector)
    whole = Case(detector, scores, choice, choice.same_task)
    if whole.choice.reference is not None:
        return whole
    parts = detector.parts if len(detector.parts) == len(scores.parts) else ()
    for part, found in zip(parts, scores.parts, strict=False):
        if asked is not None and not asked.is_made_with(part):
            continue
        choice = choose_reference(asked, shipped, classifier, part)
        if choice.reference is not None or choice.findings:
            return Case(part, found, choice, whole.same_task)
        if choice.withheld:
            whole = replace(whole, choice=replace(whole.choice, because=choice.because))
    return whole


def _mismatch(asked: Reference, differs: Sequence[str]) -> Finding:
    return Finding(
        MISMATCH,
        f"expected a model like those of the reference {asked.name!r}, got another "
        f"{' and another '.join(differs)}: calibrate on clean models like this one, "
        "or leave the reference out",
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
        f"compared class by class with {same_task.size} clean networks of {same_task.name}, as it "
        f"answers alike on synthetic images: {above} of them score as high "
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
