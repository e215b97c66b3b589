"""CSV of one result: a line a class, and a line a pair of classes."""

from __future__ import annotations

from triggerfish.reports.columns import columns
from triggerfish.reports.csv_report import csv_line
from triggerfish.reports.text import number
from triggerfish.results import Pairs, Scanned

# The published name of the statistic; other detectors use their own.
PUBLISHED_COLUMN = {"best_l1_weight": "best_l1"}
PAIR_COLUMNS = ("source", "target", "score", "norm", "flagged")


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


def render_pair_table(result: Scanned, pairs: Pairs) -> str:
    """One line for each ordered pair of classes, the most suspicious first.

    What was not measured is empty, and comes last.
    """
    count, flagged = len(pairs.score), pairs.strongest(result.verdict.flagged)
    order = pairs.score.flatten().nan_to_num(float("-inf")).argsort(descending=True, stable=True)
    lines = [csv_line(PAIR_COLUMNS)]
    for source, target in (divmod(place, count) for place in order.tolist()):
        if source != target:
            score, norm = (float(m[source, target]) for m in (pairs.score, pairs.norm))
            mark = "yes" if (source, target) in flagged else "no"
            lines.append(csv_line([source, target, number(score), number(norm), mark]))
    return "".join(lines)
