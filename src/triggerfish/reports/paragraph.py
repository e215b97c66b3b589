"""One result in a few sentences of plain text, for formats that have one field for a message."""

from __future__ import annotations

from triggerfish.reports.about import PLAIN
from triggerfish.reports.details import lines_of
from triggerfish.reports.rates import how_often_wrong
from triggerfish.reports.words import calibration, evidence
from triggerfish.results import Scanned, Skipped


def paragraph(result: Scanned | Skipped) -> str:
    """What the terminal says below its table, and what it is measured by; lines end in newlines."""
    lines = list(lines_of(result, PLAIN))
    if isinstance(result, Scanned):
        lines[1:1] = [evidence(result), calibration(result), how_often_wrong(result)]
    return "\n".join(lines)
