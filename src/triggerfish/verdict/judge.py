"""Scores of one detector -> rows of evidence, and what speaks against trusting them.

Where clean models made alike are known their error rate decides, else clean networks of the task,
else an outlier test or fixed levels. Of a detector made of others, the part that has a reference
for this model decides about classes; the whole's rows stand beside its own.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields, replace

import numpy as np

from triggerfish.detectors.base import Detector
from triggerfish.levels import level_of
from triggerfish.model.classifier import Classifier
from triggerfish.references.known import Choice, Known
from triggerfish.references.population import Reference
from triggerfish.references.store import shipped_references
from triggerfish.results import (
    ClassScores,
    Evidence,
    Finding,
    HypothesisKind,
    Null,
    Status,
    Verdict,
)
from triggerfish.statistics.outliers import (
    OUTLIER_TESTS,
    PUBLISHED_THRESHOLD,
    Array,
    Largest,
    TwoSidedMAD,
)
from triggerfish.verdict.conclude import FEW, conclude
from triggerfish.verdict.rules import AmongSameTask, Calibrated, Index, Rule, Uncalibrated
from triggerfish.verdict.sanity import check_restarts, check_scores


@dataclass(frozen=True)
class Weighed:
    """What the scores of one detector amount to: the arguments of `conclude`."""

    evidence: tuple[Evidence, ...]
    findings: tuple[Finding, ...] = ()
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Judge:
    """How scores are judged.

    Args:
        outlier_test: A test's name, to judge by it and by no reference.
        threshold: Replaces the test's or the reference's own, in units of its score.
        reference: Clean models that the user names; the shipped references are tried when None.
        false_positive_rate: What a calibrated threshold aims at, per clean model.
        same_task: Whether each class is compared with clean networks of the same task, where it is
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
        found = self.weigh(scores, detector, self.known(classifier))
        return conclude(found.evidence, (*findings, *found.findings), found.notes)

    def known(self, classifier: Classifier) -> Known:
        """Which of the references that may apply are of models like this one."""
        # Where a test is asked for by name, none of the shipped ones is tried.
        shipped = () if self.outlier_test is not None else shipped_references()
        apply = tuple(r for r in shipped if self.same_task or r.kind != "same-task")
        return Known(classifier, self.reference, apply)

    def weigh(self, scores: ClassScores, detector: Detector, known: Known) -> Weighed:
        """Rows of evidence from a detector's scores, those of the deciding test first."""
        if self.published_fill is not None:
            rule = self._rule(Case(detector, scores, Choice(None)))  # beside no other networks
            index = rule(_filled(scores, self.published_fill))
            return Weighed(tuple(index.rows(detector.scored_by)))
        case = choose_case(known, detector, scores)
        judged, rule = case.scores, self._rule(case)
        # Beside clean networks of a task, scores of pairs count as they are.
        among = isinstance(rule, AmongSameTask)
        values = (case.detector.compared(judged) if among else judged.statistic).numpy()
        index, sources = rule(values), tuple[int, ...]()
        if judged.pairs is not None:
            sources = tuple(s for s, _ in judged.pairs.strongest(range(len(judged.status))))
        # The deciding rows come first: a `Verdict` reads its index and its threshold from them.
        rows = [
            *index.rows(case.detector.scored_by, sources),
            *self._beside(case, detector, scores),
        ]
        runs: list[tuple[int, ...]] = []  # what each flags by itself, where there are several
        if judged.restarts is not None and len(judged.restarts) > 1:
            runs = [rule(run.numpy()).flagged for run in judged.restarts]
        doubts = check_scores(judged, known.classifier.num_pixels, case.detector.may_be_unreachable)
        if case.choice.reference is not None:
            # Ranks among clean models need no other classes of the same model.
            doubts = [finding for finding in doubts if finding.code != FEW]
        findings = [*case.choice.findings, *doubts, *check_restarts(index.flagged, runs)]
        notes = [case.choice.note(values), *_notes(judged, rows, index, runs)]
        if case.detector is not detector:
            notes.insert(0, f"judged by {case.detector.name}, which has a reference")
        return Weighed(tuple(rows), tuple(findings), tuple(notes))

    def _rule(self, case: Case) -> Rule:
        """How the case is decided."""
        reference, detector = case.choice.reference, case.detector
        kind: HypothesisKind = "target" if case.scores.pairs is None else "pair"
        if reference is not None:
            own = reference.threshold(self.false_positive_rate)
            return Calibrated(reference, own if self.threshold is None else self.threshold)
        if self.outlier_test is None and self.threshold is None:
            level = level_of(detector.scored_by, kind, "same-task")
            if case.same_task is not None and level is not None:
                # What is a note by default may decide where the user names what to compare with.
                noted = level.note_only and self.reference is None
                return AmongSameTask(case.same_task, replace(level, note_only=noted))
        test = detector.outlier_test
        if self.outlier_test not in (None, test.name):
            return Uncalibrated(OUTLIER_TESTS[str(self.outlier_test)], None, self.threshold)
        # A fixed level is in units of the score itself; other tests make their own index of it.
        level = level_of(detector.scored_by, kind, "fixed") if isinstance(test, Largest) else None
        return Uncalibrated(test, level, self.threshold)

    def _beside(self, case: Case, detector: Detector, scores: ClassScores) -> list[Evidence]:
        """Rows that do not decide: the whole's beside a part's, and those of the other parts."""
        rows: list[Evidence] = []
        if case.detector is not detector:
            values, population = scores.statistic.numpy(), case.same_task
            level = level_of(detector.scored_by, "target", "same-task")
            fixed = level_of(detector.scored_by, "target", "fixed")
            if population is not None and level is not None:
                null = Null("same-task", population.name, population.size)
                rows += Index(population.centered(values), level, null).rows(detector.scored_by)
            elif fixed is not None:
                rows += Index(values, fixed, Null("fixed")).rows(detector.scored_by)
        parts = zip(detector.parts, scores.parts, strict=False)
        if len(detector.parts) != len(scores.parts):
            return rows  # a part was left out, as it could decide nothing
        for part, found in parts:
            if part.scored_by in (case.detector.scored_by, detector.scored_by):
                continue  # its rows are there already
            if level := level_of(part.scored_by, "target", "fixed"):
                index = Index(found.statistic.numpy(), level, Null("fixed"))
                rows += index.rows(part.scored_by, note_only=True)
        return rows


def published_judge(cap: float) -> Judge:
    """The published rule as published: two-sided |z| > 3.5, statuses counted as numbers."""
    return Judge(TwoSidedMAD.name, PUBLISHED_THRESHOLD, published_fill=cap)


@dataclass(frozen=True)
class Case:
    """What decides about classes: the ``scores`` of one ``detector``, by what ``choice`` says.

    ``same_task`` are those that the scores of the whole detector can be compared with.
    """

    detector: Detector
    scores: ClassScores
    choice: Choice
    same_task: Reference | None = None


def choose_case(known: Known, detector: Detector, scores: ClassScores) -> Case:
    """The part of the detector that clean models like this one are known for, else the whole.

    A score of which the error rate is known decides before one of which it is not.
    """
    choice = known.choose(detector)
    whole = Case(detector, scores, choice, choice.same_task)
    if choice.reference is not None:
        return whole
    # A scan may leave a part out that can decide nothing; then parts and scores do not pair up.
    complete = len(detector.parts) == len(scores.parts)
    for number, part in enumerate(detector.parts):
        if complete and known.can_decide(part):
            return Case(part, scores.parts[number], known.choose(part), whole.same_task)
        if known.asked is None and (chosen := known.choose(part)).withheld:
            whole = replace(whole, choice=replace(whole.choice, because=chosen.because))
    return whole


def _notes(
    scores: ClassScores, rows: Sequence[Evidence], index: Index, runs: Sequence[tuple[int, ...]]
) -> Iterator[str]:
    if runs:
        agree = sum(run == index.flagged for run in runs)
        yield f"{agree} of {len(runs)} single runs flag the same classes"
    out = [k for k, state in enumerate(scores.status) if state is Status.UNREACHABLE]
    if out:
        yield f"the search reached no pattern for: {', '.join(map(str, out[:10]))}"
    flagged = [row.hypothesis for row in rows if row.flags and row.hypothesis.kind == "pair"]
    if flagged:
        yield f"from class to class: {', '.join(f'{h.source} -> {h.target}' for h in flagged)}"


def _filled(scores: ClassScores, cap: float) -> Array:
    fill = {Status.UNREACHABLE: 0.0, Status.CAP_REACHED: cap}
    pairs = zip(scores.statistic.tolist(), scores.status, strict=True)
    return np.array([fill.get(status, value) for value, status in pairs])
