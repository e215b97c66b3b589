"""The heat map of class pairs: one picture with a pixel a pair, and frames around the flagged."""

from __future__ import annotations

import math
from dataclasses import dataclass

from triggerfish.reports.html.pictures import matrix_picture
from triggerfish.reports.text import sized
from triggerfish.reports.words import label
from triggerfish.results import Pairs, Scanned

MOST_LABELS = 24


@dataclass(frozen=True)
class PairMap:
    """``count`` classes a side; ``frames`` are (source, target, words); ``top`` is the darkest."""

    picture: str
    count: int
    labels: tuple[int, ...]
    frames: tuple[tuple[int, int, str], ...]
    strongest: tuple[tuple[str, str, str, str], ...]
    top: float


def pair_map(result: Scanned, pairs: Pairs) -> PairMap:
    """Sources down, targets across; the scale reaches the threshold at least."""
    count, threshold = len(pairs.score), result.verdict.threshold
    largest = float(pairs.score.nan_to_num(0.0).max())
    top = max(largest, threshold if math.isfinite(threshold) else 0.0, 1e-9)
    names = result.class_names
    frames = tuple(
        (s, t, f"{label(s, names)} to {label(t, names)}: {float(pairs.score[s, t]):.2f}")
        for s, t in pairs.strongest(result.verdict.flagged)
    )
    step = 1 if count <= MOST_LABELS else 10 if count <= 240 else 100
    return PairMap(
        picture=matrix_picture(pairs.score, top),
        count=count,
        labels=tuple(range(0, count, step)),
        frames=frames,
        strongest=tuple(_strongest(result, pairs)),
        top=top,
    )


def _strongest(result: Scanned, pairs: Pairs) -> list[tuple[str, str, str, str]]:
    """The five largest scores: source, target, score, norm."""
    score = pairs.score.nan_to_num(-math.inf).flatten()
    places = score.argsort(descending=True, stable=True)[:5].tolist()
    cells = [divmod(place, len(pairs.score)) for place in places]
    names = result.class_names
    return [
        (
            label(s, names),
            label(t, names),
            f"{float(pairs.score[s, t]):.2f}",
            sized(float(pairs.norm[s, t])),
        )
        for s, t in cells
        if math.isfinite(float(pairs.score[s, t]))
    ]
