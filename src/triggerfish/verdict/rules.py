"""How scores are decided: by a calibrated threshold, or by an outlier test."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from triggerfish.results import Verdict
from triggerfish.statistics.outliers import Array, OutlierTest
from triggerfish.verdict.reference import Reference
from triggerfish.verdict.score_checks import MIN_CLASSES


@dataclass(frozen=True)
class Calibrated:
    """Flags classes whose distance from the ``reference``'s mean is above ``threshold``."""

    reference: Reference
    threshold: float

    def __call__(self, values: Array) -> Verdict:
        """The verdict on the statistic (K,) alone."""
        index = self.reference.centered(values)
        if not np.isfinite(index).any():
            return _nothing_measured(index)
        verdict = _flagging(index, self.threshold)
        return replace(
            verdict,
            p_value=self.reference.p_value(float(np.nanmax(index))),
            smallest_p_value=self.reference.smallest_p_value,
            reference=self.reference.name,
        )


@dataclass(frozen=True)
class Uncalibrated:
    """Flags the classes that stand out by ``test``, or above ``threshold`` where one is given."""

    test: OutlierTest
    threshold: float | None = None

    def __call__(self, values: Array) -> Verdict:
        """The verdict on the statistic (K,) alone."""
        if np.isfinite(values).sum() < MIN_CLASSES:
            return _nothing_measured(values)
        found = self.test(values)
        threshold = found.threshold if self.threshold is None else self.threshold
        return replace(_flagging(found.score, threshold), p_value=found.p_value)


@dataclass(frozen=True)
class AmongSameTask:
    """Flags classes that are farther above their mean among ``same_task`` than ``threshold``.

    The peers are clean networks of the same task, and of any shape and recipe: no error rate
    follows from them, so the threshold is the detector's own.
    """

    same_task: Reference
    threshold: float

    def __call__(self, values: Array) -> Verdict:
        """The verdict on the statistic (K,), or on scores of pairs (K, K), source by target."""
        index = self.same_task.centered(values)
        return self._judged(index) if index.ndim == 1 else self._by_worst_source(index)

    def _by_worst_source(self, index: Array) -> Verdict:
        worst = np.where(np.isfinite(index), index, -np.inf)
        into = worst.max(axis=0)
        verdict = self._judged(np.where(np.isfinite(into), into, np.nan))
        return replace(verdict, sources={k: int(worst[:, k].argmax()) for k in verdict.flagged})

    def _judged(self, index: Array) -> Verdict:
        if np.isfinite(index).sum() < MIN_CLASSES:
            return _nothing_measured(index)
        return replace(_flagging(index, self.threshold), same_task=self.same_task.name)


Rule = Calibrated | Uncalibrated | AmongSameTask


def _flagging(score: Array, threshold: float) -> Verdict:
    flagged = tuple(int(k) for k in np.flatnonzero(score > threshold))
    return Verdict("backdoored" if flagged else "clean", flagged, tuple(score.tolist()), threshold)


def _nothing_measured(score: Array) -> Verdict:
    return Verdict("inconclusive", (), tuple(score.tolist()), float("nan"))
