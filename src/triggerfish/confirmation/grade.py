"""What was measured in a second look -> one number, and a grade in a word."""

from __future__ import annotations

from collections.abc import Sequence

from triggerfish.results import BasisEvidence, Grade

CONFIRMED, REFUTED = 0.45, 0.25
"""Leads from which a class is confirmed, and below which it is refuted. Both were chosen on
networks that other people trained, and on attacked versions of them (docs/repair.md)."""


def lead_of(evidence: Sequence[BasisEvidence]) -> float:
    """By how much the class's change outdoes the others of the same size, in the better basis.

    Compared is with the second best of the others: one other class may be near by itself, or a
    second target.
    """
    return max(0.0, *(one.success - _second(one.controls) for one in evidence))


def grade_of(lead: float) -> Grade:
    """The grade of a lead."""
    if lead >= CONFIRMED:
        return "confirmed"
    return "refuted" if lead < REFUTED else "unclear"


def _second(controls: Sequence[float]) -> float:
    """The second largest; the largest of one, 1 of none."""
    ordered = sorted(controls, reverse=True)
    return ordered[min(1, len(ordered) - 1)] if ordered else 1.0
