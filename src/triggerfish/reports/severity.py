"""How strong a flag is: the score beside its threshold, and clean networks that score as high."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from triggerfish.reports.deciding import excess, strongest_row
from triggerfish.results import Verdict

Grade = Literal["strong", "borderline"]
LEAST_EXCESS = 1.0
"""Of a strong flag: as far above the threshold as the suspicion threshold is below it."""


@dataclass(frozen=True)
class Severity:
    """The flag of the most suspicious class: its ``index`` by a ``test``, and the ``threshold``.

    Of ``clean_networks`` that were scored so, ``clean_as_high`` have a class with as high an index;
    both None where that was not counted, all of them where a file's program gives the answer.
    """

    grade: Grade
    test: str | None = None
    index: float | None = None
    threshold: float | None = None
    clean_as_high: int | None = None
    clean_networks: int | None = None


def severity_of(verdict: Verdict) -> Severity | None:
    """How strong the flag is; None where nothing is flagged."""
    if not verdict.accused:
        return None
    row = strongest_row(verdict)
    if row is None:
        return Severity("strong")
    grade: Grade = "strong" if excess(row) > LEAST_EXCESS else "borderline"
    return Severity(grade, row.test, row.score, row.flag_at, row.clean_as_high, row.clean_networks)
