"""The classes sorted by suspicion, with their images."""

from __future__ import annotations

import math
import statistics
from dataclasses import dataclass

from triggerfish.reports.deciding import deciding_rows
from triggerfish.reports.html.pictures import picture
from triggerfish.reports.text import number
from triggerfish.reports.words import label, short_scale, sizes_of, times
from triggerfish.results import Scanned

MOST_ROWS = 100


@dataclass(frozen=True)
class ClassRow:
    """What was not measured is empty. ``norm`` is the minimum L1 norm, in pixels."""

    label: str
    flagged: bool
    picture: str | None
    index: str
    scale: str
    probability: str
    norm: str
    status: str


def class_rows(result: Scanned) -> list[ClassRow]:
    """At most 100, the most suspicious first, those without an index last."""
    rows, sizes = deciding_rows(result.verdict), _sizes(result)
    index = [math.nan if row is None else row.score for row in rows]
    order = sorted(range(len(index)), key=lambda k: (-_or_lowest(index[k]), k))
    return [_row(result, k, index[k], sizes) for k in order[:MOST_ROWS]]


def _row(result: Scanned, k: int, index: float, sizes: dict[int, float]) -> ClassRow:
    scores = result.scores
    places = {label: place for place, label in enumerate(scores.classes)}
    image = scores.images[places[k]] if k in places and len(scores.images) else None
    return ClassRow(
        label=label(k, result.class_names),
        flagged=k in result.verdict.flagged,
        picture=None if image is None else picture(image),
        index=number(index, ".2f"),
        scale=beside_median(k, sizes) if sizes else short_scale(scores, k),
        probability=number(float(scores.probability[k]), ".4f"),
        norm=number(sizes.get(k, math.nan), ".3g"),
        status=scores.status[k].value.replace("_", " "),
    )


def _sizes(result: Scanned) -> dict[int, float]:
    """The size of each class's pattern in pixels; else of the smallest change of a plain image."""
    parts = (result.scores, *result.scores.parts)
    for scores in parts:
        if sizes := sizes_of(scores, "pixel"):
            return sizes
    found: dict[int, float] = {}
    for plain in (plain for scores in parts for plain in scores.norms):
        for k, norm in enumerate(plain.norm.tolist()):
            if math.isfinite(norm):
                found[k] = min(norm, found.get(k, norm))
    return found


def beside_median(k: int, sizes: dict[int, float]) -> str:
    """How a class's size compares with the median of all: ``4.2 times smaller``."""
    median, size = statistics.median(sizes.values()), sizes.get(k, math.nan)
    if not (size > 0 and median > 0):
        return ""
    factor = median / size
    if max(factor, 1 / factor) < 1.05:
        return "as large"
    return f"{times(factor)} smaller" if factor > 1 else f"{times(1 / factor)} larger"


def _or_lowest(value: float) -> float:
    return value if math.isfinite(value) else -math.inf
