"""Confirmation tests of the classes that are flagged, or nearly."""

from __future__ import annotations

import math
from functools import partial

from triggerfish.confirmation import confirm
from triggerfish.levels import CONFIRMATION, SURE, level_of
from triggerfish.results import Confirmation, Evidence, Hypothesis, Null, Verdict
from triggerfish.search.batching import with_enough_memory
from triggerfish.search.progress import share_of_work
from triggerfish.stages.state import Found, Stage, State
from triggerfish.verdict.conclude import is_void

MOST_TESTS = 5  # of one model, the most suspicious classes first
MOST_SUSPECTED = 2  # of them of classes that are not flagged


class ConfirmationTests(Stage):
    """One test of every class in question, each with its control."""

    def applies(self, state: State) -> bool:
        """Where universal perturbations were searched, and left a class in question."""
        scores = state.scores
        if not state.config.confirm or scores is None or not scores.perturbations:
            return False
        return not state.verdict.sources and bool(classes_to_confirm(state.verdict))

    def __call__(self, state: State) -> Found:
        """A row per class: its lead over other classes by the same means."""
        targets, config = classes_to_confirm(state.verdict), state.config
        tests = list[Confirmation]()
        for number, target in enumerate(targets):
            with share_of_work(number / len(targets), (number + 1) / len(targets)):
                test = partial(confirm, state.classifier, target, config.confirmation, config.seed)
                tests.append(with_enough_memory(test))
        return Found(tuple(map(evidence_of, tests)), confirmations=tuple(tests))


def evidence_of(test: Confirmation) -> Evidence:
    """The row that a test amounts to."""
    level = level_of(CONFIRMATION, "target", "same-size")
    assert level is not None
    return Evidence(
        Hypothesis("target", test.target), CONFIRMATION, test.lead, level.flag_at,
        level.suspect_at, Null("same-size"), note_only=level.note_only,
    )  # fmt: skip


def classes_to_confirm(verdict: Verdict) -> list[int]:
    """The flagged classes, or where none is, those whose uncalibrated score is suspicious.

    None where a search on sure images decides, and none of a class that it flags or refutes as a
    test: that search is one of its own, and clean networks stay below its level (levels.py).
    """
    if verdict.evidence and verdict.evidence[0].test == SURE:
        return []
    settled = {
        row.hypothesis.target
        for row in verdict.evidence
        if row.test == SURE and row.null.kind == "same-size" and row.flags == row.is_suspicious
    }
    if verdict.flagged:
        flagged = [k for k in _above(verdict, -math.inf) if k in verdict.flagged]
        return [k for k in flagged if k not in settled][:MOST_TESTS]
    level = verdict.suspicion_threshold
    if level is None or verdict.all_classes or is_void(verdict.reasons):
        return []
    return [k for k in _above(verdict, level) if k not in settled][:MOST_SUSPECTED]


def _above(verdict: Verdict, level: float) -> list[int]:
    """Classes with a score above ``level``, the most suspicious first."""
    index = verdict.anomaly_index
    above = (k for k, score in enumerate(index) if score > level)
    return sorted(above, key=index.__getitem__, reverse=True)
