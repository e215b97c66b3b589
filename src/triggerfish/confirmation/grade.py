"""What was measured in a confirmation test -> one number, and a grade in a word."""

from __future__ import annotations

from triggerfish.results import Grade

CONFIRMED, REFUTED = 0.45, 0.25
"""Leads from which a class is confirmed, and below which it is refuted. Both were chosen on
networks that other people trained, and on attacked versions of them (docs/repair.md)."""


def grade_of(lead: float) -> Grade:
    """The grade of a lead."""
    if lead >= CONFIRMED:
        return "confirmed"
    return "refuted" if lead < REFUTED else "unclear"
