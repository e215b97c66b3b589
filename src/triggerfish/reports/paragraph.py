"""One result in a few sentences of plain text, for formats that have one field for a message."""

from __future__ import annotations

from triggerfish.reports.about import PLAIN
from triggerfish.reports.details import lines_of
from triggerfish.reports.rates import how_often_wrong
from triggerfish.reports.words import calibration, evidence, headline
from triggerfish.results import Scanned, Skipped


def paragraph(result: Scanned | Skipped) -> str:
    """What the terminal says below its table, and what it is measured by; lines end in newlines."""
    lines = list(lines_of(result, PLAIN))
    if isinstance(result, Scanned):
        answers = (evidence(result), calibration(result), how_often_wrong(result))
        place = lines.index(headline(result)) + 1
        lines[place:place] = [answer for answer in answers if answer not in lines]
    return "\n".join(lines)
