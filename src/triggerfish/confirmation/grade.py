"""What was measured in a confirmation test -> one number, and a grade in a word."""

from __future__ import annotations

from triggerfish.levels import CONFIRMATION, level_of
from triggerfish.results import Grade


def grade_of(lead: float) -> Grade:
    """The grade of a lead, by the levels of the test."""
    level = level_of(CONFIRMATION, "target", "same-size")
    assert level is not None
    if lead > level.flag_at:
        return "confirmed"
    return "refuted" if level.suspect_at is not None and not lead > level.suspect_at else "unclear"
