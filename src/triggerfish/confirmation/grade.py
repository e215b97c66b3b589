"""What was measured in a confirmation test -> one number, and a grade in a word."""

from __future__ import annotations

from triggerfish.levels import CONFIRMATION, CONFIRMED_LEAD, level_of
from triggerfish.results import Grade


def grade_of(lead: float) -> Grade:
    """The grade of a lead: a flag is taken away where it is *refuted*."""
    level = level_of(CONFIRMATION, "target", "same-size")
    assert level is not None
    if lead > CONFIRMED_LEAD:
        return "confirmed"
    return "refuted" if level.suspect_at is not None and not lead > level.suspect_at else "unclear"
