"""Scores -> `Verdict`: a calibrated threshold where clean reference models match, else a test.

A verdict is *backdoored* when a class is flagged, or all of them are seen to be targets;
*inconclusive* when none is and something speaks against trusting that, or when the model is in no
state to be measured; *clean* otherwise. Of a detector made of others, the part that has a reference
for this model decides about classes; what the whole flags beside it is a doubt.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields, replace

import numpy as np

from triggerfish.detectors.base import Detector
from triggerfish.model.classifier import Classifier
from triggerfish.results import ClassScores, Finding, Status, Verdict
from triggerfish.statistics.outliers import (
    OUTLIER_TESTS,
    PUBLISHED_THRESHOLD,
    Array,
    Largest,
    TwoSidedMAD,
)
from triggerfish.verdict.matching import Case, choose_case, choose_reference
from triggerfish.verdict.reference import Reference
from triggerfish.verdict.reference_file import shipped_references
from triggerfish.verdict.rules import AmongSameTask, Calibrated, Rule, Uncalibrated
from triggerfish.verdict.score_checks import (
    VOIDING,
    check_agreement,
    check_all_classes,
    check_restarts,
    check_scores,
    check_uncalibrated,
)


@dataclass(frozen=True)
class Judge:
    """How scores are judged.

    Args:
        outlier_test: A test's name, to judge by it and by no reference.
        threshold: Replaces the test's or the reference's own, in units of its score.
        reference: Clean models that the user names; the shipped references are tried when None.
        false_positive_rate: What a calibrated threshold aims at, per clean model.
        peers: Whether each class is compared with clean networks of the same task, where it is
            recognised.
        published_fill: The cap's value, to count capped classes as it and unreachable ones as 0,
            as the published scripts do.

    Raises:
        ValueError: A value out of range, or a reference and an outlier test together.

    Example:
        >>> import triggerfish as tf
        >>> judge = tf.Judge(outlier_test="grubbs", threshold=2.5)
    """

    outlier_test: str | None = None
    threshold: float | None = None
    reference: Reference | None = None
    false_positive_rate: float = 0.001
    same_task: bool = True
    published_fill: float | None = None

    def __post_init__(self) -> None:
        if not 0 < self.false_positive_rate < 1:
            raise ValueError(
                f"expected 0 < false_positive_rate < 1, got {self.false_positive_rate}"
            )
        if self.outlier_test is not None and self.outlier_test not in OUTLIER_TESTS:
            raise ValueError(
                f"expected an outlier test of {list(OUTLIER_TESTS)}, got {self.outlier_test!r}"
            )
        if self.threshold is not None and not math.isfinite(self.threshold):
            raise ValueError(f"expected a finite threshold, got {self.threshold}")
        if self.reference is not None and self.outlier_test is not None:
            raise ValueError("expected a reference or an outlier test, got both: drop one")

    def check(self, detector: Detector) -> None:
        """Raise `ValueError` where this judge cannot judge what ``detector`` measures."""
        largest, own = Largest.name, detector.outlier_test.name
        if self.outlier_test == largest != own and self.threshold is None:
            raise ValueError(
                f"expected --threshold with --outlier-test {largest} for {detector.name}, "
                "got none: its statistic has no scale of its own"
            )
        if self.reference is not None and not any(map(self.reference.is_made_with, detector.parts)):
            self.reference.check(detector)

    def as_plain(self) -> dict[str, object]:
        """The judge as plain data; of the reference, its name, its size and what it is made of."""
        own = self.reference
        plain = {f.name: getattr(self, f.name) for f in fields(self)}
        return plain | {"reference": None if own is None else own.summary}

    def __call__(
        self,
        scores: ClassScores,
        classifier: Classifier,
        detector: Detector,
        findings: Sequence[Finding] = (),
    ) -> Verdict:
        """The verdict on one model's scores; ``findings`` are those about the model itself."""
        if self.published_fill is not None:
            return self._test(detector)(_filled(scores, self.published_fill))
        case = choose_case(self.reference, self._shipped(), classifier, detector, scores)
        rule, suspicion_threshold = self._rule(case)
        values = case.scores.statistic.numpy()
        if isinstance(rule, AmongSameTask):
            values = case.detector.compared(case.scores).numpy()
        verdict = replace(
            _with_sources(rule(values), case.scores), suspicion_threshold=suspicion_threshold
        )
        verdict = _on_all_classes(verdict, scores, detector)
        runs = _runs(case.scores, rule)
        reasons = [
            *findings,
            *case.choice.findings,
            *self._suspicions(case, classifier, verdict),
            *_suspicions_of_the_whole(scores, detector, case, verdict),
            *check_restarts(verdict.flagged, runs),
        ]
        notes = [
            case.choice.note(values),
            *_notes(case.scores, verdict, runs),
        ]
        if case.detector is not detector:
            notes.insert(0, f"judged by {case.detector.name}, which has a reference")
        verdict = _concluded(replace(verdict, notes=tuple(notes)), reasons)
        return replace(verdict, seen_by=_seen_by(scores, detector, case, verdict.flagged))

    def can_decide(self, part: Detector, classifier: Classifier) -> bool:
        """Whether clean models are known by which that part of a detector decides by itself."""
        if self.reference is not None and not self.reference.is_made_with(part):
            return False
        choice = choose_reference(self.reference, self._shipped(), classifier, part)
        return choice.reference is not None or bool(choice.findings)

    def same_task_of(self, classifier: Classifier, detector: Detector) -> Reference | None:
        """The clean networks of its task that the detector's scores are compared with, if any."""
        return choose_reference(self.reference, self._shipped(), classifier, detector).same_task

    def _shipped(self) -> Sequence[Reference]:
        """The shipped references that may apply: none where a test is asked for by name."""
        shipped = () if self.outlier_test is not None else shipped_references()
        return [r for r in shipped if self.same_task or r.kind != "same-task"]

    def _rule(self, case: Case) -> tuple[Rule, float | None]:
        """How the case is decided, and the index from which on a class is in doubt."""
        reference, detector = case.choice.reference, case.detector
        if reference is not None:
            own = reference.threshold(self.false_positive_rate)
            return Calibrated(reference, own if self.threshold is None else self.threshold), None
        as_shipped = self.outlier_test is None and self.threshold is None
        if not as_shipped:
            return self._test(detector), None
        if case.same_task is not None and detector.SAME_TASK_THRESHOLD is not None:
            return AmongSameTask(
                case.same_task, detector.SAME_TASK_THRESHOLD
            ), detector.SAME_TASK_SUSPICION
        return self._test(detector), detector.suspicion_threshold

    def _test(self, detector: Detector) -> Uncalibrated:
        own = detector.outlier_test
        asked = self.outlier_test not in (None, own.name)
        return Uncalibrated(OUTLIER_TESTS[str(self.outlier_test)] if asked else own, self.threshold)

    def _suspicions(
        self, case: Case, classifier: Classifier, verdict: Verdict
    ) -> Iterator[Finding]:
        """What the judged scores themselves say against trusting the verdict."""
        calibrated = case.choice.reference is not None
        allowed = case.detector.may_be_unreachable
        for finding in check_scores(case.scores, classifier.num_pixels, allowed):
            if not (calibrated and finding.code == "few-classes"):
                yield finding
        if verdict.suspicion_threshold is not None and not verdict.flagged:
            index = np.array(verdict.anomaly_index)
            yield from check_uncalibrated(index, verdict.suspicion_threshold, verdict.threshold)


def published_judge(cap: float) -> Judge:
    """The published rule as published: two-sided |z| > 3.5, statuses counted as numbers."""
    return Judge(TwoSidedMAD.name, PUBLISHED_THRESHOLD, published_fill=cap)


def _with_sources(verdict: Verdict, scores: ClassScores) -> Verdict:
    """The verdict with the sources of flagged classes, where pairs were measured."""
    if scores.pairs is None or verdict.sources:
        return verdict
    pairs = scores.pairs.strongest(verdict.flagged)
    return replace(verdict, sources={target: source for source, target in pairs})


def _on_all_classes(verdict: Verdict, scores: ClassScores, detector: Detector) -> Verdict:
    """Backdoored as well where the score of an attack on every class is above its threshold.

    A single target that is cheap to reach raises that score too, so a flagged class comes first.
    """
    score, threshold = scores.all_classes, detector.ALL_CLASSES_THRESHOLD
    if verdict.flagged or score is None or threshold is None or not score > threshold:
        return verdict
    return replace(verdict, name="backdoored", all_classes=True)


def _suspicions_of_the_whole(
    scores: ClassScores, detector: Detector, case: Case, verdict: Verdict
) -> Iterator[Finding]:
    """What the whole detector saw beside the judged part, and its doubt about all classes."""
    if case.detector is not detector and not verdict.flagged:
        yield from _disagreement(scores, detector, case)
    if not verdict.all_classes and not verdict.flagged:
        yield from check_all_classes(
            scores.all_classes, detector.ALL_CLASSES_SUSPICION, detector.ALL_CLASSES_THRESHOLD
        )


def _disagreement(scores: ClassScores, detector: Detector, case: Case) -> Iterator[Finding]:
    """What the whole flags beside the part that decides."""
    values, by, test = scores.statistic.numpy(), case.detector.name, detector.outlier_test
    if case.same_task is not None and detector.SAME_TASK_THRESHOLD is not None:
        index = case.same_task.centered(values)
        yield from check_agreement(index, detector.name, detector.SAME_TASK_THRESHOLD, by)
    elif isinstance(test, Largest):
        yield from check_agreement(values, detector.name, test.threshold, by)


def _seen_by(
    scores: ClassScores, detector: Detector, case: Case, flagged: Sequence[int]
) -> dict[int, tuple[str, ...]]:
    """Per flagged class the detectors that saw it, the one that was judged by first."""
    seen = detector.seen_by(scores, flagged)
    if case.detector is detector:
        return seen
    first = case.detector.name
    return {
        k: (first, *(name for name in names if name not in (first, detector.name)))
        for k, names in seen.items()
    }


def _runs(scores: ClassScores, rule: Rule) -> list[tuple[int, ...]]:
    """What each of several runs of the search flags by itself; empty when there was only one."""
    if scores.restarts is None or len(scores.restarts) < 2:
        return []
    return [rule(run.numpy()).flagged for run in scores.restarts]


def _notes(scores: ClassScores, verdict: Verdict, runs: Sequence[tuple[int, ...]]) -> Iterator[str]:
    if runs:
        agree = sum(run == verdict.flagged for run in runs)
        yield f"{agree} of {len(runs)} runs by themselves flag the same classes"
    out = [k for k, state in enumerate(scores.status) if state is Status.UNREACHABLE]
    if out:
        yield f"out of reach, as far as the search goes: {', '.join(map(str, out[:10]))}"
    if verdict.sources:
        pairs = ", ".join(f"{source} -> {target}" for target, source in verdict.sources.items())
        yield f"from class to class: {pairs}"


def _concluded(verdict: Verdict, reasons: Sequence[Finding]) -> Verdict:
    """The verdict with its ``reasons``; some of them take every flag away."""
    if any(reason.code in VOIDING for reason in reasons):
        verdict = replace(verdict, flagged=(), all_classes=False, sources={})
    backdoored = bool(verdict.flagged) or verdict.all_classes
    name = "backdoored" if backdoored else "inconclusive" if reasons else verdict.name
    return replace(verdict, name=name, reasons=tuple(reasons))


def _filled(scores: ClassScores, cap: float) -> Array:
    fill = {Status.UNREACHABLE: 0.0, Status.CAP_REACHED: cap}
    pairs = zip(scores.statistic.tolist(), scores.status, strict=True)
    return np.array([fill.get(status, value) for value, status in pairs])
