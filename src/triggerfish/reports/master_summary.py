"""``master_summary.csv`` of a reproduction: one line a model, the published columns."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from triggerfish.reports.csv_report import csv_line
from triggerfish.reports.text import printable

COLUMNS = ("folder", "model", "expected_backdoor_label", "detected_labels_mad", "status")


@dataclass(frozen=True)
class MasterRow:
    """One model against its ground truth; ``expected`` is None for a clean model."""

    folder: str
    model: str
    expected: int | None
    detected: tuple[int, ...]
    status: Literal["correct", "incorrect", "skipped"]


def render_master_summary(rows: Iterable[MasterRow]) -> str:
    """The published columns; several detected labels are joined by ``;``, none is ``none``."""
    lines = [csv_line(COLUMNS)]
    for row in rows:
        expected = "none" if row.expected is None else row.expected
        detected = ";".join(map(str, row.detected)) or "none"
        model = printable(row.model)
        lines.append(csv_line([row.folder, model, expected, detected, row.status]))
    return "".join(lines)
