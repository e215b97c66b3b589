"""The per-class CSV: the published columns, then logits, details and the search's status."""

from __future__ import annotations

from triggerfish.reports.columns import columns
from triggerfish.reports.csv_report import csv_line
from triggerfish.reports.text import number
from triggerfish.results import Scanned

# The published name of the statistic; other detectors use their own.
PUBLISHED_COLUMN = {"best_l1_weight": "best_l1"}


def image_name(label: int) -> str:
    """File name of a class's synthesized image, relative to the model's folder."""
    return f"class_{label}.png"


def render_class_table(result: Scanned) -> str:
    """``label,best_l1,achieved_prob,image_path,logit_0..logit_K-1``, details, index and status.

    A class that was not measured has an empty statistic and its status says why; classes that the
    first pass left out have no line.
    """
    scores = result.scores
    further = columns(scores)
    header = [
        "label",
        PUBLISHED_COLUMN.get(scores.name, scores.name),
        "achieved_prob",
        "image_path",
        *(f"logit_{k}" for k in range(len(scores.status))),
        *further,
        "anomaly_index",
        "status",
    ]
    lines = [csv_line(header)]
    for row, k in enumerate(scores.classes):
        cells = [
            k,
            number(float(scores.statistic[k])),
            number(float(scores.probability[k]), ".8g"),
            image_name(k),
            *(number(float(v)) for v in scores.logits[row]),
            *(number(float(vector[k])) for vector in further.values()),
            number(result.verdict.anomaly_index[k]),
            scores.status[k].value,
        ]
        lines.append(csv_line(cells))
    return "".join(lines)
