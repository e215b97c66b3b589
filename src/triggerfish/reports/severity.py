"""How strong a flag is: the score beside its threshold, and clean networks that score as high."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from triggerfish.results import Verdict
from triggerfish.results.deciding import excess, strongest_row

Grade = Literal["strong", "borderline"]
LEAST_EXCESS = 1.0
"""Of a strong flag: as far above the threshold as the suspicion threshold is below it."""


@dataclass(frozen=True)
class Severity:
    """How strong a flag is: that of the most suspicious class.

    Only the grade is known where a file's program gives the answer.
    """

    grade: Grade
    """*strong*: far above the threshold. *borderline*: just above it."""
    test: str | None = None
    """The test that flagged the class."""
    index: float | None = None
    """Its score there."""
    threshold: float | None = None
    """The level above which that flags."""
    clean_as_high: int | None = None
    """Of ``clean_networks``, how many have as suspicious a class; None where not counted."""
    clean_networks: int | None = None
    """How many clean networks were scored by the same test."""


def severity_of(verdict: Verdict) -> Severity | None:
    """How strong the flag is; None where nothing is flagged."""
    if not verdict.accused:
        return None
    row = strongest_row(verdict)
    if row is None:
        return Severity("strong")
    grade: Grade = "strong" if excess(row) > LEAST_EXCESS else "borderline"
    return Severity(grade, row.test, row.score, row.flag_at, row.clean_as_high, row.clean_networks)
