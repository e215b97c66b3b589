"""Scores -> `Verdict`: a calibrated threshold where clean reference models match, else a test.

A verdict is *backdoored* when a class is flagged; *inconclusive* when none is and something speaks
against trusting that, or when the model is in no state to be measured; *clean* otherwise.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

import numpy as np

from triggerfish.detectors import DETECTORS, Detector
from triggerfish.model.classifier import Classifier
from triggerfish.results import ClassScores, Finding, Status, Verdict
from triggerfish.statistics.outliers import OUTLIER_TESTS, PUBLISHED_THRESHOLD, Outliers
from triggerfish.verdict.reference import (
    Array,
    Reference,
    clean_elsewhere,
    find_reference,
    read_reference,
    shipped_references,
)
from triggerfish.verdict.score_checks import (
    MIN_CLASSES,
    VOIDING,
    check_restarts,
    check_scores,
    check_uncalibrated,
)


@dataclass(frozen=True)
class Judge:
    """How scores are judged.

    ``reference`` is a file of ``triggerfish calibrate``; without one the shipped references are
    tried, unless an ``outlier_test`` is asked for by name. ``threshold`` replaces the test's or
    the reference's own, in units of the anomaly index. ``false_positive_rate`` is what a
    calibrated threshold aims at, per clean model. ``published_fill`` (with the cap's value) counts
    unreachable classes as 0 and capped ones as the cap, as the published scripts do.
    """

    outlier_test: str | None = None
    threshold: float | None = None
    reference: str | None = None
    false_positive_rate: float = 0.001
    published_fill: float | None = None

    def __post_init__(self) -> None:
        if not 0 < self.false_positive_rate < 1:
            raise ValueError(
                f"expected 0 < false_positive_rate < 1, got {self.false_positive_rate}"
            )

    def __call__(
        self,
        scores: ClassScores,
        classifier: Classifier,
        detector: str,
        settings: Mapping[str, object],
        findings: Sequence[Finding] = (),
    ) -> Verdict:
        """The verdict on one model's scores; ``findings`` are those about the model itself."""
        fallback = DETECTORS[detector]
        if self.published_fill is not None:
            return self._uncalibrated(_filled(scores, self.published_fill), fallback)
        references = self._references()
        reference = find_reference(references, classifier, detector, settings)

        def judge(values: Array) -> Verdict:
            if reference is not None:
                return self._calibrated(values, reference)
            return self._uncalibrated(values, fallback)

        verdict = judge(scores.statistic.numpy())
        reasons = [*findings, *check_scores(scores, classifier.num_pixels)]
        if reference is not None:
            reasons = [reason for reason in reasons if reason.code != "few-classes"]
            note = f"calibrated on {reference.size} clean models: {reference.name}"
        else:
            note = (
                f"uncalibrated: no clean reference models of this network and task for {detector}"
            )
            as_shipped = self.outlier_test is None and self.threshold is None
            if as_shipped and fallback.doubt is not None and not verdict.flagged:
                values = scores.statistic.numpy()
                reasons += check_uncalibrated(values, fallback.doubt, verdict.threshold)
            elsewhere = clean_elsewhere(references, detector, settings)
            if len(elsewhere) and np.isfinite(verdict.anomaly_index).any():
                above = int(np.sum(elsewhere >= np.nanmax(verdict.anomaly_index)))
                note += f"; of {len(elsewhere)} clean models of others, {above} score as high"
        notes = [note]
        if scores.restarts is not None and len(scores.restarts) > 1:
            runs = [judge(run.numpy()).flagged for run in scores.restarts]
            reasons += check_restarts(verdict.flagged, runs)
            agree = sum(run == verdict.flagged for run in runs)
            notes.append(f"{agree} of {len(runs)} runs by themselves flag the same classes")
        if scores.pairs is not None and verdict.flagged:
            pairs = scores.pairs.strongest(verdict.flagged)
            notes.append("from class to class: " + ", ".join(f"{s} -> {t}" for s, t in pairs))
        void = any(reason.code in VOIDING for reason in reasons)
        flagged = () if void else verdict.flagged
        return replace(
            verdict,
            name="backdoored" if flagged else "inconclusive" if reasons else verdict.name,
            flagged=flagged,
            reasons=tuple(reasons),
            notes=tuple(notes),
        )

    def _references(self) -> list[Reference]:
        """Those that may apply: none where a test is asked for by name."""
        if self.reference is not None:
            return [read_reference(Path(self.reference))]
        return [] if self.outlier_test is not None else _shipped()

    def _calibrated(self, values: Array, reference: Reference) -> Verdict:
        index = reference.anomaly_index(values)
        if not np.isfinite(index).any():
            return _nothing_measured(index)
        threshold = self.threshold or reference.threshold(self.false_positive_rate)
        flagged = tuple(int(k) for k in np.flatnonzero(index > threshold))
        return Verdict(
            name="backdoored" if flagged else "clean",
            flagged=flagged,
            anomaly_index=tuple(index.tolist()),
            threshold=threshold,
            p_value=reference.p_value(float(np.nanmax(index))),
            smallest_p_value=reference.smallest_p_value,
            reference=reference.name,
        )

    def _uncalibrated(self, values: Array, fallback: Detector) -> Verdict:
        if np.isfinite(values).sum() < MIN_CLASSES:
            return _nothing_measured(values)
        name = self.outlier_test or fallback.outlier_test
        threshold = self.threshold
        if threshold is None and name == fallback.outlier_test:
            threshold = fallback.threshold
        test = OUTLIER_TESTS[name]
        found: Outliers = test(values) if threshold is None else test(values, threshold)
        return Verdict(
            name="backdoored" if found.flagged else "clean",
            flagged=found.flagged,
            anomaly_index=tuple(found.anomaly_index.tolist()),
            threshold=found.threshold,
            p_value=found.p_value,
        )


def published_judge(cap: float) -> Judge:
    """The published rule as published: two-sided |z| > 3.5, statuses counted as numbers."""
    return Judge("two-sided-mad", PUBLISHED_THRESHOLD, published_fill=cap)


@lru_cache(maxsize=1)
def _shipped() -> list[Reference]:
    return shipped_references()


def _nothing_measured(index: Array) -> Verdict:
    return Verdict("inconclusive", (), tuple(index.tolist()), float("nan"))


def _filled(scores: ClassScores, cap: float) -> Array:
    fill = {Status.UNREACHABLE: 0.0, Status.CAP_REACHED: cap}
    pairs = zip(scores.statistic.tolist(), scores.status, strict=True)
    return np.array([fill.get(status, value) for value, status in pairs])
