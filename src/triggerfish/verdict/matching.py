"""Which reference judges a model: the one that was asked for, a shipped one, or none."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from triggerfish.detectors.base import Detector
from triggerfish.model.classifier import Classifier
from triggerfish.results import Finding
from triggerfish.statistics.outliers import Array
from triggerfish.verdict.reference import Reference

MISMATCH = "reference-mismatch"

_DECISIVE = ("arch", "mean", "std", "input_range", "input_shape", "channels_last")
"""Assumptions under which nobody knows whether a shipped reference is one of this network."""


@dataclass(frozen=True)
class Choice:
    """The ``reference`` that applies, None when none does: then ``because`` says why not.

    ``others`` are references made with this detector on other networks or tasks: no error rate
    follows from them, but they tell an ordinary score from one that nothing clean has had so far.
    """

    reference: Reference | None
    because: str = ""
    others: tuple[Reference, ...] = ()
    findings: tuple[Finding, ...] = ()

    def note(self, values: Array) -> str:
        """What a verdict on the statistic (K,) rests on."""
        if self.reference is not None:
            return self.reference.claim
        compared = _compared(self.others, values)
        return f"uncalibrated: {self.because}" + (f"; {compared}" if compared else "")


def choose_reference(
    asked: Reference | None,
    shipped: Sequence[Reference],
    classifier: Classifier,
    detector: Detector,
) -> Choice:
    """The reference for this model; ``asked`` is the user's own, and then no other is tried."""
    known = shipped if asked is None else (asked,)
    others = tuple(r for r in known if r.is_made_with(detector))
    missing = f"no clean reference models of this network and task for {detector.name}"
    if asked is not None and (differs := asked.differs_by(classifier, detector)):
        return Choice(None, missing, others, (_mismatch(asked, differs),))
    fitting = [r for r in others if r.is_calibrated and not r.differs_by(classifier, detector)]
    if not fitting:
        return Choice(None, missing, others)
    assumed = [a.name for a in classifier.assumptions if a.name.replace("-", "_") in _DECISIVE]
    if asked is None and assumed:
        because = (
            f"the reference {fitting[0].name!r} is not used, because {', '.join(assumed)} "
            "is assumed: say what is true"
        )
        return Choice(None, because, others)
    return Choice(fitting[0])


def _mismatch(asked: Reference, differs: Sequence[str]) -> Finding:
    return Finding(
        MISMATCH,
        f"expected a model like those of the reference {asked.name!r}, got another "
        f"{' and another '.join(differs)}: calibrate on clean models like this one, "
        "or leave the reference out",
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
