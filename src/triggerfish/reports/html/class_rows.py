"""The classes sorted by suspicion, with their images."""

from __future__ import annotations

import math
import statistics
from dataclasses import dataclass

from triggerfish.reports.html.pictures import picture
from triggerfish.reports.text import number, sized
from triggerfish.reports.words import label, short_scale, sizes_of, times
from triggerfish.results import Scanned
from triggerfish.results.class_scores import BASES
from triggerfish.results.deciding import deciding_rows

MOST_ROWS = 100
SHORT = {"pixel": "px", "frequency": "freq."}
"""Units as short as a column wants them."""


@dataclass(frozen=True)
class ClassRow:
    """What was not measured is empty. ``size`` is that of the smallest pattern, with its unit."""

    label: str
    flagged: bool
    picture: str | None
    index: str
    scale: str
    probability: str
    size: str
    status: str


def class_rows(result: Scanned) -> list[ClassRow]:
    """At most 100, the most suspicious first, those without an index last."""
    rows, sizes = deciding_rows(result.verdict), _sizes(result)
    index = [math.nan if row is None else row.score for row in rows]
    order = sorted(range(len(index)), key=lambda k: (-_or_lowest(index[k]), k))
    return [_row(result, k, index[k], sizes) for k in order[:MOST_ROWS]]


@dataclass(frozen=True)
class _Size:
    """How large a class's pattern is, and how many times smaller than that of the median class."""

    size: float
    unit: str
    factor: float

    @classmethod
    def of_all(cls, sizes: dict[int, float], unit: str) -> dict[int, _Size]:
        """Those of every class, in one unit."""
        median = statistics.median(sizes.values()) if sizes else math.nan
        return {k: cls(v, unit, median / v) for k, v in sizes.items() if v > 0 and median > 0}


def _row(result: Scanned, k: int, index: float, sizes: dict[int, _Size]) -> ClassRow:
    scores, size = result.scores, sizes.get(k)
    places = {label: place for place, label in enumerate(scores.classes)}
    image = scores.images[places[k]] if k in places and len(scores.images) else None
    return ClassRow(
        label=label(k, result.class_names),
        flagged=k in result.verdict.flagged,
        picture=None if image is None else picture(image),
        index=number(index, ".2f"),
        scale=(_beside_median(size) if size else "") if sizes else short_scale(scores, k),
        probability=number(float(scores.probability[k]), ".4f"),
        size=f"{sized(size.size)} {size.unit}" if size else "",
        status=scores.status[k].value.replace("_", " "),
    )


def _sizes(result: Scanned) -> dict[int, _Size]:
    """Each class's pattern, in the basis where it is smallest beside the median class.

    Where no patterns were searched, the smallest change of a plain image.
    """
    parts, found = (result.scores, *result.scores.parts), dict[int, _Size]()
    for basis in BASES:
        sizes = next((s for part in parts if (s := sizes_of(part, basis))), {})
        for k, one in _Size.of_all(sizes, SHORT[basis]).items():
            found[k] = max(one, found.get(k, one), key=lambda size: size.factor)
    if found:
        return found
    smallest: dict[int, float] = {}
    for plain in (plain for scores in parts for plain in scores.norms):
        for k, norm in enumerate(plain.norm.tolist()):
            if math.isfinite(norm):
                smallest[k] = min(norm, smallest.get(k, norm))
    return _Size.of_all(smallest, SHORT["pixel"])


def _beside_median(size: _Size) -> str:
    """How a class's pattern compares with the median class's: ``4.2 times smaller``."""
    if max(size.factor, 1 / size.factor) < 1.05:
        return "as large"
    smaller = size.factor > 1
    return f"{times(size.factor)} smaller" if smaller else f"{times(1 / size.factor)} larger"


def _or_lowest(value: float) -> float:
    return value if math.isfinite(value) else -math.inf
