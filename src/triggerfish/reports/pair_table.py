"""The class pairs as CSV, the most suspicious first."""

from __future__ import annotations

from triggerfish.reports.csv_report import csv_line
from triggerfish.reports.text import number
from triggerfish.results import Pairs, Scanned

COLUMNS = ("source", "target", "score", "norm", "flagged")


def render_pair_table(result: Scanned, pairs: Pairs) -> str:
    """One line for each ordered pair of classes; what was not measured is empty, and comes last."""
    count, flagged = len(pairs.score), pairs.strongest(result.verdict.flagged)
    order = pairs.score.flatten().nan_to_num(float("-inf")).argsort(descending=True, stable=True)
    lines = [csv_line(COLUMNS)]
    for source, target in (divmod(place, count) for place in order.tolist()):
        if source != target:
            score, norm = (float(m[source, target]) for m in (pairs.score, pairs.norm))
            mark = "yes" if (source, target) in flagged else "no"
            lines.append(csv_line([source, target, number(score), number(norm), mark]))
    return "".join(lines)
