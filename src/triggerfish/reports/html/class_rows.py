"""The classes sorted by suspicion, with their images."""

from __future__ import annotations

import math
from dataclasses import dataclass

from triggerfish.reports.html.pictures import picture
from triggerfish.reports.text import number
from triggerfish.reports.words import label, short_scale
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
    index = result.verdict.anomaly_index
    order = sorted(range(len(index)), key=lambda k: (-_or_lowest(index[k]), k))
    return [_row(result, k) for k in order[:MOST_ROWS]]


def _row(result: Scanned, k: int) -> ClassRow:
    scores = result.scores
    places = {label: place for place, label in enumerate(scores.classes)}
    image = scores.images[places[k]] if k in places and len(scores.images) else None
    norms = [float(v[k]) for name, v in scores.details.items() if _is_size(name)]
    norms = [norm for norm in norms if math.isfinite(norm)]
    return ClassRow(
        label=label(k, result.class_names),
        flagged=k in result.verdict.flagged,
        picture=None if image is None else picture(image),
        index=number(result.verdict.anomaly_index[k], ".2f"),
        scale=short_scale(scores, k),
        probability=number(float(scores.probability[k]), ".4f"),
        norm=number(min(norms, default=math.nan), ".3g"),
        status=scores.status[k].value.replace("_", " "),
    )


def _is_size(name: str) -> bool:
    """Whether a detail is the size of a perturbation, in pixels."""
    return name == "size_pixel" or name.startswith("min_norm")


def _or_lowest(value: float) -> float:
    return value if math.isfinite(value) else -math.inf
