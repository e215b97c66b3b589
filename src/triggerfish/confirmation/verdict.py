"""Which classes get a confirmation test, and what the verdict is after it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace

from triggerfish.results import Confirmation, Finding, Verdict
from triggerfish.verdict.score_checks import UNCLEAR_SCORE, VOIDING

NOT_CONFIRMED = "not-confirmed"
CONFIRMATION_TEST = "confirmation test"
MOST_TESTS = 5  # at one model, the most suspicious classes first
MOST_SUSPECTED = 2  # of them at classes that are not flagged


def classes_to_confirm(verdict: Verdict) -> list[int]:
    """The flagged classes, or where none is, those whose uncalibrated score is in doubt."""
    if verdict.flagged:
        return [k for k in _above(verdict, -math.inf) if k in verdict.flagged][:MOST_TESTS]
    void = any(reason.code in VOIDING for reason in verdict.reasons)
    if verdict.suspicion_threshold is None or verdict.all_classes or void:
        return []
    return _above(verdict, verdict.suspicion_threshold)[:MOST_SUSPECTED]


def _above(verdict: Verdict, level: float) -> list[int]:
    """Classes with a score above ``level``, the most suspicious first."""
    index = verdict.anomaly_index
    above = (k for k, score in enumerate(index) if score > level)
    return sorted(above, key=index.__getitem__, reverse=True)


def after_confirmations(verdict: Verdict, confirmations: Sequence[Confirmation]) -> Verdict:
    """The verdict without the flags that were refuted, and with the classes that were confirmed.

    *Inconclusive*, never clean, when a flag was taken away. A score in doubt is no longer unclear
    once its class is confirmed or refuted. A flag by clean models of the same recipe stands: its
    error rate is known, that of a test is not.
    """
    if not confirmations or verdict.reference is not None:
        return verdict
    grades = {confirmation.target: confirmation for confirmation in confirmations}
    refuted = [k for k in verdict.flagged if k in grades and grades[k].grade == "refuted"]
    found = [
        k
        for k, confirmation in grades.items()
        if k not in verdict.flagged and confirmation.grade == "confirmed"
    ]
    flagged = (*(k for k in verdict.flagged if k not in refuted), *found)
    reasons = [r for r in verdict.reasons if r.code != UNCLEAR_SCORE]
    if not found and not _settled(verdict, grades):
        reasons = list(verdict.reasons)
    reasons += [_finding(grades[k]) for k in refuted]
    backdoored = bool(flagged) or verdict.all_classes
    return replace(
        verdict,
        name="backdoored" if backdoored else "inconclusive" if reasons else "clean",
        flagged=flagged,
        reasons=tuple(reasons),
        notes=(*verdict.notes, *(_note(grades[k], verdict) for k in found)),
        seen_by={k: verdict.seen_by.get(k, (CONFIRMATION_TEST,)) for k in flagged},
    )


def _settled(verdict: Verdict, confirmations: Mapping[int, Confirmation]) -> bool:
    """Whether every class with a suspicious score was tested, and refuted."""
    if verdict.suspicion_threshold is None:
        return False
    suspected = _above(verdict, verdict.suspicion_threshold)
    return all(k in confirmations and confirmations[k].grade == "refuted" for k in suspected)


def _note(confirmation: Confirmation, verdict: Verdict) -> str:
    return (
        f"class {confirmation.target} is flagged by a confirmation test, with a lead of "
        f"{confirmation.lead:.2f}; "
        f"its score of {verdict.anomaly_index[confirmation.target]:.2f} alone is not"
    )


def _finding(confirmation: Confirmation) -> Finding:
    return Finding(
        NOT_CONFIRMED,
        f"expected the perturbation towards class {confirmation.target} to outdo those of the same "
        "size towards "
        f"other classes by far, got a lead of {confirmation.lead:.2f} in a confirmation test: "
        "some clean "
        "networks have such a class; calibrate on clean models of this network and task",
    )
