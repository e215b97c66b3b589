"""Which row of the evidence decided about each class: what reports set beside its threshold."""

from __future__ import annotations

import math

from triggerfish.results.verdict import CONTROL, PRECEDENCE, Evidence, Verdict


def deciding_rows(verdict: Verdict) -> tuple[Evidence | None, ...]:
    """Per class (K,) the row that accuses it, else the one with the strongest null; None for none.

    The strongest null is known of classes that were searched again, and of them alone.
    """
    return tuple(_deciding(verdict, k) for k in range(len(verdict.anomaly_index)))


def strongest_row(verdict: Verdict) -> Evidence | None:
    """Of an accused model the row that accuses it most, else that of the most suspicious class.

    Rows are compared by how far their scores are above their own levels. None where no row has a
    score, as where a file's program alone was looked at.
    """
    accused = set(verdict.accused)
    rows = [row for row in verdict.evidence if row.hypothesis in accused and accuses(row)]
    if not rows:
        rows = [row for row in deciding_rows(verdict) if row is not None]
        rows = [row for row in rows if not accused or row.hypothesis in accused]
    rows = [row for row in rows if math.isfinite(row.score) and row.hypothesis.kind != "structure"]
    return max(rows, key=excess, default=None)


def index_and_threshold(verdict: Verdict) -> tuple[float, float]:
    """What every report sets side by side: the strongest row's score and its level.

    NaN where there is no row with a score, or no level.
    """
    row = strongest_row(verdict)
    if row is None:
        return math.nan, math.nan
    return row.score, row.flag_at if math.isfinite(row.flag_at) else math.nan


def accuses(row: Evidence) -> bool:
    """Whether a row may accuse and does."""
    return row.flags and not row.note_only


def excess(row: Evidence) -> float:
    """How far a score is above its level, in units of the distance between the two levels."""
    if math.isnan(row.flag_at) or math.isinf(row.flag_at):
        return row.score - 1e6  # no level: behind every row that has one
    lower = row.suspect_at if row.suspect_at is not None else 0.9 * row.flag_at
    step = abs(row.flag_at - lower) or 1.0
    return (row.score - row.flag_at) / step


def _deciding(verdict: Verdict, k: int) -> Evidence | None:
    rows = [row for row in verdict.evidence if row.hypothesis.target == k]
    accusing = [row for row in rows if row.hypothesis in verdict.accused and accuses(row)]
    if accusing:
        # A proof about the program has no index: where another test accuses too, that one has.
        return max(accusing, key=lambda row: (row.hypothesis.kind != "structure", excess(row)))
    tests = [row for row in rows if row.null.kind != CONTROL]
    counted = [row for row in tests if not row.note_only] or tests
    return min(counted, key=lambda row: PRECEDENCE.index(row.null.kind), default=None)
